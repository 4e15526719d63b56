from dataclasses import asdict, replace

import numpy as np
import pytest

from bench.analysis.reference import published
from bench.analysis.sections.noc import noc_section
from bench.analysis.sections.published import (
    COLUMNS,
    cells,
    published_lines,
    section,
    verdict,
)
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.config.composing import load_component
from bench.config.run_key import LATER
from bench.report import Request
from bench.report.tables.further import further_tables
from bench.report.tables.section_text import to_markdown
from bench.types import Step

PROTOCOLS = {
    "efficient_sam": {"first_click": "random", "feedback": "none", "multimask": "always"},
    "sam": {"first_click": "distance_max", "feedback": "logits", "multimask": "always"},
}


@pytest.fixture
def measured(bench, row):
    """A function: a run of ``sam_vit_h`` whose IoUs spread about a mean, and its joined lines."""

    def make(mean, *, dataset="coco_val2017", protocol="efficient_sam", spread=0.01, images=12,
             model="sam_vit_h", protocol_part=None, **header):  # fmt: skip
        offsets = spread * np.resize([1.0, -1.0], images)
        rows = [
            replace(
                row(iou=mean + offset, image_id=f"{i:02d}", mask_id=str(i)),
                dataset=dataset, model=model, protocol=protocol,
            )
            for i, offset in enumerate(offsets)
        ]  # fmt: skip
        store = bench.run(
            dataset, model, "point_1", protocol=protocol, rows=rows, images=images, **header
        )
        if protocol_part is not None:
            store.write_header(store.header() | {"protocol": protocol_part})
        selection = select([store], allow_partial=True)
        table = miou_table(selection)
        return table, published_lines(table.lines, selection, PROTOCOLS)

    return make


@pytest.mark.parametrize(
    ("mean", "expected"), [(0.557, "reproduced"), (0.550, "near"), (0.562, "near"), (0.53, "off")]
)
def test_each_verdict_on_a_published_number(measured, mean, expected):
    """EfficientSAM's Table 4 prints 55.6 for SAM ViT-H on COCO with one random point."""
    table, found = measured(mean, spread=0.004)
    line, own = found.iloc[0], table.lines.iloc[0]
    assert line["verdict"] == expected
    assert (line["published"], line["source"], line["locator"]) == (
        55.6,
        "efficient_sam",
        "Table 4",
    )
    assert line["difference"] == pytest.approx(100 * mean - 55.6)
    expected_bounds = [100 * own["miou"], 100 * own["miou_low"], 100 * own["miou_high"]]
    assert line[["ours", "low", "high"]].tolist() == pytest.approx(expected_bounds)
    assert line["same_protocol"]
    assert line["choices"] == ()


def test_recorded_clicks_are_held_against_no_published_number(measured):
    steps = {"1": Step(points=1).plain()}
    table, found = measured(0.556, report_steps=steps, recorded=True)
    assert list(table.lines["prompt"]) == ["1 point (point_1)"]
    assert found["published"].isna().all()


def test_numbers_of_other_protocols_come_after_with_what_differs(measured):
    _, found = measured(0.556)
    numbers = published(model="sam_vit_h", dataset="coco_val2017", prompt="point_1")
    numbers = numbers[numbers["metric"] == "miou"]
    assert sorted(found["published"]) == sorted(numbers["value"])
    assert found["same_protocol"].tolist() == sorted(found["same_protocol"], reverse=True)
    others = found[~found["same_protocol"].astype(bool)]
    assert set(others["published_protocol"]) == set(numbers["protocol"]) - {"efficient_sam"}
    edge = others[others["published_protocol"] == "edge_sam"].iloc[0]
    assert edge["choices"] == ("Protocol edge_sam, not efficient_sam.",), "its choices are unknown"


def test_choices_that_differ_are_named_and_no_other(measured):
    _, found = measured(0.2, protocol="sam")
    line = found[found["published_protocol"] == "efficient_sam"].iloc[0]
    assert line["choices"] == (
        "Protocol efficient_sam: first_click random, not distance_max; feedback none, not logits.",
    )
    assert line["verdict"] == "off"


