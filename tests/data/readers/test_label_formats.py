"""Formats in which a pixel names its object, and what their readers refuse and tell."""

import csv
import sys

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from bench.data.oddities import oddities_of
from bench.types import BenchError

from .kinds import open_official
from .making import HEIGHT, TRUTH, WIDTH, picture, save
from .official import OFFICIAL, ade20k_codes, bsds_people, label_map


def found(reader):
    return [(oddity.kind, oddity.count, oddity.breaks) for oddity in oddities_of(reader)]


def test_groups_of_cityscapes_are_crowds_and_stuff_may_be_left_out(tmp_path):
    OFFICIAL["cityscapes"](tmp_path)
    road, group, car = (
        open_official("cityscapes", tmp_path).read("frankfurt/frankfurt_000000_000294").targets
    )
    assert [t.category for t in (road, group, car)] == ["road", "person", "car"]
    assert [t.crowd for t in (road, group, car)] == [False, True, False]
    assert [t.attributes["kind"] for t in (road, group, car)] == ["stuff", "thing", "thing"]
    things = open_official("cityscapes", tmp_path, stuff=False)
    assert [t.category for t in things.read("frankfurt/frankfurt_000000_000294").targets] == [
        "person",
        "car",
    ]


@pytest.mark.parametrize(
    ("value", "message"), [(34, "34 is no class"), (999, "999 is no class"), (40001, "40001 is no")]
)
def test_a_value_that_is_no_class_of_cityscapes_is_refused(tmp_path, value, message):
    OFFICIAL["cityscapes"](tmp_path)
    stem = "lindau_000000_000019"
    file = tmp_path / f"cityscapes/gtFine/val/lindau/{stem}_gtFine_instanceIds.png"
    save(file, label_map(np.uint16, hole=value))
    with pytest.raises(BenchError, match=message):
        open_official("cityscapes", tmp_path).read(f"lindau/{stem}")


def test_what_cityscapes_ignores_is_no_target(tmp_path):
    OFFICIAL["cityscapes"](tmp_path)
    stem = "lindau_000000_000019"
    file = tmp_path / f"cityscapes/gtFine/val/lindau/{stem}_gtFine_instanceIds.png"
    save(file, label_map(np.uint16, hole=29, border=29001, two_parts=65535, one_pixel=0))
    assert open_official("cityscapes", tmp_path).read(f"lindau/{stem}").targets == []


def test_every_class_of_cityscapes_has_its_published_name(tmp_path):
    """Those of ``cityscapesscripts/helpers/labels.py`` that are not ``ignoreInEval``."""
    OFFICIAL["cityscapes"](tmp_path)
    stem = "lindau_000000_000019"
    file = tmp_path / f"cityscapes/gtFine/val/lindau/{stem}_gtFine_instanceIds.png"
    labels = np.zeros((HEIGHT, WIDTH), np.uint16)
    labels.flat[:34] = range(34)
    labels.flat[34:68] = [1000 * number + 7 for number in range(34)]
    save(file, labels)
    published = [
        "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic",
        "ground", "road", "sidewalk", "parking", "rail track", "building", "wall", "fence",
        "guard rail", "bridge", "tunnel", "pole", "polegroup", "traffic light", "traffic sign",
        "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "caravan",
        "trailer", "train", "motorcycle", "bicycle",
    ]  # fmt: skip
    ignored = {0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30}
    counted = [number for number in range(34) if number not in ignored]
    sample = open_official("cityscapes", tmp_path).read(f"lindau/{stem}")
    assert {target.mask_id: target.category for target in sample.targets} == {
        f"{sample.image_id}/{value}": published[number]
        for number in counted
        for value in (number, 1000 * number + 7)
    }


ADE = "ADE20K_2021_17_01/images/ADE/validation/urban/street/ADE_val_00000001"


def test_names_and_levels_of_ade20k(tmp_path):
    OFFICIAL["ade20k"](tmp_path)
    targets = open_official("ade20k", tmp_path).read("ADE_val_00000001").targets
    assert [(t.category, dict(t.attributes)) for t in targets] == [
        (None, {"level": "object"}),
        ("wall", {"level": "object"}),
        ("arm", {"level": "part", "part_level": "1"}),
        (None, {"level": "part", "part_level": "2"}),
    ]
    objects = open_official("ade20k", tmp_path, parts=False).read("ADE_val_00000001").targets
    assert [t.mask_id for t in objects] == [t.mask_id for t in targets[:2]]


