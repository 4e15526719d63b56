"""What a user wants things to be called and how many digits to see, laid over selections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.analysis.selection import Selection
from bench.types import BenchError, Measure
from bench.types.errors import did_you_mean

MOST_DIGITS = 6


def with_looks(
    selections: Sequence[Selection],
    labels: Mapping[str, str],
    digits: int | None,
    prompts: bool = True,
) -> list[Selection]:
    """The selections with other names for models, datasets and prompt labels, and other digits.

    ``labels`` are by what runs call a thing, its name or, where it has one, its title; ``digits``
    stand behind the point of values in points. Without ``prompts`` their labels have no place that
    would show another name. Raises ``BenchError`` for a label of what no selection holds or no
    table shows, and for digits that are no whole number from 0 to 6.
    """
    whole = isinstance(digits, int) and not isinstance(digits, bool)
    if digits is not None and not (whole and 0 <= digits <= MOST_DIGITS):
        raise BenchError(f"--digits must be a whole number from 0 to {MOST_DIGITS}, found {digits}")
    shown = _known(labels, selections)
    if not prompts:
        _refuse_prompts(labels, selections)
    return [
        replace(
            each,
            leads=rounded(each.leads, digits),
            further=tuple(rounded(measure, digits) for measure in each.further),
            shown=shown,
        )
        for each in selections
    ]


def _refuse_prompts(labels: Mapping[str, str], selections: Sequence[Selection]) -> None:
    things = {n for s in selections for kind in ("model", "dataset") for n in s.titles(kind)}
    called = {label for selection in selections for label in selection.labels}
    for name in labels:
        if name in called - things:
            raise BenchError(
                f"--label {name!r}: a comparison keeps the names of prompts; it shows other ones "
                "of models and datasets"
            )


def rounded(measure: Measure, digits: int | None) -> Measure:
    """With so many digits, where values are shown in points."""
    if digits is None or measure.unit != "points":
        return measure
    return replace(measure, digits=digits)


def _known(labels: Mapping[str, str], selections: Sequence[Selection]) -> dict[str, str]:
    """The labels by the names of what they are of."""
    names: dict[str, str] = {}
    for selection in selections:
        names |= {label: label for label in selection.labels}
        for kind in ("model", "dataset"):
            titles = selection.titles(kind)
            names |= {title: name for name, title in titles.items()}
            names |= {name: name for name in titles}
    for name, called in labels.items():
        if name not in names:
            raise BenchError(f"--label: nothing is called {name!r}; {did_you_mean(name, names)}")
        if not called.strip():
            raise BenchError(f"--label {name}=: say what to call it")
    return {names[name]: called for name, called in labels.items()}
