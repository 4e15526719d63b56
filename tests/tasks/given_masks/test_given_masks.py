"""Masks of other tools, scored from files as a user has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import normalize

import cv2
import numpy as np
import pytest
from finished import dataset_words, disk_run, one_line
from PIL import Image
from pycocotools import mask as coco_mask

import bench
from bench.cli import main
from bench.data.opening import samples_of_runs
from bench.data.readers.coco import Coco
from bench.report.pages.comparison import differing
from bench.store.runs import RunStore, find_runs, read_runs
from bench.tasks.given_masks.predictions import read_predictions
from bench.types import BenchError, Site


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=3, masks=2)


def score(folder: Path, path: Path, *words: str) -> int:
    return main(["score", "--predictions", str(path), *words, *dataset_words(folder)])


def given_run(folder: Path) -> RunStore:
    (store,) = find_runs(folder.parent / "results", ["*-given-*"])
    return store


def truth(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "annotations.json").read_text())["annotations"]


def results(folder: Path, entries: Any) -> Path:
    path = folder.parent / "theirs.json"
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return path


def entry(annotation: dict[str, Any], **changed: Any) -> dict[str, Any]:
    known = {"image_id": annotation["image_id"], "mask_id": annotation["id"], "score": 0.75}
    return known | {"segmentation": annotation["segmentation"]} | changed


def test_the_truth_itself_scores_1_and_its_score_is_the_predicted_iou(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results(folder, [entry(annotation) for annotation in truth(folder)])
    assert score(folder, path, "--model-name", "truth") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "given masks" in out
    assert "no mask given" not in out
    rows = read_runs([given_run(folder)])
    assert (len(rows), set(rows["iou"]), set(rows["model"])) == (6, {1.0}, {"truth"})
    assert [list(scores) for scores in rows["predicted_ious"]] == [[0.75]] * 6
    assert not rows["multimask"].any()


@pytest.mark.parametrize("prompt", ["point_3", "box"])
def test_an_exported_run_scores_the_same_to_the_last_bit(folder: Path, prompt: str) -> None:
    store = disk_run(folder, prompt)
    path = folder.parent / "ours.json"
    assert main(["export", str(store.folder), "--coco", str(path)]) == 0
    assert score(folder, path) == 0
    ours = read_runs([store])
    ours = ours[ours["step"] == ours["step"].max()].reset_index(drop=True)
    again = read_runs([given_run(folder)])
    assert again["iou"].tolist() == ours["iou"].tolist()
    assert again["iou"].mean() == ours["iou"].mean()
    assert again["boundary_iou"].tolist() == ours["boundary_iou"].tolist()
    assert [s[0] for s in again["predicted_ious"]] == [
        scores[index]
        for scores, index in zip(ours["predicted_ious"], ours["selected"], strict=True)
    ]


@pytest.mark.long
def test_a_report_and_the_same_command_again(folder: Path) -> None:
    path = results(folder, [entry(annotation) for annotation in truth(folder)])
    assert score(folder, path, "--report", "theirs") == 0
    parts = given_run(folder).parts()
    assert (folder.parent / "results" / "reports" / "theirs" / "index.html").is_file()
    assert score(folder, path) == 0
    assert given_run(folder).parts() == parts
    disk_run(folder, "point_1")
    assert main(["report", "--results", str(folder.parent / "results")]) == 0
    assert score(folder, path, "--name", "earlier") == 0, "as releases before called --report"
    assert (folder.parent / "results" / "reports" / "earlier" / "index.html").is_file()


def test_scored_masks_are_compared_with_a_models_run(folder: Path) -> None:
    path = results(folder, [entry(annotation) for annotation in truth(folder)])
    assert score(folder, path, "--model-name", "theirs") == 0
    store = disk_run(folder, "point_1")
    found = bench.compare("*-given-*", "*-point_1-*", results=folder.parent / "results")
    ious = read_runs([store])["iou"]
    (line,) = found.table.to_dict("records")
    assert (line["prompt"], line["miou_a"], line["masks"]) == ("1 point", 1.0, 6)
    assert line["miou_b"] == pytest.approx(ious.mean())
    assert "theirs was given, not asked for" in found.caption
    pictured = next(differing(found, samples_of_runs(Path("datasets"))))
    assert pictured.title == "theirs is ahead of Disk"
    assert pictured.pairs[0].b.iou == ious.min()


@pytest.mark.parametrize(
    ("word", "says"),
    [("model.name=x", "model"), ("model=disk", "model"), ("prompt=[box]", "prompt"),
     ("seed=3", "seed")],
)  # fmt: skip
def test_a_run_of_given_masks_refuses_what_it_would_not_look_at(
    folder: Path, word: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results(folder, [entry(annotation) for annotation in truth(folder)])
    task = ["task=given_masks", f"task.args.predictions={path}"]
    assert main(["run", *task, word, *dataset_words(folder)]) == 2
    said = one_line(capsys.readouterr().err)
    assert f"task given_masks takes no {says}: leave {says} out" in said
    assert "task.args.model" in said
    assert not list((folder.parent / "results").glob("runs/*"))


def test_a_target_without_a_mask_counts_as_0_and_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results(folder, [entry(annotation) for annotation in truth(folder)[:4]])
    assert score(folder, path) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "2 of 6 targets have no mask given and count as IoU 0" in out
    assert sorted(read_runs([given_run(folder)])["iou"]) == [0, 0, 1, 1, 1, 1]


def test_the_best_match_is_marked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [entry(a) for a in reversed(truth(folder))]
    for each in entries:
        del each["mask_id"]
    path = results(folder, entries)
    assert score(folder, path) == 2
    assert "no 'mask_id'" in one_line(capsys.readouterr().err)
    assert score(folder, path, "--match", "best") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "oracle matching" in out
    assert "best match" in out
    assert set(read_runs([given_run(folder)])["iou"]) == {1.0}


def test_a_polygon_is_drawn_as_coco_draws_it(folder: Path) -> None:
    polygon = [3.0, 2.0, 30.5, 4.0, 25.0, 40.0]
    annotation = truth(folder)[0]
    path = results(folder, [entry(annotation, segmentation=[polygon])])
    assert score(folder, path) == 0
    drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([polygon], 48, 64)))
    target = coco_mask.decode(annotation["segmentation"])
    expected = (drawn & target).sum() / (drawn | target).sum()
    rows = read_runs([given_run(folder)])
    assert rows.loc[rows["mask_id"] == "1", "iou"].item() == pytest.approx(expected, abs=1e-12)


def png_folder(folder: Path, names: str) -> Path:
    made = folder.parent / "pngs"
    for annotation in truth(folder):
        path = made / f"{names.format(**annotation)}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coco_mask.decode(annotation["segmentation"]) * 255).save(path)
    return made


@pytest.mark.parametrize("names", ["{id}", "{image_id}/{id}"])
def test_a_folder_of_masks(folder: Path, names: str) -> None:
    assert score(folder, png_folder(folder, names), "--format", "masks") == 0
    assert read_runs([given_run(folder)])["iou"].tolist() == [1.0] * 6


def soft_folder(folder: Path, top: int = 230, bottom: int = 12) -> Path:
    """The truth as maps of probabilities: nothing is ``bottom``, and edges are smooth."""
    made = png_folder(folder, "{id}")
    for path in made.iterdir():
        mask = np.asarray(Image.open(path)) / 255
        smooth = cv2.GaussianBlur(mask, (0, 0), 0.8)
        levels = np.where(mask > 0, np.maximum(smooth, 0.55), np.minimum(smooth, 0.45))
        Image.fromarray((bottom + levels * (top - bottom)).astype(np.uint8)).save(path)
    return made


def test_soft_masks_ask_for_a_threshold(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = soft_folder(folder)
    assert score(folder, made, "--format", "masks") == 2
    said = one_line(capsys.readouterr().err)
    assert "1.png: it has " in said
    assert "levels from 12 to " in said
    assert "--threshold 127 " in said
    assert not list(folder.parent.glob("results/runs/*"))
    assert score(folder, made, "--format", "masks", "--threshold", "127") == 0
    assert read_runs([given_run(folder)])["iou"].tolist() == [1.0] * 6
    assert score(folder, made, "--format", "masks", "--threshold", "0") == 0
    whole, half = sorted(
        find_runs(folder.parent / "results", ["*-given-*"]),
        key=lambda store: store.header()["model"]["args"]["threshold"],
    )
    assert read_runs([half])["iou"].mean() == 1
    assert read_runs([whole])["iou"].max() < 1


def test_a_threshold_enters_the_key_only_where_it_is_given(folder: Path) -> None:
    made = png_folder(folder, "{id}")
    assert score(folder, made, "--format", "masks") == 0
    assert set(given_run(folder).header()["model"]["args"]) == {"predictions", "match"}


def test_a_file_of_several_colours_is_not_taken_for_one_mask(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = png_folder(folder, "{id}")
    for path in made.iterdir():
        mask = np.asarray(Image.open(path))
        colours = np.stack([mask, mask * 0, mask * 0], axis=2)
        colours[:24] = colours[:24, :, [1, 0, 2]]
        Image.fromarray(colours).save(path)
    assert score(folder, made, "--format", "masks") == 2
    assert "it has 3 colours" in one_line(capsys.readouterr().err)
    assert score(folder, made, "--format", "masks", "--threshold", "0") == 0
    assert read_runs([given_run(folder)])["iou"].tolist() == [1.0] * 6


def test_soft_masks_are_no_label_maps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = folder.parent / "maps"
    made.mkdir()
    rows, columns = np.mgrid[:48, :64]
    disc = ((rows - 20) ** 2 + (columns - 30) ** 2 < 150).astype(np.float32) * 255
    Image.fromarray(cv2.GaussianBlur(disc, (0, 0), 2).astype(np.uint8)).save(made / "0.png")
    assert score(folder, made, "--format", "labels", "--match", "best") == 2
    assert "--format masks --threshold 127" in one_line(capsys.readouterr().err)


def test_a_threshold_is_for_masks_of_levels(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = label_maps(folder, lambda place, id_: id_)
    assert score(folder, made, "--format", "labels", "--threshold", "3") == 2
    assert "have no levels" in one_line(capsys.readouterr().err)


def test_a_label_below_zero_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, _ = label_maps(folder, lambda place, id_: id_)
    labels = np.asarray(Image.open(made / "0.png")).astype(np.int32)
    (made / "0.png").unlink()
    labels[0] = -1
    Image.fromarray(labels).save(made / "0.png", format="TIFF")
    assert score(folder, made, "--format", "labels") == 2
    assert "the value -1 is below 0" in one_line(capsys.readouterr().err)


def label_maps(folder: Path, value: Callable[[int, int], int]) -> tuple[Path, dict[int, float]]:
    """Label maps in which later objects lie on earlier ones, and each mask's IoU."""
    made = folder.parent / "maps"
    made.mkdir()
    expected: dict[int, float] = {}
    for image_id in range(3):
        labels = np.zeros((48, 64), np.uint8)
        own = [a for a in truth(folder) if a["image_id"] == image_id]
        masks = [coco_mask.decode(a["segmentation"]).astype(bool) for a in own]
        for place, mask in enumerate(masks):
            labels[mask] = value(place, own[place]["id"])
        for place, (annotation, mask) in enumerate(zip(own, masks, strict=True)):
            seen = labels == value(place, annotation["id"])
            expected[annotation["id"]] = (seen & mask).sum() / mask.sum()
        Image.fromarray(labels).save(made / f"{image_id}.png")
    return made, expected


