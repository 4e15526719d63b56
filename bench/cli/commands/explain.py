"""``sam-bench explain``: which choices of a protocol account for another number."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bench.cli import console
from bench.cli.arguments import Commands, add_json, add_results

if TYPE_CHECKING:
    from rich.console import Console

    from bench.analysis.choices.explain import Explanation, Goal

_HELP = """\
Searches the choices that need no new inference (the step, which candidate counts, the metric, how
to average, a smallest area) for those that bring a run's number nearest to a given one.

  sam-bench explain 'photos-demo-point_1-*' --target 55.6
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    explain = commands.add_parser(
        "explain",
        help="which protocol choices account for another number",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    explain.add_argument("runs", nargs="+", metavar="RUN", help="folders, globs or keys")
    explain.add_argument("--target", required=True, metavar="POINTS", help="such as 55.6")
    explain.add_argument("--top", type=int, default=10, help="how many combinations (10)")
    add_results(explain)
    explain.add_argument("--allow-partial", action="store_true", help="unfinished runs too")
    add_json(explain)
    explain.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Prints what single choices and the nearest combinations give, run by run."""
    from bench.analysis.choices.explain import Goal, explain
    from bench.store.runs import find_runs
    from bench.types import BenchError

    goal = Goal.read(options.target)
    if options.top < 1:
        raise BenchError(f"--top is at least 1, found {options.top}")
    every = [
        explain(store, goal, allow_partial=options.allow_partial)
        for store in find_runs(options.results, options.runs)
    ]
    if options.json:
        console.show_json([_plain(found, goal, options.top) for found in every])
        return 0
    for found in every:
        _show(console.output(), found, goal, options.top)
    return 0


def _plain(found: Explanation, goal: Goal, top: int) -> dict[str, Any]:
    """A run's explanation for machines; all numbers in points."""
    from bench.report.pages.folder import records

    own = found.default
    ends = {"mean": own.mean, "low": own.low, "high": own.high}
    return {
        "run": found.run,
        "target": goal.points,
        **{name: None if value is None else 100 * value for name, value in ends.items()},
        "defaults": dict(found.defaults),
        "matches": found.matches,
        "tried": len(found.combinations),
        "singles": records(found.singles),
        "nearest": records(found.combinations.head(top)),
        "notes": list(found.notes),
    }


def _show(screen: Console, found: Explanation, goal: Goal, top: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    from bench.analysis.choices.explain import CHOICES
    from bench.analysis.wording.words import points, signed

    screen.print(found.run, style="bold", markup=False, highlight=False, soft_wrap=True)
    for sentence in _sentences(found, goal):
        screen.print(sentence, markup=False, highlight=False)
    singles = Table("choice", "default", "instead", title="one choice changed", box=None)
    for name in ("mIoU", "change"):
        singles.add_column(name, justify="right")
    for line in found.singles.to_dict("records"):
        names = [line["choice"], found.defaults[line["choice"]], line["value"]]
        numbers = [points(line["miou"] / 100), signed(line["delta"] / 100)]
        singles.add_row(*map(escape, names), *numbers)
    nearest = Table(*CHOICES, title=f"nearest to {goal.points:g}", box=None)
    for name in ("mIoU", "off by", "changed"):
        nearest.add_column(name, justify="right")
    for line in found.combinations.head(top).to_dict("records"):
        cells = [
            f"[bold]{escape(line[name])}[/bold]" if line[name] != value else escape(line[name])
            for name, value in found.defaults.items()
        ]
        nearest.add_row(
            *cells, f"{line['miou']:.2f}", f"{line['distance']:.2f}", f"{line['changed']}"
        )
    for table in (singles, nearest):
        table.title_justify, table.title_style = "left", "bold"
        console.show(table, screen)
    for note in found.notes:
        screen.print(note, style="dim", markup=False, highlight=False)


def _sentences(found: Explanation, goal: Goal) -> list[str]:
    from bench.analysis.wording.words import points, signed

    own, low, high = found.default.mean, found.default.low, found.default.high
    gap = goal.points / 100 - own
    said = f"This run: {points(own)}"
    if low is None or high is None:
        said += " (too few images for an interval)"
    else:
        said += f" ({points(low)}–{points(high)})"
    said += f". Target: {goal.points:g}, {signed(gap)} from it"
    if low is not None and high is not None and low <= goal.points / 100 <= high:
        said += ", inside the interval: chance alone could account for it"
    tried = len(found.combinations)
    counted = (
        f"{found.matches} of {tried} combinations round to the target. One that does shows what "
        "could account for it, not that it did."
    )
    return [f"{said}.", counted]
