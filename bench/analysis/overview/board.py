"""The board: models × datasets, a panel for each prompt, protocol and measure; who is ranked where.

Only runs of one identity stand in one place: a model, dataset or protocol of another version or
with other arguments is another line, column or panel, as is a dataset of other content.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.analysis.overview.cards import paired
from bench.analysis.overview.gathering import Entry
from bench.analysis.overview.ranks import Standing, alike, largest_block, standings
from bench.analysis.selection import over_images
from bench.analysis.stats import SHOWN, Averages, holm, mean_averages
from bench.analysis.wording.notes import part
from bench.analysis.wording.titles import badge, labels_of
from bench.config.folders import conf_dir
from bench.config.labels import distinct, shown_label
from bench.config.run_key import LATER
from bench.store.cards import CardStep, Number, agree, measure_of
from bench.types import Measure

State = Literal["complete", "partial", "contradicted"]


@dataclass(frozen=True, slots=True)
class Cell:
    """The newest run of a model on a dataset in a panel.

    ``contradicted`` where the same run has other numbers elsewhere: then nothing tells which are
    right. ``step`` is none unless it is complete.
    """

    entry: Entry
    step: CardStep | None
    state: State

    @property
    def number(self) -> Number | None:
        """What the run's protocol averages: over masks, or over images."""
        card = self.entry.card
        if self.step is None or card is None:
            return None
        return self.step.images if over_images(card.header) else self.step.masks