@pytest.mark.parametrize(
    ("rule", "value"), [("id", lambda place, id_: id_), ("index", lambda place, id_: place + 1)]
)
def test_label_maps(folder: Path, rule: str, value: Callable[[int, int], int]) -> None:
    made, expected = label_maps(folder, value)
    assert score(folder, made, "--format", "labels", "--match", rule) == 0
    rows = read_runs([given_run(folder)])
    assert dict(zip(rows["mask_id"].astype(int), rows["iou"], strict=True)) == expected


def bad_results(folder: Path) -> dict[str, tuple[Any, str]]:
    first, second = truth(folder)[:2]
    wide = {"size": [64, 48], "counts": first["segmentation"]["counts"]}
    torn = {"size": [48, 64], "counts": first["segmentation"]["counts"][:-3]}
    return {
        "unknown image": ([entry(first), entry(second, image_id=77)], "entry 1: no image '77'"),
        "unknown mask": ([entry(first, mask_id=99)], "(image 0, mask 99): no target '99'"),
        "another image's mask": ([entry(first, image_id=1)], "no target '1' in this image"),
        "wrong size": ([entry(first, segmentation=wide)], "64×48"),
        "torn": ([entry(first, segmentation=torn)], "entry 0 (image 0, mask 1)"),
        "garbage": ([entry(first, segmentation={"size": [48, 64], "counts": "\x01"})], "damaged"),
        "odd polygon": ([entry(first, segmentation=[[1, 2, 3]])], "as many x as y"),
        "twice": ([entry(first), entry(second), entry(first)], "entry 2 (image 0, mask 1)"),
        "no segmentation": ([{"image_id": 0}], "entry 0 is no object with a 'segmentation'"),
        "score of text": ([entry(first, score="high")], "'score' is a finite number, found 'high'"),
        "no list": ({"a": 1}, "COCO results are a list"),
        "no JSON": ("{", "not a readable JSON file"),
    }


