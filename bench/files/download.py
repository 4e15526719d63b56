"""A ranged, resumable download over HTTP into one file, with progress."""

from __future__ import annotations

import http.client
import logging
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO

from bench.types import BenchError

log = logging.getLogger(__name__)

CHUNK = 1 << 20
LOG_EVERY = 15.0


LONGEST_PAUSE = 60.0
"""The most seconds between two tries, unless the server asks for more."""

MOST_PATIENCE = 300.0
"""The most seconds that a server's ``Retry-After`` is waited for."""

SLOWEST = 1024
"""The fewest bytes a second, over each wait, before a connection counts as broken."""


class InterruptedDownloadError(Exception):
    """The connection failed in a way that another try may mend, after so many seconds."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


def download(
    url: str,
    part: Path,
    size: int,
    *,
    tries: int = 4,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> None:
    """Fill ``part`` up to ``size`` bytes from ``url``, going on from the bytes it already holds.

    A broken connection, a refused or a crawling one (below ``SLOWEST``), HTTP 408, 429 and 5xx are
    tried again after ``pause`` seconds, doubled each time, or when the server's ``Retry-After``
    says; ``tries`` failures without a byte of progress end it. A server that knows no ranges starts
    over. ``timeout`` is in seconds, for each wait on the socket. Redirections are followed to
    http(s) addresses only.

    The content is not checked here. What was fetched stays in ``part`` for the next call.
    Raises ``BenchError`` where the server refuses the file, offers one of another length, cannot
    be reached, asks for more than ``MOST_PATIENCE``, or where the disk has no room for it.
    """
    if not url.startswith(("https://", "http://")):
        raise BenchError(f"{url!r} is not an http(s) address to download from")
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    _check_room(part.parent, size - have)
    best, failures, after = have, 0, 0.0
    with _progress(part.stem, size) as advance:
        while have < size:
            try:
                _receive(url, part, size, have, timeout, advance)
            except InterruptedDownloadError as error:
                reason, after = str(error), error.after
            except OSError as error:
                raise BenchError(f"{part}: cannot be written: {error}") from error
            else:
                reason, after = "the connection ended early", 0.0
            have = part.stat().st_size if part.exists() else 0
            if have >= size:
                break
            failures = 0 if have > best else failures + 1
            best = max(best, have)
            if failures >= tries:
                raise BenchError(f"{url} could not be fetched after {tries} tries: {reason}")
            if after > MOST_PATIENCE:
                raise BenchError(f"{url}: {reason}, asks to come back in {after:.0f} s")
            wait = max(min(pause * 2 ** max(failures - 1, 0), LONGEST_PAUSE), after)
            log.warning("%s: %s; trying again in %.0f s (byte %d)", url, reason, wait, have)
            time.sleep(wait)


def _receive(
    url: str, part: Path, size: int, have: int, timeout: float, advance: Callable[[int], None]
) -> None:
    """One request, written behind the ``have`` bytes of ``part`` or from its start."""
    headers = {"User-Agent": "sam-bench"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.build_opener(_WebOnly).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # the server's file ends before our byte: ours is not its part
                part.unlink(missing_ok=True)
                raise InterruptedDownloadError(
                    "the server does not know the requested range"
                ) from error
            if error.code in (408, 429) or error.code >= 500:
                after = _retry_after(error.headers.get("Retry-After", ""))
                raise InterruptedDownloadError(
                    f"HTTP {error.code} {error.reason}", after
                ) from error
            raise BenchError(f"{url} answers HTTP {error.code} {error.reason}") from error
    except (http.client.InvalidURL, ValueError) as error:
        raise BenchError(f"{url!r} is no address: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise InterruptedDownloadError(
            str(getattr(error, "reason", error)) or type(error).__name__
        ) from error
    with response:
        start = _start(response, url, size, have)
        with part.open("r+b" if start else "wb") as out:
            out.seek(start)
            out.truncate()
            _copy(response, out, url, size, start, timeout, advance)


def _start(response: http.client.HTTPResponse, url: str, size: int, have: int) -> int:
    """The byte that the response begins at; its announced length must lead exactly to ``size``."""
    start = 0
    if have and response.status == 206:
        span = response.headers.get("Content-Range", "")
        if not span.startswith(f"bytes {have}-"):
            raise BenchError(f"{url} was asked for bytes from {have} on and sent {span!r}")
        start = have
    announced = response.headers.get("Content-Length")
    if announced is not None and announced.isdigit() and start + int(announced) != size:
        raise BenchError(
            f"{url} offers {start + int(announced)} bytes, expected {size}: it is not this file"
        )
    return start


def _copy(
    response: http.client.HTTPResponse,
    out: BinaryIO,
    url: str,
    size: int,
    at: int,
    timeout: float,
    advance: Callable[[int], None],
) -> None:
    """Append what arrives; ``advance`` gets the absolute number of bytes in the file."""
    since, had = time.monotonic(), at
    while True:
        try:
            chunk = response.read1(CHUNK)
        except http.client.IncompleteRead as error:
            chunk = error.partial
        except (OSError, http.client.HTTPException) as error:
            raise InterruptedDownloadError(str(error) or type(error).__name__) from error
        if not chunk:
            return
        at += len(chunk)
        if at > size:
            raise BenchError(f"{url} sends more than the expected {size} bytes: not this file")
        out.write(chunk)
        advance(at)
        passed = time.monotonic() - since
        if passed > timeout:
            if at - had < SLOWEST * passed and at < size:
                out.flush()
                raise InterruptedDownloadError(f"{at - had} bytes in {passed:.0f} s are too few")
            since, had = time.monotonic(), at


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections to other web addresses, never to another kind."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request; raises ``BenchError`` for what isn't http(s)."""
        if not newurl.startswith(("https://", "http://")):
            raise BenchError(f"{req.full_url} leads to {newurl!r}, which is not an http(s) address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _retry_after(value: str) -> float:
    """Seconds that a server asks to wait, given as such or as a date; 0 where it doesn't say."""
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, date.timestamp() - time.time())


def _check_room(folder: Path, needed: int) -> None:
    """Refuse before the first byte what the disk cannot hold."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise BenchError(f"{folder}: no folder to download into: {error}") from error
    if free < needed:
        raise BenchError(f"{folder} has {free} bytes free, the download needs {needed}")


@contextmanager
def _progress(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar where stderr is a terminal, otherwise a line of log every few seconds."""
    if sys.stderr.isatty():
        from rich import progress  # imported here: a run without a download needs no bar
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(name, total=size)
            yield lambda at: bar.update(task, completed=at)
        return
    said = time.monotonic()

    def advance(at: int) -> None:
        nonlocal said
        if time.monotonic() - said >= LOG_EVERY:
            said = time.monotonic()
            log.info("%s: %d of %d MB (%d%%)", name, at >> 20, size >> 20, 100 * at // size)

    log.info("%s: fetching %d MB", name, size >> 20)
    yield advance
