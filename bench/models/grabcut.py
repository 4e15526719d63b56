"""GrabCut: a classical interactive method as a baseline without any learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.models.grids import own_part, stack_grids
from bench.types import BenchError, Frame, ImageArray, Prediction, Prompt, Site

SEED = 0
CLUSTERS = 5  # Gaussians per side in OpenCV's GrabCut: each side needs as many pixels
NO_ESTIMATE = 0.5

Trimap = npt.NDArray[np.uint8]


class GrabCut:
    """GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) as in OpenCV, with 5 Gaussians a side.

    What is known before the first of ``iterations`` rounds:

    * a box: all outside is background, all inside probably foreground (OpenCV's own start from
      a rectangle, ``GC_INIT_WITH_RECT``);
    * no box: all is probably background, but for a disc around each positive click that is
      probably foreground; its radius is ``reach`` times the image's short side;
    * mask logits: their sign says what is probably foreground, within the box if there is one,
      and takes the place of those discs;
    * clicks: a disc of ``dot`` pixels' radius is foreground or background for certain; where
      clicks overlap the later one holds.

    OpenCV's k-means draws at random, so its generator is seeded before each prompt: the answer
    depends on the image and the prompt alone. Where one side has no 5 pixels to learn a colour
    from (a box over the whole image, a box of one pixel), or nothing is left as foreground, the
    answer is the region that was probably foreground at the start.

    The method has no estimate of its own quality: the predicted IoU is always 0.5. It has one
    answer, so ``multimask`` changes nothing. Logits are +1 and -1 on the image's own pixels.
    """

    prompt_kinds = frozenset({"points", "box", "mask_logits"})

    def __init__(
        self, iterations: int = 5, reach: float = 0.25, dot: int = 2, *, site: Site
    ) -> None:
        if iterations < 1 or reach <= 0 or dot < 0:
            raise BenchError(
                f"GrabCut needs iterations ≥ 1, reach > 0 and dot ≥ 0, "
                f"found {iterations}, {reach} and {dot}"
            )
        self.iterations = iterations
        self.reach = reach
        self.dot = dot
        self._device = site.device

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """Every argument, defaults included."""
        model = cls(**args, site=site)
        return {"iterations": model.iterations, "reach": model.reach, "dot": model.dot}

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

    def _segment(self, image: ImageArray, prompt: Prompt) -> npt.NDArray[np.bool_]:
        known = self._trimap((image.shape[0], image.shape[1]), prompt)
        start = _foreground(known)
        if min(np.count_nonzero(start), np.count_nonzero(~start)) < CLUSTERS:
            return start
        cv2.setRNGSeed(SEED)
        background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
        whole = (0, 0, 0, 0)  # the rectangle is not looked at: the trimap says it all
        mode = cv2.GC_INIT_WITH_MASK
        cv2.grabCut(image, known, whole, background, foreground, self.iterations, mode)
        found = _foreground(known)
        return found if found.any() else start

    def _trimap(self, size: tuple[int, int], prompt: Prompt) -> Trimap:
        """What the prompt says of every pixel, in OpenCV's four values: (H, W)."""
        short = min(size)
        positive = [_pixel(p) for p in prompt.points[prompt.labels == 1]]
        probable = np.zeros(size, np.uint8)
        if prompt.mask_logits is not None:
            probable[own_part(prompt.mask_logits, size) > 0] = 1
        elif prompt.box is None:
            for centre in positive:
                cv2.circle(probable, centre, max(1, round(self.reach * short)), 1, cv2.FILLED)
        else:
            probable[:] = 1
        known: Trimap = np.where(probable == 1, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        if prompt.box is not None:
            inside = np.zeros(size, dtype=bool)
            inside[_within(prompt.box, size)] = True
            known[~inside] = cv2.GC_BGD
        for point, label in zip(prompt.points, prompt.labels, strict=True):
            sure = cv2.GC_FGD if label == 1 else cv2.GC_BGD
            cv2.circle(known, _pixel(point), self.dot, sure, cv2.FILLED)
        return known


def _foreground(known: Trimap) -> npt.NDArray[np.bool_]:
    foreground: npt.NDArray[np.bool_] = np.isin(known, (cv2.GC_FGD, cv2.GC_PR_FGD))
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