@pytest.mark.parametrize("kind", [
    "unknown image", "unknown mask", "another image's mask", "wrong size", "torn", "garbage",
    "odd polygon", "twice", "no segmentation", "score of text", "no list", "no JSON",
])  # fmt: skip
def test_bad_results_are_one_line_and_leave_nothing(
    folder: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entries, says = bad_results(folder)[kind]
    assert score(folder, results(folder, entries)) == 2
    said = one_line(capsys.readouterr().err)
    assert says in said
    assert "theirs.json" in said
    assert not (folder.parent / "results").exists()


def test_bad_folders_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = png_folder(folder, "{id}")
    cases = [
        ([], "--format coco|labels|masks"),
        (["--format", "tiff"], "unknown format 'tiff'"),
        (["--format", "labels"], "3.png: no image '3'"),
        (["--format", "masks", "--match", "luck"], "unknown matching rule 'luck'"),
        (["--format", "masks", "--match", "index"], "only label maps"),
    ]
    Image.new("L", (64, 48)).save(made / "stray.png")
    cases.append((["--format", "masks"], "stray.png: no such target"))
    for words, says in cases:
        assert score(folder, made, *words) == 2, words
        assert says in one_line(capsys.readouterr().err)
    (made / "stray.png").unlink()
    Image.new("L", (48, 64)).save(made / "1.png")
    assert score(folder, made, "--format", "masks") == 2
    said = one_line(capsys.readouterr().err)
    assert "1.png" in said
    assert "64×48" in said
    assert not (folder.parent / "results").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model=disk", "dataset=shapes"], "--model-name"),
        ([], "dataset=NAME"),
        (["dataset=shapes,photos"], "one dataset"),
        (["dataset=shapes", "runtime.limit=2"], "runtime.limit"),
        (["dataset=shapes"], "no such file or folder"),
    ],
)
def test_words_that_score_has_no_use_for(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["score", "--predictions", str(tmp_path / "none.json"), *words]) == 2
    assert says in one_line(capsys.readouterr().err)


