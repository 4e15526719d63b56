"""Linear layers in whole numbers of 8 bits: weights once, what comes in as it comes.

A row of weights, and a token that comes in, is divided by a 127th of its largest number's size and
rounded, half to even (one divisor a row: Dettmers et al., LLM.int8, arXiv 2208.07339; torch's own
``quantize_dynamic``, which it gives up, has one for all tokens). Sums of products of these whole
numbers are exact, and so the same on every device and in any order. float32 multiplies them by the
token's divisor, then by the row's, and adds the bias.
"""

from __future__ import annotations

import copy
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn

from bench.types import BenchError

M = TypeVar("M", bound=nn.Module)

_LEVELS = 127

_EXACT = 1024
"""Products of two such numbers whose sum float32 still holds exactly."""


class Int8Linear(nn.Module):
    """A linear layer's weights in 8 bits; tokens (…, C) to (…, D) of the same dtype."""

    weights: Tensor
    steps: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weights, steps = in_8_bits(layer.weight.detach().float())
        self.register_buffer("weights", weights.t(), persistent=False)
        self.register_buffer("steps", steps.view(-1), persistent=False)
        self.bias = layer.bias

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, C) tokens to (…, D)."""
        flat = tokens.reshape(-1, tokens.shape[-1]).float()
        rounded, steps = in_8_bits(flat)
        found = products(rounded, self.weights).float() * steps * self.steps
        if self.bias is not None:
            found = found + self.bias.float()
        return found.view(*tokens.shape[:-1], -1).to(tokens.dtype)


def in_8_bits(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The rows (N, C) of float32 as int8, and what one of each is worth, (N, 1) float32.

    >>> in_8_bits(torch.tensor([[1.0, -2.54], [0.0, 0.0]]))[0].tolist()
    [[50, -127], [0, 0]]
    """
    steps = rows.abs().amax(dim=1, keepdim=True) / _LEVELS
    steps = torch.where(steps == 0, 1.0, steps)
    return (rows / steps).round().to(torch.int8), steps


def products(rows: Tensor, columns: Tensor) -> Tensor:
    """Matrices (N, C) and (C, D) of int8 multiplied, (N, D) int32, exactly."""
    if _has_kernel(rows, columns):
        return torch._int_mm(rows, columns)
    parts = zip(torch.split(rows, _EXACT, 1), torch.split(columns, _EXACT, 0), strict=True)
    sums = [(some.float() @ other.float()).to(torch.int32) for some, other in parts]
    return torch.stack(sums).sum(dim=0, dtype=torch.int32)


def with_int8(encoder: M) -> M:
    """A twin of the encoder whose linear layers are in 8 bits; the encoder stays as it is.

    The twin shares all other weights. Raises ``BenchError`` where there is no linear layer.
    """
    if not any(type(module) is nn.Linear for module in encoder.modules()):
        raise BenchError(
            f"int8: {type(encoder).__name__} has no linear layer, nothing would be faster "
            "(model.args.int8=false)"
        )
    shared = {id(tensor): tensor for tensor in chain(encoder.parameters(), encoder.buffers())}
    twin = copy.deepcopy(encoder, shared)
    for parent in list(twin.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Linear:
                setattr(parent, name, Int8Linear(child))
    return twin


def _has_kernel(rows: Tensor, columns: Tensor) -> bool:
    """Whether torch multiplies such matrices itself: on CUDA not any shape."""
    if rows.device.type == "cuda":
        return len(rows) > 16 and rows.shape[1] % 8 == 0 and columns.shape[1] % 8 == 0
    return rows.device.type == "cpu" and _on_cpu()


def _on_cpu() -> bool:
    """Older versions of torch have none for a CPU."""
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key("aten::_int_mm", "CPU"))
