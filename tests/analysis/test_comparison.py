"""Two models on the same masks: the numbers, what is refused, the gate, the page."""

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from bench.analysis.comparing.comparison import compare
from bench.analysis.comparing.differences import Side, answer, difference, differences
from bench.analysis.comparing.gate import Gate, judged
from bench.analysis.selection import select
from bench.analysis.stats import paired_averages
from bench.analysis.table import miou_table
from bench.report.pages.comparison import (
    differing,
    further_section,
    section,
    write_comparison,
)
from bench.store.runs import read_runs
from bench.types import BenchError, Measure


@pytest.fixture
def sides(bench):
    """A better model and a worse one on two datasets, curves of nine clicks and a box."""
    bench.run = partial(bench.run, images=12)
    a, b = [], []
    for dataset in ("shapes", "leaves"):
        for prompt in ("points", "box"):
            a.append(bench.run(dataset, "good", prompt, skill=2.5, title="Good"))
            b.append(bench.run(dataset, "poor", prompt, skill=1.0, title="Poor"))
    return a, b


def test_the_numbers_are_those_of_the_rows(sides):
    found = compare(*sides)
    assert (found.a, found.b) == ("Good", "Poor")
    assert set(found.table["prompt"]) == {
        "1 point", "2 points", "3 points", "5 points", "9 points", "box"
    }  # fmt: skip
    rows = [read_runs(side).query("prompt == 'box'") for side in sides]
    both = rows[0].merge(rows[1], on=["dataset", "image_id", "mask_id"], suffixes=("_a", "_b"))
    for dataset, masks in both.groupby("dataset"):
        delta = masks["iou_a"] - masks["iou_b"]
        lines = found.table[(found.table["prompt"] == "box") & (found.table["dataset"] == dataset)]
        (line,) = lines.to_dict("records")
        assert line["delta"] == pytest.approx(delta.mean())
        assert line["win_rate"] == pytest.approx((delta > 0).mean() + (delta == 0).mean() / 2)
        plain = paired_averages(masks["iou_a"], masks["iou_b"], masks["image_id"])
        ours = [line[name] for name in ("low", "high", "delta_images", "p")]
        theirs = [plain.masks.low, plain.masks.high, plain.images.mean, plain.p]
        assert ours == pytest.approx(theirs)
        assert line["low"] < line["delta"] < line["high"]
        assert (line["masks"], line["left_out"]) == (len(masks), 0)
        assert line["p_holm"] >= line["p"]
    means = found.table[found.table["dataset"].isna()]
    assert len(means) == 6
    box = found.table[found.table["prompt"] == "box"]
    assert box["delta"].iloc[-1] == pytest.approx(box["delta"].iloc[:-1].mean())


def test_the_other_way_round_is_the_mirror_image(sides):
    one = compare(*sides).table
    other = compare(*sides[::-1]).table
    assert other["delta"].tolist() == pytest.approx((-one["delta"]).tolist())
    assert other["win_rate"].tolist() == pytest.approx((1 - one["win_rate"]).tolist())
    for low, high, whole in (("low", "high", 0), ("win_low", "win_high", 1)):
        assert other[low].tolist() == pytest.approx((whole - one[high]).tolist())
    assert other["p"].tolist() == pytest.approx(one["p"].tolist())


def test_report_and_compare_say_the_same_of_one_difference(sides):
    found = compare(*sides)
    selection = select([*sides[0], *sides[1]])
    table = miou_table(selection)
    for label in found.sides[0].labels:
        reported = difference(selection, Side(("good", "sam"), label), Side(("poor", "sam"), label))
        lines = found.table[(found.table["prompt"] == label) & found.table["dataset"].notna()]
        for name in ("delta", "low", "high", "delta_images", "delta_images_low", "p"):
            assert lines[name].tolist() == reported.datasets[name].tolist(), name
        assert reported.mean == found.found[label, ""].delta
    lead = answer(selection, table, differences(selection, table))[1]
    of_compare = next(s for s in found.answer if s.startswith("1 point:"))
    said = re.search(r"by (\d+\.\d points \([\d.]+ to [\d.]+\))", of_compare)
    assert said[1] in lead


