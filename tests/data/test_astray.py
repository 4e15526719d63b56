"""Masks that their own annotation contradicts are told: another box, two corners, another area."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.data.doubts import doubts_of
from bench.data.readers.coco import Coco
from bench.types import Site

H, W = 48, 64
POLYGON = [20, 10, 50, 10, 50, 30, 20, 30]
BOX = [20, 10, 30, 20]
MASK = np.zeros((H, W), dtype=bool)
MASK[10:30, 20:50] = True


def runs(bits: np.ndarray) -> dict[str, Any]:
    """Run lengths of a mask gone through in the order of ``bits``."""
    ends = np.flatnonzero(np.diff(bits)) + 1
    return {"size": [H, W], "counts": np.diff([0, *ends.tolist(), bits.size]).tolist()}


def told(folder: Path, segmentation: object, **more: Any) -> list[str]:
    """What is doubtful about one annotation, by its first words."""
    (folder / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "images" / "a.png")
    annotation = {"id": 7, "image_id": 1, "segmentation": segmentation, **more}
    content = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [annotation]}
    (folder / "truth.json").write_text(json.dumps(content))
    found = doubts_of(Coco("truth.json", "images", site=Site(datasets=folder)), "1")
    assert {doubt.place for doubt in found} <= {"7"}
    return [doubt.what for doubt in found]


@pytest.mark.parametrize(
    ("segmentation", "box", "what"),
    [
        ([POLYGON], BOX, None),
        (runs(MASK.ravel("F")), BOX, None),
        ([POLYGON], [19, 9, 32, 22], None),  # a box with a rim
        ([POLYGON], None, None),
        ([], BOX, None),
        ([[20, 10, 22, 10, 22, 12, 20, 12]], [21, 12, 1, 1], None),  # a few pixels are no way off
        (runs(MASK.ravel()), BOX, "elsewhere"),  # by rows
        ([POLYGON[::-1]], BOX, "elsewhere"),  # y before x
        ([POLYGON], [20, H - 30 + 12, 30, 20], "elsewhere"),  # from the lower edge
        ([POLYGON], [20, 10, 50, 30], "two corners"),
        ([POLYGON], [20, 10, 49, 29], "two corners"),  # both in it
    ],
)
def test_a_box_that_is_not_the_masks(
    tmp_path: Path, segmentation: object, box: object, what: str | None
) -> None:
    found = told(tmp_path, segmentation, bbox=box)
    assert [what in words for words in found] == ([True] if what else []), found


@pytest.mark.parametrize(
    ("area", "far"), [(600, False), (620.5, False), (1199, False), (H * W, True), (9, True)]
)
def test_an_area_that_is_not_the_masks(tmp_path: Path, area: float, far: bool) -> None:
    assert ["area is far" in words for words in told(tmp_path, [POLYGON], area=area)] == [
        True
    ] * far


def test_small_areas_are_not_looked_at(tmp_path: Path) -> None:
    assert told(tmp_path, [[2, 2, 6, 2, 6, 6, 2, 6]], area=40.0) == []
