"""IoU, boundary IoU, Dice, precision and recall against other implementations."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from oddities import odd_masks, random_blob
from pycocotools import mask as coco_mask

from bench.scoring.metrics.boundary_iou import band_width, boundary_iou
from bench.scoring.metrics.dice import dice
from bench.scoring.metrics.iou import iou
from bench.scoring.metrics.precision import precision
from bench.scoring.metrics.recall import recall
from bench.types import BoolArray
from bench.types.mask import Mask


def published_boundary(mask: BoolArray, ratio: float = 0.02) -> BoolArray:
    """Cheng et al.'s definition on the whole image: w erosions by 3×3 of the zero-padded mask."""
    height, width = mask.shape
    steps = max(1, round(ratio * np.sqrt(height**2 + width**2)))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=steps)
    return mask & ~eroded[1:-1, 1:-1].astype(bool)


def published_iou(a: BoolArray, b: BoolArray) -> float:
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 0.0


def test_iou_equals_pycocotools() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        a, b = random_blob(rng, 23, 37), random_blob(rng, 23, 37)
        rles = [coco_mask.encode(np.asfortranarray(m, dtype=np.uint8)) for m in (a, b)]
        expected = float(coco_mask.iou([rles[0]], [rles[1]], [False])[0, 0])
        assert iou(Mask.from_dense(a), Mask.from_dense(b)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("size", [(23, 37), (90, 160), (300, 180)])
def test_boundary_iou_equals_the_published_definition(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        a, b = random_blob(rng, *size), random_blob(rng, *size)
        expected = published_iou(published_boundary(a), published_boundary(b))
        assert boundary_iou(Mask.from_dense(a), Mask.from_dense(b)) == expected


@pytest.mark.parametrize("a", odd_masks())
@pytest.mark.parametrize("b", odd_masks())
def test_odd_masks(a: str, b: str) -> None:
    dense_a, dense_b = odd_masks()[a], odd_masks()[b]
    masks = Mask.from_dense(dense_a), Mask.from_dense(dense_b)
    assert iou(*masks) == published_iou(dense_a, dense_b)
    expected = published_iou(published_boundary(dense_a), published_boundary(dense_b))
    assert boundary_iou(*masks) == expected


def test_the_band_grows_with_the_diagonal() -> None:
    assert band_width((5, 5)) == 1
    assert band_width((3000, 4000)) == 100


def test_masks_of_different_images_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        iou(Mask.from_dense(np.ones((2, 3), bool)), Mask.from_dense(np.ones((3, 2), bool)))


@pytest.mark.parametrize("a", odd_masks())
@pytest.mark.parametrize("b", odd_masks())
def test_dice_precision_and_recall_equal_counts_of_pixels(a: str, b: str) -> None:
    found, truth = odd_masks()[a], odd_masks()[b]
    hits, extra, missed = (found & truth).sum(), (found & ~truth).sum(), (truth & ~found).sum()
    masks = Mask.from_dense(found), Mask.from_dense(truth)
    assert precision(*masks) == (hits / (hits + extra) if hits else 0)
    assert recall(*masks) == (hits / (hits + missed) if hits else 0)
    assert dice(*masks) == (2 * hits / (2 * hits + extra + missed) if hits else 0)


def test_dice_equals_scipy() -> None:
    distance = pytest.importorskip("scipy.spatial.distance")
    rng = np.random.default_rng(3)
    for _ in range(50):
        a, b = random_blob(rng, 23, 37), random_blob(rng, 23, 37)
        expected = 1 - distance.dice(a.ravel(), b.ravel())
        assert dice(Mask.from_dense(a), Mask.from_dense(b)) == pytest.approx(expected, abs=1e-12)


# MONAI 1.6 wraps tensors in a way that numpy 2 warns of.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
def test_overlaps_equal_monai() -> None:
    import torch
    from monai import metrics as monai

    rng = np.random.default_rng(4)
    pairs = [(random_blob(rng, 23, 37), random_blob(rng, 23, 37)) for _ in range(100)]
    odd = list(odd_masks(23, 37).values())
    pairs += [(a, b) for a in odd for b in odd]
    found, truth = (
        torch.from_numpy(np.stack(side)[:, None]).float() for side in zip(*pairs, strict=True)
    )
    confusion = monai.get_confusion_matrix(found, truth)
    empty = {"ignore_empty": False}
    theirs = {
        iou: monai.compute_iou(found, truth, **empty),
        dice: monai.compute_dice(found, truth, **empty),
        precision: monai.compute_confusion_matrix_metric("precision", confusion),
        recall: monai.compute_confusion_matrix_metric("recall", confusion),
    }
    for metric, expected in theirs.items():
        ours = [metric(Mask.from_dense(a), Mask.from_dense(b)) for a, b in pairs]
        defined = np.array([not (np.isnan(e) or not (a | b).any()) for e, (a, b) in
                            zip(expected[:, 0], pairs, strict=True)])  # fmt: skip
        assert defined.sum() > 150
        assert np.array(ours)[defined] == pytest.approx(expected[:, 0].numpy()[defined], abs=1e-6)
        assert not np.array(ours)[~defined].any()  # where they say NaN, or 1 for two empty masks
