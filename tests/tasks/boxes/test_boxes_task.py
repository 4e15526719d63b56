"""Boxes in whole runs: the truth's own, a detector's, both passes, deaths, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import box_fidelity
import numpy as np
import pytest
from finished import change_annotations, dataset_words, one_line
from pictures import coco_files

import bench
from bench.analysis.sections.boxes import boxes_section
from bench.analysis.selection import select
from bench.cli import main
from bench.config.composing import load_component
from bench.models.loading import load_model
from bench.protocol import Protocol
from bench.scoring.foreground import foregrounds
from bench.store.runs import find_runs, read_runs
from bench.tasks.boxes.asking import Asking
from bench.types import Mask, MaskCue, Prompt, Sample, Site

ASK = ["run", "task=boxes", "model=disk"]


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    """Four pictures of three blobs each, in two categories."""
    made = coco_folder()

    def change(document: Any) -> None:
        document["categories"] = [{"id": 8, "name": "oar"}, {"id": 5, "name": "cup"}]
        for number, annotation in enumerate(document["annotations"]):
            annotation["category_id"] = 8 if number % 3 else 5

    change_annotations(made, change)
    return made


def write(folder: Path, entries: Sequence[Any]) -> str:
    """The word that names a file of these entries."""
    path = folder.parent / "vitdet.json"
    path.write_text(json.dumps(entries))
    return f"task.args.boxes={path}"


def entry(image: Any = 0, category: Any = 8, box: Any = (3, 4, 20, 22), score: Any = 0.5) -> Any:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


def test_the_truths_own_boxes_are_asked_twice_and_ranked_alike(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASK, *dataset_words(folder), "runtime.limit=2"]) == 0
    assert main([*ASK, *dataset_words(folder)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "boxes are the targets' own, each with a score of 1" in out
    assert "Average precision" in out
    (store,) = find_runs(folder.parent / "results", ["*"])
    rows = read_runs([store])
    targets, found = rows[rows["entry"].isna()], rows[rows["entry"].notna()]
    assert len(targets) == len(found) == 4 * 3 * 2
    assert set(found["score"]) == {1.0}
    assert targets["counts"].astype(bool).all()
    assert found["counts"].isna().all()
    annotations = json.loads((folder / "annotations.json").read_text())["annotations"]
    truths = {str(each["id"]): Mask.from_rle(each["segmentation"]) for each in annotations}
    boxes = {(r.image_id, tuple(r.box)) for r in found[found["step"] == 1].itertuples()}
    assert boxes == {(str(each["image_id"]), truths[str(each["id"])].box) for each in annotations}
    (section,) = boxes_section(select([store]))
    assert section.lines["prompt"].tolist() == ["true_box", "true_box_refined"]
    assert section.lines["box_ap"].tolist() == pytest.approx([1.0, 1.0])
    assert section.lines["ap_rare"].isna().all()


def test_the_second_pass_has_the_box_and_the_most_confident_mask() -> None:
    site = Site(device="cpu", datasets=Path(), checkpoints=Path())
    demo = load_model(load_component("model", "demo"), site)
    image = np.random.default_rng(1).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    image[15:40, 20:70] //= 3
    sample = Sample("a", image, [])
    (embedding,) = demo.embed([image])
    boxes = [np.array(box, np.float32) for box in ([18, 12, 72, 43], [2, 2, 30, 50])]
    protocol = Protocol()

    def in_ones(work: Any, items: Sequence[Any]) -> Any:
        for one in items:
            yield work([one])

    def at_once(work: Any, items: Sequence[Any]) -> Any:
        yield work(items)

    found = Asking(refine=True, single=False).masks(
        demo, embedding, boxes, sample, protocol, at_once
    )
    alone = Asking(refine=True, single=False).masks(
        demo, embedding, boxes, sample, protocol, in_ones
    )
    assert [[a.mask.to_rle() for a in b] for b in found] == [
        [a.mask.to_rle() for a in b] for b in alone
    ]
    for box, (first, second) in zip(boxes, found, strict=True):
        prompt = Prompt(box=box)
        for answer in (first, second):
            told = demo.predict([embedding], [prompt], multimask=True)
            best = int(told.predicted_iou[0].argmax())
            assert answer.estimate == pytest.approx(float(told.predicted_iou[0][best]), abs=1e-5)
            grid = told.logits[0][best]
            (mask,) = foregrounds(grid[None], told.frames[0], 0.0)
            assert answer.mask.to_rle() == mask.to_rle()
            prompt = prompt.having(MaskCue(grid.numpy()))
        (only,) = Asking(refine=False, single=True).masks(
            demo, embedding, [box], sample, protocol, at_once
        )
        assert len(only) == 1
        told = demo.predict([embedding], [Prompt(box=box)], multimask=False)
        assert only[0].estimate == pytest.approx(float(told.predicted_iou[0][0]), abs=1e-5)


def test_boxes_end_where_the_protocol_says_and_what_holds_no_pixel_is_not_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [
        entry(box=[3, 4, 20, 22.5]), entry(box=[64, 4, 9, 9]), entry(box=[-9, 4, 9, 9]),
        entry(box=[5, 5, 0, 7]), entry(box=[5, 5, 7, -3]), entry(box=[60.5, 47.9, 9, 9]),
        entry(1), entry(77), entry(1, 99),
    ]  # fmt: skip
    word = write(folder, entries)
    for rule, ends in (("tight", [22.0, 25.5]), ("file", [23.0, 26.5])):
        results = f"runtime.results={folder.parent}/{rule}"
        words = [*dataset_words(folder), results, f"protocol.args.box={rule}"]
        assert main([*ASK, word, *words, "task.args.refine=false"]) == 0
        (store,) = find_runs(folder.parent / rule, ["*"])
        rows = read_runs([store])
        found = rows[rows["entry"].notna()].set_index("entry").sort_index()
        assert found.index.tolist() == [0, 1, 2, 3, 4, 5, 6]
        assert list(found["box"][0]) == [3.0, 4.0, *ends]
        asked = [box is not None for box in found["box"]]
        assert asked == [True, False, False, False, False, True, True]
        assert (found["area"][[1, 2, 3, 4]] == 0).all()
        assert found["hits_all"][[1, 2, 3, 4]].tolist() == [0] * 4
        assert found["aside_all"][[1, 2, 3, 4]].tolist() == [0] * 4, "they count as wrong"
    captured = capsys.readouterr()
    out, err = (" ".join(text.split()) for text in captured)
    assert "4 boxes hold no pixel of their picture" in out
    assert "1 detections are of images that the dataset doesn't have" in out
    assert "1 detections are of categories that the dataset doesn't have" in out
    assert "1 of 9 detections are of an image that blobs doesn't have, such as '77'" in err
    assert "1 of 9 detections are of a category that blobs doesn't have, such as 'cat" in err


def test_two_detectors_stand_in_one_report_under_their_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, score in (("yolo", 0.4), ("vitdet", 0.6)):
        word = write(folder, [entry(n, score=score) for n in range(4)])
        words = [word, f"task.args.detector={name}", "task.args.refine=false"]
        assert main([*ASK, *words, *dataset_words(folder)]) == 0
    assert main(["report", "--results", f"{folder.parent}/results", "--name", "both"]) == 0
    text = (folder.parent / "results/reports/both/boxes.csv").read_text()
    assert "detector_box (vitdet)" in text
    assert "detector_box (yolo)" in text


@pytest.mark.parametrize(
    ("entries", "words", "says"),
    [
        ([entry(score=float("nan"))], [], "1 of 1 entries are no detections: entry 0: 'score'"),
        ([entry(77), entry(78)], [], "2 of 2 detections are of an image that blobs doesn't have"),
        ([entry(0, 1)], [], "category that blobs doesn't have, such as 'category_id 1'; the data"),
        ([], [], "it holds no detection"),
        (None, ["task.args.boxes=none.json"], "none.json"),
        (None, ["task.args.detector=a"], "names the maker of task.args.boxes"),
        ([entry()], ["task.args.detector=a/b"], "holds '/'"),
        (None, ["task.args.rules=voc"], "unknown detection rule 'voc'"),
        (None, ["task.args.refine=2"], "refine must be bool, found 2"),
        (None, ["protocol.args.box_noise_std=0.1"], "protocol.args.box_noise_std=0"),
        (None, ["model=ritm"], "asks box, mask_logits, and model ritm understands"),
    ],
)
def test_what_makes_no_sense_is_one_line_of_boxes(
    entries: Any, words: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [] if entries is None else [write(folder, entries)]
    assert main([*ASK, *dataset_words(folder), *named, *words]) == 2
    assert says in one_line(capsys.readouterr().err)


def test_categories_of_one_name_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_annotations(folder, lambda document: document["categories"][0].update(name="cup"))
    assert main([*ASK, *dataset_words(folder)]) == 2
    assert "2 of its categories are called 'cup'" in one_line(capsys.readouterr().err)


def plain(results: Path) -> list[dict[str, object]]:
    return bench.read_runs(results=results).drop(columns="run").map(str).to_dict("records")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> box_fidelity.Scene:
    return box_fidelity.write_scene(tmp_path_factory.mktemp("killed") / "coco", 2, federated=True)


@pytest.mark.long
@pytest.mark.parametrize("devices", ["cpu", "cpu,cpu"], ids=["one process", "two"])
def test_a_killed_run_goes_on_and_its_rows_are_those_of_a_whole_one(
    devices: str, scene: box_fidelity.Scene, tmp_path: Path
) -> None:
    box_fidelity.run(scene, results=tmp_path / "whole")
    reference = plain(tmp_path / "whole")
    results = tmp_path / "results"
    command = [
        sys.executable, "-m", "bench", *ASK[:2], f"task.args.boxes={scene.folder}/boxes.json",
        *box_fidelity.MODEL, "dataset=coco", *coco_files(scene.folder),
        f"runtime.results={results}",
        "runtime.part_images=1", "runtime.workers=1", f"runtime.devices=[{devices}]",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    running = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(results.glob("runs/*/parts/*.parquet")):
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    (store,) = find_runs(results, ["*"])
    done = {row["image_id"] for row in plain(results)}
    assert 0 < len(done) < len(box_fidelity.IMAGE_IDS)
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert store.header()["status"] == "complete"
    assert plain(results) == reference


def test_published_numbers_of_each_pass_stand_beside_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["dataset.name=coco_val2017", "model.name=sam_vit_h"]
    words = [*dataset_words(folder), *names, write(folder, [entry(n) for n in range(4)])]
    assert main([*ASK, *words, "--report", "table5"]) == 0
    report = json.loads((folder.parent / "results/reports/table5/report.json").read_text())
    lines = next(v for k, v in report["sections"].items() if k == "published")
    found = {
        (line["prompt"], line["metric"], line["published"])
        for line in (lines["lines"] if isinstance(lines, dict) else lines)
        if line["source"] == "sam"
    }
    assert found == {
        ("detector_box_refined", "ap", 46.5),
        ("detector_box_refined", "ap_small", 30.8),
        ("detector_box_refined", "ap_medium", 51.0),
        ("detector_box_refined", "ap_large", 61.7),
    }
    text = (folder.parent / "results/reports/table5/published.md").read_text()
    assert "Their boxes are of ViTDet-H, ours of a file of unnamed make." in text
    (folder.parent / "results/reports/table5/report.json").unlink()
    assert main([*ASK, *words[:-1], "--report", "truth"]) == 0
    assert not (folder.parent / "results/reports/truth/published.csv").exists()