def test_every_p_and_verdict_is_that_of_the_tables(sides):
    found = compare(*sides)
    for (label, dataset), pair in found.found.items():
        mine = found.table["dataset"].isna() if not dataset else found.table["dataset"] == dataset
        (line,) = found.table[(found.table["prompt"] == label) & mine].to_dict("records")
        assert line["p"] == pair.delta.p
        both = pair.delta.masks, pair.delta.images
        outside = [each.low > 0 or each.high < 0 for each in both]
        assert (line["p"] < 0.05) == (all(outside) and both[0].mean * both[1].mean > 0)


def test_a_side_of_an_earlier_release_takes_the_videos_of_the_other(bench, row):
    videos = [
        row(
            image_id=f"v{k}/{n}",
            mask_id=f"v{k}/{n}",
            iou=0.4 + 0.05 * k,
            cluster=f"v{k}",
            model="a",
        )
        for k in range(8)
        for n in range(5)
    ]
    older = [replace(r, cluster=None, model="b", iou=r.iou - 0.1) for r in videos]
    a, b = (bench.run(model=m, prompt="point_1", rows=r) for m, r in (("a", videos), ("b", older)))
    for sides in (([a], [b]), ([b], [a])):
        (line,) = compare(*sides).table.to_dict("records")
        assert (line["images"], line["clusters"]) == (40, 8)


def test_a_paired_interval_is_narrower_than_two_apart(bench):
    a, b = (bench.run(model=m, prompt="box", images=40, skill=s) for m, s in (("x", 1), ("y", 1.1)))
    line = compare([a], [b]).table.iloc[0]
    apart = [read_runs([s])["iou"].std() / np.sqrt(len(read_runs([s]))) for s in (a, b)]
    assert line["high"] - line["low"] < 2 * 1.96 * np.hypot(*apart)


def test_the_answer_names_the_winner_or_says_what_it_takes(bench, sides):
    found = compare(*sides)
    box = next(s for s in found.answer if s.startswith("box"))
    assert re.search(r"Good leads Poor over 2 datasets by \d+\.\d points \(\d", box)
    turned = next(s for s in compare(*sides[::-1]).answer if s.startswith("box"))
    assert turned.split(";")[0] == box.split(";")[0], "who leads does not depend on the order"
    twin = bench.run("shapes", "twin", "box", skill=1.0, seed=0, title="Twin")
    poor = bench.run("shapes", "poor2", "box", skill=1.02, seed=0, title="Poor 2")
    (unclear,) = compare([twin], [poor]).answer
    assert "Twin and Poor 2 are not shown to differ on shapes: " in unclear
    assert re.search(r"needs about [\d,]+ images|would probably have been seen", unclear)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"dataset_fingerprint": "shapes-2"}, "fingerprint shapes-1, the other shapes-2"),
        ({"dataset": {"name": "shapes", "version": 2}}, "version 1, the other 2"),
        ({"protocol": {"name": "sam", "version": 2, "args": {}}}, "protocol sam version 1"),
        ({"facts": {"dtype": "bfloat16"}}, "dtype float32, the other with bfloat16"),
    ],
)
def test_what_was_measured_differently_is_refused_or_marked(bench, header, says):
    a = bench.run(model="a", prompt="box", facts={"dtype": "float32"})
    b = bench.run(model="b", prompt="box", facts={"dtype": "float32"})
    b.write_header(b.header() | header)
    with pytest.raises(BenchError, match=says) as caught:
        compare([a], [b])
    assert "--allow-mixed" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert says in compare([a], [b], allow_mixed=True).caption


def test_sides_that_make_no_comparison_are_refused(bench):
    a = bench.run(model="a", prompt="box")
    b = bench.run("leaves", model="b", prompt="box")
    with pytest.raises(BenchError, match="no mask with the same prompt in common"):
        compare([a], [b])
    c = bench.run(model="c", prompt="box")
    with pytest.raises(BenchError, match=r"one side of a comparison holds a .*c"):
        compare([a, c], [b])
    half = bench.run(model="d", prompt="box", status="running", images_done=3)
    with pytest.raises(BenchError, match="unfinished"):
        compare([a], [half])
    assert "partial" in compare([a], [half], allow_partial=True).caption


