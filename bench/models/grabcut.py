"""GrabCut: a classical interactive method as a baseline without any learning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.models.grids import own_part, stack_grids
from bench.types import BenchError, BoolArray, Frame, ImageArray, Prediction, Prompt, Site
from bench.types.regions import region_of
from bench.types.scribbles import strokes_of

SEED = 0
CLUSTERS = 5  # Gaussians per side in OpenCV's GrabCut: each side needs as many pixels
NO_ESTIMATE = 0.5
LEAST_AROUND = 16  # pixels beside what may be foreground, to learn the background's colours from
UNSAID = 255

Trimap = npt.NDArray[np.uint8]


class GrabCut:
    """GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) as in OpenCV, with 5 Gaussians a side.

    What is known before the first of ``iterations`` rounds:

    * a box: all outside is background, all inside probably foreground (OpenCV's own start from
      a rectangle, ``GC_INIT_WITH_RECT``);
    * no box: all is probably background, but for a disc around each positive click and each pixel
      of a positive stroke that is probably foreground; its radius is ``reach`` times the image's
      short side;
    * mask logits, or a given mask: their sign says what is probably foreground, within the box if
      there is one, and takes the place of those discs;
    * clicks and strokes: a disc of ``dot`` pixels' radius is foreground or background for certain;
      where they overlap the later one holds.

    The cut is made in a window alone: around what may be foreground by then, with ``around`` times
    its width and height on each side; all beyond is background. A window is shrunk until no more
    than ``undecided`` of its pixels are left to decide, which is what takes the time, and its
    answer enlarged. Without both (none) the cut is made in the whole image, which takes ten times
    as long and more; how far that moves the answers stands in ``benchmarks/results/grabcut.md``.

    OpenCV's k-means draws at random, so its generator is seeded before each prompt: the answer
    depends on the image and the prompt alone. Where one side has no 5 pixels to learn a colour
    from (a box over the whole image, a box of one pixel), or nothing is left as foreground, the
    answer is the region that was probably foreground at the start.

    The method has no estimate of its own quality: the predicted IoU is always 0.5. It has one
    answer, so ``multimask`` changes nothing. Logits are +1 and -1 on the image's own pixels.
    """

    prompt_kinds = frozenset({"points", "box", "mask_logits", "scribble", "mask"})

    def __init__(
        self,
        iterations: int = 5,
        reach: float = 0.25,
        dot: int = 2,
        around: float | None = 0.5,
        undecided: int | None = 128 * 128,
        *,
        site: Site,
    ) -> None:
        if iterations < 1 or reach <= 0 or dot < 0:
            raise BenchError(
                f"GrabCut needs iterations ≥ 1, reach > 0 and dot ≥ 0, "
                f"found {iterations}, {reach} and {dot}"
            )
        if (around is not None and around <= 0) or (undecided is not None and undecided < 256):
            raise BenchError(
                f"GrabCut's window needs around > 0 and undecided ≥ 256, or none, found {around} "
                f"and {undecided}"
            )
        self.iterations, self.reach, self.dot = iterations, reach, dot
        self.around, self.undecided = around, undecided
        self._device = site.device

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """Every argument, defaults included."""
        model = cls(**args, site=site)
        names = ("iterations", "reach", "dot", "around", "undecided")
        return {name: getattr(model, name) for name in names}

    @property
    def facts(self) -> Mapping[str, str]:
        """OpenCV's version and where the logits are put; the method itself runs on the CPU."""
        return {"device": self._device, "opencv": cv2.__version__}

    def embed(self, images: Sequence[ImageArray]) -> list[ImageArray]:
        """The images themselves, in OpenCV's channel order."""
        return [np.ascontiguousarray(image[..., ::-1]) for image in images]

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Logits ±1 (N, 1, H, W) and predicted IoU 0.5 (N, 1)."""
        grids, frames = [], []
        for image, prompt in zip(embeddings, prompts, strict=True):
            mask = self._segment(image, prompt)
            grids.append(np.where(mask, 1.0, -1.0).astype(np.float32)[None])
            frames.append(Frame.identity((image.shape[0], image.shape[1])))
        scores = [[NO_ESTIMATE]] * len(grids)
        return stack_grids(grids, scores, frames, 1, self._device)

    def _segment(self, image: ImageArray, prompt: Prompt) -> BoolArray:
        size = (image.shape[0], image.shape[1])
        known, sure = self._probable(size, prompt), self._sure(size, prompt)
        start = _foreground(_with_sure(known, sure))
        if not start.any():
            return start
        window = self._window(start)
        found = start.copy()
        found[:] = False
        found[window] = self._cut(image[window], known[window], sure[window])
        return found if found.any() else start

    def _cut(self, image: ImageArray, known: Trimap, sure: Trimap) -> BoolArray:
        """The foreground of a window: (h, w), what was probably foreground where none is found."""
        height, width = known.shape
        scale = self._scale(int(np.count_nonzero((known != cv2.GC_BGD) & (sure == UNSAID))))
        if scale < 1:
            size = max(1, round(scale * width)), max(1, round(scale * height))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
            known = cv2.resize(known, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
            sure = _shrunk(sure, size)
        known = _with_sure(known, sure)
        start = _foreground(known)
        found = start
        if min(np.count_nonzero(start), np.count_nonzero(~start)) >= CLUSTERS:
            cv2.setRNGSeed(SEED)
            background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
            whole = (0, 0, 0, 0)  # the rectangle is not looked at: the trimap says it all
            mode = cv2.GC_INIT_WITH_MASK
            pixels = np.ascontiguousarray(image)
            cv2.grabCut(pixels, known, whole, background, foreground, self.iterations, mode)
            found = _foreground(known)
        if scale < 1:
            share = found.astype(np.float32)
            enlarged = cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)
            return np.asarray(enlarged >= 0.5)
        return found

    def _scale(self, left: int) -> float:
        """How far a window with so many pixels left to decide is shrunk: 1 for not at all."""
        if self.undecided is None or left <= self.undecided:
            return 1.0
        return math.sqrt(self.undecided / left)

    def _window(self, start: BoolArray) -> tuple[slice, slice]:
        """The rows and columns that are looked at, around all that may be foreground."""
        if self.around is None:
            return slice(None), slice(None)
        found = []
        for axis, whole in ((1, start.shape[0]), (0, start.shape[1])):
            places = np.flatnonzero(start.any(axis=axis))
            first, last = int(places[0]), int(places[-1]) + 1
            margin = max(LEAST_AROUND, round(self.around * (last - first)))
            found.append(slice(max(0, first - margin), min(whole, last + margin)))
        return found[0], found[1]

    def _probable(self, size: tuple[int, int], prompt: Prompt) -> Trimap:
        """What the prompt makes likely of every pixel, in OpenCV's values: (H, W)."""
        probable = np.zeros(size, np.uint8)
        region = region_of(prompt)
        if prompt.mask_logits is not None:
            probable[own_part(prompt.mask_logits, size) > 0] = 1
        elif region is not None:
            probable[region.dense()] = 1
        elif prompt.box is None:
            radius = max(1, round(self.reach * min(size)))
            for centre, label in _places(prompt):
                if label == 1:
                    cv2.circle(probable, centre, radius, 1, cv2.FILLED)
        else:
            probable[:] = 1
        known: Trimap = np.where(probable == 1, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        if prompt.box is not None:
            inside = np.zeros(size, dtype=bool)
            inside[_within(prompt.box, size)] = True
            known[~inside] = cv2.GC_BGD
        return known

    def _sure(self, size: tuple[int, int], prompt: Prompt) -> Trimap:
        """What clicks and strokes say for certain: UNSAID, or OpenCV's value, (H, W)."""
        sure = np.full(size, UNSAID, np.uint8)
        for centre, label in _places(prompt):
            value = cv2.GC_FGD if label == 1 else cv2.GC_BGD
            cv2.circle(sure, centre, self.dot, value, cv2.FILLED)
        return sure


def _places(prompt: Prompt) -> Iterator[tuple[tuple[int, int], int]]:
    """The pixels (x, y) that clicks and strokes are on, each with its label."""
    for point, label in zip(prompt.points, prompt.labels, strict=True):
        yield _pixel(point), int(label)
    for stroke in strokes_of(prompt):
        for x, y in stroke.pixels().tolist():
            yield (x, y), stroke.label


def _with_sure(known: Trimap, sure: Trimap) -> Trimap:
    whole: Trimap = np.where(sure == UNSAID, known, sure)
    return whole


def _shrunk(sure: Trimap, size: tuple[int, int]) -> Trimap:
    """What is sure on a coarser grid (w, h): any of a cell's pixels will do, foreground first."""
    found: Trimap = np.full((size[1], size[0]), UNSAID, np.uint8)
    for value in (cv2.GC_BGD, cv2.GC_FGD):
        some = (sure == value).astype(np.float32)
        found[cv2.resize(some, size, interpolation=cv2.INTER_AREA) > 0] = value
    return found


def _foreground(known: Trimap) -> BoolArray:
    foreground: BoolArray = np.isin(known, (cv2.GC_FGD, cv2.GC_PR_FGD))
    return foreground


def _pixel(point: npt.NDArray[np.float32]) -> tuple[int, int]:
    """The (x, y) of the nearest pixel."""
    x, y = np.rint(point)
    return int(x), int(y)


def _within(box: npt.NDArray[np.float32], size: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns that a box (x0, y0, x1, y1), corners included, has in an image (H, W).

    At least one pixel, the nearest one where the box lies outside.
    """
    height, width = size
    x0, y0, x1, y1 = (int(value) for value in np.rint(box))
    left, top = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    right, bottom = min(max(x1, left), width - 1), min(max(y1, top), height - 1)
    return slice(top, bottom + 1), slice(left, right + 1)
