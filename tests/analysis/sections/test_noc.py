"""Clicks needed: as the published rule counts them, and as a table of the report."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from bench.analysis.sections.noc import areas_under, clicks_needed, noc_section
from bench.analysis.selection import select
from bench.analysis.stats.intervals import clustered_interval
from bench.analysis.table import miou_table
from bench.report import Request
from bench.report.pages.write import write
from bench.store.runs import read_runs

TWENTY = {str(step): f"{step} point{'s' * (step > 1)}" for step in (1, 3, 5, 20)}


def published_rule(curve, threshold, most):
    """RITM's rule in plain words: the first click that reaches it, the limit where none does."""
    for click, value in enumerate(curve, start=1):
        if value >= threshold:
            return click
    return most


def test_the_published_rule_on_random_curves():
    rng = np.random.default_rng(0)
    curves = rng.random((500, 20)) ** 0.3
    curves[:50] *= 0.5  # never reached
    curves[50:60, 0] = 1.0  # with the first click, then worse
    curves[60:70, -1] = 0.95
    curves[60:70, :-1] = 0.3  # with the last one
    for threshold in (0.8, 0.85, 0.9, 0.95):
        plain = [published_rule(curve, threshold, 20) for curve in curves]
        assert clicks_needed(curves, threshold).tolist() == plain
    assert clicks_needed(np.array([[0.9]]), 0.9).tolist() == [1]


def published_area(curve):
    """Trapezoids between neighbouring clicks, one click wide, over the width of all."""
    area = sum((left + right) / 2 for left, right in pairwise(curve))
    return area / (len(curve) - 1)


def test_the_area_under_random_curves():
    curves = np.random.default_rng(2).random((300, 20))
    assert areas_under(curves) == pytest.approx([published_area(curve) for curve in curves])
    # The mean of the areas is the area under the mean curve, which papers plot.
    assert areas_under(curves).mean() == pytest.approx(published_area(curves.mean(axis=0)))


def test_the_area_by_hand():
    curves = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    assert areas_under(curves).tolist() == [0.75, 0.25, 0.5, 1.0]
    assert areas_under(np.array([[0.2, 0.6]])).tolist() == [0.4]
    assert areas_under(np.array([[0.3]])).tolist() == [0.3]


@pytest.fixture
def long_run(bench, row):
    """20 clicks on 30 masks in 10 images: some reach .9 early, some with click 20, some never."""
    rng = np.random.default_rng(1)
    rows, curves = [], {}
    for mask in range(30):
        curve = np.sort(rng.uniform(0.2, [0.95, 0.86, 1.0][mask % 3], 20))
        if mask % 5 == 0:
            curve[:] = 0.4
            curve[-1] = 0.91
        curves[f"i{mask % 10}", f"m{mask}"] = curve
        rows += [
            row(image_id=f"i{mask % 10}", mask_id=f"m{mask}", step=step, n_points=step,
                prompt="points", protocol="ritm_noc", iou=float(curve[step - 1]))
            for step in range(1, 21)
        ]  # fmt: skip
    run = bench.run(prompt="points", protocol="ritm_noc", rows=rows, report_steps=TWENTY)
    return run, np.array([curves[key] for key in sorted(curves)])


def test_the_table_is_that_of_the_rows(long_run):
    run, curves = long_run
    (section,) = noc_section(select([run]))
    line, (shown,) = section.lines.iloc[0], section.rows
    for mark in (80, 85, 90):
        plain = [published_rule(curve, mark / 100, 20) for curve in curves]
        assert line[f"noc_{mark}"] == pytest.approx(np.mean(plain))
        assert line[f"noc_{mark}_low"] < np.mean(plain) < line[f"noc_{mark}_high"]
        assert line[f"never_{mark}"] == (curves.max(axis=1) < mark / 100).sum()
        assert line[f"at_limit_{mark}"] == np.sum(np.array(plain) == 20)
        reached = np.mean([max(curve) >= mark / 100 for curve in curves])
        assert line[f"solved_{mark}"] == pytest.approx(reached)
        assert (
            dict(zip(section.heads, shown, strict=True))[f"solved {mark}"] == f"{100 * reached:.1f}"
        )
    assert line["auc"] == pytest.approx(np.mean([published_area(curve) for curve in curves]))
    assert line["auc_low"] < line["auc"] < line["auc_high"]
    bounds = [f"{100 * line[name]:.1f}" for name in ("auc", "auc_low", "auc_high")]
    assert section.heads[-1] == "AUC"
    assert shown[-1] == "{} ({}–{})*".format(*bounds)
    reach = {"noc_80": (1, 20), "auc": (0, 1)}
    values = {
        "noc_80": [published_rule(curve, 0.8, 20) for curve in curves],
        "auc": [published_area(curve) for curve in curves],
    }
    images = sorted((f"i{mask % 10}", f"m{mask}") for mask in range(30))
    for name, ends in reach.items():
        plain = clustered_interval(values[name], [image for image, _ in images], reach=ends)
        assert (line[f"{name}_low"], line[f"{name}_high"]) == pytest.approx((plain.low, plain.high))
    assert line["at_limit_90"] > line["never_90"] > 0
    assert (line["clicks"], line["masks"], line["images"]) == (20, 30, 10)


def test_a_mask_that_just_gets_there_is_solved(bench, row):
    """Eight masks that reach .8, .85 or .9 to the digit, and no more."""
    best = [0.8, 0.8, 0.8, 0.85, 0.85, 0.9, 0.9, 0.9]
    rows = [
        row(image_id=f"i{mask}", mask_id=f"m{mask}", step=step, n_points=step, prompt="points",
            protocol="ritm_noc", iou=iou if step == 7 else 0.3)
        for mask, iou in enumerate(best)
        for step in range(1, 21)
    ]  # fmt: skip
    run = bench.run(prompt="points", protocol="ritm_noc", rows=rows, report_steps=TWENTY)
    (section,) = noc_section(select([run]))
    line = section.lines.iloc[0]
    assert [line[f"never_{mark}"] for mark in (80, 85, 90)] == [0, 3, 5]
    assert [line[f"solved_{mark}"] for mark in (80, 85, 90)] == [1.0, 5 / 8, 3 / 8]
    assert [line[f"noc_{mark}"] for mark in (80, 85, 90)] == [
        7.0,
        pytest.approx((5 * 7 + 3 * 20) / 8),
        pytest.approx((3 * 7 + 5 * 20) / 8),
    ]


def test_miou_after_k_clicks_is_the_reports_own(long_run):
    run, curves = long_run
    table = miou_table(select([run]))
    shown = dict(zip(table.lines["n_points"], table.lines["miou"], strict=True))
    for clicks in (1, 3, 5, 20):
        assert shown[clicks] == pytest.approx(curves[:, clicks - 1].mean())


@pytest.mark.long
def test_the_report_shows_it_and_short_curves_have_none(long_run, bench, tmp_path):
    run, _ = long_run
    report = write(Request((run,)), tmp_path / "out")
    assert "Clicks needed" in report.page.read_text()
    frame = pd.read_csv(tmp_path / "out" / "noc.csv")
    (shown,) = (section for section in report.sections if section.name == "noc")
    assert frame["noc_90"].iloc[0] == pytest.approx(shown.lines["noc_90"].iloc[0])
    assert "NoC@90" in (tmp_path / "out" / "noc.md").read_text()
    short = bench.run(prompt="points", model="other")
    assert len(read_runs([short])) > 0
    assert not list(noc_section(select([short])))
