"""MATLAB's ``.mat`` files, as far as datasets of segmentations use them."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.data.formats.labels import label_array
from bench.data.formats.pictures import LabelArray
from bench.types import BenchError

BYTES_PER_PIXEL = 256
"""The most that labels may take: of ten people, in 64 bits, with their boundaries."""

SMALL = 1 << 20
"""Bytes that are no matter however they are packed."""

_HEAD, _ARRAY, _COMPRESSED, _STEP = 128, 14, 15, 1 << 20
_NESTED, _SPARSE, _OPAQUE = (1, 2, 3), 5, (16, 17)
"""Classes of arrays: of arrays (cells, structs, objects), sparse, functions and opaque ones."""

_NUMBERS = frozenset((1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18))
"""Types of elements that hold numbers or letters. For any other in their place scipy crashes."""

_DEEPEST, _MOST_ELEMENTS = 64, 1 << 18
"""How deep arrays may lie in arrays, and of how many pieces they may be: labels lie three deep."""

# What scipy raises on broken files.
_BROKEN = (
    ValueError, TypeError, OSError, LookupError, NotImplementedError, ArithmeticError,
    AttributeError, NameError, MemoryError, RecursionError, struct.error, zlib.error,
)  # fmt: skip


def load_variable(file: Path, name: str, shape: tuple[int, ...]) -> Any:
    """A variable of a ``.mat`` file, structs as objects; ``BenchError`` naming the file.

    ``shape`` is the picture's: a file that unfolds into far more than its labels is not decoded.
    """
    from scipy.io import loadmat  # takes a tenth of a second to import
    from scipy.io.matlab import MatReadError

    try:
        _check_file(file, SMALL + BYTES_PER_PIXEL * math.prod(shape))
        content = loadmat(file, struct_as_record=False, squeeze_me=False)
    except FileNotFoundError:
        raise BenchError(f"{file}: no such file") from None
    # What scipy raises on broken files; it documents none of it.
    except (*_BROKEN, MatReadError) as error:
        raise BenchError(f"{file}: not a .mat file that can be read: {error}") from None
    if name not in content:
        found = ", ".join(key for key in content if not key.startswith("__")) or "none"
        raise BenchError(f"{file}: it has no variable {name!r}; found: {found}")
    return content[name]


def _check_file(file: Path, most: int) -> None:
    """Raises ``ValueError`` where a ``.mat`` file asks for far more memory than it has bytes.

    Version 5 holds elements one after another, each packed by zlib (type 15) or as it is. Version
    4, known by a zero in its first four bytes, is as large as it looks, and left to scipy.
    """
    with file.open("rb") as opened:
        whole = opened.seek(0, 2)
        opened.seek(0)
        head = opened.read(_HEAD)
        if 0 in head[:4]:
            return
        order = {b"IM": "<", b"MI": ">"}.get(head[-2:])
        if order is None:
            raise ValueError("its head is that of no version that is read, 4 and 5")
        left = most
        while len(tag := opened.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            place = opened.tell()
            if size > whole - place:
                raise ValueError("it ends inside an element")
            if kind == _COMPRESSED:
                unpacked = _Unpacked(opened, size, left, most)
                if len(tag := unpacked.read(8)) == 8:
                    _check_element(unpacked, order, *struct.unpack(f"{order}II", tag))
                unpacked.skip(left)
                left = unpacked.left
                opened.seek(place + size)
            else:
                _check_element(_Plain(opened), order, kind, size)
                opened.seek(place + size + (-size) % 8)


class _Plain:
    """The bytes of a file as they are."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, count: int) -> bytes:
        """The next bytes; fewer where they end."""
        return self._file.read(count)

    def skip(self, count: int) -> None:
        """Passes bytes over."""
        self._file.seek(count, 1)


