"""Whether a faster mode of a model gives the reference's masks: both run, mask by mask compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.section import Section
from bench.analysis.selection import select
from bench.analysis.stats import paired_interval
from bench.analysis.words import signed
from bench.store.runs import RunStore, read_runs
from bench.types import BenchError
from bench.types.rle import read_counts

MARGIN = 0.002
"""A mode is safe where the whole interval of its ΔmIoU lies within this: 0.2 points."""

_KEY = ["dataset", "image_id", "mask_id", "label"]


@dataclass(frozen=True, slots=True)
class Parity:
    """What came out: a table by dataset and prompt label, sentences, and whether it is ``safe``.

    ``verdict`` is "safe", "not shown" (the interval is wider than the margin: more images would
    tell) or "unsafe".
    """

    section: Section
    sentences: tuple[str, ...]
    verdict: str

    @property
    def safe(self) -> bool:
        """Whether the mode may stand in for the reference."""
        return self.verdict == "safe"


def parity(
    reference: Sequence[RunStore],
    mode: Sequence[RunStore],
    named: str,
    *,
    allow_partial: bool = False,
    samples: int = 10_000,
) -> Parity:
    """The runs of one model in two modes, under the same prompts on the same images.

    A line has ``masks, images, miou_reference, miou_mode, delta, low, high`` (ΔmIoU, 95 % over
    images), ``changed`` (the share of masks that differ in a pixel or more), ``moved`` (the mean
    size of a mask's change in IoU) and ``emptied`` (masks that the mode leaves empty and the
    reference doesn't). Raises ``BenchError`` where no mask is in both, or the runs kept no masks.
    """
    rows = _rows(reference, allow_partial).merge(
        _rows(mode, allow_partial), on=_KEY, suffixes=("", "_mode")
    )
    if rows.empty:
        raise BenchError("the two modes have no mask in common")
    if rows[["mask_rle", "mask_rle_mode"]].isna().any(axis=None):
        raise BenchError("parity compares masks, and these runs kept none (runtime.keep_masks)")
    lines = [
        _line(str(dataset), str(label), part, samples)
        for (dataset, label), part in rows.groupby(["dataset", "label"], sort=False)
    ]
    verdict = _verdict(lines)
    section = Section(
        "parity",
        f"Parity of {named}",
        f"ΔmIoU is the mode minus the reference, in points, with a 95 % interval over images; safe "
        f"where all of it lies within ±{100 * MARGIN:g}. Changed: masks that differ in a pixel or "
        "more. Emptied: masks that only the mode leaves empty.",
        ("dataset", "prompt", "reference", "mode", "ΔmIoU", "changed", "mean |ΔIoU|", "emptied",
         "masks", "images"),
        tuple(_cells(line) for line in lines),
        pd.DataFrame(lines),
    )  # fmt: skip
    return Parity(section, tuple(_sentences(named, verdict, lines)), verdict)


def _rows(stores: Sequence[RunStore], allow_partial: bool) -> pd.DataFrame:
    """The reported steps with their masks."""
    rows = select(stores, allow_partial=allow_partial).rows
    masks = read_runs(stores, ["mask_rle"])
    joined = rows.merge(masks, on=["run", "image_id", "mask_id", "step"])
    kept: pd.DataFrame = joined[[*_KEY, "iou", "mask_rle"]]
    return kept


def _line(dataset: str, label: str, rows: pd.DataFrame, samples: int) -> dict[str, Any]:
    images = rows["image_id"].tolist()
    found = paired_interval(rows["iou_mode"], rows["iou"], images, samples=samples)
    changed = rows[rows["mask_rle"] != rows["mask_rle_mode"]]
    return {
        "dataset": dataset,
        "prompt": label,
        "miou_reference": float(rows["iou"].mean()),
        "miou_mode": float(rows["iou_mode"].mean()),
        "delta": found.mean,
        "low": found.low,
        "high": found.high,
        "changed": len(changed) / len(rows),
        "moved": float((rows["iou_mode"] - rows["iou"]).abs().mean()),
        "emptied": sum(
            _is_empty(after) and not _is_empty(before)
            for before, after in zip(changed["mask_rle"], changed["mask_rle_mode"], strict=True)
        ),
        "masks": found.n,
        "images": found.clusters,
    }


def _is_empty(counts: str) -> bool:
    return int(read_counts(counts)[1::2].sum()) == 0


def _verdict(lines: Sequence[dict[str, Any]]) -> str:
    """The worst of the lines'."""
    if any(line["emptied"] for line in lines):
        return "unsafe"
    if all(line["changed"] == 0 for line in lines):
        return "safe"
    if any(abs(line["delta"]) > MARGIN for line in lines):
        return "unsafe"
    bounds = [line[side] for line in lines for side in ("low", "high")]
    shown = all(bound is not None and abs(bound) <= MARGIN for bound in bounds)
    return "safe" if shown else "not shown"


def _sentences(named: str, verdict: str, lines: Sequence[dict[str, Any]]) -> list[str]:
    worst = max(lines, key=lambda line: abs(line["delta"]))
    where = f"{signed(worst['delta'])} points with {worst['prompt']} on {worst['dataset']}"
    emptied = sum(line["emptied"] for line in lines)
    if emptied:
        return [f"{named} is not safe: {emptied} masks become empty."]
    said = {
        "safe": f"{named} is safe here: the largest change of mIoU is {where}.",
        "unsafe": f"{named} is not safe: mIoU changes by {where}.",
        "not shown": f"{named} is not shown to be safe: {where}, and the interval reaches beyond "
        f"±{100 * MARGIN:g}; take more images.",
    }
    return [said[verdict]]


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    delta = _fine(line["delta"])
    if line["low"] is not None:
        delta += f" ({_fine(line['low'])} to {_fine(line['high'])})"
    return (
        line["dataset"],
        line["prompt"],
        f"{100 * line['miou_reference']:.2f}",
        f"{100 * line['miou_mode']:.2f}",
        delta,
        f"{100 * line['changed']:.1f} %",
        f"{100 * line['moved']:.2f}",
        f"{line['emptied']:,}",
        f"{line['masks']:,}",
        f"{line['images']:,}",
    )


def _fine(value: float) -> str:
    """In points with two decimals: modes differ by hundredths."""
    rounded = round(100 * value, 2)
    return f"{rounded:+.2f}".replace("-", "−") if rounded else "0.00"
