"""What a case may not do, whatever its files say: write beside its folder, connect, start programs.

Python tells an audit hook of every file that it opens, every connection and every program. What
libraries open by themselves it doesn't see.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink",
            "os.truncate", "os.chmod", "os.chown", "os.utime", "shutil.rmtree")  # fmt: skip
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
            "urllib.Request")  # fmt: skip
_FOLLOWED = ("os.truncate", "os.chmod", "os.utime")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Notes what reaches beyond ``folder`` while it is on; a process has one for good."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._heard)

    @contextmanager
    def over(self, folder: Path) -> Iterator[None]:
        """Watches for the length of the block; what was seen is in ``seen`` until the next one."""
        self.seen, self._folder = [], os.path.realpath(folder)
        try:
            yield
        finally:
            self._folder = None

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if self._folder is None:
            return
        if event in _PROGRAMS or event in _NETWORK:
            if args[0] != "git":  # which a run's header asks for the commit of the bench
                self._note(event, args)
        elif event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & _WRITES:
                self._judge(event, [path], -1, follow=not flags & os.O_NOFOLLOW)
        elif event in _CHANGES:
            near = next((each for each in args[1:] if type(each) is int and each > 2), -1)
            self._judge(event, args[:2], near, follow=event in _FOLLOWED)

    def _judge(self, event: str, paths: Sequence[Any], near: int, *, follow: bool) -> None:
        """Notes an event at a place that isn't the case's own, nor nobody's.

        ``near`` is the open folder that relative paths are meant from, if any.
        """
        inside = f"{self._folder}{os.sep}"
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike):
                text = os.fsdecode(path)
                if near > 2 and not os.path.isabs(text):
                    text = os.path.join(os.readlink(f"/proc/self/fd/{near}"), text)
                head, tail = os.path.split(os.path.abspath(text))
                whole = os.path.join(os.path.realpath(head), tail)
                whole = os.path.realpath(text) if follow else whole
                if not f"{whole}{os.sep}".startswith((inside, "/dev/", "/proc/")):
                    self._note(event, (text,))

    def _note(self, event: str, args: tuple[Any, ...]) -> None:
        here, self._folder = self._folder, None  # to note it opens nothing that is noted again
        if len(self.seen) < 5:
            self.seen.append(f"{event} {str(args)[:120]}")
        self._folder = here
