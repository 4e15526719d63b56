"""Checkpoints of the demo model: half-precision safetensors that name their own size and recipe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from segment_anything.modeling import Sam
from torch import Tensor

from bench.demo.network import SIZES, SizeName, build_demo_sam

FORMAT = "demo-sam-1"


def save_weights(
    tensors: Mapping[str, Tensor], path: Path, size: SizeName, notes: Mapping[str, str]
) -> None:
    """Write the weights as float16, with `notes` in the header; the file appears whole or not."""
    half = {name: x.detach().to(torch.float16).contiguous() for name, x in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(half, aside, metadata={"format": FORMAT, "size": size, **notes})
    os.replace(aside, path)


def read_notes(path: Path) -> dict[str, str]:
    """Return the header of a checkpoint: format, size, recipe, steps and so on."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def load_demo_sam(path: Path) -> Sam:
    """Return the model of a checkpoint, float32, in evaluation mode, on the CPU.

    Raises ValueError if the file is not a checkpoint of this format, RuntimeError if a weight is
    missing, unknown or of another shape.
    """
    notes = read_notes(path)
    if notes.get("format") != FORMAT or notes.get("size") not in SIZES:
        raise ValueError(f"{path}: expected a checkpoint of format {FORMAT!r}, found {notes}")
    sam = build_demo_sam(cast(SizeName, notes["size"]))
    with safe_open(path, framework="pt") as file:
        sam.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118
    return sam.eval()
