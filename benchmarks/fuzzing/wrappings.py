"""Fuzzed checkpoints as people save them: wrapped, renamed, beside other things, or hostile.

What was saved is known, so the judge knows which sets of tensors are a whole network: the one that
must be taken, or that none may be.
"""

from __future__ import annotations

import argparse
import io
import os
import pickle
import random
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.models.weights import load_strict, read_saved
from fuzzing.mutations import damaged
from fuzzing.pictures import Judge, Verify, WrongError

Weights = Mapping[str, Tensor]

PREFIXES = ("module.", "_orig_mod.", "module._orig_mod.", "model.", "net.sam.", "sam.module.")
KEYS = ("model", "state_dict", "net", "ema", "weights", "model_ema", "../up", "")
DEEPEST = 2
"""Keys that weights may lie under."""


class _Payload:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._mark}",)


def wrapped(rng: random.Random, folder: Path) -> Judge:
    """A small network's weights in a checkpoint of somebody's making."""
    mark, path = folder / "mark", folder / f"w{rng.choice(('.pth', '.pt', '.bin', '.ckpt', ''))}"
    content: dict[Any, Any] = {}
    whole: dict[str, Weights | None] = {}
    for number in range(rng.choice((1, 1, 1, 2))):
        weights, fits = _renamed(_weights(rng), rng)
        under = tuple(rng.choices(KEYS[:-1], k=rng.choice((0, 0, 1, 1, 1, 2, 3))))
        holder = content
        for key in under:
            holder = holder.setdefault(key, OrderedDict() if rng.random() < 0.3 else {})
        if any(isinstance(value, Tensor) for value in holder.values()):
            break  # two sets in one place are one that fits nothing
        holder.update(weights)
        if len(under) <= DEEPEST:
            whole["/".join(under)] = fits
        else:
            whole[f"too deep {number}"] = None
    _put_beside(content, mark, rng)
    forged = _write(content, path, mark, rng)

    def judge() -> Verify:
        network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
        try:
            load_strict(network, read_saved(path), str(path))
        finally:
            if mark.exists():
                mark.unlink()
                raise WrongError("code in the file was run")
        return lambda: None if forged else _verify(network.state_dict(), whole)

    return judge


def _weights(rng: random.Random) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    shapes = {"0.weight": (3, 4), "0.bias": (3,), "1.weight": (2, 3), "1.bias": (2,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def _renamed(weights: dict[str, Tensor], rng: random.Random) -> tuple[Weights, Weights | None]:
    """The weights as they are saved, and as they are to be loaded; none where they don't fit."""
    dtype = rng.choice((torch.float32, torch.float32, torch.float16, torch.bfloat16, torch.float64))
    weights = {name: tensor.to(dtype) for name, tensor in weights.items()}
    name, prefix = rng.choice(list(weights)), rng.choice(PREFIXES)
    match rng.randrange(14):
        case 0 | 1 | 2:
            return {prefix + each: tensor for each, tensor in weights.items()}, weights
        case 3:
            part = rng.choice(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
            inner = {each.replace(".", f".{part}."): tensor for each, tensor in weights.items()}
            return inner, weights
        case 4:
            return {(f"model.{n}" if n == name else n): t for n, t in weights.items()}, None
        case 5:
            return {n: t for n, t in weights.items() if n != name}, None
        case 6:
            return weights | {"2.weight": torch.ones(2, 2)}, None
        case 7:
            return weights | {f"{prefix}{n}": -t for n, t in weights.items()}, None
        case 8:
            return weights | {name: torch.ones(rng.choice(((4, 4), (), (0,), (3, 4, 1))))}, None
        case 9:
            return weights | {name: weights[name].to(rng.choice((torch.int64, torch.bool)))}, None
        case 10:
            same = torch.full((1,), 0.5, dtype=dtype).expand(weights[name].shape)
            return weights | {name: same}, weights | {name: same}
        case 11:
            return weights | {name: _odd(weights[name].float(), rng)}, None
        case 12:
            return {n: nn.Parameter(t) for n, t in weights.items()}, weights
        case _:
            return weights, weights


def _odd(tensor: Tensor, rng: random.Random) -> Tensor:
    """The tensor in a form that a network's own can't have."""
    match rng.randrange(4):
        case 0:
            return tensor.to_sparse()
        case 1:
            return tensor.to("meta")
        case 2:
            return tensor.to(torch.complex64)
        case _:
            return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


def _put_beside(content: dict[Any, Any], mark: Path, rng: random.Random) -> None:
    """Puts other things beside the weights, or among them."""
    if rng.random() < 0.5:
        content["epoch"] = rng.choice((7, None, "last", 2**70, float("nan"), b"\0", (1, 2)))
    if rng.random() < 0.3:
        content["optimizer"] = {"state": {0: {"exp_avg": torch.ones(3, 4)}}, "param_groups": [{}]}
    if rng.random() < 0.15:
        content[rng.choice((0, None, 1.5, (1, 2), "\ud800", "a\nb\x1b[31m"))] = "odd"
    if rng.random() < 0.08:
        content["args"] = argparse.Namespace(lr=0.1)
    if rng.random() < 0.08:
        content["itself"] = content
    if rng.random() < 0.08:
        content[rng.choice(("hook", "0.weight"))] = _Payload(mark)


def _write(content: Any, path: Path, mark: Path, rng: random.Random) -> bool:
    """Writes the file, and says whether it was forged, so that its values are anybody's."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=rng.random() < 0.8)
    data, way = file.getvalue(), rng.randrange(10)
    if way == 0:
        data = pickle.dumps(rng.choice((_Payload(mark), {"model": _Payload(mark)}, [], 7)))
    elif way < 3 and zipfile.is_zipfile(file):  # another pickle under sums that hold
        out = io.BytesIO()
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
            for entry in old.infolist():
                inner = old.read(entry)
                changed = entry.filename.endswith("data.pkl")
                new.writestr(entry.filename, damaged(inner, rng) if changed else inner)
        data = out.getvalue()
    path.write_bytes(data)
    return way < 3


def _verify(found: Weights, whole: Mapping[str, Weights | None]) -> None:
    """The set that was loaded is the one that is meant, whole and unmixed."""
    fitting = {under: weights for under, weights in whole.items() if weights is not None}
    if not fitting:
        raise WrongError("weights were loaded that don't fit")
    first = next((under for under in ("model", "state_dict", "") if under in fitting), None)
    if first is None and len(fitting) > 1:
        raise WrongError(f"of {len(fitting)} sets one was guessed")
    weights = fitting[next(iter(fitting)) if first is None else first]
    for name, tensor in weights.items():
        if not torch.equal(found[name], tensor.detach().to(torch.float32)):
            raise WrongError(f"{name} is not as it was saved")
