"""Whether a faster mode of a model gives the reference's masks: both run, mask by mask compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.section import Section
from bench.analysis.selection import Selection, select
from bench.analysis.stats.intervals import VERDICT
from bench.analysis.stats.pairing import differences_of, paired_rows
from bench.analysis.table import bounds
from bench.analysis.wording.words import interval_said, signed
from bench.store.runs import RunStore, read_runs
from bench.types import IOU, BenchError
from bench.types.rle import read_counts

MARGIN = 0.002
"""A mode is safe where the whole interval of its ΔmIoU lies within this: 0.2 points."""

_SERIES = ["dataset", "model", "protocol", "label"]
_KEY = [*_SERIES, "image_id", "mask_id"]


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
) -> Parity:
    """The runs of some models in two modes, under the same prompts on the same images.

    A line has ``dataset, model, protocol, prompt, masks, images, clusters, miou_reference,
    miou_mode, delta, low, high`` (ΔmIoU with its 95 % interval), the same over images
    (``delta_images, delta_images_low, delta_images_high``), ``changed`` (the share of masks that
    differ in a pixel or more), ``moved`` (the mean size of a mask's change in IoU) and ``emptied``
    (masks that the mode leaves empty and the reference doesn't). Raises ``BenchError`` where no
    mask is in both, or the runs kept no masks.
    """
    usual = select(reference, allow_partial=allow_partial)
    other = select(mode, allow_partial=allow_partial)
    rows = paired_rows(_rows(other, mode), _rows(usual, reference), _KEY)
    if rows.empty:
        raise BenchError("the two modes have no mask in common")
    if rows[["mask_rle_a", "mask_rle_b"]].isna().any(axis=None):
        raise BenchError("parity compares masks, and these runs kept none (runtime.keep_masks)")
    lines = [
        {**dict(zip(_SERIES, map(str, key), strict=True)), **_line(str(key[0]), part)}
        for key, part in rows.groupby(_SERIES, sort=False, observed=True)
    ]
    titles = {kind: usual.titles(kind) for kind in ("dataset", "model")}
    shown = [line | {kind: names[line[kind]] for kind, names in titles.items()} for line in lines]
    several = [kind for kind in ("model", "protocol") if len({line[kind] for line in lines}) > 1]
    names = ["dataset", *several, "label"]
    verdict = _verdict(lines)
    section = Section(
        "parity",
        f"Parity of {named}",
        f"ΔmIoU is the mode minus the reference, in points, "
        f"{interval_said(pd.DataFrame(lines), 'low')}; safe where all of "
        f"it, and of that of the mean over images, lies within ±{100 * MARGIN:g}, and there are "
        f"{VERDICT} images. Changed: masks that differ in a pixel or "
        "more. Emptied: masks that only the mode leaves empty.",
        ("dataset", *several, "prompt", "reference", "mode", "ΔmIoU", "changed", "mean |ΔIoU|",
         "emptied", "masks", "images"),
        tuple((*(line[name] for name in names), *_cells(line)) for line in shown),
        pd.DataFrame(lines).rename(columns={"label": "prompt"}),
        names=len(names),
    )  # fmt: skip
    return Parity(section, tuple(_sentences(named, verdict, shown)), verdict)


def _rows(selection: Selection, stores: Sequence[RunStore]) -> pd.DataFrame:
    """The reported steps with their masks."""
    masks = read_runs(stores, ["mask_rle"])
    joined = selection.rows.merge(masks, on=["run", "image_id", "mask_id", "step"])
    kept: pd.DataFrame = joined[[*_KEY, "cluster", "iou", "mask_rle"]]
    return kept


def _line(dataset: str, rows: pd.DataFrame) -> dict[str, Any]:
    found = differences_of(rows, IOU)[dataset]
    changed = rows[rows["mask_rle_a"] != rows["mask_rle_b"]]
    return {
        "miou_reference": float(rows["iou_b"].mean()),
        "miou_mode": float(rows["iou_a"].mean()),
        "delta": found.masks.mean,
        "low": found.masks.low,
        "high": found.masks.high,
        "changed": len(changed) / len(rows),
        "moved": float((rows["iou_a"] - rows["iou_b"]).abs().mean()),
        "emptied": sum(
            _is_empty(after) and not _is_empty(before)
            for before, after in zip(changed["mask_rle_b"], changed["mask_rle_a"], strict=True)
        ),
        "masks": found.masks.n,
        "images": found.images.n,
        "clusters": found.masks.clusters,
        **bounds("delta_images", found.images),
    }


def _is_empty(counts: str) -> bool:
    return int(read_counts(counts)[1::2].sum()) == 0


def _verdict(lines: Sequence[dict[str, Any]]) -> str:
    """The worst of the lines'.

    >>> line = {"emptied": 0, "changed": 3, "delta": 0.0, "clusters": VERDICT}
    >>> [_verdict([line | dict.fromkeys(_ENDS, MARGIN * by)]) for by in (1, 1.01)]
    ['safe', 'not shown']
    >>> _verdict([line | dict.fromkeys(_ENDS)]), _verdict([line | {"emptied": 1}])
    ('not shown', 'unsafe')
    """
    if any(line["emptied"] for line in lines):
        return "unsafe"
    if all(line["changed"] == 0 for line in lines):
        return "safe"
    if any(abs(line["delta"]) > MARGIN for line in lines):
        return "unsafe"
    moved = [line for line in lines if line["changed"]]
    shown = all(
        line[end] is not None and abs(line[end]) <= MARGIN for line in moved for end in _ENDS
    )
    enough = all(line["clusters"] >= VERDICT for line in lines)
    return "safe" if shown and enough else "not shown"


_ENDS = ("low", "high", "delta_images_low", "delta_images_high")


def _sentences(named: str, verdict: str, lines: Sequence[dict[str, Any]]) -> list[str]:
    worst = max(lines, key=lambda line: abs(line["delta"]))
    where = f"{signed(worst['delta'])} points with {worst['label']} on {worst['dataset']}"
    emptied = sum(line["emptied"] for line in lines)
    if emptied:
        return [f"{named} is not safe: {emptied} masks become empty."]
    said = {
        "safe": f"{named} is safe here: the largest change of mIoU is {where}.",
        "unsafe": f"{named} is not safe: mIoU changes by {where}.",
        "not shown": f"{named} is not shown to be safe: {where}, and too few images keep the "
        f"interval within ±{100 * MARGIN:g}; take more.",
    }
    return [said[verdict]]


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    delta = _fine(line["delta"])
    if line["low"] is not None:
        delta += f" ({_fine(line['low'])} to {_fine(line['high'])})"
    return (
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
    """In points with two decimals: modes differ by hundredths.

    >>> _fine(0.00123), _fine(-0.00129), _fine(0.00004)
    ('+0.12', '−0.13', '0.00')
    """
    rounded = round(100 * value, 2)
    return f"{rounded:+.2f}".replace("-", "−") if rounded else "0.00"
