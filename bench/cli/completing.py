"""What TAB offers in a shell, by argcomplete (the extra ``completion``).

argcomplete starts the command with the line so far in the environment; options and commands it
knows from the parser, here is what it can't know: the words ``KEY=VALUE``, and names of runs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.config.settings import usual

ASKED = "_ARGCOMPLETE"
"""The variable of the environment by which argcomplete asks."""


def complete(parser: argparse.ArgumentParser) -> None:
    """Answers argcomplete, and ends the process; without argcomplete nothing happens."""
    try:
        import argcomplete
    except ImportError:
        return
    _add_completers(parser)
    argcomplete.autocomplete(parser)


def _add_completers(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _add_completers(each)
        elif action.dest == "overrides":
            action.completer = offer_words  # type: ignore[attr-defined]
        elif action.dest in ("runs", "run"):
            action.completer = offer_runs  # type: ignore[attr-defined]


def offer_words(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The groups and settings that a word may begin with, or the names that its key takes."""
    key, equals, value = prefix.partition("=")
    offered = _keys() if not equals else _values(key, value, parsed_args.config_dir)
    return [word for word in offered if word.startswith(prefix)]


def _keys() -> Iterator[str]:
    from bench.config.folders import groups
    from bench.config.settings import Runtime

    yield from (f"{group}=" for group in (*groups(), "suite"))
    yield from (f"runtime.{each.name}=" for each in fields(Runtime))


def _values(key: str, value: str, extra_dir: Path | None) -> Iterator[str]:
    from bench.config.folders import group_names, groups

    if key in (*groups(), "suite"):
        before = re.match(r"(.*[\[,])?", value)
        so_far = "" if before is None else before[0]
        yield from (f"{key}={so_far}{name}" for name in group_names(key, extra_dir))


def offer_runs(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The names of the runs in the local folder of results."""
    results = Path(str(getattr(parsed_args, "results", None) or usual("results")))
    found = (path.parent.name for path in results.glob("runs/*/run.json"))
    return sorted(name for name in found if name.startswith(prefix))
