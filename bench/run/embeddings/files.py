"""A folder of embeddings, one safetensors file each: ``<2 hex>/<64 hex>.embedding.safetensors``.

A file's name is the hash of what its tensors depend on, its *identity*: a text that the header
repeats and that is compared when the file is read, so nothing but the same identity is ever
answered. A checksum over the tensors stands beside it; a damaged file counts as none and is written
again. Any number of processes may share the folder: files are written aside and renamed. The whole
folder or any file in it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from bench.files.documents import parse_json
from bench.types import BenchError

log = logging.getLogger(__name__)

LEFT_FREE = 1 << 30
"""Bytes that stay free on the folder's disk: rows come before embeddings."""

_SHARD = re.compile(r"[0-9a-f]{2}")
_FILE = re.compile(r"[0-9a-f]{64}\.embedding\.safetensors")
_ASIDE = re.compile(r"\.[0-9a-f]{64}\.embedding\.safetensors\.[0-9a-f]{32}")
_ABANDONED = 3600.0  # seconds after which a file that was never renamed is nobody's
_CLOCKS = 2.0  # seconds by which a file's time may lag behind this process's clock
_COUNTED_AGAIN = 64  # times that the folder is looked through while it is filled to its bound
_DAMAGE = (SafetensorError, ValueError, TypeError, KeyError, RuntimeError, OverflowError)


@dataclass(frozen=True, slots=True)
class Held:
    """A file of the cache: its size in bytes, and when it was last written or read."""

    path: Path
    size: int
    used: float