def test_a_partial_run_may_explain_a_difference(measured):
    _, found = measured(0.5, status="running", images_done=3)
    assert found.iloc[0]["choices"][0] == "Only 3 of 12 images."


@pytest.mark.parametrize(("dataset", "model"), [("shapes", "sam_vit_h"), ("coco_val2017", "mine")])
def test_where_nothing_was_published_nothing_is_invented(measured, dataset, model):
    _, found = measured(0.5, dataset=dataset, model=model)
    assert list(found.columns) == list(COLUMNS)
    (line,) = found.to_dict("records")
    assert line["ours"] == pytest.approx(50)
    for name in ("metric", "verdict", "same_protocol", "source", "note"):
        assert line[name] is None
    assert np.isnan([line["published"], line["difference"]]).all()
    assert section(found, {}) is None


def test_one_image_gives_no_verdict(measured):
    _, found = measured(0.556, images=1)
    assert found["verdict"].tolist() == [None] * len(found)
    assert "| – |" in shown_as_markdown(found).splitlines()[2]


def test_a_run_under_an_earlier_version_says_what_it_chose_otherwise(measured):
    now = load_component("protocol", "edge_sam")
    args = {"first_click": "distance_max", "next_click": "error_random"}  # of version 1, which
    old = {n: v for n, v in now.args.items() if n not in LATER["protocol"]} | args  # had no box
    part = {"name": "edge_sam", "version": "1", "args": old}
    _, found = measured(0.5, protocol="edge_sam", protocol_part=part)
    line = found[found["same_protocol"] == True].iloc[0]  # noqa: E712
    assert line["choices"] == (
        f"Version 1 of the protocol, now {now.version}: first_click chessboard_max, not "
        "distance_max; box file, not tight; first_grid long_1024, not image; next_grid long_256, "
        "not image; min_error 10, not 1.",
    )


def test_a_run_under_the_version_of_now_has_nothing_to_say(measured):
    now = load_component("protocol", "edge_sam")
    _, found = measured(0.5, protocol="edge_sam", protocol_part=asdict(now))
    assert found[found["same_protocol"] == True].iloc[0]["choices"] == ()  # noqa: E712


def test_choices_come_from_the_runs_headers_by_default(bench):
    stores = []
    for protocol in ("sam", "efficient_sam"):
        args = PROTOCOLS[protocol]
        store = bench.run("coco_val2017", "sam_vit_h", "point_1", protocol=protocol)
        part = {"name": protocol, "version": 1, "args": args}
        store.write_header(store.header() | {"protocol": part})
        stores.append(store)
    selection = select(stores)
    table = miou_table(selection)
    found = published_lines(table.lines, selection)
    ours, theirs = found["protocol"] == "sam", found["published_protocol"] == "efficient_sam"
    assert "first_click random, not distance_max" in found[ours & theirs].iloc[0]["choices"][0]


def test_boundary_iou_and_boxes_are_joined_too(bench):
    selection = select([bench.run("coift", "sam_vit_l", "box", protocol="hq_sam")])
    found = published_lines(miou_table(selection).lines, selection)
    values = dict(zip(found["metric"], found["published"], strict=True))
    assert values == {"miou": 92.1, "mboundary_iou": 86.5}
    boundary = found.set_index("metric").loc["mboundary_iou"]
    assert boundary["verdict"] is None, "tables give it no interval"
    assert boundary["difference"] == pytest.approx(boundary["ours"] - 86.5)


def test_the_bounds_of_each_verdict():
    assert verdict(50, 49, 51, 51.05) == "reproduced"
    assert verdict(50, 49.9, 50.1, 51.0) == "near"
    assert verdict(50, 49.9, 50.1, 51.01) == "off"
    assert verdict(50, 45, 55, 54.9) == "undecided"
    assert verdict(50, 48.0, 51, 50) == "reproduced"
    assert verdict(50, 47.9, 51, 50) == "undecided"
    assert verdict(5.5, 5.3, 5.6, 5.5, close=0.2, printed=0.005) == "reproduced"
    assert verdict(5.5, 5.29, 5.6, 5.5, close=0.2, printed=0.005) == "undecided"


