"""The device that a model computes on, and its arithmetic: exact, the same in every run."""

from __future__ import annotations

import torch

from bench.types import BenchError


def usable_device(name: str) -> torch.device:
    """The torch device of that name; raises ``BenchError`` where it isn't there."""
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).strip().splitlines() or ["not there"])[0]
        raise BenchError(f"the device {name!r} cannot be used: {reason}") from error
    return device


def exact_arithmetic() -> None:
    """Switches reduced-precision products (TF32) and searches for algorithms off, process-wide."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def device_facts(device: torch.device) -> dict[str, str]:
    """What a run's header says of the device: its name, or the number of torch's threads."""
    if device.type == "cuda":
        return {"device": str(device), "device_name": torch.cuda.get_device_name(device)}
    return {"device": str(device), "torch_threads": str(torch.get_num_threads())}
