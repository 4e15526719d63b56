"""What the commands' options have in common: a parser that fails in one line, shared options."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from bench.config.settings import ENVIRONMENT, usual
from bench.files.names import fault_of_name
from bench.files.places import local_path, place
from bench.types.errors import did_you_mean

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""Where a command adds its parser."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and takes overrides before, between and after options."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        # An option that is cut short may be another's name: --dataset is not --datasets.
        super().__init__(*args, **{"allow_abbrev": False} | settings)

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """The options; overrides that argparse leaves over behind an option go to the others."""
        if sum(word.partition("=")[0] == "--config-dir" for word in argv or ()) > 1:
            self.error("--config-dir is given twice: name one")
        options, rest = self.parse_known_args(argv)
        rest = rest or _settings_among(options)
        if rest and not ("overrides" in options and all(word[0] != "-" for word in rest)):
            command = _command(self, sys.argv[1:] if argv is None else argv)
            near = _instead(rest, options) or did_you_mean(
                rest[0].partition("=")[0], _options(command)
            )
            near = "" if near.startswith("there") else f"; {near}"
            command.error(f"unrecognized arguments: {' '.join(rest)}{near}")
        if "overrides" in options:
            options.overrides += rest
            self._take_folders(options)
        return options

    def _take_folders(self, options: argparse.Namespace) -> None:
        """``--results PATH`` and its like as the words of the configuration that they stand for."""
        from bench.config.words import quoted

        for name in ENVIRONMENT:
            key, value = f"runtime.{name}=", getattr(options, name)
            if value is None:
                continue
            if any(word.lstrip("+").startswith(key) for word in options.overrides):
                self.error(f"--{name} and {key}… are one and the same: leave one of them out")
            options.overrides.append(f"{key}{quoted(value)}")

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2 and one line, which names the nearest of several choices."""
        if wrong := re.fullmatch(r"(.*): invalid choice: '(.*)' \(choose from (.*)\)", message):
            hint = did_you_mean(wrong[2], re.findall(r"[^\s,']+", wrong[3]))
            message = f"{wrong[1]}: nothing to choose is called {wrong[2]!r}; {hint}"
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` explains\n")


def _instead(rest: Sequence[str], options: argparse.Namespace) -> str:
    """How what a command doesn't know by this word is said to it; empty if not at all.

    A run's settings are ``runtime.NAME=VALUE`` where a command takes such words, and options of
    their own names where it doesn't; ``--model NAME`` is ``model=NAME``.
    """
    from bench.config.folders import groups
    from bench.config.settings import Runtime

    name, _, value = rest[0].partition("=")
    known = name.removeprefix("runtime.").lstrip("-").replace("-", "_")
    setting = known in {each.name for each in fields(Runtime)}
    if "overrides" not in options:
        if setting:
            said = f"--{known} {value or 'VALUE'}"
            return f"say {said}" if known in options else f"this command takes no {known}"
        takes_none = "=" in rest[0] and name[:1] != "-"
        return "this command takes no words KEY=VALUE" if takes_none else ""
    behind = [word for word in (*rest[1:], *options.overrides) if re.match(r"[^-][^=]*$", word)]
    given = value or next(iter(behind), "VALUE")
    if setting or known in (*groups(), "suite"):
        return f"say {'runtime.' * setting}{known}={given}"
    return ""


def _settings_among(options: argparse.Namespace) -> list[str]:
    """What stands among the names of runs and means to be a setting: ``model=demo``."""
    named = [word for name in _NAMES for word in getattr(options, name, None) or ()]
    return [word for word in named if _SETTING.match(word) and not Path(word).exists()]


_NAMES = ("runs", "names", "sides", "folders")
"""What commands call their words that name runs."""

_SETTING = re.compile(r"\+{0,2}[a-z_]+(\.[A-Za-z0-9_]+)*=")


def _command(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command that some words name."""
    for word in words:
        parser = _commands(parser).get(word, parser)
    return parser


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The options of a parser and of its commands."""
    for action in parser._actions:
        yield from action.option_strings
    for each in _commands(parser).values():
        yield from _options(each)


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    several = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return several[0].choices if several else {}


def add_option(parser: Parser, name: str, **settings: object) -> None:
    """An option that may be written with underscores or dashes."""
    names = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    parser.add_argument(*names, **settings)  # type: ignore[arg-type]


OWN_CONF = Path("my_conf")
"""A user's own YAMLs, found where the command is given."""


def add_config_dir(parser: Parser) -> None:
    """``--config-dir``: a user's own YAMLs; those of ``OWN_CONF`` where there is such a folder."""
    parser.add_argument(
        "--config-dir",
        type=local_path,
        default=OWN_CONF if OWN_CONF.is_dir() else None,
        help=f"a folder of your own YAMLs, as conf/ ({OWN_CONF}, where there is one)",
    )


def add_overrides(parser: Parser, example: str) -> None:
    """The words ``KEY=VALUE`` that change the configuration, ``--config-dir``, and the folders.

    ``--results PATH`` is ``runtime.results=PATH``, and the other two likewise.
    """
    add_config_dir(parser)
    for name in ENVIRONMENT:
        parser.add_argument(f"--{name}", metavar="PATH", help=f"runtime.{name}=PATH")
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
        "--results", type=place, default=usual("results"), help="folder or URL of results"
    )


def add_voice(parser: argparse.ArgumentParser) -> None:
    """``-q`` and ``-v`` of every command that has no verbs of its own, and theirs."""
    verbs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for each in (choice for verb in verbs for choice in verb.choices.values()):
        add_voice(each)
    if not verbs:
        voice = parser.add_mutually_exclusive_group()
        voice.add_argument(
            "-q", "--quiet", action="store_true", help="results, warnings and errors alone"
        )
        voice.add_argument(
            "-v",
            "--verbose",
            action="store_true",
            help="also what libraries say, and the way to an error",
        )


def config_words(options: argparse.Namespace) -> list[str]:
    """``--config-dir`` for a command that comes next, where it isn't the usual folder."""
    own = options.config_dir
    return [] if own in (None, OWN_CONF) else ["--config-dir", str(own)]


def override_words(options: argparse.Namespace) -> list[str]:
    """The words of the configuration as they were given, folders as the options that said them."""
    from bench.config.words import quoted

    said = {name: getattr(options, name) for name in ENVIRONMENT}
    given = {name: path for name, path in said.items() if path is not None}
    made = {f"runtime.{name}={quoted(path)}" for name, path in given.items()}
    folders = [word for name, path in given.items() for word in (f"--{name}", path)]
    return [*(word for word in options.overrides if word not in made), *folders]


def add_json(parser: Parser) -> None:
    """``--json``: the result for machines and nothing else on standard output."""
    parser.add_argument("--json", action="store_true", help="for machines")


def add_data(parser: Parser) -> None:
    """Where a finished run's pictures are read again, and which modules may read them."""
    parser.add_argument(
        "--datasets", type=local_path, default=usual("datasets"), help="folder of data"
    )
    parser.add_argument(
        "--allow-module",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module of yours that a run's dataset or a metric may name",
    )


def add_figures(parser: Parser) -> None:
    """``--figures``: the files that figures are written as."""
    parser.add_argument(
        "--figures",
        type=_words,
        metavar="KIND,…",
        help="write figures as pdf, svg, png, pgf, or none beside the page (all, or what "
        "SAM_BENCH_FIGURES says)",
    )


def add_pictures(parser: Parser) -> None:
    """``--pictures``: how many masks of the page have one."""
    parser.add_argument(
        "--pictures",
        type=_pictures,
        metavar="N",
        help="how many masks of the page have a picture (about 300, less of many runs); all: every "
        "one, in files beside the page",
    )


def _pictures(text: str) -> int | str:
    if text == "all":
        return text
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of masks, and not all")
    return number


def add_slices(parser: Parser) -> None:
    """``--by``: further tables by group."""
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="KEY",
        help="also a table by area, size, category, attribute:NAME, boundary or parts",
    )


def add_look(parser: Parser) -> None:
    """How tables and figures look in a paper."""
    parser.add_argument(
        "--label",
        type=_label,
        action="append",
        default=[],
        metavar="NAME=SHOWN",
        help="what to call a model, a dataset or, in wide tables, a prompt",
    )
    parser.add_argument(
        "--digits", type=int, metavar="N", help="behind the point of values in points (1)"
    )
    parser.add_argument(
        "--width",
        metavar="PAPER",
        help="figures as wide as a column or the page of cvpr or ieee",
    )


def add_columns(parser: Parser) -> None:
    """Which columns a wide table has."""
    parser.add_argument(
        "--columns",
        type=_words,
        default=(),
        metavar="COLUMNS",
        help="those of the wide table, by commas: '1 point,box' or 'mIoU@1 point,oracle@1 point'",
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _label(text: str) -> tuple[str, str]:
    name, equals, shown = text.partition("=")
    if not equals or not name or not shown.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SHOWN")
    return name, shown
