"""Painting surfaces onto a canvas, and keeping track of which pixel shows which surface.

Coordinates are continuous pixel units: (x, y), pixel (0, 0) covers [-0.5, 0.5] x [-0.5, 0.5].
Everything is painted inside bounding boxes, so the cost is that of the painted pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.demo.scenes.shapes import Outline
from bench.demo.scenes.textures import SIDE, Pattern

BoolMask = NDArray[np.bool_]
FloatImage = NDArray[np.float32]

_SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class Material:
    """How a surface looks.

    `colour` (3,) float32 RGB in 0..255; `pattern` a grey pattern or None; `origin` (x, y) where in
    the pattern to read; `contrast` how strongly the pattern shows, in grey levels, along the RGB
    direction `tint` (3,); `slope` (x, y) a linear shading across the surface, in grey levels from
    the centre to the edge; `dome` how much darker the rim is than the middle, in grey levels;
    `opacity` in 0..1.
    """

    colour: FloatImage
    tint: FloatImage
    pattern: Pattern | None = None
    origin: tuple[int, int] = (0, 0)
    contrast: float = 0.0
    slope: tuple[float, float] = (0.0, 0.0)
    dome: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Shadow:
    """A cast shadow: shift (x, y) and blur in pixels, and the darkening in 0..1."""

    shift: tuple[float, float]
    blur: float
    strength: float


@dataclass(frozen=True, slots=True)
class Region:
    """A full (not only visible) surface: its bits inside a box whose top left pixel is (x, y)."""

    x: int
    y: int
    bits: NDArray[np.uint8]

    def area(self) -> int:
        """Return the number of set pixels."""
        return int(np.count_nonzero(self.bits))


def rasterise(outline: Outline, height: int, width: int) -> Region | None:
    """Fill an outline given in pixel coordinates, by the even-odd rule; None if off the canvas."""
    every = np.concatenate(outline)
    low = np.maximum(np.floor(every.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(every.max(axis=0)).astype(int) + 2, (width, height))
    if bool((high <= low).any()):
        return None
    bits = np.zeros((int(high[1] - low[1]), int(high[0] - low[0])), np.uint8)
    scale = 1 << _SUBPIXEL_BITS
    contours = [np.rint((contour - low) * scale).astype(np.int32) for contour in outline]
    cv2.fillPoly(bits, contours, 1, lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
    return Region(int(low[0]), int(low[1]), bits) if bits.any() else None


def clipped(region: Region, parent: Region) -> Region | None:
    """Return the part of `region` that lies inside `parent`; None if there is none."""
    height, width = parent.bits.shape
    x0, y0 = max(region.x, parent.x), max(region.y, parent.y)
    x1 = min(region.x + region.bits.shape[1], parent.x + width)
    y1 = min(region.y + region.bits.shape[0], parent.y + height)
    if x1 <= x0 or y1 <= y0:
        return None
    own = region.bits[y0 - region.y : y1 - region.y, x0 - region.x : x1 - region.x]
    limit = parent.bits[y0 - parent.y : y1 - parent.y, x0 - parent.x : x1 - parent.x]
    bits = own & limit
    return Region(x0, y0, bits) if bits.any() else None


def shade(material: Material, height: int, width: int) -> FloatImage:
    """Return the colours of a surface over a box, (height, width, 3) or (1, 1, 3) if uniform."""
    tone: FloatImage | None = None
    if material.pattern is not None and material.contrast > 0:
        x, y = material.origin[0] % (SIDE // 3), material.origin[1] % (SIDE // 3)
        crop = material.pattern[y : y + height, x : x + width]
        if crop.shape != (height, width):
            crop = cast(Pattern, cv2.resize(material.pattern, (width, height)))
        tone = (crop.astype(np.float32) - 128) * np.float32(material.contrast / 64)
    if material.slope != (0.0, 0.0) or material.dome:
        u = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
        v = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        light = np.float32(material.slope[0]) * u + np.float32(material.slope[1]) * v
        if material.dome:
            light = light - np.float32(material.dome) * (u * u + v * v - np.float32(0.5))
        tone = light if tone is None else tone + light
    if tone is None:
        return material.colour[None, None, :]
    return material.colour[None, None, :] + tone[:, :, None] * material.tint[None, None, :]


class Canvas:
    """A picture in the making.

    `colours` (H, W, 3) float32 RGB, about 0..255; `owner` (H, W) int16, the index of the surface
    that shows at each pixel, -1 for the background.
    """

    def __init__(self, background: FloatImage) -> None:
        self.colours = np.array(background, dtype=np.float32, order="C")
        self.height, self.width = int(background.shape[0]), int(background.shape[1])
        self.owner: NDArray[np.int16] = np.full((self.height, self.width), -1, np.int16)

    def paint(self, region: Region, material: Material, index: int | None, soft: float) -> None:
        """Paint a surface; `index` None leaves the ownership alone (clutter, marks).

        `soft` blurs the colour edge by that many pixels (sigma); the ownership stays exact.
        """
        height, width = region.bits.shape
        rows = slice(region.y, region.y + height)
        columns = slice(region.x, region.x + width)
        alpha = region.bits.astype(np.float32)
        if soft > 0:
            alpha = cast(FloatImage, cv2.GaussianBlur(alpha, (0, 0), soft))
        if material.opacity < 1:
            alpha *= np.float32(material.opacity)
        box = self.colours[rows, columns]
        box += alpha[:, :, None] * (shade(material, height, width) - box)
        if index is not None:
            self.owner[rows, columns][region.bits != 0] = index

    def cast_shadow(self, region: Region, shadow: Shadow) -> None:
        """Darken what lies below a surface that is about to be painted."""
        margin = int(3 * shadow.blur) + 1
        x = region.x + round(shadow.shift[0]) - margin
        y = region.y + round(shadow.shift[1]) - margin
        alpha = cv2.copyMakeBorder(
            region.bits.astype(np.float32), margin, margin, margin, margin, cv2.BORDER_CONSTANT
        )
        alpha = cv2.blur(alpha, (2 * (margin // 2) + 1, 2 * (margin // 2) + 1))
        x0, y0 = max(x, 0), max(y, 0)
        x1 = min(x + alpha.shape[1], self.width)
        y1 = min(y + alpha.shape[0], self.height)
        if x1 <= x0 or y1 <= y0:
            return
        kept = 1 - np.float32(shadow.strength) * alpha[y0 - y : y1 - y, x0 - x : x1 - x]
        self.colours[y0:y1, x0:x1] *= kept[:, :, None]
