"""Fuzzed labels in HDF5 and MATLAB files, against plain reads by h5py and scipy."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import scipy.sparse
from PIL import Image

from bench.data.readers.bsds import Bsds
from bench.data.readers.hypersim import Hypersim
from bench.data.readers.sbd import Sbd
from bench.types import Sample, Site
from fuzzing.mutations import damaged
from fuzzing.pictures import Judge, Verify, WrongError
from fuzzing.truth import Array

SIZE = (11, 17)
SECRET = 77
"""The label of a file beside, which nothing may lead to."""

WIDTHS = ("u1", "i1", "<u2", "<i2", ">i2", "<i4", ">u4", "<u4", "<i8", ">i8", "<u8")
FAR = (2**31 - 1, 2**31, 2**32 + 5, 2**40, -(2**31), -(2**31) - 1, 2**63 - 1, 2**64 - 1)


def _labels(rng: random.Random, kind: str) -> Array:
    """A few rectangles of labels, some of them near what a type holds."""
    values = np.zeros(SIZE, kind)
    limits = np.iinfo(kind)
    for _ in range(rng.randrange(1, 4)):
        y, x = rng.randrange(SIZE[0]), rng.randrange(SIZE[1])
        number = rng.choice((1, 2, 5, -1, 255, rng.choice(FAR)))
        values[y : y + 4, x : x + 5] = min(max(number, int(limits.min)), int(limits.max))
    return values


def _exact(values: Array) -> Array | None:
    """Whole numbers (H, W) as Python's own, none where a label of 32 bits can't hold one."""
    if values.dtype.kind not in "iu" or values.shape != SIZE:
        return None
    whole = [[int(value) for value in row] for row in values]
    if any(not -(2**31) <= value < 2**31 for row in whole for value in row):
        return None
    return np.array(whole, dtype=np.int64)


def _judge_masks(sample: Sample, parts: Sequence[tuple[str, Array | None]], skip: int) -> None:
    """Each part of the file, with the beginning of its masks' ids, has exactly its masks."""
    wanted: dict[str, Array] = {}
    for start, labels in parts:
        if labels is None:
            raise WrongError("labels were read that are none")
        for number in sorted({int(value) for value in labels.flat} - {skip}):
            wanted[f"{start}{number}"] = labels == number
    found = {target.mask_id: target.mask.dense() for target in sample.targets}
    if found.keys() != wanted.keys():
        raise WrongError(f"masks {sorted(found)}, a plain read has {sorted(wanted)}"[:200])
    for name, dense in found.items():
        if not np.array_equal(dense, wanted[name]):
            raise WrongError(f"the mask {name} is another one in a plain read")


def _picture(folder: Path, name: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / name)


def hdf5(rng: random.Random, folder: Path) -> Judge:
    """A dataset of labels: of other types, in other places, packed, linked, huge, or damaged."""
    _picture(folder, "a.png")
    values = _labels(rng, rng.choice(WIDTHS))
    path, beside = folder / "a.h5", folder / "beside.other"
    secret = np.full(SIZE, SECRET, "i2")
    with h5py.File(beside, "w") as other:
        other["dataset"] = secret
    (folder / "beside.raw").write_bytes(secret.tobytes())
    with h5py.File(path, "w", libver=rng.choice(("earliest", "latest"))) as file:
        truth = _write(rng, file, values, folder)
    data = path.read_bytes()
    if rng.random() < 0.3:
        data, truth = damaged(data, rng), "plain"
        path.write_bytes(data)

    def judge() -> Verify:
        reader = Hypersim(str(folder), "{id}.png", "{id}.h5", site=Site(datasets=folder))
        sample = reader.read("a")
        return lambda: verify(sample)

    def verify(sample: Sample) -> None:
        stored: Any = truth
        if isinstance(truth, str):
            with h5py.File(path, "r") as file:
                stored = file["dataset"][()]
        if any(target.mask_id == f"a/{SECRET}" for target in sample.targets):
            raise WrongError("labels of another file were read")
        _judge_masks(sample, [("a/", None if stored is None else _exact(stored))], -1)

    return judge


