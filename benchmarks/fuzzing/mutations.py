"""Damages bytes, PNG files and JSON documents in the ways that files are damaged or forged."""

from __future__ import annotations

import copy
import json
import random
import struct
import zlib
from typing import Any

NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1")

ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 1.5, 2, 1e308, float("nan"), float("inf"), -float("inf"),
    2**31, 2**32 + 5, 2**63, 2**64 + 1, -(2**63), 10**300, "",
    "0", "1", "no", "\0", "a\0b", "\ud800",
    "../../../../etc/passwd", "/etc/passwd", "..", "<script>alert(1)</script>", "é" * 300,
    "{{7*7}}", "${oc.env:PATH}", "__import__('os').system('true')", [], {}, [[]], [{}], [None],
    [1, 2, 3], [0.5] * 7, {"a": 1}, {"size": [1, 1], "counts": [1]}, {"_target_": "os.system"},
    "os.system", "subprocess.Popen", "bench.demo.training.train.main", "bench.models.disk.Disk",
)  # fmt: skip


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes after one to four random changes."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(out)) if out else 0
        length = min(rng.choice((1, 2, 8, 64, 512)), max(1, len(out) - place))
        match rng.randrange(9):
            case 0 | 1 if out:
                out[place] ^= 1 << rng.randrange(8)
            case 2 if out:
                out[place] = rng.randrange(256)
            case 3:
                del out[place:]
            case 4:
                out[place:place] = rng.randbytes(length)
            case 5:
                del out[place : place + length]
            case 6:
                out[place : place + length] = bytes(length)
            case 7:
                out[place:place] = out[place : place + length]
            case 8:
                out[place : place + 4] = rng.choice(NUMBERS)
    return bytes(out)


def chunks_of(png: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of an undamaged PNG file: type and data."""
    found, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        found.append((png[place + 4 : place + 8], png[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of chunks, its checksums right."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in chunks:
        parts.append(struct.pack(">I", len(data)) + name + data)
        parts.append(struct.pack(">I", zlib.crc32(name + data)))
    return b"".join(parts)


def forged_png(png: bytes, rng: random.Random) -> bytes:
    """A PNG whose header, data or extra chunks lie, with checksums that hold."""
    chunks = chunks_of(png)
    name, head = chunks[0]
    fields = list(struct.unpack(">IIBBBBB", head))
    match rng.randrange(8):
        case 0:
            fields[rng.randrange(2)] = rng.choice((0, 1, 3, 9_000, 30_000, 2**31 - 1, 2**32 - 1))
        case 1:
            fields[0], fields[1] = rng.choice(((9_459, 9_459), (9_460, 9_460), (40_000, 40_000)))
        case 2:
            fields[2] = rng.choice((1, 2, 4, 8, 16, 3, 0, 255))
        case 3:
            fields[3] = rng.choice((0, 2, 3, 4, 6, 1, 7, 255))
        case 4:
            fields[6] = rng.choice((0, 1, 2))
        case 5:
            raw = damaged(zlib.decompress(b"".join(d for n, d in chunks if n == b"IDAT")), rng)
            rest = [(n, d) for n, d in chunks[1:] if n not in (b"IDAT", b"IEND")]
            chunks = [chunks[0], *rest, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
        case 6:
            bomb = zlib.compress(bytes(40_000_000), 9)
            extra = rng.choice((b"zTXt", b"iCCP", b"iTXt"))
            text = b"a\0\1\0\0\0" if extra == b"iTXt" else b"a\0\0"
            chunks.insert(1, (extra, text + bomb))
        case 7:
            kind = rng.choice((b"PLTE", b"tRNS", b"eXIf", b"acTL", b"gAMA", b"sBIT"))
            chunks.insert(1, (kind, rng.randbytes(rng.choice((0, 1, 3, 7, 768, 771)))))
    chunks[0] = (name, struct.pack(">IIBBBBB", *fields))
    return png_of(chunks)


def forged_document(document: Any, rng: random.Random) -> Any:
    """A JSON document in which one to three values are replaced, removed, moved or repeated."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(document))
        if not places:
            break
        holder, key = rng.choice(places)
        match rng.randrange(7):
            case 0 | 1 | 2:
                holder[key] = copy.deepcopy(rng.choice(ODD))
            case 3:
                del holder[key]
            case 4 if isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
                holder[key] = holder[key] + rng.choice((-1, 1, 7, 1000, -1000, 0.5))
            case 5:
                other, name = rng.choice(places)
                if isinstance(other, list) or name in other:
                    value = copy.deepcopy(holder[key])
                    if not isinstance(other, list) or name < len(other):
                        other[name] = value
            case _ if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
    return document


def forged_json(document: Any, rng: random.Random) -> bytes:
    """The text of a document: forged, damaged, nested deeply, or with a key twice."""
    way = rng.randrange(12)
    if way < 7:
        document = forged_document(document, rng)
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
    data = text.encode("utf-8", "surrogatepass")
    if way in (7, 8):
        return damaged(data, rng)
    if way == 9:
        depth = rng.choice((500, 5_000, 200_000))
        deep = "[" * depth + "]" * depth
        return data.replace(b'"id":', b'"deep": ' + deep.encode() + b', "id":', 1)
    if way == 10:
        marks = [i for i in range(len(data)) if data[i : i + 1] == b"{"]
        place = rng.choice(marks)
        end = data.find(b",", place)
        first = data[place + 1 : end]
        odd = json.dumps(rng.choice(ODD)).encode()
        if b":" in first and b"{" not in first and b"[" not in first:
            twin = first.split(b":")[0] + b": " + odd
            return data[: place + 1] + twin + b", " + data[place + 1 :]
    if way == 11:
        return data.replace(b"1", b"1" * rng.choice((20, 400, 5_000)), rng.choice((1, 3)))
    return data


def _places(node: Any) -> Any:
    """Every (holder, key) below a node."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(pairs):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)
