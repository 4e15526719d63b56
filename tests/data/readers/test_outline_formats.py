"""VIA, WoodScape and VISOR: what their polygons are, what is refused, what is odd."""

import json

import numpy as np
import pytest

from bench.data.formats.outlines import draw_outlines, points_of, steps_to_sort
from bench.data.oddities import oddities_of
from bench.data.readers.via import Via
from bench.types import BenchError

from .kinds import open_official
from .making import HEIGHT, WIDTH, picture, save, site
from .official import NOTHING, OFFICIAL, box, corners, polygon, via_outline, via_region


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def found(reader):
    return [(oddity.kind, oddity.count, oddity.breaks) for oddity in oddities_of(reader)]


def via(folder, *regions, file="a.jpg", **options):
    save(folder / "images" / "a.jpg", picture())
    content = {"a.jpg1": {"filename": file, "regions": list(regions)}}
    (folder / "via.json").write_text(json.dumps(content))
    return Via("via.json", "images", site=site(folder), **options)


def test_shapes_of_via(tmp_path):
    shapes = [
        via_region(via_outline(polygon(1, 2, 4, 7))),
        via_region({"name": "rect", "x": 2, "y": 1, "width": 5, "height": 3}),
        via_region({"name": "point", "cx": 2, "cy": 1}),
        via_region({"name": "circle", "cx": 6.5, "cy": 4.5, "r": 0.6}),
        via_region({"name": "ellipse", "cx": 7, "cy": 4, "rx": 30, "ry": 1, "theta": 0.0}),
        {},
        None,
    ]
    sample = via(tmp_path, *shapes).read("a.jpg")
    masks = [target.mask.dense() for target in sample.targets]
    one = box(1, 2, 4, 7)
    pixel, band = box(4, 6, 5, 7), box(3, 0, 5, WIDTH)
    expected = [one, one, NOTHING, pixel, band, NOTHING, NOTHING]
    for number, (mask, truth) in enumerate(zip(masks, expected, strict=True)):
        assert np.array_equal(mask, truth), number
    assert found(via(tmp_path, *shapes)) == [
        ("outline of fewer than 3 points, an empty mask", 3, False)
    ]


def test_category_and_attributes_of_via(tmp_path):
    region = via_region(via_outline(polygon(1, 2, 4, 7)), species="BND", id=" ", n=3, none=None)
    target = via(tmp_path, region, category="species").read("a.jpg").targets[0]
    assert (target.category, target.attributes) == ("BND", {"n": "3"})
    (bare,) = via(tmp_path, region).read("a.jpg").targets
    assert (bare.category, bare.attributes) == (None, {"species": "BND", "n": "3"})


def test_a_project_file_of_via_2(tmp_path):
    save(tmp_path / "images" / "a.jpg", picture())
    entries = {
        "a": {"filename": "a.jpg", "regions": [via_region(via_outline(polygon(1, 2, 4, 7)))]}
    }
    content = {"_via_settings": {}, "_via_img_metadata": entries}
    (tmp_path / "via.json").write_text(json.dumps(content))
    assert len(Via("via.json", "images", site=site(tmp_path)).read("a.jpg").targets) == 1


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"name": "star"}, "region 0: the shape 'star' is unknown"),
        ({"name": "rect", "x": 1}, "region 0: its rect lacks a number"),
        ({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1]}, "region 0: "),
        ({"name": "polygon", "all_points_x": ["a"], "all_points_y": [1]}, "region 0: "),
    ],
)
def test_a_broken_region_of_via_is_refused_when_opened(tmp_path, shape, message):
    with pytest.raises(BenchError, match=message) as caught:
        via(tmp_path, via_region(shape))
    assert "a.jpg" in str(caught.value)


def test_what_else_is_refused_of_via(tmp_path):
    with pytest.raises(BenchError, match="right folder of images"):
        via(tmp_path, file="b.jpg")
    (tmp_path / "via.json").write_text(json.dumps({"a": {"regions": []}}))
    with pytest.raises(BenchError, match="entry 'a' has no 'filename'"):
        Via("via.json", "images", site=site(tmp_path))
    entry = {"filename": "a.jpg", "regions": []}
    (tmp_path / "via.json").write_text(json.dumps({"a1": entry, "a2": entry}))
    with pytest.raises(BenchError, match=r"'a\.jpg' is there twice"):
        Via("via.json", "images", site=site(tmp_path))
    with pytest.raises(BenchError, match="as many annotations as images"):
        Via(["via.json"], ["images", "images"], site=site(tmp_path))
    (tmp_path / "via.json").write_text("[]")
    with pytest.raises(BenchError, match="maps pictures to regions"):
        Via("via.json", "images", site=site(tmp_path))


