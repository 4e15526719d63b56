"""People's ratings of masks, in one SQLite file: what is rated, by whom, and every answer.

A study is written once: its choices, sources (who made the masks), targets, and a job for each mask
of a target. Raters and answers are added while it is under way. An answer is in the file, and on
the disk, before ``rate`` returns (write-ahead log, ``synchronous=FULL``), so that no end of the
process loses one; a rater has one answer a job (a primary key), so that none counts twice. Several
processes may have the file open. All SQL takes its values as parameters.
"""

from __future__ import annotations

import json
import math
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bench.files.text import visible_line
from bench.types import BenchError

VERSION = 1
LOWEST, HIGHEST = 1, 10
"""The ends of the scale (Segment Anything, appendix E)."""

_WAIT_SECONDS = 30.0
"""How long a write waits for another process's."""

_TABLES = """
CREATE TABLE study (
  id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, choices TEXT NOT NULL,
  secret TEXT NOT NULL);
CREATE TABLE source (
  id INTEGER PRIMARY KEY, dataset TEXT NOT NULL, asked TEXT NOT NULL, model TEXT NOT NULL,
  title TEXT NOT NULL, run TEXT, UNIQUE (dataset, asked, model));
CREATE TABLE target (
  id INTEGER PRIMARY KEY, dataset TEXT NOT NULL, asked TEXT NOT NULL, image_id TEXT NOT NULL,
  mask_id TEXT NOT NULL, cluster TEXT, height INTEGER NOT NULL, width INTEGER NOT NULL,
  prompt TEXT NOT NULL, run TEXT NOT NULL, UNIQUE (dataset, asked, image_id, mask_id));
CREATE TABLE job (
  id INTEGER PRIMARY KEY, target INTEGER NOT NULL REFERENCES target,
  source INTEGER NOT NULL REFERENCES source, rle TEXT NOT NULL, code TEXT NOT NULL UNIQUE,
  UNIQUE (target, source));
CREATE TABLE rater (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, token TEXT NOT NULL UNIQUE);
CREATE TABLE answer (
  job INTEGER NOT NULL REFERENCES job, rater INTEGER NOT NULL REFERENCES rater,
  value INTEGER CHECK (value BETWEEN 1 AND 10), seconds REAL, at TEXT NOT NULL,
  changes INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, rater));
"""


@dataclass(frozen=True, slots=True)
class Source:
    """Who made one mask of each target of a dataset that was asked in one way.

    ``model`` is a name as in rows, ``title`` what tables call it; ``run`` the folder's name of its
    run, none for the ground truth.
    """

    dataset: str
    asked: str
    model: str
    title: str
    run: str | None


@dataclass(frozen=True, slots=True)
class StudyTarget:
    """One mask of a dataset, asked in one way: ``asked`` says how (``box``), as tables do.

    ``prompt`` holds the columns of a row that say what was asked (``bench.types.prompt_of_row``);
    ``run`` is the folder of a run whose dataset holds the picture, of (``height``, ``width``).
    """

    dataset: str
    asked: str
    image_id: str
    mask_id: str
    cluster: str | None
    height: int
    width: int
    prompt: Mapping[str, Any]
    run: str


@dataclass(frozen=True, slots=True)
class Study:
    """All that is rated. ``jobs`` are (index of a target, index of a source, COCO counts)."""

    choices: Mapping[str, Any]
    sources: Sequence[Source]
    targets: Sequence[StudyTarget]
    jobs: Sequence[tuple[int, int, str]]


class Rater(NamedTuple):
    """Somebody who rates; the ``token`` is in the rater's own link."""

    id: int
    name: str
    token: str


class Job(NamedTuple):
    """One mask to be rated. Its ``code`` is in the page's address, and tells nothing of it."""

    id: int
    code: str


class Answer(NamedTuple):
    """A rating from 1 to 10, none where the job was skipped."""

    value: int | None


