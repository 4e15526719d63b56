"""A model's promises and costs as tables of the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from bench.cli.model_check.measuring import Cost, Times
from bench.cli.model_check.promises import Promise

_WORDS = {True: "held", False: "BROKEN", None: "–"}


def promises_table(promises: Sequence[Promise]) -> Table:
    """A line per promise."""
    table = Table("promise", "", "seen", box=None, header_style="bold")
    for one in promises:
        table.add_row(escape(one.name), _WORDS[one.holds], escape(one.said))
    return table


def cost_table(cost: Cost) -> Table:
    """A line per quantity."""
    table = Table("cost", "", box=None, header_style="bold")
    parameters = "not told" if cost.parameters is None else f"{cost.parameters / 1e6:,.1f} M"
    table.add_row("parameters", parameters)
    table.add_row("embed a picture of 768×1024", _said(cost.embed, cost.embed_gmacs))
    table.add_row("answer a prompt", _said(cost.predict, cost.predict_gmacs))
    for name, size in (("this process", cost.memory.host), ("the device", cost.memory.device)):
        if size is not None:
            table.add_row(f"memory of {name}, at most", f"{size / 1e9:.2f} GB")
    return table


def _said(times: Times, gmacs: float | None) -> str:
    work = "" if gmacs is None else f", {gmacs:,.1f} GMACs"
    spread = f"median {times.median:,.1f} ms, 95 % within {times.late:,.1f} ms"
    return f"{spread} ({times.rounds} times){work}"
