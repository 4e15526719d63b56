"""YOLO's outlines, held against ultralytics' own published rule of drawing them."""

import cv2
import numpy as np
import pytest
from PIL import Image

from bench.data.oddities import oddities_of
from bench.data.readers.yolo import Yolo
from bench.types import BenchError

from .making import HEIGHT, WIDTH, open_yolo, picture, save, site, write_yolo


def yolo(folder, text, height=HEIGHT, width=WIDTH, **options):
    save(folder / "set" / "images" / "a.jpg", picture(height, width))
    (folder / "set" / "labels").mkdir(exist_ok=True)
    written = text if isinstance(text, bytes) else text.encode()
    (folder / "set" / "labels" / "a.txt").write_bytes(written)
    return Yolo("set", site=site(folder), **options)


def drawn_by_ultralytics(line, height, width):
    """``ultralytics.data.utils.polygon2mask`` of a segment in pixels."""
    segment = np.array(line.split()[1:], dtype=np.float64).reshape(-1, 2) * (width, height)
    mask = np.zeros((height, width), dtype=np.uint8)
    polygons = np.asarray([segment], dtype=np.int32)
    cv2.fillPoly(mask, polygons.reshape((polygons.shape[0], -1, 2)), color=1)
    return mask.astype(bool)


def test_outlines_are_drawn_as_ultralytics_draws_them(tmp_path):
    rng = np.random.default_rng(4)
    lines = []
    for number in range(40):
        points = rng.uniform(0, 1, (int(rng.integers(3, 9)), 2))
        lines.append(" ".join([str(number % 3), *(f"{p:.6f}" for p in points.ravel())]))
    sample = yolo(tmp_path, "\r\n".join(lines) + "\r\n", height=19, width=27).read("a")
    assert [t.mask_id for t in sample.targets] == [f"a/{n}" for n in range(1, 41)]
    assert [t.category for t in sample.targets[:4]] == ["0", "1", "2", "0"]
    for target, line in zip(sample.targets, lines, strict=True):
        assert np.array_equal(target.mask.dense(), drawn_by_ultralytics(line, 19, 27)), line


def test_outlines_by_hand_and_their_names(tmp_path):
    text = "\ufeff1 0.25 0.5 0.5 0.5 0.5 0.75 0.25 0.75\n\n0 0 0 1 0 1 1 0 1"
    names = {"0": "field", 1: "cow"}
    sample = yolo(tmp_path, text, height=8, width=16, categories=names).read("a")
    block = np.zeros((8, 16), dtype=bool)
    block[4:7, 4:9] = True
    assert [(t.mask_id, t.category) for t in sample.targets] == [("a/1", "cow"), ("a/3", "field")]
    assert np.array_equal(sample.targets[0].mask.dense(), block)
    assert sample.targets[1].mask.area == 8 * 16


def test_pictures_without_labels_have_no_objects(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "set" / "images" / "a.npy").write_bytes(b"what ultralytics caches")
    (tmp_path / "set" / "labels" / "stray.txt").write_text("0 0 0 1 0 1 1")
    reader = open_yolo(tmp_path)
    assert list(reader.ids()) == ["10", "a", "b"]
    assert [len(reader.read(i).targets) for i in reader.ids()] == [0, 2, 0]
    assert [(o.kind, o.count, o.breaks) for o in oddities_of(reader)] == [
        ("picture without objects", 2, False),
        ("label file of no picture, or of another split, left out", 1, False),
    ]


