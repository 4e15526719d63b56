"""What COCO's relatives do differently, and what is odd about such files."""

import json

import numpy as np
import pytest

from bench.data.formats.json_lists import read_object
from bench.data.oddities import Oddity, oddities_of
from bench.data.readers.coco import Coco
from bench.data.readers.youtube_vis import YoutubeVis
from bench.types import BenchError

from .kinds import open_official
from .making import coco_content, picture, rle, save, site, write_coco, write_coco_pictures
from .official import OFFICIAL, TRUTH, box, coco_file, polygon


def test_lvis_v0_5_needs_its_rule(tmp_path):
    OFFICIAL["lvis_v0_5_val"](tmp_path)
    with pytest.raises(BenchError, match="right folder of images"):
        open_official("lvis_v0_5_val", tmp_path, last=None)


def test_a_file_name_that_is_a_url_and_a_missing_key(tmp_path):
    OFFICIAL["lvis_v1_val"](tmp_path)
    reader = open_official("lvis_v1_val", tmp_path)
    assert reader.path("2") == tmp_path / "coco" / "train2017" / "2.jpg"
    with pytest.raises(BenchError, match="image 1 has no 'file_name'"):
        open_official("lvis_v1_val", tmp_path, file_key="file_name")


def test_several_files_need_names_of_their_own(tmp_path):
    OFFICIAL["plittersdorf"](tmp_path)
    file = "plittersdorf_instance_segmentation_coco/val.json"
    for files in ([], [file, file]):
        with pytest.raises(BenchError, match="different names"):
            open_official("plittersdorf", tmp_path, annotations=files)
    one = open_official("plittersdorf", tmp_path, annotations=file)
    assert one.ids() == ["1"]
    assert [target.mask_id for target in one.read("1").targets] == ["1"]


def test_a_polygon_inside_another_is_filled_or_a_hole(tmp_path):
    OFFICIAL["plittersdorf"](tmp_path)
    holes = open_official("plittersdorf", tmp_path, fill="even_odd").read("val/1").targets[0]
    assert np.array_equal(holes.mask.dense(), box(1, 1, 8, 8) & ~box(3, 3, 5, 5))


def test_oddities_of_a_coco_file(tmp_path):
    content = coco_content()
    content["annotations"][0]["segmentation"] = [[1, 1, 5, 5], [3, 3], polygon(1, 2, 4, 7)]
    content["annotations"][1]["segmentation"] = []
    content["images"].append({"id": 3, "file_name": "c.png"})
    write_coco(tmp_path, content)
    write_coco_pictures(tmp_path)
    for name in ("d.png", "sub/e.PNG", "f.txt", ".g.png"):
        save(tmp_path / "images" / name, picture(), format="PNG")
    assert oddities_of(Coco("truth.json", "images", site=site(tmp_path))) == [
        Oddity("picture is missing", 1, ("c.png",), breaks=True),
        Oddity("polygon of fewer than 3 points, left out", 2, ("0",)),
        Oddity("annotation without a segmentation, an empty mask", 1, ("1",)),
        Oddity("image without annotations", 2, ("2", "3")),
        Oddity("picture that no annotation file lists, left out", 2, ("d.png", "sub/e.PNG")),
    ]


def test_oddities_of_every_kind_come_from_the_official_fixtures(tmp_path):
    OFFICIAL["trashcan"](tmp_path)
    (small,) = oddities_of(open_official("trashcan", tmp_path))
    assert (small.kind, small.count) == ("polygon of fewer than 3 points, left out", 2)
    OFFICIAL["zerowaste_f"](tmp_path)
    (empty,) = oddities_of(open_official("zerowaste_f", tmp_path))
    assert (empty.kind, empty.examples) == (
        "annotation without a segmentation, an empty mask",
        ("1",),
    )


def test_a_mask_wholly_outside_is_empty_and_one_across_the_border_is_cut(tmp_path):
    outlines = [polygon(20, 30, 25, 35), polygon(0, 10, 5, 40)]
    coco_file(tmp_path / "a.json", ["a.png"], [(1, [outline]) for outline in outlines])
    save(tmp_path / "a.png", picture())
    outside, across = Coco("a.json", ".", site=site(tmp_path)).read("1").targets
    assert outside.mask.area == 0
    assert np.array_equal(across.mask.dense(), TRUTH["border"])


def test_masks_outside_of_the_picture_and_of_another_size_are_told(tmp_path):
    found = [
        [polygon(20, 30, 25, 35), polygon(0, 10, 5, 40)],
        [polygon(1, 2, 4, 7), [-0.5, 0, 14.9, 0, 14.9, 9.9, 0, 9.9]],
        rle(TRUTH["hole"].T),
        [[1, "a", 2]],
    ]
    coco_file(tmp_path / "a.json", ["a.png"], [(1, each) for each in found])
    save(tmp_path / "a.png", picture())
    assert oddities_of(Coco("a.json", ".", site=site(tmp_path))) == [
        Oddity("RLE of another size than its image", 1, ("3",), breaks=True),
        Oddity("polygon outside of the picture, left out", 1, ("1",)),
        Oddity("polygon that reaches beyond the picture, cut off", 1, ("1",)),
        Oddity("polygon of fewer than 3 points, left out", 1, ("4",)),
    ]


