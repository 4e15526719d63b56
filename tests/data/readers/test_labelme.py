"""labelme's shapes, held against its own published rule of drawing them."""

import base64
import io
import json
import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bench.data.oddities import oddities_of
from bench.data.readers.labelme import Labelme
from bench.types import BenchError

from .making import HEIGHT, WIDTH, picture, save, site


def shape(kind, points, label="bean", **more):
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        **more,
    }


def held(bits):
    sink = io.BytesIO()
    Image.fromarray(np.asarray(bits).astype(np.uint8)).save(sink, "PNG")
    return base64.b64encode(sink.getvalue()).decode()


def labelme(folder, *shapes, height=HEIGHT, width=WIDTH, size=(HEIGHT, WIDTH), **options):
    """A folder as labelme writes it: the picture embedded, and its path as Windows has it."""
    save(folder / "set" / "a.png", picture(height, width))
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "..\\set\\a.png",
        "imageData": base64.b64encode((folder / "set" / "a.png").read_bytes()).decode(),
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
    (folder / "set" / "a.json").write_text(json.dumps(content, indent=2))
    return Labelme("set", "{id}.*", site=site(folder), **options)


def drawn_by_labelme(one, height, width):
    """``labelme.utils.shape_to_mask``, and of masks what ``shapes_to_label`` does."""
    kind, xy = one["shape_type"], [tuple(point) for point in one["points"]]
    mask = Image.fromarray(np.zeros((height, width), dtype=np.uint8))
    draw = ImageDraw.Draw(mask)
    if kind == "circle":
        (cx, cy), (px, py) = xy
        d = math.sqrt((cx - px) ** 2 + (cy - py) ** 2)
        draw.ellipse([cx - d, cy - d, cx + d, cy + d], outline=1, fill=1)
    elif kind == "rectangle":
        draw.rectangle(xy, outline=1, fill=1)
    else:
        draw.polygon(xy=xy, outline=1, fill=1)
    return np.array(mask, dtype=bool)


@pytest.mark.parametrize(("height", "width", "low"), [(19, 27, -4), (190, 270, 60)])
def test_shapes_are_drawn_as_labelme_draws_them(tmp_path, height, width, low):
    rng = np.random.default_rng(5)
    shapes = []
    for number in range(60):
        kind = ("polygon", "rectangle", "circle")[number % 3]
        count = int(rng.integers(3, 8)) if kind == "polygon" else 2
        points = rng.uniform((low, low), (width + 4, height + 4), (count, 2))
        if kind == "rectangle":
            points.sort(axis=0)
        shapes.append(shape(kind, points.tolist()))
    reader = labelme(tmp_path, *shapes, height=height, width=width, size=(height, width))
    sample = reader.read("a")
    assert [t.mask_id for t in sample.targets] == [f"a/{n}" for n in range(60)]
    for target, one in zip(sample.targets, shapes, strict=True):
        assert np.array_equal(target.mask.dense(), drawn_by_labelme(one, height, width)), one
    assert sum(target.mask.area > 0 for target in sample.targets) > 50


def test_shapes_by_hand(tmp_path):
    bits = np.array([[1, 0, 1], [0, 1, 1]])
    sample = labelme(
        tmp_path,
        shape("polygon", [[2, 1], [5, 1], [5, 3], [2, 3]]),
        shape("rectangle", [[5.4, 3.9], [2, 1]]),
        shape("mask", [[11, 7.2], [13, 8]], mask=held(bits)),
        shape(None, [[0, 0], [3, 3]]),
        shape("point", [[1, 1]]),
        shape("linestrip", [[1, 1], [5, 5], [1, 8]]),
    ).read("a")
    block, corner = np.zeros((2, HEIGHT, WIDTH), dtype=bool)
    block[1:4, 2:6] = True
    corner[7:9, 11:14] = bits
    masks = [target.mask.dense() for target in sample.targets]
    expected = [block, block, corner, *[np.zeros_like(block)] * 3]
    for number, (mask, truth) in enumerate(zip(masks, expected, strict=True)):
        assert np.array_equal(mask, truth), number


def test_rectangles_of_four_corners(tmp_path):
    corners = [[2, 1], [9, 1], [9, 5], [2, 5]]
    turned = [[5, 0], [9, 4], [6, 7], [2, 3]]
    shapes = [shape("rectangle", corners), shape("rectangle", [corners[2], corners[0]]),
              shape("rotation", turned, direction=0.78), shape("polygon", turned)]  # fmt: skip
    targets = labelme(tmp_path, *shapes).read("a").targets
    four, two, rotated, polygon = (target.mask.dense() for target in targets)
    assert np.array_equal(four, two)
    assert (four.sum(), np.argwhere(four).min(axis=0).tolist()) == (40, [1, 2])
    assert np.array_equal(rotated, polygon)
    assert rotated.any()


