"""Draws a target, a prediction and its prompt on the part of the picture where they lie."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from PIL import Image

from bench.types import BoolArray, Dot, ImageArray, Line, Mask, Prompt, Rectangle, Shape

TARGET = (0, 214, 255)
"""Cyan: the outline of the truth."""
PREDICTION = (255, 140, 0)
"""Orange: fill and outline of the predicted mask."""
POSITIVE = (26, 152, 80)
NEGATIVE = (215, 48, 39)
BOX = (255, 255, 255)

SIDE = 288
"""The longer side of a picture, in pixels."""
OVERVIEW = 112
WHOLE = 512
MANY = ((0, 214, 255), (255, 140, 0), (240, 228, 66), (255, 110, 180), (120, 230, 120))
"""Outlines side by side."""
_MARGIN = 0.2
_LEAST_MARGIN = 6
_SHARP = 4.0
"""From this magnification on, image pixels are shown as squares, not smoothed."""
_DASH = 7
_DOT = 9
_DIGIT = 0.45


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of an image, (x0, y0, x1, y1) with both corners included, and its magnification.

    Image pixel (x, y) covers ``scale`` × ``scale`` picture pixels; its centre lies at
    ``place(x, y)``.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture, in its own pixels."""
        width = round((self.x1 - self.x0 + 1) * self.scale)
        height = round((self.y1 - self.y0 + 1) * self.scale)
        return max(1, width), max(1, height)

    def cuts(self, mask: Mask) -> bool:
        """Whether some of a mask lies beyond the edge."""
        if mask.box is None:
            return False
        x0, y0, x1, y1 = mask.box
        return x0 < self.x0 or y0 < self.y0 or x1 > self.x1 or y1 > self.y1

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The picture pixel (x, y) at which the centre of an image pixel lies."""
        return (x - self.x0 + 0.5) * self.scale - 0.5, (y - self.y0 + 0.5) * self.scale - 0.5


def window(shape: tuple[int, int], target: Mask, prediction: Mask | None, prompt: Prompt) -> Window:
    """The part of an (H, W) image around both masks and the prompt, with a margin.

    Square where the image permits. A click farther away than the masks are long is left out, so
    that it doesn't shrink them to a dot. The whole image where there is nothing to see.
    """
    return shared_window(shape, [target, prediction], [prompt])


def shared_window(
    shape: tuple[int, int], masks: Sequence[Mask | None], prompts: Sequence[Prompt]
) -> Window:
    """One ``window`` around all these masks and prompts, so that pictures of it can be compared."""
    boxes = [mask.box for mask in masks if mask is not None and mask.box]
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    asked, points = extent([each for prompt in prompts for each in prompt.shapes])
    return around(shape, np.vstack([corners, *asked]), points)


def extent(shapes: Sequence[Shape]) -> tuple[list[np.ndarray], np.ndarray]:
    """Where shapes lie: (x0, y0, x1, y1) of boxes, and the (P, 2) places of dots and lines."""
    boxes = [np.array([s.x0, s.y0, s.x1, s.y1]) for s in shapes if isinstance(s, Rectangle)]
    points = [(s.x, s.y) for s in shapes if isinstance(s, Dot)]
    points += [place for s in shapes if isinstance(s, Line) for place in s.points]
    return boxes, np.array(points, dtype=np.float64).reshape(-1, 2)


def around(shape: tuple[int, int], boxes: np.ndarray, points: np.ndarray) -> Window:
    """The part of an (H, W) image around boxes (N, 4) and those points (P, 2) that lie near them.

    Square where the image permits, with a margin; the whole image where there is neither.
    """
    corners, clicks = boxes, np.hstack([points, points]).astype(np.float64)
    if len(corners):
        first, last = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
        reach = (last - first).max() + 1
        near = (points >= first - reach) & (points <= last + reach)
        clicks = clicks[near.all(axis=1)]
    corners = np.vstack([corners, clicks])
    height, width = shape
    if len(corners):
        (x0, y0), (x1, y1) = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
        side = float(max(x1 - x0, y1 - y0)) + 1
        side += 2 * max(_LEAST_MARGIN, _MARGIN * side)
        left, right = _span(float(x0 + x1) / 2, side, width)
        top, bottom = _span(float(y0 + y1) / 2, side, height)
    else:
        left, top, right, bottom = 0, 0, width - 1, height - 1
    longer = max(right - left, bottom - top) + 1
    return Window(left, top, right, bottom, SIDE / longer)


def _span(centre: float, side: float, length: int) -> tuple[int, int]:
    """``side`` pixels around the centre, moved inside [0, length - 1] and cut to it."""
    side = min(round(side), length)
    first = min(max(round(centre - (side - 1) / 2), 0), length - side)
    return int(first), int(first + side - 1)


def draw(
    image: ImageArray, view: Window, target: Mask, prediction: Mask | None, prompt: Prompt
) -> ImageArray:
    """The (h, w, 3) uint8 picture of a window, all overlays on it.

    Prediction: orange fill and outline; target: cyan outline, on top. Clicks are numbered in
    their order, green circles for foreground, red squares for background; so are lines coloured;
    boxes are dashed.
    """
    picture = resized(image[view.y0 : view.y1 + 1, view.x0 : view.x1 + 1], view)
    if prediction is not None:
        shown = magnified(prediction, view)
        blend = 0.62 * picture[shown] + 0.38 * np.array(PREDICTION)
        picture[shown] = blend.round().astype(np.uint8)
        _outline(picture, shown, (0, 0, 0), 4)
        _outline(picture, shown, PREDICTION, 3)
    truth = magnified(target, view)
    _outline(picture, truth, (0, 0, 0), 3)
    _outline(picture, truth, TARGET, 2)
    clicks = 0
    for shape in sorted(prompt.shapes, key=lambda each: isinstance(each, Dot)):
        if isinstance(shape, Rectangle):
            _dashed_box(picture, view, np.array([shape.x0, shape.y0, shape.x1, shape.y1]))
        elif isinstance(shape, Line):
            _line(picture, view, shape)
        elif isinstance(shape, Dot):
            clicks += 1
            _click(picture, view, shape.x, shape.y, shape.label, str(clicks))
    return picture


def drawable(line: Line) -> Sequence[tuple[float, float]]:
    """The line's places; a single one twice, as nothing is drawn from a place to nowhere."""
    return line.points if len(line.points) > 1 else [*line.points, *line.points]