class EmbeddingFiles:
    """Reads and writes embeddings; one of it stands for several threads.

    The folder is kept to ``bound`` bytes: what was used longest ago is deleted first, but nothing
    that was used since this object was made. A dataset larger than the bound so keeps its first
    images, instead of each image driving out the next. Once nothing may be deleted, the disk has
    less than ``LEFT_FREE`` to spare or a file can't be written, it is said once and no more is
    added. The folder is looked through now and then, not at every file: each of several processes
    may be over the bound by a 64th of it in between.

    Raises ``BenchError`` where the folder can't be made.
    """

    def __init__(self, folder: Path, bound: int) -> None:
        self.folder, self.bound = folder, bound
        self._start = time.time() - _CLOCKS
        self._lock = threading.Lock()
        self._adding = True
        self._held: int | None = None  # bytes in the folder, as far as known
        self._added = 0  # bytes since it was looked through
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchError(
                f"runtime.embedding_cache: the folder {folder} cannot be made ({error}); name "
                "another, or null for none"
            ) from error

    def read(self, identity: str) -> dict[str, torch.Tensor] | None:
        """The tensors written under this identity, on the CPU; none where there are none.

        A damaged file is said, and counts as none.
        """
        path = self._path(identity)
        try:
            data = path.read_bytes()
            tensors = _tensors(data, identity)
        except FileNotFoundError:
            return None
        except (OSError, *_DAMAGE) as error:
            self.refuse(identity, error)
            return None
        with suppress(OSError):  # a folder that may only be read
            os.utime(path)
        return tensors

    def refuse(self, identity: str, why: Exception) -> None:
        """Says why the file of this identity is of no use."""
        said = " ".join(str(why).split())[:200]
        how = "cannot be read" if isinstance(why, OSError) else "damaged"
        log.warning("%s: %s (%s); embedded again", self._path(identity), how, said)

    def write(self, identity: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Keeps the tensors where there is room.

        Raises ``ValueError`` for tensors with gaps, whose strides can't be kept.
        """
        if not self._adding:
            return
        data = _file(tensors, identity)
        with self._lock:
            if not self._adding or not self._has_room(len(data)):
                return
            try:
                _write_aside(self._path(identity), data)
            except OSError as error:
                self._stop_adding(f"cannot be written to ({error})")
                return
            self._held = (self._held or 0) + len(data)
            self._added += len(data)

    def survey(self) -> list[Held]:
        """Every file of the cache in the folder, in no order."""
        return list(self._entries(_FILE))

    def _path(self, identity: str) -> Path:
        name = hashlib.sha256(identity.encode()).hexdigest()
        return self.folder / name[:2] / f"{name}.embedding.safetensors"

    def _has_room(self, size: int) -> bool:
        """Whether a file of that size may be added, once older ones have gone."""
        known = self._held is not None and self._added < self.bound // _COUNTED_AGAIN
        if not known or (self._held or 0) + size > self.bound:
            self._held, self._added = self._make_room(size), 0
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            self._stop_adding(f"cannot be looked at ({error})")
            return False
        if (self._held or 0) + size > self.bound:
            self._stop_adding(f"is full ({self.bound / 1e9:g} GB, runtime.embedding_cache_gb)")
        elif free < size + LEFT_FREE:
            self._stop_adding(f"has only {free / 1e9:.1f} GB free on its disk")
        return self._adding

    def _make_room(self, size: int) -> int:
        """Deletes what was used longest ago where there is too much; the bytes that are left."""
        for left in self._entries(_ASIDE):
            if left.used < time.time() - _ABANDONED:
                _delete(left)
        files = self.survey()
        total = sum(file.size for file in files)
        if total + size <= self.bound or size > self.bound:
            return total
        wanted = self.bound - self.bound // _COUNTED_AGAIN - size
        for file in sorted(files, key=lambda file: file.used):
            if total <= wanted or file.used >= self._start:
                break
            total -= _delete(file)
        return total

    def _stop_adding(self, why: str) -> None:
        self._adding = False
        log.warning("embedding cache: %s %s; no more is added to it", self.folder, why)

    def _entries(self, pattern: re.Pattern[str]) -> Iterator[Held]:
        """Files in the cache's own shards whose names are of the pattern."""
        for shard in _listed(self.folder):
            if _SHARD.fullmatch(shard.name) and shard.is_dir(follow_symlinks=False):
                for entry in _listed(shard.path):
                    if pattern.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        with suppress(OSError):  # another process has deleted it
                            stat = entry.stat(follow_symlinks=False)
                            yield Held(Path(entry.path), stat.st_size, stat.st_mtime)


def _listed(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _delete(file: Held) -> int:
    """Deletes it, and gives how many bytes fewer there are."""
    try:
        file.path.unlink(missing_ok=True)
    except OSError:
        return 0
    return file.size


def _write_aside(path: Path, data: bytes) -> None:
    """Writes a hidden neighbour and renames it; what a power cut leaves fails its checksum."""
    path.parent.mkdir(exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        aside.write_bytes(data)
        os.replace(aside, path)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


def _file(tensors: Mapping[str, torch.Tensor], identity: str) -> bytes:
    """The safetensors file of the tensors; strides stand in the header, since they move bits."""
    strides = {name: tensor.stride() for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        _check_dense(name, tensor.shape, tensor.stride())
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    said = json.dumps(strides, sort_keys=True)
    header = {"identity": identity, "strides": said, "checksum": _checksum(plain, said)}
    written: bytes = save(plain, header)
    return written


def _tensors(data: bytes, identity: str) -> dict[str, torch.Tensor]:
    """The tensors of a file; raises one of ``_DAMAGE`` where it isn't as it was written."""
    plain: dict[str, torch.Tensor] = load(data)
    header = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    if header["identity"] != identity:
        raise ValueError("it is another embedding's")
    if header["checksum"] != _checksum(plain, header["strides"]):
        raise ValueError("its checksum fails")
    strides = parse_json(header["strides"])
    return {name: _laid_out(name, tensor, strides[name]) for name, tensor in plain.items()}


def _laid_out(name: str, tensor: torch.Tensor, strides: Sequence[int]) -> torch.Tensor:
    """The same values in memory of these strides."""
    _check_dense(name, tensor.shape, strides)
    return torch.empty_strided(tuple(tensor.shape), strides, dtype=tensor.dtype).copy_(tensor)


def _check_dense(name: str, shape: Sequence[int], strides: Sequence[int]) -> None:
    reach = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    count = 1
    for size in shape:
        count *= size
    if reach != count:
        raise ValueError(f"{name} of shape {tuple(shape)} and strides {tuple(strides)} has gaps")


def _checksum(tensors: Mapping[str, torch.Tensor], strides: str) -> str:
    """A hash over names, dtypes, shapes, strides and values."""
    digest = hashlib.blake2b(strides.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
