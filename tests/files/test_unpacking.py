"""Archives that are what they say, and archives that want more than their folder."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.files.unpacking import kinds, unpack
from bench.types import BenchError

FILES = {"a.txt": b"first", "sub/b.txt": b"second", "sub/deep/c.bin": bytes(range(256)) * 50}


def make_zip(path: Path, files: dict[str, bytes], **modes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("empty/", b"")
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # as it is, also with what the library would tidy up
            info.external_attr = modes.get("mode", stat.S_IFREG | 0o777) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def make_tar(path: Path, files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo("empty")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/passwd"
            info.mode = 0o4777
            archive.addfile(info, io.BytesIO(content))
    return path


MAKERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {"zip": make_zip, "tar": make_tar}


def below(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_every_kind_is_tested() -> None:
    assert set(kinds()) == set(MAKERS)


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_files_come_out_as_they_went_in(tmp_path: Path, kind: str) -> None:
    archive = MAKERS[kind](tmp_path / "a", FILES | {"__MACOSX/._a.txt": b"", "sub/.DS_Store": b""})
    out = tmp_path / "out"
    assert unpack(archive, kind, out) == len(FILES)
    assert below(out) == FILES
    modes = {path.stat().st_mode & 0o7111 for path in out.rglob("*") if path.is_file()}
    assert modes == {0}, "no set-id bit, nothing executable"


@pytest.mark.parametrize("kind", sorted(MAKERS))
@pytest.mark.parametrize(
    "name",
    [
        "../out.txt",
        "sub/../../out.txt",
        "/tmp/absolute.txt",
        "sub\\..\\x.txt",
        "C:x.txt",
        "C:/x.txt",
    ],
)
def test_what_would_leave_the_folder_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    archive = MAKERS[kind](tmp_path / "archive", {"a.txt": b"", name: b"evil"})
    with pytest.raises(BenchError, match="would leave the folder") as caught:
        unpack(archive, kind, tmp_path / "deep" / "out")
    assert "archive" in str(caught.value)
    assert b"evil" not in below(tmp_path).values() or list(below(tmp_path)) == ["archive"]
    assert not (tmp_path / "out.txt").exists()


def make_windows_zip(path: Path, names: list[str]) -> Path:
    """As PowerShell 5 packs it: folders parted by backslashes, and members of their own."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename, info.create_system = name, 0
            archive.writestr(info, b"" if name.endswith("\\") else b"content")
    return path


def test_folders_of_a_zip_from_windows_are_folders(tmp_path: Path) -> None:
    archive = make_windows_zip(tmp_path / "a", ["sub\\", "sub\\deep\\a.txt", "__MACOSX\\._a.txt"])
    assert unpack(archive, "zip", tmp_path / "out") == 1
    assert below(tmp_path / "out") == {"sub/deep/a.txt": b"content"}


@pytest.mark.parametrize(
    "name", ["..\\a.txt", "\\a.txt", "C:\\a.txt", "sub\\..\\..\\a.txt", "a/..\\b"]
)
def test_no_zip_from_windows_leaves_the_folder(tmp_path: Path, name: str) -> None:
    archive = make_windows_zip(tmp_path / "a", [name])
    with pytest.raises(BenchError, match="would leave the folder"):
        unpack(archive, "zip", tmp_path / "deep" / "out")
    assert list(below(tmp_path)) == ["a"]


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o666, stat.S_IFIFO])
def test_links_and_devices_of_a_zip_are_refused(tmp_path: Path, mode: int) -> None:
    archive = make_zip(tmp_path / "a", {"link": b"/etc/passwd"}, mode=mode)
    with pytest.raises(BenchError, match="'link' is a link or a device"):
        unpack(archive, "zip", tmp_path / "out")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_of_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = make_tar(tmp_path / "a", {"link": b""}, kind)
    with pytest.raises(BenchError, match="'link' is a link or a device"):
        unpack(archive, "tar", tmp_path / "out")


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_bomb_is_stopped(tmp_path: Path, kind: str) -> None:
    archive = MAKERS[kind](tmp_path / "a", {f"{i}": bytes(3_000_000) for i in range(3)})
    assert archive.stat().st_size < 100_000
    with pytest.raises(BenchError, match="unpacks to more than 4000000 bytes"):
        unpack(archive, kind, tmp_path / "out", limit=4_000_000)
    assert sum(map(len, below(tmp_path / "out").values())) <= 4_000_000
    assert unpack(archive, kind, tmp_path / "again", limit=9_000_000) == 3


