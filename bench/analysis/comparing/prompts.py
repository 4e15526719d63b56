"""The same step of two prompts beside each other: real clicks and simulated ones, two rules."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.comparing.differences import Difference, Series, Side, difference
from bench.analysis.section import Section
from bench.analysis.selection import Selection, part
from bench.analysis.table import Table
from bench.analysis.wording.words import DASH, interval_said, points, signed, with_bounds
from bench.types import Step


@dataclass(frozen=True, slots=True)
class AskedStep:
    """A step of one prompt in one series, under the label that the tables give it."""

    dataset: str
    series: Series
    prompt: str
    label: str
    step: Step


def asked_steps(selection: Selection) -> list[AskedStep]:
    """Every reported step of every prompt, also where its label bears the prompt's name."""
    columns = ["run", "dataset", "model", "protocol", "label"]
    found = []
    for run, dataset, model, protocol, label in (
        selection.rows[columns].drop_duplicates().itertuples(index=False)
    ):
        header = selection.headers[str(run)]
        prompt = part(header, "prompt").get("name")  # as the user called it; rows have its key
        said = (header.get("report_steps") or {}).values()
        for step in (Step.of_plain(each) for each in said if isinstance(each, Mapping)):
            if label in (str(step), f"{step} ({prompt})"):
                series = str(model), str(protocol)
                found.append(AskedStep(str(dataset), series, str(prompt), str(label), step))
    return found


def shared_steps(selection: Selection) -> Iterator[tuple[AskedStep, AskedStep, Difference]]:
    """Pairs of prompts that have a step in common and were not answered the same, by dataset."""
    order = {label: place for place, label in enumerate(selection.labels)}
    groups: dict[tuple[str, Series, Step], list[AskedStep]] = {}
    for each in sorted(asked_steps(selection), key=lambda one: (order[one.label], one.prompt)):
        groups.setdefault((each.dataset, each.series, each.step), []).append(each)
    for some in groups.values():
        for a, b in itertools.combinations(sorted(some, key=lambda one: one.prompt), 2):
            if a.label == b.label:
                continue
            found = difference(selection, Side(a.series, a.label), Side(b.series, b.label))
            if not found.same and a.dataset in set(found.datasets["dataset"]):
                yield a, b, found


def prompts_section(selection: Selection) -> Section | None:
    """The paired differences of prompts that share a step; none where no two do.

    The lines: ``dataset, model, protocol, step, a, b`` (the prompts), ``masks, images`` that both
    have, and on these the means of each (``miou_a, miou_b``) and of ``a`` minus ``b`` ``delta, low,
    high``, with its 95 % interval. IoUs are in [0, 1].
    """
    lines = [_line(a, b, found) for a, b, found in shared_steps(selection)]
    if not lines:
        return None
    frame = pd.DataFrame(lines)
    frame = frame.astype(dict.fromkeys(("miou_a", "miou_b", "delta", "low", "high"), "float64"))
    datasets, models = selection.titles("dataset"), selection.titles("model")
    shown = [
        (
            datasets[line["dataset"]], line["step"], models[line["model"]], line["a"], line["b"],
            points(line["miou_a"]), points(line["miou_b"]), _delta(line), f"{line['masks']:,}",
            f"{line['images']:,}",
        )
        for line in lines
    ]  # fmt: skip
    return Section(
        "prompts",
        "The same step, asked otherwise",
        f"mIoU in points after the same step of two prompts, A and B, and A minus B, all on the "
        f"masks that both have {interval_said(frame, 'low')}.",
        ("dataset", "step", "model", "A", "B", "mIoU A", "mIoU B", "A minus B", "masks", "images"),
        tuple(shown),
        frame,
        names=5,
    )


def _line(a: AskedStep, b: AskedStep, found: Difference) -> dict[str, Any]:
    of_set = found.datasets.set_index("dataset").loc[a.dataset]
    return {
        "dataset": a.dataset, "model": a.series[0], "protocol": a.series[1], "step": str(a.step),
        "a": a.prompt, "b": b.prompt, "masks": int(of_set["masks"]),
        "images": int(of_set["images"]), "miou_a": of_set["mean_a"], "miou_b": of_set["mean_b"],
        "delta": of_set["delta"], "low": of_set["low"], "high": of_set["high"],
    }  # fmt: skip


def line_of(asked: AskedStep, table: Table) -> pd.Series[Any]:
    """The table's line of a step."""
    lines = table.lines
    chosen = (lines["dataset"] == asked.dataset) & (lines["prompt"] == asked.label)
    chosen &= (lines["model"] == asked.series[0]) & (lines["protocol"] == asked.series[1])
    found: pd.Series[Any] = lines[chosen].iloc[0]
    return found


def _delta(line: Mapping[str, Any]) -> str:
    low, high = (DASH if pd.isna(line[end]) else signed(line[end]) for end in ("low", "high"))
    return with_bounds(signed(line["delta"]), low, high)
