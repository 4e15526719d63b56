"""``sam-bench board``: many models on many datasets, from runs and cards, as one page."""

from __future__ import annotations

import argparse
import json

from bench.cli import console
from bench.cli.arguments import Commands, add_config_dir, add_json, add_results
from bench.files.places import local_path, local_side, place
from bench.types import BenchError

_HELP = """\
Draws all runs of some folders as models × datasets, a table per prompt and protocol, with mean
ranks, win rates, suites and costs: one page that needs no network. A folder is one of results,
which may lie behind a URL, or one of cards.

  sam-bench board
  sam-bench board results s3://lab/results colleagues_cards --out board
"""


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
    add_config_dir(board)
    add_results(board)
    add_json(board)
    board.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Gathers the runs and writes their board."""
    from bench.analysis.overview.board import board_of
    from bench.analysis.overview.gathering import gathered
    from bench.analysis.overview.suites import suite_lines
    from bench.config.suites import load_suites
    from bench.report.pages.board import write_board

    folders = [place(each) for each in options.folders] or [options.results]
    entries, notes = gathered(folders)
    for note in notes:
        console.complain(note)
    if not entries:
        raise BenchError(f"no run and no card in {', '.join(map(str, folders))} can be shown")
    board = board_of(entries, notes)
    suites = list(suite_lines(board, load_suites(options.config_dir)))
    out = options.out or local_side(options.results) / "reports" / "board"
    write_board(board, suites, out)
    if options.json:
        console.show_json(json.loads((out / "report.json").read_text(encoding="utf-8")))
    else:
        console.say(f"board: {out / 'index.html'}")
    return 0
