from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from drawn_runs import draw

from bench.analysis.comparing.differences import Side, answer, difference, differences
from bench.analysis.selection import select
from bench.analysis.stats.intervals import clustered_interval
from bench.analysis.table import miou_table
from bench.analysis.wording.words import interval_said
from bench.report.tables.formats import cells, to_csv, to_latex, to_markdown
from bench.scoring.metrics import metric
from bench.store.runs import read_runs
from bench.types import BenchError


@pytest.fixture
def stores(bench):
    return [
        bench.run(d, m, images=n, skill=s, title=m.upper(), seed=seed)
        for d, n, seed in (("shapes", 14, 0), ("nuclei", 12, 50))
        for m, s in (("sam_b", 1.5), ("grabcut", 0.8))
    ]


@pytest.mark.parametrize(("images", "interval"), [(2, False), (3, True)])
def test_a_caption_explains_intervals_where_there_is_one(bench, images, interval):
    caption = miou_table(select([bench.run("shapes", "m", images=images)])).caption
    assert ("a 95 % interval over images" in caption) is interval
    assert ("without an interval, which takes 3 images" in caption) is not interval
    assert ("Fewer than 30 images" in caption) is interval


def test_images_that_agree_exactly_are_why_there_is_no_interval(bench):
    """What stands beside "images 4" can't be that an interval takes 3 of them."""
    kind = {"name": "shapes", "seed": 0, "shape": (120, 168), "category": "leaf"}
    asked = {"dataset": "shapes", "model": "m", "prompt": "points", "protocol": "sam",
             "skill": 1.0, "seed": 0, "keep_masks": True}  # fmt: skip
    _, drawn = draw(4, tuple(kind.items()), tuple(asked.items()))
    rows = [replace(row, iou=0.5) for each in drawn for row in each]
    caption = miou_table(select([bench.run("shapes", "m", images=4, rows=rows)])).caption
    assert "without an interval, as the images agree exactly" in caption
    assert "takes 3 images" not in caption
    assert "Fewer than 30" not in caption


def test_each_reason_for_no_interval_is_said_of_its_lines():
    lines = pd.DataFrame({"low": [None, 0.2], "clusters": [4, 4], "dataset": ["d", "d"]})
    assert interval_said(lines[:1], "low") == "without an interval, as the images agree exactly"
    assert interval_said(lines, "low").endswith("or without one, as the images agree exactly")
    few = lines.assign(clusters=2)
    assert interval_said(few[:1], "low") == "without an interval, which takes 3 images"
    mean = lines.assign(dataset=None)
    assert "where each has 12 images" in interval_said(mean[:1], "low")


def test_numbers_are_a_plain_group_by(stores):
    table = miou_table(select(stores))
    rows = read_runs(stores)
    last = rows[rows["step"] <= 3].groupby(["dataset", "model", "mask_id"]).last()
    expected = last.groupby(["dataset", "model"])[["iou", "boundary_iou"]].mean()
    lines = table.lines[(table.lines["prompt"] == "3 points") & table.lines["dataset"].notna()]
    lines = lines.set_index(["dataset", "model"]).sort_index()
    np.testing.assert_allclose(lines["miou"], expected["iou"], rtol=1e-12)
    np.testing.assert_allclose(lines["boundary_iou"], expected["boundary_iou"], rtol=1e-12)
    assert lines["masks"].tolist() == last.groupby(["dataset", "model"]).size().tolist()


def test_a_line_says_what_the_rows_say_over_masks_and_over_images(stores):
    line = miou_table(select(stores[:1])).lines.iloc[0]
    rows = read_runs(stores[:1])
    rows = rows[rows["step"] == 1]
    found = clustered_interval(rows["iou"], rows["image_id"])
    means = rows.groupby("image_id")["iou"].mean()
    over = clustered_interval(means, means.index, lean=False)
    for name, plain in (("miou", found), ("miou_images", over)):
        ends = line[[name, f"{name}_low", f"{name}_high"]].tolist()
        assert ends == pytest.approx([plain.mean, plain.low, plain.high])
    sizes = rows.groupby("image_id").size()
    assert line["images"] == line["clusters"] == len(sizes) == 14
    assert line["effective"] == pytest.approx(sizes.sum() ** 2 / (sizes**2).sum())
    assert line["largest"] == pytest.approx(sizes.max() / sizes.sum())
    assert line["few"]


