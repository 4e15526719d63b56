"""What may move where another device computes is told, and rows are never lost in the telling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from row_comparison import compare, exact, main
from whole_runs import configure, execute, rows_of

from bench.types import BenchError


@pytest.fixture
def rows(coco_folder: Callable[..., Path]) -> pd.DataFrame:
    folder = coco_folder(images=3, masks=2)
    return rows_of(execute(configure(folder, "prompt=[point_3,box]", "runtime.workers=1")))


def shown(rows: pd.DataFrame) -> pd.Series:
    return (rows["step"] == 3) | (rows["prompt"] == "box")


def test_equal_rows_in_another_order_do_not_differ(rows: pd.DataFrame) -> None:
    found = compare(rows, rows.sample(frac=1, random_state=1), shown(rows))
    assert exact(found)
    assert {one.prompt: one.rows for one in found} == {"box": 6, "point_3": 18}


def test_what_moved_is_told(rows: pd.DataFrame) -> None:
    other = rows.copy()
    last = other.index[shown(other) & (other["prompt"] == "point_3")][0]
    early = other.index[(other["step"] == 1) & (other["prompt"] == "point_3")][0]
    other.loc[last, ["iou", "mask_rle"]] = [rows["iou"][last] + 0.06, "another"]
    other.loc[early, "iou"] += 0.25
    other.at[early, "point_coords"] = np.array([[0.0, 1.0]])
    box, points = compare(rows, other, shown(rows))
    assert exact([box])
    assert points.changed_masks == pytest.approx(1 / 18)
    assert points.changed_clicks == pytest.approx(1 / 18)
    assert points.largest_iou == pytest.approx(0.25)
    assert points.miou == pytest.approx(100 * 0.06 / 6), "of the last step alone"


def test_a_row_on_one_side_alone_is_an_error(rows: pd.DataFrame) -> None:
    with pytest.raises(BenchError, match="1 rows are on one side alone"):
        compare(rows, rows.drop(index=rows.index[5]), shown(rows))


@pytest.mark.long
def test_groups_of_images_on_a_cpu_give_the_same_bits(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["model=disk", "dataset=shapes", "dataset.args.count=3", "prompt=[point_1,box]"]
    assert main([*words, "--exact", "--override", "runtime.image_batch=3"]) == 0
    assert "| box |" in capsys.readouterr().out
