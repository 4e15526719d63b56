"""Deletes a run, so that a kill at any moment leaves a run that the same command deletes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.files.places import Place
from bench.store.lock import hold
from bench.store.runs import RunStore
from bench.types import BenchError

_LAST = "run.json"
"""Without it a folder is no run, so nobody would find what is left."""

_HELD = (".lock", "owner.json")
"""What says that this command is at work; the lock takes them along."""


def remove(store: RunStore) -> None:
    """Deletes the run's rows, accounts and added metrics, then its header, then its folder.

    Raises ``BenchError`` where another command is at work on it, and where a file can't be
    deleted.
    """
    folder = store.folder
    with hold([folder]):
        try:
            for path in _files(folder):
                if path.name not in (_LAST, *_HELD) or path.parent != folder:
                    path.unlink(missing_ok=True)
            (folder / _LAST).unlink(missing_ok=True)
        except OSError as error:
            raise BenchError(f"{folder}: cannot be deleted ({error})") from error
    if isinstance(folder, Path):
        with suppress(OSError):  # what is in the way is not the run's
            shutil.rmtree(folder)


def _files(folder: Place) -> Iterator[Place]:
    """Every file below a folder; of links themselves, never what they lead to."""
    for path in folder.iterdir():
        if path.is_dir() and not (isinstance(path, Path) and path.is_symlink()):
            yield from _files(path)
        else:
            yield path