def _line(picture: ImageArray, view: Window, line: Line) -> None:
    """A line through places of the image, with a dark edge; a single place is a dot."""
    places = [view.place(x, y) for x, y in drawable(line)]
    path = np.array(places, dtype=np.float64).round().astype(np.int32).reshape(-1, 1, 2)
    colour = POSITIVE if line.label else NEGATIVE
    for shade, thickness in (((0, 0, 0), 5), (colour, 3)):
        cv2.polylines(picture, [path], False, shade, thickness, cv2.LINE_AA)


def draw_all(image: ImageArray, masks: Sequence[Mask]) -> ImageArray:
    """The whole picture, at most ``WHOLE`` pixels long, with every mask outlined.

    Neighbours in the list differ in colour; a mask too small to be seen is still a dot.
    """
    height, width = image.shape[:2]
    view = Window(0, 0, width - 1, height - 1, min(WHOLE / max(height, width), 2.0))
    picture = resized(image, view)
    for number, mask in enumerate(masks):
        if mask.bits.size:
            large = max(mask.bits.shape) * view.scale > 24
            _outline(picture, magnified(mask, view), MANY[number % len(MANY)], 2 if large else 1)
    return picture


def overview(image: ImageArray, view: Window) -> ImageArray:
    """The whole picture, small, with the window marked on it."""
    height, width = image.shape[:2]
    scale = OVERVIEW / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    first = (int(view.x0 * scale), int(view.y0 * scale))
    last = (
        min(size[0] - 1, int(np.ceil((view.x1 + 1) * scale))),
        min(size[1] - 1, int(np.ceil((view.y1 + 1) * scale))),
    )
    cv2.rectangle(small, first, last, (0, 0, 0), 3)
    cv2.rectangle(small, first, last, (255, 255, 255), 1)
    return small.astype(np.uint8)


