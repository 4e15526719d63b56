"""The five views of a mask that is rated, alike for every source of it.

As the Segment Anything paper shows them (appendix E): the picture, the mask laid over it in red,
the mask alone in yellow on purple; then the part around it, without the mask and with it. The
prompt is a blue dot or a blue and white box.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
from PIL import Image

from bench.report.pictures.outlines import near_target
from bench.report.pictures.overlay import Window, drawable, magnified, resized
from bench.types import Dot, ImageArray, Line, Mask, Prompt, Rectangle

VIEWS: Mapping[str, str] = {
    "picture": "The picture, with what was asked",
    "overlay": "The mask on the picture",
    "mask": "The mask alone",
    "zoom": "Larger, without the mask",
    "zoom_overlay": "Larger, with the mask",
}
"""The views in the order of the page, and what stands under each."""

RED = (255, 0, 0)
YELLOW, PURPLE = (253, 231, 37), (68, 1, 84)
BLUE, WHITE = (0, 90, 255), (255, 255, 255)

_SMALLEST = 640
"""The longer side, in pixels, that small pictures are brought up to."""
_ZOOM = 800
_COVER = 0.45
_DASH = 9


def draw_views(
    image: ImageArray, truth: Mask, masks: Sequence[Mask], mask: Mask, prompt: Prompt, largest: int
) -> dict[str, ImageArray]:
    """Each of ``VIEWS`` as (h, w, 3) uint8 RGB, of one mask of a target.

    ``image`` (H, W, 3) is the picture; ``masks`` are those of all sources, around which the larger
    part is cut out, so that its frame tells of no source. The picture is at most ``largest`` pixels
    long.
    """
    height, width = image.shape[:2]
    longer = max(height, width)
    scale = min(largest / longer, max(1.0, _SMALLEST / longer))
    whole = Window(0, 0, width - 1, height - 1, scale)
    near = near_target((height, width), truth, masks, [prompt.shapes])
    near = replace(near, scale=near.scale * _ZOOM / max(near.size))
    picture, zoom = _cut(image, whole), _cut(image, near)
    return {
        "picture": _asked(picture, whole, prompt),
        "overlay": _asked(_covered(picture, whole, mask), whole, prompt),
        "mask": _asked(_alone(whole, mask), whole, prompt),
        "zoom": zoom,
        "zoom_overlay": _asked(_covered(zoom, near, mask), near, prompt),
    }


def png(picture: ImageArray) -> bytes:
    """The picture as a PNG: no compression blurs the rim that is rated."""
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def _cut(image: ImageArray, view: Window) -> ImageArray:
    return resized(image[view.y0 : view.y1 + 1, view.x0 : view.x1 + 1], view)


def _covered(picture: ImageArray, view: Window, mask: Mask) -> ImageArray:
    shown = magnified(mask, view)
    covered: ImageArray = picture.copy()
    blend = (1 - _COVER) * picture[shown] + _COVER * np.array(RED)
    covered[shown] = blend.round().astype(np.uint8)
    return covered


def _alone(view: Window, mask: Mask) -> ImageArray:
    width, height = view.size
    ground = np.full((height, width, 3), PURPLE, dtype=np.uint8)
    ground[magnified(mask, view)] = YELLOW
    return ground


def _asked(picture: ImageArray, view: Window, prompt: Prompt) -> ImageArray:
    """The picture with the prompt on it; what lies outside of the view is not drawn."""
    drawn: ImageArray = picture.copy()
    for shape in prompt.shapes:
        if isinstance(shape, Rectangle):
            _box(drawn, view, shape)
        elif isinstance(shape, Line):
            places = [view.place(x, y) for x, y in drawable(shape)]
            path = np.array(places).round().astype(np.int32).reshape(-1, 1, 2)
            for colour, thickness in ((WHITE, 5), (BLUE, 3)):
                cv2.polylines(drawn, [path], False, colour, thickness, cv2.LINE_AA)
        elif isinstance(shape, Dot):
            _dot(drawn, view, shape)
    return drawn


def _dot(picture: ImageArray, view: Window, dot: Dot) -> None:
    """A blue dot in a white ring; a white one in a blue ring is a click on what is not meant."""
    x, y = (round(v) for v in view.place(dot.x, dot.y))
    size = max(4, round(max(picture.shape) / 130))
    ring, fill = (WHITE, BLUE) if dot.label else (BLUE, WHITE)
    for radius, colour in ((size + 2, ring), (size, fill)):
        cv2.circle(picture, (x, y), radius, colour, -1, cv2.LINE_AA)


def _box(picture: ImageArray, view: Window, box: Rectangle) -> None:
    """The outline of the box in dashes, blue and white in turn."""
    x0, y0 = view.place(box.x0 - 0.5, box.y0 - 0.5)
    x1, y1 = view.place(box.x1 + 0.5, box.y1 + 0.5)
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    for (ax, ay), (bx, by) in pairwise(corners):
        steps = max(1, round(max(abs(bx - ax), abs(by - ay)) / _DASH))
        xs = np.linspace(ax, bx, steps + 1).round().astype(int)
        ys = np.linspace(ay, by, steps + 1).round().astype(int)
        for i in range(steps):
            ends = (int(xs[i]), int(ys[i])), (int(xs[i + 1]), int(ys[i + 1]))
            cv2.line(picture, *ends, (BLUE, WHITE)[i % 2], 2, cv2.LINE_AA)
