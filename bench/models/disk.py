"""A model without weights that answers with discs: fast, exact, and right for round things only.

It is made for tests and for trying a configuration out. It looks at no pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from bench.models.grids import own_part, stack_grids
from bench.types import BenchError, FloatArray, Frame, ImageArray, Prediction, Prompt, Site
from bench.types.regions import region_of

SCALES = (0.5, 1.0, 1.5)
FEEDBACK = 0.5  # image pixels that a clearly set earlier logit moves the edge by


class Disk:
    """Discs around the positive clicks, the ellipse inside the box, holes at the negative clicks.

    A disc's radius is ``radius`` times the image's short side, a hole's half of that. Logits are
    distances to the edge in image pixels, positive inside, and so depend on nothing but the
    prompt. ``mask_logits``, or a given mask, move the edge by up to half a pixel; without click
    and box they are the answer. Three candidates have the radius scaled by 0.5, 1 and 1.5, one
    has it as it is. The predicted IoU falls with the distance of the scale from 1 and of the
    prompt from the image's centre.

    With ``stride`` 1 the logits lie on the image's pixels. A larger one gives a square grid of
    about one value per ``stride`` pixels, on a canvas of twice its size that the image fills in
    part.
    """

    prompt_kinds = frozenset({"points", "box", "mask_logits", "mask"})

    def __init__(self, stride: int = 1, radius: float = 0.15, *, site: Site) -> None:
        if stride < 1 or not 0 < radius <= 1:
            raise BenchError(
                f"Disk needs a stride of at least 1 and a radius within (0, 1], "
                f"found {stride} and {radius}"
            )
        self.stride = stride
        self.radius = radius
        self._device = site.device

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """Every argument, defaults included."""
        model = cls(**args, site=site)
        return {"stride": model.stride, "radius": model.radius}

    @property
    def facts(self) -> Mapping[str, str]:
        """Device and versions."""
        return {"device": self._device, "dtype": "float32", "torch": str(torch.__version__)}

    def embed(self, images: Sequence[ImageArray]) -> list[tuple[int, int]]:
        """The (H, W) of each image: nothing else of it is looked at."""
        return [(image.shape[0], image.shape[1]) for image in images]

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Signed distances (N, K, h, w) in pixels and predicted IoU (N, K), K = 3 or 1."""
        scales = SCALES if multimask else (1.0,)
        frames = [self._frame(size) for size, _ in zip(embeddings, prompts, strict=True)]
        grids, scores = [], []
        for frame, prompt in zip(frames, prompts, strict=True):
            x, y = self._axes(frame)
            shapes = [self._shape(prompt, frame, x, y, scale) for scale in scales]
            grids.append(np.stack(shapes).astype(np.float32))
            away = _distance_from_centre(prompt, frame.image)
            scores.append([0.9 - 0.4 * abs(scale - 1) - 0.1 * away for scale in scales])
        return stack_grids(grids, scores, frames, len(scales), self._device)

    def _frame(self, image: tuple[int, int]) -> Frame:
        """The grid is the whole image for stride 1, else half of the canvas and square."""
        if self.stride == 1:
            return Frame.identity(image)
        content = tuple(max(1, round(2 * side / self.stride)) for side in image)
        canvas = 2 * (max(content) // 2 + 2)
        return Frame((canvas, canvas), (content[0], content[1]), image)

    def _axes(self, frame: Frame) -> tuple[FloatArray, FloatArray]:
        """The x (1, w) and y (h, 1) on the image, in pixel indices, of the grid's values."""
        step = 1 if self.stride == 1 else 2  # canvas cells per value
        axes = [
            (np.arange(canvas // step) + 0.5) * step * (image / content) - 0.5
            for canvas, content, image in zip(frame.canvas, frame.content, frame.image, strict=True)
        ]
        return axes[1][None, :], axes[0][:, None]

    def _shape(
        self, prompt: Prompt, frame: Frame, x: FloatArray, y: FloatArray, scale: float
    ) -> FloatArray:
        radius = max(self.radius * min(frame.image), 1.0)
        grid = (y.shape[0], x.shape[1])
        inside: FloatArray = np.full(grid, -np.inf)
        if prompt.box is not None:
            x0, y0, x1, y1 = (float(value) for value in prompt.box)
            a, b = (scale * max(side, 1.0) / 2 for side in (x1 - x0 + 1, y1 - y0 + 1))
            far = np.hypot((x - (x0 + x1) / 2) / a, (y - (y0 + y1) / 2) / b)
            inside = (1 - far) * min(a, b)
        for px, py in prompt.points[prompt.labels == 1]:
            inside = np.maximum(inside, scale * radius - np.hypot(x - px, y - py))
        earlier = _earlier(prompt, grid, x, y)
        if earlier is not None:
            moved = inside + FEEDBACK * np.tanh(earlier)
            inside = np.where(np.isneginf(inside), earlier, moved)
        inside = np.maximum(inside, -float(sum(frame.image)))  # finite where nothing was set
        for px, py in prompt.points[prompt.labels == 0]:
            inside = np.minimum(inside, np.hypot(x - px, y - py) - radius / 2)
        return inside


def _earlier(
    prompt: Prompt, grid: tuple[int, int], x: FloatArray, y: FloatArray
) -> FloatArray | None:
    """A prompt's logits on the grid, or those of a given mask, 1 inside and -1 outside; or none."""
    if prompt.mask_logits is not None:
        return own_part(prompt.mask_logits, grid)
    region = region_of(prompt)
    if region is None:
        return None
    rows = np.clip(np.rint(y[:, 0]), 0, region.height - 1).astype(int)
    columns = np.clip(np.rint(x[0]), 0, region.width - 1).astype(int)
    return np.where(region.dense()[np.ix_(rows, columns)], 1.0, -1.0).astype(np.float32)


def _distance_from_centre(prompt: Prompt, image: tuple[int, int]) -> float:
    """How far off the prompt is from the image's centre, 1 at a corner; 0 for mask logits alone."""
    height, width = image
    if prompt.box is not None:
        x, y = float(prompt.box[0::2].mean()), float(prompt.box[1::2].mean())
    elif prompt.n_points:
        x, y = (float(value) for value in prompt.points[-1])
    else:
        return 0.0
    return float(np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5) / np.sqrt(0.5))
