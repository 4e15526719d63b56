"""Fuzzed archives: members that climb, lie, link, repeat, are left out, or unfold without end."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import struct
import tarfile
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

from bench.files.unpacking import unpack
from fuzzing.mutations import damaged
from fuzzing.pictures import Judge, Verify, WrongError

LIMIT = 200_000
"""Bytes that may come out."""

CLIMBING = ("../out", "a/../../out", "/tmp/out", "..", "a/..", "\\out", "a\\..\\..\\out", "C:out",
            "C:/out", "//host/out", "./../out", "", ".")  # fmt: skip
PLAIN = ("a.txt", "b/c.txt", "b/d/e", "é.png", "e\u0301.png", "a b", "-rf", "~", "$HOME", "=1",
         "b/.hidden", "x" * 200, "a\nb", "a\x1b[31m", "\u202egpj", "..a", "a..", "...")  # fmt: skip
JUNK = ("__MACOSX/._a", ".DS_Store", "b/.DS_Store", "__MACOSX/x/y")


@dataclass
class Entry:
    """A member as it is written: ``kind`` file, folder, link or device; how it is to be read."""

    name: str
    content: bytes = b""
    kind: str = "file"

    @property
    def left_out(self) -> bool:
        """Whether it is a folder, or what macOS adds."""
        return self.kind == "folder" or self.name in JUNK


def _entries(rng: random.Random) -> list[Entry]:
    found = [Entry(name, rng.randbytes(rng.choice((0, 1, 30, 5_000))))
             for name in rng.sample(PLAIN, rng.randrange(1, 5))]  # fmt: skip
    for _ in range(rng.choice((0, 1, 1, 2))):
        match rng.randrange(7):
            case 0:
                new = Entry(rng.choice(CLIMBING), b"climbed")
            case 1:
                new = Entry(rng.choice(("link", "b/link")), kind=rng.choice(_LINKS))
            case 2:
                new = Entry(rng.choice(found).name, b"twice")
            case 3:
                new = Entry(rng.choice(JUNK), bytes(rng.choice((10, LIMIT // 2, 3 * LIMIT))))
            case 4:
                new = Entry(rng.choice(("b", "folder/", "b/d")), kind="folder")
            case 5:
                new = Entry("large", bytes(rng.choice((LIMIT // 2, LIMIT + 1, 40 * LIMIT))))
            case _:
                new = Entry(rng.choice(("a.txt/b", "b/c.txt/d", "b")), b"below a file")
        found.insert(rng.randrange(len(found) + 1), new)
    return found


_LINKS = ("hard link", "soft link", "fifo", "device")
_TYPES = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "hard link": tarfile.LNKTYPE,
          "soft link": tarfile.SYMTYPE, "fifo": tarfile.FIFOTYPE,
          "device": tarfile.CHRTYPE}  # fmt: skip


def _tar(entries: list[Entry], rng: random.Random) -> bytes:
    file = io.BytesIO()
    forms = (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    with tarfile.open(fileobj=file, mode="w", format=rng.choice(forms)) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.size = _TYPES[entry.kind], len(entry.content)
            info.linkname = rng.choice(("../victim", "/etc/passwd", "a.txt", "."))
            info.mode, info.uid = rng.choice((0o644, 0o4777, 0)), rng.choice((0, 1000, 2**31))
            archive.addfile(info, io.BytesIO(entry.content))
    return file.getvalue()


def _zip(entries: list[Entry], rng: random.Random) -> bytes:
    file = io.BytesIO()
    ways = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(file, "w") as archive:
        for entry in entries:
            name = entry.name.rstrip("/") + "/" if entry.kind == "folder" else entry.name
            info = zipfile.ZipInfo(name)
            types = dict.fromkeys(_LINKS, 41471) | {"fifo": 0o010644, "device": 0o020644}
            info.external_attr = types.get(entry.kind, 0o100644) << 16
            content = b"../victim" if entry.kind in _LINKS else entry.content
            with warnings.catch_warnings(action="ignore"):  # that a name is there twice
                archive.writestr(info, content, rng.choice(ways))
    return file.getvalue()


_PACKED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def _forged_tar(data: bytes, rng: random.Random) -> bytes:
    """A tar whose first headers lie about sizes and types, with checksums that hold."""
    out = bytearray(data)
    head = bytearray(out[:512])
    match rng.randrange(5):
        case 0:
            head[124:136] = rng.choice((b"77777777777\0", b"00000000000\0", b"-0000000001\0"))
        case 1:
            head[124:136] = b"\x80" + rng.choice((0, 2**31, 2**62)).to_bytes(11, "big")
        case 2:
            head[124:136] = b"\xff" * 12
        case 3:
            head[156:157] = bytes([rng.choice(b"01234567SLKDVMNxgX\0\xff")])
        case _:
            head[100:108] = rng.choice((b"\xff" * 8, b"        ", b"0000777\0"))
    head[148:156] = b"        "
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    out[:512] = head
    if rng.random() < 0.3:  # thousands of headers and nothing else
        out[:512] = bytes(head) * rng.choice((50, 4_000))
    return bytes(out)


def _forged_zip(data: bytes, rng: random.Random) -> bytes:
    """A zip whose directory lies about sizes, names, numbers or places."""
    out = bytearray(data)
    place = out.find(b"PK\1\2")
    if place < 0:
        return data
    numbers = (0, 1, 50, 2**31, 2**32 - 1)
    match rng.randrange(6):
        case 0:
            struct.pack_into("<I", out, place + 24, rng.choice(numbers))  # size
        case 1:
            struct.pack_into("<I", out, place + 20, rng.choice(numbers))  # packed size
        case 2:
            struct.pack_into("<I", out, place + 42, rng.choice((0, 7, len(out), 2**31)))  # place
        case 3:
            struct.pack_into("<H", out, place + 10, rng.choice((0, 8, 9, 12, 14, 93, 99)))  # way
        case 4:
            struct.pack_into("<H", out, place + 8, rng.choice((0, 1, 0x800, 0x2000)))  # flags
        case _:
            end = out.rfind(b"PK\5\6")
            struct.pack_into("<HH", out, end + 8, *[rng.choice((0, 1, 200, 65_535))] * 2)
    return bytes(out)


def archive(rng: random.Random, folder: Path) -> Judge:
    """A tar or zip of a few members, some of which must be refused or left out."""
    entries = _entries(rng)
    kind = rng.choice(("tar", "zip"))
    data = (_tar if kind == "tar" else _zip)(entries, rng)
    way, written = rng.randrange(8), True
    if way in (0, 1):
        data, written = (_forged_tar if kind == "tar" else _forged_zip)(data, rng), False
    packed = rng.choice((None, *_PACKED)) if kind == "tar" else None
    if packed is not None:
        data = _PACKED[packed](data)
    if way in (2, 3):
        data, written = damaged(data, rng), False
    elif way == 4 and packed == "gz":
        data += gzip.compress(bytes(30_000_000), 9) * rng.choice((1, 20))  # behind its end
    path, out = folder / f"a.{kind}", folder / "here" / "out"
    path.write_bytes(data)
    victim = folder / "here" / "victim"
    victim.parent.mkdir()
    victim.write_bytes(b"mine")

    def judge() -> Verify:
        try:
            count = unpack(path, kind, out, LIMIT)
        finally:
            _check_places(folder, path, out, victim)
        return lambda: verify(count)

    def verify(count: int) -> None:
        found = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*")
                 if p.is_file()}  # fmt: skip
        if count != len(found):
            raise WrongError(f"{count} files are counted, {len(found)} are there")
        if not written:
            if kind == "zip":  # whose contents have checksums
                known = {entry.content for entry in entries} | {b"../victim", b""}
                if others := [name for name, content in found.items() if content not in known]:
                    raise WrongError(f"damaged content was unpacked: {others}")
            return
        wanted = [entry for entry in entries if not entry.left_out]
        if bad := [entry for entry in wanted if entry.name in CLIMBING or entry.kind in _LINKS]:
            raise WrongError(f"what is to be refused was unpacked: {bad[0].name!r} {bad[0].kind}")
        if found != {entry.name: entry.content for entry in wanted} or count != len(wanted):
            raise WrongError(f"other files than in the archive: {sorted(found)}")

    return judge


def _check_places(folder: Path, path: Path, out: Path, victim: Path) -> None:
    """Nothing beside the folder, no links in it, no more bytes than may be."""
    if victim.read_bytes() != b"mine":
        raise WrongError("a file beside the folder was changed")
    beside = {p for p in folder.rglob("*") if out not in p.parents}
    if strange := beside - {path, out, out.parent, victim}:
        raise WrongError(f"something lies beside the folder: {sorted(strange)}")
    for one in out.rglob("*"):
        if one.is_symlink() or not (one.is_file() or one.is_dir()):
            raise WrongError(f"a link or a device was made: {one.name}")
        if one.is_file() and (one.stat().st_nlink > 1 or one.stat().st_mode & 0o6000):
            raise WrongError(f"a file was made with links or rights: {one.name}")
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    if size > LIMIT + os.stat(path).st_size:
        raise WrongError(f"{size} bytes came out, {LIMIT} may")
