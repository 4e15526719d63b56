"""``sam-bench protocol show | diff | ablate``: what a protocol chooses, and what that is worth."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from bench.cli import console
from bench.cli.arguments import (
    Commands,
    add_config_dir,
    add_json,
    add_overrides,
    config_words,
    report_name,
)
from bench.files.places import local_side, place
from bench.types import BenchError

if TYPE_CHECKING:
    from bench.analysis.choices.ablate import Swap
    from bench.analysis.section import Section
    from bench.config.component import Component
    from bench.config.composing import RunConfig
    from bench.run.plan import Plan

_ABLATE = """\
Runs A, B, and A with one choice at a time swapped for B's, and prints how many points of mIoU each
is worth. The words behind A and B are overrides, as those of `run`. The same command again does
only what is missing.

  sam-bench protocol ablate sam segment_anything_fast model=demo dataset=photos prompt=[point_1]
"""


def add(commands: Commands) -> None:
    """Adds the command and its verbs."""
    protocol = commands.add_parser("protocol", help="what a protocol chooses, and why")
    verbs = protocol.add_subparsers(required=True, metavar="show|diff|ablate")
    show = verbs.add_parser("show", help="every choice of a protocol")
    add_config_dir(show)
    show.add_argument("name")
    add_json(show)
    show.set_defaults(command=show_protocol)
    diff = verbs.add_parser("diff", help="the choices in which two differ")
    add_config_dir(diff)
    diff.add_argument("a")
    diff.add_argument("b")
    add_json(diff)
    diff.set_defaults(command=diff_protocols)
    ablate = verbs.add_parser(
        "ablate",
        help="what each differing choice is worth in points of mIoU",
        description=_ABLATE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ablate.add_argument("a")
    ablate.add_argument("b")
    add_json(ablate)
    add_overrides(ablate, "model=demo")
    ablate.add_argument(
        "--report",
        metavar="NAME",
        type=report_name,
        help="also write the tables into results/reports/NAME/",
    )
    ablate.set_defaults(command=ablate_protocols)


def show_protocol(options: argparse.Namespace) -> int:
    """``sam-bench protocol show``: every choice of a protocol and where it comes from."""
    component = _protocol(options.name, options)
    if options.json:
        console.show_json(
            {
                "name": component.name,
                "version": component.version,
                "title": component.about.get("title"),
                "cite": component.about.get("cite"),
                "choices": _plain(component, component.args),
                "differs": component.about.get("differs") or [],
            }
        )
        return 0
    screen = console.output()
    title = component.about.get("title") or component.name
    screen.print(
        escape(f"{title} ({component.name}, version {component.version})"), highlight=False
    )
    if cite := component.about.get("cite"):
        screen.print(escape(str(cite)), style="dim", highlight=False)
    table = Table("choice", "value", "why", box=None, header_style="bold")
    for choice, value in component.args.items():
        table.add_row(*map(escape, (choice, str(value), _why(component, choice))))
    console.show(table, screen)
    for left in component.about.get("differs") or ():
        said = f"Not as its source ({left['where']}): {left['what']}. Worth: {left['worth']}."
        screen.print(escape(said), highlight=False)
    return 0


def diff_protocols(options: argparse.Namespace) -> int:
    """``sam-bench protocol diff``: the choices in which two protocols differ."""
    a, b = (_protocol(name, options) for name in (options.a, options.b))
    differing = [choice for choice in a.args if a.args[choice] != b.args[choice]]
    if options.json:
        sides = {each.name: _plain(each, differing) for each in (a, b)}
        console.show_json({"a": a.name, "b": b.name, "choices": differing, "sides": sides})
        return 0
    table = Table("choice", escape(a.name), escape(b.name), box=None, header_style="bold")
    for choice in differing:
        values = [
            f"{escape(str(component.args[choice]))}\n[dim]{escape(_why(component, choice))}[/dim]"
            for component in (a, b)
        ]
        table.add_row(escape(choice), *values)
    if differing:
        console.show(table, console.output())
        asked = [a.name, b.name, *config_words(options), "model=demo", "dataset=photos"]
        console.say_next(options, "sam-bench", "protocol", "ablate", *asked)
    else:
        console.output().print(escape(f"{a.name} and {b.name} make the same choices"))
    return 0


def _plain(component: Component, choices: Iterable[str]) -> dict[str, dict[str, object]]:
    """Choices of a protocol for machines: each one's value, and why."""
    return {
        choice: {"value": component.args[choice], "why": _why(component, choice)}
        for choice in choices
    }