def test_an_unfinished_run_that_faces_none_is_named_and_left_out(bench):
    a, b = bench.run(model="a", prompt="box"), bench.run(model="b", prompt="box")
    begun = {"status": "running", "images_done": 3}
    elsewhere = bench.run("leaves", model="a", prompt="box", **begun)
    otherwise = bench.run(model="a", prompt="point_1", **begun)
    found = compare([a, elsewhere, otherwise], [b])
    for what in ("leaves · a · box", "shapes · a · point_1"):
        assert f"{what} is left out: it is unfinished (3 of 8 images), and faces no" in (
            found.caption
        )
    assert len(found.table) == len(compare([a], [b]).table)
    for sides in ([a, elsewhere], [b, bench.run("leaves", model="b", prompt="box")]), (
        [elsewhere], [b]
    ):  # fmt: skip
        with pytest.raises(BenchError, match=r"unfinished run \(3 of 8 images\)"):
            compare(*sides)
    assert "partial: 3 of 8" in compare([a, elsewhere], [b], allow_partial=True).caption


def given(row, **said):
    """A row of a mask that nothing asked for."""
    return row(n_points=0, point_coords=[], point_labels=[], prompt="given", **said)


@pytest.mark.parametrize("turned", [False, True])
def test_given_masks_stand_against_every_prompt_of_a_model(bench, row, turned):
    marks = [(f"m{i}", f"i{i % 3}") for i in range(6)]
    theirs = [given(row, mask_id=m, image_id=i, iou=0.5, model="tool") for m, i in marks]
    tool = bench.run(model="tool", prompt="given", rows=theirs, title="Tool")
    box = {"n_points": 0, "point_coords": [], "point_labels": [], "box": [0.0, 0.0, 3.0, 2.0]}
    asked = [bench.run(model="sam", prompt=prompt, title="Sam", rows=[
                 row(mask_id=m, image_id=i, iou=iou, model="sam", prompt=prompt, **cue)
                 for m, i in marks])
             for prompt, iou, cue in (("point_1", 0.75, {}), ("box", 0.25, box))]  # fmt: skip
    sides = ([tool], asked)
    found = compare(*(sides[::-1] if turned else sides))
    assert found.table["prompt"].tolist() == ["1 point", "box"]
    sign = -1 if turned else 1
    assert found.table["delta"].tolist() == [-0.25 * sign, 0.25 * sign]
    assert (found.table["masks"] == 6).all()
    assert (found.table["left_out"] == 0).all()
    assert "Tool was given, not asked for: its masks stand against every prompt." in found.caption
    pairs = found.pairs.groupby("label", observed=True)
    side = "b" if turned else "a"
    assert pairs[f"iou_{side}"].unique().map(list).to_dict() == {"1 point": [0.5], "box": [0.5]}


def check_said_to_be_equal(stores):
    """That comparison and report say of two runs, a and b, that no mask has another number."""
    (sentence,) = compare(stores[:1], stores[1:]).answer
    assert sentence == "1 point: a and b give the same numbers on shapes."
    selection = select(stores)
    table = miou_table(selection)
    said = answer(selection, table, differences(selection, table))
    assert said[1] == "On the same masks a and b give the same numbers."


def test_equal_numbers_are_called_equal(bench, row):
    rows = {m: [row(mask_id=f"m{i}", image_id=f"i{i % 3}", iou=0.1 * i, model=m) for i in range(9)]
            for m in ("a", "b")}  # fmt: skip
    check_said_to_be_equal([bench.run(model=m, prompt="point_1", rows=rows[m]) for m in rows])


def test_equal_numbers_of_one_image_have_no_leader(bench, row):
    check_said_to_be_equal(
        [bench.run(model=m, prompt="point_1", rows=[row(model=m)]) for m in ("a", "b")]
    )


def test_masks_that_only_one_side_has_are_left_out_and_counted(bench, row):
    rows = [row(mask_id=f"m{i}", image_id=f"i{i % 3}", iou=0.1 * i, model="a") for i in range(9)]
    fewer = [row(mask_id=f"m{i}", image_id=f"i{i % 3}", iou=0.5, model="b") for i in range(6)]
    found = compare(
        [bench.run(model="a", prompt="point_1", rows=rows)],
        [bench.run(model="b", prompt="point_1", rows=fewer)],
    )
    (line,) = found.table.to_dict("records")
    assert (line["masks"], line["left_out"]) == (6, 3)
    assert line["miou_a"] == pytest.approx(0.25)


def test_one_image_gives_no_interval(bench, row):
    sides = [
        [bench.run(model=m, prompt="point_1", rows=[row(model=m, iou=v)])]
        for m, v in (("a", 0.9), ("b", 0.4))
    ]
    found = compare(*sides)
    assert found.table[["low", "high", "p", "images_needed"]].isna().all(axis=None)
    assert "too few images" in found.answer[0]
    assert section(found, 0).rows[0][4] == "+50.0"
    (verdict,) = judged(found, Gate.parse("delta_miou>0"))
    assert verdict.outcome == "undecided"