def test_shapes_of_one_label_and_group_are_one_object(tmp_path):
    one, two = [[0, 0], [2, 0], [2, 2], [0, 2]], [[7, 3], [9, 3], [9, 5], [7, 5]]
    shapes = [
        shape("polygon", one, group_id=1, flags={"occluded": True}, description="left"),
        shape("polygon", one),
        shape("polygon", two, group_id=1),
        shape("polygon", two, label="nut", group_id=1),
        shape("polygon", two, group_id=2),
    ]
    reader = labelme(tmp_path, *shapes)
    sample = reader.read("a")
    found = [(t.mask_id, t.category, t.mask.area) for t in sample.targets]
    assert found == [("a/0", "bean", 18), ("a/1", "bean", 9), ("a/3", "nut", 9), ("a/4", "bean", 9)]
    assert sample.targets[0].attributes == {"occluded": "true", "description": "left"}
    assert sample.targets[1].attributes == {}
    assert reader.mask_count("a") == 4


def test_pictures_are_turned_as_labelme_shows_them(tmp_path):
    tall = labelme(tmp_path, shape("rectangle", [[0, 9], [2, 11]]), size=(WIDTH, HEIGHT))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture()).save(tmp_path / "set" / "a.png", exif=exif)
    (target,) = tall.read("a").targets
    assert target.mask.shape == (WIDTH, HEIGHT)
    assert target.mask.box == (0, 9, 2, 11)
    stored = Labelme("set", "{id}.*", site=site(tmp_path), exif="ignore")
    says = (
        r"9×14 \(H×W\), a\.json says 14×9 for it; the picture has the EXIF orientation 6: set "
        r"dataset\.args\.exif=apply"
    )
    with pytest.raises(BenchError, match=says):
        stored.read("a")


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (shape("oriented_rectangle", [[1, 1]] * 4), "shape 0: the shape 'oriented_rectangle' is"),
        (shape("circle", [[1, 1]]), "a circle has two points, found 1"),
        (shape("circle", [[0, 0], [900_000, 0]]), "a radius of 900000 pixels is beyond"),
        (shape("rectangle", [[1, 1]] * 3), "a rectangle has two points, .* found 3"),
        (shape("rectangle", [[1, 1], [5, 2], [5, 4], [1, 3]]), "two x and two y; is it a polygon"),
        (shape("polygon", [[1, "x"]]), r"a polygon is a list \[\[x, y\], …\]"),
        (shape("polygon", [[1, 1], [5, True], [5, 5]]), r"a polygon is a list \[\[x, y\], …\]"),
        (shape("polygon", [["1", "1"], ["5", "1"], ["5", "5"]]), "a polygon is a list"),
        (shape("polygon", [[1, 1e9]] * 3), "beyond ±1000000"),
        (shape("polygon", [[0.1, 0.1], [0.9, 0.1], [0.9, 0.8]]), "shape 0: .* as shares of"),
        (shape("polygon", [[0, 0], [900_000, 900_000]] * 60), "pixels long, beyond the 100000"),
        (shape("polygon", [[0, 0]] * 100_001), "100001 corners are more than the 100000"),
        (shape("mask", [[0, 0], [2, 2]], mask=held(np.eye(2))), "mask is 2×2 .* enclose 3×3"),
        (shape("mask", [[12, 0], [14, 2]], mask=held(np.eye(3))), "beyond the picture of 9×14"),
        (shape("mask", [[0, 0], [2, 2]], mask="a"), "its mask is not base64"),
        (shape("mask", [[0, 0], [2, 2]], mask="aaaa"), r"a\.json: not a picture of a known kind"),
        (shape("mask", [[0, 0], [2, 2]]), "a mask has two points, and a PNG in base64"),
        (shape("polygon", [], label=3), "shape 0 has no text 'label'"),
        (shape("polygon", None), "shape 0 has no list 'points'"),
        (shape("polygon", [], group_id=[1]), "'group_id' that is no number"),
    ],
)
def test_a_broken_shape_breaks_its_image(tmp_path, one, says):
    with pytest.raises(BenchError, match=says) as caught:
        labelme(tmp_path, one).read("a")
    assert "a.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_held_mask_of_too_many_pixels_is_refused_before_it_is_unpacked(tmp_path):
    labelme(tmp_path, shape("mask", [[0, 0], [1, 1]], mask=held(np.ones((20, 30)))))
    few = site(tmp_path)
    reader = Labelme("set", "{id}.*", site=type(few)(datasets=tmp_path, max_pixels=599))
    with pytest.raises(BenchError, match=r"a\.json: .* 30×20 pixels .* limit of 599"):
        reader.read("a")


def test_what_is_odd_is_told(tmp_path):
    labelme(
        tmp_path,
        shape("line", [[1, 1], [4, 4]]),
        shape("polygon", [[1, 1]]),
        shape("star", [[1, 1]]),
    )
    save(tmp_path / "set" / "b.jpg", picture())
    save(tmp_path / "set" / "c.jpg", picture())
    (tmp_path / "set" / "b.json").write_text(json.dumps({"shapes": [], "imagePath": "x.jpg"}))
    reader = Labelme("set", "{id}.*", site=site(tmp_path))
    assert [(o.kind, o.count, o.breaks) for o in oddities_of(reader)] == [
        ("shape that isn't known", 1, True),
        ("picture without annotation, or of another split, left out", 1, False),
        ("point or line, an empty mask", 1, False),
        ("polygon of fewer than 3 points, an empty mask", 1, False),
        ("JSON that names another picture, read all the same", 1, False),
        ("image without annotations", 1, False),
    ]
