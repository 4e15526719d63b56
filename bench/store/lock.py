"""The right to write into a run: one command at a time, on one machine or on several.

On one machine an operating system's lock on ``.lock`` tells, which falls with its process however
that ends. ``owner.json`` names who holds the run, and is touched every few seconds: a command on
another machine, whose file system may not know such locks, keeps off while the touch is young, and
takes the run over when it is old. Each writer looks into it before it puts a file in place
(``Fence``), so that one that was taken for dead, or whose command was killed, writes no more.
Behind a URL it is the same; the lock then lies in this machine's own folder (``places.lock_of``),
and ``owner.json`` is created by one command alone.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bench.files.documents import parse_json
from bench.files.places import Place, age, claim, lock_of, show_life, write_aside
from bench.types import BenchError

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
"""How long a command on another machine may be silent before it is taken for dead."""

ASKED_SECONDS = 0.25
"""How long a lock is tried for: who asks whether it is held has it much shorter."""

CONFIRM_SECONDS = 2.0
"""How long a run taken over from another machine is watched for a third that does the same."""


_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What a file system says that knows no locks; then only signs of life count."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a run: ``machine`` tells kernels apart, ``host`` and ``pid`` are for people."""

    token: str
    machine: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class Fence:
    """Raises ``BenchError`` when it is called and the run is no longer held under the token."""

    folder: Place
    token: str

    def __call__(self) -> None:
        """Looks into the run's folder."""
        owner = _read(self.folder)
        if owner is None or owner.token != self.token:
            raise BenchError(
                f"{self.folder}: this command no longer holds the run; nothing written"
            )


@contextmanager
def hold(folders: Sequence[Place]) -> Iterator[str]:
    """Holds the runs in these folders and gives the token for their fences.

    Raises ``BenchError`` where another command holds one of them.
    """
    token = uuid.uuid4().hex
    with ExitStack() as stack:
        for folder in sorted(set(folders), key=str):
            stack.enter_context(_held(folder, token))
        stack.enter_context(_heartbeat([Fence(folder, token) for folder in folders]))
        yield token


def is_held(folder: Place) -> bool:
    """Whether a command is at work on the run: one that ``run.json`` calls running may be killed.

    On this machine the lock tells at once, elsewhere a silence of ``STALE_SECONDS``. Nothing is
    taken over. Raises ``BenchError`` where ``owner.json`` can't be read.
    """
    owner = _read(folder)
    if owner is None:
        return False
    path, where = lock_of(folder)
    if owner.machine == _machine() + where and path.is_file():
        try:
            with FileLock(path, timeout=0):
                return False
        except Timeout:
            return True
        except (OSError, NotImplementedError):  # a folder that can't be written, no locks
            pass
    with suppress(OSError):
        return age(_path(folder)) < STALE_SECONDS
    return False


@contextmanager
def _held(folder: Place, token: str) -> Iterator[None]:
    # Or the lock would make one, on the empty place of a lost mount.
    if isinstance(folder, Path) and not folder.is_dir():
        raise BenchError(f"{folder}: the run's folder is gone")
    path, where = lock_of(folder)
    # Somebody who asks ``is_held`` has the lock for a moment.
    lock = FileLock(path, timeout=ASKED_SECONDS, poll_interval=ASKED_SECONDS / 5)
    certain = True
    try:
        lock.acquire()
    except Timeout as error:
        raise _taken(folder, _read(folder), "") from error
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and isinstance(folder, Path) and error.errno not in _NO_LOCKS:
            raise BenchError(f"{folder}: the run cannot be locked ({error})") from error
        certain = False
    try:
        _take_over(folder, token, certain, where)
        try:
            yield
        finally:
            with suppress(BenchError, OSError):  # a lost folder must not hide why the run ended
                Fence(folder, token)()
                _path(folder).unlink()
    finally:
        with suppress(OSError):
            lock.release()


def _take_over(folder: Place, token: str, certain: bool, where: str) -> None:
    """Writes the new owner, once the old one is known to be dead.

    ``certain`` says that no other command on this machine can hold the run, if it locks it in the
    same place, which is ``where``.
    """
    ours = Owner(token, _machine() + where, socket.gethostname(), os.getpid())
    before = _read(folder)
    doubtful = before is not None and not (certain and before.machine == ours.machine)
    if doubtful and (silent := _silence(folder)) < STALE_SECONDS:
        wait = f"; if it is gone, try again in {STALE_SECONDS - silent:.0f} s"
        raise _taken(folder, before, wait)
    content = json.dumps(asdict(ours)).encode()
    alone = True
    if before is not None:
        write_aside(_path(folder), content)
    else:
        try:
            alone = claim(_path(folder), content)
        except FileExistsError as error:
            other = _read(folder)
            if other is None:
                write_aside(_path(folder), content)  # what is there names nobody
            elif other != ours:  # ours is there where an answer was lost and the request repeated
                raise _taken(folder, other, "") from error
    if doubtful or not alone:
        time.sleep(CONFIRM_SECONDS)
        Fence(folder, token)()


def _taken(folder: Place, owner: Owner | None, wait: str) -> BenchError:
    who = f" (process {owner.pid} on {owner.host})" if owner else ""
    return BenchError(f"{folder}: another command is at work on this run{who}{wait}")


def _silence(folder: Place) -> float:
    """Seconds since the owner's last touch, by the clock of the file system alone.

    A touch in the future, of a clock that was wrong, tells nothing: it is replaced by one of now,
    from which on an owner that is alive is heard again, and one that is gone falls silent.
    """
    try:
        silent = age(_path(folder))
        if silent < -BEAT_SECONDS:
            show_life(_path(folder))
            return 0.0
    except OSError as error:
        raise BenchError(f"{folder}: the run cannot be locked ({error})") from error
    return silent


@contextmanager
def _heartbeat(fences: Sequence[Fence]) -> Iterator[None]:
    """Touches what is still held every few seconds, from a thread."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            for fence in fences:
                with suppress(BenchError, OSError):  # a lost folder is noticed by the next write
                    fence()
                    show_life(_path(fence.folder))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _read(folder: Place) -> Owner | None:
    """Who holds the run by its own account; none where nobody does or the file says nothing."""
    try:
        return Owner(**parse_json(_path(folder).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return None
    except OSError as error:
        raise BenchError(f"{_path(folder)}: cannot be read ({error})") from error


def _path(folder: Place) -> Place:
    return folder / "owner.json"


def _machine() -> str:
    """A name for the running kernel, the same in each of its containers."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return socket.gethostname()
