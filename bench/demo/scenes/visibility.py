"""Which painted things a viewer can make out in the finished photograph.

A target that nobody could outline teaches nothing and tests nothing: after light, blur, noise and
compression some painted things are no longer there to be seen. Colour differences are measured
in CIELAB as OpenCV codes it in 8 bits, where black to white is 255.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.demo.scenes.canvas import BoolMask

MIN_DEPTH = 2.05
"""Of the most inside pixel from the outside, in pixels: the thinnest stripe is 5 wide.

Things of depth 2 keep an IoU of .77 on average when the truth itself goes through the mask grid,
which has one value for 2 x 2 pixels; from depth 3 on it is .91 and more."""
MIN_CONTRAST = 8.0
MIN_CONTRAST_OVER_TEXTURE = 0.5
_RIM = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
_REACH = 4


def in_colour_space(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture (H, W, 3) uint8 RGB in 8-bit CIELAB."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), np.uint8)


def stands_out(lab: NDArray[np.uint8], mask: BoolMask) -> bool:
    """Whether a thing is thick enough to be drawn and differs from what surrounds it.

    lab: (H, W, 3) uint8 CIELAB; mask: (H, W) bool, not empty. The mean colours of two rims, three
    pixels inside and outside of the contour, must differ by `MIN_CONTRAST`, and by
    `MIN_CONTRAST_OVER_TEXTURE` of the rims' own standard deviation. A thing that fills the
    picture has no outside and stands out.
    """
    height, width = mask.shape
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    left, top = max(0, x - _REACH), max(0, y - _REACH)
    right, bottom = min(width, x + w + _REACH), min(height, y + h + _REACH)
    inside = np.ascontiguousarray(mask[top:bottom, left:right]).view(np.uint8)
    framed = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    if float(cv2.distanceTransform(framed, cv2.DIST_L2, 5).max()) < MIN_DEPTH:
        return False
    core = cv2.erode(inside, _RIM, borderValue=1)
    around = cv2.dilate(inside, _RIM) > inside
    if not around.any():
        return True
    crop = lab[top:bottom, left:right]
    inner = crop[inside > core].astype(np.float32)
    outer = crop[around].astype(np.float32)
    contrast = float(np.linalg.norm(inner.mean(axis=0) - outer.mean(axis=0)))
    texture = float(np.sqrt((inner.var(axis=0).sum() + outer.var(axis=0).sum()) / 2))
    return contrast >= max(MIN_CONTRAST, MIN_CONTRAST_OVER_TEXTURE * texture)
