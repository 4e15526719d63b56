from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished import change_annotations, disk_run, one_line

from bench.analysis.choices import what_if as choices
from bench.analysis.choices.explain import CHOICES, Goal, explain
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.data.opening import samples_of_runs
from bench.store.runs import RunStore, read_runs
from bench.types import BenchError, Mask


@pytest.fixture
def store(coco_folder: Callable[..., Path]) -> RunStore:
    folder = coco_folder(images=4, masks=3)
    change_annotations(folder, leave_unequal_images)
    return disk_run(folder, "point_1")


def leave_unequal_images(document: dict) -> None:
    """1, 3, 2 and 3 masks: a mean over images isn't that over masks."""
    del document["annotations"][8], document["annotations"][1:3]


def numbers(store: RunStore, goal: str = "50") -> pd.Series:
    found = explain(store, Goal.read(goal)).combinations
    return found.set_index(["candidate", "metric", "average", "min_area"])["miou"]


def test_the_default_is_the_number_of_a_report_with_its_interval(store: RunStore) -> None:
    line = miou_table(select([store])).lines.iloc[0]
    found = explain(store, Goal.read("50"))
    default = found.default
    assert [default.mean, default.low, default.high] == line[
        ["miou", "miou_low", "miou_high"]
    ].tolist()
    assert found.defaults == dict(
        zip(CHOICES, ["1 point", "predicted_iou", "iou", "masks", "0"], strict=True)
    )


def test_the_default_is_the_mean_that_the_protocol_takes(store: RunStore) -> None:
    header = store.header()
    header["protocol"]["args"]["average"] = "image"
    store.write_header(header)
    line = miou_table(select([store])).lines.iloc[0]
    found = explain(store, Goal.read("50"))
    assert found.defaults["average"] == "images"
    assert found.default.mean == pytest.approx(line["miou"])
    assert found.combinations.query("changed == 0")["miou"].tolist() == pytest.approx(
        [100 * line["miou"]]
    )
    assert found.default.mean != pytest.approx(read_runs([store])["iou"].mean())


def test_each_choice_alone_equals_its_plain_definition(store: RunStore) -> None:
    rows, table = read_runs([store]), numbers(store)
    ious = np.stack(rows["ious"].tolist())
    candidates = {"predicted_iou": rows["iou"], "oracle": ious.max(axis=1)}
    candidates |= {"worst": ious.min(axis=1)}
    candidates |= {f"number {k + 1}": ious[:, k] for k in range(3)}
    for name, values in candidates.items():
        assert table[name, "iou", "masks", "0"] == pytest.approx(100 * np.mean(values))
        dice = np.mean(2 * values / (1 + values))
        assert table[name, "dice", "masks", "0"] == pytest.approx(100 * dice)
    own = table.sort_index()["predicted_iou", "iou"]
    by_image = rows.groupby("image_id")["iou"].mean().mean()
    assert own["images", "0"] == pytest.approx(100 * by_image)
    weighted = (rows["iou"] * rows["area"]).sum() / rows["area"].sum()
    assert own["area", "0"] == pytest.approx(100 * weighted)
    boundary = rows["boundary_iou"].mean()
    assert table["predicted_iou", "boundary_iou", "masks", "0"] == pytest.approx(100 * boundary)
    for least in {area for *_, area in table.index} - {"0"}:
        kept = rows[rows["area"] >= int(least)]
        assert 0 < len(kept) < len(rows)
        assert own["masks", least] == pytest.approx(100 * kept["iou"].mean())
        by_image = kept.groupby("image_id")["iou"].mean().mean()
        assert own["images", least] == pytest.approx(100 * by_image)


def test_pooled_pixels_equal_a_count_of_them(store: RunStore) -> None:
    read, shared, union = samples_of_runs(Path("datasets")), 0, 0
    for row in read_runs([store]).to_dict("records"):
        size = [row["height"], row["width"]]
        mask = Mask.from_rle({"size": size, "counts": row["mask_rle"]}).dense()
        targets = read(store, row["image_id"]).targets
        target = next(t.mask.dense() for t in targets if t.mask_id == row["mask_id"])
        shared += (mask & target).sum()
        union += (mask | target).sum()
    table = numbers(store)
    assert table["predicted_iou", "iou", "pooled", "0"] == pytest.approx(100 * shared / union)
    assert ("oracle", "iou", "pooled", "0") not in table.index


def rows(**columns: list) -> pd.DataFrame:
    count = len(columns["iou"])
    made = {
        "image_id": list("abcdefgh"[:count]),
        "category": [None] * count,
        "area": [50] * count,
        "ious": [[iou] for iou in columns["iou"]],
        "boundary_iou": [None] * count,
        "mask_rle": [None] * count,
    }
    return pd.DataFrame(made | columns)