def test_names_of_ade20k_in_2016_go_by_the_rank_of_b(tmp_path):
    OFFICIAL["ade20k"](tmp_path)
    file = tmp_path / ADE
    file.with_suffix(".json").unlink()
    save(
        file.with_name(f"{file.name}_seg.png"),
        ade20k_codes(border=(9, 200), hole=(12, 3), one_pixel=(7, 100)),
    )
    lines = [f'00{n} # 0 # 0 # {name} # x # ""' for n, name in enumerate(("sky", "car", "tree"), 1)]
    lines.append('001 # 1 # 0 # wheel # x # ""')
    file.with_name(f"{file.name}_atr.txt").write_text("\n".join(lines))
    targets = open_official("ade20k", tmp_path).read("ADE_val_00000001").targets
    found = {t.mask_id.split("/", 1)[1]: t.category for t in targets}
    assert found == {
        "0/7.100": "car",
        "0/9.200": "tree",
        "0/12.3": "sky",
        "1/900.255": "wheel",
        "2/901.255": None,
    }


def test_a_gap_in_the_levels_of_ade20k_is_told_and_another_size_refused(tmp_path):
    OFFICIAL["ade20k"](tmp_path)
    file = tmp_path / ADE
    file.with_name(f"{file.name}_parts_1.png").unlink()
    reader = open_official("ade20k", tmp_path)
    assert found(reader) == [("level of parts behind a missing one, left out", 1, False)]
    save(file.with_name(f"{file.name}_parts_1.png"), np.zeros((WIDTH, HEIGHT, 3), np.uint8))
    with pytest.raises(BenchError, match=r"_parts_1\.png: its masks are 14×9 .* is 9×14"):
        open_official("ade20k", tmp_path).read("ADE_val_00000001")


def test_hypersim_leaves_volumes_out_and_tells_so(tmp_path):
    OFFICIAL["hypersim"](tmp_path)
    assert found(open_official("hypersim", tmp_path)) == [
        ("frame of a volume that is left out", 1, False)
    ]
    assert len(open_official("hypersim", tmp_path, without=[]).ids()) == 3
    with pytest.raises(BenchError, match="every scene"):
        open_official("hypersim", tmp_path, without=[1, 20, 55])
    with pytest.raises(BenchError, match="no image with the id"):
        open_official("hypersim", tmp_path).read("ai_020_001/cam_00/0003")


def test_a_broken_hdf5_file_breaks_its_image_alone(tmp_path):
    OFFICIAL["hypersim"](tmp_path)
    geometry = tmp_path / "hypersim/ai_001_010/images/scene_cam_00_geometry_hdf5"
    file = geometry / "frame.0003.semantic_instance.hdf5"
    file.write_bytes(b"nothing")
    reader = open_official("hypersim", tmp_path)
    with pytest.raises(BenchError, match=r"semantic_instance\.hdf5: 'dataset' can't be read"):
        reader.read("ai_001_010/cam_00/0003")
    assert len(reader.read("ai_055_001/cam_00/0003").targets) == 2
    with h5py.File(file, "w") as opened:
        opened["dataset"] = np.zeros((3, HEIGHT, WIDTH))
    with pytest.raises(BenchError, match="no plain whole number"):
        reader.read("ai_001_010/cam_00/0003")


def test_a_missing_package_says_what_to_install(tmp_path, monkeypatch):
    OFFICIAL["hypersim"](tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(BenchError, match=r"pip install 'sam-bench\[datasets\]'"):
        open_official("hypersim", tmp_path)


def hollow_cell():
    """A cell array of one entry, which holds an empty one."""
    cells = np.empty((1, 1), object)
    cells[0, 0] = np.empty((0, 0), object)
    return cells


def test_bsds_tells_who_drew_a_segment(tmp_path):
    OFFICIAL["bsds500"](tmp_path)
    targets = open_official("bsds500", tmp_path).read("100007").targets
    assert [t.attributes["annotator"] for t in targets] == ["1", "1", "2"]


def test_what_another_person_drew_is_the_segment_that_agrees_best(tmp_path):
    rng = np.random.default_rng(7)
    drawn = [rng.choice(values, (HEIGHT, WIDTH)) for values in ([3, 9, 4], [1, 70, 2, 5], [8, 6])]
    folder = tmp_path / "BSR/BSDS500/data"
    (folder / "groundTruth/test").mkdir(parents=True)
    people = bsds_people(*(labels.astype(np.uint16) for labels in drawn))
    savemat(folder / "groundTruth/test/8.mat", people)
    save(folder / "images/test/8.jpg", picture())
    targets = open_official("bsds500", tmp_path).read("8").targets
    assert [target.mask_id for target in targets][:4] == ["8/1/3", "8/1/4", "8/1/9", "8/2/1"]
    for target in targets:
        _, own, _ = target.mask_id.split("/")
        assert set(target.others) == {"1", "2", "3"} - {own}
        for name, other in target.others.items():
            labels, mask = drawn[int(name) - 1], target.mask.dense()
            shared = {
                value: (mask & (labels == value)).sum() / (mask | (labels == value)).sum()
                for value in np.unique(labels)
            }
            best = max(shared, key=shared.__getitem__)
            assert np.array_equal(other.dense(), labels == best)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": 1}, "no variable 'groundTruth'; found: other"),
        ({"groundTruth": np.empty((1, 0), object)}, "nobody segmented"),
        ({"groundTruth": hollow_cell()}, "an array of 'groundTruth' is empty"),
        (bsds_people(np.ones((5, 8), np.uint16)), "its masks are 5×8"),
        (bsds_people(np.ones((HEIGHT, WIDTH))), "'Segmentation': labels are whole numbers"),
    ],
)
def test_a_broken_mat_file_breaks_its_image_alone(tmp_path, content, message):
    OFFICIAL["bsds500"](tmp_path)
    file = tmp_path / "BSR/BSDS500/data/groundTruth/test/100007.mat"
    savemat(file, content)
    reader = open_official("bsds500", tmp_path)
    with pytest.raises(BenchError, match=message) as caught:
        reader.read("100007")
    assert "100007" in str(caught.value)
    assert reader.read("2018").targets
    file.write_bytes(b"x" * 300)
    with pytest.raises(BenchError, match=r"100007\.mat: not a \.mat file"):
        reader.read("100007")


