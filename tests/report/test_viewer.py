"""What the page's viewer is given: every IoU, pictures spread over the bars, outlines that fit."""

import json
import re

import cv2
import numpy as np
import pandas as pd
import pytest
from drawn_runs import DATASETS, LABELS, in_no_order

from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.report.pages.html import template
from bench.report.pictures import viewer as viewer_module
from bench.report.pictures.outlines import UNIT, outline
from bench.report.pictures.overlay import magnified, window
from bench.report.pictures.viewer import BINS, viewer
from bench.store.runs import read_runs
from bench.types import BenchError, Mask, Prompt

NO_PROMPT = Prompt(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), None)


def viewed(bench, stores, **kind):
    selection = select(stores)
    return viewer(selection, miou_table(selection), bench.read_sample, **kind)


def test_every_mask_of_every_view_is_there_once(bench):
    stores = [bench.run(images=5), bench.run(model="sam_h", prompt="box", images=4)]
    found = viewed(bench, stores)
    (dataset,) = found["datasets"]
    ids = [dataset["images"][i] for i in dataset["image"]]
    rows = read_runs(stores[:1], ["iou"])
    first = rows[rows["step"] == 1]
    view = next(v for v in dataset["views"] if v["label"] == "1 point")
    told = pd.Series(view["iou"], index=pd.MultiIndex.from_arrays([ids, dataset["mask"]]))
    truth = first.set_index(["image_id", "mask_id"])["iou"]
    assert len(told) == len(truth)
    assert (told / UNIT - truth).abs().max() <= 0.5 / UNIT
    box = next(v for v in dataset["views"] if v["label"] == "box")
    lacking = [image for image, iou in zip(ids, box["iou"], strict=True) if iou is None]
    assert set(lacking) == {"shapes_004"}
    assert box["run"] != view["run"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_pictures_are_spread_over_the_bars(bench):
    store = bench.run(images=30, prompt="point_1")
    (dataset,) = viewed(bench, [store], pictures=1)["datasets"]
    (view,) = dataset["views"]
    bars = np.minimum(np.array(view["iou"]) * BINS // UNIT, BINS - 1)
    found = viewed(bench, [store], pictures=len(set(bars)))
    drawn = [int(key.split(":")[1]) for key in found["pictures"]]
    assert sorted(bars[drawn]) == sorted(set(bars)), "one of each"


def test_a_picture_holds_all_steps_of_all_runs(bench):
    stores = [bench.run(images=3), bench.run(model="sam_h", images=3, skill=2.0)]
    found = viewed(bench, stores)
    (dataset,) = found["datasets"]
    for key, picture in found["pictures"].items():
        index = int(key.split(":")[1])
        mask = dataset["mask"][index]
        for store in stores:
            rows = read_runs([store], ["iou", "point_coords"])
            rows = rows[rows["mask_id"] == mask]
            steps = picture["runs"][store.folder.name]
            assert [s["step"] for s in steps] == rows["step"].tolist()
            assert [s["iou"] for s in steps] == [round(v * UNIT) for v in rows["iou"]]
            assert [len(s["points"]) for s in steps] == [len(p) for p in rows["point_coords"]]
        assert picture["picture"].startswith("data:image/webp;base64,")


def test_every_picture_of_every_view_is_its_rows(bench):
    """Models, prompts and folders are ordered in three ways, so that no place stands for a name."""
    stores = in_no_order(bench)
    found = viewed(bench, stores)
    by_name = {store.folder.name: store for store in stores}
    columns = ["model", "prompt", "iou", "ious", "predicted_ious", "selected", "point_coords"]
    rows = read_runs(stores, [*columns, "point_labels", "box", "mask_rle", "boundary_iou"])
    rows = rows.set_index(["run", "image_id", "mask_id", "step"]).sort_index()
    compared = 0
    for number, dataset in enumerate(found["datasets"]):
        views = [(view["series"], view["label"]) for view in dataset["views"]]
        assert len(views) == len(set(views)) == 6 + 6 + 2
        for view in dataset["views"]:
            store = by_name[view["run"]]
            assert DATASETS[store.header()["dataset"]["name"]] == dataset["title"]
            assert LABELS[store.header()["model"]["name"]] == view["series"]
            assert store.header()["prompt"]["name"] == view["prompt"]
            assert store.header()["report_steps"][str(view["step"])] == view["label"]
            for index, mask_id in enumerate(dataset["mask"]):
                image_id = dataset["images"][dataset["image"][index]]
                picture = found["pictures"][f"{number}:{index}"]
                steps = picture["runs"][view["run"]]
                truth = rows.loc[view["run"], image_id, mask_id]
                assert [step["step"] for step in steps] == truth.index.tolist()
                for step, row in zip(steps, truth.to_dict("records"), strict=True):
                    assert step["iou"] == round(row["iou"] * UNIT)
                    assert step["ious"] == [round(v * UNIT) for v in row["ious"]]
                    assert step["predicted"] == round(
                        float(row["predicted_ious"][row["selected"]]) * UNIT
                    )
                    assert [p[2] for p in step["points"]] == list(row["point_labels"])
                    assert len(step["boxes"]) == (row["box"] is not None)
                    assert step["further"] == {"boundary": f"{100 * row['boundary_iou']:.1f}"}
                last = [step for step in steps if step["step"] <= view["step"]][-1]
                assert last["iou"] == view["iou"][index]
                assert last["predicted"] == view["predicted"][index]
                compared += 1
        assert {view["run"] for view in dataset["views"]} == {
            name
            for name, store in by_name.items()
            if DATASETS[store.header()["dataset"]["name"]] == dataset["title"]
        }
    assert compared == sum(len(d["views"]) * len(d["mask"]) for d in found["datasets"]) > 200
    assert [dataset["title"] for dataset in found["datasets"]] == ["Zooplankton", "Amoebae"]


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

    selection = select([store])
    found = viewer(selection, miou_table(selection), read)
    assert found["notes"] == ["Some pictures are not available: shapes_001: gone"]
    images = {found["datasets"][0]["image"][int(k.split(":")[1])] for k in found["pictures"]}
    assert images == {0, 2}


def test_a_run_without_masks_still_shows_its_clicks(bench):
    found = viewed(bench, [bench.run(images=2, keep_masks=False)])
    steps = [s for p in found["pictures"].values() for each in p["runs"].values() for s in each]
    assert steps
    assert all(step["outline"] is None and step["points"] for step in steps)


def test_too_many_masks_are_thinned_evenly_and_the_page_says_so(bench, monkeypatch):
    monkeypatch.setattr(viewer_module, "MOST_VALUES", 40)
    store = bench.run(images=30, prompt="point_1")
    found = viewed(bench, [store])
    every = found["every"]
    masks = len(read_runs([store], ["iou"]))
    assert every == -(-masks // 40) > 1
    assert len(found["datasets"][0]["mask"]) == -(-masks // every)
    page = template("viewer.html.jinja").module.mask_viewer(found)
    assert f"one in {every} is held here" in page


def test_no_text_of_the_data_leaves_its_script(bench):
    nasty = "</script><script>alert(1)</script>&<!--"
    store = bench.run(images=1, category=nasty, title=nasty)
    page = str(template("viewer.html.jinja").module.mask_viewer(viewed(bench, [store])))
    assert page.count("</script>") == 1
    data = re.search(r'id="masks-data">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(data)["datasets"][0]["views"][0]["series"] == nasty
