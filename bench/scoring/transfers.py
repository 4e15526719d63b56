"""Bits and arrays on their way between device and host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import torch
import torch.nn.functional as F


def packed(bits: torch.Tensor) -> torch.Tensor:
    """(M, H, W) bool → (M, H, ⌈W / 8⌉) uint8, the first pixel in the highest bit."""
    bits = F.pad(bits, (0, -bits.shape[2] % 8))
    eights = bits.reshape(*bits.shape[:2], bits.shape[2] // 8, 8)
    worth = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8, device=bits.device)
    return (eights * worth).sum(dim=3, dtype=torch.uint8)


def unpacked(packed: torch.Tensor, width: int) -> torch.Tensor:
    """(M, H, ⌈W / 8⌉) uint8 → (M, H, W) bool, the first pixel being in the highest bit."""
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    return ((packed[..., None] >> shifts) & 1).bool().flatten(2)[..., :width]


def on_host(tensors: Sequence[torch.Tensor]) -> list[npt.NDArray[Any]]:
    """The tensors as arrays, brought over in one transfer."""
    flat = [tensor.contiguous().view(-1).view(torch.uint8) for tensor in tensors]
    joined = torch.cat(flat).cpu().numpy()
    arrays, start = [], 0
    for tensor, plain in zip(tensors, flat, strict=True):
        cut = joined[start : start + plain.numel()].copy()  # aligned, and no more than it needs
        dtype = torch.empty(0, dtype=tensor.dtype).numpy().dtype
        arrays.append(cut.view(dtype).reshape(tuple(tensor.shape)))
        start += plain.numel()
    return arrays
