"""Whole runs over datasets whose ids, arguments or masks are unlike the others'."""

import pytest

import bench

from .official import OFFICIAL

# ids with folders and spaces; numbers as keys of arguments; ignored pixels; empty masks.
UNLIKE = ["ade20k", "doors", "dram", "egohos", "grabcut", "ovis"]

CROWDS = {"cityscapes": 1}


@pytest.mark.parametrize("name", [*UNLIKE, "cityscapes"])
def test_every_mask_that_counts_has_its_row(name, tmp_path):
    truth = OFFICIAL[name](tmp_path / "data")
    found = bench.evaluate(
        f"runtime.datasets={tmp_path / 'data'}",
        "dataset.about.expected=null",  # a fixture is a few pictures
        dataset=name,
        model="disk",
        prompt="point_1",
        results=tmp_path / "results",
    )
    assert not found.failed
    rows = found.rows(["image_id", "mask_id", "area"])
    areas = {
        (image_id, mask_id): int(mask.sum())
        for image_id, masks in truth.items()
        for mask_id, mask in masks.items()
        if mask.any()
    }
    scored = {(row.image_id, row.mask_id): row.area for row in rows.itertuples()}
    assert scored.items() <= areas.items()
    assert len(areas) - len(scored) == CROWDS.get(name, 0)
    assert len(rows) == len(scored) > 0
