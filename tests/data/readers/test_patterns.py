"""Patterns of several words, lists of ids, and ids that are kept."""

import pytest

from bench.data.formats.files import read_json
from bench.data.formats.patterns import (
    check_patterns,
    choose_ids,
    cluster_of,
    fill_pattern,
    find_by_id,
    find_of_ids,
    listed_ids,
    strays,
)
from bench.data.oddities import Oddity
from bench.data.readers.label_image import LabelImage
from bench.data.readers.mask_folder import MaskFolder
from bench.data.readers.sa_1b import Sa1b
from bench.types import BenchError

from .making import TRUTH, picture, save, site
from .official import OFFICIAL, label_map, write_json


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_the_words_of_a_pattern_make_the_id(tmp_path):
    touch(tmp_path, "b/x/b_1.png", "a/x/a_2.png", "a/x/b_3.png", "a/y/a_2.txt")
    found = find_by_id(tmp_path, "{city}/x/{city}_{id}.png")
    assert {i: p.name for i, p in found.items()} == {"a/2": "a_2.png", "b/1": "b_1.png"}
    masks = find_of_ids(tmp_path, "{city}/*/{city}_{id}.*", found)
    assert [p.relative_to(tmp_path).as_posix() for p in masks["a/2"]] == [
        "a/x/a_2.png",
        "a/y/a_2.txt",
    ]


def test_hidden_folders_hold_no_images_unless_they_are_named(tmp_path):
    touch(tmp_path, "v/1.png", "v/._1.png", ".ipynb_checkpoints/1-checkpoint.png", ".own/a/7.png")
    assert list(find_by_id(tmp_path, "{video}/{id}.png")) == ["v/1"]
    assert find_of_ids(tmp_path, "*/{id}.png", ["1", "1-checkpoint"])["1-checkpoint"] == []
    assert strays(tmp_path, "{video}/{id}.png", []) == ["v/1.png"]
    assert list(find_by_id(tmp_path, ".own/a/{id}.png")) == ["7"]


def test_a_single_word_takes_an_id_with_slashes():
    assert fill_pattern("labels/{id}.png", "labels/{id}.png", "a/b c") == "labels/a/b c.png"
    with pytest.raises(BenchError, match="has 1 parts"):
        fill_pattern("{a}/{id}", "{a}/{id}", "x")


@pytest.mark.parametrize(
    ("images", "labels"), [("{a}/{id}.jpg", "{id}.png"), ("{a}/{id}.jpg", "{id}/{a}.png")]
)
def test_patterns_need_the_same_words_in_the_same_order(tmp_path, images, labels):
    with pytest.raises(BenchError, match="the same"):
        LabelImage(".", images, labels, site=site(tmp_path))
    with pytest.raises(BenchError, match="the same"):
        MaskFolder(".", images, labels, site=site(tmp_path))


def test_a_list_holds_ids_or_paths(tmp_path):
    (tmp_path / "list.txt").write_text("\n/img/v/10.jpg /gt/v/10.png\nimg/v/9.jpg\nw/1\n")
    ids = listed_ids("list.txt", tmp_path, "img/{video}/{id}.jpg", site(tmp_path))
    assert ids == ["v/10", "v/9", "w/1"]
    (tmp_path / "list.txt").write_text("a\nb\na\n")
    with pytest.raises(BenchError, match="'a' is there twice"):
        listed_ids("list.txt", tmp_path, "{id}.jpg", site(tmp_path))
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(BenchError, match="the list is empty"):
        listed_ids("list.txt", tmp_path, "{id}.jpg", site(tmp_path))
    with pytest.raises(BenchError, match=r"no\.txt: no such file"):
        listed_ids("no.txt", tmp_path, "{id}.jpg", site(tmp_path))


def test_the_wrong_split_is_refused_and_half_of_it_too(tmp_path):
    for name in ("1", "2"):
        save(tmp_path / f"{name}.jpg", picture())
        save(tmp_path / f"{name}.png", label_map("uint8", hole=1))
    args = ".", "{id}.jpg", "{id}.png"
    (tmp_path / "train.txt").write_text("1\n2\n3\n")
    with pytest.raises(BenchError, match=r"3\.png: no such file, .* \(1 of 3 are missing\)"):
        LabelImage(*args, listed="train.txt", site=site(tmp_path))
    with pytest.raises(BenchError, match=r"3\.jpg: no such file, .* right split"):
        MaskFolder(*args, listed="train.txt", site=site(tmp_path))
    (tmp_path / "val.txt").write_text("2\n")
    reader = LabelImage(*args, listed="val.txt", site=site(tmp_path))
    assert reader.ids() == ["2"]
    assert reader.oddities() == [
        Oddity("picture without a label image, or of another split, left out", 1, ("1.jpg",)),
        Oddity("label image of another split, left out", 1, ("1.png",)),
    ]
    masks = MaskFolder(*args, listed="val.txt", site=site(tmp_path))
    assert [oddity.count for oddity in masks.oddities()] == [1, 1]


