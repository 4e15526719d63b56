"""Edge maps that another tool wrote, a file for each picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.data.formats.files import check_inside, is_hidden
from bench.data.formats.matlab import load_variable
from bench.data.formats.pictures import look_at, read_levels, read_picture
from bench.files.arrays import read_array
from bench.files.there import kind_of
from bench.types import BenchError, FloatArray

_FEW = 3
"""Names that a message gives of many."""


def _from_png(file: Path, shape: tuple[int, int]) -> FloatArray:
    stored = look_at(file)
    if "RGB" in stored.kind or stored.kind.endswith(" P"):
        colours = read_picture(file)
        if (colours != colours[..., :1]).any():
            raise BenchError(f"{file}: its colours are no strengths of edges; save it as grey")
    most = 65535 if stored.deep else 255
    return (read_levels(file) / most).astype(np.float64)


def _from_npy(file: Path, shape: tuple[int, int]) -> FloatArray:
    found = read_array(file)
    if found.shape != shape:  # before it is read: the head may promise anything
        raise BenchError(f"{file}: {_other_size(found.shape, shape)}")
    if found.dtype.kind not in "fiub":
        raise BenchError(f"{file}: an edge map is of numbers, found {found.dtype}")
    return np.asarray(found, dtype=np.float64)


def _from_mat(file: Path, shape: tuple[int, int]) -> FloatArray:
    """A UCM of the BSDS benchmark: of its (2H + 1, 2W + 1) values those at pixels."""
    doubled = np.asarray(load_variable(file, "ucm2", (2 * shape[0] + 1, 2 * shape[1] + 1)))
    if doubled.ndim != 2 or doubled.dtype.kind not in "fiu":
        raise BenchError(f"{file}: 'ucm2' is {doubled.dtype} of {doubled.ndim} axes, no UCM")
    return doubled[2::2, 2::2].astype(np.float64)


_READERS: Mapping[str, Callable[[Path, tuple[int, int]], FloatArray]] = {
    ".png": _from_png,
    ".npy": _from_npy,
    ".mat": _from_mat,
}


def find_maps(folder: Path, image_ids: Sequence[str]) -> Mapping[str, Path]:
    """The file of each image, ``<image_id>.png``, ``.npy`` or ``.mat`` (a UCM), by its id.

    Raises ``BenchError`` for no folder, an image without a file or with two, and files of no image.
    """
    if not folder.is_dir():
        raise BenchError(f"{folder}: {kind_of(folder, 'folder of edge maps')}")
    there: dict[str, list[Path]] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in _READERS and not is_hidden(file, folder):
            name = file.relative_to(folder).with_suffix("").as_posix()
            there.setdefault(name, []).append(file)
    found: dict[str, Path] = {}
    missing = []
    for image_id in image_ids:
        check_inside(image_id, "the image id")
        files = there.pop(image_id, [])
        if len(files) > 1:
            names = " and ".join(file.name for file in files)
            raise BenchError(f"{folder}: {names} are both the edge map of {image_id!r}; keep one")
        if files:
            found[image_id] = files[0]
        else:
            missing.append(image_id)
    if missing:
        raise BenchError(
            f"{folder}: {len(missing)} of {len(image_ids)} images have no edge map: "
            f"{_some(missing)}; it is called <image_id>.png, .npy or .mat"
        )
    if there:
        raise BenchError(
            f"{folder}: {len(there)} edge maps are of no image of the dataset: "
            f"{_some(list(there))}; take them out, or choose the dataset that they belong to"
        )
    return found


def read_map(file: Path, shape: tuple[int, int]) -> FloatArray:
    """The strengths (H, W) in [0, 1] of a picture of that shape: 1 is surely an edge.

    8 and 16 bits of a PNG are shares of 255 and 65,535. Raises ``BenchError`` naming the file for
    another size, NaN, and numbers outside [0, 1].
    """
    found = _READERS[file.suffix.lower()](file, shape)
    if found.shape != shape:
        raise BenchError(f"{file}: {_other_size(found.shape, shape)}")
    if np.isnan(found).any():
        raise BenchError(f"{file}: the edge map holds NaN")
    low, high = float(found.min(initial=0.0)), float(found.max(initial=0.0))
    if low < 0:
        raise BenchError(
            f"{file}: strengths lie between 0 and 1, found some below 0, down to {low:g}"
        )
    if high > 1:
        raise BenchError(
            f"{file}: strengths lie between 0 and 1, found {low:g} to {high:g}; divide by the most "
            "that they can be, the same for all pictures"
        )
    return found


def _other_size(found: tuple[int, ...], shape: tuple[int, int]) -> str:
    sizes = "×".join(map(str, found))
    return f"the edge map is {sizes}, its picture {shape[0]}×{shape[1]} (H×W)"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(repr(name) for name in names[:_FEW]) + more
