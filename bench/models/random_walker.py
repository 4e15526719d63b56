"""The random walker: a classical interactive method with soft answers, as a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import cv2
import numpy as np

from bench.models.grids import stack_grids
from bench.models.seeds import BACKGROUND, FOREGROUND, Seeds, seeds_of
from bench.types import BenchError, FloatArray, Frame, ImageArray, Prediction, Prompt, Site

NO_ESTIMATE = 0.5
SURE = 1e-4  # probabilities are kept this far from 0 and 1, so that logits are finite


class RandomWalker:
    """The random walker (Grady, PAMI 2006) as in scikit-image.

    A pixel belongs to the object if a walker that avoids edges in colour more likely reaches a
    foreground seed than a background one; seeds are those of ``bench.models.seeds``, with discs of
    ``dot`` pixels. ``beta`` is the method's own: the larger, the less an edge is crossed.

    The picture is shrunk to a long side of at most ``side`` pixels first, since each prompt solves
    a linear system of one unknown per pixel. Earlier logits are accepted and not looked at: the
    clicks say it all. The method doesn't estimate its own quality, so the predicted IoU is always
    0.5, and it has one answer, so ``multimask`` changes nothing.

    Raises ``BenchError`` without scikit-image and for settings out of range.
    """

    prompt_kinds = frozenset({"points", "box", "mask_logits", "scribble"})

    def __init__(self, beta: float = 130.0, dot: int = 2, side: int = 256, *, site: Site) -> None:
        if beta <= 0 or dot < 0 or side < 16:
            raise BenchError(
                f"the random walker needs beta > 0, dot ≥ 0 and side ≥ 16, "
                f"found {beta}, {dot} and {side}"
            )
        try:
            from skimage.segmentation import random_walker
        except ImportError:
            raise BenchError(
                "the random walker is scikit-image's: pip install 'sam-bench[demo]'"
            ) from None
        self._walk = random_walker
        self._beta, self._dot, self._side, self._device = beta, dot, side, site.device

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """Every argument, defaults included."""
        model = cls(**args, site=site)
        return {"beta": model._beta, "dot": model._dot, "side": model._side}

    @property
    def facts(self) -> Mapping[str, str]:
        """scikit-image's version and where the logits are put; the method runs on the CPU."""
        return {"device": self._device, "scikit-image": metadata.version("scikit-image")}

    def embed(self, images: Sequence[ImageArray]) -> list[tuple[FloatArray, tuple[int, int]]]:
        """Each image shrunk, (h, w, 3) in [0, 1], and its own (H, W)."""
        embeddings = []
        for image in images:
            height, width = image.shape[:2]
            scale = min(1.0, self._side / max(height, width))
            size = max(1, round(scale * width)), max(1, round(scale * height))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            embeddings.append(((small / 255.0).astype(np.float32), (height, width)))
        return embeddings

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Log-odds of the object on the shrunk pixels (N, 1, h, w), and predicted IoU 0.5."""
        grids, frames = [], []
        for (picture, image), prompt in zip(embeddings, prompts, strict=True):
            grid = (picture.shape[0], picture.shape[1])
            seeds = seeds_of(prompt, grid, image, self._dot)
            odds = self._log_odds(picture, seeds)
            grids.append(odds[None])
            frames.append(Frame(canvas=grid, content=grid, image=image))
        scores = [[NO_ESTIMATE]] * len(grids)
        return stack_grids(grids, scores, frames, 1, self._device)

    def _log_odds(self, picture: FloatArray, seeds: Seeds) -> FloatArray:
        present = {label for label in (BACKGROUND, FOREGROUND) if (seeds == label).any()}
        if present != {BACKGROUND, FOREGROUND} or not (seeds == 0).any():
            return np.where(seeds == FOREGROUND, 1.0, -1.0).astype(np.float32)
        chances = self._walk(
            picture,
            seeds,
            beta=self._beta,
            mode="cg_j",
            tol=1e-4,
            prob_tol=1.0,  # what the solver overshoots is clipped below
            return_full_prob=True,
            channel_axis=-1,
        )
        chance = np.clip(chances[1], SURE, 1 - SURE)
        odds: FloatArray = np.log(chance / (1 - chance)).astype(np.float32)
        return odds
