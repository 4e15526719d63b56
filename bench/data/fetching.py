"""Fetches the files of a dataset, where its licence and its host allow a plain download.

::

    <datasets>/
      .fetched/
        <dataset>.json         what was fetched: addresses, sizes, sha256, when
        <hash>-<file>.part     a download that isn't finished; the next call goes on with it
      <to>/…                   the dataset, where its reader looks for it
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from bench.files.documents import parse_json
from bench.files.download import download
from bench.files.hashing import sha256_of
from bench.files.places import forget_leftovers, write_aside
from bench.files.text import escaped
from bench.files.unpacking import kinds, unpack
from bench.types import BenchError
from bench.types.errors import did_you_mean

log = logging.getLogger(__name__)

ASIDE = ".fetched"
_NAMES = 20
"""How many names of an archive a record keeps, to see whether they are still there."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file to fetch, as ``about.fetch`` of a dataset's YAML names it.

    ``to`` is where it goes below the folder of datasets: the folder that an archive is unpacked
    into, or, without ``unpack``, the file. ``size`` in bytes and ``sha256`` are checked where they
    are known; ``unpacked`` is the most bytes that an archive may unpack to. Raises ``BenchError``
    where a value can't be right.
    """

    url: str
    to: str
    unpack: str | None = None
    size: int | None = None
    sha256: str | None = None
    unpacked: int | None = None

    def __post_init__(self) -> None:
        place = PurePosixPath(self.to)
        if not self.to or place.is_absolute() or ".." in place.parts:
            raise BenchError(f"about.fetch: `to` must lie below the datasets, found {self.to!r}")
        if self.unpack is not None and self.unpack not in kinds():
            hint = did_you_mean(self.unpack, kinds())
            raise BenchError(f"about.fetch: no way to unpack is called {self.unpack!r}; {hint}")
        if not self.url.startswith(("https://", "http://")) or not self.file:
            raise BenchError(
                f"about.fetch: `url` must be the address of a file, found {self.url!r}"
            )

    @property
    def file(self) -> str:
        """The file's bare name."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def part(self) -> str:
        """The name of the unfinished download: another address has another."""
        return f"{hashlib.sha256(self.url.encode()).hexdigest()[:8]}-{self.file}.part"


def sources_of(about: Mapping[str, Any]) -> list[Source]:
    """What ``about.fetch`` lists, none where it is missing; raises ``BenchError``."""
    entries = about.get("fetch") or []
    try:
        return [Source(**entry) for entry in entries]
    except TypeError as error:
        raise BenchError(
            "about.fetch is a list of {url, to} with unpack, size, sha256 and unpacked where they "
            f"are known ({error})"
        ) from None


