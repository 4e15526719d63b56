from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_runs import Bench
from finished import disk_run, one_line
from pycocotools import mask as coco_mask

from bench.cli import main
from bench.data.opening import samples_of_runs
from bench.models.disk import Disk
from bench.report.export import export_coco, export_prompts
from bench.scoring.foreground import foregrounds
from bench.scoring.metrics.iou import iou
from bench.store.runs import read_runs
from bench.types import Mask, MaskRow, Prompt, Site


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=3, masks=2)


@pytest.mark.parametrize("prompt", ["point_3", "box_and_points"])
def test_exported_prompts_asked_again_give_the_same_ious(folder: Path, prompt: str) -> None:
    store = disk_run(folder, prompt, "model.args.stride=4")
    path = folder.parent / "prompts.csv"
    assert main(["export", str(store.folder), "--prompts", str(path)]) == 0
    tracks = defaultdict(list)
    for line in csv.DictReader(path.read_text().splitlines()):
        tracks[line["image_id"], line["mask_id"]].append(line)
    rows = read_runs([store]).set_index(["image_id", "mask_id", "step"])
    assert sum(map(len, tracks.values())) == len(rows)
    assert {line["cues"] for lines in tracks.values() for line in lines} == {""}
    model, read = Disk(stride=4, site=Site()), samples_of_runs(Path("datasets"))
    for (image_id, mask_id), lines in tracks.items():
        sample = read(store, image_id)
        target = next(t.mask for t in sample.targets if t.mask_id == mask_id)
        embedding, logits, before = model.embed([sample.image])[0], None, None
        for line in lines:
            row = rows.loc[image_id, mask_id, int(line["step"])]
            question = line["point_coords"], line["box"]
            if question != before:  # nothing was left to click on, so nothing was asked
                labels = np.array(json.loads(line["point_labels"]), np.int64)
                prompt_again = Prompt(
                    points=np.array(json.loads(line["point_coords"]), np.float32).reshape(-1, 2),
                    labels=labels,
                    box=np.array(json.loads(line["box"]), np.float32) if line["box"] else None,
                    mask_logits=logits if line["feedback"] == "logits" else None,
                )
                found = model.predict([embedding], [prompt_again], line["multimask"] == "true")
                chosen = int(found.predicted_iou[0].argmax())
                logits = found.logits[0, chosen].numpy()
                masks = foregrounds(found.logits[0], found.frames[0], 0.0)
                ious = np.array([iou(mask, target) for mask in masks])
                before = question
            assert ious.tolist() == list(row["ious"])
            assert ious[chosen] == row["iou"]


def test_coco_results_hold_the_masks_of_the_last_reported_step(folder: Path) -> None:
    store = disk_run(folder, "point_3")
    path = folder.parent / "ours.json"
    assert main(["export", str(store.folder), "--coco", str(path)]) == 0
    entries = json.loads(path.read_text())
    rows = read_runs([store]).set_index(["image_id", "mask_id", "step"])
    assert len(entries) == 6
    for entry in entries:
        row = rows.loc[str(entry["image_id"]), str(entry["mask_id"]), entry["step"]]
        assert entry["step"] == 3
        assert entry["segmentation"] == {"size": [48, 64], "counts": row["mask_rle"]}
        assert entry["score"] == row["predicted_ious"][row["selected"]]
        assert entry["category"] == "blob"
    assert coco_mask.area([entry["segmentation"] for entry in entries]).sum() > 0
    assert main(["export", str(store.folder), "--coco", str(path), "--step", "1"]) == 0
    assert {entry["step"] for entry in json.loads(path.read_text())} == {1}


def test_ids_that_are_no_numbers_stay_text(tmp_path: Path) -> None:
    results = tmp_path / "results"
    words = ["model=disk", "dataset=shapes", "prompt=[point_1]", "runtime.limit=1"]
    assert main(["run", *words, f"runtime.results={results}"]) == 0
    path = tmp_path / "ours.json"
    assert main(["export", "*", "--coco", str(path), "--results", str(results)]) == 0
    entry = json.loads(path.read_text())[0]
    assert entry["image_id"] == "scene_00000"
    assert entry["mask_id"].startswith("scene_00000/")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to export"),
        (["--prompts", "{out}/p.csv", "--step", "1"], "--step"),
        (["--coco", "{out}/c.json", "--step", "7"], "no step 7; there are: 1, 2, 3"),
        (["--coco", "{out}/file/c.json"], "the folder cannot be made"),
        (["--coco", "{out}/a.csv", "--prompts", "{out}/./a.csv"], "name one file"),
        (["--coco", "{out}/link.csv", "--prompts", "{out}/a.csv"], "name one file"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    folder: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store, out = disk_run(folder, "point_3"), folder.parent / "out"
    out.mkdir()
    (out / "file").write_text("in the way")
    (out / "link.csv").symlink_to("a.csv")
    capsys.readouterr()
    assert main(["export", str(store.folder), *(w.format(out=out) for w in words)]) == 2
    assert says in one_line(capsys.readouterr().err)
    assert sorted(each.name for each in out.iterdir()) == ["file", "link.csv"]


def test_folders_of_exported_files_are_made(folder: Path) -> None:
    store, out = disk_run(folder, "point_3"), folder.parent / "out"
    assert main(["export", str(store.folder), "--coco", f"{out}/new/c.json"]) == 0
    assert json.loads((out / "new" / "c.json").read_text())


def test_one_run_with_masks_is_needed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk_run(folder, "point_1", "runtime.keep_masks=false")
    disk_run(folder, "box")
    path, results = folder.parent / "ours.json", str(folder.parent / "results")
    for pattern, says in [("*", "fits 2 runs"), ("*-point_1-*", "keep_masks")]:
        capsys.readouterr()
        assert main(["export", pattern, "--coco", str(path), "--results", results]) == 2
        assert says in one_line(capsys.readouterr().err)
    assert not path.exists()


def test_a_mask_without_a_predicted_iou_has_no_score(
    bench: Bench, row: Callable[..., MaskRow], tmp_path: Path
) -> None:
    given = [
        ([0.25, 0.5], 0, 0.25), ([0.25, 0.5], 1, 0.5), ([0.25, 0.5], 2, None), ([], 0, None),
        ([], None, None), ([0.25], None, None),
    ]  # fmt: skip
    rle = Mask.from_dense(np.eye(6, 8, dtype=bool)).to_rle()
    rows = [
        row(mask_id=f"{n}", predicted_ious=scores, selected=chosen, mask_rle=rle)
        for n, (scores, chosen, _) in enumerate(given)
    ]
    path = tmp_path / "ours.json"
    assert export_coco(bench.run(prompt="point_1", rows=rows), path) == len(given)
    found = {entry["mask_id"]: entry["score"] for entry in json.loads(path.read_text())}
    assert found == {n: score for n, (_, _, score) in enumerate(given)}


def test_the_protocol_says_what_is_fed_back(bench: Bench, tmp_path: Path) -> None:
    store = bench.run(prompt="points", images=2)
    for args, later in (({}, "logits"), ({"feedback": "none"}, "none")):
        protocol = {"name": "sam", "version": 1, "args": args}
        store.write_header({**store.header(), "protocol": protocol})
        export_prompts(store, tmp_path / "prompts.csv")
        found = {(int(row["step"]) > 1, row["feedback"]) for row in read_csv(tmp_path)}
        assert found == {(False, "none"), (True, later)}


def read_csv(folder: Path) -> list[dict[str, str]]:
    with (folder / "prompts.csv").open(newline="") as file:
        return list(csv.DictReader(file))