def test_kept_ids(tmp_path):
    ids = ["a/1", "a/2", "b/1"]
    assert choose_ids(ids, [], tmp_path) == ids
    assert choose_ids(ids, ["a/*", "*/1"], tmp_path) == ids
    assert choose_ids(ids, ["b/*"], tmp_path) == ["b/1"]
    with pytest.raises(BenchError, match=r"no image has an id like 'c/\*' \(keep\); there are 3"):
        choose_ids(ids, ["a/*", "c/*"], tmp_path)


def test_strays_are_what_a_pattern_finds_beyond_the_known(tmp_path):
    touch(tmp_path, "1.png", "2.png", "2.txt", ".3.png")
    assert strays(tmp_path, "{id}.png", [tmp_path / "1.png"]) == ["2.png"]


def test_masks_of_other_pictures_and_pictures_without_are_told(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "images" / f"{name}.png", picture())
    for name in ("a/1", "c/1"):
        save(tmp_path / "masks" / f"{name}.png", TRUTH["hole"])
    (tmp_path / "masks" / "b").mkdir()
    reader = MaskFolder(".", "images/{id}.png", "masks/{id}/*.png", site=site(tmp_path))
    assert reader.oddities() == [
        Oddity("picture without masks", 1, ("b",)),
        Oddity("mask file of no picture, or of another split, left out", 1, ("masks/c/1.png",)),
    ]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.pop("image"), "has 'image' and 'annotations'"),
        (lambda c: c.update(annotations={}), "a list 'annotations'"),
        (lambda c: c["annotations"][0].pop("id"), "an id of its own"),
        (lambda c: c["annotations"][1].update(id=7), "an id of its own, found sa_560/7"),
        (lambda c: c["image"].update(file_name="sa_1.jpg"), "belongs to 'sa_1.jpg'"),
        (lambda c: c["image"].update(width=9), r"sa_560\.jpg: the picture is 9×14"),
        (lambda c: c["annotations"][0].update(segmentation=3), "annotation sa_560/7: "),
    ],
)
def test_a_broken_file_of_sa_1b_breaks_its_image_alone(tmp_path, edit, message):
    OFFICIAL["sa_1b"](tmp_path)
    reader = Sa1b("sa_1b", site=site(tmp_path))
    content = read_json(tmp_path / "sa_1b" / "sa_560.json")
    edit(content)
    write_json(tmp_path / "sa_1b" / "sa_560.json", content)
    with pytest.raises(BenchError, match=message):
        reader.read("sa_560")
    assert reader.read("sa_9").targets == []


def test_sa_1b_in_folders_of_its_own(tmp_path):
    OFFICIAL["sa_1b"](tmp_path)
    (tmp_path / "all").mkdir()
    (tmp_path / "sa_1b").rename(tmp_path / "all" / "sa_000001")
    reader = Sa1b("all", "{part}/{id}.jpg", "{part}/{id}.json", site=site(tmp_path))
    assert reader.ids() == ["sa_000001/sa_560", "sa_000001/sa_9"]
    assert reader.read("sa_000001/sa_560").targets[0].mask_id == "sa_000001/sa_560/7"


def test_a_line_of_a_list_ends_where_a_file_says_so(tmp_path):
    ids = ["a\x85b", "a\u2028b", "a\u2029b", "c\x1cd", "e\xa0", "f g"]
    (tmp_path / "list.txt").write_bytes("\r\n".join([*ids, " img/h.jpg -1 ", ""]).encode())
    found = listed_ids("list.txt", tmp_path, "img/{id}.jpg", site(tmp_path))
    assert found == sorted([*ids, "h"])


def test_words_and_stars_may_touch(tmp_path):
    for name in ("01L_a.png", "01L_b.png", "113R_a.png"):
        save(tmp_path / name, picture(2, 2))
    found = find_by_id(tmp_path, "{patient}{id}_a.png")
    assert {key: path.name for key, path in found.items()} == {
        "01/L": "01L_a.png",
        "113/R": "113R_a.png",
    }
    assert cluster_of("{patient}{id}_a.png", "113/R") == "113"
    masks = find_of_ids(tmp_path, "{id}*.png", ["01L", "113R"])
    assert [len(files) for files in masks.values()] == [2, 1]


@pytest.mark.parametrize("pattern", ["a**b/{id}.png", "**{id}.png", "***/{id}.png", "{id}**"])
def test_two_stars_stand_alone(pattern):
    with pytest.raises(BenchError, match=r"masks: \*\* stands alone between two /"):
        check_patterns("{id}.png", masks=pattern)