@dataclass(frozen=True, slots=True)
class Ranking:
    """Models ranked on the same datasets, best mean rank first.

    ``alike`` are groups of them that are not shown to differ: paired on the same masks, mean over
    the datasets, p corrected for the number of pairs (Holm).
    """

    models: tuple[str, ...]
    datasets: tuple[str, ...]
    standings: Mapping[str, Standing]
    alike: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One prompt label under one protocol: ``cells`` by model and dataset, both identities."""

    label: str
    protocol: str
    measure: Measure
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    ranking: Ranking | None


@dataclass(frozen=True, slots=True)
class Board:
    """All panels, those with most cells first; titles by identity; sentences that must be said."""

    panels: tuple[Panel, ...]
    titles: Mapping[str, str]
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def identity(header: Mapping[str, Any], kind: str) -> str:
    """What must agree for two runs to stand in one line, column or panel; of data also content.

    An argument that came later enters where it isn't what was done before, as in run keys.
    """
    said, later = part(header, kind), LATER.get(kind, {})
    args = {
        name: value
        for name, value in (said.get("args") or {}).items()
        if name not in later or value != later[name]
    }
    content = [said.get("name"), str(said.get("version")), args]
    if kind == "dataset":
        content.append(header.get("dataset_fingerprint"))
    text = json.dumps([kind, *content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def board_of(entries: Sequence[Entry], notes: Sequence[str] = ()) -> Board:
    """The board of some runs."""
    named = {str(number): entry for number, entry in enumerate(entries)}
    labels = labels_of({number: entry.header for number, entry in named.items()})
    places: dict[tuple[str, ...], dict[tuple[str, str], list[Cell]]] = {}
    measures: dict[tuple[str, ...], Measure] = {}
    for number, entry in named.items():
        measure = measure_of(entry.header)
        steps = {} if entry.card is None else {each.step: each for each in entry.card.steps}
        own = labels[number] or {
            step: str(part(entry.header, "prompt").get("name")) for step in steps
        }
        at = identity(entry.header, "model"), identity(entry.header, "dataset")
        for step, label in own.items():
            key = (label, identity(entry.header, "protocol"), measure.name, measure.title)
            measures[key] = measure
            state: State = "complete" if step in steps else "partial"
            cell = Cell(entry, steps.get(step), state)
            places.setdefault(key, {}).setdefault(at, []).append(cell)
    titles = _titles(entries)
    said = list(notes)
    panels = []
    for panel, found in places.items():
        newest = {at: _newest(several, said) for at, several in found.items()}
        label, protocol, *_ = panel
        panels.append(_panel(label, titles[protocol], measures[panel], newest, titles))
    panels.sort(key=lambda each: (-len(each.cells), each.label, each.protocol))
    return Board(tuple(panels), titles, tuple(entries), tuple(dict.fromkeys(said)))


def _newest(cells: Sequence[Cell], said: list[str]) -> Cell:
    """The cell to show: a complete one before others, then the one that finished last."""
    ordered = sorted(
        cells,
        key=lambda cell: (cell.state == "complete", str(cell.entry.header.get("finished") or "")),
    )
    shown = ordered[-1]
    for other in ordered[:-1]:
        if shown.number is None or other.number is None:
            continue
        if agree(shown.number.mean, other.number.mean):
            continue
        both = f"{shown.entry.place} and {other.entry.place}"
        if shown.entry.header.get("key") == other.entry.header.get("key"):
            said.append(f"{both} are the same run with other numbers: it is not ranked.")
            return Cell(shown.entry, shown.step, "contradicted")
        said.append(f"{both} stand in one cell with other numbers: the first, newer, is shown.")
    return shown


def _panel(
    label: str,
    protocol: str,
    measure: Measure,
    cells: Mapping[tuple[str, str], Cell],
    titles: Mapping[str, str],
) -> Panel:
    models = sorted({model for model, _ in cells}, key=lambda each: titles[each])
    datasets = sorted({dataset for _, dataset in cells}, key=lambda each: titles[each])
    ranking = _ranking(models, datasets, cells, measure)
    first = ranking.models if ranking else ()
    ordered = [*first, *(model for model in models if model not in first)]
    return Panel(label, protocol, measure, tuple(ordered), tuple(datasets), cells, ranking)


def _ranking(
    models: Sequence[str],
    datasets: Sequence[str],
    cells: Mapping[tuple[str, str], Cell],
    measure: Measure,
) -> Ranking | None:
    def complete(model: str, dataset: str) -> bool:
        return (model, dataset) in cells and cells[model, dataset].state == "complete"

    at_models, at_datasets = largest_block([[complete(m, d) for d in datasets] for m in models])
    if not at_models:
        return None
    chosen, over = [models[at] for at in at_models], tuple(datasets[at] for at in at_datasets)
    sign = 1 if measure.better == "higher" else -1
    scores = [[sign * _mean(cells[m, d]) for d in over] for m in chosen]
    found = dict(zip(chosen, standings(scores), strict=True))
    ordered = sorted(chosen, key=lambda model: found[model].rank)
    pairs = list(itertools.combinations(range(len(ordered)), 2))
    p = holm([_p([(cells[ordered[a], d], cells[ordered[b], d]) for d in over]) for a, b in pairs])
    shown = {
        pair for pair, value in zip(pairs, p, strict=True) if value is not None and value < SHOWN
    }
    groups = alike(range(len(ordered)), lambda a, b: (min(a, b), max(a, b)) in shown)
    return Ranking(
        tuple(ordered),
        over,
        found,
        tuple(tuple(ordered[at] for at in group) for group in groups),
    )


def _mean(cell: Cell) -> float:
    assert cell.number is not None  # complete
    return cell.number.mean


def _p(pairs: Iterable[tuple[Cell, Cell]]) -> float | None:
    """The p of the mean difference over datasets; none where one isn't of the same masks."""
    found = []
    for a, b in pairs:
        each = _difference(a, b)
        if each is None:
            return None
        found.append(each)
    return (mean_averages(found) if len(found) > 1 else found[0]).p


def _difference(a: Cell, b: Cell) -> Averages | None:
    if a.entry.card is None or b.entry.card is None or a.step is None or b.step is None:
        return None
    return paired(a.entry.card, a.step, b.entry.card, b.step)


def _titles(entries: Iterable[Entry]) -> dict[str, str]:
    """What models, datasets and protocols are called, by identity; no two of a kind alike."""
    titles: dict[str, str] = {}
    for kind in ("model", "dataset", "protocol"):
        headers = {identity(entry.header, kind): entry.header for entry in entries}
        choices = []
        for own, header in headers.items():
            said, mark = part(header, kind), badge(header, kind)
            name, version = str(said.get("name")), said.get("version")
            shown = shown_label(name, said.get("about") or {}, [conf_dir() / kind])
            first = name if kind == "protocol" else shown
            choices.append(
                [f"{first}{mark}", f"{name}{mark}", f"{name} v{version}{mark}",
                 f"{name} v{version}{mark} {own[:6]}"]
            )  # fmt: skip
        titles |= dict(zip(headers, distinct(choices), strict=True))
    return titles
