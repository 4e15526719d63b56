"""Bits and arrays on their way between device and host, many in one transfer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F


def packed(bits: torch.Tensor) -> torch.Tensor:
    """(M, H, W) bool → (M, H, ⌈W / 8⌉) uint8, the first pixel in the highest bit."""
    bits = F.pad(bits, (0, -bits.shape[2] % 8))
    eights = bits.reshape(*bits.shape[:2], bits.shape[2] // 8, 8)
    return (eights << _shifts(bits.device)).sum(dim=3, dtype=torch.uint8)


def unpacked(packed: torch.Tensor) -> torch.Tensor:
    """(…, L) uint8 → (…, 8 L) uint8 of 0 and 1, the first one being in the highest bit."""
    return ((packed[..., None] >> _shifts(packed.device)) & 1).flatten(-2)


@lru_cache
def _shifts(device: torch.device) -> torch.Tensor:
    return torch.arange(7, -1, -1, dtype=torch.uint8, device=device)


def on_host(tensors: Sequence[torch.Tensor]) -> list[npt.NDArray[Any]]:
    """The tensors as arrays, brought over in one transfer, which is waited for.

    All are views of one piece of memory, which stays as long as one of them does.
    """
    order = sorted(range(len(tensors)), key=lambda i: -tensors[i].element_size())  # aligned so
    plain = [tensors[i].contiguous().view(-1).view(torch.uint8) for i in order]
    joined = _arrived(torch.cat(plain)).numpy()
    arrays: dict[int, npt.NDArray[Any]] = {}
    start = 0
    for i in order:
        end = start + tensors[i].numel() * tensors[i].element_size()
        arrays[i] = joined[start:end].view(_dtype(tensors[i].dtype)).reshape(tensors[i].shape)
        start = end
    return [arrays[i] for i in range(len(tensors))]


def sent(arrays: Sequence[npt.NDArray[Any]], device: torch.device) -> list[torch.Tensor]:
    """The arrays as tensors on the device, in one transfer; nothing is waited for on CUDA."""
    kinds: dict[Any, list[int]] = {}
    for i in sorted(range(len(arrays)), key=lambda i: -arrays[i].itemsize):  # aligned so
        kinds.setdefault(arrays[i].dtype, []).append(i)
    plain = [
        np.concatenate([arrays[i].reshape(-1) for i in numbers]).view(np.uint8)
        for numbers in kinds.values()
    ]
    joined = torch.from_numpy(np.concatenate(plain))
    if device.type == "cuda":
        joined = joined.pin_memory()
    there = joined.to(device, non_blocking=device.type == "cuda")
    tensors: dict[int, torch.Tensor] = {}
    parts = torch.split(there, [len(each) for each in plain])
    for (dtype, numbers), part in zip(kinds.items(), parts, strict=True):
        cuts = torch.split(part.view(_torch_dtype(dtype)), [arrays[i].size for i in numbers])
        tensors |= {i: cut.view(arrays[i].shape) for i, cut in zip(numbers, cuts, strict=True)}
    return [tensors[i] for i in range(len(arrays))]


def first_places(bits: torch.Tensor, most: int) -> torch.Tensor:
    """Where (L,) bits are set: the first ``most`` places, 0 behind the last, in order.

    It waits for no device, unless that is one for which torch has no such thing.
    """
    try:
        return torch.nonzero_static(bits, size=most).view(-1).clamp_(min=0)
    except NotImplementedError:
        found = bits.nonzero().view(-1)[:most]
        return F.pad(found, (0, most - len(found)))


def _arrived(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor on the host; other work of the device is not waited for on CUDA."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    here = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    here.copy_(tensor, non_blocking=True)
    event: Any = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(tensor.device))
    event.synchronize()
    return here


@lru_cache
def _dtype(dtype: torch.dtype) -> npt.DTypeLike:
    return torch.empty(0, dtype=dtype).numpy().dtype


@lru_cache
def _torch_dtype(dtype: npt.DTypeLike) -> torch.dtype:
    return torch.from_numpy(np.empty(0, dtype)).dtype