def test_categories_average_only_where_every_mask_has_one() -> None:
    found = dict(choices.numbers(rows(iou=[1.0, 0.0, 0.4], category=["x", "x", "y"])))
    assert found[choices.Choice("predicted_iou", "iou", "categories", "0")] == pytest.approx(0.45)
    some = choices.numbers(rows(iou=[1.0, 0.0, 0.4], category=["x", "x", None]))
    assert "categories" not in {choice.average for choice, _ in some}


def test_what_would_leave_out_nothing_or_all_is_no_choice() -> None:
    def offered(areas: list[int]) -> set[str]:
        return {c.min_area for c, _ in choices.numbers(rows(iou=[0.5, 0.6], area=areas))}

    assert offered([50, 60]) == {"0"}
    assert offered([50, 600]) == {"0", "100"}
    assert offered([200, 5000]) == {"0", "576"}


def test_areas_cut_by_an_ignore_region_are_not_pooled() -> None:
    """The stored area is that of the whole target, the IoU that of what is left of it."""
    frame = rows(iou=[10 / 30, 0.25], area=[20, 10]).assign(predicted_area=[20.0, 10.0])
    assert choices.unions(frame).tolist() == [30.0, 16.0]
    assert choices.unions(frame.assign(area=[21, 10])) is None


def test_the_nearest_comes_first_and_fewer_changes_win_a_tie(store: RunStore) -> None:
    exact = numbers(store)["oracle", "iou", "images", "0"]
    found = explain(store, Goal.read(f"{exact:.2f}"))
    first = found.combinations.iloc[0]
    assert (first["candidate"], first["average"], first["changed"]) == ("oracle", "images", 2)
    assert first["distance"] <= 0.005
    assert found.matches >= 1
    beyond = (found.combinations["distance"] - 0.005).clip(lower=0).round(9)
    assert beyond.is_monotonic_increasing
    own = explain(store, Goal.read(f"{100 * found.default.mean:.1f}")).combinations.iloc[0]
    assert own["changed"] == 0


def test_the_same_question_gets_the_same_answer(store: RunStore) -> None:
    first, second = (explain(store, Goal.read("33.3")) for _ in range(2))
    pd.testing.assert_frame_equal(first.combinations, second.combinations)
    pd.testing.assert_frame_equal(first.singles, second.singles)


def test_steps_are_a_choice_and_the_last_reported_is_the_default(
    coco_folder: Callable[..., Path],
) -> None:
    store = disk_run(coco_folder(images=2, masks=2), "point_3")
    found = explain(store, Goal.read("50"))
    table = read_runs([store])
    assert found.default.mean == table.loc[table["step"] == 3, "iou"].mean()
    singles = found.singles[found.singles["choice"] == "step"].set_index("value")
    assert list(singles.index) == ["step 1", "step 2"]
    first = 100 * table.loc[table["step"] == 1, "iou"].mean()
    assert singles.loc["step 1", "miou"] == pytest.approx(first)
    assert singles.loc["step 1", "delta"] == pytest.approx(first - 100 * found.default.mean)


def test_the_command_shows_both_tables_and_what_rows_cannot_tell(
    store: RunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["explain", str(store.folder), "--target", "55.6", "--top", "3"]) == 0
    out = capsys.readouterr().out
    for expected in ("one choice changed", "nearest to 55.6", "oracle", "dice", "not stored"):
        assert expected in out
    nearest = out.partition("nearest to")[2].splitlines()[2:]
    assert sum(line.lstrip().startswith("1 point") for line in nearest) == 3


@pytest.mark.parametrize("target", ["101", "-1", "nan", "many", "Infinity"])
def test_a_target_that_is_no_mean_iou_is_one_line(
    store: RunStore, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["explain", str(store.folder), f"--target={target}"]) == 2
    assert "0 to 100" in one_line(capsys.readouterr().err)


def test_an_unfinished_run_is_refused(coco_folder: Callable[..., Path]) -> None:
    store = disk_run(coco_folder(images=3, masks=1), "point_1", "runtime.limit=1")
    with pytest.raises(BenchError, match="unfinished run"):
        explain(store, Goal.read("50"))
    assert explain(store, Goal.read("50"), allow_partial=True).default.low is None


def test_the_precision_is_that_of_the_last_digit() -> None:
    assert [Goal.read(text).half_unit for text in ("58", "58.4", "58.417", "5e1")] == [
        0.5, 0.05, 0.0005, 0.5,
    ]  # fmt: skip
