"""Whether what a model answered are numbers: an answer with NaN or infinity in it has no score.

A half-precision overflow or a broken kernel gives such answers. NaN lies above no threshold, so
they would be masks like any other, empty in places or everywhere, and count.
"""

from __future__ import annotations

import torch


def all_finite(values: torch.Tensor) -> bool:
    """Whether all values are numbers, in one pass; waits for the device."""
    if torch.isfinite(values.sum(dtype=torch.float32)).item():
        return True  # NaN and infinity never leave a sum
    return bool(torch.isfinite(values).all())  # numbers, but their sum is too large to be one


def fault(logits: torch.Tensor, predicted_iou: torch.Tensor) -> str:
    """What is wrong with a prompt's K candidates, in words; empty where all are numbers.

    ``logits`` are (K, h, w), ``predicted_iou`` (K,).
    """
    if all_finite(logits) and all_finite(predicted_iou):
        return ""
    cells, many = logits[0].numel(), len(logits)
    bad = (~torch.isfinite(logits)).flatten(1).sum(dim=1).tolist()
    said = [
        f"{count:,} of {cells:,} logits of candidate {number} of {many}"
        for number, count in enumerate(bad, start=1)
        if count
    ]
    unsure = (~torch.isfinite(predicted_iou)).nonzero().flatten().tolist()
    said += [f"the predicted IoU of candidate {number + 1} of {many}" for number in unsure]
    return f"NaN or infinite: {', '.join(said)}"