def test_a_line_that_stands_twice_counts_once_and_is_told(tmp_path):
    reader = yolo(tmp_path, "0 0 0 1 0 1 1\n1 0 0 1 0 1 1\n0 0  0 1 0 1 1\n0 0 0 1 0 1 1 ")
    assert [target.mask_id for target in reader.read("a").targets] == ["a/1", "a/2"]
    assert reader.mask_count("a") == 2
    assert [(o.kind, o.count, o.examples) for o in oddities_of(reader)] == [
        ("line that stands twice, left out", 2, ("a.txt",))
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 0.5 0.5 0.2 0.2", "four numbers behind the class are a box"),
        ("0 0.5 0.5 0.2 0.2 0.3 0.3 0.9", r"found 7 numbers; the last may be .* \(save_conf\)"),
        ("0 0.5 0.5 0.2 0.2 0.3 0.3 0", "found 7 numbers; the last may be a prediction's conf"),
        ("0 0.5 0.5 0.2 0.2 0.3 0.3 1", "found 7 numbers; the last may be a prediction's conf"),
        ("0 0.5 0.5 0.2 0.2 0.3 0.3 1.1", "three or more pairs of x and y, found 7 numbers$"),
        ("0 0.5 0.5 0.2 0.2 0.3 0.3 -0.1", "three or more pairs of x and y, found 7 numbers$"),
        ("0 0.5 0.5", "three or more pairs of x and y, found 2 numbers$"),
        ("0", "three or more pairs of x and y, found 0"),
        ("0 10 10 60 10 60 60", "shares of the picture's width and height, .* found 10 to 60"),
        ("0 -0.2 0 1 0 1 1", "found -0.2 to 1"),
        ("0 nan 0 1 0 1 1", "shares of the picture's width"),
        ("0.5 0 0 1 0 1 1", "a class is a whole number from 0, found '0.5'"),
        ("-1 0 0 1 0 1 1", "a class is a whole number from 0, found '-1'"),
        ("2147483648 0 0 1 0 1 1", "a class is a whole number from 0, found '2147483648'"),
        ("nan 0 0 1 0 1 1", "a class is a whole number from 0, found 'nan'"),
        ("cow 0 0 1 0 1 1", "expected numbers, found 'cow 0 0 1 0 1 1'"),
        ("1_0 0 0 1 0 1 1", "expected numbers, found '1_0 0"),
        ("0 0 0 1 0 \u0661 1", "expected numbers"),
        (b"0 \xff", "not a text of outlines in UTF-8"),
    ],
)
def test_a_line_that_is_no_outline_breaks_its_image(tmp_path, line, says):
    before = b"0 0 0 1 0 1 1\n"
    reader = yolo(tmp_path, before + (line if isinstance(line, bytes) else line.encode()))
    with pytest.raises(BenchError, match=rf"labels/a\.txt: (line 2: )?.*{says}") as caught:
        reader.read("a")
    assert "\n" not in str(caught.value)
    assert [(o.kind, o.breaks) for o in oddities_of(reader)] == [
        ("label file with a line that is no outline", True)
    ]


def test_a_class_without_a_name_and_names_that_are_none(tmp_path):
    reader = yolo(tmp_path, "3 0 0 1 0 1 1", categories={0: "cow"})
    with pytest.raises(BenchError, match=r"line 1: the class 3 is none of \[0\]; name it in"):
        reader.read("a")
    assert yolo(tmp_path, "2147483647 0 0 1 0 1 1").read("a").targets[0].category == "2147483647"
    with pytest.raises(BenchError, match="categories are names by class"):
        yolo(tmp_path, "", categories={"cow": 0})


def test_a_little_beyond_the_picture_is_cut_off_and_no_label_at_all_is_refused(tmp_path):
    reader = yolo(tmp_path, "0 -0.001 -0.001 1.001 0 1.001 1.001 0 1.001")
    assert reader.read("a").targets[0].mask.area == HEIGHT * WIDTH
    (tmp_path / "set" / "labels" / "a.txt").unlink()
    with pytest.raises(BenchError, match=r"no picture has a label file .* labels/a\.txt was"):
        Yolo("set", site=site(tmp_path))


def test_pictures_are_turned_as_ultralytics_turns_them(tmp_path):
    reader = yolo(tmp_path, "0 0 0.5 1 0.5 1 1 0 1")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(8, 16)).save(tmp_path / "set" / "images" / "a.jpg", exif=exif)
    (target,) = reader.read("a").targets
    assert target.mask.box == (0, 8, 7, 15)
    (stored,) = Yolo("set", site=site(tmp_path), exif="ignore").read("a").targets
    assert stored.mask.box == (0, 4, 15, 7)
