"""A null in a file is as good as nothing, and no line says the same of what differs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.config.component import Component, load_class
from bench.config.hints import said
from bench.data import readers
from bench.data.readers.coco import Coco
from bench.store.headers import check_header
from bench.tasks.given_masks.predictions.coco import read
from bench.types import BenchError, Site

SQUARE = [[2, 1, 6, 1, 6, 4, 2, 4]]


def coco(folder: Path, image: dict[str, Any], annotation: dict[str, Any]) -> Coco:
    Image.fromarray(np.zeros((5, 9, 3), np.uint8)).save(folder / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png", **image}],
        "annotations": [{"id": 7, "image_id": 1, "segmentation": SQUARE, **annotation}],
        "categories": None,
    }
    (folder / "a.json").write_text(json.dumps(content))
    return Coco("a.json", ".", site=Site(datasets=folder))


def test_nulls_are_absent(tmp_path: Path) -> None:
    names = ("iscrowd", "category_id", "area", "bbox", "attributes")
    reader = coco(tmp_path, {"height": None, "width": None}, dict.fromkeys(names))
    (target,) = reader.read("1").targets
    (plain,) = coco(tmp_path, {}, {}).read("1").targets
    assert replace(target, mask=plain.mask) == plain
    assert (target.crowd, target.category, target.mask.dense().sum()) == (False, None, 12)
    assert reader.mask_count("1") == 1


@pytest.mark.parametrize("size", [(5, 9), (5.0, 9.0), ("5", "9"), (None, 9), (5, None),
                                  (-1, -1), (0, 0), (-1, 9)])  # fmt: skip
def test_a_size_is_what_it_means(tmp_path: Path, size: tuple[object, object]) -> None:
    image = dict(zip(("height", "width"), size, strict=True))
    reader = coco(tmp_path, image, {})
    assert reader.read("1").image.shape == (5, 9, 3)
    assert reader.oddities() == []


@pytest.mark.parametrize(
    ("size", "says"),
    [((9, 5), "9×5"), ((None, 5), "?×5"), (("five", 9), "five×9"), ((5.5, 9), "5.5×9")],
)
def test_another_size_is_told_as_the_file_has_it(
    tmp_path: Path, size: tuple[object, object], says: str
) -> None:
    reader = coco(tmp_path, dict(zip(("height", "width"), size, strict=True)), {})
    with pytest.raises(
        BenchError, match=r"is 5×9 \(H×W\), a\.json says (.*) for image 1$"
    ) as caught:
        reader.read("1")
    assert f"says {says} for" in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"score": "0.9"}, "'score' is a finite number, found '0.9'"),
        ({"score": True}, "'score' is a finite number, found True"),
        ({"mask_id": 1.0}, "'mask_id' is a whole number or a text, found 1.0"),
    ],
)
def test_a_result_of_another_kind_is_told_with_its_kind(
    tmp_path: Path, entry: dict[str, Any], says: str
) -> None:
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps([{"image_id": 1, "segmentation": SQUARE, **entry}]))
    with pytest.raises(BenchError, match=says):
        read(path, ["1"])


def test_a_text_that_looks_like_a_number_is_told_in_quotes(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has 'iscrowd' '1', expected 0 or 1 as a number"):
        coco(tmp_path, {}, {"iscrowd": "1"})
    with pytest.raises(BenchError, match=r"has the category_id 1.0; .* a whole number or a text"):
        coco(tmp_path, {}, {"category_id": 1.0})
    with pytest.raises(ValueError, match=r"'key' must be .*, found 5$"):
        check_header({"key": 5})
    shapes = Component("x", "1", "bench.data.readers.shapes.Shapes", {"count": "5"})
    with pytest.raises(BenchError, match="the argument count must be int, found '5'"):
        load_class(shapes, readers)


def test_a_choice_is_told_as_its_values() -> None:
    from typing import Literal

    assert said(Literal["s", 3]) == "one of 's', 3"