class Ratings:
    """The file of one study; ``create`` and ``open`` give it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, study: Study) -> Ratings:
        """Writes a new study, all or nothing; raises ``BenchError`` where one is there."""
        made = cls(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # the raters' tokens are in it
        except OSError as error:
            raise BenchError(f"{path}: the ratings can't be written ({error})") from error
        with made._writing() as to:
            if _is_study(to):
                raise BenchError(f"{path}: a study is there already; choose another --name")
            _write_study(to, study)
        return made

    @classmethod
    def open(cls, path: Path) -> Ratings:
        """The study that is there; raises ``BenchError`` for a file that is none."""
        found = cls(path)
        if not found.exists():
            raise BenchError(f"{path}: no ratings; begin with: sam-bench rate RUN …")
        with found._reading() as of:
            (version,) = of.execute("SELECT version FROM study").fetchone()
        if version != VERSION:
            raise BenchError(f"{path}: ratings of version {version}, this release reads {VERSION}")
        return found

    def exists(self) -> bool:
        """Whether a whole study is in the file: not where writing it was cut short."""
        if not self.path.is_file():
            return False
        with self._reading() as of:
            return _is_study(of)

    def choices(self) -> dict[str, Any]:
        """The choices that the study was planned with."""
        with self._reading() as of:
            found: dict[str, Any] = json.loads(
                of.execute("SELECT choices FROM study").fetchone()[0]
            )
        return found

    def add_rater(self, name: str, token: str | None = None) -> Rater:
        """The rater of that name, new where there was none; a ``token`` replaces the old one.

        Raises ``BenchError`` for a token that is another's.
        """
        token_of_new = token or secrets.token_urlsafe(18)
        try:
            with self._writing() as to:
                to.execute(
                    "INSERT INTO rater (name, token) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
                    (name, token_of_new),
                )
                if token is not None:
                    to.execute("UPDATE rater SET token = ? WHERE name = ?", (token, name))
        except sqlite3.IntegrityError:
            raise BenchError(f"rater {name!r}: that token is another rater's") from None
        return next(each for each in self.raters() if each.name == name)

    def raters(self) -> list[Rater]:
        """All raters, in the order in which they were added."""
        with self._reading() as of:
            return [Rater(*row) for row in of.execute("SELECT id, name, token FROM rater")]

    def rater_of(self, token: str) -> Rater | None:
        """Whose token it is; none where it is nobody's. All are compared, in constant time."""
        given = token.encode("utf-8", "replace")
        same = [
            each for each in self.raters() if secrets.compare_digest(each.token.encode(), given)
        ]
        return same[0] if same else None

    def jobs(self) -> list[Job]:
        """Every job, by number."""
        with self._reading() as of:
            return [Job(*row) for row in of.execute("SELECT id, code FROM job ORDER BY id")]

    def target_of(self, job: int) -> tuple[StudyTarget, str]:
        """What a job's mask should be of, and the mask, as COCO counts."""
        with self._reading() as of:
            found = of.execute(
                "SELECT dataset, asked, image_id, mask_id, cluster, height, width, prompt, run, rle"
                " FROM job JOIN target ON target.id = job.target WHERE job.id = ?",
                (job,),
            )
            names = [column[0] for column in found.description]
            row = dict(zip(names, found.fetchone(), strict=True))
        rle: str = row.pop("rle")
        return StudyTarget(**(row | {"prompt": json.loads(row["prompt"])})), rle

    def masks_beside(self, job: int) -> list[str]:
        """All masks of the job's target, as COCO counts: its own, the others' and the truth."""
        with self._reading() as of:
            found = of.execute(
                "SELECT rle FROM job WHERE target = (SELECT target FROM job WHERE id = ?)"
                " ORDER BY id",
                (job,),
            )
            return [rle for (rle,) in found]

    def answers(self, rater: int) -> dict[int, Answer]:
        """A rater's answers, by job."""
        with self._reading() as of:
            found = of.execute("SELECT job, value FROM answer WHERE rater = ?", (rater,))
            return {job: Answer(value) for job, value in found}

    def counts(self) -> dict[int, int]:
        """How many ratings each job has, of those that have any."""
        with self._reading() as of:
            return dict(
                of.execute(
                    "SELECT job, count(*) FROM answer WHERE value IS NOT NULL GROUP BY job"
                ).fetchall()
            )

    def rate(self, job: int, rater: int, value: int, seconds: float | None = None) -> None:
        """Writes a rating, or another value in the place of the rater's former one.

        The same value again changes nothing, so that a page sent twice counts once. ``seconds``
        is how long the rater took. Raises ``BenchError`` for a value outside the scale.
        """
        if not LOWEST <= value <= HIGHEST:
            raise BenchError(f"a rating is {LOWEST} to {HIGHEST}, found {value}")
        with self._writing() as to:
            to.execute(
                "INSERT INTO answer (job, rater, value, seconds, at) VALUES (?, ?, ?, ?, "
                "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) "
                "ON CONFLICT (job, rater) DO UPDATE SET value = excluded.value, "
                "seconds = excluded.seconds, at = excluded.at, "
                "changes = changes + (value IS NOT NULL) WHERE value IS NOT excluded.value",
                (job, rater, value, seconds),
            )

    def skip(self, job: int, rater: int) -> None:
        """Writes that a rater passed the job over; a rating that is there stays."""
        with self._writing() as to:
            to.execute(
                "INSERT INTO answer (job, rater, at) VALUES (?, ?, "
                "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) ON CONFLICT (job, rater) DO NOTHING",
                (job, rater),
            )

    def frame(self) -> pd.DataFrame:
        """A row per rating, sorted by job and rater; skipped jobs have none.

        Columns ``dataset, asked, image_id, mask_id, cluster`` (the image where it stands alone),
        ``model, title, truth`` (whether it is the ground truth), ``job, rater`` (the name),
        ``value`` (1 to 10), ``seconds`` (NaN where not known), ``changes, at``.
        """
        with self._reading() as of:
            found = of.execute(
                "SELECT t.dataset, t.asked, t.image_id, t.mask_id,"
                " coalesce(t.cluster, t.image_id), s.model, s.title, s.run IS NULL, a.job, r.name,"
                " a.value, a.seconds, a.changes, a.at FROM answer a JOIN job j ON j.id = a.job"
                " JOIN target t ON t.id = j.target JOIN source s ON s.id = j.source"
                " JOIN rater r ON r.id = a.rater WHERE a.value IS NOT NULL ORDER BY a.job, a.rater"
            ).fetchall()
        kinds = {"truth": bool, "value": "int64", "seconds": "float64"}
        frame: pd.DataFrame = pd.DataFrame(found, columns=list(COLUMNS)).astype(kinds)
        return frame

    def planned(self) -> dict[tuple[str, str, str], int]:
        """How many jobs there are of each dataset, way of asking, and model."""
        with self._reading() as of:
            found = of.execute(
                "SELECT s.dataset, s.asked, s.model, count(*) FROM job j"
                " JOIN source s ON s.id = j.source GROUP BY s.id ORDER BY s.id"
            ).fetchall()
        return {(dataset, asked, model): number for dataset, asked, model, number in found}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise BenchError(
                f"{self.path}: the ratings can't be read or written ({visible_line(str(error))})"
            ) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._open() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of the block, on the disk when it ends, or nothing of it."""
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


COLUMNS = (
    "dataset", "asked", "image_id", "mask_id", "cluster", "model", "title", "truth", "job", "rater",
    "value", "seconds", "changes", "at",
)  # fmt: skip
"""Those of ``Ratings.frame``."""


def _is_study(connection: sqlite3.Connection) -> bool:
    named = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'study'"
    (found,) = connection.execute(named).fetchone()
    return bool(found)


def _write_study(to: sqlite3.Connection, study: Study) -> None:
    secret = secrets.token_hex(16)
    for statement in filter(str.strip, _TABLES.split(";")):
        to.execute(statement)
    to.execute(
        "INSERT INTO study VALUES (1, ?, ?, ?)", (VERSION, json.dumps(study.choices), secret)
    )
    to.executemany(
        "INSERT INTO source VALUES (?, ?, ?, ?, ?, ?)",
        [(i, s.dataset, s.asked, s.model, s.title, s.run) for i, s in enumerate(study.sources)],
    )
    to.executemany(
        "INSERT INTO target VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (i, t.dataset, t.asked, t.image_id, t.mask_id, t.cluster, t.height, t.width,
             json.dumps(t.prompt), t.run)
            for i, t in enumerate(study.targets)
        ],
    )  # fmt: skip
    to.executemany(
        "INSERT INTO job VALUES (?, ?, ?, ?, ?)",
        [
            (i, target, source, rle, sha256(f"{secret} {i}".encode()).hexdigest()[:16])
            for i, (target, source, rle) in enumerate(study.jobs)
        ],
    )


def seconds_of(text: str) -> float | None:
    """How long a rater took, as a page says it; none for what is no number from 0 to a day.

    >>> seconds_of("12.5"), seconds_of("-1"), seconds_of("nan"), seconds_of("")
    (12.5, None, None, None)
    """
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) and 0 <= found <= 86_400 else None
