"""AP of rows: clusters left out as if their rows had never been, in parts where there are many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.analysis.sections import boxes
from bench.analysis.sections.boxes import NUMBERS, detected
from bench.analysis.stats.intervals import left_out_interval
from bench.types.rows.boxes import AREAS


def random_rows(images: int, seed: int = 0, **same: Any) -> pd.DataFrame:
    """Targets and detections of images in clusters of two, in three categories."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for image in range(images):
        core = {"image_id": f"{image}", "cluster": f"video {image // 2}"} | same
        for number in range(int(rng.integers(1, 5))):
            category = ["elk", "ant", "oar"][int(rng.integers(3))]
            frequency = {"elk": "rare", "ant": "common", "oar": "frequent"}[category]
            area = int(rng.choice([200, 3000, 20_000]))
            rows.append(
                core | {
                    "mask_id": f"t{number}", "category": category, "area": area,
                    "attributes": {"frequency": frequency}, "counts": bool(rng.random() < 0.8),
                    "file_area": None if number % 2 else area * 1.1,
                }
            )  # fmt: skip
        for number in range(int(rng.integers(2, 9))):
            hits = int(rng.integers(0, 1024)) & int(rng.integers(0, 1024))
            aside = int(rng.integers(0, 1024)) & int(rng.integers(0, 1024)) & ~hits
            rows.append(
                core | {
                    "mask_id": f"d{number}", "category": ["elk", "ant", "oar", "yak"][number % 4],
                    "area": 500, "entry": number, "score": float(rng.integers(1, 9)) / 8,
                    **{f"hits_{part}": hits for part in (*AREAS, "box")},
                    **{f"aside_{part}": aside for part in (*AREAS, "box")},
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_a_number_without_a_cluster_is_that_of_rows_without_it() -> None:
    rows = random_rows(16)
    found = detected(rows).numbers()
    names = sorted(rows["cluster"].unique())
    sizes = [rows[rows["cluster"] == name]["image_id"].nunique() for name in names]
    without = [
        {
            name: number and number.mean
            for name, number in detected(rows[rows["cluster"] != one]).numbers().items()
        }
        for one in names
    ]
    assert set(found) == set(NUMBERS)
    for name, number in found.items():
        assert number is not None
        others = [each[name] for each in without]
        assert number == left_out_interval(number.mean, others, sizes), name
        assert number.low is not None


def test_many_clusters_are_left_out_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "GROUPS", groups := 20)
    rows = random_rows(images=2 * (groups + 30), seed=3)
    found = detected(rows).numbers()["ap"]
    assert found is not None
    assert found.clusters == groups
    names = sorted(rows["cluster"].unique())
    place = {name: number % groups for number, name in enumerate(names)}
    part = rows["cluster"].map(place)
    others, sizes = [], []
    for number in range(groups):
        fewer = detected(rows[part != number]).numbers()["ap"]
        assert fewer is not None
        others.append(fewer.mean)
        sizes.append(rows[part == number]["image_id"].nunique())
    assert found == left_out_interval(found.mean, others, sizes)


def test_a_number_that_hangs_on_one_cluster_has_no_interval() -> None:
    rows = random_rows(12)
    large = rows["counts"].notna() & (rows["area"] == 20_000)
    first = rows.loc[large, "cluster"].iloc[0]
    rows = rows[~large | (rows["cluster"] == first)]
    rows.loc[rows["area"] == 20_000, "counts"] = True
    number = detected(rows).numbers()["ap_large"]
    assert number is not None
    assert (number.low, number.high) == (None, None)


def test_equal_scores_stand_by_the_images_numbers_and_the_files_order() -> None:
    core = {"cluster": None, "category": "elk", "attributes": {}, "area": 500, "file_area": None}
    rows = [
        core | {"image_id": image, "mask_id": "t", "counts": True} for image in ("9", "10", "11")
    ]
    for image, entry, hits in (("10", 3, 1023), ("9", 7, 0), ("11", 5, 1023)):
        bits = {f"hits_{part}": hits for part in (*AREAS, "box")}
        bits |= {f"aside_{part}": 0 for part in (*AREAS, "box")}
        rows.append(core | {"image_id": image, "mask_id": "d", "entry": entry, "score": 1.0} | bits)
    number = detected(pd.DataFrame(rows)).numbers()["ap"]
    # The wrong one comes first, as 9 lies before 10: 1/2 and then 2/3 of what is found is right.
    assert number is not None
    assert number.mean == pytest.approx(67 * (2 / 3) / 101)


def test_no_category_has_targets_of_a_size() -> None:
    rows = random_rows(6)
    rows = rows[~(rows["counts"].notna() & (rows["area"] == 20_000))]
    assert detected(rows).numbers()["ap_large"] is None
