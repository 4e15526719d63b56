"""The command line: ``sam-bench COMMAND …``; a command is a module of ``bench.cli.commands``.

Exit codes: 0 all well, 1 a gate that doesn't hold, 2 a mistake that one line explains, 3 a run in
which images failed, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import pkgutil
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.logging import RichHandler

from bench import __version__
from bench.cli import commands, completing, console
from bench.cli.arguments import Parser, add_voice
from bench.cli.ending import INTERRUPTED, ending_at_once
from bench.files.text import visible_line
from bench.types import BenchError
from bench.types.errors import disk_complaint, fault_of_theirs


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and gives its exit code; without words those of this process."""
    if argv is None:
        with ending_at_once():
            return main(sys.argv[1:])
    console.take_every_text()
    options = argparse.Namespace(verbose=False)
    try:
        parser = _parser()
        if completing.ASKED in os.environ:
            completing.complete(parser)
        options = parser.parse(argv)
        _log_to(console.errors(), options)
        if allowed := getattr(options, "allow_module", ()):
            from bench.config.component import check_modules

            check_modules(allowed, "--allow-module")
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except BenchError as error:
        if options.verbose:
            traceback.print_exc()
        console.complain(str(error))
        return 2
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        if options.verbose:
            traceback.print_exc()
        if (said := fault_of_theirs(error)) is not None:
            console.complain(f"{said}; -v shows the whole way there")
        elif isinstance(error, OSError):
            console.complain(disk_complaint(error))
        else:
            raise
        return 2
    except KeyboardInterrupt:
        console.complain("stopped; the same command again goes on where it stopped")
        return INTERRUPTED


def _log_to(errors: Console, options: argparse.Namespace) -> None:
    """Sends the bench's own messages to the console; libraries only speak up from warnings on.

    Under ``-q`` so does the bench, under ``-v`` both say more. In a file each is one line, however
    long: that can be searched.
    """
    handler: logging.Handler
    if errors.is_terminal:
        handler = RichHandler(console=errors, show_time=False, show_path=False)
        handler.setFormatter(_Line("%(message)s"))
    else:
        handler = logging.StreamHandler(errors.file)
        handler.setFormatter(_Line("%(levelname)-8s %(message)s"))
    others, ours = logging.WARNING, logging.WARNING if options.quiet else logging.INFO
    if options.verbose:
        others, ours = logging.INFO, logging.DEBUG
    logging.basicConfig(level=others, handlers=[handler], force=True)
    logging.getLogger("bench").setLevel(ours)
    # Pillow's suspicion of large pictures; beyond the limit the bench refuses in its own words.
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")


class _Line(logging.Formatter):
    """A record in one line, whatever names it quotes; a traceback behind it as it is."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        """See ``logging.Formatter``."""
        return visible_line(super().formatMessage(record))


def _parser() -> Parser:
    parser = Parser(prog="sam-bench", description="Zero-shot promptable segmentation bench.")
    parser.add_argument("--version", action="version", version=f"sam-bench {__version__}")
    found = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{module.name}").add(found)
    add_voice(parser)
    return parser
