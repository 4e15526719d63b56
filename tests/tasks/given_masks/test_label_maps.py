"""Label maps of a network, semantic or of instances, scored on the same targets as prompts are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from coloured_blocks import SIZES, Block, write_blocks
from PIL import Image

from bench.cli import main
from bench.store.runs import RunStore, find_runs, read_runs

# Two reds that touch, a red apart, a green; a blue alone in a picture of another shape.
BLOCKS: dict[str, list[Block]] = {
    "a": [
        ("red", (4, 20, 5, 20)), ("red", (4, 20, 20, 30)), ("red", (30, 40, 40, 60)),
        ("green", (30, 40, 5, 15)),
    ],
    "b": [("blue", (10, 50, 4, 24))],
}  # fmt: skip
NAMES = {"red": 3, "green": 7, "blue": 9}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_blocks(tmp_path / "blocks", BLOCKS, thinner=0)


@pytest.fixture
def names(tmp_path: Path) -> Path:
    file = tmp_path / "names.json"
    file.write_text(json.dumps({str(number): name for name, number in NAMES.items()}))
    return file


def semantic(stem: str) -> np.ndarray:
    """What a perfect network would give: no object is told from another of its category."""
    labels = np.zeros(SIZES[stem], np.uint8)
    for name, (y0, y1, x0, x1) in BLOCKS[stem]:
        labels[y0:y1, x0:x1] = NAMES[name]
    return labels


def write(tmp_path: Path, ending: str = "png", **maps: np.ndarray) -> Path:
    out = tmp_path / "maps"
    out.mkdir()
    for stem, labels in ({s: semantic(s) for s in BLOCKS} | maps).items():
        number = list(BLOCKS).index(stem)  # COCO's ids are numbers
        if ending == "npy":
            np.save(out / f"{number}.npy", labels)
        else:
            Image.fromarray(labels).save(out / f"{number}.png")
    return out


def score(folder: Path, maps: Path, *words: str, form: str = "semantic") -> int:
    return main(
        [
            "score", "--predictions", str(maps), "--format", form, *words, "dataset=coco",
            f"dataset.args.annotations={folder}/annotations.json",
            f"dataset.args.images={folder}/images",
            f"runtime.results={folder.parent / 'results'}",
        ]
    )  # fmt: skip


def run_of(folder: Path) -> RunStore:
    (store,) = find_runs(folder.parent / "results", ["coco-*"])
    return store


def ious(folder: Path) -> dict[str, float]:
    rows = read_runs([run_of(folder)])
    return dict(zip(rows["mask_id"], rows["iou"], strict=True))


def areas(stem: str, *numbers: int) -> int:
    spans = [BLOCKS[stem][n][1] for n in numbers]
    return sum((y1 - y0) * (x1 - x0) for y0, y1, x0, x1 in spans)


@pytest.mark.parametrize("ending", ["png", "npy"])
@pytest.mark.parametrize("rule", ["best", "largest_overlap", "same_category"])
def test_a_part_answers_each_object_that_it_became(
    folder: Path, names: Path, tmp_path: Path, rule: str, ending: str
) -> None:
    maps = write(tmp_path, ending)
    assert score(folder, maps, "--match", rule, "--categories", str(names)) == 0
    both = areas("a", 0, 1)
    expected = {"1": areas("a", 0) / both, "2": areas("a", 1) / both, "3": 1.0, "4": 1.0, "5": 1.0}
    assert ious(folder) == expected


def test_the_rules_differ_where_a_large_part_swallows_a_small_one(
    folder: Path, names: Path, tmp_path: Path
) -> None:
    labels = semantic("a")
    labels[22:48, :] = NAMES["blue"]  # over the third red and the green, but for a tenth of each
    labels[30:31, 40:60], labels[30:31, 5:15] = NAMES["red"], NAMES["green"]
    maps = write(tmp_path, a=labels)
    found = {}
    for rule in ("best", "largest_overlap", "same_category"):
        assert score(folder, maps, "--match", rule, "--categories", str(names),
                     "--model-name", rule) == 0  # fmt: skip
        (store,) = find_runs(folder.parent / "results", [f"coco-{rule}-*"])
        rows = read_runs([store]).set_index("mask_id")
        found[rule] = rows.loc["3", "iou"], rows.loc["4", "iou"]
    sea = 26 * 64 - 30
    assert found["largest_overlap"] == (180 / (sea + 20), 90 / (sea + 10))
    assert found["best"] == (180 / (sea + 20), 0.1)
    assert found["same_category"] == (0.1, 0.1)


def test_a_whole_category_is_one_target(folder: Path, names: Path, tmp_path: Path) -> None:
    labels = semantic("a")
    labels[30:40, 40:60] = 0
    maps = write(tmp_path, a=labels)
    assert score(folder, maps, "--match", "whole_category", "--categories", str(names)) == 0
    reds = areas("a", 0, 1)
    assert ious(folder) == {
        "0/all of red": reds / (reds + areas("a", 2)), "0/all of green": 1.0,
        "1/all of blue": 1.0,
    }  # fmt: skip
    assert main(["rescore", str(run_of(folder).folder), "--metric", "dice"]) == 0


def test_numbers_are_names_where_there_are_none(folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "annotations.json").read_text())
    for category in document["categories"]:
        category["name"] = str(NAMES[category["name"]])
    (folder / "annotations.json").write_text(json.dumps(document))
    assert score(folder, write(tmp_path), "--match", "same_category") == 0
    assert ious(folder)["5"] == 1.0


def test_zero_may_have_a_name(folder: Path, tmp_path: Path) -> None:
    labels = semantic("b")
    labels[labels == NAMES["blue"]] = 0
    labels[0, 0] = 200
    maps = write(tmp_path, b=labels)
    file = tmp_path / "zero.json"
    file.write_text(json.dumps({"0": "blue", "3": "red", "7": "green"}))
    assert score(folder, maps, "--match", "same_category", "--categories", str(file)) == 0
    assert ious(folder)["5"] == areas("b", 0) / (SIZES["b"][0] * SIZES["b"][1] - 1)


def test_a_missing_file_counts_as_nothing_and_is_said(
    folder: Path, names: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = write(tmp_path)
    (maps / "1.png").unlink()
    assert score(folder, maps, "--match", "same_category", "--categories", str(names)) == 0
    told = capsys.readouterr()
    said = " ".join(told.out.split())
    assert "1 of 5 targets have no mask given and count as IoU 0" in said
    assert "given mask of its own category that overlaps it most" in said
    assert "targets of coco alone have the categories blue" in told.err
    assert ious(folder)["5"] == 0.0


def test_values_without_a_name_are_named(
    folder: Path, names: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = semantic("b")
    labels[0:3, 0:3], labels[5:7, 0:3] = 255, 255
    assert score(folder, write(tmp_path, b=labels), "--match", "same_category",
                 "--categories", str(names)) == 0  # fmt: skip
    told = capsys.readouterr()
    said = "1.png, value 255, part 1: without a category, and so no answer: the value 255"
    assert said in told.err
    assert told.err.count("without a category") == 1
    assert "2 of 6 given masks answer no target" in " ".join(told.out.split())


def test_a_target_without_a_category_is_left_out_and_counted(
    folder: Path, names: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads((folder / "annotations.json").read_text())
    document["categories"][-1]["name"] = "  "
    (folder / "annotations.json").write_text(json.dumps(document))
    assert score(folder, write(tmp_path), "--match", "same_category",
                 "--categories", str(names)) == 0  # fmt: skip
    said = " ".join(capsys.readouterr().out.split())
    assert "1 targets have no category and are left out" in said
    assert list(ious(folder)) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--match", "same_category"],
         "no given mask is of a category of coco: there are 3, 7, 9, the dataset has blue, green, "
         "red; name the numbers of the files by --categories"),
        (["--match", "nearest"], "unknown matching rule 'nearest'"),
        (["--categories", "FILE"], "{\"NUMBER\": \"NAME\", …} as JSON; 'one' is no number"),
        (["--threshold", "3"], "masks of the format semantic have no levels"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(
    folder: Path, tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"one": "red"}')
    words = [str(other) if word == "FILE" else word for word in words]
    assert score(folder, write(tmp_path), *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.zeros((20, 30), np.uint8) + 3, "the label map is of 20×30, the image of 60×33 (H×W)"),
        (np.zeros((3, 60, 33), np.float32), "of a network's scores (classes, H, W) write scores"),
        (np.zeros((60, 33), np.float32), "labels are whole numbers (H, W), found float32"),
        (np.zeros((60, 33), np.int16) - 1, "the value -1 is below 0"),
        (np.array([[object()]]), "not a readable NumPy file"),
    ],
)
def test_a_map_of_another_kind_is_named(
    folder: Path, tmp_path: Path, labels: np.ndarray, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    maps = write(tmp_path, "npy", b=labels)
    assert score(folder, maps, "--match", "best") == 2
    told = capsys.readouterr().err
    assert said in told
    assert "1.npy" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 no archive",
        b"\x93NUMPY\x01\x00v\x00{'descr'",
        b"\x89PNG\r\n\x1a\n cut off",
    ],
)
@pytest.mark.parametrize("name", ["1.npy", "1.png"])
def test_a_damaged_map_is_named(
    folder: Path, tmp_path: Path, content: bytes, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = write(tmp_path)
    (maps / "1.png").unlink()
    (maps / name).write_bytes(content)
    assert score(folder, maps, "--match", "best") == 2
    told = capsys.readouterr().err
    assert name in told
    assert "Traceback" not in told


def test_maps_of_instances_may_be_arrays(folder: Path, tmp_path: Path) -> None:
    labels = {stem: np.zeros((1, *SIZES[stem]), np.int64) for stem in BLOCKS}
    for stem, some in BLOCKS.items():
        for place, (_, (y0, y1, x0, x1)) in enumerate(some, start=1):
            labels[stem][0, y0:y1, x0:x1] = 70_000 + place if stem == "b" else place
    maps = write(tmp_path, "npy", **labels)
    assert score(folder, maps, "--match", "best", form="labels") == 0
    assert set(ious(folder).values()) == {1.0}


def test_two_maps_of_one_image_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = write(tmp_path)
    np.save(maps / "1.npy", semantic("b"))
    assert score(folder, maps, "--match", "best") == 2
    assert "another label map is of image '1' too" in capsys.readouterr().err


def test_results_of_coco_have_categories_too(folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "annotations.json").read_text())
    entries = [
        {"image_id": each["image_id"], "category_id": 3 if n < 3 else 9, "score": 0.5,
         "segmentation": each["segmentation"]}
        for n, each in enumerate(document["annotations"])
    ]  # fmt: skip
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps(entries))
    named = tmp_path / "three.json"
    named.write_text('{"3": "red", "9": "blue"}')
    words = ["--match", "same_category", "--categories", str(named)]
    assert score(folder, file, *words, form="coco") == 0
    assert ious(folder) == {"1": 1.0, "2": 1.0, "3": 1.0, "4": 0.0, "5": 1.0}
