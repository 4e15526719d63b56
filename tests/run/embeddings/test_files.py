"""The folder of embeddings: what comes back is what was written, or nothing."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest
import torch

from bench.run.embeddings import files as embedding_files
from bench.run.embeddings.files import EmbeddingFiles
from bench.types import BenchError

GENEROUS = 10**9
OLD = time.time() - 10_000


def features(seed: int = 0) -> dict[str, torch.Tensor]:
    return {"features": torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(seed))}


def only_file(folder: Path) -> Path:
    (path,) = folder.rglob("*.safetensors")
    return path


def equal(a: dict[str, torch.Tensor] | None, b: dict[str, torch.Tensor]) -> bool:
    return a is not None and all(
        torch.equal(a[name], b[name]) and a[name].stride() == b[name].stride() for name in b
    )


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(3, 4, 5),
        torch.randn(4, 5, 3).permute(2, 0, 1),
        torch.randn(2, 4, 5, 3).permute(0, 3, 1, 2)[1],
        torch.randn(3, 4).bfloat16(),
        torch.tensor([[1, -(2**40)]]),
        torch.tensor(3.5),
        torch.tensor([float("nan"), -0.0, float("inf")]),
    ],
    ids=["plain", "channels last", "of a batch", "bfloat16", "int64", "a number", "strange"],
)
def test_values_types_and_strides_come_back(tmp_path: Path, tensor: torch.Tensor) -> None:
    files = EmbeddingFiles(tmp_path, GENEROUS)
    files.write("one", {"x": tensor})
    found = files.read("one")
    assert found is not None
    assert found["x"].dtype == tensor.dtype
    assert found["x"].stride() == tensor.stride()
    assert found["x"].flatten().view(torch.uint8).equal(tensor.flatten().view(torch.uint8))
    assert files.read("another") is None


def test_a_tensor_with_gaps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has gaps"):
        EmbeddingFiles(tmp_path, GENEROUS).write("one", {"x": torch.randn(4, 6)[:, :3]})
    assert not list(tmp_path.rglob("*.safetensors"))


def test_no_flipped_bit_gives_another_embedding(tmp_path: Path) -> None:
    files, tensors = EmbeddingFiles(tmp_path, GENEROUS), features()
    files.write("one", tensors)
    path = only_file(tmp_path)
    good = path.read_bytes()
    answered = 0
    for place in range(len(good)):
        changed = bytearray(good)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        found = files.read("one")
        answered += found is not None
        assert found is None or equal(found, tensors), place
    assert answered < len(good) / 10


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 100, -1])
def test_a_cut_file_is_none_and_is_said(
    tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    files = EmbeddingFiles(tmp_path, GENEROUS)
    files.write("one", features())
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    assert files.read("one") is None
    assert f"{path}: damaged" in caplog.text
    files.write("one", features())
    assert equal(files.read("one"), features())


def test_a_file_under_anothers_name_is_none(tmp_path: Path) -> None:
    files = EmbeddingFiles(tmp_path, GENEROUS)
    files.write("one", features(1))
    path = only_file(tmp_path)
    files.write("two", features(2))
    (other,) = set(tmp_path.rglob("*.safetensors")) - {path}
    other.write_bytes(path.read_bytes())
    assert files.read("two") is None
    assert equal(files.read("one"), features(1))


def filled(folder: Path, count: int, used: float) -> int:
    """Writes embeddings 0, 1, … that were used a second after each other; a file's size."""
    files = EmbeddingFiles(folder, GENEROUS)
    size = 0
    for number in range(count):
        before = set(folder.rglob("*.safetensors"))
        files.write(f"embedding {number}", features(number))
        (path,) = set(folder.rglob("*.safetensors")) - before
        os.utime(path, (used + number, used + number))
        size = path.stat().st_size
    return size


def there(folder: Path, count: int) -> list[int]:
    files = EmbeddingFiles(folder, GENEROUS)
    return [n for n in range(count) if files.read(f"embedding {n}") is not None]


