"""``sam-bench protocol show | diff``: what a protocol chooses, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from bench import console
from bench.arguments import Commands, add_config_dir

if TYPE_CHECKING:
    from bench.parts import Part


def add(commands: Commands) -> None:
    """Adds the command and its verbs."""
    protocol = commands.add_parser("protocol", help="what a protocol chooses, and why")
    verbs = protocol.add_subparsers(required=True, metavar="show|diff")
    show = verbs.add_parser("show", help="every choice of a protocol")
    add_config_dir(show)
    show.add_argument("name")
    show.set_defaults(command=show_protocol)
    diff = verbs.add_parser("diff", help="the choices in which two differ")
    add_config_dir(diff)
    diff.add_argument("a")
    diff.add_argument("b")
    diff.set_defaults(command=diff_protocols)


def show_protocol(options: argparse.Namespace) -> int:
    """``sam-bench protocol show``: every choice of a protocol and where it comes from."""
    part = _protocol(options.name, options)
    screen = console.output()
    screen.print(f"{part.about['title']} ({part.name}, version {part.version})", highlight=False)
    screen.print(part.about["cite"], style="dim", highlight=False)
    table = Table("choice", "value", "why", box=None, header_style="bold")
    for choice, value in part.args.items():
        table.add_row(choice, str(value), str(part.about["choices"][choice]))
    screen.print(table)
    return 0


def diff_protocols(options: argparse.Namespace) -> int:
    """``sam-bench protocol diff``: the choices in which two protocols differ."""
    a, b = (_protocol(name, options) for name in (options.a, options.b))
    differing = [choice for choice in a.args if a.args[choice] != b.args.get(choice)]
    table = Table("choice", a.name, b.name, box=None, header_style="bold")
    for choice in differing:
        values = [
            f"{part.args[choice]}\n[dim]{escape(str(part.about['choices'][choice]))}[/dim]"
            for part in (a, b)
        ]
        table.add_row(choice, *values)
    console.output().print(table if differing else f"{a.name} and {b.name} make the same choices")
    return 0


def _protocol(name: str, options: argparse.Namespace) -> Part:
    from bench.config import load_configs
    from bench.parts import load_class

    part = load_configs([f"protocol={name}"], options.config_dir)[0].protocol
    load_class(part)(**part.args)  # an unknown choice is refused here
    return part
