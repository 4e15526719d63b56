"""One file per mask."""

import numpy as np
import pytest

from bench.data.readers.mask_folder import MaskFolder
from bench.types import BenchError

from .making import TRUTH, open_mask_folder, picture, save, site, write_mask_folder

IMAGES, MASKS = "{id}/images/{id}.png", "{id}/masks/*.png"


@pytest.fixture
def folder(tmp_path):
    write_mask_folder(tmp_path)
    return tmp_path


def test_masks_are_the_truth_and_overlaps_stay(folder):
    sample = open_mask_folder(folder).read("10")
    assert np.array_equal(sample.image, picture())
    assert [target.mask_id for target in sample.targets] == [f"10/{name}" for name in sorted(TRUTH)]
    for target in sample.targets:
        assert np.array_equal(target.mask.dense(), TRUTH[target.mask_id.removeprefix("10/")])


def test_ids_are_numbers_first_and_an_image_may_have_no_masks(folder):
    reader = open_mask_folder(folder)
    assert reader.ids() == ["9", "10", "x"]
    assert reader.read("x").targets == []


def test_a_missing_folder_of_masks_is_not_an_image_without_objects(folder):
    (folder / "set" / "x" / "masks").rmdir()
    with pytest.raises(BenchError, match="x/masks: no such folder"):
        open_mask_folder(folder).read("x")


def test_only_files_that_match_belong_to_it(folder):
    save(folder / "set" / "10" / "images" / "9.png", picture())
    save(folder / "set" / "10" / "masks" / "._hole.png", picture())
    (folder / "set" / "10" / "masks" / "Thumbs.db").touch()
    (folder / "set" / "10" / "masks" / "deeper.png").mkdir()
    reader = open_mask_folder(folder)
    assert reader.ids() == ["9", "10", "x"]
    assert len(reader.read("10").targets) == len(TRUTH)


@pytest.mark.parametrize(("threshold", "expected"), [(0, 3), (127, 1), (1, 2)])
def test_the_threshold_is_exclusive(tmp_path, threshold, expected):
    save(tmp_path / "i" / "a.png", picture(2, 4))
    save(tmp_path / "m" / "a_1.png", np.array([[0, 0, 0, 1], [0, 127, 128, 0]], dtype=np.uint8))
    reader = MaskFolder("", "i/{id}.png", "m/{id}_*.png", site=site(tmp_path), threshold=threshold)
    assert reader.read("a").targets[0].mask.area == expected


def test_ids_with_glob_characters_take_only_their_own_masks(tmp_path):
    for name in ("a[1]", "a1"):
        save(tmp_path / "i" / f"{name}.png", picture(2, 4))
        mask = np.zeros((2, 4), dtype=np.uint8)
        mask[0, : len(name)] = 1
        save(tmp_path / "m" / name / "one.png", mask)
    reader = MaskFolder("", "i/{id}.png", "m/{id}/*.png", site=site(tmp_path))
    for name in ("a[1]", "a1"):
        (target,) = reader.read(name).targets
        assert (target.mask_id, target.mask.area) == (f"{name}/one", len(name))


def test_masks_in_one_folder_go_to_their_own_image_or_are_refused(tmp_path):
    for name in ("1", "10", "a", "a_1"):
        save(tmp_path / "i" / f"{name}.png", picture(2, 4))
    for name in ("10_0", "1_0", "1_1", "a_2"):
        save(tmp_path / "m" / f"{name}.png", np.ones((2, 4), dtype=np.uint8))
    arguments = ("", "i/{id}.png", "m/{id}_*.png")
    reader = MaskFolder(*arguments, site=site(tmp_path))
    found = {i: [t.mask_id for t in reader.read(i).targets] for i in reader.ids()}
    assert found == {"1": ["1/1_0", "1/1_1"], "10": ["10/10_0"], "a": ["a/a_2"], "a_1": []}
    save(tmp_path / "m" / "a_1_7.png", np.ones((2, 4), dtype=np.uint8))
    with pytest.raises(BenchError, match=r"a_1_7\.png: .* both 'a' and 'a_1'"):
        MaskFolder(*arguments, site=site(tmp_path))


def test_any_suffix_and_depth_but_one_file_an_id(tmp_path):
    save(tmp_path / "i" / "deep" / "a.jpg", picture(2, 4))
    save(tmp_path / "i" / "b.png", picture(2, 4))
    save(tmp_path / "m" / "a.png", np.full((2, 4), 255, dtype=np.uint8))
    arguments = ("", "i/**/{id}.*", "m/{id}.png")
    assert MaskFolder(*arguments, site=site(tmp_path)).ids() == ["a", "b"]
    save(tmp_path / "i" / "a.png", picture(2, 4))
    with pytest.raises(BenchError, match=r"two files for the id 'a': i/a\.png and i/deep/a\.jpg"):
        MaskFolder(*arguments, site=site(tmp_path))


