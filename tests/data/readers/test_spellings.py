"""Pictures under another spelling than the file that lists them gives."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from bench.config.composing import load_configs
from bench.data.formats.spellings import nearest, settle_names
from bench.data.readers.coco import Coco
from bench.data.readers.via import Via
from bench.data.recognise import recognise
from bench.types import BenchError, Site

GREEN = "Gr\u00fcn.png"


def listed(folder: Path, said: list[str], there: list[str]) -> Path:
    """A COCO file of pictures under some names, in a folder where they lie under others."""
    for number, name in enumerate(there):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((5, 8, 3), number, np.uint8)).save(path)
    images = [{"id": n, "file_name": name} for n, name in enumerate(said)]
    annotations = [
        {"id": n, "image_id": n, "segmentation": [[1, 1, 5, 1, 5, 4]]} for n in range(len(said))
    ]
    content = {"images": images, "annotations": annotations}
    (folder / "ann.json").write_text(json.dumps(content))
    return folder


def opened(folder: Path, strip: str = "") -> Coco:
    return Coco("ann.json", "images", site=Site(datasets=folder), strip=strip)


@pytest.mark.parametrize(
    ("said", "there"),
    [
        ("sub\\a.png", "sub/a.png"),
        ("my%20a.png", "my a.png"),
        ("my a.png", "my%20a.png"),
        ("a.PNG", "a.png"),
        ("Sub/A.png", "sub/a.png"),
        (normalize("NFC", GREEN), normalize("NFD", GREEN)),
        (normalize("NFD", GREEN), normalize("NFC", GREEN)),
        ("./sub//a.png", "sub/a.png"),
        ("sub\\" + normalize("NFD", "My%20Gr\u00fcn.PNG"), "sub/my gr\u00fcn.png"),
    ],
)
def test_a_picture_under_another_spelling_is_read_and_said(
    tmp_path: Path, said: str, there: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = listed(tmp_path, ["other.png", said], ["other.png", there])
    with caplog.at_level("INFO"):
        reader = opened(folder)
    assert reader.read("1").image.max() == 1
    assert reader.path("1") == folder / "images" / there
    if Path(said) == Path(there):  # the same to the system
        return
    assert "1 of its 2 pictures are there under another spelling" in caplog.text
    (oddity,) = reader.oddities()
    assert (oddity.kind, oddity.breaks) == ("picture under another spelling, taken", False)
    assert oddity.examples == (said,)
    way = recognise(folder)
    assert way.args["images"] == str(folder / "images")


def test_what_is_there_is_taken_as_it_is_named(tmp_path: Path) -> None:
    folder = listed(tmp_path, ["a.png", "A.png", "my%20a.png"], ["a.png", "A.png", "my%20a.png"])
    reader = opened(folder)
    assert [reader.read(str(n)).image.max() for n in range(3)] == [0, 1, 2]
    assert reader.oddities() == []


@pytest.mark.parametrize(
    ("said", "there"),
    [
        (["a.PNG"], ["a.png", "A.png"]),
        (["a.png", "A.png"], ["a.png"]),
        (["x.png", "%2e%2e/ann.json"], ["x.png"]),
        (["x.png", "b.png"], ["x.png", "b.jpg"]),
    ],
    ids=["two could be meant", "another name means it", "out of the folder", "another ending"],
)
def test_nothing_is_guessed(tmp_path: Path, said: list[str], there: list[str]) -> None:
    folder = listed(tmp_path, said, there)
    assert settle_names(folder / "images", said, "ann.json") == said


@pytest.mark.parametrize(
    ("said", "prefix"),
    [
        ("images/a.png", "images/"),
        ("images\\a.png", "images\\"),
        ("D:\\data\\images\\a.png", "D:\\data\\images\\"),
        ("..\\..\\media\\upload\\4\\a.png", "..\\..\\media\\upload\\4\\"),
        ("/home/someone/my project/a.png", "/home/someone/my project/"),
        ("/data/local-files/?d=images/a.png", "/data/local-files/?d=images/"),
        ("/it's/$HOME/a.png", "/it's/$HOME/"),
    ],
)
def test_the_argument_that_mends_a_prefix_is_named_and_works(
    tmp_path: Path, said: str, prefix: str
) -> None:
    folder = listed(tmp_path, [said], ["a.png"])
    with pytest.raises(BenchError) as caught:
        opened(folder)
    words = re.search(r"'a\.png' is there: (.*) takes off", str(caught.value))
    assert words is not None
    (word,) = shlex.split(words[1])
    (config,) = load_configs(
        ["dataset=coco", "dataset.args.annotations=a", "dataset.args.images=b", word]
    )
    assert config.dataset.args["strip"] == prefix
    assert opened(folder, prefix).read("0").image.shape == (5, 8, 3)


def test_a_recognised_folder_takes_the_prefix_off(tmp_path: Path) -> None:
    folder = listed(tmp_path, ["D:\\x\\a.png", "D:\\x\\b.png"], ["a.png", "b.png"])
    way = recognise(folder)
    assert (way.args["strip"], way.args["images"]) == ("D:\\x\\", str(folder / "images"))


def test_a_wrong_folder_is_said_with_the_whole_name(tmp_path: Path) -> None:
    folder = listed(tmp_path, ["train/a.png"], ["z.png"])
    with pytest.raises(BenchError, match=r"'train/a\.png' for one; is this the right folder"):
        opened(folder)
    assert nearest(folder / "images", "train/a.png") is None


def test_via_reads_pictures_under_another_spelling(tmp_path: Path) -> None:
    folder = listed(tmp_path, ["a.PNG"], ["a.png"])
    (folder / "via.json").write_text(json.dumps({"k": {"filename": "a.PNG", "regions": []}}))
    reader = Via("via.json", "images", site=Site(datasets=folder))
    assert reader.ids() == ["a.PNG"]
    assert reader.read("a.PNG").image.shape == (5, 8, 3)