def _write(rng: random.Random, file: h5py.File, values: Array, folder: Path) -> Any:
    """Writes "dataset" in one of many ways; gives the labels, or none where they are refused."""

    def made(**options: Any) -> Any:
        return file.create_dataset("dataset", data=values, **options)

    ways: tuple[Callable[[], Any], ...] = (
        lambda: made() is not None and values,
        lambda: made(compression="gzip", shuffle=rng.random() < 0.5) is not None and values,
        lambda: made(chunks=(4, 5), fletcher32=True) is not None and values,
        lambda: _other_type(rng, file, values),
        lambda: _linked(rng, file, values, folder),
        lambda: _elsewhere(rng, file, folder),
        lambda: _packed(rng, made),
        lambda: _huge(rng, file),
        lambda: _other_shape(rng, file, values),
    )
    return rng.choice(ways)()


def _other_type(rng: random.Random, file: h5py.File, values: Array) -> None:
    kinds: tuple[Any, ...] = (
        "f4", "f8", "f2", bool, "c8", "S3", "V4", h5py.string_dtype(), h5py.ref_dtype,
        h5py.regionref_dtype, h5py.enum_dtype({"A": 0, "B": 1}, basetype="i2"),
        h5py.vlen_dtype(np.int32), np.dtype([("a", "i4"), ("b", "i4")]), np.dtype(("i4", (2,))),
    )  # fmt: skip
    kind = rng.choice(kinds)
    file.create_dataset("dataset", SIZE, dtype=kind)
    if kind in ("f4", "f8"):
        file["dataset"][...] = np.where(values > 0, rng.choice((1.0, 1.5, np.nan, np.inf)), 0)


def _linked(rng: random.Random, file: h5py.File, values: Array, folder: Path) -> Any:
    way = rng.randrange(5)
    if way == 0:
        file["dataset"] = h5py.ExternalLink(str(folder / "beside.other"), "dataset")
    elif way == 1:
        file["dataset"] = h5py.ExternalLink("beside.other", "/dataset")
    elif way == 2:
        file["dataset"] = h5py.SoftLink(rng.choice(("/other", "/dataset", "/none", "/")))
        file["other"] = values
    elif way == 3:
        file["other"] = values
        file["dataset"] = file["other"]  # another hard link, as good as the first
        return values
    else:
        group = file.create_group("dataset")
        group["dataset"] = values
        group["again"] = h5py.SoftLink("/dataset")
    return None


def _elsewhere(rng: random.Random, file: h5py.File, folder: Path) -> None:
    """Numbers that lie in another file: raw, or in parts of one."""
    if rng.random() < 0.5:
        name = rng.choice((str(folder / "beside.raw"), "beside.raw", "/etc/passwd"))
        file.create_dataset("dataset", SIZE, "i2", external=[(name, 0, 2 * SIZE[0] * SIZE[1])])
        return
    layout = h5py.VirtualLayout(SIZE, "i2")
    name = rng.choice((str(folder / "beside.other"), "beside.other", "."))
    layout[...] = h5py.VirtualSource(name, "dataset", shape=SIZE)
    file.create_virtual_dataset("dataset", layout)


def _packed(rng: random.Random, made: Callable[..., Any]) -> None:
    """By filters that are not read, of which plugins would be loaded."""
    options: tuple[dict[str, Any], ...] = (
        {"compression": "lzf"}, {"scaleoffset": 8}, {"compression": 32_015, "allow_unknown_filter":
        True}, {"compression": 305, "allow_unknown_filter": True},
    )  # fmt: skip
    try:
        made(**rng.choice(options))
    except (ValueError, OSError, RuntimeError):
        made(compression="lzf")


def _huge(rng: random.Random, file: h5py.File) -> None:
    """Gigabytes that are declared and not there, as an array or as a chunk of one."""
    side = rng.choice((40_000, 2**20, 2**31))
    way = rng.randrange(4)
    if way == 0:
        file.create_dataset("dataset", (side, side), "i8", chunks=(1_000, 1_000))
    elif way == 1:
        large = {"maxshape": (None, None), "chunks": (20_000, 20_000)}
        stored = file.create_dataset("dataset", SIZE, "i8", compression="gzip", **large)
        packed = zlib.compress(bytes(20_000_000), 9)
        stored.id.write_direct_chunk((0, 0), packed * rng.choice((1, 3)))
    elif way == 2:
        stored = file.create_dataset("dataset", SIZE, "i4", chunks=SIZE, compression="gzip")
        stored.id.write_direct_chunk((0, 0), zlib.compress(bytes(300_000_000), 9))
    else:
        kind = h5py.h5t.create(h5py.h5t.OPAQUE, 2**31 - 1)
        space = h5py.h5s.create_simple(SIZE)
        h5py.h5d.create(file.id, b"dataset", kind, space)


