"""What the Hub's evaluation results are held under: a dataset of the Hub, and a task of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.types import BenchError
from bench.types.errors import did_you_mean

_WRITTEN = re.compile(
    r"(?P<dataset>[^=\s]+)=(?P<id>[\w.-]+/[\w.-]+)(?::(?P<task>[\w.-]+))?(?:@(?P<revision>\w+))?",
    re.ASCII,
)

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
"""How a repository of the Hub is called: OWNER/NAME."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A dataset of the Hub: its id, the task in its ``eval.yaml``, a commit where one is meant."""

    id: str
    task: str = "default"
    revision: str | None = None


def read_benchmarks(said: Iterable[str]) -> dict[str, Benchmark]:
    """By the bench's name of a dataset the one of the Hub, of ``NAME=OWNER/ID[:TASK][@COMMIT]``.

    Raises ``BenchError`` for what isn't written so, and for a name that stands twice.

    >>> read_benchmarks(["shapes=lab/shapes:point@5503434"])
    {'shapes': Benchmark(id='lab/shapes', task='point', revision='5503434')}
    """
    found: dict[str, Benchmark] = {}
    for text in said:
        if (parts := _WRITTEN.fullmatch(text)) is None:
            raise BenchError(
                f"--benchmark {text!r:.80}: expected NAME=OWNER/ID[:TASK][@COMMIT], such as "
                "shapes=lab/shapes:default"
            )
        if parts["dataset"] in found:
            raise BenchError(f"--benchmark names {parts['dataset']} twice")
        found[parts["dataset"]] = Benchmark(
            parts["id"], parts["task"] or "default", parts["revision"]
        )
    return found


def check_repository(name: str, option: str) -> str:
    """The name of a repository of the Hub; raises ``BenchError`` for another text."""
    if not REPOSITORY.fullmatch(name):
        raise BenchError(f"{option} {name!r:.80}: a repository of the Hub is called OWNER/NAME")
    return name


def check_source(url: str) -> str:
    """An address that a page may link to; raises ``BenchError`` for another text."""
    if not re.fullmatch(r"https?://[^\s<>\"']+", url):
        raise BenchError(f"--source {url!r:.80}: expected an address, https://…")
    return url


def check_licence(name: str) -> str:
    """An identifier of a licence as the Hub spells them; raises ``BenchError`` for another text."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", name):
        raise BenchError(
            f"--licence {name!r:.80}: the Hub's identifiers are lower case, such as cc-by-4.0"
        )
    return name


def check_known(benchmarks: Mapping[str, Benchmark], datasets: Iterable[str]) -> None:
    """Raises ``BenchError`` for a benchmark of a dataset that no run is of."""
    there = set(datasets)
    for name in benchmarks:
        if name not in there:
            raise BenchError(
                f"--benchmark: no run is of a dataset {name!r}; {did_you_mean(name, there)}"
            )
