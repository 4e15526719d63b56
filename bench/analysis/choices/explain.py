"""Which choices of a protocol bring a run's number nearest to another one: no new inference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import pandas as pd

from bench.analysis.choices import what_if as choices
from bench.analysis.every_row import clusters
from bench.analysis.selection import select
from bench.analysis.stats import averages
from bench.analysis.stats.intervals import Interval
from bench.analysis.wording.titles import label_of
from bench.store.runs import RunStore, read_runs
from bench.types import BenchError

CHOICES = ("step", *(field.name for field in dataclasses.fields(choices.Choice)))
"""What is searched over; of equally near combinations those that leave the earlier ones alone
come first."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The number to explain, in points, and half the unit of its last digit.

    >>> Goal.read("55.6")
    Goal(points=55.6, half_unit=0.05)
    """

    points: float
    half_unit: float

    @classmethod
    def read(cls, text: str) -> Goal:
        """The number as it is printed; raises ``BenchError`` for what is none of 0 to 100."""
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite() or not 0 <= number <= 100:
            raise BenchError(f"the target is a number of points from 0 to 100, found {text!r}")
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        return cls(float(number), float(Decimal(5).scaleb(min(exponent, 0) - 1)))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the choices are worth in one run.

    ``default`` is the run's number as a report gives it, in [0, 1], under the choices
    ``defaults``. ``singles`` has a row per single changed choice, ``choice, value, miou, delta``;
    ``combinations`` one per combination, the nearest first: `CHOICES`, ``miou``, ``distance`` to
    the goal and ``changed``, how many choices differ from the default. Their numbers are points.
    ``matches`` combinations round to the goal; ``notes`` say what the rows can't tell.
    """

    run: str
    default: Interval
    defaults: Mapping[str, str]
    singles: pd.DataFrame
    combinations: pd.DataFrame
    matches: int
    notes: tuple[str, ...]


def explain(store: RunStore, goal: Goal, *, allow_partial: bool = False) -> Explanation:
    """The run's number under every combination of the choices that its rows can tell.

    Nearest first. Combinations that round to the goal are all as near as can be told: of equals
    the fewest changed choices come first, then the smallest distance. Raises ``BenchError`` for
    what a report refuses.
    """
    selection = select([store], allow_partial=allow_partial)
    if not selection.of_masks:
        raise BenchError(f"{store.folder}: no mask is scored in this run")
    rows = read_runs([store], ["cluster", *choices.COLUMNS])
    areas = choices.predicted_areas(rows)
    rows = rows if areas is None else rows.assign(predicted_area=areas)
    labels, over_images = _labels(store, rows), selection.over_images(selection.rows)
    usual = max(labels)
    steps = [usual, *sorted(set(rows["step"]) - {usual})]
    numbers = pd.DataFrame(
        [
            {"step": labels.get(step, f"step {step}"), **dataclasses.asdict(choice), "miou": mean}
            for step in steps
            for choice, mean in choices.numbers(_latest(rows, step), over_images)
        ]
    )
    numbers["miou"] *= 100
    defaults = {name: str(numbers[name].iloc[0]) for name in CHOICES}
    changes = pd.DataFrame({name: numbers[name] != value for name, value in defaults.items()})
    numbers["changed"] = changes.sum(axis=1)
    numbers["distance"] = (numbers["miou"] - goal.points).abs().round(9)
    numbers["beyond"] = (numbers["distance"] - goal.half_unit).clip(lower=0).round(9)
    # What is left alone sorts first, and the earlier choices decide first.
    order = ["beyond", "changed", "distance", *CHOICES]
    keys = numbers[order[:3]].assign(**{name: changes[name] for name in CHOICES})
    nearest = numbers.loc[keys.sort_values(order, kind="stable").index].reset_index(drop=True)
    default = _latest(rows, usual)
    found = averages(default["iou"], default["image_id"], clusters(default))
    return Explanation(
        run=store.folder.name,
        default=found.of(over_images),
        defaults=defaults,
        singles=_singles(numbers, changes),
        combinations=nearest[[*CHOICES, "miou", "distance", "changed"]],
        matches=int((numbers["beyond"] == 0).sum()),
        notes=(*selection.notes, *_untold(store, rows, areas is not None)),
    )


def _labels(store: RunStore, rows: pd.DataFrame) -> dict[int, str]:
    """What the run calls its reported steps."""
    reported = store.header().get("report_steps") or {}
    last = int(rows["step"].max())
    return {int(step): label_of(said) for step, said in reported.items()} or {last: f"step {last}"}


def _latest(rows: pd.DataFrame, step: int) -> pd.DataFrame:
    """Each mask's row at a step, or its latest before."""
    reached = rows[rows["step"] <= step]
    latest: pd.DataFrame = reached.drop_duplicates(["image_id", "mask_id"], keep="last")
    latest.index = pd.RangeIndex(len(latest))
    return latest


def _singles(numbers: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """The combinations that change one choice, and by how much they move the default."""
    default = numbers["miou"].iloc[0]
    lines = []
    for name in CHOICES:
        for _, row in numbers[changes[name] & (numbers["changed"] == 1)].iterrows():
            moved = {"miou": row["miou"], "delta": row["miou"] - default}
            lines.append({"choice": name, "value": row[name], **moved})
    singles: pd.DataFrame = pd.DataFrame(lines, columns=["choice", "value", "miou", "delta"])
    return singles


def _untold(store: RunStore, rows: pd.DataFrame, masks: bool) -> Iterator[str]:
    """What another choice would need that the rows don't hold."""
    header = store.header()
    if crowds := (header.get("skipped") or {}).get("crowd"):
        yield f"{crowds} crowd regions were left out and have no rows: counting them needs a run."
    elif ((header.get("protocol") or {}).get("args") or {}).get("crowd") == "include":
        yield "Crowd regions count in this run, and its rows don't tell which they are."
    if rows["ious"].map(len).max() > 1:
        yield "Candidates' areas are not stored: the largest or smallest can't be chosen."
    if not masks:
        yield "No masks are stored, so pixels can't be pooled."
    elif choices.unions(rows) is None:
        yield "Ignored pixels were cut off, so pixels can't be pooled."
