"""Masks by the definition, written plainly: every pixel of the whole picture, in float64.

Nothing here knows windows, matrices, bounds or batches, nor anything of ``bench.scoring``. And
logits and frames to try it on, of all kinds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.types import BoolArray, FloatArray, Frame

Doubles = npt.NDArray[np.float64]


def plain_mask(logits: FloatArray, frame: Frame, threshold: float) -> BoolArray:
    """The (H, W) mask of (h, w) logits."""
    return plain_values(logits, frame) > threshold


def plain_values(logits: FloatArray, frame: Frame) -> Doubles:
    """The (H, W) float64 values of (h, w) logits: enlarged to the canvas, cut, brought to size."""
    with np.errstate(invalid="ignore"):
        canvas = resized(logits.astype(np.float64), frame.canvas)
        return resized(canvas[: frame.content[0], : frame.content[1]], frame.image)


def resized(values: Doubles, size: tuple[int, int]) -> Doubles:
    """Bilinear, without aligned corners: first along each row, then along each column."""
    rows = lines(values.T, size[1]).T
    return lines(rows, size[0])


def lines(values: Doubles, outputs: int) -> Doubles:
    """So many lines, each mixed of two neighbours at the place that torch's formula gives."""
    inputs = len(values)
    ratio = np.float32(inputs) / np.float32(outputs)
    found = np.empty((outputs, *values.shape[1:]))
    for i in range(outputs):
        place = max(ratio * np.float32(i + 0.5) - np.float32(0.5), np.float32(0))
        first = min(int(place), inputs - 1)
        share = np.float32(place - np.float32(first))
        second = min(first + 1, inputs - 1)
        found[i] = values[first] * float(np.float32(1) - share) + values[second] * float(share)
    return found


def random_frame(rng: np.random.Generator, grid: tuple[int, int], most: int = 120) -> Frame:
    """Any canvas, cut and image up to ``most``, mostly a canvas of a whole number of grids."""
    factor = int(rng.integers(1, 5))
    canvas = factor * grid[0], factor * grid[1]
    if rng.random() < 0.3:
        canvas = int(rng.integers(1, 3 * grid[0] + 2)), int(rng.integers(1, 3 * grid[1] + 2))
    content = int(rng.integers(1, canvas[0] + 1)), int(rng.integers(1, canvas[1] + 1))
    image = int(rng.integers(1, most)), int(rng.integers(1, most))
    return Frame(canvas, content, content if rng.random() < 0.2 else image)


KINDS = (
    "noise", "smooth", "sparse", "constant", "levels", "close", "tiny", "huge", "lone", "infinite",
)  # fmt: skip


def random_logits(
    rng: np.random.Generator, shape: tuple[int, ...], threshold: float, kind: str
) -> FloatArray:
    """Logits (…, h, w) of a kind, many of which have pixels that rounding could decide."""
    noise = rng.normal(0, 1, shape).astype(np.float32)
    levels = np.float32([-0.1, 0.1, 0.0, 1e-30, -1e-30, 0.3, -0.3, threshold])
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    middle = rng.uniform(0, shape[-2]), rng.uniform(0, shape[-1])
    slope = rng.uniform(0.1, 2) * (
        rng.uniform(0.5, 0.5 * max(shape)) - np.hypot(y - middle[0], x - middle[1])
    )
    odd = rng.choice(np.float32([np.nan, np.inf, -np.inf]), shape)
    made = {
        "noise": noise,
        "smooth": slope + 0.1 * noise,
        "sparse": noise - 2.5,
        "constant": np.full(shape, threshold + rng.choice([0, 1e-8, -1e-8])),
        "levels": rng.choice(levels, shape),
        "close": threshold + noise * 1e-7,
        "tiny": noise * np.float32(1e-38),
        "huge": noise * np.float32(1e37),
        "lone": np.where(rng.random(shape) < 0.02, noise + 4, noise - 4),
        "infinite": np.where(rng.random(shape) < 0.1, odd, noise),
    }
    return made[kind].astype(np.float32)