def test_oddities_of_ndd20_and_streets(tmp_path):
    OFFICIAL["ndd20"](tmp_path)
    (tmp_path / "ndd20/BELOW/9.jpg").write_bytes(b"")
    (tmp_path / "ndd20/ABOVE/2.jpg").unlink()
    assert found(open_official("ndd20", tmp_path)) == [
        ("picture is missing", 1, True),
        ("outline of fewer than 3 points, an empty mask", 1, False),
        ("image without annotations", 1, False),
        ("picture that no annotation file lists, left out", 1, False),
    ]
    OFFICIAL["streets"](tmp_path)
    assert found(open_official("streets", tmp_path)) == [
        ("outline of fewer than 3 points, an empty mask", 1, False)
    ]


def test_woodscape_without_occlusion_and_of_chosen_tags(tmp_path):
    OFFICIAL["woodscape"](tmp_path)
    whole = open_official("woodscape", tmp_path, occlude=False).read("00001_FV").targets
    expected = [box(0, 0, 5, 8), box(2, 4, 9, 12), box(1, 1, 4, 4), NOTHING]
    for target, mask in zip(whole, expected, strict=True):
        assert np.array_equal(target.mask.dense(), mask)
    assert [t.category for t in whole] == ["car", "person", "traffic_sign", "pole"]
    (person,) = open_official("woodscape", tmp_path, tags=["person"]).read("00001_FV").targets
    assert np.array_equal(person.mask.dense(), box(2, 4, 9, 12) & ~box(0, 0, 5, 8))
    assert person.attributes == {"z_order": "1"}


def test_of_equal_z_orders_the_later_covers(tmp_path):
    OFFICIAL["woodscape"](tmp_path)
    file = tmp_path / "woodscape/instance_annotations/00001_FV.json"
    change(file, lambda c: [t.update(z_order=3) for t in c["00001_FV.json"]["annotation"]])
    car, person, *_ = open_official("woodscape", tmp_path).read("00001_FV").targets
    assert np.array_equal(person.mask.dense(), box(2, 4, 9, 12) & ~box(1, 1, 4, 4))
    assert not (car.mask.dense() & box(2, 4, 9, 12)).any()


def test_oddities_of_woodscape(tmp_path):
    OFFICIAL["woodscape"](tmp_path)
    assert found(open_official("woodscape", tmp_path)) == [
        ("picture without annotation, or of another split, left out", 1, False),
        ("object without exactly one tag, left out", 1, False),
        ("polygon of fewer than 3 points, an empty mask", 1, False),
    ]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c["00001_FV.json"].pop("annotation"), "a list 'annotation'"),
        (lambda c: c["00001_FV.json"].update(image_width=0), "image_width is a number"),
        (lambda c: c["00001_FV.json"]["annotation"][1].pop("tags"), "object 1 needs 'tags'"),
        (
            lambda c: c["00001_FV.json"]["annotation"][1].update(segmentation=[[1, 2, 3]]),
            "object 1: a polygon is a list",
        ),
    ],
)
def test_a_broken_file_of_woodscape_breaks_its_image_alone(tmp_path, edit, message):
    OFFICIAL["woodscape"](tmp_path)
    change(tmp_path / "woodscape/instance_annotations/00001_FV.json", edit)
    reader = open_official("woodscape", tmp_path)
    with pytest.raises(BenchError, match=message) as caught:
        reader.read("00001_FV")
    assert "00001_FV.json" in str(caught.value)
    assert reader.read("00003_MVL").targets == []


VISOR = "visor/GroundTruth-SparseAnnotations/annotations/val/P01_107.json"


def test_visor_tells_names_and_attributes_and_its_oddities(tmp_path):
    OFFICIAL["visor"](tmp_path)
    reader = open_official("visor", tmp_path)
    plate, hand, tap = reader.read("P01_107_frame_0000000049").targets
    assert [plate.category, hand.category, tap.category] == ["plate", "left hand", "tap"]
    assert plate.attributes == {"class_id": "2", "exhaustive": "y"}
    assert found(reader) == [
        ("polygon of fewer than 3 points, left out", 2, False),
        ("image without annotations", 1, False),
    ]


