"""Thinning of an edge map by what lies beside a pixel: what is no ridge is no edge."""

from __future__ import annotations

import cv2
import numpy as np

from bench.types import FloatArray

_SMOOTHED = 2.0
"""Sigma in pixels of the map whose curvature tells an edge's direction."""

_EVEN = 1.01
"""A neighbour of so many times a pixel's strength is no stronger: of a ridge two pixels wide."""


def ridges(strength: FloatArray) -> FloatArray:
    """The edge map (H, W) less the pixels that a neighbour across the edge exceeds; those are 0.

    Non-maximum suppression as Canny's (PAMI 8(6), 1986, section VIII), of strengths in place of
    gradients: across is where the smoothed map bends most, and the strength one pixel to
    either side is interpolated. The Segment Anything paper (appendix D.2) says "edge NMS" and cites
    Canny; its parameters were not published.
    """
    smooth = cv2.GaussianBlur(strength.astype(np.float32), (0, 0), _SMOOTHED)
    down, across = np.gradient(smooth)
    yy, yx = np.gradient(down)
    _, xx = np.gradient(across)
    # Across an edge the map bends most: down on its ridge, up at the foot of its flanks.
    angle = 0.5 * np.arctan2(2 * yx, xx - yy) + np.where(xx + yy > 0, 0, np.pi / 2)
    dx, dy = np.cos(angle), np.sin(angle)
    rows, columns = np.indices(strength.shape, dtype=np.float32)
    kept = np.ones(strength.shape, dtype=bool)
    for side in (1, -1):
        beside = cv2.remap(
            strength.astype(np.float32),
            (columns + side * dx).astype(np.float32),
            (rows + side * dy).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        kept &= beside <= strength * _EVEN
    return np.where(kept, strength, 0).astype(np.float32)


def spread(strength: FloatArray) -> FloatArray:
    """The map (H, W) moved and stretched to [0, 1]; zeros where it is the same everywhere."""
    low, high = float(strength.min()), float(strength.max())
    if high <= low:
        return np.zeros(strength.shape, np.float32)
    return ((strength - low) / (high - low)).astype(np.float32)
