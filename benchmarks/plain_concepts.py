"""cgF1 and PQ as a few loops: the published rules written down once more, for our numbers to meet.

Masks are (H, W) bool. The rules are those of SAM 3's evaluator (``sam3/eval/cgf1_eval.py``) and of
panopticapi (``evaluation.py``); that of crowds that are ignored is COCO's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

THRESHOLDS = [0.5 + 0.05 * step for step in range(10)]


class Instance(NamedTuple):
    """An instance that an annotator found."""

    mask: np.ndarray
    crowd: bool = False


class Guess(NamedTuple):
    """A detection."""

    mask: np.ndarray
    score: float


Truth = Mapping[str, Sequence[Instance]]
"""What one annotator found, by the pair's id; of a pair without an entry nothing is there."""


def cgf1(
    pairs: Sequence[str],
    annotators: Sequence[Truth],
    guesses: Mapping[str, Sequence[Guess]],
    crowd: str = "skip",
    least: float = 0.5,
) -> dict[str, float]:
    """cgF1, positive micro-F1 and IL_MCC, as ``bench.analysis.sections.concepts.NUMBERS``."""
    results = []
    for pair in pairs:
        found = [guess.mask for guess in guesses.get(pair, ()) if guess.score >= least]
        best: dict[str, Any] | None = None
        for truth in annotators:
            one = _one(found, truth.get(pair, ()), crowd)
            if best is None or _better(one, best):
                best = one
        results.append(best)
    totals = {name: [0] * 10 for name in ("tp", "fp", "fn")}
    kinds = {(there, seen): 0 for there in (True, False) for seen in (True, False)}
    for one in results:
        assert one is not None
        kinds[one["there"], one["seen"]] += 1
        for t in range(10):
            totals["tp"][t] += one["tp"][t]
            totals["fn"][t] += one["fn"][t]
            totals["fp"][t] += one["fp"][t] if one["there"] else 0
    scores = [_f1(*(totals[name][t] for name in ("tp", "fp", "fn"))) for t in range(10)]
    tp, fn, fp, tn = (kinds[k] for k in ((1, 1), (1, 0), (0, 1), (0, 0)))
    mcc = (tp * tn - fp * fn) / ((float(tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5 + 1e-6)
    positive = {"pmf1": sum(scores) / 10, "pmf1_50": scores[0], "pmf1_75": scores[5]}
    gated = {name.replace("pm", "cg"): value * mcc for name, value in positive.items()}
    return gated | positive | {"il_mcc": mcc}


def _one(found: Sequence[np.ndarray], truth: Sequence[Instance], crowd: str) -> dict[str, Any]:
    """What is counted of a pair against one annotator."""
    targets = [one.mask for one in truth if not one.crowd or crowd == "include"]
    aside = [one.mask for one in truth if one.crowd] if crowd == "ignore" else []
    matched = _assigned(found, targets)
    there, seen = bool(targets or aside), bool(found)
    right = [[iou >= t - 1e-12 for iou in matched] for t in THRESHOLDS]
    lost = [
        sum(
            not ok and any((mask & c).sum() >= (t - 1e-12) * mask.sum() > 0 for c in aside)
            for mask, ok in zip(found, some, strict=True)
        )
        for t, some in zip(THRESHOLDS, right, strict=True)
    ]
    tp = [sum(some) for some in right]
    fp = [len(found) - n - out for n, out in zip(tp, lost, strict=True)]
    fn = [len(targets) - n for n in tp]
    nothing = not targets and not any(fp) and there == seen
    local = None if nothing else sum(map(_f1, tp, fp, fn)) / 10
    return {"there": there, "seen": seen, "tp": tp, "fp": fp, "fn": fn, "f1": local}


def _better(one: dict[str, Any], best: dict[str, Any]) -> bool:
    """Whether an annotator's truth takes the place of an earlier one's, as the evaluator picks."""
    if one["f1"] is None:
        return best["f1"] is not None
    return best["f1"] is not None and one["f1"] > best["f1"]


def _assigned(found: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> list[float]:
    """The IoU of each detection with its target, -1 without: of all assignments the best sum."""
    ious = [[_iou(a, b) for b in targets] for a in found]
    if len(found) <= len(targets):
        ways = (dict(enumerate(p)) for p in permutations(range(len(targets)), len(found)))
    else:
        orders = permutations(range(len(found)), len(targets))
        ways = ({d: g for g, d in enumerate(p)} for p in orders)
    best = max(ways, key=lambda way: sum(ious[d][g] for d, g in way.items()))
    return [ious[d][best[d]] if d in best else -1.0 for d in range(len(found))]


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def _f1(tp: int, fp: int, fn: int) -> float:
    precision, recall = tp / (tp + fp + 1e-4), tp / (tp + fn + 1e-4)
    return 2 * precision * recall / (precision + recall + 1e-4)


class Picture(NamedTuple):
    """The ids (H, W) of truth and prediction, and what they are: id → (category, crowd)."""

    truth: np.ndarray
    segments: Mapping[int, tuple[str, bool]]
    predicted: np.ndarray
    guesses: Mapping[int, str]


def panoptic(pictures: Sequence[Picture], kinds: Mapping[str, str]) -> dict[str, float]:
    """PQ, SQ and RQ, as ``bench.analysis.sections.panoptic.NUMBERS``; ``kinds`` by category."""
    sums = {name: {"iou": 0.0, "tp": 0, "fp": 0, "fn": 0} for name in kinds}
    for one in pictures:
        paired: dict[int, int] = {}
        crowds = {}
        for own, (name, crowd) in one.segments.items():
            mask = one.truth == own
            for guess, called in one.guesses.items():
                other = one.predicted == guess
                shared = int((mask & other).sum())
                void = int((other & (one.truth == 0)).sum())
                iou = shared / (int(mask.sum()) + int(other.sum()) - shared - void)
                if not crowd and called == name and iou > 0.5:
                    paired[guess] = own
                    sums[name]["iou"] += iou
                    sums[name]["tp"] += 1
            if crowd:
                crowds[name] = mask
            elif own not in paired.values():
                sums[name]["fn"] += 1
        for guess, called in one.guesses.items():
            other = one.predicted == guess
            left = int((other & (one.truth == 0)).sum())
            if called in crowds:
                left += int((other & crowds[called]).sum())
            if guess not in paired and left / int(other.sum()) <= 0.5:
                sums[called]["fp"] += 1
    found = {}
    for ending, kind in (("", None), ("_things", "thing"), ("_stuff", "stuff")):
        some = [
            s
            for name, s in sums.items()
            if s["tp"] + s["fp"] + s["fn"] and kind in (None, kinds[name])
        ]
        whole = [s["tp"] + 0.5 * s["fp"] + 0.5 * s["fn"] for s in some]
        each = {
            "pq": [s["iou"] / n for s, n in zip(some, whole, strict=True)],
            "sq": [s["iou"] / s["tp"] if s["tp"] else 0 for s in some],
            "rq": [s["tp"] / n for s, n in zip(some, whole, strict=True)],
        }
        found |= {f"{q}{ending}": sum(v) / len(v) for q, v in each.items() if v}
    return found
