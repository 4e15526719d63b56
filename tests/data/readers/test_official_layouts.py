"""Every dataset's YAML opens its official layout, and its masks are the truth pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from bench.data.oddities import oddities_of
from bench.types import BenchError

from .kinds import open_official
from .official import OFFICIAL

CONF = Path(__file__).parents[3] / "conf" / "dataset"

RENDERED_OR_INSTALLED = {"shapes", "photos"}
OWN_DATA = {
    *("coco", "coco_panoptic", "label_image", "labelme_folder", "mask_folder", "sa_co"),
    "yolo_folder",
}

# Nobody has told the format of its files: who has them tells it in the arguments.
UNKNOWN = {"ibd": {"folder": "ibd", "images": "images/{id}.jpg", "labels": "labels/{id}.png"}}

KEYS = ("title", "what", "split", "licence", "citation", "homepage", "expected")
KEYS += ("sure", "unknown", "gate", "size", "get")

PAPER = {
    *("ppdls", "bbbc038", "doors", "timberseg", "ndd20", "lvis_v0_5_val", "streets"),
    *("zerowaste_f", "ishape", "ade20k", "ovis", "hypersim", "ndispark", "visor"),
    *("plittersdorf", "egohos", "ibd", "woodscape", "cityscapes", "pidray", "dram"),
    *("trashcan", "gtea"),
}


def yaml_of(name):
    return yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))


def opened(name, folder, **changed):
    return open_official(name, folder, **{**UNKNOWN.get(name, {}), **changed})


def test_every_dataset_is_here():
    names = {path.stem for path in CONF.glob("*.yaml")}
    assert names == set(OFFICIAL) | RENDERED_OR_INSTALLED | OWN_DATA
    assert names >= PAPER
    assert len(PAPER) == 23


@pytest.fixture(params=sorted(OFFICIAL))
def name(request):
    return request.param


CLUSTERS = {
    "ovis": {"af48b2f9/img_0000001": "1", "af48b2f9/img_0000002": "1"},
    "visor": dict.fromkeys(["P01_107_frame_0000000007", "P01_107_frame_0000000049"], "P01_107"),
    "chase_db1": {"01/L": "01", "01/R": "01"},
    "davis_2016": {"blackswan/00000": "blackswan"},
    "hypersim": {"ai_001_010/cam_00/0003": "ai_001_010", "ai_055_001/cam_00/0003": "ai_055_001"},
}
"""What images belong to, where the layout tells: videos and scenes. Others stand alone."""


def test_frames_belong_to_their_video(name, tmp_path):
    truth = OFFICIAL[name](tmp_path)
    reader = opened(name, tmp_path)
    found = {image_id: reader.read(image_id).cluster for image_id in truth}
    assert found == CLUSTERS.get(name, dict.fromkeys(truth))


def test_masks_are_the_truth_pixel_by_pixel(name, tmp_path):
    truth = OFFICIAL[name](tmp_path)
    reader = opened(name, tmp_path)
    assert sorted(reader.ids()) == sorted(truth)
    for image_id, masks in truth.items():
        sample = reader.read(image_id)
        assert [target.mask_id for target in sample.targets] == list(masks)
        for target in sample.targets:
            assert np.array_equal(target.mask.dense(), masks[target.mask_id]), target.mask_id
            assert sample.ignore is None or not (target.mask.dense() & sample.ignore).any()


def test_what_is_known_without_decoding_is_what_reading_finds(name, tmp_path):
    OFFICIAL[name](tmp_path)
    reader = opened(name, tmp_path)
    for image_id in reader.ids():
        assert reader.path(image_id).is_file()
        if hasattr(reader, "mask_count"):
            crowds = [target.crowd for target in reader.read(image_id).targets]
            assert reader.mask_count(image_id) == crowds.count(False)


def test_half_a_download_is_refused_or_told(name, tmp_path):
    """Without the pictures nothing opens: a run can't measure another dataset unnoticed."""
    OFFICIAL[name](tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix.lower() in (".jpg", ".bmp") or (
            (
                path.suffix.lower() == ".png"
                and path.parent.name in ("img", "data", "prescaled", "images", "rgb_images", "hard")
            )
            or path.name.endswith(("_rgb.png", "_leftImg8bit.png"))
        ):
            path.unlink()
    with pytest.raises(BenchError) as caught:
        opened(name, tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_there_says_where_it_was_looked_for(name, tmp_path):
    with pytest.raises(BenchError, match=r"no such (file|folder); .*runtime\.datasets=PATH"):
        opened(name, tmp_path)


def test_the_fingerprint_does_not_know_the_place_and_notices_changed_pictures(name, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    OFFICIAL[name](here)
    first = sorted(OFFICIAL[name](there))[:1]
    before, of_first = opened(name, here).fingerprint(), opened(name, here).fingerprint(first)
    assert before == opened(name, there).fingerprint()
    for path in tmp_path.glob("here/**/*"):
        if path.suffix.lower() in (".jpg", ".png", ".bmp"):
            path.write_bytes(path.read_bytes() + b"\0")
    after = opened(name, here)
    assert after.fingerprint() != before
    assert after.fingerprint(first) != of_first


def test_oddities_are_told_without_reading_a_picture(name, tmp_path):
    OFFICIAL[name](tmp_path)
    for oddity in oddities_of(opened(name, tmp_path)):
        assert oddity.count >= len(oddity.examples) > 0
        assert not oddity.breaks, oddity


def test_the_yaml_says_all_that_a_reader_of_it_asks(name):
    about = yaml_of(name)["about"]
    assert [key for key in KEYS if key not in about] == []
    assert set(about["expected"]) == {"images", "masks"}
    for key in ("what", "split", "licence", "citation", "sure", "unknown", "get"):
        assert isinstance(about[key], str), key
        assert about[key]
    assert (about.get("paper") is not None) == (name in PAPER)
    head = (CONF / f"{name}.yaml").read_text(encoding="utf-8").partition("\nname:")[0]
    assert "<runtime.datasets>/" in head or name == "ibd"
