"""Folders behind URLs, on fsspec's own store in memory and on stores that know less."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem

from bench.files.places import (
    RemotePath,
    age,
    claim,
    free_bytes,
    local_side,
    lock_of,
    move,
    place,
    scan,
    show_life,
    write_aside,
)
from bench.store import lock as run_lock
from bench.store.lock import Fence, hold
from bench.types import BenchError


class Careless(MemoryFileSystem):
    """A store that creates a file anew whatever it is asked."""

    protocol = "careless"
    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("careless://").strip("/")

    def pipe_file(self, path: str, value: bytes, mode: str = "", **_: object) -> None:
        super().pipe_file(path, value)


class Folders(Careless):
    """A store as SFTP is: a file needs its folder."""

    protocol = "folders"
    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = ["", "/host"]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("folders://").strip("/")

    def pipe_file(self, path: str, value: bytes, mode: str = "", **_: object) -> None:
        if not self.isdir(self._parent(self._strip_protocol(path))):
            raise FileNotFoundError(path)
        super().pipe_file(path, value)


class Broken(MemoryFileSystem):
    """A store whose library has errors of its own, of several lines."""

    protocol = "broken"

    def ls(self, path: str, detail: bool = True, **_: object) -> Any:
        raise RuntimeError("no\n luck")

    info = pipe_file = cat_file = ls


class Repeating(MemoryFileSystem):
    """A store whose library loses the first answer and asks again."""

    protocol = "repeating"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("repeating://").strip("/")

    def pipe_file(self, path: str, value: bytes, mode: str = "", **_: object) -> None:
        super().pipe_file(path, value, mode=mode)
        super().pipe_file(path, value, mode=mode)


for kind in (Careless, Folders, Broken, Repeating):
    register_implementation(kind.protocol, kind, clobber=True)


@pytest.fixture
def folder() -> Iterator[RemotePath]:
    """A folder in memory of its own."""
    made = RemotePath.of(f"memory://{uuid.uuid4().hex}/a [b]")
    yield made
    for path in [path for path in MemoryFileSystem.store if path.startswith(made._path)]:
        del MemoryFileSystem.store[path]


def test_a_url_is_asked_as_a_path_is(folder: RemotePath) -> None:
    file = folder / "x" / "run.json"
    assert (file.name, file.stem, file.parent.name, file.parent.parent) == (
        "run.json",
        "run",
        "x",
        folder,
    )
    assert (file.exists(), file.is_file(), folder.is_dir(), list(folder.iterdir())) == (
        False,
        False,
        False,
        [],
    )
    with pytest.raises(FileNotFoundError):
        file.read_bytes()
    with pytest.raises(FileNotFoundError):
        file.unlink()
    file.unlink(missing_ok=True)
    write_aside(file, "ä".encode())
    assert (file.read_text(), file.is_file(), file.is_dir()) == ("ä", True, False)
    assert (folder.is_dir(), folder.is_file()) == (True, False)
    (folder / "y.json").put(b"")
    assert list(folder.iterdir()) == [folder / "x", folder / "y.json"]
    assert list(folder.glob("*/run.json")) == [file]
    assert list(folder.glob("[!.]*.json")) == [folder / "y.json"]
    assert list((folder / "y.json").iterdir()) == []
    assert pickle.loads(pickle.dumps(file)).read_bytes() == "ä".encode()
    move(file, folder / "z")
    assert list(folder.iterdir()) == [folder / "y.json", folder / "z"]
    assert file.resolve() == file.absolute() == file.expanduser() == file


def test_the_guard_is_asked_before_anything_is_put(folder: RemotePath) -> None:
    def refuse() -> None:
        raise BenchError("not yours")

    with pytest.raises(BenchError, match="not yours"):
        write_aside(folder / "x", b"x", refuse)
    assert not folder.exists()


def test_parts_are_listed_with_what_tells_them_apart(folder: RemotePath, tmp_path: Path) -> None:
    for each in (folder, tmp_path):
        assert list(scan(each / "parts")) == []
        (each / "parts").mkdir()
        for name in ("b.parquet", ".a.parquet.0", ".c.parquet", "d.json"):
            write_aside(each / "parts" / name, b"12")
        assert [(name, size) for name, size, _ in scan(each / "parts")] == [("b.parquet", 2)]


def test_a_file_is_claimed_once(folder: RemotePath) -> None:
    assert claim(folder / "owner.json", b"1")
    with pytest.raises(FileExistsError):
        claim(folder / "owner.json", b"2")
    assert (folder / "owner.json").read_bytes() == b"1"


def test_signs_of_life_are_read_by_the_stores_clock(folder: RemotePath) -> None:
    owner = folder / "owner.json"
    owner.put(b"1")
    MemoryFileSystem.store[owner._path].modified = MemoryFileSystem.store[
        owner._path
    ].modified.replace(year=2001)
    assert age(owner) > 1e8
    show_life(owner)
    assert 0 <= age(owner) < 60
    assert owner.read_bytes() == b"1"
    assert list(folder.iterdir()) == [owner], "the probe is gone"


def test_where_a_store_creates_twice_it_is_said_and_the_later_one_gets_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr("bench.files.places.LOCKS", str(tmp_path))
    run = RemotePath(f"careless://host/{uuid.uuid4().hex}")

    def another(_: float) -> None:
        claim(run / "owner.json", b'{"token": "t", "machine": "m", "host": "h", "pid": 1}')

    monkeypatch.setattr("time.sleep", another)
    with pytest.raises(BenchError, match="no longer holds"), hold([run]):
        pass
    assert "doesn't refuse to create a file twice" in caplog.text
    Fence(run, "t")()


def test_a_claim_that_was_asked_twice_and_granted_once_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bench.files.places.LOCKS", str(tmp_path))
    run = RemotePath(f"repeating://host/{uuid.uuid4().hex}")
    with hold([run]) as token:
        Fence(run, token)()
        monkeypatch.setattr("bench.files.places.LOCKS", str(tmp_path / "elsewhere"))
        with pytest.raises(BenchError, match="another command"), hold([run]):
            pass


def test_a_store_that_knows_folders_is_given_them(tmp_path: Path) -> None:
    file = RemotePath("folders://host/results/runs/x/run.json")
    write_aside(file, b"1")
    assert file.read_bytes() == b"1"


def test_any_error_of_a_store_is_one_line() -> None:
    broken = RemotePath("broken://host/x")
    for attempt in (broken.exists, broken.read_bytes, lambda: broken.put(b""), broken.entries):
        with pytest.raises(BenchError, match=r"^broken://host/x: cannot be reached \(no luck\)$"):
            attempt()


@pytest.mark.parametrize("url", ["s3://", "memory:///", "nonsense://x"])
def test_what_is_no_folder_is_refused(url: str) -> None:
    with pytest.raises(BenchError, match=url):
        place(url)


def test_paths_stay_paths(tmp_path: Path) -> None:
    assert place("results") == local_side(Path("results")) == Path("results")
    assert place(f"file://{tmp_path}/my%20x") == tmp_path / "my x"
    assert local_side(place("memory://x")) == Path("results")
    assert free_bytes(place("memory://x")) is None
    assert (free_bytes(tmp_path) or 0) > 0
    assert lock_of(tmp_path) == (tmp_path / ".lock", "")


def test_locks_of_two_urls_or_two_homes_say_nothing_of_each_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = []
    for home in ("one", "two"):
        monkeypatch.setattr("bench.files.places.LOCKS", str(tmp_path / home))
        names += [lock_of(place(f"memory://x/{name}"))[1] for name in "ab"]
    assert len(set(names)) == 4
    assert lock_of(place("memory://x/b"))[1] == names[-1]


def test_without_a_place_for_locks_signs_of_life_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: RemotePath
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("bench.files.places.LOCKS", str(tmp_path / "file" / "locks"))
    monkeypatch.setattr(run_lock, "CONFIRM_SECONDS", 0.01)
    with (
        hold([folder]),
        pytest.raises(BenchError, match=r"try again in (59|60) s"),
        hold([folder]),
    ):
        pass
    with hold([folder]):
        pass
