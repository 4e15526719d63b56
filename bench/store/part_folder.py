"""The folder of a run's parts: which of them count, and what to do with those that don't."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bench.files.places import Place, move, scan, write_aside
from bench.store.part_file import DamagedPartError, PartFile, Whose, open_part, part_name
from bench.types import BenchError
from bench.types.threads import mapping

_ASIDE = re.compile(r"\..+\.[0-9a-f]{32}")
_PATIENCE = 60.0
"""Seconds that a reader tries to see the parts while others write and compact them."""

THREADS = 4
"""Parts that are opened at once: most of that is spent outside of Python."""


_Key: TypeAlias = "tuple[str, int, int | str]"
"""A part's name, bytes and time of change: with another one it is opened again."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The parts of a run, sorted out, each group in order of the names.

    Those that count are ``sound``. ``damaged`` ones are not as they were written, by path with the
    reason; ``strange`` ones are another run's, likewise; ``doubled`` ones complete an image that a
    sound one completes too (two writers each thought the other dead); ``replaced`` ones have gone
    into a compacted part.
    """

    sound: tuple[PartFile, ...] = ()
    damaged: Mapping[Place, str] = field(default_factory=dict)
    doubled: tuple[PartFile, ...] = ()
    replaced: tuple[Place, ...] = ()
    strange: Mapping[Place, str] = field(default_factory=dict)

    @property
    def needs_mending(self) -> bool:
        """Whether parts are to be set aside, so that some images are to be done again."""
        return bool(self.damaged or self.doubled or self.strange)

    @property
    def images(self) -> int:
        """How many images the sound parts complete."""
        return sum(len(content.images) for part in self.sound for content in part.contents)

    @property
    def masks(self) -> int:
        """How many masks the sound parts have rows of."""
        return sum(content.masks for part in self.sound for content in part.contents)


class PartFolder:
    """Parts in ``path``; ``guard`` is asked before one is put in place and raises to prevent it."""

    def __init__(self, path: Place, guard: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self._guard = guard
        self._opened: dict[_Key, PartFile] = {}
        self._listing: list[_Key] | None = None
        self._survey: Survey | None = None
        self._whose = Whose()

    def under(self, guard: Callable[[], None]) -> PartFolder:
        """The same folder under another guard; no part is opened again for it."""
        folder = PartFolder(self.path, guard)
        folder._opened, folder._listing = self._opened, self._listing
        folder._survey, folder._whose = self._survey, self._whose
        return folder

    def add(self, data: bytes) -> None:
        """Puts a part in place."""
        write_aside(self.path / part_name(data), data, self._guard)

    def replace(self, data: bytes, names: Sequence[str]) -> None:
        """Puts a compacted part in place, then deletes the parts that it names as replaced."""
        self.add(data)
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def survey(self, whose: Whose) -> Survey:
        """Sorts out the parts of a run as they lie there at one moment.

        Raises ``BenchError`` for a part of another schema version and for what can't be read.
        """
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            try:
                listing = self._listed()
                if self._survey is None or (listing, whose) != (self._listing, self._whose):
                    files, damaged = self._open_all(listing)
                    self._survey = self._sorted_out(files, damaged, whose)
                    self._listing, self._whose = listing, whose
            except FileNotFoundError:  # compacted meanwhile
                continue
            return self._survey
        raise BenchError(f"{self.path}: parts come and go while they are read; try again")

    def _sorted_out(
        self, found: Sequence[PartFile], damaged: Mapping[Place, str], whose: Whose
    ) -> Survey:
        strange = {file.path: why for file in found if (why := file.not_of(whose))}
        files = [file for file in found if file.path not in strange]
        gone = {name for file in files for name in file.replaces}
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
            tuple(
                sorted(
                    (path for path in (*damaged, *(f.path for f in files)) if path.name in gone),
                    key=lambda path: path.name,
                )
            ),
            {
                path: f"{path}: {strange[path]}; the same command again sets it aside"
                for path in sorted(strange, key=lambda path: path.name)
            },
        )

    def mend(self, whose: Whose) -> list[str]:
        """Sets aside parts that don't count, deletes replaced ones and leftovers of writes.

        Says of each part set aside why, a line each. Only for who holds the run.
        """
        survey, said = self.survey(whose), []
        for path, why in survey.damaged.items():
            said.append(f"{why.partition(';')[0]}; set aside in damaged/, its images are redone")
            self._set_aside(path, "damaged")
        for path, why in survey.strange.items():
            said.append(f"{why.partition(';')[0]}; set aside in strange/")
            self._set_aside(path, "strange")
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

    def _open_all(self, listing: Sequence[_Key]) -> tuple[list[PartFile], dict[Place, str]]:
        """Every readable part and the damaged ones; raises ``FileNotFoundError`` for one gone."""
        fresh = [key for key in listing if key not in self._opened]
        damaged: dict[Place, str] = {}
        with mapping(THREADS, "parts") as each:
            for key, found in zip(fresh, each(self._open, fresh), strict=True):
                if isinstance(found, DamagedPartError):
                    damaged[self.path / key[0]] = str(found)
                else:
                    self._opened[key] = found
        self._opened = {key: self._opened[key] for key in listing if key in self._opened}
        return list(self._opened.values()), damaged

    def _open(self, key: _Key) -> PartFile | DamagedPartError:
        try:
            return open_part(self.path / key[0])
        except DamagedPartError as error:
            return error

    def _listed(self) -> list[_Key]:
        """Every part, sorted: as at the survey before, or as listed twice with none gone between.

        One listing alone might be drawn up while a compacted part appears and those that it
        replaces go, and hold neither. That others appear meanwhile is no reason to look again.
        """
        now = sorted(scan(self.path))
        while now != self._listing:
            before, now = now, sorted(scan(self.path))
            if set(now).issuperset(before):
                break
        return now
