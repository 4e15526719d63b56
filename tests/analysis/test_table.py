import numpy as np
import pandas as pd
import pytest

from bench.analysis.comparing.differences import Side, answer, difference, differences
from bench.analysis.selection import select
from bench.analysis.stats import clustered_interval
from bench.analysis.table import miou_table
from bench.report.tables.formats import cells, to_csv, to_latex, to_markdown
from bench.scoring.metrics import metric
from bench.store.runs import read_runs
from bench.types import BenchError


@pytest.fixture
def stores(bench):
    return [
        bench.run(d, m, images=n, skill=s, title=m.upper(), seed=seed)
        for d, n, seed in (("shapes", 8, 0), ("nuclei", 5, 50))
        for m, s in (("sam_b", 1.5), ("grabcut", 0.8))
    ]


def test_numbers_are_a_plain_group_by(stores):
    table = miou_table(select(stores), samples=200)
    rows = read_runs(stores)
    last = rows[rows["step"] <= 3].groupby(["dataset", "model", "mask_id"]).last()
    expected = last.groupby(["dataset", "model"])[["iou", "boundary_iou"]].mean()
    lines = table.lines[(table.lines["prompt"] == "3 points") & table.lines["dataset"].notna()]
    lines = lines.set_index(["dataset", "model"]).sort_index()
    np.testing.assert_allclose(lines["miou"], expected["iou"], rtol=1e-12)
    np.testing.assert_allclose(lines["boundary_iou"], expected["boundary_iou"], rtol=1e-12)
    assert lines["masks"].tolist() == last.groupby(["dataset", "model"]).size().tolist()


def test_interval_is_that_of_a_bootstrap_over_images(stores):
    table = miou_table(select(stores[:1]), samples=4000)
    rows = read_runs(stores[:1])
    rows = rows[rows["step"] == 1]
    plain = clustered_interval(rows["iou"], rows["image_id"], samples=4000, seed=77)
    line = table.lines.iloc[0]
    width = plain.high - plain.low
    assert line["miou_low"] == pytest.approx(plain.low, abs=0.1 * width)
    assert line["miou_high"] == pytest.approx(plain.high, abs=0.1 * width)
    assert line["images"] == rows["image_id"].nunique()


def test_oracle_only_where_several_masks_were_returned(stores):
    lines = miou_table(select(stores[:1]), samples=50).lines.set_index("prompt")
    rows = read_runs(stores[:1])
    first = rows[rows["step"] == 1]
    assert lines.loc["1 point", "miou_oracle"] == pytest.approx(first["iou_oracle"].mean())
    assert lines.loc["3 points":"9 points", "miou_oracle"].isna().all()


def test_carried_scores_do_not_decide_whether_there_is_an_oracle(bench, row):
    done = row(mask_id="a", step=1, iou=1.0, multimask=True)
    others = [row(mask_id="b", step=step, multimask=step == 1) for step in (1, 3)]
    selection = select([bench.run(prompt="point_3", rows=[done, *others])])
    assert miou_table(selection, samples=50).lines["miou_oracle"].isna().all()
    done = row(mask_id="a", step=1, iou=1.0, multimask=False)
    others = [row(mask_id="b", step=step, iou_oracle=0.7, multimask=True) for step in (1, 3)]
    store = bench.run(prompt="point_3", key="other", rows=[done, *others])
    assert miou_table(select([store]), samples=50).lines["miou_oracle"].tolist() == [0.85]


def test_datasets_are_resampled_independently(bench, row):
    ious = [0.1, 0.4, 0.5, 0.9]

    def run(name):
        rows = [
            row(dataset=name, image_id=str(i), mask_id=str(i), iou=v) for i, v in enumerate(ious)
        ]
        return bench.run(dataset=name, prompt="point_1", rows=rows)

    lines = miou_table(select([run("a"), run("b")]), samples=2000).lines
    width = lines["miou_high"] - lines["miou_low"]
    # the mean of two independent means varies less than either by a factor of √2
    assert width.iloc[2] == pytest.approx(width.iloc[0] / 2**0.5, rel=0.15)