def test_frames_of_visor_may_lie_elsewhere(tmp_path):
    OFFICIAL["visor"](tmp_path)
    (tmp_path / "visor/rgb_frames/val/P01").rename(tmp_path / "visor/rgb_frames/val/moved")
    with pytest.raises(BenchError, match="right folder of images"):
        open_official("visor", tmp_path)
    reader = open_official("visor", tmp_path, name="moved/{video}/{name}")
    assert len(reader.read("P01_107_frame_0000000049").targets) == 3
    with pytest.raises(BenchError, match="name may have"):
        open_official("visor", tmp_path, name="{scene}")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.pop("video_annotations"), "a list 'video_annotations'"),
        (lambda c: c["video_annotations"][0].pop("image"), "'image' with a 'name'"),
        (lambda c: c["video_annotations"].append(c["video_annotations"][0]), "listed twice"),
        (lambda c: c["video_annotations"].clear(), "list no frame"),
    ],
)
def test_a_broken_file_of_visor_is_refused_when_opened(tmp_path, edit, message):
    OFFICIAL["visor"](tmp_path)
    change(tmp_path / VISOR, edit)
    with pytest.raises(BenchError, match=message):
        open_official("visor", tmp_path)


def test_outlines_are_cut_at_the_border_and_of_no_area_are_nothing():
    wide = points_of([[-3, -2], [20, -2], [20, 3.9], [-3, 3.9]])
    assert np.array_equal(draw_outlines([wide], HEIGHT, WIDTH).dense(), box(0, 0, 4, WIDTH))
    outside = points_of(corners(20, 20, 25, 25))
    assert draw_outlines([outside], HEIGHT, WIDTH).area == 0
    assert draw_outlines([points_of([[1, 1], [5, 5]])], HEIGHT, WIDTH).area == 0
    assert draw_outlines([], HEIGHT, WIDTH).shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "broken", [[[1, float("nan")], [2, 2], [3, 1]], [1, 2, 3], "text", [["a"]]]
)
def test_broken_outlines_are_refused(broken):
    with pytest.raises(ValueError, match="polygon"):
        points_of(broken)


def test_an_outline_that_opencv_would_take_hours_to_fill_is_refused():
    corners = np.random.default_rng(0).uniform(0, 4000, (20_000, 2))
    with pytest.raises(ValueError, match=r"outline is \d+ pixels long, beyond the 4000000"):
        draw_outlines([corners], 4000, 4000)
    assert draw_outlines([corners[:3]], 4000, 4000).area


def test_a_short_outline_that_is_a_tangle_is_refused():
    corners = np.random.default_rng(0).uniform(0, 40, (20_000, 2))
    with pytest.raises(ValueError, match=r"is a tangle: .* simplify the polygon, or write"):
        draw_outlines([corners], 1000, 1000)
    spot = np.random.default_rng(0).uniform(500, 502, (90_000, 2))
    with pytest.raises(ValueError, match="is a tangle"):
        draw_outlines([spot], 1000, 1000)
    turn = np.linspace(0, 2 * np.pi, 100_000)
    many = np.stack([500 + 400 * np.cos(turn), 500 + 400 * np.sin(turn)], axis=1)
    assert draw_outlines([many], 1000, 1000).area == pytest.approx(np.pi * 400**2, rel=0.01)


def test_many_sides_in_a_row_are_no_tangle_where_they_keep_their_order():
    teeth, height, width = 300, 900, 1200
    across, up = np.arange(2 * teeth) * 2.0, np.tile([0.0, height - 2], teeth)
    comb = np.vstack([np.stack([across, up], axis=1), [[width - 1, height - 1], [0, height - 1]]])
    assert steps_to_sort([comb], height) < 2 * 2 * teeth * height
    assert draw_outlines([comb] * 7, height, width).area > height * width / 3


def sorted_by_hand(corners):
    """How often a side is looked at where neighbours are swapped until none is, row by row."""
    pairs = zip(corners, [*corners[1:], corners[0]], strict=True)
    sides = [sorted(pair, key=lambda end: end[1]) for pair in pairs]

    def place(side, row):
        (x0, y0), (x1, y1) = side
        return x0 + (row - y0) * ((x1 - x0) / (y1 - y0))

    steps, active = 0, []
    for row in range(max(y for _, y in corners)):
        active = [side for side in active if side[1][1] > row]
        active += [side for side in sides if side[0][1] == row < side[1][1]]
        active.sort(key=lambda side: place(side, row))
        swapped = bool(active)
        while swapped:
            swapped = False
            steps += len(active)
            for left in range(len(active) - 1):
                if place(active[left], row + 1) > place(active[left + 1], row + 1):
                    active[left : left + 2] = active[left + 1], active[left]
                    swapped = True
    return steps


def test_the_steps_are_those_of_sorting_by_swaps():
    rng = np.random.default_rng(8)
    for _ in range(20):
        corners = rng.integers(0, 30, (int(rng.integers(3, 25)), 2))
        assert steps_to_sort([corners.astype(float)], 30) == sorted_by_hand(corners.tolist())