def test_a_mask_of_another_size_is_named(folder):
    save(folder / "set" / "9" / "masks" / "turned.png", TRUTH["hole"].T.astype(np.uint8))
    reader = open_mask_folder(folder)
    with pytest.raises(BenchError, match=r"turned\.png: the mask is 14×9 .* 9\.png is 9×14"):
        reader.read("9")


def test_two_masks_of_one_name_are_refused(folder):
    save(folder / "set" / "10" / "masks" / "hole.tif", TRUTH["hole"].astype(np.uint8))
    reader = MaskFolder("set", IMAGES, "{id}/masks/*", site=site(folder))
    with pytest.raises(BenchError, match=r"hole\.tif: another mask .* 'hole'"):
        reader.read("10")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no", IMAGES, MASKS), r"no: no such folder; .*runtime\.datasets=PATH"),
        (("set", "{id}.png", MASKS), "no picture matches"),
        (("set", IMAGES, "{id}/masks/*.jpg"), "no mask of any image"),
        (("set", "images/*.png", MASKS), "images must contain {id}"),
        (("set", IMAGES, "masks/*.png"), "masks must contain {id}"),
        (("set", "../{id}.png", MASKS), "inside the folder"),
    ],
)
def test_what_is_wrong_is_said_when_opened(folder, arguments, message):
    with pytest.raises(BenchError, match=message):
        MaskFolder(*arguments, site=site(folder))


def two_people(folder):
    """Two things in picture a, the other way round for the other person; one alone in b."""
    first, second = np.eye(4, dtype=np.uint8) * 255, np.ones((4, 4), dtype=np.uint8)
    for image in "ab":
        save(folder / "i" / f"{image}.png", picture(4, 4))
    save(folder / "m" / "a" / "x.png", first)
    save(folder / "m" / "a" / "y.png", second)
    save(folder / "m" / "b" / "x.png", second)
    save(folder / "n" / "a" / "y.png", first)
    save(folder / "n" / "a" / "x.png", second)
    save(folder / "n" / "b" / "z.png", first)
    return {"annotator": "Ann", "others": {"Bo": "n/{id}/*.png"}}


def test_another_annotator_drew_the_file_of_the_same_name(tmp_path):
    people = two_people(tmp_path)
    reader = MaskFolder("", "i/{id}.png", "m/{id}/*.png", site=site(tmp_path), **people)
    x, y = reader.read("a").targets
    assert [x.mask.area, x.others["Bo"].area, y.mask.area, y.others["Bo"].area] == [4, 16, 16, 4]
    assert x.attributes == {"annotator": "Ann"}
    assert [target.others for target in reader.read("b").targets] == [{}]
    assert len(reader.files_of("a")) == 5
    before = reader.fingerprint()
    save(
        tmp_path / "n" / "a" / "x.png", np.random.default_rng(0).integers(0, 255, (4, 4), np.uint8)
    )
    again = MaskFolder("", "i/{id}.png", "m/{id}/*.png", site=site(tmp_path), **people)
    assert again.fingerprint() != before
    said = {each.kind: list(each.examples) for each in reader.oddities()}
    assert said == {
        "drawn by Bo alone, left out": ["b"],
        "not drawn by Bo, whose score lacks it": ["b"],
    }


def test_others_of_another_size_are_named(tmp_path):
    people = two_people(tmp_path)
    save(tmp_path / "n" / "a" / "x.png", np.ones((4, 5), dtype=np.uint8))
    reader = MaskFolder("", "i/{id}.png", "m/{id}/*.png", site=site(tmp_path), **people)
    with pytest.raises(BenchError, match=r"n/a/x\.png: the mask is 4×5"):
        reader.read("a")


@pytest.mark.parametrize("annotator", [None, "Bo"])
def test_others_need_somebody_to_be_other_than(tmp_path, annotator):
    people = two_people(tmp_path) | {"annotator": annotator}
    with pytest.raises(BenchError, match=r"dataset\.args\.annotator must say whose"):
        MaskFolder("", "i/{id}.png", "m/{id}/*.png", site=site(tmp_path), **people)


def test_others_of_whom_there_is_no_file_are_named(tmp_path):
    people = two_people(tmp_path)
    people["others"] = people["others"] | {"Cy": "nope/{id}/*.png"}
    with pytest.raises(
        BenchError, match=r"no mask .* that Cy drew matches .*'nope/\{id\}/\*\.png'"
    ):
        MaskFolder("", "i/{id}.png", "m/{id}/*.png", site=site(tmp_path), **people)
