"""Each reason holds where its rule says, in its turn, and what all of them cost is what lacks."""

import numpy as np
import pandas as pd
import pytest
from drawn_runs import in_no_order

from bench.analysis.comparing.comparison import compare
from bench.analysis.reasons import REASONS, reasons
from bench.analysis.sections.reasons import ALL, compared_reasons, reasons_section
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.types import BenchError, Mask

SHAPE = (80, 120)
WHOLE = (slice(10, 60), slice(20, 70))  # 2,500 pixels


def dense(*places):
    mask = np.zeros(SHAPE, bool)
    for place in places:
        mask[place] = True
    return mask


def answered(row, target, answer, **given):
    """The row of an answer to a target; its IoU is that of the two."""
    iou = float((target & answer).sum() / max(1, (target | answer).sum()))
    made = {"iou": iou, "iou_oracle": iou, "ious": [iou], "height": SHAPE[0], "width": SHAPE[1],
            "area": int(target.sum()), "boundary_iou": 0.0,
            "mask_rle": Mask.from_dense(answer).to_rle()}  # fmt: skip
    return row(**(made | given))


TARGET = dense(WHOLE)
THIN = dense((slice(40, 50), slice(5, 115)))  # 1,100 pixels
SMALL = dense((slice(10, 30), slice(10, 30)))
CASES = {
    "good": (TARGET, dense((slice(10, 60), slice(20, 66))), {}),
    "candidate": (TARGET, dense((slice(10, 60), slice(20, 40))), {"iou_oracle": 0.6}),
    "nothing": (TARGET, dense(), {}),
    "elsewhere": (TARGET, dense((slice(10, 60), slice(50, 100))), {}),
    "too_large": (TARGET, dense((slice(5, 75), slice(15, 80))), {}),
    "too_small": (TARGET, dense((slice(10, 60), slice(20, 40))), {}),
    "leaks": (TARGET, dense((slice(10, 60), slice(20, 80))), {}),
    "thin": (THIN, dense((slice(42, 50), slice(5, 115))), {"boundary_iou": 0.799}),
    "tiny": (SMALL, dense((slice(10, 27), slice(10, 30))), {}),
    "parts": (TARGET, dense((slice(10, 32), slice(20, 70)), (slice(34, 53), slice(20, 70))), {}),
    "none": (TARGET, dense((slice(10, 53), slice(20, 70))), {}),
}


def named(store):
    selection = select([store])
    return [REASONS[code].name for code in reasons(selection)], selection


def test_each_reason_holds_in_its_case(bench, row):
    rows = [
        answered(row, target, answer, image_id=f"i{place}", mask_id=name, **given)
        for place, (name, (target, answer, given)) in enumerate(CASES.items())
    ]
    found, selection = named(bench.run(prompt="point_1", rows=rows))
    assert dict(zip(selection.rows["mask_id"], found, strict=True)) == {n: n for n in CASES}
    assert {*CASES, "clicks"} == {reason.name for reason in REASONS}


def test_clicks_did_not_help_where_a_later_step_is_no_better(bench, row):
    target, answer, _ = CASES["none"]
    better = dense((slice(10, 54), slice(20, 70)))
    rows = []
    for mask, last in (("same", answer), ("better", better)):
        for step, shown in enumerate((answer, answer, last), start=1):
            rows.append(answered(row, target, shown, mask_id=mask, step=step, n_points=step))
    found, selection = named(bench.run(prompt="point_3", rows=rows))
    told = dict(zip(selection.rows["mask_id"], found, strict=True))
    assert told == {"same": "clicks", "better": "none"}


def test_an_earlier_reason_goes_before_a_later_one(bench, row):
    """A tiny target, of whose two candidates the worse one is chosen, and that is too large."""
    answer = dense((slice(5, 50), slice(5, 50)))
    wrong = answered(row, SMALL, answer, iou_oracle=0.9)
    found, _ = named(bench.run(prompt="point_1", rows=[wrong]))
    assert found == ["candidate"]
    large = answered(row, SMALL, answer, model="other")
    found, _ = named(bench.run(model="other", prompt="point_1", rows=[large]))
    assert found == ["too_large"]


def test_of_a_run_without_masks_only_what_numbers_tell_is_asked(bench, row):
    rows = [
        answered(row, target, answer, image_id=f"i{p}", mask_id=name, **given, mask_rle=None)
        for p, (name, (target, answer, given)) in enumerate(CASES.items())
    ]
    store = bench.run(prompt="point_1", rows=rows)
    found, selection = named(store)
    told = dict(zip(selection.rows["mask_id"], found, strict=True))
    known = {"good", "candidate", "thin", "tiny"}
    assert told == {name: name if name in known else "none" for name in CASES}
    (section,) = reasons_section(selection, miou_table(selection), reasons(selection))
    assert f"{store.folder.name} kept no masks" in section.note


def test_a_damaged_mask_is_said(bench, row):
    target, answer, _ = CASES["none"]
    store = bench.run(prompt="point_1", rows=[answered(row, target, answer, mask_rle="~~")])
    with pytest.raises(BenchError, match="a stored mask can't be read"):
        named(store)