@pytest.mark.parametrize("packing", ["", "gz", "bz2", "xz"])
@pytest.mark.parametrize("name", ["__MACOSX/._a", "sub/.DS_Store", "long header"])
def test_what_is_left_out_counts_too(tmp_path: Path, packing: str, name: str) -> None:
    archive, zeros = tmp_path / "a", bytes(3 << 20)
    mode: Any = f"w:{packing}"
    with tarfile.open(archive, mode, format=tarfile.PAX_FORMAT) as opened:
        info = tarfile.TarInfo(name)
        if name == "long header":
            info.pax_headers, info.size = {"comment": "0" * len(zeros)}, 0
            opened.addfile(info)
        else:
            info.size = len(zeros)
            opened.addfile(info, io.BytesIO(zeros))
        opened.addfile(tarfile.TarInfo("b"))
    says = "is no header" if name == "long header" else "unpacks to more than 1048576 bytes"
    with pytest.raises(BenchError, match=says):
        unpack(archive, "tar", tmp_path / "out", limit=1 << 20)
    if name != "long header":
        assert unpack(archive, "tar", tmp_path / "enough", limit=4 << 20) == 1


def test_many_small_files_are_no_bomb(tmp_path: Path) -> None:
    files = {f"a/{number}.txt": b"1" for number in range(300)}
    archive = make_tar(tmp_path / "a", files)
    assert unpack(archive, "tar", tmp_path / "out", limit=300) == 300


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("a.txt", "one")
        archive.writestr("a.txt", "two")
    with pytest.raises(BenchError, match=r"'a\.txt' is there twice"):
        unpack(tmp_path / "a", "zip", tmp_path / "out")


def test_a_file_without_a_name_is_refused(tmp_path: Path) -> None:
    common = struct.pack("<4H3L2H", 0, 0, 0, 0x21, zlib.crc32(b"x"), 1, 1, 0, 0)
    local = b"PK\3\4" + struct.pack("<H", 20) + common + b"x"
    listed = b"PK\1\2" + struct.pack("<2H", 20, 20) + common + bytes(14)
    end = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, len(listed), len(local), 0)
    (tmp_path / "b").write_bytes(local + listed + end)
    with zipfile.ZipFile(tmp_path / "b") as archive:
        assert [info.filename for info in archive.infolist()] == [""]
    with pytest.raises(BenchError, match="the name '' would leave the folder"):
        unpack(tmp_path / "b", "zip", tmp_path / "out")
    assert below(tmp_path / "out") == {}


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_damaged_archives_are_named(tmp_path: Path, kind: str) -> None:
    archive = MAKERS[kind](tmp_path / "archive", FILES)
    whole = archive.read_bytes()
    for damaged in (b"", b"no archive at all", whole[: len(whole) // 2]):
        archive.write_bytes(damaged)
        with pytest.raises(BenchError, match=r"archive: can't be unpacked") as caught:
            unpack(archive, kind, tmp_path / f"out{len(damaged)}")
        assert "\n" not in str(caught.value)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", {"a.bin": bytes(range(256)) * 50})
    content = bytearray(archive.read_bytes())
    content[90] ^= 4
    archive.write_bytes(content)
    with pytest.raises(BenchError, match="can't be unpacked"):
        unpack(archive, "zip", tmp_path / "out")


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a", {"secret": b"x"})
    content = bytearray(archive.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(signature) + place] |= 1
    archive.write_bytes(content)
    with pytest.raises(BenchError, match="'secret' is encrypted"):
        unpack(archive, "zip", tmp_path / "out")


def test_no_room_on_the_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_zip(tmp_path / "a", FILES)
    monkeypatch.setattr("bench.files.unpacking._free", lambda path: 100)
    with pytest.raises(BenchError, match="12811 bytes, 100 are free"):
        unpack(archive, "zip", tmp_path / "out")
    assert below(tmp_path / "out") == {}


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="'rar'"):
        unpack(tmp_path / "a", "rar", tmp_path / "out")
