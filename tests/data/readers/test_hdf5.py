"""Labels in HDF5 files: read where plain whole numbers lie, refused before they take memory."""

import zlib

import h5py
import numpy as np
import pytest

from bench.data.formats.hdf5 import load_labels
from bench.data.formats.labels import label_array, whole_numbers
from bench.types import BenchError

SHAPE = (6, 8)
LABELS = np.arange(48, dtype=np.int16).reshape(SHAPE) - 1
IMAGE = np.zeros((*SHAPE, 3), np.uint8)


def load(folder):
    return load_labels(folder / "a.hdf5", "dataset", IMAGE, folder / "a.jpg")


@pytest.mark.parametrize("kind", ["i1", "u1", "<i2", ">i2", "<u4", ">i8", "<u8"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip"},
        {"chunks": (4, 3), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (6, 8), "maxshape": (None, None), "shuffle": True},
    ],
)
def test_whole_numbers_of_any_width_are_read(tmp_path, kind, options):
    values = (LABELS + 1).astype(kind)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_dataset("dataset", data=values, **options)
    found = load(tmp_path)
    assert found.dtype == np.int32
    assert np.array_equal(found, LABELS + 1)


@pytest.mark.parametrize(
    ("kind", "number"),
    [("i8", 2**32 + 5), ("i8", -(2**31) - 1), ("u4", 2**31), ("u8", 2**64 - 1), ("i8", 2**31)],
)
def test_a_number_beyond_32_bits_is_refused_and_never_another_object(tmp_path, kind, number):
    values = np.zeros(SHAPE, kind)
    values[1, 2] = number
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["dataset"] = values
    with pytest.raises(BenchError, match=f"a label is -2147483648 to 2147483647, found {number}"):
        load(tmp_path)


def test_the_widest_labels_are_kept():
    for number in (2**31 - 1, -(2**31)):
        assert label_array(np.full(SHAPE, number, np.int64))[0, 0] == number
    for other in (np.ones(SHAPE), np.ones(SHAPE, bool), np.ones(6, int), None, [[1, "a"]]):
        with pytest.raises(ValueError, match=r"labels are whole numbers \(H, W\)"):
            label_array(other)


def test_whole_numbers_may_be_stored_as_floats():
    assert whole_numbers(np.array([[1.0, 20.0]])) == [1, 20]
    assert whole_numbers([]) == []
    for other in ([1.5], [np.nan], [np.inf], ["a"], [None], np.array([[object()]])):
        with pytest.raises(ValueError, match="whole numbers are expected"):
            whole_numbers(other)


def external_link(file, folder):
    with h5py.File(folder / "other.hdf5", "w") as other:
        other["inner/labels"] = LABELS
    file["dataset"] = h5py.ExternalLink(str(folder / "other.hdf5"), "/inner/labels")


def soft_link_through_another_file(file, folder):
    with h5py.File(folder / "other.hdf5", "w") as other:
        other["inner/labels"] = LABELS
    file["way"] = h5py.ExternalLink(str(folder / "other.hdf5"), "/inner")
    file["dataset"] = h5py.SoftLink("/way/labels")


def raw_file(file, folder):
    (folder / "secret").write_bytes(LABELS.tobytes())
    file.create_dataset("dataset", SHAPE, "i2", external=[(str(folder / "secret"), 0, 96)])


def virtual(file, folder):
    with h5py.File(folder / "other.hdf5", "w") as other:
        other["labels"] = LABELS
    layout = h5py.VirtualLayout(shape=SHAPE, dtype="i2")
    layout[:] = h5py.VirtualSource(str(folder / "other.hdf5"), "labels", shape=SHAPE)
    file.create_virtual_dataset("dataset", layout)


def of_type(kind):
    return lambda file, folder: file.create_dataset("dataset", SHAPE, kind)


def long_text(file, folder):
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(2_000_000_000)
    h5py.h5d.create(file.id, b"dataset", kind, h5py.h5s.create_simple(SHAPE))


def huge_chunk(file, folder):
    options = {"chunks": (30_000, 30_000), "maxshape": (None, None), "compression": "gzip"}
    stored = file.create_dataset("dataset", SHAPE, "i2", **options)
    stored.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 20)))


def packed_bomb(file, folder):
    stored = file.create_dataset("dataset", SHAPE, "i2", chunks=SHAPE, compression="gzip")
    stored.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 26)))


def packed_twice(file, folder):
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk(SHAPE)
    settings.set_deflate(9)
    settings.set_deflate(9)
    h5py.h5d.create(
        file.id, b"dataset", h5py.h5t.STD_I16LE, h5py.h5s.create_simple(SHAPE), settings
    )


def other_filter(file, folder):
    file.create_dataset("dataset", data=LABELS, chunks=SHAPE, compression="lzf")


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (external_link, "is a link to another place"),
        (soft_link_through_another_file, "is a link to another place"),
        (lambda file, folder: file.create_group("x"), "it isn't there"),
        (lambda file, folder: file.create_group("dataset"), "it is a Group, no array"),
        (raw_file, "its numbers lie in another file"),
        (virtual, "its numbers lie in another file"),
        (of_type("f4"), "no plain whole number"),
        (of_type("?"), "no plain whole number"),
        (of_type([("a", "i2")]), "no plain whole number"),
        (of_type(h5py.vlen_dtype("i2")), "no plain whole number"),
        (of_type(h5py.enum_dtype({"a": 1}, "i2")), "no plain whole number"),
        (of_type(np.dtype(("i2", (50_000_000,)))), "no plain whole number"),
        (of_type(h5py.ref_dtype), "no plain whole number"),
        (long_text, "no plain whole number"),
        (huge_chunk, "its chunks are of 1800000000 bytes, the labels of 96"),
        (packed_bomb, "a chunk unfolds into more than 1048672 bytes"),
        (packed_twice, r"its filters \[1, 1\] are not read"),
        (other_filter, r"its filters \[32000\] are not read"),
        (lambda f, _: f.create_dataset("dataset", (6, 8, 1), "i2"), r"labels are \(H, W\)"),
        (lambda f, _: f.create_dataset("dataset", (), "i2"), r"labels are \(H, W\)"),
        (lambda f, _: f.create_dataset("dataset", (1 << 20, 1 << 20), "i8"), "masks are 1048576×"),
    ],
)  # fmt: skip
def test_what_leads_elsewhere_or_asks_for_memory_is_refused(tmp_path, write, says):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        write(file, tmp_path)
    with pytest.raises(BenchError, match=says) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/a.hdf5: ")
    assert "\n" not in str(caught.value)