def test_mean_weighs_each_dataset_the_same(stores):
    table = miou_table(select(stores), samples=200)
    lines = table.lines[(table.lines["model"] == "sam_b") & (table.lines["prompt"] == "1 point")]
    single, mean = lines[lines["dataset"].notna()], lines[lines["dataset"].isna()].iloc[0]
    assert mean["miou"] == pytest.approx(single["miou"].mean())
    assert mean["masks"] == single["masks"].sum()
    assert mean["datasets"] == 2
    assert mean["miou_low"] < mean["miou"] < mean["miou_high"]
    assert len(table.means) == 10


def test_refuses_means_over_different_datasets_unless_allowed(stores):
    selection = select(stores[:3])
    with pytest.raises(BenchError, match=r"grabcut with 1 point \(protocol sam\) lacks nuclei"):
        miou_table(selection, samples=50)
    caption = miou_table(selection, allow_partial=True, samples=50).caption
    assert "Means are over different sets of datasets: grabcut with 1 point" in caption


def test_one_image_has_no_interval(bench):
    line = miou_table(select([bench.run(images=1)]), samples=50).lines.iloc[0]
    assert pd.isna(line["miou_low"])
    assert pd.isna(line["miou_high"])


NSD = metric("nsd_2").measure
SOLVED = [metric(f"solved_{number}").measure for number in (80, 90)]


def metric_run(bench, row, values, model="sam_b", dataset="shapes", measures=(NSD,), **header):
    """A run whose mask ``i`` has ``values[i]`` for each of the measures; half an image each."""
    rows = [
        row(model=model, dataset=dataset, mask_id=str(i), image_id=f"{i // 2}",
            metrics={m.name: value for m in measures})
        for i, value in enumerate(values)
    ]  # fmt: skip
    said = {measure.name: measure.plain() for measure in measures}
    return bench.run(dataset, model, "point_1", rows=rows, metrics=said, **header)


def test_a_mean_is_over_the_masks_that_a_metric_applies_to(bench, row):
    stores = [
        metric_run(bench, row, values, model)
        for model, values in {"a": [0.5, None, 0.75, 0.25], "b": [None] * 4, "c": [1.0] * 4}.items()
    ]
    table = miou_table(select(stores), samples=50)
    lines = table.lines.set_index("model")
    assert lines["nsd_2"].fillna(-1).to_dict() == {"a": 0.5, "b": -1, "c": 1.0}
    assert lines["nsd_2_masks"].to_dict() == {"a": 3, "b": 0, "c": 4}
    assert "NSD@2: the mean over what it applies to" in table.caption
    assert "rescore" not in table.caption
    assert [line.further for line in cells(table)] == [
        ("–", "50.0 (3)"), ("–", "– (0)"), ("–", "100.0")
    ]  # fmt: skip
    for text in (to_markdown(table), to_latex(table)):
        assert "50.0 (3)" in text
    (line,) = [each for each in to_csv(table).splitlines() if ",a," in each]
    assert ",0.5,3," in line


def test_nothing_is_said_of_counts_where_a_metric_applies_to_all(bench, row):
    table = miou_table(select([metric_run(bench, row, [0.5, 0.25])]), samples=50)
    assert table.lines["nsd_2_masks"].tolist() == table.lines["masks"].tolist() == [2]
    assert "applies to" not in table.caption
    assert "(" not in "".join(line for each in cells(table) for line in each.further)


def test_counts_add_up_over_datasets(bench, row):
    stores = [
        metric_run(bench, row, values, dataset=name)
        for name, values in {"x": [0.25, None, None], "y": [0.5, 1.0]}.items()
    ]
    line = miou_table(select(stores), samples=50).means.iloc[0]
    assert (line["nsd_2"], line["nsd_2_masks"], line["masks"]) == (0.5, 3, 5)