def is_small(view: Window, shape: tuple[int, int]) -> bool:
    """Whether the window shows so little of the image that its surroundings help."""
    area = (view.x1 - view.x0 + 1) * (view.y1 - view.y0 + 1)
    return area < 0.25 * shape[0] * shape[1]


def encode(picture: ImageArray, most: int = 25_000) -> bytes:
    """The picture as WebP of at most about ``most`` bytes: the best quality that fits.

    WebP's method 2 takes half the time of its default, 4, for files 4 % larger.
    """
    for quality in (80, 70, 60, 45, 30):
        sink = io.BytesIO()
        Image.fromarray(picture).save(
            sink, "WEBP", quality=quality, method=2
        )  # 4: half the speed for 4 %
        if sink.tell() <= most:
            break
    return sink.getvalue()


def resized(crop: ImageArray, view: Window) -> ImageArray:
    """A window's pixels (h, w, 3) at the picture's size; squares where much magnified."""
    if view.scale >= _SHARP:
        how = cv2.INTER_NEAREST
    else:
        how = cv2.INTER_LINEAR if view.scale >= 1 else cv2.INTER_AREA
    picture = cv2.resize(np.ascontiguousarray(crop), view.size, interpolation=how)
    return np.ascontiguousarray(picture, dtype=np.uint8)


def magnified(mask: Mask, view: Window) -> BoolArray:
    """The mask on the picture's grid; shrunk, a picture pixel is in it if half of it is."""
    crop = mask.crop(view.y0, view.x0, view.y1 + 1, view.x1 + 1).astype(np.float32)
    how = cv2.INTER_NEAREST if view.scale >= 1 else cv2.INTER_AREA
    shown = cv2.resize(crop, view.size, interpolation=how)
    return np.asarray(shown >= min(0.5, float(shown.max()) or 0.5), dtype=bool)


def _outline(
    picture: ImageArray, mask: BoolArray, colour: tuple[int, int, int], thickness: int
) -> None:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, colour, thickness, cv2.LINE_AA)


def _dashed_box(picture: ImageArray, view: Window, box: np.ndarray) -> None:
    x0, y0 = view.place(float(box[0]) - 0.5, float(box[1]) - 0.5)
    x1, y1 = view.place(float(box[2]) + 0.5, float(box[3]) + 0.5)
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    for colour, thickness in (((0, 0, 0), 3), (BOX, 1)):
        for (ax, ay), (bx, by) in pairwise(corners):
            steps = max(1, round(max(abs(bx - ax), abs(by - ay)) / _DASH))
            xs, ys = np.linspace(ax, bx, steps + 1), np.linspace(ay, by, steps + 1)
            for i in range(0, steps, 2):
                start = (round(float(xs[i])), round(float(ys[i])))
                end = (round(float(xs[i + 1])), round(float(ys[i + 1])))
                cv2.line(picture, start, end, colour, thickness, cv2.LINE_AA)


def _click(picture: ImageArray, view: Window, x: float, y: float, label: int, number: str) -> None:
    across, down = (round(v) for v in view.place(x, y))
    fill, white = POSITIVE if label == 1 else NEGATIVE, (255, 255, 255)
    for size, colour in ((_DOT + 1, white), (_DOT, fill)):
        if label == 1:
            cv2.circle(picture, (across, down), size, colour, -1, cv2.LINE_AA)
        else:
            corners = (across - size + 1, down - size + 1), (across + size - 1, down + size - 1)
            cv2.rectangle(picture, *corners, colour, -1)
    (wide, high), _ = cv2.getTextSize(number, cv2.FONT_HERSHEY_SIMPLEX, _DIGIT, 1)
    corner = (across - wide // 2, down + high // 2)
    cv2.putText(picture, number, corner, cv2.FONT_HERSHEY_SIMPLEX, _DIGIT, white, 1, cv2.LINE_AA)


def picture_uri(content: bytes) -> str:
    """A WebP picture as an address that holds it."""
    return "data:image/webp;base64," + base64.b64encode(content).decode("ascii")
