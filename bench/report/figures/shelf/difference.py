"""The difference in what leads by dataset, as Fig. 9(a) of the SAM paper."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.figures import plots
from bench.report.figures.figures import Drawing, Facts
from bench.report.figures.spots import difference_spots

ORDER = 20


def draw(facts: Facts) -> Iterator[Drawing]:
    """A bar for each dataset, the best series against each other one."""
    table, looks, leads = facts.table, facts.looks, facts.selection.leads
    if leads.unit != "points":
        return
    for number, found in enumerate(facts.compared):
        if len(found.datasets) < 2:
            continue
        a, b = table.series(*found.a.series), table.series(*found.b.series)
        frame = found.datasets.assign(dataset=found.datasets["dataset"].map(dict(table.datasets)))
        bars = "; ".join(
            f"{d} {leads.signed(v)}" for d, v in zip(frame["dataset"], frame["delta"], strict=True)
        )
        colours = (looks[a].colour, looks[b].colour)
        figure = plots.difference_bars(
            frame, a=a, b=b, prompt=found.a.label, colours=colours, what=leads.title
        )
        spots = difference_spots(figure, frame, a=a, b=b, prompt=found.a.label)
        left = f" {found.left_out:,} scores of masks that only one has are left out."
        yield Drawing(
            "difference" if number == 0 else f"difference_{number + 1}",
            f"{a} against {b}, {found.a.label}",
            f"Bars of the difference in {leads.title}, in points, by dataset: {bars}. Lines are "
            f"95 % intervals of the paired difference.{left if found.left_out else ''}",
            figure,
            tuple(spots) if facts.selection.of_masks and leads.is_iou else (),
        )
