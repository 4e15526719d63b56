"""A report's files: all of them aside first, then each moved to its place."""

from __future__ import annotations

import glob
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.files.documents import parse_json, strict_json
from bench.files.places import exchange, folder_aside, forget_leftovers
from bench.report.figures import style
from bench.report.figures.figures import Drawing, Failure
from bench.report.figures.kinds import kinds_asked
from bench.report.figures.spots import places
from bench.report.pages.html import Plate
from bench.types import BenchError
from bench.types.errors import told

log = logging.getLogger(__name__)

PAGE = "index.html"
_CONTENT = "report.json"
_FEW = 8
"""How many characters a message tells."""


class ReportFolder:
    """Collects files in a hidden neighbour of ``out``; ``publish`` puts them into their place."""

    def __init__(self, out: Path, aside: Path, kinds: Sequence[str]) -> None:
        self.out = out
        self._aside = aside
        self._kinds = kinds

    def draw(
        self, drawings: Sequence[Drawing | Failure]
    ) -> tuple[list[Plate], tuple[Failure, ...]]:
        """Writes each figure in every kind into ``figures/``, and gives them for a page.

        Beside them those that failed: before, or now that matplotlib drew them. Raises
        ``BenchError`` for two figures of one name, of which one would be lost.
        """
        plates: list[Plate] = []
        failed: list[Failure] = []
        lacking: set[str] = set()
        for drawing in drawings:
            if isinstance(drawing, Failure):
                failed.append(drawing)
                continue
            if any(drawing.name == plate.name for plate in plates):
                raise BenchError(f"two figures are called {drawing.name!r}; name each otherwise")
            paths = self._aside / "figures"
            try:
                written = style.save(drawing.figure, paths, drawing.name, self._kinds)
            except OSError:  # the disk's, not the figure's
                raise
            except Exception as error:
                failed.append(Failure(drawing.name, told(error)))
                for path in paths.glob(f"{glob.escape(drawing.name)}.*"):
                    path.unlink()
                continue
            svg = style.outlined(drawing.figure)
            lacking |= style.lacking(drawing.figure)
            found = places(drawing.figure, drawing.spots)
            files = tuple(f"figures/{path.name}" for path in written)
            plates.append(Plate(drawing.name, drawing.title, drawing.alt, svg, found, files))
        if lacking:
            log.warning(
                "figures: their font lacks %s; a box stands for each, except where LaTeX sets it",
                " ".join(sorted(lacking)[:_FEW]),
            )
        return plates, tuple(failed)

    def write(self, name: str, text: str) -> None:
        """Writes a text file; its name may have a folder in front."""
        path = self._aside / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")

    def publish(self, content: Mapping[str, Any]) -> tuple[Path, ...]:
        """Adds ``report.json`` and puts everything in place at once; gives the paths, sorted.

        Files that an earlier report left over are removed, others left alone. Where others are, or
        the system can't exchange folders, files are moved one by one: then no page stands there
        from the first of them to the last.
        """
        files = [p for p in self._aside.rglob("*") if p.is_file()]
        names = sorted([*(p.relative_to(self._aside).as_posix() for p in files), _CONTENT])
        whole = {**content, "files": names}
        self.write(_CONTENT, strict_json(whole) + "\n")
        before = _written_before(self.out)
        if not self._exchanged(before | set(names)):
            self._move(names, before)
        return tuple(self.out / name for name in names)

    def _exchanged(self, known: set[str]) -> bool:
        """Puts the new folder in the place of an earlier report's, where that holds nothing else.

        Not of the folder that a command works in.
        """
        place = self.out.resolve()
        if not place.exists():
            self._aside.rename(place)
            return True
        if not place.is_dir():
            return False
        folders = {"figures", *(str(Path(name).parent) for name in known)}
        there = {path.relative_to(place).as_posix() for path in place.rglob("*")}
        if there - known - folders or Path.cwd().resolve().is_relative_to(place):
            return False
        shutil.copymode(place, self._aside)
        return exchange(self._aside, place)

    def _move(self, names: Sequence[str], before: set[str]) -> None:
        for name in names:
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
        (self.out / "figures").mkdir(exist_ok=True)
        for name in (PAGE, _CONTENT):
            (self.out / name).unlink(missing_ok=True)
        for name in sorted(names, key=lambda name: (name == PAGE, name == _CONTENT, name)):
            (self._aside / name).replace(self.out / name)
        for name in before - set(names):
            stale = (self.out / name).resolve()
            if stale.is_relative_to(self.out.resolve()):
                stale.unlink(missing_ok=True)


@contextmanager
def report_folder(out: Path, figures: Sequence[str] | None = None) -> Iterator[ReportFolder]:
    """A folder to fill; what isn't published when the block ends is gone.

    ``figures`` are the kinds of files that each is written as, see ``kinds_asked``. Raises
    ``BenchError`` where something can't be written.
    """
    kinds = kinds_asked(figures)
    place = out.resolve()
    forget_leftovers(place)
    try:
        with folder_aside(place) as aside:
            (aside / "figures").mkdir()
            yield ReportFolder(out, aside, kinds)
    except OSError as error:
        raise BenchError(f"{out}: the report can't be written ({error})") from error


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, null where a number is missing."""
    return [
        {str(k): _plain(value) for k, value in record.items()}
        for record in frame.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if value is None or pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _written_before(out: Path) -> set[str]:
    try:
        files = parse_json((out / _CONTENT).read_bytes())["files"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in files if isinstance(name, str)} if isinstance(files, list) else set()
