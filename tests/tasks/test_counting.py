"""A run of which no mask would count says so before a model is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finished import dataset_words, one_line

from bench.cli import main
from bench.data.readers.coco import Coco
from bench.protocol import Protocol
from bench.tasks.counting import check_counts
from bench.types import BenchError, Site

Change = Callable[[dict[str, Any]], object]


def changed(folder: Path, change: Change, start: int = 0) -> Path:
    """The folder, its annotations changed from one of them on."""
    path = folder / "annotations.json"
    content = json.loads(path.read_text())
    for annotation in content["annotations"][start:]:
        change(annotation)
    path.write_text(json.dumps(content))
    return folder


def asked(folder: Path, protocol: Protocol, images: int = 3) -> None:
    reader = Coco("annotations.json", "images", site=Site(datasets=folder))
    check_counts("mine", protocol, reader, reader.ids()[:images])


KINDS: dict[str, tuple[Change, str]] = {
    "crowds": (
        lambda a: a.update(iscrowd=1),
        "none of the 6 masks of 3 images counts: "
        "6 crowds (protocol.args.crowd=include counts them)",
    ),
    "a box": (
        lambda a: a.update(segmentation=[[1, 2, 9, 8]]),
        "6 × polygon of fewer than 3 points, left out; is a segmentation a box there",
    ),
    "nothing": (
        lambda a: a.update(segmentation=[]),
        "6 without a pixel; 6 × annotation without a segmentation, an empty mask",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_why_no_mask_counts_is_said_with_what_mends_it(
    coco_folder: Callable[..., Path], kind: str
) -> None:
    change, words = KINDS[kind]
    folder = changed(coco_folder(images=3, masks=2), change)
    with pytest.raises(BenchError) as caught:
        asked(folder, Protocol())
    assert str(caught.value).startswith("mine: nothing to score: ")
    assert words in str(caught.value)
    if kind == "crowds":
        asked(folder, Protocol(crowd="include"))


def test_small_masks_are_counted_by_the_argument_that_is_named(
    coco_folder: Callable[..., Path],
) -> None:
    folder = coco_folder(images=3, masks=2)
    with pytest.raises(BenchError, match=r"6 smaller than min_area \(protocol\.args\.min_area=0"):
        asked(folder, Protocol(min_area=10_000))
    asked(folder, Protocol(min_area=0))


def test_one_mask_that_counts_is_enough(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(images=3, masks=2)
    path = folder / "annotations.json"
    content = json.loads(path.read_text())
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] == 2]
    path.write_text(json.dumps(content))
    asked(folder, Protocol())
    with pytest.raises(BenchError, match="no mask belongs to its 2 images"):
        asked(folder, Protocol(), images=2)


def test_an_image_that_cannot_be_read_is_the_runs_to_tell(
    coco_folder: Callable[..., Path],
) -> None:
    folder = changed(coco_folder(images=3, masks=2), lambda a: a.update(iscrowd=1))
    (folder / "images" / "001.png").write_bytes(b"none")
    asked(folder, Protocol())


def test_a_run_and_a_score_are_refused_before_there_is_anything(
    coco_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed(coco_folder(images=3, masks=2), lambda a: a.update(iscrowd=1))
    results = tmp_path / "theirs.json"
    results.write_text("[]")
    words = dataset_words(folder)
    for command in (
        ["run", "model=disk", "prompt=[box]", *words],
        ["run", "model=disk", "prompt=[box]", "--plan", *words],
        ["score", "--predictions", str(results), *words],
    ):
        assert main(command) == 2
        said = one_line(capsys.readouterr().err)
        assert "none of the 6 masks of 3 images counts: 6 crowds" in said
    assert not (folder.parent / "results" / "runs").exists()
