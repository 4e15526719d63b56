"""What usually comes after a command that made or read runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.config.settings import usual

if TYPE_CHECKING:
    from bench.files.places import Place
    from bench.store.runs import RunStore

_MOST = 8
"""The most runs that a command names one by one."""


def after_run(
    options: argparse.Namespace, stores: Sequence[RunStore], results: str | Place
) -> list[str]:
    """After a table without a page comes the report; else what comes after a report."""
    if options.report is None:
        partial = ["--allow-partial"] * _is_partial(stores)
        return ["sam-bench", "report", *named(stores), *partial, *results_words(results)]
    return after_report(stores, results)


def after_report(stores: Sequence[RunStore], results: str | Place) -> list[str]:
    """What compares two models, or shares the numbers of one; nothing of one that isn't done."""
    models = list(dict.fromkeys(str(s.header().get("model", {}).get("name")) for s in stores))
    partial = ["--allow-partial"] * _is_partial(stores)
    if len(models) > 1:
        return ["sam-bench", "compare", *models[:2], *partial, *results_words(results)]
    return [] if partial else ["sam-bench", "card", *named(stores), *results_words(results)]


def _is_partial(stores: Sequence[RunStore]) -> bool:
    return any(store.header().get("status") != "complete" for store in stores)


def named(stores: Sequence[RunStore]) -> list[str]:
    """Runs by their keys, by their folders where a header has none; all of them where many."""
    if len(stores) > _MOST:
        return ["*"]
    return [store.key or str(store.folder) for store in stores]


def results_words(results: str | Place) -> list[str]:
    """``--results`` where it isn't the usual folder."""
    return [] if str(results) == usual("results") else ["--results", str(results)]
