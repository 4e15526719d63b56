"""A suite's number for a model: the mean over all of its datasets, or what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analysis.overview.board import Board, identity
from bench.analysis.overview.cards import averages_of
from bench.analysis.overview.gathering import Entry
from bench.analysis.selection import over_images
from bench.analysis.stats import mean_averages
from bench.analysis.stats.intervals import Interval
from bench.analysis.wording.notes import part
from bench.config.suites import Suite
from bench.store.cards import measure_of
from bench.types import Measure


@dataclass(frozen=True, slots=True)
class SuiteLine:
    """A model's number on a suite under one prompt, at its last reported step.

    ``number`` is none where a dataset is ``missing``: has no complete run under this protocol, or
    runs on data of several identities, of which none is the suite's more than another.
    """

    suite: Suite
    prompt: str
    model: str
    protocol: str
    measure: Measure
    number: Interval | None
    missing: tuple[str, ...]


_ASKED = ("dataset", "prompt", "protocol")


def suite_lines(board: Board, suites: Sequence[Suite]) -> Iterator[SuiteLine]:
    """A line per suite, prompt, model and version of its protocol with a run of any dataset."""
    for suite in suites:
        for prompt in suite.prompts:
            found: dict[tuple[str, str], dict[str, list[Entry]]] = {}
            for entry in board.entries:
                dataset, *asked = (part(entry.header, kind).get("name") for kind in _ASKED)
                if asked == [prompt, suite.protocol] and dataset in suite.datasets:
                    own = identity(entry.header, "model"), identity(entry.header, "protocol")
                    found.setdefault(own, {}).setdefault(str(dataset), []).append(entry)
            for (model, protocol), by_dataset in found.items():
                yield _line(suite, prompt, model, protocol, by_dataset)


def _line(
    suite: Suite, prompt: str, model: str, protocol: str, by_dataset: dict[str, list[Entry]]
) -> SuiteLine:
    chosen: list[Entry] = []
    missing: list[str] = []
    for dataset in suite.datasets:
        complete = [each for each in by_dataset.get(dataset, []) if each.card is not None]
        if len({identity(each.header, "dataset") for each in complete}) == 1:
            chosen.append(max(complete, key=lambda each: str(each.header.get("finished") or "")))
        else:
            missing.append(dataset)
    first = next(iter(by_dataset.values()))[0]
    number = None if missing else _mean(chosen)
    return SuiteLine(
        suite, prompt, model, protocol, measure_of(first.header), number, tuple(missing)
    )


def _mean(entries: Sequence[Entry]) -> Interval:
    """The mean over datasets, each of the same weight (``mean_over_datasets``)."""
    cards = [entry.card for entry in entries if entry.card is not None]
    means = mean_averages([averages_of(card, card.steps[-1]) for card in cards])
    return means.of(over_images(cards[0].header))
