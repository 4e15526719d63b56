import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.analysis.selection import select
from bench.report.pictures import gallery as gallery_module
from bench.report.pictures import overlay
from bench.report.pictures.gallery import gallery, pick, picture_of
from bench.report.pictures.overlay import draw, encode, is_small, overview, window
from bench.store.runs import read_runs
from bench.types import BenchError, Mask, Prompt, Sample, Target


def dense(shape, *boxes):
    full = np.zeros(shape, bool)
    for x0, y0, x1, y1 in boxes:
        full[y0 : y1 + 1, x0 : x1 + 1] = True
    return full


def near(picture, colour, tolerance=60):
    """Which pixels are close to a colour."""
    return np.abs(picture.astype(int) - colour).sum(axis=2) < tolerance


GREY = np.full((90, 140, 3), 128, np.uint8)


def test_target_is_outlined_where_its_boundary_is():
    target = Mask.from_dense(dense((90, 140), (40, 20, 59, 49)))
    view = window((90, 140), target, None, Prompt())
    picture = draw(GREY, view, target, None, Prompt())
    found = np.argwhere(near(picture, overlay.TARGET))
    x0, y0 = view.place(40, 20)
    x1, y1 = view.place(59, 49)
    half = view.scale / 2
    expected = [y0 - half, x0 - half, y1 + half, x1 + half]
    np.testing.assert_allclose([*found.min(axis=0), *found.max(axis=0)], expected, atol=2.5)
    middle = picture[round((y0 + y1) / 2), round((x0 + x1) / 2)]
    assert middle.tolist() == [128, 128, 128]


def test_prediction_is_filled_and_holes_are_outlined():
    ring = dense((90, 140), (30, 20, 79, 69))
    ring[35:55, 45:65] = False
    target = Mask.from_dense(dense((90, 140), (2, 2, 6, 6)))
    prediction = Mask.from_dense(ring)
    view = window((90, 140), target, prediction, Prompt())
    picture = draw(GREY, view, target, prediction, Prompt())
    for (x, y), filled in {(37, 45): True, (55, 45): False, (100, 45): False}.items():
        across, down = (round(v) for v in view.place(x, y))
        red, _, blue = (int(v) for v in picture[down, across])
        assert (red > blue + 40) == filled, (x, y)
    hole = [round(v) for v in view.place(45, 45)]
    rim = near(picture[hole[1] - 3 : hole[1] + 4, hole[0] - 6 : hole[0] + 7], overlay.PREDICTION)
    assert rim.any()


def test_clicks_lie_at_pixel_centres_in_their_colours():
    target = Mask.from_dense(dense((90, 140), (20, 30, 119, 59)))
    prompt = Prompt(np.array([[40, 45], [90, 35]], np.float32), np.array([1, 0]))
    view = window((90, 140), target, None, prompt)
    picture = draw(GREY, view, target, None, prompt)
    for point, colour in ((0, overlay.POSITIVE), (1, overlay.NEGATIVE)):
        rows, columns = np.nonzero(near(picture, colour))
        x, y = view.place(*(float(v) for v in prompt.points[point]))
        assert columns.mean() == pytest.approx(x, abs=2)
        assert rows.mean() == pytest.approx(y, abs=2)


def test_box_is_dashed_around_its_pixels():
    target = Mask.from_dense(dense((90, 140), (40, 20, 59, 49)))
    prompt = Prompt(box=np.array([40, 20, 59, 49], np.float32))
    view = window((90, 140), target, None, prompt)
    picture = draw(np.zeros_like(GREY), view, Mask.from_dense(dense((90, 140))), None, prompt)
    x0, y0 = view.place(39.5, 19.5)
    top = picture[round(y0), round(x0) : round(view.place(59, 20)[0]), 0]
    assert 0.3 < (top > 128).mean() < 0.8
    bright = np.argwhere(picture[..., 0] > 200)
    x1, y1 = view.place(59.5, 49.5)
    np.testing.assert_allclose([*bright.min(axis=0), *bright.max(axis=0)], [y0, x0, y1, x1], atol=1)
    assert picture[round(y0) + 20, round(x0) + 20].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "boxes", [[(0, 0, 0, 0)], [(139, 89, 139, 89)], [(0, 0, 139, 89)], [], [(70, 0, 70, 89)]]
)
def test_window_holds_the_mask_and_stays_in_the_image(boxes):
    mask = Mask.from_dense(dense((90, 140), *boxes))
    view = window((90, 140), mask, None, Prompt())
    assert 0 <= view.x0 <= view.x1 < 140
    assert 0 <= view.y0 <= view.y1 < 90
    for x0, y0, x1, y1 in boxes:
        assert view.x0 <= x0
        assert view.y0 <= y0
        assert x1 <= view.x1
        assert y1 <= view.y1
    picture = draw(GREY, view, mask, mask, Prompt())
    assert max(picture.shape) == overlay.SIDE