def test_a_mat_file_of_sbd_without_a_struct_breaks_its_image_alone(tmp_path):
    OFFICIAL["sbd"](tmp_path)
    file = tmp_path / "benchmark_RELEASE/dataset/inst/2008_000051.mat"
    savemat(file, {"GTinst": np.empty((0, 0), object)})
    with pytest.raises(BenchError, match=r"2008_000051\.mat: an array of 'GTinst' is empty"):
        open_official("sbd", tmp_path).read("2008_000051")


def test_classes_of_sbd_and_a_listed_file_that_is_missing(tmp_path):
    OFFICIAL["sbd"](tmp_path)
    reader = open_official("sbd", tmp_path)
    assert [t.category for t in reader.read("2008_000051").targets] == ["person", "bird"]
    assert found(reader) == [
        ("picture without annotation, or of another split, left out", 1, False)
    ]
    (tmp_path / "benchmark_RELEASE/dataset/inst/2009_000001.mat").unlink()
    with pytest.raises(BenchError, match=r"2009_000001\.mat: no such file, though val\.txt lists"):
        open_official("sbd", tmp_path)


@pytest.mark.parametrize("classes", [[1.5], [np.nan], ["cat"]])
def test_classes_of_sbd_are_whole_numbers(tmp_path, classes):
    OFFICIAL["sbd"](tmp_path)
    file = next((tmp_path / "benchmark_RELEASE/dataset/inst").glob("*.mat"))
    labels = np.ones((HEIGHT, WIDTH), np.uint8)
    savemat(file, {"GTinst": {"Segmentation": labels, "Categories": classes}})
    with pytest.raises(BenchError, match=r"\.mat: 'Categories': whole numbers are expected"):
        open_official("sbd", tmp_path).read(file.stem)
    savemat(file, {"GTinst": {"Segmentation": labels, "Categories": [1.0]}})
    assert open_official("sbd", tmp_path).read(file.stem).targets[0].category == "aeroplane"


@pytest.mark.parametrize("number", [2**31, 2**32 + 1, -(2**40)])
def test_labels_of_matlab_that_do_not_fit_are_refused(tmp_path, number):
    OFFICIAL["bsds500"](tmp_path)
    file = tmp_path / "BSR/BSDS500/data/groundTruth/test/100007.mat"
    labels = np.ones((HEIGHT, WIDTH), np.int64)
    labels[2, 3] = number
    savemat(file, bsds_people(labels))
    with pytest.raises(BenchError, match=f"'Segmentation': a label is .* found {number}"):
        open_official("bsds500", tmp_path).read("100007")


def test_egohos_refuses_a_value_that_has_no_name(tmp_path):
    OFFICIAL["egohos"](tmp_path)
    reader = open_official("egohos", tmp_path)
    assert [t.category for t in reader.read("ego4d_1").targets] == [
        "left hand",
        "second object of both hands",
    ]
    save(tmp_path / "egohos/train/label/epic_2.png", label_map(np.uint8, hole=9))
    with pytest.raises(BenchError, match=r"epic_2\.png: the value 9 is none of"):
        reader.read("epic_2")


def test_egohos_keeps_what_it_is_told(tmp_path):
    OFFICIAL["egohos"](tmp_path)
    assert open_official("egohos", tmp_path, keep=["ego4d_*"]).ids() == ["ego4d_1"]
    with pytest.raises(BenchError, match=r"no image has an id like 'thu_\*'"):
        open_official("egohos", tmp_path, keep=["ego4d_*", "thu_*"])