def of_images(bench, row, sizes, model="a", iou=lambda k: 0.5 + 0.03 * (k % 7), **kind):
    """A run of one click with so many masks in each image; ``iou`` by the image's number."""
    rows = [
        row(model=model, image_id=f"i{k}", mask_id=f"i{k}/{n}", iou=iou(k) + 0.001 * n, **kind)
        for k, size in enumerate(sizes)
        for n in range(size)
    ]
    return bench.run(model=model, prompt="point_1", rows=rows, images=len(sizes))


@pytest.mark.parametrize(("images", "known"), [(1, False), (2, False), (3, True)])
def test_fewer_than_three_images_have_no_interval(bench, row, images, known):
    line = miou_table(select([of_images(bench, row, [2] * images)])).lines.iloc[0]
    ends = ["miou_low", "miou_high", "miou_images_low", "miou_images_high"]
    assert line[ends].notna().tolist() == [known] * 4
    assert line["miou"] > 0.5


@pytest.mark.parametrize(
    ("sizes", "few", "over_images"),
    [
        ([4] * 12, True, False),
        ([4] * 29, True, False),
        ([4] * 30, False, False),
        ([2] * 11 + [40], True, True),
        ([2] * 34 + [10] * 6, False, True),
        ([2] * 100 + [400], False, False),
    ],
)  # fmt: skip
def test_few_are_marked_and_few_and_unequal_ones_lead_with_their_images(
    bench, row, sizes, few, over_images
):
    selection = select([of_images(bench, row, sizes)])
    table = miou_table(selection)
    line = table.lines.iloc[0]
    assert (line["few"], line["over_images"]) == (few, over_images)
    assert ("Fewer than 30 images" in table.caption) is few
    (sentence,) = answer(selection, table, [])
    masks, images = (f"{100 * line[name]:.1f}" for name in ("miou", "miou_images"))
    if over_images:
        assert sentence.startswith(f"With 1 point, a reaches {images} mIoU over images (95 % ")
        assert f"), {masks} (" in sentence
        assert sentence.endswith(" over masks, on shapes.")
    else:
        assert sentence.startswith(f"With 1 point, a reaches {masks} mIoU (95 % interval ")


def test_a_protocol_may_take_the_mean_over_images(bench, row):
    store = of_images(bench, row, [1, 2, 3, 10], boundary_iou=0.3, protocol="mine")
    part = {"name": "mine", "version": 1, "args": {"average": "image"}}
    store.write_header(store.header() | {"protocol": part})
    table = miou_table(select([store]))
    line, rows = table.lines.iloc[0], read_runs([store])
    means = rows.groupby("image_id")["iou"].mean()
    assert line["miou"] == line["miou_images"] == pytest.approx(means.mean())
    assert line["miou_low"] == line["miou_images_low"] > 0
    assert line["miou"] != pytest.approx(rows["iou"].mean())
    assert line["over_images"]
    assert "mean IoU over images' means" in table.caption


def test_frames_of_a_video_are_one_cluster_and_rows_without_one_stand_alone(bench, row):
    rows = [
        row(image_id=f"v{k}/{n}", mask_id=f"v{k}/{n}", iou=0.4 + 0.05 * k + 0.001 * n,
            cluster=f"v{k}")
        for k in range(6)
        for n in range(10)
    ]  # fmt: skip
    line = miou_table(select([bench.run(prompt="point_1", rows=rows)])).lines.iloc[0]
    plain = clustered_interval([r.iou for r in rows], [r.cluster for r in rows])
    assert (line["images"], line["clusters"]) == (60, 6)
    assert line["effective"] == pytest.approx(6)
    assert [line["miou_low"], line["miou_high"]] == pytest.approx([plain.low, plain.high])
    assert line["few"]
    alone = [replace(each, cluster=None, model="b") for each in rows]
    line = miou_table(select([bench.run(model="b", prompt="point_1", rows=alone)])).lines.iloc[0]
    assert (line["images"], line["clusters"], line["few"]) == (60, 60, False)


def test_oracle_only_where_several_masks_were_returned(stores):
    lines = miou_table(select(stores[:1])).lines.set_index("prompt")
    rows = read_runs(stores[:1])
    first = rows[rows["step"] == 1]
    assert lines.loc["1 point", "miou_oracle"] == pytest.approx(first["iou_oracle"].mean())
    assert lines.loc["3 points":"9 points", "miou_oracle"].isna().all()


