"""The command line: ``sam-bench run | report | segment | protocol | ls | canary``.

Exit codes: 0 all well, 2 a mistake that one line explains, 3 a run in which images failed,
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.logging import RichHandler

from bench import __version__, commands
from bench.types import BenchError

_RUN_HELP = """\
Runs what is missing and prints the mIoU table. The words after `run` are overrides of the
configuration: a group's file by name (model=demo dataset=shapes prompt=[point_1,box]), any value
(runtime.limit=20), or several in turn (model=demo,grabcut). The same command again does only what
is missing.

  sam-bench run model=demo dataset=shapes prompt=[point_1,point_3,box]
  sam-bench run model=sam_vit_b dataset=bbbc038 runtime.datasets=PATH --report nuclei
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and gives its exit code."""
    options = _parser().parse(argv)
    _log_to(commands.errors_console())
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except BenchError as error:
        sys.stderr.write(f"sam-bench: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("sam-bench: stopped; the same command again goes on where it stopped\n")
        return 130


def _log_to(console: Console) -> None:
    """Sends the bench's own messages to the console; libraries only speak up from warnings on."""
    handler = RichHandler(console=console, show_time=False, show_path=False)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("bench").setLevel(logging.INFO)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and takes overrides before, between and after options."""

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """The options; overrides that argparse leaves over behind an option go to the others."""
        options, rest = self.parse_known_args(argv)
        if rest and not ("overrides" in options and all(word[0] != "-" for word in rest)):
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        if rest:
            options.overrides += rest
        return options

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` explains\n")


def _parser() -> _Parser:
    parser = _Parser(prog="sam-bench", description="Zero-shot promptable segmentation bench.")
    parser.add_argument("--version", action="version", version=f"sam-bench {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = _Parser(add_help=False)
    shared.add_argument("--config-dir", type=Path, help="a folder of your own YAMLs, as conf/")

    run = subparsers.add_parser(
        "run",
        parents=[shared],
        help="run a model on a dataset",
        description=_RUN_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    run.add_argument("--report", metavar="NAME", help="also write results/reports/NAME/")
    run.set_defaults(command=commands.run_command)

    report = subparsers.add_parser("report", help="tables, figures and a page from finished runs")
    report.add_argument("runs", nargs="*", metavar="RUN", help="folders, globs or keys (all)")
    report.add_argument("--name", default="report", help="the report's folder name")
    report.add_argument("--results", type=Path, default=Path("results"))
    report.add_argument("--datasets", type=Path, default=Path("datasets"))
    report.add_argument("--allow-partial", action="store_true", help="unfinished runs too, marked")
    report.add_argument("--allow-module", action="append", default=[], metavar="MODULE")
    report.set_defaults(command=commands.report_command)

    segment = subparsers.add_parser(
        "segment", parents=[shared], help="segment one picture by hand", allow_abbrev=False
    )
    _add(segment, "image_path", type=Path, required=True, help="the picture")
    _add(segment, "input_point", help="x,y;x,y;… pixel indices")
    _add(segment, "input_label", help="1,0,… foreground or background (all 1)")
    _add(segment, "input_box", help="x0,y0,x1,y1 pixel indices, both corners included")
    _add(segment, "output_dir", type=Path, default=Path("results/segment"), help="where to write")
    segment.add_argument(
        "--multimask",
        action=argparse.BooleanOptionalAction,
        help="several candidates (default: for a single point)",
    )
    segment.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="such as model=sam_vit_b"
    )
    segment.set_defaults(command=commands.segment_command)

    canary = subparsers.add_parser(
        "canary", parents=[shared], help="record known masks of a checkpoint, checked in every run"
    )
    _add(canary, "output_dir", type=Path, help="instead of the folder of checkpoints")
    canary.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as model=sam_vit_b")
    canary.set_defaults(command=commands.canary_command)

    protocol = subparsers.add_parser("protocol", help="what a protocol chooses, and why")
    verbs = protocol.add_subparsers(required=True, metavar="show|diff")
    show = verbs.add_parser("show", parents=[shared], help="every choice of a protocol")
    show.add_argument("name")
    show.set_defaults(command=commands.protocol_show_command)
    diff = verbs.add_parser("diff", parents=[shared], help="the choices in which two differ")
    diff.add_argument("a")
    diff.add_argument("b")
    diff.set_defaults(command=commands.protocol_diff_command)

    ls = subparsers.add_parser("ls", parents=[shared], help="what there is to choose from")
    ls.add_argument("what", choices=[*commands.GROUPS, "runs"])
    ls.add_argument("--results", type=Path, default=Path("results"))
    ls.set_defaults(command=commands.ls_command)
    return parser


def _add(parser: argparse.ArgumentParser, name: str, **settings: object) -> None:
    """An option that may be written with underscores or dashes."""
    names = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    parser.add_argument(*names, **settings)  # type: ignore[arg-type]
