"""A detector's file: by image, in the file's order; what is no detection is named and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.tasks.boxes.detections import DetectionFile
from bench.types import BenchError

IDS = ["9", "10", "b"]
NAMES = {4: "cup", 2: "oar"}


def entry(image: Any, number: Any = 4, score: Any = 0.5, **more: Any) -> dict[str, Any]:
    box = [1, 2.5, 3, 4]
    return {"image_id": image, "category_id": number, "bbox": box, "score": score} | more


def read(tmp_path: Path, entries: Any, names: Any = NAMES) -> DetectionFile:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(entries))
    return DetectionFile(path, IDS, names)


@pytest.mark.parametrize("wrapped", [False, True])
def test_detections_are_found_by_image_in_the_files_order(tmp_path: Path, wrapped: bool) -> None:
    entries: Any = [
        entry(10, 2, 0.1), entry("b"), entry("010", 4, 0.7), entry(10, 2, 1), entry(77),
        entry(10, 99), entry(10, 88, category="cup"), entry(10, None, category="yak"),
    ]  # fmt: skip
    file = read(tmp_path, {"annotations": entries, "info": 1} if wrapped else entries)
    found = file.of("10")
    assert found.entries.tolist() == [0, 2, 3, 5, 6, 7]
    assert found.scores.tolist() == [0.1, 0.7, 1.0, 0.5, 0.5, 0.5]
    assert list(found.categories) == ["oar", "cup", "oar", "category_id 99", "cup", "yak"]
    assert found.known.tolist() == [True, True, True, False, True, False]
    assert found.boxes.tolist() == [[1, 2.5, 3, 4]] * 6
    assert file.of("9").entries.tolist() == []
    assert file.of("b").entries.tolist() == [1]
    astray = file.astray
    assert (astray.of_images, list(astray.images)) == (1, ["77"])
    assert (astray.of_categories, list(astray.categories)) == (2, ["category_id 99", "yak"])
    assert file.number == 8


def test_a_dataset_without_categories_takes_all_for_one(tmp_path: Path) -> None:
    found = read(tmp_path, [entry(9, 3), entry(9, None)], names={}).of("9")
    assert (list(found.categories), found.known.all()) == ([None, None], True)


def test_a_dataset_that_numbers_none_takes_names(tmp_path: Path) -> None:
    found = read(tmp_path, [entry(9, category="cup"), entry(9, "oar")], names=None).of("9")
    assert list(found.categories) == ["cup", "oar"]
    with pytest.raises(BenchError, match=r"1 of 1 .* entry 0: 'category' is a name, as the data"):
        read(tmp_path, [entry(9)], names=None)


def test_what_is_no_detection_is_named_and_counted_by_kind(tmp_path: Path) -> None:
    nan = float("nan")
    entries = [
        entry(9), entry(9, score=nan), 7, entry(None), entry(9, bbox=[1, 2, 3]), entry(9, True),
        entry(9, score=nan), entry(9, bbox=[1, 2, 3, float("inf")]), entry(9, score="0.5"),
        entry(9, score=10**400), entry(9, category=["\x1b[31m"]), entry(9, bbox=None),
    ]  # fmt: skip
    with pytest.raises(BenchError) as error:
        read(tmp_path, entries)
    said = str(error.value)
    assert "boxes.json: 11 of 12 entries are no detections: entry 1: 'score' is a finite" in said
    assert "found nan and 3 more such" in said
    assert "entry 2: an entry is an object, found 7" in said
    assert "entry 3: 'image_id' is a whole number or a text, found None" in said
    assert "entry 4: 'bbox' is four finite numbers [x, y, width, height], found [1, 2, 3]" in said
    assert "entry 5: 'category_id' is what the dataset's files say, a text no number, or '" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[{}", "not a readable JSON file"),
        ("[1] 2", "extra data"),
        ('{"images": []}', 'detections are a list, or lie in one under "annotations"'),
        ("3", 'detections are a list, or lie in one under "annotations"'),
        ('[{"image_id": "\\ud800"}]', "surrogates"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(BenchError) as error:
        DetectionFile(path, IDS, NAMES)
    assert says.lower() in str(error.value).lower()
    with pytest.raises(BenchError, match="No such file"):
        DetectionFile(tmp_path / "none.json", IDS, NAMES)


@pytest.mark.parametrize(
    "wrong", [entry(9, "4"), entry(9, 2, category="cup"), entry(9, 4, category="yak")]
)
def test_a_number_as_text_and_two_categories_of_one_entry_are_refused(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(
        BenchError, match="1 of 2 entries are no detections: entry 1: 'category_id'"
    ):
        read(tmp_path, [entry(9, 4, category="cup"), wrong])
    assert read(tmp_path, [entry(9, "4")], names={"4": "cup"}).of("9").known.all()
