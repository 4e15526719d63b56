"""The history of a cell: all complete runs of a model on a dataset under one prompt and protocol.

By names, so that a new version of any of them is a step in it; a board's matrix shows the newest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.overview.board import identity
from bench.analysis.overview.cards import paired
from bench.analysis.overview.gathering import Entry
from bench.analysis.section import Section
from bench.analysis.selection import over_images
from bench.analysis.stats.intervals import Interval
from bench.analysis.wording.notes import part
from bench.analysis.wording.titles import labels_of
from bench.analysis.wording.words import DASH, MARK
from bench.store.cards import Card, CardStep, Number, agree, measure_of

_KINDS = ("model", "dataset", "prompt", "protocol")


@dataclass(frozen=True, slots=True)
class Turn:
    """A run in a history.

    ``change`` is the paired difference from the run before, with its 95 % interval; none for the
    first, and where the two are not of the same masks. ``other`` says what differs from it.
    """

    card: Card
    step: CardStep
    change: Interval | None
    other: tuple[str, ...]

    @property
    def number(self) -> Number:
        """What the run's protocol averages: over masks, or over images."""
        return self.step.images if over_images(self.card.header) else self.step.masks


@dataclass(frozen=True, slots=True)
class History:
    """The runs of a cell, the earliest first, by names and the prompt's label."""

    label: str
    protocol: str
    model: str
    dataset: str
    turns: tuple[Turn, ...]


def histories(entries: Sequence[Entry]) -> list[History]:
    """The cells that several runs stand in, sorted by prompt label, protocol, model and dataset."""
    labels = labels_of({str(at): entry.header for at, entry in enumerate(entries)})
    cells: dict[tuple[str, str, str, str, str], list[tuple[Card, CardStep]]] = {}
    for at, card in enumerate(entry.card for entry in entries):
        if card is None:
            continue
        names = [str(part(card.header, kind).get("name")) for kind in _KINDS]
        model, dataset, prompt, protocol = names
        for step in card.steps:
            label = labels[str(at)].get(step.step, prompt)
            key = (label, protocol, model, dataset, card.measure.name)
            cells.setdefault(key, []).append((card, step))
    found = []
    for (label, protocol, model, dataset, _), several in sorted(cells.items()):
        runs = _once(sorted(several, key=lambda each: str(each[0].header.get("finished") or "")))
        if len(runs) > 1:
            found.append(History(label, protocol, model, dataset, tuple(_turns(runs))))
    return found


def _once(runs: Sequence[tuple[Card, CardStep]]) -> list[tuple[Card, CardStep]]:
    """The runs, one that stands in several folders, or as a card beside its rows, once."""
    kept: list[tuple[Card, CardStep]] = []
    for card, step in runs:
        if not any(
            other.header.get("key") == card.header.get("key")
            and agree(own.masks.mean, step.masks.mean)
            for other, own in kept
        ):
            kept.append((card, step))
    return kept


def _turns(runs: Sequence[tuple[Card, CardStep]]) -> Iterator[Turn]:
    for at, (card, step) in enumerate(runs):
        if not at:
            yield Turn(card, step, None, ())
            continue
        before, own = runs[at - 1]
        change = paired(card, step, before, own)
        other = tuple(_other(before.header, card.header))
        chosen = None if change is None else change.of(over_images(card.header))
        yield Turn(card, step, chosen, other)


def _other(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What of a run is other than of an earlier one, in words."""
    for kind in _KINDS:
        a, b = part(before, kind), part(now, kind)
        if str(a.get("version")) != str(b.get("version")):
            yield f"{kind} v{a.get('version')} → v{b.get('version')}"
        elif (a.get("args") or {}) != (b.get("args") or {}):
            yield f"{kind}'s arguments"
        elif identity(before, kind) != identity(now, kind):
            yield f"{kind}'s content"
    if len({(each.get("facts") or {}).get("checkpoint_sha256") for each in (before, now)}) > 1:
        yield "weights"
    if before.get("seed") != now.get("seed"):
        yield f"seed {before.get('seed')} → {now.get('seed')}"
    versions = [str((each.get("versions") or {}).get("sam-bench")) for each in (before, now)]
    if versions[0] != versions[1]:
        yield f"sam-bench {versions[0]} → {versions[1]}"


def history_section(found: Sequence[History], titles: Mapping[str, str]) -> Iterator[Section]:
    """All histories as a table; ``titles`` are what models and datasets are called, by identity."""
    if not found:
        return
    heads = ("prompt", "protocol", "model", "dataset", "finished", "number", "interval", "change",
             "what is other", "run")  # fmt: skip
    rows, lines = [], []
    for each in found:
        for turn in each.turns:
            header, number, measure = turn.card.header, turn.number, measure_of(turn.card.header)
            called = (titles[identity(header, kind)] for kind in ("model", "dataset"))
            names = (each.label, each.protocol, *called)
            when = str(header.get("finished") or DASH)[:10]
            interval = DASH
            if number.low is not None and number.high is not None:
                ends = f"{measure.shown(number.low)} to {measure.shown(number.high)}"
                interval = f"{ends}{MARK * number.few}"
            change, other = turn.change, "; ".join(turn.other)
            shown = DASH if change is None else measure.signed(change.mean)
            if change is not None and change.low is not None and change.high is not None:
                shown += f" ({measure.signed(change.low)} to {measure.signed(change.high)})"
            rows.append(
                (*names, when, measure.shown(number.mean), interval, shown, other or DASH,
                 turn.card.name)
            )  # fmt: skip
            lines.append(
                dict(zip(("prompt", "protocol", "model", "dataset"), names, strict=True))
                | {"finished": header.get("finished"), "mean": number.mean, "low": number.low,
                   "high": number.high, "change": None if change is None else change.mean,
                   "change_low": None if change is None else change.low,
                   "change_high": None if change is None else change.high, "other": other,
                   "run": turn.card.name}
            )  # fmt: skip
    note = (
        "Every complete run of a cell that has several, the earliest first. The change is from the "
        "run above, on the same masks; none where the masks are others. Of cards by bucket its "
        "interval is approximate."
    )
    yield Section("history", "History", note, heads, tuple(rows), pd.DataFrame(lines), names=4)
