"""A file or folder of recorded prompts, looked at so far that its format is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.files.documents import parse_json
from bench.files.hashing import sha256_of
from bench.files.places import local_path
from bench.files.signatures import signature_of_file
from bench.files.text import visible_line
from bench.files.there import kind_of
from bench.types import BenchError

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 1 << 30
"""Of one file: beyond it a table of prompts doesn't fit beside a run."""

TABLES = (".csv", ".parquet")
"""What files of tables are called."""


@dataclass(frozen=True)
class Source:
    """A file, or a folder of files; raises ``BenchError`` where there is neither, or too much.

    ``part`` names the dataset that is meant, in a file of several.
    """

    path: Path
    part: str | None = None

    def __post_init__(self) -> None:
        if not (self.path.is_file() or self.path.is_dir()):
            raise BenchError(
                f"{self.path}: {kind_of(self.path, 'file or folder of recorded prompts')}; name it "
                "with prompts.recorded.args.file=…"
            )
        for file in self.files:
            if (size := file.stat().st_size) > MOST_BYTES:
                raise BenchError(
                    f"{file}: {size / 2**30:.1f} GiB of prompts are more than is read at once "
                    f"({MOST_BYTES >> 30} GiB); keep those of one dataset"
                )

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The file itself, or the folder's, sorted, hidden ones left out."""
        if self.path.is_file():
            return (self.path,)
        found = (path for path in self.path.rglob("*") if path.is_file())
        return tuple(
            sorted(
                path
                for path in found
                if not any(part.startswith(".") for part in path.relative_to(self.path).parts)
            )
        )

    def ending(self, *ends: str) -> tuple[Path, ...]:
        """Those of the files whose names end so, in lower or upper case."""
        return tuple(path for path in self.files if path.name.lower().endswith(ends))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table; none of what is no table."""
        if self.path.is_dir() or self.path.suffix.lower() not in TABLES:
            return ()
        return tuple(map(str, self._frame(rows=0).columns))

    def table(self) -> pd.DataFrame:
        """The whole table: texts of a CSV, values of a Parquet file."""
        return self._frame(rows=None)

    def json(self, path: Path) -> Any:
        """What a JSON file of it says; raises ``BenchError``."""
        try:
            return parse_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise BenchError(f"{path}: not a readable JSON file: {error}") from None

    def key(self) -> Mapping[str, str]:
        """What stands for it in a run's key: the hash of a file, or of a folder's files."""
        if self.path.is_file():
            return {"sha256": sha256_of(self.path)}
        digest = hashlib.sha256()
        for path in self.files:
            name = path.relative_to(self.path).as_posix()
            digest.update(f"{name}\t{sha256_of(path)}\n".encode())
        return {"sha256_of_files": digest.hexdigest()}

    def _frame(self, rows: int | None) -> pd.DataFrame:
        import pandas as pd
        import pyarrow as pa

        try:
            if self.path.suffix.lower() == ".parquet":
                return self._of_parquet(empty=rows == 0)
            other = signature_of_file(self.path)
            if other is not None:
                raise ValueError(f"it is {other.words}")
            frame = pd.read_csv(self.path, dtype=str, keep_default_na=False, nrows=rows)
            _check_separated(frame.columns)
            if not isinstance(frame.index, pd.RangeIndex):
                raise ValueError("a row has more cells than there are columns")
            return frame
        except UnicodeDecodeError:
            raise BenchError(
                f"{self.path}: not a readable table: its text is not in UTF-8 "
                f"{_encoding(self.path)}; save it again as CSV in UTF-8"
            ) from None
        except (OSError, ValueError, pd.errors.ParserError, pa.ArrowException) as error:
            said = " ".join(str(error).split())
            raise BenchError(f"{self.path}: not a readable table: {said}") from None

    def _of_parquet(self, empty: bool) -> pd.DataFrame:
        """The columns as they are, whatever pandas wrote beside them."""
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self.path)
        table = file.schema_arrow.empty_table() if empty else file.read()
        frame: pd.DataFrame = table.to_pandas(maps_as_pydicts="lossy", ignore_metadata=True)
        return frame


_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def _check_separated(columns: Iterable[str]) -> None:
    """Raises ``ValueError`` where all that a table has is one column with the names of several."""
    names = list(columns)
    for sign, word in _SEPARATORS.items():
        if len(names) == 1 and names[0].count(sign) > 1:
            raise ValueError(
                f"its cells are separated by {word}, expected commas; save it again as CSV with "
                "commas, and with points in its numbers"
            )


def _encoding(path: Path) -> str:
    """What its first bytes say of how a text is written."""
    with path.open("rb") as file:
        start = file.read(2)
    return "(it begins as UTF-16)" if start in (b"\xff\xfe", b"\xfe\xff") else "(nor in ASCII)"


def source_of(file: str, part: str | None = None) -> Source:
    """The source at a path as a user writes it."""
    return Source(local_path(file), part)


def named(found: Sequence[str], most: int = 8) -> str:
    """Some names in words, for an error."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return (", ".join(visible_line(each)[:40] for each in found[:most]) or "none") + more
