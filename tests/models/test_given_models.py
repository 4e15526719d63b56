"""Models that are given from Python: what tells them apart, and predictors of every kind asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from small_sam import SmallSam, build_small_sam

from bench.models.in_memory import held
from bench.models.loading import load_model, model_class
from bench.types import BenchError, ImageArray, Prompt, Segmenter, Site
from bench.types.cues import MaskCue

POINT = Prompt(points=np.array([[30, 20]], np.float32), labels=np.ones(1, np.int64))
BOX = Prompt(box=np.array([5, 4, 40, 30], np.float32))


def picture(seed: int = 0, size: tuple[int, int] = (48, 72)) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


class Halves:
    """Answers with what is brighter than the picture's mean, on the point's side; no weights."""

    def set_image(self, image: ImageArray) -> None:
        self.bright = image.mean(axis=2) > image.mean()

    def predict(self, point_coords: Any = None, point_labels: Any = None) -> Any:
        masks = np.stack([self.bright, ~self.bright])
        x, y = point_coords[0].astype(int)
        scores = np.array([0.25, 0.5]) if masks[1, y, x] else np.array([0.75, 0.5])
        return masks, scores


SHARED: dict[str, Any] = {}


class SharedHalves(Halves):
    """The same, whose picture lies where all copies see it."""

    def set_image(self, image: ImageArray) -> None:
        SHARED["bright"] = image.mean(axis=2) > image.mean()

    @property
    def bright(self) -> Any:
        return SHARED["bright"]


@contextmanager
def opened(thing: Any, name: str | None = None, version: str | None = None) -> Iterator[Segmenter]:
    with held(thing, name, version) as component:
        yield load_model(component, Site())


def args_of(thing: Any, name: str | None = None, version: str | None = None) -> dict[str, Any]:
    with held(thing, name, version) as component:
        return component.args


def test_a_predictors_logits_and_their_way_back_are_those_of_the_sam_itself() -> None:
    predictor = SamPredictor(build_small_sam())
    expected = SamPredictor(build_small_sam())
    images = [picture(0), picture(1, (96, 40))]
    with opened(predictor) as model:
        embeddings = model.embed(images)
        asked = [(1, POINT), (0, BOX), (1, POINT)]
        first = model.predict([embeddings[i] for i, _ in asked], [p for _, p in asked], True)
        fed = [
            p.having(MaskCue(g[1].numpy())) for (_, p), g in zip(asked, first.logits, strict=True)
        ]
        again = model.predict([embeddings[i] for i, _ in asked], fed, False)
    for number, (i, prompt) in enumerate(asked):
        expected.set_image(images[i])
        said: dict[str, Any] = (
            {"box": prompt.box}
            if prompt.box is not None
            else {"point_coords": prompt.points, "point_labels": prompt.labels}
        )
        masks, scores, low = expected.predict(**said, return_logits=True)
        height = images[i].shape[0]
        np.testing.assert_array_equal(first.logits[number][:, :height], masks)
        np.testing.assert_array_equal(first.predicted_iou[number], scores)
        masks, scores, _ = expected.predict(
            **said, mask_input=low[1:2], multimask_output=False, return_logits=True
        )
        assert masks.shape[0] == 1
        np.testing.assert_array_equal(again.logits[number][:, :height], masks)
        np.testing.assert_array_equal(again.predicted_iou[number], scores)
        assert first.frames[number].content == images[i].shape[:2]
    assert not predictor.is_image_set, "the predictor itself is left as it was"


@pytest.mark.parametrize("kind", [Halves, SharedHalves])
def test_pictures_stay_apart_whether_or_not_copies_do(kind: type[Halves]) -> None:
    images = [picture(seed) for seed in range(3)]
    with opened(kind(), "halves", "1") as model:
        assert model.prompt_kinds == {"points"}
        embeddings = model.embed(images)
        order = [2, 0, 1, 0, 2]
        found = model.predict([embeddings[i] for i in order], [POINT] * len(order), True)
        (one,) = model.predict(embeddings[:1], [POINT], False).logits
    for i, grid in zip(order, found.logits, strict=True):
        bright = images[i].mean(axis=2) > images[i].mean()
        np.testing.assert_array_equal(grid.numpy() > 0, np.stack([bright, ~bright]))
    bright = images[0].mean(axis=2) > images[0].mean()
    surest = bright if bright[20, 30] else ~bright
    np.testing.assert_array_equal(one.numpy() > 0, surest[None])


def test_a_point_alone_is_not_a_box() -> None:
    with opened(Halves(), "halves", "1") as model, pytest.raises(BenchError, match="takes no box"):
        model.predict(model.embed([picture()]), [BOX], False)


class Thresholded(Halves):
    """Logits with a threshold of 3."""

    mask_threshold = 3.0

    def predict(
        self, point_coords: Any = None, point_labels: Any = None, return_logits: bool = False
    ) -> Any:
        masks = np.where(self.bright, 3.5, 2.5)[None]
        return masks if return_logits else masks > self.mask_threshold, np.array([0.5])


def test_logits_count_above_the_predictors_own_threshold() -> None:
    image = picture()
    with opened(Thresholded(), "t", "1") as model:
        (grid,) = model.predict(model.embed([image]), [POINT], False).logits
    np.testing.assert_array_equal(grid[0].numpy() > 0, image.mean(axis=2) > image.mean())


def changed(sam: Sam, change: Callable[[Sam], None]) -> Sam:
    change(sam)
    return sam


def _weight(sam: Sam) -> None:
    with torch.no_grad():
        next(sam.mask_decoder.parameters()).view(-1)[3] += 1e-6


def _unsaved_buffer(sam: Sam) -> None:
    assert "pixel_mean" not in sam.state_dict()
    sam.pixel_mean += 1


def _setting(sam: Sam) -> None:
    sam.image_encoder.blocks[0].window_size = 4


def test_a_model_is_told_by_its_weights_buffers_and_settings() -> None:
    sams = [build_small_sam(), build_small_sam()]
    sams += [changed(build_small_sam(), each) for each in (_weight, _unsaved_buffer, _setting)]
    first, same, *others = [args_of(SamPredictor(sam))["identity"] for sam in sams]
    assert first == same
    hashes = [each["weights"] for each in (first, *others)]
    assert len(set(hashes)) == len(hashes)
    used = SamPredictor(build_small_sam())
    used.set_image(picture())
    assert args_of(used)["identity"] == first, "a picture that is set changes nothing"


def test_a_segmenter_answers_as_it_is_and_is_told_by_its_attributes() -> None:
    one, other = SmallSam(site=Site()), SmallSam(site=Site())
    other._prompt_batch = 5
    assert args_of(one) != args_of(other)
    with opened(one) as model:
        assert model.prompt_kinds == one.prompt_kinds
        embeddings = model.embed([picture()])
        found = model.predict(embeddings, [POINT], True)
    expected = one.predict(one.embed([picture()]), [POINT], True)
    np.testing.assert_array_equal(found.logits, expected.logits)


def test_a_model_is_there_for_its_context_alone() -> None:
    with held(Halves(), "halves", "1") as component:
        assert model_class(component).prompt_kinds == {"points"}
    with pytest.raises(BenchError, match="given from Python"):
        model_class(component)


class NoPoints(Halves):
    def predict(self, text: str = "") -> Any:  # type: ignore[override]
        return None


@pytest.mark.parametrize(
    ("thing", "name", "version", "says"),
    [
        (3, None, None, "a int is neither a predictor"),
        (Halves, None, None, "Halves is a class; give an object"),
        (Halves(), None, None, "holds no weights .*bench.Given"),
        (Halves(), "halves", None, "holds no weights"),
        (Halves(), "a/b", "1", "the name 'a/b' holds '/'"),
        (NoPoints(), "n", "1", "its predict takes text, expected point_coords"),
        (SamPredictor(build_small_sam().train()), None, None, "in training mode"),
    ],
)
def test_what_is_no_model_is_refused(thing: Any, name: Any, version: Any, says: str) -> None:
    with pytest.raises(BenchError, match=says) as caught, held(thing, name, version):
        pass
    assert "\n" not in str(caught.value)


class Answering(Halves):
    """Gives what it is told to, with a way back."""

    def __init__(self, *found: Any) -> None:
        self.found = found

    def predict(  # type: ignore[override]
        self,
        point_coords: Any,
        point_labels: Any,
        mask_input: Any = None,
        multimask_output: bool = True,
    ) -> Any:
        if not self.found:
            raise RuntimeError("no\nidea")
        return self.found


MASKS = np.zeros((1, 48, 72), bool)
LOW = np.zeros((1, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ((), "predict fails: RuntimeError: no idea"),
        ((MASKS, np.ones(1)), "gives a tuple of 2, expected masks, scores and the masks"),
        ((MASKS[0], np.ones(1), LOW), r"gives masks \(48, 72\), expected \(K, 48, 72\)"),
        ((MASKS.transpose(0, 2, 1), np.ones(1), LOW), r"gives masks \(1, 72, 48\)"),
        ((MASKS[:0], np.ones(0), LOW[:0]), r"gives masks \(0, 48, 72\)"),
        ((MASKS, np.ones(2), LOW), r"gives scores \(2,\) for 1 masks"),
        ((MASKS, "high", LOW), "gives scores that are a str"),
        ((MASKS + 0.5, np.ones(1), LOW), "that are not 0 and 1"),
        ((MASKS, np.ones(1), LOW[0]), r"gives a third value \(4, 4\)"),
        ((np.repeat(MASKS, 3, 0), np.ones(3), np.repeat(LOW, 3, 0)), "gives 3 masks with"),
    ],
)
def test_answers_of_other_shapes_are_refused(found: tuple[Any, ...], says: str) -> None:
    with opened(Answering(*found), "answering", "1") as model:
        embeddings = model.embed([picture()])
        with pytest.raises(BenchError, match=says) as caught:
            model.predict(embeddings, [POINT], False)
    assert "\n" not in str(caught.value)
