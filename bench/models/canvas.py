"""How an image lies on the square that an encoder sees, and how clicks and answers follow it.

SAM resizes the longest side and fills up with zeros at the bottom and the right; SAM 2 and its
successors squash the image into the whole square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from bench.types import BenchError, FloatArray, Frame, ImageArray, UnfitImageError
from bench.types.errors import did_you_mean

RESIZES = ("longest_side", "squash")


@dataclass(frozen=True, slots=True)
class Canvas:
    """A square of ``side`` pixels, and how an image comes onto it.

    ``mean`` and ``std`` are of red, green and blue on the scale from 0 to 255. ``resize`` is
    ``longest_side``, bilinear on whole grey levels (Pillow), as ``SamPredictor`` does, or
    ``squash``, bilinear with antialiasing on fractions of a level, as ``SAM2ImagePredictor`` does.
    Raises ``BenchError`` for another one.
    """

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: str

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise BenchError(
                f"no resize rule {self.resize!r}; {did_you_mean(self.resize, RESIZES)}"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or self.side < 1 or not all(self.std):
            raise BenchError(
                "an encoder's input has a size of at least 1 and a mean and a std, not 0, for each "
                f"of three colours, found {self.side}, {list(self.mean)} and {list(self.std)}"
            )

    def content(self, image: tuple[int, int]) -> tuple[int, int]:
        """The (h, w) of the part of the square that an (H, W) image covers, from the top left."""
        if self.resize == "squash":
            return self.side, self.side
        h, w = ResizeLongestSide.get_preprocess_shape(*image, self.side)
        return int(h), int(w)

    def covered(self, image: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
        """The (h, w) of the part of a ``grid`` over the square that an (H, W) image covers."""
        h, w = (
            max(1, round(side * of_grid / self.side))
            for side, of_grid in zip(self.content(image), grid, strict=True)
        )
        return h, w

    def tensor(self, image: ImageArray) -> Tensor:
        """What the encoder sees of an (H, W, 3) image: (3, side, side) float32, on the CPU.

        Raises ``UnfitImageError`` for an image so narrow that no pixel of it is left.
        """
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.mean, self.std))
        if self.resize == "squash":
            pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
            squashed = F.interpolate(
                pixels.float() / 255,
                size=(self.side, self.side),
                mode="bilinear",
                align_corners=False,
                antialias=True,
            )[0]
            return (squashed - mean / 255) / (std / 255)
        resized = torch.from_numpy(longest_side(image, self.side)).permute(2, 0, 1)
        h, w = resized.shape[1:]
        normal = (resized.float() - mean) / std
        return F.pad(normal, (0, self.side - w, 0, self.side - h))

    def scaled(self, points: FloatArray, image: tuple[int, int]) -> FloatArray:
        """(N, 2) points (x, y) on an (H, W) image as pixel indices of the square, float32."""
        if self.resize == "squash":
            height, width = image
            size = np.array([width, height], np.float32)
            squashed: FloatArray = points.astype(np.float32) / size * np.float32(self.side)
            return squashed
        # float64 inside, then float32: as SamPredictor does.
        scaled: FloatArray = (
            ResizeLongestSide(self.side).apply_coords(points, image).astype(np.float32)
        )
        return scaled

    def frame(self, image: tuple[int, int], grid: tuple[int, int]) -> Frame:
        """How logits on a ``grid`` (h, w) over the square lie on an (H, W) image."""
        if self.resize == "squash":  # straight from the grid to the image, in one resize
            return Frame(canvas=grid, content=grid, image=image)
        return Frame(canvas=(self.side, self.side), content=self.content(image), image=image)


def longest_side(image: ImageArray, side: int) -> ImageArray:
    """The image with its longest side as long as the encoder's input: (h, w, 3) uint8.

    Raises ``UnfitImageError`` for one so narrow that no pixel of it is left.
    """
    height, width = image.shape[:2]
    resize = ResizeLongestSide(side)
    if 0 in resize.get_preprocess_shape(height, width, side):
        raise UnfitImageError(
            f"a picture of {height}×{width} (H×W) is too narrow for this model: with its long "
            f"side {side}, as the model sees it, no pixel of it is left"
        )
    resized: ImageArray = resize.apply_image(image)
    return resized


def levels(fractions: Sequence[float]) -> tuple[float, ...]:
    """A mean or a standard deviation of colours in [0, 1] on the scale from 0 to 255.

    >>> levels([0.5, 0.5, 0.5])
    (127.5, 127.5, 127.5)
    """
    return tuple(255 * each for each in fractions)