def _other_shape(rng: random.Random, file: h5py.File, values: Array) -> None:
    shapes: tuple[Any, ...] = (
        values.T, values[:-1], values[None], values[..., None], values.ravel(), values[0, 0],
        h5py.Empty("i2"), np.zeros((0, 0), "i2"), np.zeros((SIZE[0], 0), "i2"),
    )  # fmt: skip
    file["dataset"] = rng.choice(shapes)


def mat(rng: random.Random, folder: Path) -> Judge:
    """A file of SBD or BSDS500: other classes of arrays, numbers that wrap, forged or damaged."""
    _picture(folder, "a.png")
    people = rng.random() < 0.5
    file = folder / "a.mat"
    values: Any = _mat_values(rng)
    if people:
        cells = np.empty((1, rng.choice((1, 1, 2, 0))), object)
        for place in range(cells.size):
            cells[0, place] = {"Segmentation": values, "Boundaries": np.zeros(SIZE, np.uint8)}
        content: dict[str, Any] = {"groundTruth": cells}
    else:
        classes = rng.choice(([3, 7], [1.0, 20.0], [0], [21], [2.5], [np.nan], [2**40], ["a"], []))
        truth = {"Segmentation": values, "Boundaries": 0, "Categories": classes}
        if rng.random() < 0.1:
            del truth[rng.choice(list(truth))]
        content = {"GTinst": truth}
    out = io.BytesIO()
    scipy.io.savemat(out, content, do_compression=rng.random() < 0.5)
    data = out.getvalue()
    match rng.randrange(6):
        case 0:
            data = damaged(data, rng)
        case 1:
            data = _forged_mat(data, rng)
        case 2 if rng.random() < 0.4:
            bomb = zlib.compress(bytes(rng.choice((10_000, 400_000_000))), 9)
            data = data[:128] + struct.pack("<II", 15, len(bomb)) + bomb + data[128:]
    file.write_bytes(data)

    def judge() -> Verify:
        names = str(folder), "{id}.png", "{id}.mat"
        site = Site(datasets=folder)
        reader = Bsds(*names, site=site) if people else Sbd(*names, site=site, listed=None)
        sample = reader.read("a")
        return lambda: verify(sample)

    def verify(sample: Sample) -> None:
        plain = scipy.io.loadmat(file, struct_as_record=False)  # records have no empty names
        if people:
            cells = np.ravel(plain["groundTruth"])
            stored = [np.ravel(cell)[0].Segmentation for cell in cells]
            parts = [(f"a/{n}/", _exact(one)) for n, one in enumerate(stored, start=1)]
            _judge_masks(sample, parts, 2**40)
        else:
            stored = [np.ravel(plain["GTinst"])[0].Segmentation]
            _judge_masks(sample, [("a/", _exact(stored[0]))], 0)

    return judge


def _mat_values(rng: random.Random) -> Any:
    kinds = ("u1", "i1", "<u2", "<i2", "<i4", "<u4", "<i8", "<u8")
    values = _labels(rng, rng.choice(kinds))
    others: tuple[Callable[[], Any], ...] = (
        lambda: values.astype("f8"), lambda: values.astype("f4") + 0.5,
        lambda: values.astype("c16"), lambda: values > 0, lambda: values.T,
        lambda: values[..., None], lambda: scipy.sparse.csc_matrix(values.astype("f8")),
        lambda: "text", lambda: {"a": values}, lambda: np.array([[values]], object), lambda: 3,
        lambda: np.zeros((0, 0), "u1"),
    )  # fmt: skip
    return values if rng.random() < 0.55 else rng.choice(others)()


def _forged_mat(data: bytes, rng: random.Random) -> bytes:
    """Version 5 whose first elements lie about types, sizes and dimensions, packed again if so."""
    head, tag = data[:128], struct.unpack("<II", data[128:136])
    packed = tag[0] == 15
    body = bytearray(zlib.decompress(data[136 : 136 + tag[1]]) if packed else data[128:])
    for _ in range(rng.choice((1, 1, 2))):
        place = 4 * rng.randrange(min(40, len(body) // 4))
        numbers = (0, 1, 2, 5, 6, 12, 13, 14, 17, 255, 2**16 + 1, 2**31 - 1, 2**31, 2**32 - 1)
        struct.pack_into("<I", body, place, rng.choice(numbers))
    if packed:
        whole = zlib.compress(bytes(body))
        return head + struct.pack("<II", 15, len(whole)) + whole
    return head + bytes(body)
