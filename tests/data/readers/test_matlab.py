"""What a .mat file may ask for: how much it unfolds into, how many entries, how deep."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from bench.data.formats.matlab import BYTES_PER_PIXEL, SMALL, labels_of, load_variable
from bench.types import BenchError


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("beyond", [0, 1])
def test_a_file_may_unfold_into_so_many_bytes_and_no_more(
    tmp_path: Path, parts: int, beyond: int
) -> None:
    most = SMALL + BYTES_PER_PIXEL * 30 * 40
    sizes = [most // parts] * (parts - 1)
    sizes.append(most - sum(sizes) + beyond)
    packed = [zlib.compress(bytes(size)) for size in sizes]
    head = b" " * 124 + struct.pack("<H2s", 0x0100, b"IM")
    file = tmp_path / "truth.mat"
    file.write_bytes(head + b"".join(struct.pack("<II", 15, len(p)) + p for p in packed))
    with pytest.raises(BenchError) as caught:  # zeros are no variables, so scipy refuses them
        load_variable(file, "truth", (30, 40))
    assert (f"it unfolds into more than {most} bytes" in str(caught.value)) == bool(beyond)


HEAD = b" " * 124 + struct.pack("<H2s", 0x0100, b"IM")


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(kind: int, sides: tuple[int, ...], rest: bytes = b"", name: bytes = b"x") -> bytes:
    """An array of MATLAB's class ``kind``, of which its head says these sides."""
    flags, dims = struct.pack("<II", kind, 0), struct.pack(f"<{len(sides)}i", *sides)
    return element(14, element(6, flags) + element(5, dims) + element(1, name) + rest)


CELL, STRUCT, CHAR, UINT8 = 1, 2, 4, 9


def nested(depth: int) -> bytes:
    content = array(CELL, (0, 0), name=b"")
    for _ in range(depth):
        content = array(CELL, (1, 1), content, name=b"")
    return content


def both(data: bytes) -> list[bytes]:
    """The element as it is and packed."""
    packed = zlib.compress(data)
    return [HEAD + data, HEAD + struct.pack("<II", 15, len(packed)) + packed]


FIELDS = element(5, struct.pack("<i", 32)) + element(1, b"")


@pytest.mark.parametrize("packed", [0, 1])
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (array(CELL, (20_000, 20_000)), "says it has 400000000 entries"),
        (array(STRUCT, (10_000, 10_000), FIELDS), "says it has 100000000 entries"),
        (array(CHAR, (20_000, 20_000), element(16, b"")), "says it has 400000000 entries"),
        (array(UINT8, (1 << 30, 1 << 30), element(2, b"")), "entries"),
        (array(CELL, (1, 1), array(CELL, (9_999, 9_999))), "says it has 99980001 entries"),
        (nested(200), "nested more than 64 deep"),
        (array(CELL, (1, 1), struct.pack("<II", 14, 1 << 30) + bytes(64)), "longer than the array"),
        (array(CELL, (1 << 18, 4), element(1, b"") * (1 << 20)), "more than 262144 elements"),
        (element(14, bytes(16)), "ends inside its head"),
    ],
)
def test_an_array_that_asks_for_more_than_it_has_is_refused(
    tmp_path: Path, data: bytes, says: str, packed: int
) -> None:
    file = tmp_path / "a.mat"
    file.write_bytes(both(data)[packed])
    with pytest.raises(BenchError, match=says) as caught:
        load_variable(file, "x", (200, 200))
    assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.parametrize("packed", [0, 1])
@pytest.mark.parametrize("kind", [0, 8, 14, 15, 19, 255])
def test_what_holds_no_numbers_in_their_place_is_not_left_to_scipy_which_crashes(
    tmp_path: Path, kind: int, packed: int
) -> None:
    file = tmp_path / "a.mat"
    file.write_bytes(both(array(UINT8, (2, 2), element(kind, bytes(4))))[packed])
    with pytest.raises(BenchError, match=f"an element of type {kind} lies in the place of numbers"):
        load_variable(file, "x", (200, 200))


def test_a_head_of_another_order_is_not_left_to_scipy(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    file.write_bytes(HEAD[:-2] + b"XX" + array(CELL, (20_000, 20_000)))
    with pytest.raises(BenchError, match="no version that is read"):
        load_variable(file, "x", (6, 8))


@pytest.mark.parametrize("options", [{}, {"do_compression": True}, {"format": "4"}])
def test_what_scipy_writes_is_read(tmp_path: Path, options: dict[str, object]) -> None:
    sink = io.BytesIO()
    labels = np.arange(48, dtype=np.uint16).reshape(6, 8)
    people = np.empty((1, 3), object)
    for number in range(3):
        people[0, number] = {"Segmentation": labels + number, "Boundaries": labels > 3}
    content = {"x": labels} if "format" in options else {"x": people, "words": "some text", "n": []}
    savemat(sink, content, **options)  # type: ignore[arg-type]
    (tmp_path / "a.mat").write_bytes(sink.getvalue())
    found = load_variable(tmp_path / "a.mat", "x", (6, 8))
    if "format" in options:
        assert np.array_equal(found, labels)
        return
    cells = [np.ravel(cell)[0] for cell in np.ravel(found)]
    for number, cell in enumerate(cells):
        read = labels_of(tmp_path / "a.mat", cell, "Segmentation")
        assert read.dtype == np.int32
        assert np.array_equal(read, labels + number)


@pytest.mark.parametrize("cut", range(8, 400, 56))
def test_a_file_that_is_cut_off_anywhere_is_one_line(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "truth.mat"
    savemat(file, {"truth": {"Segmentation": np.ones((3, 4), np.uint8)}})
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(BenchError, match=r"truth\.mat"):
        load_variable(file, "truth", (3, 4))
