"""A report's files: all of them aside first, then each moved to its place."""

from __future__ import annotations

import glob
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.report.figures import style
from bench.report.figures.figures import Drawing, Failure
from bench.report.pages.html import Plate
from bench.types import BenchError
from bench.types.errors import told

PAGE = "index.html"
_CONTENT = "report.json"


class ReportFolder:
    """Collects files in a hidden neighbour of ``out``; ``publish`` puts them into their place."""

    def __init__(self, out: Path, aside: Path) -> None:
        self.out = out
        self._aside = aside

    def draw(
        self, drawings: Sequence[Drawing | Failure]
    ) -> tuple[list[Plate], tuple[Failure, ...]]:
        """Writes each figure as PDF, SVG and PNG into ``figures/``, and gives them for a page.

        Beside them those that failed: before, or now that matplotlib drew them. Raises
        ``BenchError`` for two figures of one name, of which one would be lost.
        """
        plates: list[Plate] = []
        failed: list[Failure] = []
        for drawing in drawings:
            if isinstance(drawing, Failure):
                failed.append(drawing)
                continue
            if any(drawing.name == plate.name for plate in plates):
                raise BenchError(f"two figures are called {drawing.name!r}; name each otherwise")
            paths = self._aside / "figures"
            try:
                style.save(drawing.figure, paths, drawing.name)
            except OSError:  # the disk's, not the figure's
                raise
            except Exception as error:
                failed.append(Failure(drawing.name, told(error)))
                for path in paths.glob(f"{glob.escape(drawing.name)}.*"):
                    path.unlink()
                continue
            svg = (paths / f"{drawing.name}.svg").read_text(encoding="utf-8")
            plates.append(Plate(drawing.name, drawing.title, drawing.alt, svg))
        return plates, tuple(failed)

    def write(self, name: str, text: str) -> None:
        """Writes a text file."""
        (self._aside / name).write_text(text, encoding="utf-8", newline="\n")

    def publish(self, content: Mapping[str, Any]) -> tuple[Path, ...]:
        """Adds ``report.json`` and moves everything, the page last; gives the paths, sorted.

        Files that an earlier report left over are removed, others left alone.
        """
        files = [p for p in self._aside.rglob("*") if p.is_file()]
        names = sorted([*(p.relative_to(self._aside).as_posix() for p in files), _CONTENT])
        whole = {**content, "files": names}
        text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        self.write(_CONTENT, text)
        before = _written_before(self.out)
        (self.out / "figures").mkdir(parents=True, exist_ok=True)
        for name in sorted(names, key=lambda name: (name == PAGE, name)):
            (self._aside / name).replace(self.out / name)
        for name in before - set(names):
            stale = (self.out / name).resolve()
            if stale.is_relative_to(self.out.resolve()):
                stale.unlink(missing_ok=True)
        return tuple(self.out / name for name in names)


@contextmanager
def report_folder(out: Path) -> Iterator[ReportFolder]:
    """A folder to fill; what isn't published when the block ends is gone.

    Raises ``BenchError`` where something can't be written.
    """
    aside = out.parent / f".{out.name}.{uuid.uuid4().hex}"
    try:
        (aside / "figures").mkdir(parents=True)
        yield ReportFolder(out, aside)
    except OSError as error:
        raise BenchError(f"{out}: the report can't be written ({error})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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
        files = json.loads((out / _CONTENT).read_text(encoding="utf-8"))["files"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in files if isinstance(name, str)} if isinstance(files, list) else set()
