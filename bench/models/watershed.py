"""The watershed from markers: the plainest classical method of regions, as a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from bench.models.grids import stack_grids
from bench.models.seeds import BACKGROUND, FOREGROUND, seeds_of
from bench.types import BenchError, BoolArray, Frame, ImageArray, Prediction, Prompt, Site

NO_ESTIMATE = 0.5


class Watershed:
    """The watershed from markers (Meyer, 1992) as in OpenCV, flooded in order of colour steps.

    Markers are the seeds of ``bench.models.seeds`` on the image's own pixels, with discs of ``dot``
    pixels. ``blur`` is the standard deviation in pixels of a Gaussian that takes off noise before,
    none where it is 0. The watershed's own line, a pixel wide, is no object. Without a foreground
    seed there is none; where all seeds are foreground, all is.

    Earlier logits are accepted and not looked at: the clicks say it all. The method doesn't
    estimate its own quality, so the predicted IoU is always 0.5, and it has one answer, so
    ``multimask`` changes nothing. Logits are +1 and -1 on the image's own pixels.
    """

    prompt_kinds = frozenset({"points", "box", "mask_logits", "scribble"})

    def __init__(self, blur: float = 2.0, dot: int = 2, *, site: Site) -> None:
        if blur < 0 or dot < 0:
            raise BenchError(f"the watershed needs blur ≥ 0 and dot ≥ 0, found {blur} and {dot}")
        self.blur, self.dot, self._device = blur, dot, site.device

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """Every argument, defaults included."""
        model = cls(**args, site=site)
        return {"blur": model.blur, "dot": model.dot}

    @property
    def facts(self) -> Mapping[str, str]:
        """OpenCV's version and where the logits are put; the method itself runs on the CPU."""
        return {"device": self._device, "opencv": cv2.__version__}

    def embed(self, images: Sequence[ImageArray]) -> list[ImageArray]:
        """The images blurred, with a rim of a pixel: OpenCV draws a line along the border."""
        rim = ((1, 1), (1, 1), (0, 0))
        calm = [cv2.GaussianBlur(i, (0, 0), self.blur) if self.blur else i for i in images]
        return [np.pad(image, rim, mode="edge").astype(np.uint8) for image in calm]

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Logits ±1 (N, 1, H, W) and predicted IoU 0.5 (N, 1)."""
        grids, frames = [], []
        for framed, prompt in zip(embeddings, prompts, strict=True):
            size = (framed.shape[0] - 2, framed.shape[1] - 2)
            mask = self._flooded(framed, size, prompt)
            grids.append(np.where(mask, 1.0, -1.0).astype(np.float32)[None])
            frames.append(Frame.identity(size))
        scores = [[NO_ESTIMATE]] * len(grids)
        return stack_grids(grids, scores, frames, 1, self._device)

    def _flooded(self, framed: ImageArray, size: tuple[int, int], prompt: Prompt) -> BoolArray:
        seeds = seeds_of(prompt, size, size, self.dot)
        if not (seeds == BACKGROUND).any():
            return np.full(size, bool((seeds == FOREGROUND).any()))
        markers = np.pad(seeds, 1)
        cv2.watershed(framed, markers)
        found: BoolArray = markers[1:-1, 1:-1] == FOREGROUND
        return found
