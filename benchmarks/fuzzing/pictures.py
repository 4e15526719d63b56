"""Fuzzed pictures and mask files against cv2 and an own PNG decoder."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.data.formats.pictures import read_labels, read_levels, read_picture
from fuzzing.mutations import damaged, forged_png
from fuzzing.truth import Array, png_values

Verify = Callable[[], None]
Judge = Callable[[], Verify]
"""Reads a file, which is timed, and gives what compares it with the truth, which is not."""

Maker = Callable[[random.Random, Path], Judge]
"""Writes a case's files into an empty folder."""

EXACT = ("PNG", "BMP", "PPM", "TIFF")
LOSSY = ("JPEG", "WEBP")

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(MARK) (w) file\n"


class WrongError(Exception):
    """What was read is not what an independent decoder reads, and no fingerprint tells."""


def picture(rng: random.Random, folder: Path) -> Judge:
    """A photograph in one of several formats, damaged."""
    pixels = _noise(rng, 3)
    kind = rng.choice((*EXACT, *LOSSY, "GIF", "PNG", "PNG", "JPEG"))
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    if kind == "TIFF":
        image.save(file, kind, compression=rng.choice((None, "tiff_lzw", "tiff_deflate")))
    else:
        image.save(file, kind)
    whole = file.getvalue()
    if kind == "PNG" and rng.random() < 0.5:
        data = forged_png(whole, rng)
    elif rng.random() < 0.03:
        data = POSTSCRIPT + whole
    else:
        data = damaged(whole, rng)
    path = folder / f"a.{kind.lower()}"
    path.write_bytes(data)

    def judge() -> Verify:
        found = read_picture(path)
        return lambda: verify(found)

    def verify(found: Array) -> None:
        first = np.asarray(Image.open(io.BytesIO(whole)).convert("RGB"))
        unsure = kind == "BMP" and data[:54] != whole[:54]  # decoders differ on headers that lie
        _compare(
            found,
            None if unsure else _by_cv2(data, kind),
            first,
            len(data) == len(whole),
            kind in LOSSY,
            kind == "PNG",
        )

    return judge


def mask(rng: random.Random, folder: Path) -> Judge:
    """A PNG of labels or brightness, damaged; read both ways."""
    mode = rng.choice(("1", "L", "P", "I;16", "RGB", "RGBA", "LA"))
    values = _noise(rng, 1)[..., 0] % 5
    image = Image.fromarray(values)
    if mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 13_000)
    elif mode == "P":
        image.putpalette([rng.randrange(256) for _ in range(3 * rng.choice((5, 6, 256)))])
    elif mode != "L":
        image = Image.fromarray(values * 60).convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG")
    whole = file.getvalue()
    data = forged_png(whole, rng) if rng.random() < 0.5 else damaged(whole, rng)
    path = folder / "a.png"
    path.write_bytes(data)

    def judge() -> Verify:
        labels, levels = read_labels(path), read_levels(path)
        return lambda: verify(labels, levels)

    def verify(labels: Array, levels: Array) -> None:
        same = len(data) == len(whole)
        _compare(labels, _labels_of(png_values(data)), _labels_of(png_values(whole)), same)
        _compare(levels, _levels_of(png_values(data)), _levels_of(png_values(whole)), same)

    return judge


def _compare(
    found: Array,
    truth: Array | None,
    first: Array | None,
    same_size: bool,
    lossy: bool = False,
    exact: bool = True,
) -> None:
    """Raises ``WrongError``; without a truth, another picture in a file of that size is wrong.

    Not ``exact`` are the formats without a checksum: a changed bit is a changed pixel, and what an
    independent decoder refuses can't be judged. There a difference is wrong in a file of the same
    size alone, for another size changes the fingerprint.
    """
    if truth is not None:
        if truth.shape != found.shape and (exact or same_size):
            raise WrongError(f"read {found.shape}, an independent decoder {truth.shape}")
        if truth.shape != found.shape:
            return
        away = np.abs(truth.astype(np.int64) - found.astype(np.int64))
        if away.mean() > (6.0 if lossy else 0.0) and (exact or same_size):
            raise WrongError(f"{int((away > 0).sum())} values differ from an independent decoder's")
    elif exact and first is not None and same_size and not np.array_equal(first, found):
        raise WrongError("an independent decoder refuses it, its fingerprint is unchanged")


def _noise(rng: random.Random, channels: int) -> Array:
    state = np.random.default_rng(rng.randrange(2**32))
    height, width = rng.randrange(5, 40), rng.randrange(5, 40)
    coarse = state.integers(0, 256, (height // 4 + 1, width // 4 + 1, channels), dtype=np.uint8)
    return np.ascontiguousarray(coarse.repeat(4, 0).repeat(4, 1)[:height, :width])


def _by_cv2(data: bytes, kind: str) -> Array | None:
    if kind == "PNG":
        stored = png_values(data)
        if stored is None or stored[1] not in (0, 2, 4, 6) or stored[0].max(initial=0) > 255:
            return None
        return stored[0][..., :3] if stored[1] in (2, 6) else stored[0][..., :1].repeat(3, 2)
    if data.startswith(POSTSCRIPT[:4]):
        return None
    try:
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        found = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if found is None else found[..., ::-1]


def _labels_of(stored: tuple[Array, int] | None) -> Array | None:
    if stored is None:
        return None
    values, kind = stored
    if kind in (2, 6):
        if values.max(initial=0) > 255:
            return None
        return values[..., 0] << 16 | values[..., 1] << 8 | values[..., 2]
    return values[..., 0]


def _levels_of(stored: tuple[Array, int] | None) -> Array | None:
    if stored is None or stored[1] in (3, 103) or stored[0].max(initial=0) > 65_535:
        return None
    values, kind = stored
    if kind == 100:
        return values[..., 0] * 255
    if kind in (2, 6):
        return None if values.max(initial=0) > 255 else values[..., :3].max(axis=2)
    return values[..., 0]
