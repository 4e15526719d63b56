"""Edge maps of filters from 1968 and 1986: what a model of edges is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from bench.tasks.edges.suppression import ridges, spread
from bench.types import FloatArray, ImageArray

_SIGMA = 2.0
"""Of the Gaussian before either filter, in pixels."""

_UNSEEN = 0.05
"""A gradient in grey levels that is rounding: an even picture has no edge."""

_STEPS = 64
_LOW = 0.4
"""Canny's lower threshold, as a share of the upper one: his paper's range is a half to a third."""


def sobel(image: ImageArray) -> FloatArray:
    """The gradient's length by Sobel's 3 × 3 filter in the smoothed grey picture, its ridges.

    (H, W) in [0, 1], 1 at the picture's largest.
    """
    down, across = _gradient(image)
    return ridges(spread(np.hypot(down, across)))


def canny(image: ImageArray) -> FloatArray:
    """The largest upper threshold at which Canny's hysteresis still finds a pixel.

    (H, W) in [0, 1]; of 64 upper thresholds up to the largest gradient; the lower one is 0.4 of it.
    """
    down, across = _gradient(image)
    largest = float(np.hypot(down, across).max())
    if largest == 0:
        return np.zeros(image.shape[:2], np.float32)
    scale = 32_000 / max(largest, 1e-6)  # OpenCV takes whole numbers of 16 bits
    dx, dy = ((each * scale).astype(np.int16) for each in (across, down))
    strength = np.zeros(image.shape[:2], np.float32)
    for step in range(1, _STEPS + 1):
        share = step / (_STEPS + 1)
        high = share * 32_000
        found = cv2.Canny(dx, dy, _LOW * high, high, L2gradient=True)
        strength[found > 0] = share
    return strength


FILTERS: Mapping[str, Callable[[ImageArray], FloatArray]] = {"canny": canny, "sobel": sobel}
"""The filters by the name that ``task.args.filter`` says."""


def _gradient(image: ImageArray) -> tuple[FloatArray, FloatArray]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), _SIGMA)
    down, across = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx) for dx in (0, 1))
    seen = np.hypot(down, across) > _UNSEEN
    return np.where(seen, down, 0).astype(np.float32), np.where(seen, across, 0).astype(np.float32)
