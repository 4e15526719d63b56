"""A whole dataset with every kind of oddity in it, counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.config.component import Component
from bench.data.readers.coco import Coco
from bench.data.readers.mask_folder import MaskFolder
from bench.report.check.dataset import Check, area_quantiles, check_dataset
from bench.report.check.page import render, write_check
from bench.report.check.tables import as_json, sections, sentences
from bench.types import Site

NASTY = "</script><img src=x onerror=alert(1)>&\"'"


def write(folder: Path) -> Path:
    """Three pictures, one of them broken, one turned by EXIF, one not there; seven masks."""
    (folder / "images").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    Image.fromarray(noise).save(folder / "images" / "a.jpg", exif=exif)
    Image.fromarray(noise[..., 0]).save(folder / "images" / "b.png")
    (folder / "images" / "broken.png").write_bytes(b"no picture")
    square = [[4, 4, 14, 4, 14, 14, 4, 14]]
    segmentations: list[tuple[int, Any, int]] = [
        (1, square, 0),
        (1, square, 0),
        (1, [[10, 10, 20, 10, 20, 20, 10, 20]], 0),
        (1, [[0, 0, 3, 0, 3, 3, 0, 3]], 0),
        (1, [[30, 2, 38, 2, 38, 9, 30, 9], [30, 15, 38, 15, 38, 25, 30, 25]], 0),
        (1, [[2, 2, 30, 2, 30, 28, 2, 28]], 1),
        (2, [], 0),
        (3, square, 0),
    ]
    content = {
        "images": [
            {"id": 1, "file_name": "a.jpg"},
            {"id": 2, "file_name": "b.png"},
            {"id": 3, "file_name": "broken.png"},
            {"id": 4, "file_name": "b.png"},
            {"id": 5, "file_name": "gone.png"},
        ],
        "categories": [{"id": 1, "name": NASTY}],
        "annotations": [
            {"id": n, "image_id": i, "category_id": 1, "segmentation": s, "iscrowd": crowd}
            for n, (i, s, crowd) in enumerate(segmentations)
        ],
    }
    (folder / "truth.json").write_text(json.dumps(content))
    return folder


def checked(folder: Path, expected: dict[str, int] | None = None, **options: Any) -> Check:
    about = {"title": NASTY, "expected": expected or {}, "licence": "CC0", "unknown": NASTY}
    part = Component("odd", "1", "bench.data.readers.coco.Coco", {"images": "images"}, about)
    reader = Coco("truth.json", "images", site=Site(datasets=folder))
    return check_dataset(part, reader, **options)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Check:
    folder = write(tmp_path_factory.mktemp("odd"))
    return checked(folder, {"images": 5, "masks": 6}, threads=2, pictures=True)


def test_what_is_counted(odd: Check) -> None:
    assert (odd.images, odd.read, odd.masks, odd.crowds) == (5, 3, 6, 1)
    assert {f.what: f.count for f in odd.findings} == {
        "images without a mask": 1,
        "images whose picture is not there": 1,
        "image ids that are there twice": 0,
        "pictures equal to the pixel to one under an earlier id": 1,
        "mask ids that are there twice": 0,
        "masks without a pixel": 1,
        "masks of 1 to 63 pixels": 1,
        "crowds, regions of several objects": 1,
        "masks of several parts (8-connected)": 1,
        "masks of the whole picture (99 % or more)": 0,
        "masks at the picture's border": 1,
        "masks that share pixels with another, crowds aside": 3,
        "masks that another of the picture equals to the pixel": 2,
    }
    assert dict(odd.shapes) == {(30, 40): 3}
    assert dict(odd.kinds) == {"PNG L": 2, "JPEG RGB": 1}
    assert dict(odd.orientations) == {1: 2, 6: 1}
    assert dict(odd.categories) == {NASTY: 7}
    assert odd.mask_counts == {"1": 5, "2": 1, "4": 0}


def test_what_cant_be_read_is_named(odd: Check) -> None:
    assert [error.image_id for error in odd.unreadable] == ["3", "5"]
    assert "broken.png" in odd.unreadable[0].reason
    assert "gone.png" in odd.unreadable[1].reason
    assert not odd.holds


def test_it_says_what_speaks_for_itself(odd: Check) -> None:
    said = " ".join(sentences(odd))
    assert "odd: 6 masks (1 of them crowds) in 3 of 5 images." in said
    assert "As many images and masks as expected." in said
    assert "2 images can't be read." in said
    assert "pictures with an EXIF orientation that is not applied: 1, such as " in said
    assert "dataset.args.exif=apply" in said


@pytest.mark.parametrize(
    ("turns", "says"),
    [
        ({1: 2}, None),
        ({1: 2, 6: 1}, "1 picture has an EXIF orientation, and exif: apply turns it."),
        ({3: 1, 6: 1}, "2 pictures have an EXIF orientation, and exif: apply turns them."),
    ],
)
def test_what_is_turned_is_said(odd: Check, turns: dict[int, int], says: str | None) -> None:
    reads = replace(odd.dataset, args={**odd.dataset.args, "exif": "apply"})
    said = sentences(replace(odd, dataset=reads, orientations=Counter(turns), doubts=()))
    assert [line for line in said if "EXIF" in line] == ([says] if says else [])


@pytest.mark.parametrize(
    ("expected", "holds", "verdicts"),
    [
        ({"images": 2, "masks": 1}, True, ["as expected", "as expected"]),
        ({"images": 2, "masks": 2}, False, ["as expected", "differs"]),
        ({"images": 3}, False, ["differs"]),
        ({"images": None}, True, []),
        ({}, True, []),
    ],
)
def test_expectations(
    tmp_path: Path, expected: dict[str, Any], holds: bool, verdicts: list[str]
) -> None:
    folder = write(tmp_path)
    content = json.loads((folder / "truth.json").read_text())
    content["images"] = [i for i in content["images"] if i["id"] in (2, 4)]
    square = {"id": 9, "image_id": 4, "category_id": 1, "segmentation": [[4, 4, 9, 4, 9, 9]]}
    content["annotations"] = [square]
    (folder / "truth.json").write_text(json.dumps(content))
    check = checked(folder, expected)
    assert [e.verdict for e in check.expectations] == verdicts
    assert check.holds == holds


def test_a_limited_check_compares_no_masks(tmp_path: Path) -> None:
    check = checked(write(tmp_path), {"images": 5, "masks": 6}, limit=2)
    assert [e.verdict for e in check.expectations] == ["as expected", "not compared"]
    assert (check.images, check.read) == (5, 2)
    assert check.holds
    assert "Only the first 2 were looked at" in " ".join(sentences(check))


def test_threads_change_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert as_json(checked(folder, threads=1)) == as_json(checked(folder, threads=4))


def test_areas(odd: Check) -> None:
    assert list(area_quantiles(odd)) == [
        "smallest",
        "quarter",
        "median",
        "three quarters",
        "largest",
    ]
    assert area_quantiles(odd)["smallest"] == min(odd.areas) < 64
    assert list(odd.areas) == sorted(odd.areas)


def test_the_json_is_json(odd: Check) -> None:
    again = json.loads(json.dumps(as_json(odd), allow_nan=False))
    assert again["holds"] is False
    assert again["exif_orientations"] == {"1": 2, "6": 1}
    assert again["expectations"][1] == {
        "what": "masks",
        "expected": 6,
        "found": 6,
        "verdict": "as expected",
    }


def test_tables_without_a_line_are_left_out(odd: Check, tmp_path: Path) -> None:
    names = [section.name for section in sections(odd) if section.name != "oddities"]
    assert names == ["counts", "unreadable", "findings", "sizes", "areas", "categories", "files",
                     "orientations"]  # fmt: skip


def test_the_table_of_orientations_has_those_that_turn(odd: Check) -> None:
    (found,) = (section for section in sections(odd) if section.name == "orientations")
    assert [tuple(row) for row in found.rows] == [("6, to be turned clockwise by 90°", "1")]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_stands_alone_and_escapes_everything(odd: Check, tmp_path: Path) -> None:
    page = write_check(odd, tmp_path / "out").read_text()
    tags = Tags()
    tags.feed(page)
    pictures = [attributes for tag, attributes in tags.found if tag == "img"]
    assert len(pictures) >= 6
    assert all((p["src"] or "").startswith("data:image/webp;base64,") for p in pictures)
    assert all(p["alt"] for p in pictures)
    assert not any(name.startswith("on") for _, a in tags.found for name in a)
    assert [tag for tag, _ in tags.found].count("script") == 1
    assert not [a for tag, a in tags.found if tag in ("link", "iframe", "object")]
    assert "Not as it should be" in page
    assert "&lt;/script&gt;" in page
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert {"index.html", "report.json", "counts.csv", "findings.csv"} <= set(written)


def test_a_page_without_pictures(tmp_path: Path) -> None:
    page = render(checked(write(tmp_path)))
    assert "<img" not in page
    assert 'id="pictures"' not in page


def test_a_reader_that_names_its_oddities_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.data.oddities import Oddity

    told = [Oddity("polygon of two points, left out", 3, ("a", "b", "c"), breaks=False)]
    monkeypatch.setattr(Coco, "oddities", lambda self: told, raising=False)
    check = checked(write(tmp_path))
    assert [o.count for o in check.oddities] == [3, 1]  # and a picture that is turned
    (table,) = (section for section in sections(check) if section.name == "oddities")
    assert table.rows[0] == ("polygon of two points, left out", "a, b, c", "", "3")


def test_a_folder_of_masks(coco_folder: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.new("RGBA", (20, 10)).save(tmp_path / name / "picture.png")
    Image.new("1", (20, 10), 1).save(tmp_path / "one" / "mask.png")
    reader = MaskFolder(".", "{id}/picture.png", "{id}/mask*.png", site=Site(datasets=tmp_path))
    check = check_dataset(Component("m", "1", "t"), reader)
    assert (check.masks, check.areas) == (1, (200,))
    assert check.findings[0].examples == ("two",)
    assert dict(check.kinds) == {"PNG RGBA": 2}
