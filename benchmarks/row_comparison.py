"""Rows of one way of computing against the reference: float32 on the CPU, image by image.

    python benchmarks/row_comparison.py --override runtime.device=cuda
    python benchmarks/row_comparison.py --override model.args.dtype=bfloat16
    python benchmarks/row_comparison.py --override runtime.device=cuda model=sam_vit_b dataset=…

Words are those of ``sam-bench run``; ``--override`` adds those of the other side alone. On another
device sums have another order, so last bits move, then a mask at its edge, then the click that the
next step places by it. So nothing is called equal that isn't: the share of rows whose mask changed,
the largest change of an IoU, and that of the mIoU by prompt, of the steps that reports show. Ends
with 1 where the mIoU of a prompt moves by more than ``--most`` points; rows on one side alone are
an error. On a CPU in the reference mode ``--exact`` asks for the same bits.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.config.composing import load_configs
from bench.run.plan import Plan, make_plan
from bench.run.progress import run_plan
from bench.store.runs import read_runs
from bench.types import BenchError

WORDS = ["model=demo", "dataset=shapes", "dataset.args.count=40", "prompt=[point_1,point_3,box]"]
KEY = ["prompt", "image_id", "mask_id", "step"]
EXACT = ["n_points", "point_coords", "point_labels", "box", "iou", "ious", "selected",
          "boundary_iou", "mask_rle"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """Two sides of the same rows: shares and IoUs in [0, 1], mIoU in points."""

    prompt: str
    rows: int
    changed_masks: float
    changed_clicks: float
    largest_iou: float
    miou: float


def compare(reference: pd.DataFrame, other: pd.DataFrame, report: pd.Series) -> list[Difference]:
    """The differences by prompt; ``report`` says of each reference row whether tables show it.

    Raises ``BenchError`` for rows that only one side has.
    """
    both = reference.assign(shown=report).merge(
        other, on=KEY, how="outer", suffixes=("", "_other"), indicator=True
    )
    if stray := int((both["_merge"] != "both").sum()):
        raise BenchError(f"{stray} rows are on one side alone")
    found = []
    for prompt, rows in both.groupby("prompt"):
        clicks = zip(rows["point_coords"], rows["point_coords_other"], strict=True)
        shown = rows[rows["shown"].astype(bool)]
        found.append(
            Difference(
                prompt=str(prompt),
                rows=len(rows),
                changed_masks=float((rows["mask_rle"] != rows["mask_rle_other"]).mean()),
                changed_clicks=float(np.mean([plain(a) != plain(b) for a, b in clicks])),
                largest_iou=float((rows["iou"] - rows["iou_other"]).abs().max()),
                miou=100 * float((shown["iou_other"] - shown["iou"]).mean()),
            )
        )
    return found


def plain(value: Any) -> Any:
    """Nested arrays as nested lists."""
    if isinstance(value, np.ndarray | list):
        return [plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def differing(loop: pd.DataFrame, bench: pd.DataFrame) -> int:
    """How many rows differ in any bit of what ``EXACT`` names, or are on one side alone."""
    sides = [
        {
            tuple(plain(row[name]) for name in KEY): [plain(row[name]) for name in EXACT]
            for row in rows.to_dict("records")
        }
        for rows in (loop, bench)
    ]
    keys = sides[0].keys() | sides[1].keys()
    return sum(sides[0].get(key) != sides[1].get(key) for key in keys)


def predicted_moved(loop: pd.DataFrame, bench: pd.DataFrame) -> float:
    """The largest difference of a predicted IoU between rows that both sides have."""
    both = loop.merge(bench[[*KEY, "predicted_ious"]], on=KEY, suffixes=("", "_bench"))
    pairs = zip(both["predicted_ious"], both["predicted_ious_bench"], strict=True)
    return max((float(np.abs(np.subtract(a, b)).max()) for a, b in pairs), default=0.0)


def table(found: Sequence[Difference]) -> str:
    """The differences as a Markdown table."""
    lines = [
        "| prompt | rows | masks changed | clicks changed | largest ΔIoU | ΔmIoU (points) |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {one.prompt} | {one.rows} | {one.changed_masks:.3%} | {one.changed_clicks:.3%} "
        f"| {one.largest_iou:.2e} | {one.miou:+.4f} |"
        for one in found
    ]
    return "\n".join(lines) + "\n"


def exact(found: Sequence[Difference]) -> bool:
    """Whether nothing differs at all."""
    return all(
        one.changed_masks == one.changed_clicks == one.largest_iou == one.miou == 0 for one in found
    )


def _rows(plan: Plan) -> tuple[pd.DataFrame, pd.Series]:
    """The plan's rows, and which of them reports show."""
    if failed := run_plan(plan):
        raise BenchError(f"image {failed[0].image_id}: {failed[0].reason}")
    rows = read_runs([each.store for each in plan.work.runs.values()])
    steps = {name: set(each.way.report_steps) for name, each in plan.work.runs.items()}
    pairs = zip(rows["prompt"], rows["step"], strict=True)
    return rows, pd.Series([step in steps[prompt] for prompt, step in pairs], index=rows.index)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="WORD", help=f"({' '.join(WORDS)})")
    parser.add_argument("--override", action="append", default=[], help="of the other side alone")
    parser.add_argument("--most", type=float, default=0.1, help="points that an mIoU may move by")
    parser.add_argument("--exact", action="store_true", help="ends with 1 where any bit moves")
    chosen = parser.parse_args(arguments)
    words = chosen.words or WORDS
    with tempfile.TemporaryDirectory() as folder:
        sides = []
        for name, more in (("reference", ["runtime.device=cpu"]), ("other", chosen.override)):
            own = f"runtime.results={Path(folder) / name}"
            (config,) = load_configs([*words, *more, own])
            sides.append(_rows(make_plan(config)))
        (reference, report), (other, _) = sides
        found = compare(reference, other, report)
    sys.stdout.write(table(found))
    moved = max(abs(one.miou) for one in found)
    return 1 if moved > chosen.most or (chosen.exact and not exact(found)) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"row_comparison.py: {error}")