@pytest.mark.parametrize("theirs", [20, 50, 63.7, 90])
def test_two_pictures_reproduce_nothing(theirs):
    assert verdict(63.7, 7.6, 95.2, theirs) == "undecided"


@pytest.mark.parametrize(
    ("images", "expected"), [(1, None), (2, None), (5, None), (6, "reproduced"), (12, "reproduced")]
)
def test_no_verdict_below_six_images(measured, images, expected):
    _, found = measured(0.556, images=images, spread=0.004)
    assert found.iloc[0]["published"] == 55.6
    assert found.iloc[0]["verdict"] == expected


def test_a_wide_interval_decides_nothing(measured):
    _, found = measured(0.556, images=12, spread=0.2)
    line = found.iloc[0]
    assert line["low"] < 55.6 < line["high"]
    assert line["verdict"] == "undecided"
    assert verdict(50, None, None, 50) is None


@pytest.mark.parametrize(
    "step", [Step(box=True, name="noisy box"), Step(name="given masks"), Step(2, name="scribble")]
)
def test_steps_that_papers_have_no_word_for(step):
    assert step.slug is None


def test_shown_tables_hold_the_verdict_and_its_rule(measured):
    _, found = measured(0.53)
    text = shown_as_markdown(found)
    lines = text.splitlines()
    heads, first = lines[0], lines[2]
    assert first.count("|") == heads.count("|")
    for expected in ("55.6", "−2.6", "off", "efficient\\_sam, Table 4"):
        assert expected in first
    assert "reproduced, the published number lies in our 95 % interval" in text
    assert len(text.splitlines()) == 2 + len(found) + 2


def shown_as_markdown(found):
    return to_markdown(section(found, {}))


TWENTY = {str(n): f"{n} clicks" for n in (1, 20)}


def test_clicks_needed_are_joined_in_clicks(bench, row):
    """SegNext's notebook prints NoC90 5.148 for SAM ViT-B on DAVIS-345."""
    rows = [
        row(dataset="davis_345", model="sam_vit_b", protocol="segnext", prompt="points_20",
            image_id=f"{i:02d}", mask_id=str(i), step=step, n_points=step,
            iou=0.95 if step >= 4 + i % 4 else 0.5)
        for i in range(12) for step in range(1, 21)
    ]  # fmt: skip
    run = bench.run("davis_345", "sam_vit_b", "points", protocol="segnext", rows=rows, images=12,
                    report_steps=TWENTY)  # fmt: skip
    selection = select([run])
    (clicks,) = noc_section(selection)
    found = published_lines(clicks.lines, selection, PROTOCOLS)
    line = found[(found["metric"] == "noc90") & found["same_protocol"].astype(bool)].iloc[0]
    assert (line["ours"], line["published"]) == (5.5, 5.148)
    assert line["difference"] == pytest.approx(5.5 - 5.148)
    assert line["verdict"] == "undecided", "4.8 to 6.2 holds 5.15 and much else"
    assert line["run"] == run.folder.name
    (shown,) = [cell for cell in cells(found) if cell[4] == "noc90" and cell[6] == "5.148"]
    assert shown[5].startswith("5.50 (4.")
    assert shown[7] == "+0.35"
    further = list(further_tables(selection, miou_table(selection), Request((run,))))
    assert [each.name for each in further] == ["reasons", "noc", "published"]
    assert "5.148" in to_markdown(further[2])


def test_a_users_own_weights_are_not_held_against_published_numbers(measured):
    _, theirs = measured(0.556, facts={"weights": "published"})
    assert theirs["published"].notna().any()
    _, own = measured(0.556, facts={"weights": "own file"}, protocol="sam")
    assert own["published"].isna().all()


def test_no_difference_rounds_to_a_signed_zero(measured):
    _, found = measured(0.5560001)
    assert next(iter(cells(found)))[7] == "0.0"
