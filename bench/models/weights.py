"""Weights from a file into a network, strictly: every tensor in its place, or an error."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bench.types import BenchError

WRAPPINGS = ("model", "state_dict")
SHOWN = 3

SMALL = 1 << 20
"""Bytes that are no matter however they are packed."""

LARGEST = 3 << 30
"""Bytes of the largest known checkpoint, rounded up. Tensors that share memory take none until they
are copied, which is into a network of their own shapes; beyond this they are refused at once."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or of one written by ``torch.save``, on the CPU.

    A state dict that lies under the key ``model`` or ``state_dict`` is taken out of it. Nothing in
    the file is executed. Raises ``BenchError`` where the file holds no state dict.
    """
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path, device="cpu"))
        except (SafetensorError, ValueError, OSError, KeyError, TypeError) as error:
            raise BenchError(f"{path} is not a safetensors file: {_first_line(error)}") from error
    _refuse_packed(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # broken bytes make the unpickler raise almost anything
        raise BenchError(
            # torch's own words advise to load it unsafely: they stay in the traceback
            f"{path} is no checkpoint that can be read safely: it is damaged or holds more than "
            f"tensors; expected what torch.save(model.state_dict(), …) writes"
        ) from error
    for key in WRAPPINGS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise BenchError(f"{path} holds no state dict but {_kind(content)}")
    strange = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    packed = sum(t.numel() * t.element_size() for t in content.values() if isinstance(t, Tensor))
    if not strange and packed > max(2 * path.stat().st_size + SMALL, LARGEST):
        raise BenchError(
            f"{path} holds tensors of {packed} bytes in a file of {path.stat().st_size}: they "
            "share memory as no checkpoint's do"
        )
    if strange:
        raise BenchError(
            f"{path} holds no state dict: {len(strange)} of its {len(content)} entries are no "
            f"tensors, {_some(strange)}"
        )
    return {str(key): value for key, value in content.items()}


def _refuse_packed(path: Path) -> None:
    """Refuses a file that unfolds when it is read: torch stores its tensors as they are."""
    try:
        with zipfile.ZipFile(path) as archive:
            full = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error):
        return  # not of torch's present form, or broken: torch.load says so
    if full > 2 * path.stat().st_size + SMALL:
        raise BenchError(
            f"{path} is compressed, {full} bytes in {path.stat().st_size}; torch.save writes no "
            "such file"
        )


def load_strict(
    network: nn.Module,
    state: Mapping[str, Tensor],
    origin: str,
    relatives: Mapping[str, Callable[[], nn.Module]] | None = None,
) -> None:
    """Fill ``network`` with ``state``, in the network's own dtype.

    ``origin`` names the file and what it was loaded as. ``relatives``, name → builder, are tried
    on where the state does not fit, so that the error can say what it looks like. Raises
    ``BenchError`` with counts and names for missing, unexpected and misshapen tensors.
    """
    faults = misfits(network, state)
    if faults:
        alike = [name for name, build in (relatives or {}).items() if _fits(build, state)]
        hint = f"; it looks like {' or '.join(alike)}" if alike else ""
        raise BenchError(f"{origin} does not fit: {'; '.join(faults)}{hint}")
    network.load_state_dict(dict(state), strict=True)


def misfits(network: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Why ``state`` is not this network's, a phrase per kind of fault; empty where it fits."""
    own = network.state_dict()
    shared = [key for key in own if key in state]
    kinds: Mapping[str, Sequence[str]] = {
        "missing": [key for key in own if key not in state],
        "unexpected": [key for key in state if key not in own],
        "of another shape": [
            f"{key} (expected {_shape(own[key])}, found {_shape(state[key])})"
            for key in shared
            if own[key].shape != state[key].shape
        ],
        "not of a floating type": [
            f"{key} ({state[key].dtype})"
            for key in shared
            if own[key].is_floating_point() and not state[key].is_floating_point()
        ],
    }
    return [f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in kinds.items() if keys]


def _fits(build: Callable[[], nn.Module], state: Mapping[str, Tensor]) -> bool:
    with torch.device("meta"):  # shapes without memory or random numbers
        return not misfits(build(), state)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _some(names: Sequence[str]) -> str:
    more = "" if len(names) <= SHOWN else ", …"
    return ", ".join(names[:SHOWN]) + more


def _kind(content: object) -> str:
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
