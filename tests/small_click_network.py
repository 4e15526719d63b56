"""A network for clicks as RITM's are exported, small enough for a test."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SmallClickNetwork(nn.Module):
    """A network of the interface, random but for what clicks do: answers at half the size."""

    def __init__(self, seed: int, shift: float = -1.2) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(6, 8, 7, stride=2, padding=3)
        self.second = nn.Conv2d(8, 1, 5, padding=2)
        self.shift = shift

    def forward(self, image: Tensor, clicks: Tensor) -> Tensor:
        seen = self.second(torch.tanh(self.first(torch.cat([image, clicks], dim=1))))
        near = F.avg_pool2d(clicks[:, 1:2] - clicks[:, 2:3], 31, 2, 15)
        before = F.avg_pool2d(clicks[:, :1], 9, 2, 4)
        logits: Tensor = 6 * seen + 64 * near + 1.5 * before + self.shift
        return logits


def script(network: nn.Module, path: Path, batch: int = 2) -> Path:
    """Traces a network into a file."""
    example = torch.zeros(batch, 3, 64, 80)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # tracing is deprecated, and people do it
        torch.jit.trace(network, (example, example), check_trace=False).save(str(path))
    return path


def traced(path: Path, seed: int = 0, shift: float = -1.2, batch: int = 2) -> Path:
    """A small network in a file."""
    return script(SmallClickNetwork(seed, shift), path, batch)
