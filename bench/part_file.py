"""The bytes of a part: written whole or not at all, and known again by the hash in their name."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from pathlib import Path

from bench.types import BenchError


def sound_bytes(part: Path) -> bytes:
    """A part's bytes; raises ``ValueError`` where they aren't those that its name is of.

    Parquet itself notices some damage and misreads the rest. A name without a hash passes.
    """
    data = part.read_bytes()
    named = re.fullmatch(r"[0-9a-f]{32}-([0-9a-f]{16})", part.stem)
    if named and named[1] != (found := digest(data)):
        raise ValueError(f"expected hash {named[1]}, found {found}")
    return data


def digest(data: bytes) -> str:
    """The hash of a part, as it stands in its name."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def write_aside(path: Path, content: bytes) -> None:
    """Writes to a hidden neighbour, flushes it to disk, then renames it over ``path``."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with open(aside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise BenchError(f"{path}: cannot be written ({error})") from error