def test_dram_ignores_what_has_no_class(tmp_path):
    OFFICIAL["dram"](tmp_path)
    sample = open_official("dram", tmp_path).read("unseen/baroque/a/b")
    assert np.array_equal(sample.ignore, TRUTH["hole"] | TRUTH["two_parts"])
    assert [t.category for t in sample.targets] == ["bird", "person"]


def test_grabcut_ignores_what_is_unknown(tmp_path):
    OFFICIAL["grabcut"](tmp_path)
    sample = open_official("grabcut", tmp_path).read("banana1")
    assert np.array_equal(sample.ignore, TRUTH["border"])


def test_levels_that_are_ignored_are_in_no_mask(tmp_path):
    OFFICIAL["grabcut"](tmp_path)
    sample = open_official("grabcut", tmp_path, threshold=0, ignore=[128, 64]).read("banana1")
    assert np.array_equal(sample.targets[0].mask.dense(), TRUTH["hole"])
    assert np.array_equal(sample.ignore, TRUTH["border"] | TRUTH["two_parts"])


def test_a_missing_mask_file_is_told_and_breaks_its_image(tmp_path):
    OFFICIAL["grabcut"](tmp_path)
    (tmp_path / "ritm/GrabCut/boundary_GT/banana1.bmp").unlink()
    reader = open_official("grabcut", tmp_path)
    with pytest.raises(BenchError, match="no such mask file"):
        reader.read("banana1")
    assert found(reader) == [("the picture's mask file is missing", 1, True)]


def test_voc_ignores_its_void_and_reads_only_the_list(tmp_path):
    OFFICIAL["pascal_voc"](tmp_path)
    reader = open_official("pascal_voc", tmp_path)
    assert np.array_equal(reader.read("2007_000033").ignore, TRUTH["border"])
    assert found(reader) == [
        ("picture without a label image, or of another split, left out", 1, False)
    ]


OPEN_IMAGES = "open_images/test-annotations-object-segmentation.csv"


def test_people_of_miap_and_masks_without_a_box(tmp_path):
    OFFICIAL["open_images_miap"](tmp_path)
    reader = open_official("open_images_miap", tmp_path)
    (woman,) = reader.read("aa").targets
    assert woman.attributes == {"gender": "predominantly feminine", "age": "young"}
    (girl,) = reader.read("cc").targets
    assert girl.attributes == {"gender": "predominantly masculine", "age": "middle"}, "nearest box"
    assert found(reader) == [("mask without a MIAP box, left out", 1, False)]
    every = open_official("open_images_miap", tmp_path, miap=None, labels=[])
    assert every.ids() == ["aa", "bb", "cc"]
    assert [len(every.read(i).targets) for i in every.ids()] == [2, 1, 1]
    assert every.read("bb").targets[0].category == "/m/01yrx"


def test_what_open_images_lacks_is_told_and_breaks_its_image(tmp_path):
    OFFICIAL["open_images_miap"](tmp_path)
    (tmp_path / "open_images/test/aa.jpg").unlink()
    mask = next((tmp_path / "open_images/test-masks").rglob("cc_*.png"))
    mask.unlink()
    reader = open_official("open_images_miap", tmp_path)
    assert found(reader)[:2] == [
        ("picture is missing", 1, True),
        ("mask file is missing", 1, True),
    ]
    with pytest.raises(BenchError, match="no such mask file"):
        reader.read("cc")


def test_a_mask_of_another_aspect_is_refused(tmp_path):
    OFFICIAL["open_images_miap"](tmp_path)
    save(tmp_path / "open_images/test/cc.jpg", picture(WIDTH, HEIGHT))
    with pytest.raises(BenchError, match="of another aspect"):
        open_official("open_images_miap", tmp_path).read("cc")


def test_broken_csvs_of_open_images(tmp_path):
    OFFICIAL["open_images_miap"](tmp_path)
    file = tmp_path / OPEN_IMAGES
    rows = list(csv.reader(file.read_text().splitlines()))
    file.write_text("\n".join(",".join(row) for row in [*rows, rows[1]]))
    with pytest.raises(BenchError, match="is there twice"):
        open_official("open_images_miap", tmp_path)
    file.write_text("MaskPath,ImageID\n")
    with pytest.raises(BenchError, match="it has no column 'LabelName'"):
        open_official("open_images_miap", tmp_path)
    file.write_text(",".join(rows[0]) + "\n")
    with pytest.raises(BenchError, match="no mask is of"):
        open_official("open_images_miap", tmp_path)
    broken = [*rows[1][:4], "x", *rows[1][5:]]
    file.write_text(",".join(rows[0]) + "\n" + ",".join(broken) + "\n")
    with pytest.raises(BenchError, match="must be numbers"):
        open_official("open_images_miap", tmp_path)
