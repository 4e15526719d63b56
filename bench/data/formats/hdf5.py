"""Labels in HDF5 files, taken only from where and how such labels are stored.

An HDF5 file may lead to other files, and may ask for any memory: its links, its types, its chunks
and its packing are looked at before a number is read.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench.data.formats.files import check_sizes, need_package
from bench.data.formats.labels import label_array
from bench.data.formats.pictures import LabelArray
from bench.types import BenchError, ImageArray

_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3
_SLACK = 1 << 20
"""Bytes that a chunk may have beyond the labels: it may be larger than what is in it."""

# What h5py raises on broken files; it documents none of it.
_BROKEN = (
    OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError,
    ArithmeticError, NotImplementedError, zlib.error,
)  # fmt: skip


def load_labels(file: Path, name: str, image: ImageArray, picture: Path) -> LabelArray:
    """The labels ``name`` at the top of an HDF5 file, (H, W) int32, of the picture's size.

    A hard link to whole numbers of 8 to 64 bits is read, plain or packed by gzip. Raises
    ``BenchError`` naming the file for everything else, before it takes memory: links to other
    places and files, other types, labels of another size than the picture's, chunks far larger
    than the labels, and numbers beyond int32.
    """
    h5py = need_package("h5py", "HDF5")
    try:
        with h5py.File(file, "r") as opened:
            if not isinstance(opened.get(name, getlink=True), h5py.HardLink):
                raise ValueError("it isn't there, or is a link to another place")
            stored = opened[name]
            if not isinstance(stored, h5py.Dataset):
                raise ValueError(f"it is a {type(stored).__name__}, no array")
            _check_type(h5py, stored)
            if stored.ndim != 2:
                raise ValueError(f"labels are (H, W), found {stored.shape}")
            check_sizes(image, picture, (stored.shape[0], stored.shape[1]), file)
            _check_storage(stored)
            return label_array(stored[()])
    except _BROKEN as error:
        said = " ".join(str(error).split())
        raise BenchError(f"{file}: {name!r} can't be read from HDF5: {said}") from None


def _check_type(h5py: ModuleType, stored: Any) -> None:
    """Raises ``ValueError`` unless plain whole numbers are stored; asks HDF5, not numpy."""
    kind = stored.id.get_type()
    if kind.get_class() != h5py.h5t.INTEGER or kind.get_size() not in (1, 2, 4, 8):
        raise ValueError("its type is no plain whole number of 8, 16, 32 or 64 bits")


def _check_storage(stored: Any) -> None:
    """Raises ``ValueError`` where numbers lie elsewhere, or unpack into more than the labels."""
    if stored.external or stored.is_virtual:
        raise ValueError("its numbers lie in another file")
    if stored.chunks is None:
        return
    most = stored.size * stored.dtype.itemsize + _SLACK
    size = math.prod(stored.chunks) * stored.dtype.itemsize
    if size > most:
        raise ValueError(f"its chunks are of {size} bytes, the labels of {most - _SLACK}")
    settings = stored.id.get_create_plist()
    filters = [settings.get_filter(place)[0] for place in range(settings.get_nfilters())]
    if not set(filters) <= {_DEFLATE, _SHUFFLE, _CHECKSUM} or filters.count(_DEFLATE) > 1:
        raise ValueError(f"its filters {filters} are not read; pack it by gzip alone")
    if _DEFLATE not in filters:
        return
    for place in range(stored.id.get_num_chunks()):
        _, packed = stored.id.read_direct_chunk(stored.id.get_chunk_info(place).chunk_offset)
        if not _unpacks_into(packed, most):
            raise ValueError(f"a chunk unfolds into more than {most} bytes")


def _unpacks_into(packed: bytes, most: int) -> bool:
    """Whether zlib's bytes unfold into at most so many; what isn't zlib's is HDF5's to say."""
    unpacker = zlib.decompressobj()
    try:
        return len(np.frombuffer(unpacker.decompress(packed, most + 1), np.uint8)) <= most
    except zlib.error:
        return True
