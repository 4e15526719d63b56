"""``sam-bench board``: many models on many datasets, from runs and cards, as one page."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import Commands, add_config_dir, add_json, add_results
from bench.files.places import local_path, local_side, place
from bench.types import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.overview.board import Board
    from bench.analysis.overview.gathering import Entry
    from bench.analysis.overview.progress import Progress
    from bench.analysis.overview.suites import SuiteLine
    from bench.files.places import Place
    from bench.report.pages.watching import Drawn

_HELP = """\
Draws all runs of some folders as models × datasets, a table per prompt and protocol, with mean
ranks, win rates, suites and costs: one page that needs no network. A folder is one of results,
which may lie behind a URL, or one of cards.

  sam-bench board
  sam-bench board results s3://lab/results colleagues_cards --out board
  sam-bench board --watch               # drawn anew while runs go on, for a browser here
"""

PORT = 8318
SECONDS = 10.0
_DAY = 86_400


def add(commands: Commands) -> None:
    """Adds the command."""
    board = commands.add_parser(
        "board",
        help="many models on many datasets, as one page",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    board.add_argument("folders", nargs="*", metavar="FOLDER", help="of results or cards (RESULTS)")
    board.add_argument("--out", type=local_path, help="the page's folder (RESULTS/reports/board)")
    board.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=SECONDS,
        metavar="SECONDS",
        help=f"serve it to this machine, drawn anew every so many seconds ({SECONDS:g})",
    )
    board.add_argument("--port", type=int, default=PORT, help=f"of --watch ({PORT}); 0: any free")
    add_config_dir(board)
    add_results(board)
    add_json(board)
    board.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Gathers the runs and writes their board, or serves it."""
    from bench.analysis.overview.gathering import gathered
    from bench.report.pages.board import write_board

    if options.watch is not None:
        return watch(options)
    folders = _folders(options)
    entries, notes = gathered(folders)
    for note in notes:
        console.complain(note)
    if not entries:
        raise BenchError(f"no run and no card in {', '.join(map(str, folders))} can be shown")
    out = options.out or local_side(options.results) / "reports" / "board"
    board, suites, running = _counted(options, entries, notes)
    write_board(board, suites, out, running)
    if options.json:
        console.show_json(json.loads((out / "report.json").read_text(encoding="utf-8")))
    else:
        console.say(f"board: {out / 'index.html'}")
    return 0


def watch(options: argparse.Namespace) -> int:
    """Serves the board to this machine until Ctrl-C; runs may begin, go on and end meanwhile."""
    from bench.analysis.overview.gathering import gathered
    from bench.report.pages.board import draw_board
    from bench.report.pages.watching import Watched, listen

    if options.json or options.out is not None:
        raise BenchError("--watch serves the page: leave --json and --out out")
    if not 1 <= options.watch <= _DAY:
        raise BenchError(f"--watch takes seconds from 1 to {_DAY:,}, found {options.watch:g}")
    known: list[Entry] = []

    def draw() -> Drawn:
        entries, notes = gathered(_folders(options), known)
        known[:] = entries
        board, suites, running = _counted(options, entries, notes)
        return draw_board(board, suites, running=running)

    server = listen(Watched(draw, options.watch), options.port)
    with server, suppress(KeyboardInterrupt):
        host, port = server.server_address[:2]
        console.say(f"board: http://{host!s}:{port}/  (Ctrl-C stops it)")
        server.serve_forever()
    return 0


def _folders(options: argparse.Namespace) -> list[Place]:
    return [place(each) for each in options.folders] or [options.results]


def _counted(
    options: argparse.Namespace, entries: Sequence[Entry], notes: Sequence[str]
) -> tuple[Board, list[SuiteLine], list[Progress]]:
    """The board of what was gathered, its suites, and the runs that are not done."""
    from bench.analysis.overview.board import board_of
    from bench.analysis.overview.progress import under_way
    from bench.analysis.overview.suites import suite_lines
    from bench.config.suites import load_suites

    board = board_of(entries, notes)
    suites = list(suite_lines(board, load_suites(options.config_dir)))
    return board, suites, list(under_way(_folders(options)))