def test_a_definition_is_said_once_for_a_family(bench, row):
    store = metric_run(bench, row, [0.5, 1.0], measures=SOLVED)
    caption = miou_table(select([store]), samples=50).caption
    assert "solved@80, solved@90: The share of masks whose IoU is at least N %" in caption
    assert caption.count("Deep Interactive Object Selection") == 1


def test_difference_pairs_the_masks(bench, row):
    def run(model, ious):
        rows = [
            row(model=model, image_id=mask[0], mask_id=mask, iou=value)
            for mask, value in ious.items()
        ]
        return bench.run(model=model, prompt="point_1", rows=rows)

    a = run("a", {"x1": 0.9, "x2": 0.8, "y1": 0.7, "z1": 0.1})
    b = run("b", {"x1": 0.5, "x2": 0.6, "y1": 0.6})
    found = difference(
        select([a, b]), Side(("a", "sam"), "1 point"), Side(("b", "sam"), "1 point"), samples=500
    )
    line = found.datasets.iloc[0]
    assert line["delta"] == pytest.approx((0.4 + 0.2 + 0.1) / 3)
    assert (line["masks"], line["images"], found.left_out) == (3, 2, 1)
    assert line["low"] == pytest.approx(0.1)
    assert line["high"] == pytest.approx(0.4)  # two images: as far as the differences go


def test_difference_of_what_has_nothing_in_common(bench, row):
    stores = [
        bench.run(model=m, prompt="point_1", rows=[row(model=m, mask_id=m)]) for m in ("a", "b")
    ]
    selection = select(stores)
    with pytest.raises(BenchError, match="no mask in common"):
        difference(selection, Side(("a", "sam"), "1 point"), Side(("b", "sam"), "1 point"))
    assert differences(selection, miou_table(selection, samples=50)) == []


def test_answer_says_who_leads_and_what_clicks_bring(stores):
    selection = select(stores)
    table = miou_table(selection, samples=200)
    compared = differences(selection, table, samples=200)
    first, lead, gain = answer(selection, table, compared, samples=200)
    mean = table.means.set_index(["prompt", "model"])["miou"]
    assert first.startswith(
        f"With 1 point, SAM_B reaches {100 * mean['1 point', 'sam_b']:.1f} mIoU (95 % interval "
    )
    assert first.endswith("over 2 datasets.")
    delta = 100 * (mean["1 point", "sam_b"] - mean["1 point", "grabcut"])
    assert f"SAM_B leads GRABCUT by {delta:.1f} points" in lead
    rise = 100 * (mean["9 points", "sam_b"] - mean["1 point", "sam_b"])
    assert gain.startswith(f"9 points beat 1 point by {rise:.1f} points with SAM_B")


def test_answer_claims_no_lead_that_the_interval_does_not_bear(bench, row):
    rows = {
        m: [
            row(model=m, image_id=str(i), mask_id=str(i), iou=0.5 + (0.2 if (i + k) % 2 else 0.0))
            for i in range(9)
        ]
        for k, m in enumerate("ab")
    }
    selection = select([bench.run(model=m, prompt="point_1", rows=r) for m, r in rows.items()])
    table = miou_table(selection, samples=200)
    compared = differences(selection, table, samples=200)
    assert "it is level with a" in answer(selection, table, compared, samples=200)[1]


def test_answer_for_a_single_line(bench, row):
    selection = select([bench.run(prompt="point_1", rows=[row(iou=0.5)])])
    table = miou_table(selection, samples=50)
    assert answer(selection, table, []) == ["With 1 point, sam_b reaches 50.0 mIoU on shapes."]


def test_answer_tells_of_points_also_where_a_box_does_better(bench):
    clicked = bench.run(prompt="points", images=8)
    selection = select([clicked, bench.run(prompt="box", images=8, skill=40.0)])
    table = miou_table(selection, samples=100)
    _, points, box = answer(selection, table, [], samples=100)
    assert points.startswith("9 points beat 1 point by ")
    assert box.startswith("Box beats 1 point by ")