def test_what_was_used_longest_ago_goes_first_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    size = filled(folder, 4, OLD)
    others = [folder / "notes.txt", folder / "ab" / "weights.safetensors", folder / "x" / "y"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 4 * size)
        os.utime(path, (OLD - 10, OLD - 10))
    files = EmbeddingFiles(folder, 4 * size + size // 2)
    assert files.read("embedding 0") is not None  # used again: now the youngest
    files.write("embedding 4", features(4))
    files.write("embedding 5", features(5))
    assert there(folder, 6) == [0, 3, 4, 5]
    assert sum(held.size for held in files.survey()) <= files.bound
    assert all(path.is_file() for path in others)


def test_a_run_never_drives_out_its_own_and_says_that_it_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = filled(tmp_path, 1, OLD)
    files = EmbeddingFiles(tmp_path, 3 * size + size // 2)
    for number in range(1, 8):
        files.write(f"embedding {number}", features(number))
    assert there(tmp_path, 8) == [1, 2, 3]
    assert caplog.text.count("is full") == 1
    assert equal(files.read("embedding 2"), features(2))


def test_nothing_goes_for_what_could_never_fit(tmp_path: Path) -> None:
    size = filled(tmp_path, 3, OLD)
    EmbeddingFiles(tmp_path, size // 2).write("embedding 3", features(3))
    assert there(tmp_path, 4) == [0, 1, 2]


def test_a_file_that_was_never_renamed_goes_once_it_is_nobodys(tmp_path: Path) -> None:
    filled(tmp_path, 1, OLD)
    path = only_file(tmp_path)
    abandoned, fresh = (path.with_name(f".{path.name}.{digit * 32}") for digit in "ab")
    for aside, used in ((abandoned, OLD), (fresh, time.time())):
        aside.write_bytes(b"half")
        os.utime(aside, (used, used))
    EmbeddingFiles(tmp_path, GENEROUS).write("embedding 1", features(1))
    assert not abandoned.exists()
    assert fresh.exists()


def test_rows_come_before_embeddings_on_a_disk_that_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path, 1, time.time())
    monkeypatch.setattr(embedding_files, "LEFT_FREE", 1 << 62)
    files = EmbeddingFiles(tmp_path, GENEROUS)
    for number in range(1, 4):
        files.write(f"embedding {number}", features(number))
    assert there(tmp_path, 4) == [0]
    assert caplog.text.count("free on its disk; no more is added to it") == 1


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match=r"embedding_cache: the folder .*file.* cannot be made"):
        EmbeddingFiles(tmp_path / "file" / "cache", GENEROUS)


def hammer(folder: str, bound: int, seed: int) -> None:
    """Writes and reads the same few embeddings; ends with an error where one is wrong or torn."""

    def refuse(identity: str, why: Exception) -> None:
        raise AssertionError(identity) from why

    for turn in range(40):
        files = EmbeddingFiles(Path(folder), bound)
        files.refuse = refuse  # type: ignore[method-assign]
        files._start += 60  # the other's files and the own ones may go
        for number in range(6):
            chosen = (number * seed + turn) % 6
            found = files.read(f"embedding {chosen}")
            assert found is None or equal(found, features(chosen))
            files.write(f"embedding {chosen}", features(chosen))


@pytest.mark.long
def test_processes_share_a_folder(tmp_path: Path) -> None:
    size = filled(tmp_path, 1, OLD)
    context = multiprocessing.get_context("spawn")
    crew = [
        context.Process(target=hammer, args=(str(tmp_path), 3 * size + 10, seed)) for seed in (1, 5)
    ]
    for process in crew:
        process.start()
    for process in crew:
        process.join(120)
    assert [process.exitcode for process in crew] == [0, 0]
    assert there(tmp_path, 6)
    assert not list(tmp_path.rglob(".*.safetensors.*"))
