"""``sam-bench rm``: deletes runs."""

from __future__ import annotations

import argparse
import sys

from bench.cli import console
from bench.cli.arguments import Commands, add_json, add_results
from bench.types import BenchError

_HELP = """\
Deletes runs with all their rows. Says which, and asks before it does so. Reports stay; what they
show of the runs is in them.

  sam-bench rm 'photos-demo-*'
  sam-bench rm 5a77351bc5c2 --yes
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    rm = commands.add_parser(
        "rm",
        help="delete runs",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rm.add_argument("runs", nargs="+", metavar="RUN", help="folders, globs, keys")
    rm.add_argument("--yes", action="store_true", help="without asking")
    add_results(rm)
    add_json(rm)
    rm.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Deletes what is confirmed; 1 where it isn't."""
    from bench.store.removal import remove
    from bench.store.runs import find_runs

    stores = find_runs(options.results, options.runs)
    if options.json and not options.yes:
        raise BenchError("--json asks nobody: give --yes, too")
    for store in stores if not options.json else ():
        header = store.header()
        rows = f"{header.get('images_done', 0)} images, {header.get('masks', 0)} masks"
        console.say(f"{store.folder}  {rows}")
    if not options.yes and not _confirmed(len(stores)):
        console.complain("nothing was deleted")
        return 1
    for store in stores:
        remove(store)
    if options.json:
        console.show_json({"deleted": [str(store.folder) for store in stores]})
        return 0
    what = "the run" if len(stores) == 1 else f"{len(stores)} runs"
    console.say(f"deleted {what}")
    return 0


def _confirmed(count: int) -> bool:
    """Whether somebody says yes; raises ``BenchError`` where nobody can be asked."""
    if not sys.stdin.isatty():
        raise BenchError("nobody can be asked here: give --yes to delete these runs")
    what = "this run" if count == 1 else f"these {count} runs"
    return input(f"delete {what} for good? [y/N] ").strip().lower() in ("y", "yes")
