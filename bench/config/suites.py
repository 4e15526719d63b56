"""A suite: datasets that are reported together, under which prompt and protocol, and how.

A suite's number is a mean over all of its datasets or none: ``bench.analysis.overview.suites``
refuses holes. The YAMLs of ``conf/suite`` name datasets of ``conf/dataset``; a run knows no suite:
``suite=NAME`` on a command line is short for what the suite names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from bench.config.about import fault_of_about
from bench.config.folders import component_file, group_names
from bench.files.yaml_files import LOADER, check_yaml
from bench.types import BenchError
from bench.types.errors import did_you_mean

GROUP = "suite"

AGGREGATES: Mapping[str, str] = {
    "mean_over_datasets": "the mean of the datasets' own numbers, each of the same weight",
}
"""How a suite's number comes from those of its datasets."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Datasets that are reported together.

    ``datasets`` are names of ``conf/dataset``, no two alike; ``prompts`` and ``protocol`` are those
    that their numbers are reported under; ``aggregate`` is one of ``AGGREGATES``. ``about`` says
    where the list comes from.
    """

    name: str
    version: str
    datasets: tuple[str, ...]
    prompts: tuple[str, ...]
    protocol: str
    aggregate: str
    about: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What tables call it."""
        return str(self.about.get("title") or self.name)


def load_suite(name: str, extra_dir: Path | None = None) -> Suite:
    """The suite of that name, a user's own before the bench's.

    Raises ``BenchError`` naming the file, for no such suite, a key that is missing, unknown or of
    the wrong kind, and a dataset, prompt or protocol that there isn't.
    """
    path = component_file(GROUP, name, extra_dir)
    check_yaml(path)
    said = yaml.load(path.read_bytes(), Loader=LOADER)
    try:
        found = _suite(said)
        for group, names in (
            ("dataset", found.datasets),
            ("prompt", found.prompts),
            ("protocol", (found.protocol,)),
        ):
            there = group_names(group, extra_dir)
            for each in names:
                if each not in there:
                    raise BenchError(f"no {group} is called {each!r}; {did_you_mean(each, there)}")
    except BenchError as error:
        raise BenchError(f"{path}: {error}") from None
    return found


def with_suite(words: Sequence[str], extra_dir: Path | None = None) -> list[str]:
    """The words of a command line, ``suite=NAME`` written out as what the suite names.

    Raises ``BenchError`` for several suites, one that there isn't, and words that say otherwise.

    >>> with_suite(["model=demo", "suite=hqseg_44k"])[:2]
    ['model=demo', 'prompt=[box]']
    """
    named = [word for word in words if re.match(r"\+{0,2}suite=", word)]
    if not named:
        return list(words)
    if len(named) > 1:
        raise BenchError(f"one suite at a time: found {' and '.join(named)}")
    rest = [word for word in words if word not in named]
    for word in rest:
        if (key := re.split(r"[=.]", word)[0].lstrip("+~")) in _SAID:
            raise BenchError(f"{named[0]} says which {_SAID[key]}: leave {word} out")
    found = load_suite(named[0].partition("=")[2], extra_dir)
    asked = f"prompt=[{','.join(found.prompts)}]", f"protocol={found.protocol}"
    return [*rest, *asked, f"dataset={','.join(found.datasets)}"]


_SAID = {"dataset": "dataset", "prompt": "prompts", "prompts": "prompts", "protocol": "protocol"}
"""Keys that a suite has words for."""


def load_suites(extra_dir: Path | None = None) -> list[Suite]:
    """Every suite, sorted by name; raises ``BenchError`` as ``load_suite`` does."""
    return [load_suite(name, extra_dir) for name in group_names(GROUP, extra_dir)]


def suite_about(name: str, extra_dir: Path | None = None) -> str:
    """A suite in one line: its title, how many datasets, under what they are reported."""
    found = load_suite(name, extra_dir)
    prompts = ", ".join(found.prompts)
    return f"{found.title}: {len(found.datasets)} datasets, {prompts}, protocol {found.protocol}"


def _suite(said: object) -> Suite:
    keys = [each.name for each in fields(Suite)]
    if not isinstance(said, Mapping):
        raise BenchError(f"a suite has the keys {', '.join(keys)}; found {repr(said)[:60]}")
    if unknown := sorted(set(map(str, said)) - set(keys)):
        raise BenchError(f"nothing is called {unknown[0]!r}; {did_you_mean(unknown[0], keys)}")
    if missing := [key for key in keys if key not in said]:
        raise BenchError(f"{missing[0]} is missing; a suite has the keys {', '.join(keys)}")
    for key in ("name", "version", "protocol", "aggregate"):
        if not isinstance(said[key], str) or not said[key]:
            raise BenchError(f"{key} must be a text, found {repr(said[key])[:60]}")
    if not re.fullmatch(r"\w+", said["name"]):
        raise BenchError(f"name must be letters, digits and _, found {said['name']!r:.60}")
    if said["aggregate"] not in AGGREGATES:
        hint = did_you_mean(said["aggregate"], AGGREGATES)
        raise BenchError(f"no aggregate is called {said['aggregate']!r:.60}; {hint}")
    if fault := fault_of_about(said["about"]):
        raise BenchError(fault)
    return Suite(**{**said, **{key: _names(key, said[key]) for key in ("datasets", "prompts")}})


def _names(key: str, said: object) -> tuple[str, ...]:
    if not isinstance(said, list) or not said or not all(isinstance(each, str) for each in said):
        raise BenchError(f"{key} must be a list of names, found {repr(said)[:60]}")
    if twice := sorted({each for each in said if said.count(each) > 1}):
        raise BenchError(f"{key}: {twice[0]} stands twice")
    return tuple(said)
