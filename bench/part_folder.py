"""The folder of a run's parts: which of them count, and what to do with those that don't."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

from bench.part_file import DamagedPartError, PartFile, open_part, part_name
from bench.places import Place, move, scan, write_aside
from bench.types import BenchError

_ASIDE = re.compile(r"\..+\.[0-9a-f]{32}")
_PATIENCE = 60.0
"""Seconds that a reader tries to see the parts while others write and compact them."""

Key: TypeAlias = "tuple[str, int, int | str]"
"""A part as it is listed: name, bytes, and a stamp that changes with the file."""

THREADS = 4
"""Parts that are opened at once: most of that is spent outside of Python."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The parts of a run, sorted out, each group in order of the names.

    Those that count are ``sound``. ``damaged`` ones are not as they were written, by path with the
    reason; ``doubled`` ones complete an image that a sound one completes too (two writers each
    thought the other dead); ``replaced`` ones have gone into a compacted part.
    """

    sound: tuple[PartFile, ...] = ()
    damaged: Mapping[Place, str] = field(default_factory=dict)
    doubled: tuple[PartFile, ...] = ()
    replaced: tuple[Place, ...] = ()

    @property
    def needs_mending(self) -> bool:
        """Whether parts are to be set aside, so that some images are to be done again."""
        return bool(self.damaged or self.doubled)


class PartFolder:
    """Parts in ``path``; ``guard`` is asked before one is put in place and raises to prevent it."""

    def __init__(self, path: Place, guard: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self._guard = guard
        self._opened: dict[Key, PartFile] = {}  # by name, bytes and time

    def add(self, data: bytes) -> None:
        """Puts a part in place."""
        write_aside(self.path / part_name(data), data, self._guard)

    def replace(self, data: bytes, names: Sequence[str]) -> None:
        """Puts a compacted part in place, then deletes the parts that it names as replaced."""
        self.add(data)
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def survey(self) -> Survey:
        """Sorts out the parts as they lie there at one moment.

        Raises ``BenchError`` for a part of another schema version and for what can't be read.
        """
        files, damaged = self._open_all()
        gone = {name for file in files for name in file.replaces}
        there = {file.path.name for file in files} | {path.name for path in damaged}
        sound: list[PartFile] = []
        doubled: list[PartFile] = []
        seen: set[str] = set()
        live = [file for file in files if file.path.name not in gone]
        for file in sorted(live, key=lambda file: (-len(file.images), file.path.name)):
            if seen.isdisjoint(file.images):
                sound.append(file)
                seen.update(file.images)
            else:
                doubled.append(file)
        return Survey(
            tuple(sorted(sound, key=lambda file: file.path.name)),
            {path: why for path, why in damaged.items() if path.name not in gone},
            tuple(sorted(doubled, key=lambda file: file.path.name)),
            tuple(self.path / name for name in sorted(gone & there)),
        )

    def mend(self) -> list[str]:
        """Sets damaged and doubled parts aside, deletes replaced ones and leftovers of writes.

        Says of each part set aside why, a line each. Only for who holds the run.
        """
        survey, said = self.survey(), []
        for path, why in survey.damaged.items():
            said.append(f"{why.partition(';')[0]}; set aside in damaged/, its images are redone")
            self._set_aside(path, "damaged")
        for file in survey.doubled:
            said.append(f"{file.path}: images done twice; set aside in doubled/")
            self._set_aside(file.path, "doubled")
        try:
            for path in (*survey.replaced, *self._leftovers()):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise BenchError(f"{self.path}: cannot be tidied ({error})") from error
        return said

    def _leftovers(self) -> list[Place]:
        """Files of writes that never ended."""
        folders = (self.path, self.path.parent)
        return [path for f in folders for path in f.iterdir() if _ASIDE.fullmatch(path.name)]

    def _set_aside(self, path: Place, where: str) -> None:
        move(path, self.path.parent / where)

    def _open_all(self) -> tuple[list[PartFile], dict[Place, str]]:
        """Every readable part and the damaged ones; again where one was compacted meanwhile."""
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            damaged: dict[Place, str] = {}
            opened: dict[Key, PartFile] = {}
            try:
                with ThreadPoolExecutor(THREADS) as pool:
                    listed = self._listed()
                    for key, found in zip(listed, pool.map(self._open, listed), strict=True):
                        if isinstance(found, DamagedPartError):
                            damaged[self.path / key[0]] = str(found)
                        else:
                            opened[key] = found
            except FileNotFoundError:
                self._opened |= opened
                continue
            self._opened = opened
            return list(opened.values()), damaged
        raise BenchError(f"{self.path}: parts come and go while they are read; try again")

    def _open(self, key: Key) -> PartFile | DamagedPartError:
        try:
            return self._opened.get(key) or open_part(self.path / key[0])
        except DamagedPartError as error:
            return error

    def _listed(self) -> list[Key]:
        """Name, bytes and time of every part, sorted: of two listings in a row that are equal.

        One listing alone might be drawn up while a compacted part appears and those that it
        replaces go, and hold neither.
        """
        before = sorted(scan(self.path))
        while (now := sorted(scan(self.path))) != before:
            before = now
        return now