class _Unpacked:
    """What so many bytes of a file unfold into; ``ValueError`` beyond ``left`` bytes of it.

    ``most`` is what the whole file may unfold into, for the error.
    """

    def __init__(self, file: BinaryIO, size: int, left: int, most: int) -> None:
        self._file, self._size, self.left, self._most = file, size, left, most
        self._unpacker, self._held, self._place = zlib.decompressobj(), b"", 0

    def read(self, count: int) -> bytes:
        """The next bytes, a few; fewer where they end."""
        while len(self._held) - self._place < count and (block := self._next()):
            self._held, self._place = self._held[self._place :] + block, 0
        found = self._held[self._place : self._place + count]
        self._place += len(found)
        return found

    def skip(self, count: int) -> None:
        """Passes bytes over."""
        while count > len(self._held) - self._place:
            count -= len(self._held) - self._place
            self._held, self._place = self._next(), 0
            if not self._held:
                return
        self._place += count

    def _next(self) -> bytes:
        block = b""
        while not block and not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail
            if not packed:
                packed = self._file.read(min(self._size, _STEP))
                self._size -= len(packed)
            if not packed:
                break  # cut off, which scipy says
            block = self._unpacker.decompress(packed, _STEP)
        self.left -= len(block)
        if self.left < 0:
            raise ValueError(f"it unfolds into more than {self._most} bytes")
        return block


def _check_element(source: _Plain | _Unpacked, order: str, kind: int, size: int) -> None:
    """Checks the arrays in an element whose tag has been read, of ``size`` bytes.

    Raises ``ValueError`` for an array of more entries than bytes, one longer than what it lies in,
    many or deep ones, and what holds no numbers where they belong: scipy makes room for every entry
    that an array's head speaks of, calls itself for each array in an array, and has no numbers of
    other types.
    """
    if kind != _ARRAY or not size:
        return
    used, nests = _check_head(source, order, size)
    ends, nested = [size - used], [nests]  # bytes left of each open array, whether it holds arrays
    for _ in range(_MOST_ELEMENTS):
        while ends and ends[-1] <= 0:
            ends.pop()
            nested.pop()
        if not ends or len(tag := source.read(8)) < 8:
            return
        kind, size = struct.unpack(f"{order}II", tag)
        if kind >> 16:  # a small element, its size and data in the tag
            kind, size = kind & 0xFFFF, 0
        padded = size + (-size) % 8
        if padded > ends[-1]:
            raise ValueError("an element is longer than the array that it lies in")
        ends[-1] -= 8 + padded
        if not nested[-1] if kind == _ARRAY else kind not in _NUMBERS:
            raise ValueError(f"an element of type {kind} lies in the place of numbers")
        if kind != _ARRAY:
            source.skip(padded)
        elif size:
            if len(ends) == _DEEPEST:
                raise ValueError(f"its arrays are nested more than {_DEEPEST} deep")
            used, nests = _check_head(source, order, size)
            ends.append(padded - used)
            nested.append(nests)
    raise ValueError(f"it has more than {_MOST_ELEMENTS} elements")


def _check_head(source: _Plain | _Unpacked, order: str, size: int) -> tuple[int, bool]:
    """Checks an array's number of entries against its bytes.

    Gives how many of them were read, and whether arrays may lie in it.
    """
    head = source.read(24) if size >= 24 else b""
    if len(head) < 24:
        raise ValueError("an array ends inside its head")
    _, _, flags, _, kind, wide = struct.unpack(f"{order}6I", head)
    if kind >> 16:
        sides, used = head[20:], 24
        wide = 4
    else:
        padded = wide + (-wide) % 8
        if padded > size - 24:
            raise ValueError("an array's dimensions are longer than the array")
        sides, used = source.read(padded), 24 + padded
    if flags & 0xFF in _OPAQUE:  # these have no dimensions
        return used, True
    entries = math.prod(max(0, n) for n in struct.unpack(f"{order}{wide // 4}i", sides[:wide]))
    if flags & 0xFF != _SPARSE and entries * (8 if flags & 0xFF in _NESTED else 1) > size:
        raise ValueError(f"an array of {size} bytes says it has {entries} entries")
    return used, flags & 0xFF in _NESTED


def first_of(file: Path, value: Any, name: str) -> Any:
    """The first entry of an array; ``BenchError`` where it is empty, naming the variable."""
    entries = np.ravel(value)
    if not entries.size:
        raise BenchError(f"{file}: an array of {name!r} is empty")
    return entries[0]


def labels_of(file: Path, struct: Any, field: str) -> LabelArray:
    """A struct's field of whole numbers as (H, W) int32; ``BenchError`` for anything else."""
    try:
        return label_array(getattr(struct, field, None))
    except ValueError as error:
        raise BenchError(f"{file}: {field!r}: {error}") from None