def test_carried_scores_do_not_decide_whether_there_is_an_oracle(bench, row):
    done = row(mask_id="a", step=1, iou=1.0, multimask=True)
    others = [row(mask_id="b", step=step, multimask=step == 1) for step in (1, 3)]
    selection = select([bench.run(prompt="point_3", rows=[done, *others])])
    assert miou_table(selection).lines["miou_oracle"].isna().all()
    done = row(mask_id="a", step=1, iou=1.0, multimask=False)
    others = [row(mask_id="b", step=step, iou_oracle=0.7, multimask=True) for step in (1, 3)]
    store = bench.run(prompt="point_3", key="other", rows=[done, *others])
    assert miou_table(select([store])).lines["miou_oracle"].tolist() == [0.85]


@pytest.mark.parametrize(("second", "known"), [(11, False), (12, True)])
def test_a_mean_of_datasets_has_an_interval_from_twelve_images_each(bench, row, second, known):
    runs = []
    for name, images in (("a", 20), ("b", second)):
        rows = [
            row(dataset=name, image_id=str(i), mask_id=str(i), iou=0.3 + 0.02 * i)
            for i in range(images)
        ]
        runs.append(bench.run(dataset=name, prompt="point_1", rows=rows))
    lines = miou_table(select(runs)).lines
    mean = lines[lines["dataset"].isna()].iloc[0]
    assert pd.notna(mean["miou_low"]) == pd.notna(mean["miou_images_low"]) == known
    width = lines["miou_high"] - lines["miou_low"]
    if known:  # the mean of two independent means is known better than the worse one of them
        assert width.iloc[2] < max(width.iloc[:2])


def test_mean_weighs_each_dataset_the_same(stores):
    table = miou_table(select(stores))
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
        miou_table(selection)
    caption = miou_table(selection, allow_partial=True).caption
    assert "Means are over different sets of datasets: grabcut with 1 point" in caption


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
    table = miou_table(select(stores))
    lines = table.lines.set_index("model")
    assert lines["nsd_2"].fillna(-1).to_dict() == {"a": 0.5, "b": -1, "c": 1.0}
    assert lines["nsd_2_masks"].to_dict() == {"a": 3, "b": 0, "c": 4}
    assert "NSD@2: the mean over what it applies to" in table.caption
    assert "rescore" not in table.caption
    assert [line.further for line in cells(table)] == [
        ("50.0 (3)",), ("– (0)",), ("100.0",)
    ]  # fmt: skip
    for text in (to_markdown(table), to_latex(table)):
        assert "50.0 (3)" in text
    (line,) = [each for each in to_csv(table).splitlines() if ",a," in each]
    assert ",0.5,3," in line


def test_nothing_is_said_of_counts_where_a_metric_applies_to_all(bench, row):
    table = miou_table(select([metric_run(bench, row, [0.5, 0.25])]))
    assert table.lines["nsd_2_masks"].tolist() == table.lines["masks"].tolist() == [2]
    assert "applies to" not in table.caption
    assert "(" not in "".join(line for each in cells(table) for line in each.further)


def test_counts_add_up_over_datasets(bench, row):
    stores = [
        metric_run(bench, row, values, dataset=name)
        for name, values in {"x": [0.25, None, None], "y": [0.5, 1.0]}.items()
    ]
    line = miou_table(select(stores)).means.iloc[0]
    assert (line["nsd_2"], line["nsd_2_masks"], line["masks"]) == (0.5, 3, 5)


def test_a_definition_is_said_once_for_a_family(bench, row):
    store = metric_run(bench, row, [0.5, 1.0], measures=SOLVED)
    caption = miou_table(select([store])).caption
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
    found = difference(select([a, b]), Side(("a", "sam"), "1 point"), Side(("b", "sam"), "1 point"))
    line = found.datasets.iloc[0]
    assert line["delta"] == pytest.approx((0.4 + 0.2 + 0.1) / 3)
    assert (line["masks"], line["images"], found.left_out) == (3, 2, 1)
    assert pd.isna(line["low"]), "two images"


