"""``sam-bench ls``: what there is to choose from, or the runs that there are."""

from __future__ import annotations

import argparse

from rich.markup import escape
from rich.table import Table

from bench.cli import console
from bench.cli.arguments import Commands, add_config_dir, add_results
from bench.files.places import Place
from bench.types import BenchError

_GROUPS = {"models": "model", "datasets": "dataset", "prompts": "prompt", "protocols": "protocol"}


def add(commands: Commands) -> None:
    """Adds the command."""
    ls = commands.add_parser("ls", help="what there is to choose from")
    ls.add_argument("what", choices=[*_GROUPS, "runs"])
    add_config_dir(ls)
    add_results(ls)
    ls.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Lists a group's YAMLs, or the runs."""
    screen = console.output()
    if options.what == "runs":
        console.show(_runs_table(options.results), screen)
        return 0
    from bench.config.composing import component_about, group_names

    group = _GROUPS[options.what]
    table = Table("name", "what", box=None, header_style="bold")
    for name in group_names(group, options.config_dir):
        try:
            about = component_about(group, name, options.config_dir)
        except BenchError as error:  # one file that is wrong hides no other
            about = f"cannot be read: {error}"
        table.add_row(escape(name), escape(about))
    console.show(table, screen)
    return 0


def _runs_table(results: Place) -> Table:
    from bench.store.runs import find_runs

    table = Table("run", "status", "images", "masks", box=None, header_style="bold")
    for store in find_runs(results):
        header = store.header()
        done = f"{header.get('images_done', 0)}/{header.get('images', '?')}"
        masks = str(header.get("masks", 0))
        cells = (store.folder.name, str(header.get("status", "?")), done, masks)
        table.add_row(*map(escape, cells))
    return table
