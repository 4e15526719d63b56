"""What the mask page is given: every row in numbers, pictures spread over the bars, outlines."""

import json
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_runs import DATASETS, LABELS, draw, in_no_order

from bench.analysis.comparing.comparison import compare
from bench.analysis.reasons import reasons
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.report import write_report
from bench.report.bins import BARS, UNIT, bar_of
from bench.report.masks import page as page_module
from bench.report.masks.page import ALL, mask_page
from bench.report.masks.views import comparison_views, report_views
from bench.report.pages.html import template
from bench.report.pictures import outlines
from bench.report.pictures.gallery import gallery
from bench.report.pictures.outlines import outline
from bench.report.pictures.overlay import magnified, window
from bench.store.runs import read_runs
from bench.types import BenchError, Mask, Prompt

NO_PROMPT = Prompt(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), None)


def whole_page(stores, read_sample, **kind):
    selection = select(stores)
    table = miou_table(selection)
    return mask_page(
        report_views(selection, table, reasons(selection)), table.datasets, read_sample, **kind
    )


def shown(bench, stores, **kind):
    return whole_page(stores, bench.read_sample, **kind).plain


def alike(value, truth):
    """Whether a page's number is that of a row, and is shown as a table shows it."""
    shown_in_page = np.floor(1000 * value / UNIT + 0.5) / 10
    return (
        abs(value / UNIT - truth) <= 1.1 / UNIT and f"{100 * truth:.1f}" == f"{shown_in_page:.1f}"
    )


def by_mask(dataset, view, name):
    """The numbers of a view by (image, mask)."""
    ids = [dataset["images"][i] for i in dataset["image"]]
    return dict(zip(zip(ids, dataset["mask"], strict=True), view[name], strict=True))