def test_masks_for_targets_that_do_not_count_are_no_mistake(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smallest = min(int(coco_mask.area(a["segmentation"])) for a in truth(folder))
    path = results(folder, [entry(annotation) for annotation in truth(folder)])
    assert score(folder, path, f"protocol.args.min_area={smallest + 1}") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 of 6 given masks answer no target" in out
    assert len(read_runs([given_run(folder)])) == 5


def test_an_unreadable_picture_is_left_out_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results(folder, [entry(annotation) for annotation in truth(folder)])
    (folder / "images" / "001.png").write_bytes(b"none")
    assert score(folder, path) == 3
    assert "1 image failed" in one_line(capsys.readouterr().err)
    assert len(read_runs([given_run(folder)])) == 4


def test_the_own_number_of_an_entry_names_no_target(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [entry(a, id=n) for n, a in enumerate(reversed(truth(folder)), start=1)]
    for each in entries:
        del each["mask_id"]
    assert score(folder, results(folder, entries)) == 2
    said = one_line(capsys.readouterr().err)
    assert "entry 4 (image 0): no 'mask_id'" in said
    assert "'id' is the entry's own number" in said
    assert "--match best" in said
    assert score(folder, results(folder, entries), "--match", "best") == 0
    assert set(read_runs([given_run(folder)])["iou"]) == {1.0}


def test_masks_under_each_others_names_are_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations, apart = truth(folder), 0
    for a, b in zip(annotations[::2], annotations[1::2], strict=True):
        masks = [coco_mask.decode(each["segmentation"]).astype(bool) for each in (a, b)]
        apart += 2 * ((masks[0] & masks[1]).sum() < 0.1 * (masks[0] | masks[1]).sum())
        a["segmentation"], b["segmentation"] = b["segmentation"], a["segmentation"]
    assert 0 < apart < 6
    assert score(folder, results(folder, [entry(a) for a in annotations])) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"{apart} of 6 targets are missed by what answers them (IoU below 0.1) but fit" in out
    assert "does --match id mean the right targets?" in out


def test_image_ids_and_masks_under_another_spelling_are_known(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    green = normalize("NFD", "Gr\u00fcn")
    made = folder.parent / "pngs"
    ids = ["Gr\u00fcn", "sub/a b", "a", "A"]
    for number, name in enumerate([green, "sub/A%20B", "a", "A"]):
        for path in (made / "labels" / f"{name}.png", made / "masks" / name / "0.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 6), number + 1, np.uint8)).save(path)
    entries = [{"image_id": name, "segmentation": []} for name in (green, "sub\\a b", "a", "A")]
    for kind, path in [
        ("labels", made / "labels"), ("masks", made / "masks"), ("coco", results(folder, entries)),
    ]:  # fmt: skip
        caplog.clear()
        with caplog.at_level("INFO"):
            found = read_predictions(path, kind, ids)
        assert {name: len(given) for name, given in found.items()} == dict.fromkeys(ids, 1), kind
        assert "2 names are known under another spelling" in caplog.text
    assert found.keys() == set(ids)
    with pytest.raises(BenchError, match="another label map is of image 'A' too"):
        read_predictions(made / "labels", "labels", [*ids[:2], "A"])


@pytest.mark.parametrize("order", ["F", "C"])
def test_run_lengths_by_rows_are_told_by_the_box_beside_them(
    order: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries = []
    for annotation in truth(folder):
        rle = annotation["segmentation"]
        bits = coco_mask.decode(rle).ravel(order).astype(bool)
        ends = (np.flatnonzero(np.diff(bits)) + 1).tolist()
        counts = [*([0] if bits[0] else []), *np.diff([0, *ends, bits.size]).tolist()]
        by_order = {"size": rle["size"], "counts": counts}
        box = coco_mask.toBbox(rle).tolist()
        entries.append(entry(annotation, segmentation=by_order, bbox=box))
    read_predictions(results(folder, entries), None, ["0", "1", "2"])
    said = [record.getMessage() for record in caplog.records]
    assert ["of the first 6 masks 5 lie elsewhere" in words for words in said] == (
        [True] if order == "C" else []
    )


def test_images_are_known_by_the_numbers_that_their_files_are_called(folder: Path) -> None:
    entries = [entry(a, image_id=f"{a['image_id']:012d}") for a in truth(folder)]
    found = read_predictions(results(folder, entries), None, ["0", "1", "2"])
    assert {image_id: len(given) for image_id, given in found.items()} == {"0": 2, "1": 2, "2": 2}
    named = [entry(truth(folder)[0], image_id="000.png")]
    with pytest.raises(
        BenchError, match=r"no image '000\.png' .*; its ids are such as '0', '1', '2'"
    ):
        read_predictions(results(folder, named), None, ["0", "1", "2"])


@pytest.mark.parametrize("kind", ["labels", "masks"])
def test_copies_in_hidden_folders_are_no_predictions(kind: str, folder: Path) -> None:
    path = folder.parent / "theirs"
    for name in ("0.png", "._0.png", ".ipynb_checkpoints/0-checkpoint.png"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(4, 6, dtype=np.uint8)).save(path / name)
    found = read_predictions(path, kind, ["0", "1", "2"])
    assert [given.where.split(",")[0] for each in found.values() for given in each] == [
        str(path / "0.png")
    ]


def test_ids_may_begin_at_0_and_results_be_none(folder: Path) -> None:
    first = truth(folder)[0]
    found = read_predictions(results(folder, [entry(first, mask_id=0)]), None, ["0", "1", "2"])
    assert [given.names for given in found["0"]] == [("0",)]
    assert read_predictions(results(folder, []), None, ["0", "1", "2"]) == {}


def test_masks_in_no_images_folder_are_known_under_another_spelling(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads((folder / "annotations.json").read_text())
    for place, annotation in enumerate(document["annotations"]):
        annotation["id"] = f"Gr\u00fcn {place}"
    (folder / "annotations.json").write_text(json.dumps(document))
    reader = Coco(str(folder / "annotations.json"), str(folder / "images"), site=Site())
    targets = [target for image_id in reader.ids() for target in reader.read(image_id).targets]
    made = folder.parent / "loose"
    made.mkdir()
    for target in targets:
        name = normalize("NFD", target.mask_id.rpartition("/")[2]).replace(" ", "%20")
        path = made / f"{name.lower()}.png"
        Image.fromarray(target.mask.dense().astype(np.uint8) * 255).save(path)
    assert score(folder, made, "--format", "masks") == 0
    said = f"{len(targets)} masks are named as their targets in another spelling, 'gr"
    assert said in capsys.readouterr().err
    rows = read_runs([given_run(folder)])
    assert (rows["iou"] == 1).all()
    document["annotations"][-1]["id"] = normalize("NFD", "gr\u00fcn%200")
    (folder / "annotations.json").write_text(json.dumps(document))
    assert score(folder, made, "--format", "masks", "dataset.version='2'") == 2
    assert "differ in their spelling alone" in one_line(capsys.readouterr().err)