def fetch_dataset(
    name: str,
    sources: Sequence[Source],
    datasets: Path,
    *,
    tries: int = 4,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> list[dict[str, Any]]:
    """Fetches what is not there yet, and gives the record of all files, hashes included.

    A download that broke goes on where it stopped; an archive is unpacked aside and then moved to
    its place. What lies there already is never overwritten: a file of the same size is taken for
    the same. ``tries``, ``pause`` and ``timeout`` (seconds) are those of ``download``.

    Raises ``BenchError``: not to be had, another size or hash than known, an archive that isn't
    safe, other files in the place, or another process at work on the same.
    """
    aside = datasets / ASIDE
    try:
        aside.mkdir(parents=True, exist_ok=True)
        lock = FileLock(aside / f"{name}.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise BenchError(f"{name} is being fetched by another process") from None
    except OSError as error:
        raise BenchError(f"{aside}: the folder of datasets can't be written: {error}") from error
    options = {"tries": tries, "pause": pause, "timeout": timeout}
    try:
        return _fetch_all(name, sources, datasets, options)
    except OSError as error:
        raise BenchError(f"{datasets}: {name} can't be written: {error}") from error
    finally:
        lock.release()


def is_unfinished(name: str, sources: Sequence[Source], datasets: Path) -> bool:
    """Whether a dataset's fetching began here and ended before each file had its place."""
    begun = (datasets / ASIDE / f"{name}.lock").exists()
    return begun and not all(_fetched_before(source, datasets) for source in sources)


def _fetch_all(
    name: str, sources: Sequence[Source], datasets: Path, options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    aside = datasets / ASIDE
    path = aside / f"{name}.json"
    records = {record["url"]: record for record in (_records(path) if path.exists() else [])}
    for source in sources:
        record = _fetched_before(source, datasets)
        if record is not None:
            log.info("%s: %s is there, fetched %s", name, source.file, record["fetched"])
        else:
            part = aside / source.part
            sha256 = _received(source, part, options)
            size = part.stat().st_size
            put = _put(source, part, datasets, aside / f"{name}.unpacked")
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            record = {**asdict(source), "size": size, "sha256": sha256, **put, "fetched": now}
            log.info("%s: %s, %d files in %s", name, source.file, record["files"], source.to)
        records[source.url] = record
        _write(path, {"dataset": name, "fetched": list(records.values())})
    return [records[source.url] for source in sources]


def _fetched_before(source: Source, datasets: Path) -> dict[str, Any] | None:
    """The record of the same file in the same place, of any dataset: pictures are often shared."""
    for path in sorted((datasets / ASIDE).glob("*.json")):
        for record in _records(path):
            same = (record.get("url"), record.get("to")) == (source.url, source.to)
            places = [datasets / source.to / name for name in record.get("holds", ())]
            if same and all(place.exists() for place in places or [datasets / source.to]):
                return record
    return None


def _received(source: Source, part: Path, options: Mapping[str, Any]) -> str:
    """The whole file as ``part``, checked; gives its sha256."""
    size = _size_of(source.url, options["timeout"]) if source.size is None else source.size
    resumed = part.exists()
    download(source.url, part, size, **options)
    found = sha256_of(part)
    if source.sha256 not in (None, found) and resumed:
        # The bytes of an earlier try may be of another file: once more from the start.
        log.warning("%s: the resumed download is wrong, starting afresh", source.file)
        part.unlink()
        download(source.url, part, size, **options)
        found = sha256_of(part)
    if source.sha256 not in (None, found):
        part.unlink()
        raise BenchError(
            f"{source.url} delivered another file, now discarded: expected sha256 "
            f"{source.sha256}, found {found}"
        )
    return found


def _size_of(url: str, timeout: float) -> int:
    """The file's size in bytes by the server's word."""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "sam-bench"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            said = response.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        raise BenchError(f"{url} answers HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise BenchError(f"{url} can't be reached: {reason}") from error
    if said is None or not said.isdigit():
        raise BenchError(f"{url}: the server doesn't say how long the file is; give its size")
    return int(said)


def _put(source: Source, part: Path, datasets: Path, unpacked: Path) -> dict[str, Any]:
    """Moves the file, or what is in the archive, to its place.

    ``unpacked`` is the folder to unpack in, of which an earlier call may have left a part. Gives
    the number of files, and the first names that the archive ``holds``.
    """
    place = datasets / source.to
    if source.unpack is None:
        _refuse_others({place: part})
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            part.unlink()
        else:
            os.replace(part, place)
        return {"files": 1, "holds": []}
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        log.info("%s: unpacking", source.file)
        try:
            files = unpack(part, source.unpack, unpacked, source.unpacked)
        except BenchError:
            part.unlink()  # a damaged or unsafe archive doesn't get better
            raise
        _refuse_others(
            {place / p.relative_to(unpacked): p for p in unpacked.rglob("*") if p.is_file()}
        )
        holds = sorted(path.name for path in unpacked.iterdir())[:_NAMES]
        _merge(unpacked, place)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    part.unlink()
    return {"files": files, "holds": holds}


def _refuse_others(moves: Mapping[Path, Path]) -> None:
    """Nothing of a user's is overwritten: a file in the place must have the same size."""
    for place, source in moves.items():
        if place.is_dir() or (place.exists() and place.stat().st_size != source.stat().st_size):
            raise BenchError(f"{place} is there and is another file; move it away and fetch again")


def _merge(source: Path, place: Path) -> None:
    """Moves a folder to its place, or its content where a folder is there already."""
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, place)
        return
    for child in sorted(source.iterdir()):
        if child.is_dir():
            _merge(child, place / child.name)
        elif not (place / child.name).exists():
            os.replace(child, place / child.name)


def _records(path: Path) -> list[dict[str, Any]]:
    """What was fetched before; raises ``BenchError`` for a damaged record."""
    try:
        records = [dict(one) for one in parse_json(path.read_bytes())["fetched"]]
        if not all(map(_is_record, records)):
            raise ValueError("expected url, to and fetched of each file, as texts")
        return records
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path}: not a record of fetched files ({error}); delete it") from error


def _is_record(record: Mapping[str, Any]) -> bool:
    holds = record.get("holds", [])
    told = [record.get(key) for key in ("url", "to", "fetched")]
    return isinstance(holds, list) and all(isinstance(each, str) for each in (*told, *holds))


def _write(path: Path, content: Mapping[str, Any]) -> None:
    forget_leftovers(path)
    text = escaped(json.dumps(content, indent=1, ensure_ascii=False)) + "\n"
    write_aside(path, text.encode())