def test_small_object_is_magnified_and_placed_in_the_whole():
    shape = (600, 900)
    nucleus = Mask.from_dense(dense(shape, (300, 200, 319, 219)))
    view = window(shape, nucleus, None, Prompt())
    assert view.scale > 8
    assert is_small(view, shape)
    whole = overview(np.zeros((*shape, 3), np.uint8), view)
    assert max(whole.shape) == overlay.OVERVIEW
    rows, columns = np.nonzero(whole[..., 0] > 200)
    assert columns.mean() / whole.shape[1] == pytest.approx(309.5 / 900, abs=0.02)
    assert rows.mean() / whole.shape[0] == pytest.approx(209.5 / 600, abs=0.03)


def test_far_click_does_not_shrink_the_object():
    target = Mask.from_dense(dense((90, 140), (100, 60, 109, 69)))
    far = Prompt(np.array([[0, 0]], np.float32), np.array([0]))
    close = Prompt(np.array([[95, 60]], np.float32), np.array([0]))
    assert window((90, 140), target, None, far) == window((90, 140), target, None, Prompt())
    assert window((90, 140), target, None, close).x0 < 95


def test_encoded_pictures_are_small_even_of_noise():
    noise = np.random.default_rng(0).integers(0, 255, (288, 288, 3)).astype(np.uint8)
    assert len(encode(noise)) < 60_000
    smooth = np.broadcast_to(np.arange(288, dtype=np.uint8)[:, None, None], (288, 288, 3)).copy()
    content = encode(smooth)
    assert len(content) < 5_000
    assert Image.open(io.BytesIO(content)).size == (288, 288)


def rows_of(ious, images):
    return pd.DataFrame(
        {"iou": ious, "image_id": images, "mask_id": [f"m{i}" for i in range(len(ious))]}
    )


def test_picks_worst_median_best_from_different_images():
    rows = rows_of(np.linspace(0, 1, 30), [f"i{k % 10}" for k in range(30)])
    picked = pick(rows, 4)
    assert picked["worst"]["mask_id"].tolist() == ["m0", "m1", "m2", "m3"]
    assert picked["best"]["mask_id"].tolist() == ["m29", "m28", "m27", "m26"]
    assert (picked["median"]["iou"] - 0.5).abs().max() < 0.1
    assert all(part["image_id"].is_unique for part in picked.values())


def test_picks_two_of_an_image_only_where_images_run_out():
    picked = pick(rows_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], list("aaabbbccc")), 3)
    assert picked["worst"]["image_id"].tolist() == ["a", "b", "c"]
    shown = pd.concat(picked.values())["mask_id"]
    assert shown.is_unique
    assert len(shown) == 9


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_picks_no_mask_twice_when_there_are_few(count):
    picked = pick(rows_of(np.linspace(0.1, 0.9, count), ["a"] * count), 6)
    shown = pd.concat(picked.values())["mask_id"]
    assert shown.is_unique
    assert len(shown) == count


def test_gallery_shows_masks_of_the_reported_steps(bench):
    selection = select([bench.run(images=6), bench.run(prompt="box", images=6)])
    groups = gallery(selection, bench.read_sample, count=2)
    assert [group.label for group in groups] == list(selection.labels)
    for group in groups:
        rows = selection.rows[selection.rows["label"] == group.label].set_index("mask_id")
        assert group.notes == ()
        for rank in ("worst", "median", "best"):
            assert len(group.pictures[rank]) == 2
            for picture in group.pictures[rank]:
                assert picture.iou == rows.loc[picture.mask_id, "iou"]
                assert len(picture.image) <= 25_000
        assert group.pictures["worst"][0].iou == rows["iou"].min()
        assert group.pictures["best"][0].iou == rows["iou"].max()


def test_gallery_says_what_it_cannot_show(bench):
    selection = select([bench.run(images=3, keep_masks=False)])
    del bench.samples["shapes", "shapes_000"]
    group = gallery(selection, bench.read_sample)[0]
    assert group.notes == ("Some pictures are not available: shapes_000: no such image",)
    pictures = [p for shown in group.pictures.values() for p in shown]
    assert pictures
    assert {p.caption for p in pictures} == {"leaf; the run kept no masks"}


