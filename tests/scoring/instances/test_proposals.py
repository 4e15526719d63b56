"""Proposals matched with targets: the average recall of pycocotools, whatever the category."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.scoring.instances.matching import IOUS, SIZES
from bench.scoring.instances.proposals import ranks, recalled
from bench.scoring.overlap import overlaps
from bench.tasks.proposals.generator import Proposal
from bench.tasks.proposals.task import shares
from bench.types import Mask, Sample, Target

SHAPE = (130, 210)


def blob(rng: np.random.Generator, least: int, most: int) -> np.ndarray:
    """A rectangle with a corner off, somewhere."""
    mask = np.zeros(SHAPE, dtype=bool)
    height, width = rng.integers(least, most, 2)
    y, x = rng.integers(0, SHAPE[0] - height), rng.integers(0, SHAPE[1] - width)
    mask[y : y + height, x : x + width] = True
    mask[y : y + height // 3, x : x + width // 3] = False
    return mask


def moved(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    shifted = np.roll(mask, rng.integers(-6, 7, 2), axis=(0, 1))
    return shifted if rng.random() < 0.8 else shifted | mask


def pictures(seed: int) -> list[tuple[Sample, list[Proposal], list[Target]]]:
    """Pictures with targets of every size and frequency, crowds, and proposals near them."""
    rng = np.random.default_rng(seed)
    found = []
    for image in range(4):
        targets = []
        for number in range(int(rng.integers(3, 9))):
            mask = blob(rng, *[(6, 30), (33, 60), (100, 120)][number % 3])
            targets.append(
                Target(
                    f"{image}/{number}", Mask.from_dense(mask), crowd=rng.random() < 0.2,
                    attributes={"frequency": ("frequent", "common", "rare")[number % 3 % 2]},
                )
            )  # fmt: skip
        square = np.zeros(SHAPE, dtype=bool)
        square[5:37, 8:40] = True  # 32², small and medium
        targets.append(Target(f"{image}/square", Mask.from_dense(square)))
        proposals = []
        for number in range(int(rng.integers(15, 150))):
            target = targets[int(rng.integers(len(targets)))].mask.dense()
            mask = Mask.from_dense(moved(rng, target) if rng.random() < 0.7 else blob(rng, 5, 90))
            assert mask.box is not None
            proposals.append(Proposal(mask.to_rle(), mask.box, 1 - number / 1000, 0.5))
        sample = Sample(f"{image}", np.zeros((*SHAPE, 3), np.uint8), targets)
        found.append((sample, proposals, targets))
    return found


def by_coco(found: Any, only: str | None = None) -> dict[str, float]:
    """The recall that pycocotools gives, categories left aside; of one frequency alone."""
    images, annotations, results = [], [], []
    for number, (_, proposals, targets) in enumerate(found, start=1):
        images.append({"id": number, "height": SHAPE[0], "width": SHAPE[1]})
        for target in targets:
            if only and not target.crowd and target.attributes.get("frequency") != only:
                continue
            rle = {"size": list(SHAPE), "counts": target.mask.to_rle()}
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": 1,
                 "iscrowd": int(target.crowd), "area": target.mask.area, "segmentation": rle,
                 "bbox": [0, 0, 1, 1]}
            )  # fmt: skip
        results += [
            {"image_id": number, "category_id": 1, "score": each.score,
             "segmentation": {"size": list(SHAPE), "counts": each.counts}}
            for each in proposals
        ]  # fmt: skip
    truth = COCO()
    truth.dataset = {"images": images, "annotations": annotations,
                     "categories": [{"id": 1, "name": "object"}]}  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "segm")
        evaluation.params.useCats = 0
        evaluation.params.maxDets = [10, 100, 1000]
        evaluation.evaluate()
        evaluation.accumulate()
    recall = evaluation.eval["recall"][:, 0]
    told = {
        f"ar_{first}": recall[:, 0, place].mean() for place, first in enumerate((10, 100, 1000))
    }
    told |= {f"ar_1000_{size}": recall[:, 1 + n, 2].mean() for n, size in enumerate(SIZES)}
    return told


def ours(found: Any) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for sample, proposals, targets in found:
        counting = [target for target in targets if not target.crowd]
        crowds = [target for target in targets if target.crowd]
        ious = overlaps([each.counts for each in proposals], [*counting, *crowds], sample)
        for name, values in shares(counting, len(crowds), ious).items():
            columns.setdefault(name, []).extend(v for v in values if v is not None)
    return {name: float(np.mean(values)) for name, values in columns.items() if values}


@pytest.mark.parametrize("seed", range(6))
def test_the_recall_is_that_of_pycocotools(seed: int) -> None:
    found = pictures(seed)
    told, expected = ours(found), by_coco(found)
    assert 0.1 < expected["ar_1000"] < 0.95
    assert expected["ar_10"] < expected["ar_100"]
    for name, value in expected.items():
        assert told[name] == pytest.approx(value, abs=1e-12), name
    for frequency in ("frequent", "common"):
        only = by_coco(found, frequency)["ar_1000"]
        assert told[f"ar_1000_{frequency}"] == pytest.approx(only, abs=1e-12)
    assert "ar_1000_rare" not in told


def by_lvis(
    found: Any, most: int, *, only: str | None = None, apart: bool = False
) -> list[dict[str, float]]:
    """The recall that lvis-api gives of the first so many proposals, by size, for each category.

    All targets, or those of one frequency, are of category 1; ``apart`` has the common ones in 2.
    Proposals are of the last category. Every picture lists some categories as absent (3, which has
    no target) and some as not looked for to the end.
    """
    lvis = pytest.importorskip("lvis", reason="lvis is not installed (make install does)")
    images, annotations, results = [], [], []
    for number, (_, proposals, targets) in enumerate(found, start=1):
        lists = {"neg_category_ids": [3], "not_exhaustive_category_ids": [1, 2][: number % 3]}
        images.append({"id": number, "height": SHAPE[0], "width": SHAPE[1], **lists})
        for target in targets:
            frequency = target.attributes.get("frequency")
            if only in (None, frequency) or target.crowd:
                rle = {"size": list(SHAPE), "counts": target.mask.to_rle()}
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": number, "area": target.mask.area,
                     "category_id": 1 + (apart and frequency == "common"),
                     "ignore": int(target.crowd), "segmentation": rle}
                )  # fmt: skip
        results += [
            {"image_id": number, "score": each.score, "category_id": 1 + apart,
             "segmentation": {"size": list(SHAPE), "counts": each.counts}}
            for each in proposals
        ]  # fmt: skip
    truth = lvis.LVIS.__new__(lvis.LVIS)  # its constructor reads a file
    truth.logger = logging.getLogger("lvis")
    names = [{"id": n, "name": f"{n}", "frequency": "c"} for n in (1, 2, 3)]
    truth.dataset = {"images": images, "annotations": annotations, "categories": names}
    truth._create_index()
    evaluation = lvis.LVISEval(truth, lvis.LVISResults(truth, results, max_dets=most), "segm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "float", float, raising=False)  # which NumPy has no more
        evaluation.evaluate()
        evaluation.accumulate()
    recall = evaluation.eval["recall"].mean(axis=0)
    return [dict(zip(["all", *SIZES], each.tolist(), strict=True)) for each in recall]


SAYS_WARN = pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")
"""Of loggers, which lvis-api calls so."""


@SAYS_WARN
@pytest.mark.parametrize("seed", range(6))
def test_the_recall_is_that_of_lvis_where_all_are_of_one_category(seed: int) -> None:
    found = pictures(seed)
    told = ours(found)
    for first in (10, 100, 1000):
        value = by_lvis(found, first)[0]["all"]
        assert told[f"ar_{first}"] == pytest.approx(value, abs=1e-9)
    sizes = by_lvis(found, 1000)[0]
    for size in SIZES:
        assert told[f"ar_1000_{size}"] == pytest.approx(sizes[size], abs=1e-9)
    for frequency in ("frequent", "common"):
        only = by_lvis(found, 1000, only=frequency)[0]["all"]
        assert told[f"ar_1000_{frequency}"] == pytest.approx(only, abs=1e-9)


@SAYS_WARN
@pytest.mark.parametrize("seed", range(3))
def test_of_a_category_of_its_own_lvis_finds_what_is_ours_of_that_group_and_nothing_else(
    seed: int,
) -> None:
    found = pictures(seed)
    others, common, absent = by_lvis(found, 1000, apart=True)
    assert common["all"] == pytest.approx(ours(found)["ar_1000_common"], abs=1e-9)
    assert common["all"] > 0.1
    assert (others["all"], absent["all"]) == (0, -1)


def plain(ious: np.ndarray, aside: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """The rule in loops: proposals in turn, each for its best target that is free."""
    proposals, targets = ious.shape
    found = np.full((len(IOUS), targets), proposals)
    for t, threshold in enumerate(IOUS):
        for d in range(proposals):
            best, value = -1, min(threshold, 1 - 1e-10)
            for counts in (True, False):
                for g in range(targets):
                    if (not (aside[g] or crowds[g])) != counts:
                        continue
                    if found[t, g] < proposals and not crowds[g]:
                        continue
                    if ious[d, g] >= value:
                        best, value = g, ious[d, g]
                if best >= 0:
                    break
            if best >= 0:
                found[t, best] = d
    return found


@pytest.mark.parametrize("seed", range(30))
def test_ranks_are_those_of_plain_loops_also_where_ious_are_equal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    proposals, targets = rng.integers(0, 12), rng.integers(0, 7)
    ious = rng.integers(8, 21, (proposals, targets)) / 20
    aside, crowds = rng.random((2, targets)) < 0.25
    counts = ~(aside | crowds)
    assert np.array_equal(
        ranks(ious, aside, crowds)[:, counts], plain(ious, aside, crowds)[:, counts]
    )


def test_the_first_few_proposals_are_what_they_were_alone() -> None:
    rng = np.random.default_rng(4)
    ious = rng.random((40, 9))
    none = np.zeros(9, dtype=bool)
    places = ranks(ious, none, none)
    for first in (1, 7, 39, 40, 100):
        alone = ranks(ious[:first], none, none)
        assert np.array_equal(recalled(places, first, 40), recalled(alone, first, min(first, 40)))


def test_pixels_that_count_in_no_score_are_left_out_of_both() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[10:30, 10:30] = True
    ignore = np.zeros(SHAPE, dtype=bool)
    ignore[:, 20:] = True
    half = mask & ~ignore
    target = Target("a", Mask.from_dense(mask))
    sample = Sample("1", np.zeros((*SHAPE, 3), np.uint8), [target], ignore)
    whole = Mask.from_dense(half | ignore)
    proposal = Proposal(whole.to_rle(), (0, 0, 1, 1), 1.0, 1.0)
    assert overlaps([proposal.counts], [target], sample).tolist() == [[1.0]]
    assert coco_mask.area({"size": list(SHAPE), "counts": whole.to_rle()}) > half.sum()
