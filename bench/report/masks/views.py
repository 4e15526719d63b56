"""What the masks of a page are looked at through: runs, and series at a prompt label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.comparing.comparison import Comparison
from bench.analysis.reasons import Codes
from bench.analysis.selection import Selection
from bench.analysis.table import Table
from bench.analysis.wording.titles import labels_of


@dataclass(frozen=True, slots=True)
class Source:
    """A run as a page knows it.

    ``address`` is like no other's in the page: the name of its folder, behind the letter of its
    side where two folders of one name are compared. ``run`` is that name, by which the
    ``selection`` knows the run, ``series`` what the page calls its model.
    """

    address: str
    run: str
    series: str
    prompt: str
    selection: Selection


@dataclass(frozen=True, slots=True)
class View:
    """A series at one prompt label on one dataset.

    ``step`` is the one that the label stands for. ``rows`` are those of a ``Selection``, one a
    mask, of the run of ``source`` alone, with the place of each one's ``reason``.
    """

    dataset: str
    series: str
    label: str
    step: int
    source: Source
    rows: pd.DataFrame


def report_views(selection: Selection, table: Table, codes: Codes) -> list[View]:
    """The views of a report, by dataset, then in reading order; ``codes`` as of ``reasons``."""
    names = {
        (str(model), str(protocol)): table.series(str(model), str(protocol))
        for model, protocol in selection.rows[["model", "protocol"]].drop_duplicates().to_numpy()
    }
    return _ordered(_views(selection, names, {run: run for run in selection.stores}, codes))


def comparison_views(comparisons: Sequence[Comparison], codes: Mapping[int, Codes]) -> list[View]:
    """The views of comparisons, the first side's first; each run of a side stands once.

    Of the datasets that both sides of a comparison have masks of in common.
    ``codes`` are the reasons of each side's rows, by the side's identity.
    """
    sides: dict[str, Selection] = {comparisons[0].a: comparisons[0].sides[0]}
    for found in comparisons:
        sides[found.b] = found.sides[1]
    folders = {store.folder for side in sides.values() for store in side.stores.values()}
    shared = Counter(folder.name for folder in folders)
    views: list[View] = []
    for number, (name, side) in enumerate(sides.items()):
        of = dict.fromkeys(_series(side), name)
        letter = chr(ord("A") + number)
        addresses = {run: _address(run, letter, shared) for run in side.stores}
        views += _views(side, of, addresses, codes[id(side)])
    common = {str(name) for found in comparisons for name in found.pairs["dataset"].unique()}
    return _ordered([view for view in views if view.dataset in common])


def results_of(source: Source) -> str:
    """The results folder, or its URL, that a run lies in."""
    return str(source.selection.stores[source.run].folder.parent.parent)


def _address(run: str, letter: str, shared: Counter[str]) -> str:
    return f"{letter}/{run}" if shared[run] > 1 else run


def _series(selection: Selection) -> set[tuple[str, str]]:
    found = selection.rows[["model", "protocol"]].drop_duplicates().astype(str)
    return set(found.itertuples(index=False, name=None))


def _views(
    selection: Selection,
    names: Mapping[tuple[str, str], str],
    addresses: Mapping[str, str],
    codes: Codes,
) -> Iterator[View]:
    order = {label: i for i, label in enumerate(selection.labels)}
    steps = {
        run: {label: step for step, label in own.items()}
        for run, own in labels_of(selection.headers).items()
    }
    keys = ["label", "model", "protocol", "run", "dataset", "prompt"]
    groups = selection.rows.assign(reason=codes).groupby(keys, observed=True)
    for key, rows in sorted(groups, key=lambda item: (order[str(item[0][0])], item[0][1:])):
        label, model, protocol, run, dataset, prompt = map(str, key)
        series = names[model, protocol]
        source = Source(addresses[run], run, series, prompt, selection)
        step = steps.get(run, {}).get(label) or int(rows["step"].max())
        yield View(dataset, series, label, step, source, rows)


def _ordered(views: Iterator[View] | list[View]) -> list[View]:
    return sorted(views, key=lambda view: view.dataset)
