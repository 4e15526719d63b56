"""A check of real files, where a folder ``shared/data`` stands beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.config.component import Component
from bench.data.opening import open_whole
from bench.report.check.dataset import Check, check_dataset
from bench.types import Site

DATA = Path(__file__).parents[4] / "shared" / "data"
MASKS = {"folder": "bbbc038/stage1_train", "images": "{id}/images/{id}.png",
         "masks": "{id}/masks/*.png"}  # fmt: skip
NUTS = {"annotations": "nuts/trainval.json", "images": "nuts/images"}


def checked(name: str, target: str, args: dict[str, str]) -> Check:
    if not (DATA / name).is_dir():
        pytest.skip(f"no {name} in {DATA}")
    part = Component(name, "1", target, dict(args))
    return check_dataset(part, open_whole(part, Site(datasets=DATA)), threads=2)


def test_the_nuclei_are_all_there_and_none_overlap() -> None:
    check = checked("bbbc038", "bench.data.readers.mask_folder.MaskFolder", MASKS)
    assert (check.read, check.masks, check.unreadable) == (33, 1356, ())
    assert dict(check.kinds) == {"PNG RGBA": 33}
    found = {finding.what: finding.count for finding in check.findings if finding.count}
    assert found == {"masks of 1 to 63 pixels": 174, "masks at the picture's border": 253}


def test_the_nuts_touch_each_other() -> None:
    check = checked("nuts", "bench.data.readers.coco.Coco", NUTS)
    assert (check.read, check.masks, check.unreadable) == (18, 165, ())
    assert dict(check.categories) == {"date": 71, "hazelnut": 53, "fig": 41}
    found = {finding.what: finding.count for finding in check.findings if finding.count}
    assert found == {
        "masks at the picture's border": 2,
        "masks that share pixels with another, crowds aside": 27,
    }