def test_gallery_notices_other_data(bench):
    selection = select([bench.run(prompt="point_1", images=2)])
    bench.run(dataset="other", prompt="point_1", images=2, seed=7, shape=(50, 70))
    group = gallery(
        selection, lambda _store, i: bench.samples["other", i.replace("shapes", "other")]
    )
    assert group[0].notes == (
        "Some pictures are not available: the data has changed since the run.",
    )


def test_a_picture_has_the_predicted_iou_of_the_selected_mask_or_none(bench, row):
    given = {
        "several": ([0.25, 0.5, 0.75], 1, 0.5), "one": ([0.25], 0, 0.25), "none": ([], None, None),
        "unchosen": ([0.25], None, None), "chosen of none": ([], 0, None),
    }  # fmt: skip
    mask = Mask.from_dense(dense((6, 8), (1, 1, 4, 3)))
    sample = Sample("i", GREY[:6, :8], [Target(name, mask) for name in given])
    rows = [
        row(mask_id=name, predicted_ious=scores, selected=chosen, mask_rle=mask.to_rle())
        for name, (scores, chosen, _) in given.items()
    ]
    selection = select([bench.run(prompt="point_1", rows=rows)])
    (group,) = gallery(selection, lambda _store, _image: sample)
    found = {p.mask_id: p.predicted_iou for shown in group.pictures.values() for p in shown}
    assert found == {name: predicted for name, (_, _, predicted) in given.items()}


def test_one_mask_of_a_run_is_drawn_at_the_step_that_is_asked(bench):
    store = bench.run(images=2, prompt="point_3")
    rows = read_runs([store], ["iou"])
    mask = rows["mask_id"].value_counts().idxmax()
    first, last = (
        picture_of(store, mask, bench.read_sample, step=step).tobytes() for step in (1, None)
    )
    assert first != last
    assert picture_of(store, mask, bench.read_sample, step=3).tobytes() == last
    with pytest.raises(BenchError, match="mask 'nowhere' is not there"):
        picture_of(store, "nowhere", bench.read_sample)
    for wrong in (0, -1, "x", 1.0):
        with pytest.raises(BenchError, match="step is a whole number from 1"):
            picture_of(store, mask, bench.read_sample, step=wrong)


def test_a_mask_of_an_id_in_several_images_wants_its_image(bench, row):
    rows = [row(image_id=image, mask_id="left") for image in ("a", "b")]
    store = bench.run(prompt="point_1", rows=rows)
    with pytest.raises(BenchError, match="'left' stands in 2 images; say which"):
        picture_of(store, "left", bench.read_sample)
    with pytest.raises(BenchError, match="a: no such image"):
        picture_of(store, "left", bench.read_sample, image_id="a")


def test_a_picture_is_of_the_candidate_that_is_asked_for(bench, monkeypatch):
    """Its numbers and its mask are what the gallery draws, from 1 as people count."""
    drawn = []
    monkeypatch.setattr(
        gallery_module, "pictures", lambda samples, rows: drawn.extend(rows) or "not drawn"
    )
    store = bench.run(images=2, keep_candidates=True)
    rows = read_runs([store], ["ious", "candidate_rles", "mask_rle", "selected"])
    row = rows[rows["step"] == 1].iloc[0]
    for candidate in (1, 2, np.int64(3)):
        with pytest.raises(BenchError, match="not drawn"):
            picture_of(store, row["mask_id"], bench.read_sample, step=1, candidate=candidate)
        place = candidate - 1
        assert drawn[-1]["mask_rle"] == row["candidate_rles"][place]
        assert (drawn[-1]["iou"], drawn[-1]["selected"]) == (row["ious"][place], place)
    for wrong, said in (
        (4, "there is no candidate 4, of 3"),
        (0, "candidate is a whole number"),
        (True, "candidate is a whole number"),
        ("1", "candidate is a whole num"),
    ):
        with pytest.raises(BenchError, match=said):
            picture_of(store, row["mask_id"], bench.read_sample, step=1, candidate=wrong)


@pytest.mark.parametrize(
    ("keep_masks", "says"),
    [(True, "keeps the chosen candidate's mask alone"), (False, "the run keeps no masks")],
)
def test_a_candidate_that_is_not_kept_is_named(bench, keep_masks, says):
    store = bench.run(images=2, keep_masks=keep_masks)
    rows = read_runs([store], ["selected"])
    row = rows[rows["step"] == 1].iloc[0]
    other = 1 + (row["selected"] + 1) % 3
    with pytest.raises(BenchError, match=says):
        picture_of(store, row["mask_id"], bench.read_sample, step=1, candidate=other)