@pytest.mark.long
def test_every_mask_of_every_view_is_there_once(bench):
    """Models, prompts and folders are ordered in three ways, so that no place stands for a name."""
    stores = in_no_order(bench)
    found = shown(bench, stores)
    named = {store.folder.name: store for store in stores}
    columns = ["iou", "predicted_ious", "selected", "area", "category"]
    rows = read_runs(stores, columns)
    compared = 0
    for view in found["views"]:
        dataset, store = found["datasets"][view["dataset"]], named[view["run"]]
        header = store.header()
        assert dataset["title"] == DATASETS[header["dataset"]["name"]]
        assert view["series"] == LABELS[header["model"]["name"]]
        assert view["label"] == header["report_steps"][str(view["step"])]
        run = found["runs"][view["run"]]
        assert run["prompt"] == header["prompt"]["name"]
        assert (run["series"], run["dataset"]) == (view["series"], view["dataset"])
        of_run = rows[(rows["run"] == view["run"]) & (rows["step"] <= view["step"])]
        latest = of_run.groupby(["image_id", "mask_id"]).last()
        ious, estimates = by_mask(dataset, view, "iou"), by_mask(dataset, view, "predicted")
        areas = by_mask(dataset, dataset, "area")
        assert {key for key, iou in ious.items() if iou is not None} == set(latest.index)
        carried = {}
        for place, (key, row) in enumerate((k, latest.loc[k]) for k in ious):
            assert alike(ious[key], row["iou"])
            predicted = float(row["predicted_ious"][row["selected"]])
            assert alike(estimates[key], predicted)
            assert areas[key] == row["area"]
            if row["step"] < view["step"]:
                carried[str(place)] = row["step"]
            compared += 1
        assert view["carried"] == carried
    views = [(view["dataset"], view["series"], view["label"]) for view in found["views"]]
    assert len(views) == len(set(views)) == 2 * (6 + 6 + 2)
    assert compared == len(select(stores).rows) > 200
    assert [dataset["title"] for dataset in found["datasets"]] == ["Zooplankton", "Amoebae"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_mask_that_a_view_lacks_is_null_in_it(bench):
    stores = [bench.run(images=5), bench.run(model="sam_h", prompt="box", images=4)]
    found = shown(bench, stores)
    (dataset,) = found["datasets"]
    box = next(view for view in found["views"] if view["label"] == "box")
    lacking = {key[0] for key, iou in by_mask(dataset, box, "iou").items() if iou is None}
    assert lacking == {"shapes_004"}


def test_pictures_are_spread_over_the_bars(bench):
    store = bench.run(images=30, prompt="point_1")
    (view,) = shown(bench, [store], pictures=1)["views"]
    bars = bar_of(np.array(view["iou"]) / UNIT, BARS)
    found = shown(bench, [store], pictures=len(set(bars)))
    drawn = [int(key.split(":")[1]) for key in found["pictures"]]
    assert sorted(bars[drawn]) == sorted(set(bars)), "one of each"


def test_masks_that_are_asked_for_have_pictures_before_others(bench):
    store = bench.run(images=20, prompt="point_1")
    ids = read_runs([store], ["iou"])[["image_id", "mask_id"]].to_numpy().tolist()[-4:]
    found = shown(bench, [store], pictures=8, first=[("shapes", *pair) for pair in ids])
    (dataset,) = found["datasets"]
    drawn = [int(key.split(":")[1]) for key in found["pictures"]]
    assert len(drawn) == 8
    assert {mask for _, mask in ids} <= {dataset["mask"][index] for index in drawn}


@pytest.mark.long
def test_what_the_gallery_shows_has_a_picture_however_few_there_are_room_for(bench, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_OUTLINES", 60)
    stores = in_no_order(bench)
    selection = select(stores)
    groups = gallery(selection, bench.read_sample)
    shown = {(p.run, p.image_id, p.mask_id)
             for group in groups for some in group.pictures.values() for p in some}  # fmt: skip
    report = write_report(stores, bench.results / "report", read_sample=bench.read_sample)
    (text,) = re.findall(r'id="masks-data"[^>]*>(.*?)</script>', report.page.read_text(), re.S)
    plain = json.loads(text)
    named = {
        (name, found["images"][found["image"][mask]], found["mask"][mask])
        for key in plain["pictures"]
        for number, mask in [map(int, key.split(":"))]
        for found in [plain["datasets"][number]]
        for name in (run["name"] for run in plain["runs"].values() if run["dataset"] == number)
    }
    assert shown <= named


def test_a_picture_holds_all_steps_of_all_runs(bench):
    stores = in_no_order(bench)
    found = shown(bench, stores)
    columns = ["iou", "ious", "predicted_ious", "selected", "point_labels", "box", "boundary_iou"]
    rows = read_runs(stores, columns)
    steps_of = dict(iter(rows.groupby(["run", "mask_id"])))
    compared = 0
    for key, picture in found["pictures"].items():
        number, index = map(int, key.split(":"))
        mask = found["datasets"][number]["mask"][index]
        runs = {name for name, run in found["runs"].items() if run["dataset"] == number}
        assert set(picture["runs"]) == runs
        for name, steps in picture["runs"].items():
            truth = steps_of[name, mask].to_dict("records")
            for step, row in zip(steps, truth, strict=True):
                assert step["step"] == row["step"]
                assert alike(step["iou"], row["iou"])
                assert step["selected"] == row["selected"]
                for kind, name in (("ious", "ious"), ("predictions", "predicted_ious")):
                    pairs = zip(step[kind], row[name], strict=True)
                    assert all(alike(value, float(truth)) for value, truth in pairs)
                assert step["predicted"] == step["predictions"][row["selected"]]
                assert [p[2] for p in step["points"]] == list(row["point_labels"])
                assert len(step["boxes"]) == (row["box"] is not None)
                assert step["further"] == {"boundary": f"{100 * row['boundary_iou']:.1f}"}
                compared += 1
        assert picture["picture"].startswith("data:image/webp;base64,")
    assert compared == len(rows)


def test_a_run_that_keeps_all_candidates_has_an_outline_of_each(bench, monkeypatch):
    monkeypatch.setattr(outlines, "outline", lambda mask, view: mask.to_rle())
    stores = in_no_order(bench)
    found = shown(bench, stores)
    rows = read_runs(stores, ["model", "mask_rle", "candidate_rles", "selected"])
    steps_of = dict(iter(rows.groupby(["run", "mask_id"])))
    compared = 0
    for key, picture in found["pictures"].items():
        number, index = map(int, key.split(":"))
        mask = found["datasets"][number]["mask"][index]
        for name, steps in picture["runs"].items():
            for step, row in zip(steps, steps_of[name, mask].to_dict("records"), strict=True):
                assert step["outline"] == row["mask_rle"]
                if row["model"] != "alpha" or len(row["candidate_rles"]) == 1:
                    assert "outlines" not in step
                    continue
                expected = list(row["candidate_rles"])
                expected[row["selected"]] = None
                assert step["outlines"] == expected
                compared += 1
    assert compared > 20


def test_a_prediction_that_goes_on_beyond_the_picture_is_named(bench):
    """Of a whole image for a small target only a part is seen; of the others nothing is cut."""
    bench.run("shapes", "wide", "points", images=3, seed=3)  # for its pictures
    kind = {"name": "shapes", "seed": 3, "shape": (120, 168), "category": "leaf"}
    asked = {"dataset": "shapes", "model": "wide", "prompt": "points", "protocol": "sam",
             "skill": 9.0, "seed": 3, "keep_masks": True, "keep_candidates": True}  # fmt: skip
    _, drawn = draw(3, tuple(kind.items()), tuple(asked.items()))
    whole = Mask.from_dense(np.ones((120, 168), bool)).to_rle()
    rows = [
        replace(each, candidate_rles=[whole, *each.candidate_rles[1:]], selected=len(each.ious) - 1)
        if len(each.ious) > 1
        else replace(each, candidate_rles=None, mask_rle=whole)
        for own in drawn
        for each in own
    ]
    store = bench.run("shapes", "wide", "points", rows=rows, key="000000000001")
    found = shown(bench, [store])
    steps = [s for p in found["pictures"].values() for each in p["runs"].values() for s in each]
    assert {len(step["ious"]) for step in steps} == {1, 3}
    assert all(step["beyond"] == [0] for step in steps)


def test_outlines_of_candidates_leave_room_for_fewer_pictures(bench, monkeypatch):
    """Of a mask: 9 clicks of 1 outline each without them; with them up to 2, on average."""
    monkeypatch.setattr(page_module, "MOST_OUTLINES", 90)
    for keep, count in ((False, 10), (True, 5)):
        store = bench.run(model=f"m{keep}", images=20, keep_candidates=keep)
        assert len(shown(bench, [store])["pictures"]) == count


def filled(path, size):
    """The path filled by the even-odd rule, drawn independently of how it was written."""
    width, height = size
    canvas = np.zeros((height, width), np.uint8)
    contours = []
    for part in filter(None, path.split("M")):
        numbers = [tuple(map(int, pair)) for pair in re.findall(r"(-?\d+) (-?\d+)", part)]
        contours.append(np.cumsum(numbers, axis=0).astype(np.int32))
    for contour in contours:
        one = np.zeros_like(canvas)
        cv2.fillPoly(one, [contour], 1)
        canvas ^= one
    return canvas.astype(bool)


@pytest.mark.parametrize("hole", [False, True])
def test_an_outline_encloses_the_mask(hole):
    dense = np.zeros((60, 90), bool)
    yy, xx = np.mgrid[:60, :90]
    dense[np.hypot(yy - 30, (xx - 50) / 1.5) < 18] = True
    if hole:
        dense[np.hypot(yy - 30, xx - 50) < 7] = False
    dense[3:6, 4:30] = True  # a second part
    mask = Mask.from_dense(dense)
    view = window((60, 90), mask, None, NO_PROMPT)
    shown = magnified(mask, view)
    drawn = filled(outline(mask, view), view.size)
    assert (shown & drawn).sum() / (shown | drawn).sum() > 0.95
    assert outline(Mask.from_dense(np.zeros((60, 90), bool)), view) == ""


def test_what_cannot_be_read_is_said_and_the_rest_is_drawn(bench):
    store = bench.run(images=3, prompt="point_1")

    def read(store, image_id):
        if image_id == "shapes_001":
            raise BenchError("shapes_001: gone")
        return bench.read_sample(store, image_id)

    found = whole_page([store], read).plain
    assert found["notes"] == ["Some pictures are not available: shapes_001: gone"]
    images = {found["datasets"][0]["image"][int(k.split(":")[1])] for k in found["pictures"]}
    assert images == {0, 2}


def test_a_run_without_masks_still_shows_its_clicks(bench):
    found = shown(bench, [bench.run(images=2, keep_masks=False)])
    steps = [s for p in found["pictures"].values() for each in p["runs"].values() for s in each]
    assert steps
    assert all(step["outline"] is None and step["points"] for step in steps)


def test_too_many_masks_are_thinned_evenly_and_the_page_says_so(bench, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_VALUES", 40)
    store = bench.run(images=30, prompt="point_1")
    ids = read_runs([store], ["iou"])[["image_id", "mask_id"]].to_numpy().tolist()
    found = shown(bench, [store], first=[("shapes", *ids[1])])
    every = found["every"]
    assert every == -(-len(ids) // 40) > 1
    held = [mask for i, (_, mask) in enumerate(ids) if i % every == 0 or i == 1]
    assert found["datasets"][0]["mask"] == held
    page = template("masks.html.jinja").module.mask_page(found)
    assert f"one in {every} is held here" in page


def test_all_pictures_lie_in_files_beside_the_page(bench):
    store = bench.run(images=8, prompt="point_1", category="</script>")
    page = whole_page([store], bench.read_sample, pictures=ALL)
    masks = len(page.plain["datasets"][0]["mask"])
    assert page.plain["pictures"] == {}
    assert page.plain["files"] == len(page.files) == -(-masks // page.plain["in_a_file"]) > 1
    seen = {}
    for name, text in page.files.items():
        assert "</script" not in text
        held = json.loads(re.fullmatch(r"takePictures\((.*)\);\n", text)[1])
        for key in held:
            assert name == f"pictures/0_{int(key.split(':')[1]) // page.plain['in_a_file']}.js"
        seen |= held
    assert seen == shown(bench, [store], pictures=masks)["pictures"]
    assert len(seen) == masks


def test_no_text_of_the_data_leaves_its_script(bench):
    nasty = "</script><script>alert(1)</script>&<!--"
    store = bench.run(images=1, category=nasty, title=nasty)
    page = str(template("masks.html.jinja").module.mask_page(shown(bench, [store])))
    assert page.count("</script>") == 1
    data = re.search(r'id="masks-data">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(data)["views"][0]["series"] == nasty


@pytest.mark.parametrize("asked", ["some", -1, True, 2.5])
def test_what_is_no_number_of_pictures_is_refused(asked):
    with pytest.raises(BenchError, match="a number of masks, or 'all'"):
        mask_page([], {}, None, pictures=asked)


def test_a_comparison_shows_the_datasets_that_both_sides_ran(bench):
    sides = [
        [bench.run(dataset, model, "box", images=3) for dataset in datasets]
        for model, datasets in (("zeta", ("shapes", "beans")), ("alpha", ("nuclei", "shapes")))
    ]
    found = [compare(*sides)]
    codes = {id(side): reasons(side) for side in found[0].sides}
    views = comparison_views(found, codes)
    assert [(view.dataset, view.series) for view in views] == [
        ("shapes", "zeta"),
        ("shapes", "alpha"),
    ]


def test_a_model_without_estimates_has_none_on_the_page_and_in_the_gallery(bench):
    bench.run("shapes", "cut", "points", images=4, seed=3)  # for its pictures
    kind = {"name": "shapes", "seed": 3, "shape": (120, 168), "category": "leaf"}
    asked = {"dataset": "shapes", "model": "cut", "prompt": "points", "protocol": "sam",
             "skill": 1.0, "seed": 3, "keep_masks": True}  # fmt: skip
    _, drawn = draw(4, tuple(kind.items()), tuple(asked.items()))
    rows = [replace(each, predicted_ious=[0.5] * len(each.ious)) for own in drawn for each in own]
    store = bench.run("shapes", "cut", "points", rows=rows, key="000000000001")
    found = whole_page([store], bench.read_sample).plain
    assert {view["predicted"] for view in found["views"]} == {None}
    steps = [s for p in found["pictures"].values() for each in p["runs"].values() for s in each]
    assert steps
    assert {step["predicted"] for step in steps} == {None}
    assert all(step["predictions"] == [] for step in steps)
    groups = gallery(select([store]), bench.read_sample)
    pictures = [p for group in groups for some in group.pictures.values() for p in some]
    assert pictures
    assert {picture.predicted_iou for picture in pictures} == {None}
