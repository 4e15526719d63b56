"""``sam-bench settings``: where and how a run happens, and what changes it."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from bench.cli import console
from bench.cli.arguments import Commands, add_json

_HELP = """\
Every setting of runtime: with what it means, its default, and the variable of the environment that
changes the default. None of them changes a number. Given as KEY=VALUE to a command that takes such
words; the three folders are options of every command, too: --results, --datasets, --checkpoints.

  sam-bench run model=demo runtime.limit=5
  SAM_BENCH_RESULTS=~/results sam-bench run model=demo
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    settings = commands.add_parser(
        "settings",
        help="where and how a run happens",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_json(settings)
    settings.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Prints them in the order of the class."""
    from bench.config.explained import explained

    if options.json:
        console.show_json([asdict(each) for each in explained()])
        return 0
    table = Table("setting", "default", "means", box=None, header_style="bold")
    for each in explained():
        default = each.default
        if each.variable:
            said = os.environ.get(each.variable)
            default = f"{default}, or {each.variable}" + (f" (now {said})" if said else "")
        table.add_row(*map(escape, (each.key, default, each.means.replace("`", ""))))
    console.show(table, console.output())
    return 0