def test_categories_and_crowds_of_a_video(tmp_path):
    OFFICIAL["ovis"](tmp_path)
    file = tmp_path / "ovis" / "annotations_train.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["iscrowd"] = 1
    file.write_text(json.dumps(content))
    sample = open_official("ovis", tmp_path).read("af48b2f9/img_0000001")
    assert [(t.category, t.crowd) for t in sample.targets] == [("fish", True), ("fish", False)]


VIDEO_BREAKS = {
    "video 1 has no list 'file_names'": lambda c: c["videos"][0].pop("file_names"),
    "is listed twice": lambda c: c["videos"].append({**c["videos"][0], "id": 2}),
    "annotation 2 refers to image 9": lambda c: c["annotations"][1].update(video_id=9),
    "annotation 1 has no 'segmentations'": lambda c: c["annotations"][0].pop("segmentations"),
    "id 1 is in 'annotations' more than once": lambda c: c["annotations"][1].update(id=1),
    "list 'videos'": lambda c: c.pop("videos"),
    "right folder of images": lambda c: c["videos"][0].update(file_names=["no/1.jpg", "no/2.jpg"]),
}


@pytest.mark.parametrize("message", VIDEO_BREAKS)
def test_a_broken_video_file_is_refused_when_opened(tmp_path, message):
    OFFICIAL["ovis"](tmp_path)
    file = tmp_path / "ovis" / "annotations_train.json"
    content = json.loads(file.read_text())
    VIDEO_BREAKS[message](content)
    file.write_text(json.dumps(content))
    with pytest.raises(BenchError, match=message):
        open_official("ovis", tmp_path)


def test_a_video_of_another_length_or_size_breaks_its_frames_alone(tmp_path):
    OFFICIAL["ovis"](tmp_path)
    file = tmp_path / "ovis" / "annotations_train.json"
    content = json.loads(file.read_text())
    content["annotations"][1]["segmentations"] = [rle(TRUTH["hole"])]
    file.write_text(json.dumps(content))
    reader = YoutubeVis("ovis/annotations_train.json", "ovis/train", site=site(tmp_path))
    with pytest.raises(BenchError, match=r"annotation 2 needs 2 segmentations, .* found 1"):
        reader.read(reader.ids()[0])
    odd = [(o.kind, o.count, o.breaks) for o in oddities_of(reader)]
    assert odd[0] == ("annotation without one segmentation for each frame", 1, True)
    content["videos"][0]["height"] = 7
    file.write_text(json.dumps(content))
    with pytest.raises(BenchError, match=r"0001\.jpg: the picture is 9×14 .* 7×14 for video"):
        open_official("ovis", tmp_path).read("af48b2f9/img_0000001")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2], "b": {"c": [3]}, "d": "é"}',
        ' { "a" : [ 1 , {"a": [5]} ] , "b":[] }\n',
        '{"a": [], "b": null}',
        "{}",
        '{"a": {"x": 1}}',
    ],
)
def test_a_file_read_entry_by_entry_is_what_json_reads(text):
    places = []
    found = read_object(text, {"a": lambda place, entry: places.append((place, entry))})
    whole = json.loads(text)
    if isinstance(whole.get("a"), list):
        assert [entry for _, entry in places] == whole["a"]
        assert all(json.JSONDecoder().raw_decode(text, p)[0] == entry for p, entry in places)
        assert found["a"] == []
        found["a"] = whole["a"]
    assert found == whole


def test_numbers_are_left_out_where_asked_and_nothing_else():
    tricky = {"id": '}{[1]\\"', "n": [1, {"b": 2}], "counts": "[1]{", "é": '"segmentation": [7]'}
    entries = [
        {**tricky, "segmentation": [[1.5, -2e3], []], "bbox": [1, 2]},
        {"segmentation": {"size": [2, 3], "counts": [1, 5]}, "x": {"segmentation": [3]}},
        {"segmentation": [["a"]]},
        {"segmentation": []},
        7,
    ]
    text = json.dumps({"a": entries}, indent=1, ensure_ascii=False)
    seen = []
    read_object(text, {"a": lambda place, entry: seen.append(entry)}, ("segmentation", "counts"))
    assert seen == [
        {**tricky, "segmentation": [], "bbox": [1, 2]},
        {"segmentation": {"size": [2, 3], "counts": []}, "x": {"segmentation": []}},
        {"segmentation": [["a"]]},
        {"segmentation": []},
        7,
    ]
    with pytest.raises(ValueError, match="is not closed"):
        read_object('{"a": [{"segmentation": [1]', {"a": lambda *_: None}, ("segmentation",))


def test_broken_numbers_break_their_image_alone(tmp_path):
    write_coco(tmp_path, coco_content())
    write_coco_pictures(tmp_path)
    text = json.dumps(coco_content()).replace('"counts": [', '"counts": [1,,', 1)
    (tmp_path / "truth.json").write_text(text)
    reader = Coco("truth.json", "images", site=site(tmp_path))
    with pytest.raises(BenchError, match=r"truth\.json: not a JSON file"):
        reader.read("10")
    assert reader.read("2").targets == []


@pytest.mark.parametrize(
    "text", ['{"a": [1 2]}', '{"a": [1,]}', '{"a": [1]', '{"a": 1,}', '{"a" 1}', "{1: 2}", "{} x"]
)
def test_what_is_no_json_is_refused_entry_by_entry_too(text):
    with pytest.raises(ValueError, match=r".+"):
        read_object(text, {"a": lambda place, entry: None})
