"""``sam-bench doctor``: what is installed, which devices work, what is ready or missing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import Commands, add_json, add_results
from bench.config.settings import usual
from bench.files.places import local_path, place

if TYPE_CHECKING:
    from bench.cli.doctor import Finding

_HELP = """\
Looks for everything that a run needs and says how to get what is missing. Nothing is downloaded.
Exit code 0 where a run with the default configuration works, else 1.
"""

_MARKS = {"ready": "[green]ready[/]", "missing": "[yellow]missing[/]", "broken": "[red]broken[/]"}


def add(commands: Commands) -> None:
    """Adds the command."""
    doctor = commands.add_parser(
        "doctor",
        help="what is installed, ready and missing",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_results(doctor)
    doctor.add_argument("--datasets", type=local_path, help="folder of data (datasets)")
    doctor.add_argument("--checkpoints", type=local_path, help="folder of checkpoints")
    add_json(doctor)
    doctor.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Examines and prints what was found."""
    from dataclasses import asdict

    from bench.cli.doctor import examine, works

    folders = {"datasets": options.datasets, "checkpoints": options.checkpoints}
    if options.results != place(usual("results")):
        folders["results"] = options.results
    words = [f"runtime.{name}={folder}" for name, folder in folders.items() if folder is not None]
    found = examine(
        options.results,
        options.datasets or local_path(usual("datasets")),
        options.checkpoints or local_path(usual("checkpoints")),
        words,
    )
    well = works(found)
    if options.json:
        said = {"works": well, "findings": [asdict(finding) for finding in found]}
        console.show_json(said)
        return 0 if well else 1
    _show(found)
    screen = console.output()
    if well:
        console.say("a run with the default configuration works")
        console.say_next(options, "sam-bench", "run", *words)
        return 0
    for finding in found:
        if finding.needed and finding.state != "ready":
            screen.print(f"not yet: {finding.what}: {finding.said}", markup=False, highlight=False)
    return 1


def _show(found: Sequence[Finding]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(*[""] * 4, box=None, show_header=False)
    section = ""
    for finding in found:
        if finding.section != section:
            section = finding.section
            table.add_row(f"[bold]{section}[/]", "", "", "")
        mark = _MARKS[finding.state]
        table.add_row(escape(finding.what), mark, escape(finding.said), escape(finding.get))
    console.show(table, console.output())
