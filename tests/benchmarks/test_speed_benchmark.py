"""The speed benchmark compares rows that are equal, and would see it if they weren't."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run as benchmark
import torch
from host_cost import frame_of, write_answers
from known_answers import Known, read_answers
from pictures import coco_files, write_pictures
from small_sam import build_small_sam
from speed_cases import CASES, Case, known

from bench.data.readers.coco import Coco
from bench.models.numerics import Numerics
from bench.models.sam_segmenter import SamSegmenter
from bench.prompts.placement import distance_max
from bench.types import FloatArray, Mask, Site


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # so that the loop's predicted IoUs have the bench's last bits
    yield
    torch.set_num_threads(before)


def measured(*override: str, case: Case | None = None) -> benchmark.Figures:
    words = [*override, "runtime.device=cpu"]
    chosen = argparse.Namespace(
        scenes=2, repeats=1, override=words, objects=10, nuts=None, threads=None
    )
    (shapes,) = (case for case in CASES if case.name == "demo_shapes")
    return benchmark.measure(case or shapes, chosen)


class WideSam(SamSegmenter):
    """SAM's own grids, but for the rest as small as can be."""

    def __init__(self, dtype: str = "float32", *, site: Site) -> None:
        super().__init__(build_small_sam(side=1024), site, numerics=Numerics(dtype))

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        return Numerics.of(args).identity()


class KnownWideSam(Known, WideSam):
    """The same, whose answers are as real ones."""


def three_pictures(folder: Path, chosen: argparse.Namespace) -> list[str]:
    write_pictures(folder, [(120, 160), (300, 200), (90, 400)], [3, 5, 4])
    own = ["~model.args.radius", "~model.args.stride"]  # of the YAML's class
    return ["model=disk", *own, "dataset=coco", *coco_files(folder)]


KNOWN = Case("known", "answers as real ones", known(three_pictures, f"{__name__}.KnownWideSam"))


@pytest.mark.long
@pytest.mark.parametrize("mode", [[], ["model.args.dtype=bfloat16"]])
def test_known_answers_are_the_same_for_bench_and_loop_in_every_mode(mode: list[str]) -> None:
    figures = measured(*mode, case=KNOWN)
    assert (figures.images, figures.masks) == (3, 12)
    assert figures.answers == 12 * 5
    assert figures.differing_rows == 0
    assert min(figures.loop + figures.bench + figures.floor) > 0


def test_known_answers_are_near_their_targets_and_better_by_clicks(tmp_path: Path) -> None:
    write_pictures(tmp_path, [(300, 200)], [4])
    reader = Coco(
        annotations=str(tmp_path / "annotations.json"), images=str(tmp_path / "images"), site=Site()
    )
    write_answers(reader, tmp_path / "answers")
    (answers,) = read_answers(tmp_path / "answers", torch.device("cpu")).values()
    sample = reader.read(reader.ids()[0])
    ious = [
        [iou(answers.to(first_click(target.mask), None, clicks), target.mask) for clicks in (1, 3)]
        for target in sample.targets
    ]
    one, three = np.mean(ious, axis=0)
    assert 0.5 < one < three < 1
    with pytest.raises(LookupError, match="no target of cue"):
        answers.to(np.array([0, 0], np.float32), None, 1)


def first_click(mask: Mask) -> FloatArray:
    """(x, y) of a target's first click."""
    return np.array(distance_max(mask, np.random.default_rng(0)), np.float32)


def iou(logits: torch.Tensor, mask: Mask) -> float:
    """Of one candidate on the picture."""
    frame = frame_of(*mask.shape)
    resize = partial(torch.nn.functional.interpolate, mode="bilinear", align_corners=False)
    canvas = resize(logits[None], size=frame.canvas)
    content = canvas[..., : frame.content[0], : frame.content[1]]
    dense = (resize(content, size=frame.image)[0, 0] > 0).numpy()
    truth = mask.dense()
    return float((dense & truth).sum() / (dense | truth).sum())


@pytest.mark.long
@pytest.mark.parametrize("images", [2, 1])
def test_bench_and_loop_give_the_same_rows_to_the_bit(images: int) -> None:
    figures = measured(f"runtime.limit={images}")
    assert figures.images == images
    assert figures.answers > 50 * images
    assert figures.differing_rows == 0
    assert figures.largest_predicted == 0
    assert not figures.differs


@pytest.mark.long
def test_another_mode_is_seen_to_differ() -> None:
    figures = measured("model.args.dtype=bfloat16")
    assert figures.differs
    assert 0 < figures.differing_rows <= figures.answers
    assert any(one.changed_masks > 0 for one in figures.moved)
