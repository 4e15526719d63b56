"""Which network it is that lies in memory: a hash of its weights, its layers and their settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def networks_of(thing: object) -> dict[str, nn.Module]:
    """The thing itself where it is a network, else those among its attributes, by their names.

    ``model`` is among them also where it is a property.
    """
    if isinstance(thing, nn.Module):
        return {"": thing}
    attributes = {**getattr(thing, "__dict__", {}), "model": getattr(thing, "model", None)}
    return {
        name: attributes[name]
        for name in sorted(attributes)
        if isinstance(attributes[name], nn.Module)
    }


def state_sha256(networks: Mapping[str, nn.Module]) -> str | None:
    """A hash of the networks' parameters and buffers, one at a time, and of their layers' settings.

    Buffers that aren't saved, such as a Sam's ``pixel_mean``, are in it, and of each layer its
    class and its public attributes that are plain values. The device isn't. None where there is no
    parameter, or one that isn't a plain tensor (sparse, quantised), of which nothing is known then.
    """
    digest = hashlib.sha256()
    parameters = 0
    for path, network in networks.items():
        for name, layer in network.named_modules():
            digest.update(json.dumps([path, name, type(layer).__qualname__]).encode())
            digest.update(plain_settings(layer).encode())
        state: dict[str, Any] = {
            **network.state_dict(keep_vars=True),
            **dict(network.named_buffers(remove_duplicate=False)),
        }
        for name in sorted(state):
            if not _is_plain(state[name]):
                return None
            _take(digest, name, state[name].detach())
        parameters += sum(1 for _ in network.parameters())
    return digest.hexdigest() if parameters else None


def plain_settings(thing: object, *, private: bool = False) -> str:
    """The attributes that are numbers, texts, or lists of them, as JSON, but ``training``.

    Those that begin with ``_`` only where ``private`` ones count too.
    """
    said = getattr(thing, "__dict__", {})
    kept = {
        name: value
        for name, value in said.items()
        if name != "training" and (private or not name.startswith("_")) and _is_value(value)
    }
    return json.dumps(kept, sort_keys=True)


def _is_value(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_value, value))
    return value is None or type(value) in (bool, int, float, str)


def _is_plain(tensor: object) -> bool:
    return (
        isinstance(tensor, Tensor)
        and tensor.layout == torch.strided
        and not tensor.is_quantized
        and not tensor.is_meta
    )


def _take(digest: Any, name: str, tensor: Tensor) -> None:
    digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
    flat = tensor.cpu().contiguous().reshape(-1)
    bits: Any = flat.view(torch.uint8).numpy()
    digest.update(memoryview(bits))