def ablate_protocols(options: argparse.Namespace) -> int:
    """``sam-bench protocol ablate``: runs every single swap and prints what it is worth."""
    from bench.analysis.choices.ablate import ablation, swaps
    from bench.analysis.section import named_apart
    from bench.config.composing import load_configs
    from bench.report.pages.folder import records
    from bench.run.forecast.disk_space import check_disk_space
    from bench.run.plan import make_plan
    from bench.run.progress import run_plan

    if given := [word for word in options.overrides if word.startswith("protocol=")]:
        raise BenchError(f"protocol ablate names its two protocols itself; leave out {given[0]}")
    a, b = (
        load_configs([*options.overrides, f"protocol={name}"], options.config_dir)
        for name in (options.a, options.b)
    )
    grids: list[tuple[RunConfig, list[Swap], dict[str, Plan]]] = []
    for first, second in zip(a, b, strict=True):
        found = swaps(first.protocol, second.protocol)
        if not found:
            if options.json:
                console.show_json({"sections": {}})
            else:
                console.output().print(f"{options.a} and {options.b} make the same choices")
            return 0
        configs = {"A": first, "B": second}
        configs |= {swap.choice: replace(first, protocol=swap.protocol) for swap in found}
        grids.append((first, found, {side: make_plan(each) for side, each in configs.items()}))
    check_disk_space([plan for *_, plans in grids for plan in plans.values()])
    failed = [
        error
        for *_, plans in grids
        for plan in plans.values()
        for error in run_plan(plan, console.progress(options))
    ]
    sections: list[Section] = []
    for config, found, plans in grids:
        for prompt in config.prompts:
            stores = {side: plan.work.runs[prompt].store for side, plan in plans.items()}
            swapped = {swap.choice: (swap, stores[swap.choice]) for swap in found}
            limited = config.runtime.limit is not None
            sections += ablation(stores["A"], stores["B"], swapped, allow_partial=limited)
    sections = list(named_apart(sections))
    written = None
    if options.report:
        written = local_side(place(a[0].runtime.results)) / "reports" / options.report
        _write(sections, written)
    if options.json:
        console.show_json({"sections": {each.name: records(each.lines) for each in sections}})
        return console.say_failed(failed)
    for section in sections:
        console.show(console.table_of(section), console.output())
    if written is not None:
        console.say(f"report: {written}")
    return console.say_failed(failed)


def _write(sections: Sequence[Section], out: Path) -> None:
    """Every table as CSV, Markdown and LaTeX, all of them or nothing."""
    from bench.report.pages.folder import records, report_folder
    from bench.report.tables.section_text import section_files

    with report_folder(out) as folder:
        for section in sections:
            for name, text in section_files(section).items():
                folder.write(name, text)
        folder.publish({section.name: records(section.lines) for section in sections})


def _protocol(name: str, options: argparse.Namespace) -> Component:
    """The protocol with all choices, those too that its YAML leaves as they are by default."""
    from bench.config.composing import load_configs
    from bench.tasks.opening import open_protocol

    config = load_configs([f"protocol={name}"], options.config_dir)[0]
    made = open_protocol(config)  # an unknown choice is refused here
    return replace(config.protocol, args=asdict(made))


def _why(component: Component, choice: str) -> str:
    why = (component.about.get("choices") or {}).get(choice)
    return "The default; its YAML names no other." if why is None else str(why)
