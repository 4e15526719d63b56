"""The folder of a run's parts: which of them count, and what to do with those that don't."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from bench.files.places import Place, move, scan, write_aside
from bench.store.part_file import (
    DamagedPartError,
    PartFile,
    Whose,
    open_part,
    part_name,
    read_table,
)
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
    sound one completes too (two writers each thought the other dead), or say that an image has no
    rows of which another has some; ``replaced`` ones have gone into a compacted part that is sound.
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
        have_rows = {image_id for file in files for image_id in file.with_rows}
        sound: list[PartFile] = []
        doubled: list[PartFile] = []
        gone: set[str] = set()
        seen: set[str] = set()
        named = {file.path.name: file for file in files}
        for file in sorted(files, key=_fullest_first):
            if file.path.name in gone:
                continue
            images = set(file.images)
            if seen & images or (images & have_rows) - file.with_rows:
                doubled.append(file)
                continue
            sound.append(file)
            seen |= images
            gone.update(
                name for name in file.replaces if name not in named or file.stands_for(named[name])
            )
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

        A replaced one is only deleted where the part that replaces it has its very rows. Says of
        each part set aside why, a line each. Only for who holds the run.
        """
        survey, said = self.survey(whose), []
        for path, why in survey.damaged.items():
            said.append(f"{why.partition(';')[0]}; set aside in damaged/, its images are redone")
            self._set_aside(path, "damaged")
        for path, why in survey.strange.items():
            said.append(f"{why.partition(';')[0]}; set aside in strange/")
            self._set_aside(path, "strange")
        for file in survey.doubled:
            said.append(
                f"{file.path}: images done twice, or without the rows that another part has of "
                "them; set aside in doubled/"
            )
            self._set_aside(file.path, "doubled")
        for path in self._not_kept(survey):
            said.append(f"{path}: the part that replaces it has other rows; set aside in doubled/")
            self._set_aside(path, "doubled")
        try:
            for path in (*survey.replaced, *self._leftovers()):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise BenchError(f"{self.path}: cannot be tidied ({error})") from error
        return said

    def _not_kept(self, survey: Survey) -> list[Place]:
        """The replaced parts whose rows don't stand, word for word, in the one that replaces."""
        replaced = {path.name: path for path in survey.replaced}
        unkept = []
        for file in survey.sound:
            if names := [name for name in file.replaces if name in replaced]:
                rows = read_table(file.path)
                unkept += [replaced[name] for name in names if not _keeps(rows, replaced[name])]
        return unkept

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


def _fullest_first(file: PartFile) -> tuple[int, int, bool, str]:
    """Sorts parts by which is to be kept of two that complete an image; merged ones come first."""
    return -len(file.with_rows), -len(file.images), not file.replaces, file.path.name


def _keeps(rows: pa.Table, part: Place) -> bool:
    """Whether the rows of a part stand among these, with nothing else of their images."""
    try:
        theirs = read_table(part)
    except FileNotFoundError:
        return True
    except DamagedPartError:
        return False
    if not len(theirs):
        return True
    if not set(theirs.column_names) <= set(rows.column_names):
        return False
    kept = rows.filter(pc.is_in(rows["image_id"], value_set=theirs["image_id"].combine_chunks()))
    return bool(kept.select(theirs.column_names).equals(theirs))