def test_difference_of_what_has_nothing_in_common(bench, row):
    stores = [
        bench.run(model=m, prompt="point_1", rows=[row(model=m, mask_id=m)]) for m in ("a", "b")
    ]
    selection = select(stores)
    with pytest.raises(BenchError, match="no mask in common"):
        difference(selection, Side(("a", "sam"), "1 point"), Side(("b", "sam"), "1 point"))
    assert differences(selection, miou_table(selection)) == []


def test_answer_says_who_leads_and_what_clicks_bring(stores):
    selection = select(stores)
    table = miou_table(selection)
    compared = differences(selection, table)
    first, lead, gain = answer(selection, table, compared)
    mean = table.means.set_index(["prompt", "model"])["miou"]
    assert first.startswith(
        f"With 1 point, SAM_B reaches {100 * mean['1 point', 'sam_b']:.1f} mIoU (95 % interval "
    )
    assert first.endswith("over 2 datasets.")
    delta = 100 * (mean["1 point", "sam_b"] - mean["1 point", "grabcut"])
    assert f"SAM_B leads GRABCUT by {delta:.1f} points" in lead
    rise = 100 * (mean["9 points", "sam_b"] - mean["1 point", "sam_b"])
    assert gain.startswith(f"9 points beat 1 point by {rise:.1f} points (")
    assert gain.endswith(") with SAM_B.")


def test_answer_claims_no_lead_that_the_interval_does_not_bear(bench, row):
    rows = {
        m: [
            row(model=m, image_id=str(i), mask_id=str(i), iou=0.5 + (0.2 if (i + k) % 2 else 0.0))
            for i in range(9)
        ]
        for k, m in enumerate("ab")
    }
    selection = select([bench.run(model=m, prompt="point_1", rows=r) for m, r in rows.items()])
    table = miou_table(selection)
    compared = differences(selection, table)
    second = answer(selection, table, compared)[1]
    assert second.startswith("On the same masks b and a are not shown to differ: ")
    assert second.endswith(")."), "with the interval"


@pytest.mark.parametrize(("images", "shown"), [(5, False), (6, True)])
def test_nothing_is_concluded_below_six_images(bench, row, images, shown):
    stores = [
        of_images(bench, row, [3] * images, model=m, iou=lambda k, up=up: 0.3 + up + 0.01 * k**up)
        for m, up in (("a", 0.3), ("b", 0.0))
    ]
    selection = select(stores)
    table = miou_table(selection)
    (found,) = compared = differences(selection, table)
    assert found.datasets["low"].iloc[0] > 0
    assert found.datasets["p"].notna().tolist() == [shown]
    second = answer(selection, table, compared)[1]
    if shown:
        assert second.startswith("On the same masks a leads b by 30.")
    else:
        assert second.startswith("On the same masks a and b are not shown to differ: +30.")
        assert second.endswith("; too few images for a verdict.")


def test_a_lead_over_masks_that_images_do_not_bear_out_is_none(bench, row):
    """Two thirds of the masks lie in 24 images, where a is better; in 40 small ones b is."""
    sizes = [4] * 24 + [1] * 40
    jitter = np.random.default_rng(0).normal(0, 0.02, 64)
    stores = [
        of_images(bench, row, sizes, m, lambda k, up=up: 0.5 + up * (0.1 if k < 24 else -0.07)
                  + up * jitter[k])
        for m, up in (("a", 1.0), ("b", 0.0))
    ]  # fmt: skip
    selection = select(stores)
    table = miou_table(selection)
    (found,) = compared = differences(selection, table)
    assert found.mean.masks.p < 0.05 <= found.mean.p
    assert found.mean.masks.mean > 0
    second = answer(selection, table, compared)[1]
    assert "a and b are not shown to differ: +" in second
    assert "over masks" in second
    assert "over images" in second


def test_answer_for_a_single_line(bench, row):
    selection = select([bench.run(prompt="point_1", rows=[row(iou=0.5)])])
    table = miou_table(selection)
    assert answer(selection, table, []) == ["With 1 point, sam_b reaches 50.0 mIoU on shapes."]


def test_answer_tells_of_points_also_where_a_box_does_better(bench):
    clicked = bench.run(prompt="points", images=8)
    selection = select([clicked, bench.run(prompt="box", images=8, skill=40.0)])
    table = miou_table(selection)
    _, points, box = answer(selection, table, [])
    assert points.startswith("9 points beat 1 point by ")
    assert box.startswith("Box beats 1 point by ")