@pytest.mark.parametrize("models", [("zeta", "alpha"), ("zeta",)], ids=["across", "down"])
def test_every_shown_cost_is_that_of_its_line(bench, models):
    stores = [
        bench.run(d, m, images=5, seed=len(d), skill=0.6 + place, title=f"Title of {m}")
        for d in ("nuclei", "shapes") for place, m in enumerate(models)
    ]  # fmt: skip
    selection = select(stores)
    (section,) = reasons_section(selection, miou_table(selection), reasons(selection))
    titles = {reason.name: reason.title for reason in REASONS} | {ALL: ALL}
    shown = {}
    down = "reason" in section.heads
    assert down == (len(models) == 1)
    for row in section.rows:
        if down:
            shown[row[:4]] = row[4].split(" ")[0]
        else:
            for head, cell in zip(section.heads[3:], row[3:], strict=True):
                if cell != "–":
                    shown[(*row[:3], head)] = cell
    expected = {
        (
            line["dataset"],
            line["prompt"],
            f"Title of {line['model']}",
            titles[line["reason"]],
        ): f"{100 * line['cost']:.1f}"
        for line in section.lines.to_dict("records")
    }
    assert shown == expected
    assert section.names == (4 if down else 3)
    assert len(section.rows) == (len(section.lines) if down else 8)


@pytest.mark.parametrize("average", ["mask", "image"])
def test_what_the_reasons_cost_is_what_is_lacking(bench, average):
    protocol = {"protocol": {"name": "sam", "version": 1, "args": {"average": average}}}
    stores = [
        bench.run(d, m, images=5, seed=len(d), skill=skill)
        for d in ("nuclei", "shapes") for m, skill in (("zeta", 0.7), ("alpha", 2.0))
    ]  # fmt: skip
    for store in stores:
        store.write_header(store.header() | protocol)
    selection = select(stores)
    table, codes = miou_table(selection), reasons(selection)
    (section,) = reasons_section(selection, table, codes)
    lines = section.lines.set_index(["dataset", "model", "prompt"])
    own = table.lines[table.lines["dataset"].notna()].set_index(["dataset", "model", "prompt"])
    assert set(lines.index.get_level_values("prompt")) == {"1 point", "9 points"}
    rows = selection.rows.assign(reason=[REASONS[code].name for code in codes])
    compared = 0
    for key, found in lines.groupby(level=[0, 1, 2]):
        parts, whole = found[found["reason"] != ALL], found[found["reason"] == ALL].iloc[0]
        assert parts["cost"].sum() == pytest.approx(1 - own.loc[key, "miou"], abs=1e-12)
        assert whole["cost"] == pytest.approx(1 - own.loc[key, "miou"], abs=1e-12)
        assert parts["masks"].sum() == whole["masks"] == own.loc[key, "masks"]
        dataset, model, label = key
        of_line = rows[(rows["dataset"] == dataset) & (rows["model"] == model)]
        of_line = of_line[of_line["label"] == label]
        for line in parts.to_dict("records"):
            has = of_line["reason"] == line["reason"]
            lack = (1 - of_line["iou"]).where(has, 0.0)
            means = lack.groupby(of_line["image_id"]).mean() if average == "image" else lack
            assert line["cost"] == pytest.approx(means.mean(), abs=1e-12)
            assert line["masks"] == has.sum()
            assert line["iou"] == pytest.approx(of_line.loc[has, "iou"].mean(), abs=1e-12)
            if pd.notna(line["cost_low"]):
                assert line["cost_low"] < line["cost"] < line["cost_high"]
            assert pd.isna(line["cost_low"]) or of_line.loc[has, "image_id"].nunique() >= 3
            compared += 1
    assert compared > 20


def test_what_a_comparison_says_of_reasons_is_both_sides_rows(bench):
    stores = in_no_order(bench)
    sides = [[s for s in stores if s.header()["model"]["name"] == m] for m in ("alpha", "zeta")]
    found = compare(*sides)
    codes = [reasons(side) for side in found.sides]
    (section,) = compared_reasons(found, codes)
    rows = []
    for side, own in zip(found.sides, codes, strict=True):
        told = side.rows.assign(reason=[REASONS[code].name for code in own])
        key = ["label", "dataset", "image_id", "mask_id"]
        rows.append(told.astype(dict.fromkeys(key, str)).set_index(key)[["iou", "reason"]])
    both = rows[0].add_suffix("_a").join(rows[1].add_suffix("_b"), how="inner")
    assert len(both) == len(found.pairs)
    lines = section.lines
    for (label, dataset), own in both.groupby(level=[0, 1]):
        here = lines[(lines["prompt"] == label) & (lines["dataset"] == dataset)]
        for line in here.to_dict("records"):
            for side in "ab":
                has = (own[f"reason_{side}"] == line["reason"]) | (line["reason"] == ALL)
                cost = (1 - own[f"iou_{side}"]).where(has, 0.0).mean()
                assert line[f"cost_{side}"] == pytest.approx(cost, abs=1e-12)
                assert line[f"masks_{side}"] == has.sum()
            delta = line["cost_a"] - line["cost_b"]
            assert line["delta"] == pytest.approx(delta, abs=1e-12)
        parts = here[here["reason"] != ALL]
        change = own["iou_b"].mean() - own["iou_a"].mean()
        assert parts["delta"].sum() == pytest.approx(change, abs=1e-12)
    means = lines[lines["dataset"].isna()].set_index(["prompt", "reason"])
    for key, line in means.iterrows():
        of_line = lines[(lines["prompt"] == key[0]) & (lines["reason"] == key[1])]
        assert line["delta"] == pytest.approx(of_line["delta"].dropna()[:2].mean(), abs=1e-12)
