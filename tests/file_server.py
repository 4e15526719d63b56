"""A server of files on this machine, which can break off and knows ranges."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LocalServer(ThreadingHTTPServer):
    """Says nothing of a client that hangs up: its words would stand in another test's errors."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class FileServer(LocalServer):
    """Serves ``files`` by name; ``breaks`` are spent one per GET: send so many bytes, then end."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.breaks: list[int] = []
        self.asked: list[tuple[str, str, str | None]] = []
        self.says_length = True

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def gets(self) -> list[tuple[str, str | None]]:
        """The names and ranges that were asked for."""
        return [(name, span) for verb, name, span in self.asked if verb == "GET"]


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        name, span = self.path.lstrip("/"), self.headers["Range"]
        self.server.asked.append((self.command, name, span))
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.says_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if body:
            sent = content[start:]
            if self.server.breaks:
                sent = sent[: self.server.breaks.pop(0)]
            self.wfile.write(sent)


@contextmanager
def serving() -> Iterator[FileServer]:
    """A server that runs until the block ends."""
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