def measured(bench, row, model, values, **said):
    """A run whose mask ``i``, in an image of its own, has ``values[i]`` pixels of ``off``."""
    measure = Measure("off", "off", "off by", "pixels", "lower", digits=2, **said)
    rows = [
        row(
            model=model,
            image_id=str(i),
            mask_id=str(i),
            iou=(0.1 if model == "a" else 0.07) * i,
            metrics={"off": value},
        )
        for i, value in enumerate(values)
    ]
    return bench.run(model=model, prompt="point_1", rows=rows, metrics={"off": measure.plain()})


def test_a_measure_is_compared_on_the_masks_that_it_applies_to(bench, row):
    a = measured(bench, row, "a", [4.0, None, 2.0, 1.0])
    b = measured(bench, row, "b", [1.0, 2.0, None, 3.0])
    found = compare([a], [b])
    ((measure, table),) = found.further
    (line,) = table.to_dict("records")
    assert (measure.name, line["masks"], line["images"], line["left_out"]) == ("off", 2, 2, 0)
    assert (line["off_a"], line["off_b"], line["delta"]) == (2.5, 2.0, 0.5)
    assert line["win_rate"] == 0.5
    (shown,) = further_section(found, 0)
    assert shown.rows[0][3:5] == ("2.50", "2.00")
    assert shown.rows[0][-2:] == ("2", "2 (2.0, 50 %)")


def test_a_measure_without_a_common_mask_is_left_out(bench, row):
    a, b = (measured(bench, row, *pair) for pair in (("a", [None, 1.0]), ("b", [1.0, None])))
    assert compare([a], [b]).further == ()


def test_images_needed_are_told_of_points_alone(bench, row):
    a, b = (measured(bench, row, m, v) for m, v in (("a", [4.0, 9.0, 5.0]), ("b", [1.0, 2.0, 4.0])))
    found = compare([a], [b])
    ((_, table),) = found.further
    assert table["images_needed"].isna().all()
    assert found.table["images_needed"].notna().all()


def test_two_metrics_of_one_column_are_not_subtracted(bench, row):
    a, b = (measured(bench, row, m, [1.0, 2.0], address=f"{m}.OFF") for m in "ab")
    with pytest.raises(BenchError, match=r"in the column off one holds a\.OFF, the other b\.OFF"):
        compare([a], [b])


@pytest.mark.parametrize(
    ("text", "low", "high", "outcome"),
    [
        ("delta_miou>-0.2", -0.001, 0.004, "holds"),
        ("delta_miou>-0.2", -0.010, -0.003, "fails"),
        ("delta_miou>-0.2", -0.010, 0.004, "undecided"),
        ("delta_miou >= 0", 0.0, 0.004, "holds"),
        ("delta_miou > 0", 0.0, 0.004, "undecided"),
        ("win_rate>50", 0.51, 0.60, "holds"),
        ("win_rate<=50", 0.51, 0.60, "fails"),
        ("delta_miou<1.5", 0.0, 0.0149, "holds"),
        ("delta_miou<1.5", 0.0, 0.0151, "undecided"),
        ("delta_miou>0", None, None, "undecided"),
    ],
)
def test_a_gate_holds_when_the_whole_interval_does(text, low, high, outcome):
    assert Gate.parse(text).holds(low, high) == outcome


def judge(gate, a, b, images):
    return Gate.parse(gate).judge(paired_averages(a, b, images))


def test_a_gate_takes_both_averages_and_six_images():
    rng = np.random.default_rng(0)
    images = np.repeat(np.arange(8), 5)
    a = rng.uniform(0.4, 0.6, 40)
    b = a - 0.1 + rng.normal(0, 0.01, 40)
    assert judge("delta_miou>5", a, b, images) == "holds"
    assert judge("delta_miou>15", a, b, images) == "fails"
    assert judge("delta_miou>5", a[:25], b[:25], images[:25]) == "undecided", "five images"
    assert judge("delta_miou>5", a[:10], b[:10], images[:10]) == "undecided", "two images"
    same = judge("delta_miou>-0.2", a, a, images), judge("delta_miou>0", a, a, images)
    assert same == ("holds", "fails"), "the same masks: nothing is left to be uncertain of"
    assert judge("delta_miou>-0.2", a[:25], a[:25], images[:25]) == "undecided"
    sizes = np.r_[np.full(24, 4), np.ones(40, int)]  # most masks say one thing, most images another
    images = np.repeat(np.arange(64), sizes)
    delta = np.where(images < 24, 0.1, -0.07) + np.repeat(rng.normal(0, 0.02, 64), sizes)
    assert paired_averages(0.5 + delta, np.full(136, 0.5), images).masks.low > 0
    assert judge("delta_miou>0", 0.5 + delta, np.full(136, 0.5), images) == "undecided"


