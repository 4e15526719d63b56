"""Edges out of masks: the masks of SAM's own generator, and slopes as the paper's words say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pycocotools import mask as coco_mask
from segment_anything import SamAutomaticMaskGenerator
from small_sam import SmallSam

from bench.config.composing import load_component
from bench.models.loading import load_model
from bench.tasks import automatic
from bench.tasks.automatic import candidates, grid_prompts
from bench.tasks.edges.filters import FILTERS
from bench.tasks.edges.segmented import apart, edges_of, slopes_of
from bench.tasks.edges.suppression import ridges, spread
from bench.types import BenchError, Mask, Prediction, Site


def site() -> Site:
    return Site(device="cpu", datasets=Path(), checkpoints=Path())


def in_batches(work, items):
    for start in range(0, len(items), 64):
        yield work(items[start : start + 64])


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    rng = np.random.default_rng(2)
    image = cv2.GaussianBlur(rng.integers(0, 256, (61, 94, 3), dtype=np.uint8), (0, 0), 4)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)


def found_in(picture: np.ndarray, side: int = 16):
    segmenter = SmallSam(site=site())
    (embedding,) = segmenter.embed([picture])
    prompts = grid_prompts(picture.shape[:2], side)
    return candidates(segmenter, embedding, prompts, in_batches, 0.0, lambda each: each)


def test_of_a_slow_model_is_told_how_far_a_picture_has_come(
    picture: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(automatic, "EVERY", 0.0)
    caplog.set_level("INFO", logger="bench")
    found_in(picture, 12)
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(" are answered")[0] for line in said] == [
        "64 of a picture's 144 points", "128 of a picture's 144 points"
    ]  # fmt: skip
    caplog.clear()
    monkeypatch.undo()
    found_in(picture, 2)
    assert caplog.records == []


def test_the_masks_are_those_of_segment_anythings_own_generator() -> None:
    from skimage.data import coffee  # comes with the library

    image = cv2.resize(coffee(), (150, 100), interpolation=cv2.INTER_AREA)
    demo = load_model(load_component("model", "demo"), site())
    generator = SamAutomaticMaskGenerator(
        demo._sam, points_per_side=6, pred_iou_thresh=0.0, stability_score_thresh=0.0,
        box_nms_thresh=0.7, output_mode="uncompressed_rle",
    )  # fmt: skip
    theirs = {
        coco_mask.frPyObjects(one["segmentation"], *one["segmentation"]["size"])["counts"].decode()
        for one in generator.generate(image)
    }
    (embedding,) = demo.embed([image])
    prompts = grid_prompts(image.shape[:2], 6)
    found = candidates(demo, embedding, prompts, in_batches, 0.0, lambda each: each)
    ours = {each.mask.to_rle() for each in apart(found, 0.7)}
    assert 20 < len(theirs) < len(found)
    assert ours == theirs - {Mask.empty(*image.shape[:2]).to_rle()}  # which has no edge


def test_slopes_are_those_of_whole_pictures_of_probabilities(picture: np.ndarray) -> None:
    found = found_in(picture, side=4)
    expected = np.zeros(picture.shape[:2], np.float32)
    for each in found:
        canvas = F.interpolate(
            each.logits[None, None], each.frame.canvas, mode="bilinear", align_corners=False
        )[..., : each.frame.content[0], : each.frame.content[1]]
        values = F.interpolate(canvas, each.frame.image, mode="bilinear", align_corners=False)
        probability = torch.sigmoid(values[0, 0]).numpy()
        mask = each.mask.dense().astype(np.uint8)
        outside = (cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0) & (mask == 0)
        slope = np.hypot(
            cv2.Sobel(probability, cv2.CV_32F, 1, 0), cv2.Sobel(probability, cv2.CV_32F, 0, 1)
        )
        expected = np.maximum(expected, np.where(outside, slope, 0))
    found_slopes = slopes_of(found, picture.shape[:2])
    assert expected.max() > 0
    assert found_slopes == pytest.approx(expected, abs=1e-5 * float(expected.max()) + 1e-7)
    assert np.array_equal(edges_of(found, picture.shape[:2]), ridges(spread(found_slopes)))


def test_no_mask_gives_no_edge() -> None:
    assert apart([], 0.7) == []
    assert not edges_of([], (7, 12)).any()


def test_the_grid_lies_at_the_middle_of_its_cells() -> None:
    points = np.array([prompt.points[0] for prompt in grid_prompts((30, 80), 4)])
    assert points[0].tolist() == [10.0, 3.75]
    assert points[1].tolist() == [30.0, 3.75]
    assert points[-1].tolist() == [70.0, 26.25]
    assert len(points) == 16


def test_an_answer_that_is_no_number_is_an_error() -> None:
    class Broken:
        def predict(self, embeddings, prompts, multimask):
            logits = torch.full((len(prompts), 3, 4, 4), torch.nan)
            frames = [found.frame] * len(prompts)
            return Prediction(logits, torch.zeros(len(prompts), 3), frames)

    found = found_in(np.zeros((20, 33, 3), np.uint8), side=1)[0]
    with pytest.raises(BenchError, match="NaN or infinity"):
        candidates(Broken(), None, grid_prompts((20, 33), 2), in_batches, 0.0, lambda each: each)


def test_a_ridge_stays_and_its_flanks_go() -> None:
    rows, columns = np.indices((40, 60), dtype=np.float32)
    for distance in (rows - 17, columns - 31, (rows - columns) / np.sqrt(2)):
        strength = np.exp(-((distance / 2.5) ** 2)).astype(np.float32)
        inner = np.s_[6:-6, 6:-6]
        kept = ridges(strength)[inner] > 0.2
        assert kept.any()
        assert np.abs(distance[inner][kept]).max() <= 0.75
        assert (np.abs(distance[inner]) < 0.3)[kept].sum() > 0.9 * min(kept.shape) * 0.9


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_filters_find_the_edge_of_a_bright_half(name: str) -> None:
    image = np.full((31, 52, 3), 40, np.uint8)
    image[:, 20:] = 200
    strength = FILTERS[name](image)
    assert strength.shape == (31, 52)
    assert (strength.min(), strength.max() <= 1) == (0, True)
    lines = np.argwhere(strength[4:-4] > 0.5 * strength.max())
    assert set(lines[:, 1]) <= {18, 19, 20, 21}
    assert len(lines) >= 23
    assert not FILTERS[name](np.full((9, 14, 3), 77, np.uint8)).any()


def test_a_constant_map_is_spread_to_nothing() -> None:
    assert not spread(np.full((3, 5), 0.4, np.float32)).any()
    assert spread(np.array([[2.0, 4.0, 3.0]])).tolist() == [[0.0, 1.0, 0.5]]
