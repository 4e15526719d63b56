"""What the commands' options have in common: a parser that fails in one line, shared options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

from bench.files.names import fault_of_name
from bench.files.places import local_path, place
from bench.types.errors import did_you_mean

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""Where a command adds its parser."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and takes overrides before, between and after options."""

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """The options; overrides that argparse leaves over behind an option go to the others."""
        options, rest = self.parse_known_args(argv)
        if rest and not ("overrides" in options and all(word[0] != "-" for word in rest)):
            hint = did_you_mean(rest[0].partition("=")[0], _options(self))
            near = f"; {hint}" if hint.startswith("did") else ""
            self.error(f"unrecognized arguments: {' '.join(rest)}{near}")
        if rest:
            options.overrides += rest
        return options

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2 and one line, which names the nearest of several choices."""
        if wrong := re.fullmatch(r"(.*): invalid choice: '(.*)' \(choose from (.*)\)", message):
            hint = did_you_mean(wrong[2], re.findall(r"[^\s,']+", wrong[3]))
            message = f"{wrong[1]}: nothing to choose is called {wrong[2]!r}; {hint}"
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` explains\n")


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The options of a parser and of its commands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _options(each)


def add_option(parser: Parser, name: str, **settings: object) -> None:
    """An option that may be written with underscores or dashes."""
    names = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    parser.add_argument(*names, **settings)  # type: ignore[arg-type]


def add_config_dir(parser: Parser) -> None:
    """``--config-dir``: a user's own YAMLs."""
    parser.add_argument(
        "--config-dir", type=local_path, help="a folder of your own YAMLs, as conf/"
    )


USUAL = Path("datasets")
"""Where data lies, unless it is said."""


def add_overrides(parser: Parser, example: str) -> None:
    """The words ``KEY=VALUE`` that change the configuration, and ``--config-dir``."""
    add_config_dir(parser)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=f"such as {example}")


def report_name(text: str) -> str:
    """The name of a report's folder; refuses one that leads elsewhere or that no disk takes."""
    if fault := fault_of_name(text):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} {fault}: expected a bare name")
    return text


def groups_in(overrides: Sequence[str]) -> set[str]:
    """What the overrides are about: the first word of each key.

    >>> sorted(groups_in(["model.args.size=s", "+seed=3", "prompt=[box]"]))
    ['model', 'prompt', 'seed']
    """
    return {re.split(r"[=.]", word)[0].lstrip("+~") for word in overrides}


def add_results(parser: Parser) -> None:
    """``--results``: where runs and reports lie."""
    parser.add_argument(
        "--results", type=place, default=Path("results"), help="folder or URL of results"
    )


def add_data(parser: Parser) -> None:
    """Where a finished run's pictures are read again, and which modules may read them."""
    parser.add_argument("--datasets", type=local_path, default=USUAL, help="folder of data")
    parser.add_argument(
        "--allow-module",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module of yours that a run's dataset or a metric may name",
    )


def add_slices(parser: Parser) -> None:
    """``--by``: further tables by group."""
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="KEY",
        help="also a table by area, size, category, attribute:NAME, boundary or parts",
    )
