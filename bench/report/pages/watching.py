"""A page that is drawn anew while runs go on, served on this machine alone."""

from __future__ import annotations

import html
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bench.report.pages.sending import HEADERS
from bench.types import BenchError
from bench.types.errors import told

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_NAMES = (LOOPBACK, "localhost")
"""What this machine is called by a browser on it: another name is another site's."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page and the same for machines."""

    page: str
    content: Any


class Watched:
    """The newest page: drawn when it is asked for and the last is older than ``every`` seconds.

    What goes wrong meanwhile stands on a page of its own, which asks again likewise.
    """

    def __init__(self, draw: Callable[[], Drawn], every: float) -> None:
        self.every = every
        self._draw, self._lock = draw, threading.Lock()
        self._last: Drawn | None = None
        self._at = 0.0

    def newest(self) -> Drawn:
        """The page; who asks while it is drawn waits for it."""
        with self._lock:
            if self._last is None or time.monotonic() - self._at >= self.every:
                try:
                    self._last = self._draw()
                except BenchError as error:
                    self._last = _apology(str(error))
                except Exception as error:  # a run may be deleted while it is read
                    log.debug("not drawn", exc_info=True)
                    self._last = _apology(told(error))
                self._at = time.monotonic()
            return self._last


def _apology(why: str) -> Drawn:
    page = f"<!doctype html><title>Nothing yet</title><p>{html.escape(why)}</p>"
    return Drawn(page, {"error": why})


def listen(watched: Watched, port: int) -> ThreadingHTTPServer:
    """A server of ``/`` and ``/report.json`` on loopback, port 0 being any that is free.

    Raises ``BenchError`` where the port can't be had.
    """

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "sam-bench", ""

        def do_GET(self) -> None:
            self._answer(send=True)

        def do_HEAD(self) -> None:
            self._answer(send=False)

        def _answer(self, send: bool) -> None:
            name, _, _ = (self.headers.get("Host") or "").rpartition(":")
            if name not in _NAMES:
                self._reply(403, "text/plain", "Forbidden", send)
            elif self.path == "/":
                self._reply(200, "text/html", watched.newest().page, send)
            elif self.path == "/report.json":
                self._reply(200, "application/json", json.dumps(watched.newest().content), send)
            else:
                self._reply(404, "text/plain", "Not Found", send)

        def _reply(self, status: int, kind: str, text: str, send: bool) -> None:
            body = text.encode()
            self.send_response(status)
            again = {"Refresh": f"{watched.every:g}"} if kind == "text/html" else {}
            fixed = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
            for key, value in {**HEADERS, **again, **fixed}.items():
                self.send_header(key, value)
            self.end_headers()
            if send:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its own name)
            log.debug(format, *args)

    try:
        return ThreadingHTTPServer((LOOPBACK, port), Handler)
    except (OSError, OverflowError) as error:
        raise BenchError(
            f"can't serve on port {port} ({error}); choose another with --port"
        ) from error
