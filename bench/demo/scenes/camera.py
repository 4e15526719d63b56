"""From painted colours to a photograph: light, blur, tone curve, noise and compression."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.demo.scenes.canvas import FloatImage


def _tone_curve(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a (256,) lookup table: gamma, gain and, seldom, inversion."""
    level = np.arange(256, dtype=np.float64) / 255
    if rng.random() < 0.7:
        level = level ** np.exp(rng.uniform(-0.6, 0.6))
    if rng.random() < 0.35:
        low, high = rng.uniform(0.0, 0.3), rng.uniform(0.55, 1.0)
        level = low + (high - low) * level
    if rng.random() < 0.1:
        level = 1 - level
    return np.clip(np.rint(255 * level), 0, 255).astype(np.uint8)


def photograph(rng: np.random.Generator, colours: FloatImage) -> NDArray[np.uint8]:
    """Return the (H, W, 3) uint8 RGB picture of painted colours (H, W, 3) float32, 0..255."""
    height, width = colours.shape[:2]
    if rng.random() < 0.6:
        colours = cast(FloatImage, cv2.GaussianBlur(colours, (0, 0), rng.uniform(0.4, 1.5)))
    if rng.random() < 0.4:
        u = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
        v = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        slope_x, slope_y = rng.uniform(-0.25, 0.25, 2).astype(np.float32)
        bowl = np.float32(rng.uniform(0.0, 0.15))
        light = 1 + slope_x * u + slope_y * v - bowl * (u * u + v * v)
        colours = colours * light[:, :, None]
    image = np.clip(colours, 0, 255).astype(np.uint8)
    image = cast(NDArray[np.uint8], cv2.LUT(image, _tone_curve(rng)))
    grey = rng.random() < 0.25
    if grey:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    if rng.random() < 0.6:
        channels = 1 if grey or rng.random() < 0.5 else 3
        noise = rng.standard_normal((height, width, channels), dtype=np.float32)
        noise *= np.float32(np.exp(rng.uniform(np.log(1.0), np.log(12.0))))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        coded = cv2.imencode(".jpg", image, quality)[1]
        image = cast(NDArray[np.uint8], cv2.imdecode(coded, cv2.IMREAD_UNCHANGED))
    return np.ascontiguousarray(image)
