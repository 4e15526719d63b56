"""Data that changes between the two halves of a run, its names and sizes the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from finished import dataset_words, one_line
from PIL import Image
from whole_runs import Silent, comparable, configure, execute

from bench.analysis.comparing.comparison import compare
from bench.analysis.selection import select
from bench.cli import main
from bench.config.composing import RunConfig
from bench.run.driver import run
from bench.run.plan import make_plan
from bench.store.runs import RunStore
from bench.types import BenchError

WORDS = ["runtime.part_images=1", "runtime.workers=1"]


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Six pictures with a mask each, whose files have the same size whatever is in them."""
    rng = np.random.default_rng(11)
    for number in range(6):
        folder = tmp_path / "data" / f"p{number}"
        folder.mkdir(parents=True)
        pixels = rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "picture.bmp")
        draw(folder / "mask.bmp", 10)
    return tmp_path / "data"


def draw(path: Path, left: int) -> None:
    dense = np.zeros((40, 56), dtype=np.uint8)
    dense[8:30, left : left + 20] = 255
    Image.fromarray(dense).save(path)


def config_of(masks: Path, *words: str, prompt: str = "[box]") -> RunConfig:
    config = configure(masks, f"prompt={prompt}", *WORDS, *words)
    config.dataset.name, config.dataset.target = "own", "bench.data.readers.mask_folder.MaskFolder"
    config.dataset.args = {
        "folder": str(masks), "images": "{id}/picture.bmp", "masks": "{id}/mask.bmp",
    }  # fmt: skip
    return config


def test_a_mask_that_changed_under_its_size_stops_the_second_half(masks: Path) -> None:
    first = execute(config_of(masks, "runtime.limit=3"))
    path = masks / "p1" / "mask.bmp"
    data, size = path.read_bytes(), path.stat().st_size
    draw(path, 30)
    assert path.stat().st_size == size
    assert path.read_bytes() != data
    with pytest.raises(BenchError) as caught:
        make_plan(config_of(masks))
    said = str(caught.value)
    assert "dataset own has changed since this run began" in said
    assert "image p1 or its masks have other content" in said
    assert len(first.work.runs["box"].store.content().images) == 3
    path.write_bytes(data)
    os.utime(masks / "p0" / "picture.bmp", (1, 1))  # as a copy may have other times
    second = execute(config_of(masks))
    assert second.work.todo == ("p3", "p4", "p5")
    assert second.work.runs["box"].store.header()["status"] == "complete"
    assert comparable(second) == comparable(execute(config_of(masks, f"runtime.results={masks}/r")))


def test_an_image_that_is_not_done_yet_may_change(masks: Path) -> None:
    execute(config_of(masks, "runtime.limit=3"))
    draw(masks / "p4" / "mask.bmp", 30)
    assert execute(config_of(masks)).work.todo == ("p3", "p4", "p5")


@pytest.mark.parametrize("words", [["runtime.devices=[cpu,cpu]"]])
@pytest.mark.long
def test_workers_elsewhere_tell_what_they_read_too(masks: Path, words: list[str]) -> None:
    execute(config_of(masks, *words))
    draw(masks / "p5" / "mask.bmp", 30)
    with pytest.raises(BenchError, match="image p5 or its masks have other content"):
        make_plan(config_of(masks))


def test_a_half_of_an_earlier_release_goes_on_by_names_and_sizes(
    masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.data.origins.Origins.of", lambda self, image_ids: {})
    execute(config_of(masks, "runtime.limit=3"))
    monkeypatch.undo()
    draw(masks / "p1" / "mask.bmp", 30)
    assert execute(config_of(masks)).work.todo == ("p3", "p4", "p5")


def test_runs_on_different_content_stand_in_no_table_together(masks: Path) -> None:
    box = execute(config_of(masks)).work.runs["box"].store
    draw(masks / "p2" / "mask.bmp", 30)
    points = execute(config_of(masks, prompt="[point_1]")).work.runs["point_1"].store
    other = execute(config_of(masks, "model.name=other")).work.runs["box"].store
    said = "the files of image p2 held other content"
    for attempt in (lambda: select([box, points]), lambda: compare([box], [other])):
        with pytest.raises(BenchError, match=said):
            attempt()
    assert any(said in note for note in select([box, points], allow_partial=True).notes)
    assert said in compare([box], [other], allow_mixed=True).caption
    assert select([points, other]).notes == ()


def test_pictures_are_held_where_masks_lie_in_a_json(
    coco_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = coco_folder(images=4, masks=2)
    pictures = sorted((folder / "images").iterdir())
    for path in pictures:
        Image.open(path).save(path, compress_level=0)
    words = ["run", "model=disk", "prompt=[box]", *WORDS, *dataset_words(folder)]
    assert main([*words, "runtime.limit=2"]) == 0
    size = pictures[0].stat().st_size
    Image.fromarray(255 - np.array(Image.open(pictures[0]))).save(pictures[0], compress_level=0)
    assert pictures[0].stat().st_size == size
    capsys.readouterr()
    assert main(words) == 2
    assert "image 0 or its masks have other content" in one_line(capsys.readouterr().err)


def test_what_parts_tell_stays_when_they_are_merged(
    masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.store.compaction.MOST_SMALL", 2)
    plan = make_plan(config_of(masks))
    run(plan, Silent())
    store = RunStore(plan.work.runs["box"].store.folder)
    (part,) = store.survey().sound
    assert len(part.contents) == 6
    assert sorted(store.origins()) == [f"p{number}" for number in range(6)]