@pytest.mark.parametrize(
    "text", ["", "delta_miou", "miou>1", "delta_miou=1", "delta_miou>x", "__import__('os')>1"]
)
def test_a_malformed_gate_is_one_line(text):
    with pytest.raises(BenchError, match="a gate is") as caught:
        Gate.parse(text)
    assert "\n" not in str(caught.value)


def test_an_undecided_gate_says_how_many_images_would_settle_it(bench):
    a = bench.run(model="a", prompt="box", skill=1.0)
    b = bench.run(model="b", prompt="box", skill=1.02)
    found = compare([a], [b])
    line = found.table.iloc[0]
    gate = Gate("delta_miou", ">", round(100 * float(line["low"]) + 0.1, 3))
    (verdict,) = judged(found, gate)
    assert verdict.outcome == "undecided"
    assert re.search(r"about [\d,]+ images would settle it$", verdict.sentence)


def test_the_gallery_shows_the_largest_gaps_of_both_sides(bench, sides):
    found = compare(*sides)
    groups = list(differing(found, bench.read_sample, count=3))
    assert [g.title for g in groups[:2]] == ["Good is ahead of Poor", "Poor is ahead of Good"]
    first = groups[0]
    gaps = [pair.a.iou - pair.b.iou for pair in first.pairs]
    assert gaps == sorted(gaps, reverse=True)
    pairs = found.pairs[found.pairs["label"] == first.label]
    assert gaps[0] == pytest.approx((pairs["iou_a"] - pairs["iou_b"]).max())
    assert all(pair.a.mask_id == pair.b.mask_id for pair in first.pairs)
    assert len({pair.a.image_id for pair in first.pairs}) == 3


@pytest.mark.long
def test_the_folder_is_complete(bench, sides, tmp_path):
    found, kinds = compare(*sides), ("pdf", "svg", "png")
    out = tmp_path / "one"
    files = write_comparison([found], out, read_sample=bench.read_sample, figures=kinds)
    names = {path.relative_to(out).as_posix() for path in files}
    drawings = ("points", "difference", "scatter", "spread")
    assert names >= {"index.html", "comparison.csv", "comparison.md", "report.json"} | {
        f"figures/{name}.{kind}" for name in drawings for kind in kinds
    }
    page = (tmp_path / "one" / "index.html").read_text()
    assert page.count("data:image/webp") > 20
    assert "http" not in re.sub(r"http://www\.w3\.org/[\w/]+|http-equiv", "", page)
    content = json.loads((tmp_path / "one" / "report.json").read_text())
    lines = pd.DataFrame(content["comparisons"][0]["lines"])
    assert lines["delta"].tolist() == pytest.approx(found.table["delta"].tolist())


@pytest.mark.long
def test_the_folder_is_the_same_every_time(bench, sides, tmp_path):
    found = compare(*sides)
    one, two = (
        write_comparison([found], tmp_path / name, read_sample=bench.read_sample)
        for name in ("one", "two")
    )
    assert len(one) > 15
    for first, second in zip(one, two, strict=True):
        assert first.relative_to(tmp_path / "one") == second.relative_to(tmp_path / "two")
        assert first.read_bytes() == second.read_bytes(), first.name


def test_names_from_data_are_escaped(bench, tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    a = bench.run(model="a", prompt="box", title=evil)
    b = bench.run(model="b", prompt="box")
    write_comparison([compare([a], [b])], tmp_path / "out")
    assert evil not in (tmp_path / "out" / "index.html").read_text()


def test_nothing_half_written_stays_behind(bench, tmp_path):
    a, b = (bench.run(model=m, prompt="box") for m in "ab")
    found = compare([a], [b])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match="can't be written"):
        write_comparison([found], tmp_path / "file" / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "results"]
