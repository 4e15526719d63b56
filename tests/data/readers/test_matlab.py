"""How much a packed .mat file may unfold into."""

import struct
import zlib
from pathlib import Path

import pytest

from bench.data.formats.matlab import BYTES_PER_PIXEL, SMALL, load_variable
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
