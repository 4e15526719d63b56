"""COCO run lengths: background first, in column-major order, of whole (H, W) masks.

Only the columns that a mask covers are touched, so a small object in a large picture costs little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Runs: TypeAlias = npt.NDArray[np.int64]

MOST_PIXELS = 1 << 28
"""The most pixels of a mask, above those of any picture that is read: a false size costs memory."""

_LONGEST = 7  # characters of a run length in a compressed string: 35 bits


def read_counts(counts: str | bytes | Sequence[int]) -> Runs:
    """The run lengths of an RLE's ``counts``: a compressed string or a list of whole numbers.

    Raises ``ValueError`` for anything else, and for a damaged string.
    """
    if isinstance(counts, str):
        if counts[:2] in ("b'", 'b"'):  # no characters of a compressed string
            raise ValueError(
                "an RLE's counts are written as Python shows bytes, b'…': write counts.decode()"
            )
        counts = counts.encode("ascii", errors="replace")
    if isinstance(counts, bytes):
        return _decompressed(counts)
    if not isinstance(counts, Sequence) or any(type(n) is not int for n in counts):
        raise ValueError("an RLE's counts are a string or a list of whole numbers")
    try:
        return np.array(counts, dtype=np.int64)
    except OverflowError:
        raise ValueError("an RLE's counts hold a number beyond 64 bits") from None


def tells_nothing(counts: str) -> bool:
    """Whether a compressed string is of one run at most: all background.

    Only the first characters are looked at. A mask of nothing may also be told in several runs, of
    which every other one is 0; ``write_counts`` of ``runs_of`` never does.
    """
    first_two = counts[: 2 * _LONGEST].encode("ascii", errors="replace")
    return sum(not (code - 48) & 32 for code in first_two) < 2


def write_counts(runs: Runs) -> str:
    """The compressed string of run lengths, as pycocotools writes it.

    pycocotools takes a list of Python's numbers and keeps the interpreter to itself for so long;
    this leaves other threads their turn. Each length is written in characters of 5 bits, see
    ``_decompressed``, and what is left of it is looked at again.
    """
    left = runs.astype(np.int32)  # of 2²⁸ pixels at most
    left[3:] -= left[1:-2].copy()
    index = np.arange(len(runs), dtype=np.int32)
    pieces = []
    lengths = np.zeros(len(runs), dtype=np.int32)
    while index.size:
        low = left & 31
        left = left >> 5
        more = left != np.where(low & 16, -1, 0)
        pieces.append((index, (low + 48 + 32 * more).astype(np.uint8)))
        lengths[index] += 1
        index, left = index[more], left[more]
    text = np.empty(int(lengths.sum()), dtype=np.uint8)
    places = np.cumsum(lengths) - lengths
    for place, (of, characters) in enumerate(pieces):
        text[places[of] + place] = characters
    return text.tobytes().decode("ascii")


def columns_of(runs: Runs, height: int, width: int) -> tuple[npt.NDArray[np.bool_], int]:
    """The columns from the first to the last that the mask covers, (H, w) bool, and the first's x.

    w is 0 for an empty mask. Raises ``ValueError`` for runs that don't fill the image.
    """
    if height * width > MOST_PIXELS:
        raise ValueError(f"an RLE of {height}×{width} is beyond the {MOST_PIXELS} pixels of a mask")
    if runs.size and runs.min() < 0:
        raise ValueError(f"a run length of the {height}×{width} RLE is negative")
    total = sum(runs.tolist())  # Python's whole numbers: a sum of 64 bits may wrap around
    if total != height * width:
        raise ValueError(
            f"the RLE's runs sum to {total}, the image has {height}×{width} = "
            f"{height * width} pixels"
        )
    ends = np.cumsum(runs)
    starts, ends = (ends - runs)[1::2], ends[1::2]
    some = ends > starts
    starts, ends = starts[some], ends[some]
    if starts.size == 0:
        return np.zeros((height, 0), dtype=bool), 0
    x0, x1 = int(starts[0]) // height, (int(ends[-1]) - 1) // height
    steps = np.zeros((x1 - x0 + 1) * height + 1, dtype=np.int8)
    steps[starts - x0 * height] += 1
    steps[ends - x0 * height] -= 1
    columns = np.cumsum(steps[:-1], dtype=np.int8).astype(bool).reshape(-1, height)
    return columns.T, x0


def runs_of(bits: npt.NDArray[np.bool_], y0: int, x0: int, height: int, width: int) -> Runs:
    """The run lengths of the (height, width) mask whose only pixels are ``bits`` at (y0, x0)."""
    import cv2  # ten times as fast as numpy at this; the command line starts without it

    h, w = bits.shape
    if bits.size == 0:
        return np.array([height * width], dtype=np.int64)
    # Where a column goes on in the next, as at full height, so may a run; else a 0 lies between.
    tall = h if h == height else h + 1
    columns = np.zeros(w * tall + 2, dtype=np.uint8)
    columns[1:-1].reshape(w, tall)[:, :h] = cv2.transpose(bits.view(np.uint8))
    turns = np.flatnonzero(columns[1:] != columns[:-1])
    if tall != height:
        column, row = np.divmod(turns, tall)
        turns = column * height + row
    turns += x0 * height + y0
    if turns[-1] != height * width:
        turns = np.append(turns, height * width)
    return np.diff(turns, prepend=0).astype(np.int64)


def _decompressed(counts: bytes) -> Runs:
    """The run lengths of COCO's compressed string.

    Each number is written in characters of 5 bits, lowest first, plus a bit that says "more
    follows"; from the fourth on it is the difference to the number two before.
    """
    codes = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if codes.size == 0:
        return codes
    last = (codes & 32) == 0
    if codes.min() < 0 or codes.max() > 63 or not last[-1]:
        raise ValueError("the RLE's counts string is damaged")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST:
        raise ValueError("the RLE's counts string is damaged")
    place = np.arange(codes.size) - np.repeat(starts, lengths)
    runs: Runs = np.add.reduceat((codes & 31) << (5 * place), starts)
    runs -= np.where(codes[ends] & 16, np.int64(1) << (5 * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs
