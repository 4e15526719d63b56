"""Two sides of which cards are all there is: paired differences, and what cards can't tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.comparing.gate import Gate, Verdict
from bench.analysis.comparing.wording import P_NOTE, apart
from bench.analysis.overview.board import identity
from bench.analysis.overview.cards import paired
from bench.analysis.section import Section
from bench.analysis.selection import over_images
from bench.analysis.stats import Averages, holm, mean_averages
from bench.analysis.table import bounds
from bench.analysis.wording.notes import part
from bench.analysis.wording.titles import badge, labels_of
from bench.analysis.wording.words import DASH
from bench.config.labels import distinct
from bench.store.cards import Card, CardStep, Number
from bench.types import BenchError, Measure

LACKING = (
    "Of cards alone: no share of masks won, no further metrics, no groups and no pictures of the "
    "masks that differ most; these need the rows."
)


@dataclass(frozen=True, slots=True)
class CardComparison:
    """``a`` minus ``b`` by prompt label and dataset, of cards of the same masks.

    ``section`` shows it; its ``lines`` have ``prompt, dataset`` (null for the mean over several)``,
    masks, images, NAME_a, NAME_b, delta, low, high, delta_images, …, p, p_holm``, as a comparison
    of rows has them. ``answer`` are sentences, ``found`` the differences by (label, dataset), the
    mean's under "". ``over_images`` is as in ``Comparison``.
    """

    a: str
    b: str
    section: Section
    answer: tuple[str, ...]
    found: Mapping[tuple[str, str], Averages]
    over_images: bool
    leads: Measure


def compare_cards(sides: Sequence[Sequence[Card]], *, allow_mixed: bool = False) -> CardComparison:
    """The two sides on the masks that both have.

    Raises ``BenchError`` for a side of several models or protocols, where nothing is of the same
    masks, and, unless ``allow_mixed``, for other protocols, data or precision.
    """
    a, b = (_side(cards) for cards in sides)
    names = distinct(
        [(_called(side), f"{_called(side)} ({letter})") for side, letter in ((a, "A"), (b, "B"))]
    )
    if (why := next(_unlike(a, b), None)) and not allow_mixed:
        raise BenchError(f"{why}; --allow-mixed compares them all the same")
    pairs = list(_pairs(a, b))
    if not pairs:
        raise BenchError(
            "these cards have no masks in common: none of the same dataset and prompt is of the "
            "same masks"
        )
    leads, mean_of_images = a[0].measure, all(over_images(c.header) for c in (*a, *b))
    found: dict[tuple[str, str], Averages] = {}
    lines: list[dict[str, Any]] = []
    for label in dict.fromkeys(pair.label for pair in pairs):
        block = [pair for pair in pairs if pair.label == label]
        own = [_line(pair, mean_of_images, leads) for pair in block]
        for line, p in zip(own, holm([line["p"] for line in own]), strict=True):
            line["p_holm"] = p
        found |= {(label, pair.dataset): pair.delta for pair in block}
        if len(block) > 1:
            found[label, ""] = mean_averages([pair.delta for pair in block])
            own.append(_mean(label, own, found[label, ""], mean_of_images, leads))
        lines += own
    answer = tuple(_answer(lines, found, names, leads, mean_of_images))
    exact = all(card.exact for card in (*a, *b))
    section = _shown(lines, names, leads, exact, why if allow_mixed else None)
    return CardComparison(names[0], names[1], section, answer, found, mean_of_images, leads)


def judged_cards(found: CardComparison, gate: Gate, *, each: bool = False) -> Iterator[Verdict]:
    """The verdicts, as ``judged`` has them of rows; raises ``BenchError`` for a gate of wins."""
    if gate.metric != "delta_miou":
        raise BenchError(f"a gate of {gate.metric} needs the rows: cards hold no single mask")
    several = {label for label, dataset in found.found if not dataset}
    for (label, dataset), delta in found.found.items():
        if dataset and label in several and not each:
            continue
        outcome, shown = gate.judge(delta), delta.of(found.over_images)
        where = f" on {dataset}" if dataset and label in several else ""
        ends = [None if end is None else found.leads.signed(end) for end in (shown.low, shown.high)]
        span = "" if None in ends else f" ({ends[0]} to {ends[1]})"
        sentence = (
            f"{found.a} against {found.b}{where}, {label}: {gate.metric} is "
            f"{found.leads.signed(shown.mean)}{span}, gate {gate} {outcome}"
        )
        yield Verdict(outcome, sentence, found.a, found.b, label, dataset or None)


@dataclass(frozen=True, slots=True)
class _Pair:
    label: str
    dataset: str
    a: Number
    b: Number
    delta: Averages


def _side(cards: Sequence[Card]) -> list[Card]:
    for kind in ("model", "protocol"):
        if len({identity(card.header, kind) for card in cards}) > 1:
            named = sorted({str(part(card.header, kind).get("name")) for card in cards})
            raise BenchError(
                f"one side of a comparison holds several {kind}s ({', '.join(named)}): name the "
                "cards of one of them"
            )
    return sorted(cards, key=lambda card: str(card.header.get("finished") or ""))


def _called(cards: Sequence[Card]) -> str:
    header = cards[0].header
    about = part(header, "model").get("about") or {}
    name = about.get("title") or part(header, "model").get("name")
    return f"{name}{badge(header, 'model')}"


def _unlike(a: Sequence[Card], b: Sequence[Card]) -> Iterator[str]:
    """Every reason why the two can't be compared as they are."""
    if a[0].measure.name != b[0].measure.name:
        yield f"one side is measured by {a[0].measure.title}, the other by {b[0].measure.title}"
    if identity(a[0].header, "protocol") != identity(b[0].header, "protocol"):
        named = (
            f"{part(c[0].header, 'protocol').get('name')} version "
            f"{part(c[0].header, 'protocol').get('version')}"
            for c in (a, b)
        )
        yield "one followed protocol {}, the other {}, or with other choices".format(*named)
    data = [
        {(_dataset(c), str(c.header.get("dataset_fingerprint"))) for c in side} for side in (a, b)
    ]
    for name in sorted({name for name, _ in data[0]} & {name for name, _ in data[1]}):
        left, right = ({mark for own, mark in side if own == name} for side in data)
        if not left & right:
            yield f"on {name} one saw data of fingerprint {min(left)}, the other {min(right)}"
    one, other = (badge(c[0].header, "model") or " as the reference" for c in (a, b))
    if one != other:
        yield f"one computed{one}, the other{other}"


def _dataset(card: Card) -> str:
    return str(part(card.header, "dataset").get("name"))


def _steps(cards: Sequence[Card]) -> dict[tuple[str, str], tuple[Card, CardStep]]:
    """By prompt label and dataset a card and its step; of several the newest."""
    labels = labels_of({str(at): card.header for at, card in enumerate(cards)})
    found = {}
    for at, card in enumerate(cards):
        for step in card.steps:
            label = labels[str(at)].get(step.step, str(part(card.header, "prompt").get("name")))
            found[label, _dataset(card)] = (card, step)
    return found


def _pairs(a: Sequence[Card], b: Sequence[Card]) -> Iterator[_Pair]:
    left, right = _steps(a), _steps(b)
    for key in sorted(left.keys() & right.keys()):
        (one, step), (other, theirs) = left[key], right[key]
        if (delta := paired(one, step, other, theirs)) is not None:
            yield _Pair(*key, _of(one, step), _of(other, theirs), delta)


def _of(card: Card, step: CardStep) -> Number:
    """What the run's protocol averages."""
    return step.images if over_images(card.header) else step.masks


def _line(pair: _Pair, mean_of_images: bool, leads: Measure) -> dict[str, Any]:
    means = {f"{leads.mean}_a": pair.a.mean, f"{leads.mean}_b": pair.b.mean}
    return {"prompt": pair.label, "dataset": pair.dataset, **means} | _numbers(
        pair.delta, mean_of_images
    )


def _mean(
    label: str,
    lines: Sequence[Mapping[str, Any]],
    found: Averages,
    mean_of_images: bool,
    leads: Measure,
) -> dict[str, Any]:
    sides = (f"{leads.mean}_a", f"{leads.mean}_b")
    means = {name: float(np.mean([line[name] for line in lines])) for name in sides}
    rest = {"p_holm": None}
    return {"prompt": label, "dataset": None, **means} | _numbers(found, mean_of_images) | rest


def _numbers(delta: Averages, mean_of_images: bool) -> dict[str, Any]:
    chosen = delta.of(mean_of_images)
    return {
        "masks": delta.masks.n,
        "images": delta.images.n,
        "delta": chosen.mean,
        "low": chosen.low,
        "high": chosen.high,
        **bounds("delta_images", delta.images),
        "p": delta.p,
    }


def _answer(
    lines: Sequence[Mapping[str, Any]],
    found: Mapping[tuple[str, str], Averages],
    names: Sequence[str],
    leads: Measure,
    mean_of_images: bool,
) -> Iterator[str]:
    a, b = names
    for label in dict.fromkeys(line["prompt"] for line in lines):
        own = [line for line in lines if line["prompt"] == label]
        whole = own[-1]["dataset"]
        said = apart(found[label, whole or ""], leads, mean_of_images)
        where = f"on {whole}" if whole is not None else f"over {len(own) - 1} datasets"
        if said.verdict is None:
            yield f"With {label}, {a} and {b} {said.unclear} {where}."
        else:
            yield f"With {label}, {a} is {said.verdict} of {b} by {said.by} {where}."
    yield LACKING


def _shown(
    lines: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    leads: Measure,
    exact: bool,
    mixed: str | None,
) -> Section:
    def span(line: Mapping[str, Any], *keys: str) -> str:
        mean, low, high = (line[key] for key in keys)
        if low is None or high is None:
            return leads.signed(mean)
        return f"{leads.signed(mean)} ({leads.signed(low)} to {leads.signed(high)})"

    rows = tuple(
        (
            str(line["prompt"]),
            line["dataset"] or "mean over datasets",
            f"{line['masks']:,}",
            f"{line['images']:,}",
            leads.shown(line[f"{leads.mean}_a"]),
            leads.shown(line[f"{leads.mean}_b"]),
            span(line, "delta", "low", "high"),
            span(line, "delta_images", "delta_images_low", "delta_images_high"),
            DASH if line["p"] is None else f"{line['p']:.3f}",
            DASH if line["p_holm"] is None else f"{line['p_holm']:.3f}",
        )
        for line in lines
    )
    heads = ("prompt", "dataset", "masks", "images", *names, "difference (95 %)",
             "over images (95 %)", "p", "p (Holm)")  # fmt: skip
    note = f"{leads.title} of {names[0]} less {names[1]}'s, paired on the same masks. {P_NOTE}"
    if not exact:
        note += " Sums of cards by bucket: their intervals and p are approximate."
    if mixed is not None:
        note += f" Compared all the same: {mixed}."
    return Section("compare", "Comparison of cards", note, heads, rows, pd.DataFrame(lines))
