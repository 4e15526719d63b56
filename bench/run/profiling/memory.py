"""How much memory a process has taken at most."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes at most: of the process on the host, of its tensors on a CUDA device.

    None where it isn't known, or where there is no such device.
    """

    host: int | None = None
    device: int | None = None

    def larger(self, other: Memory) -> Memory:
        """Each at its larger."""
        return Memory(_larger(self.host, other.host), _larger(self.device, other.device))


def peak(device: str) -> Memory:
    """What this process has taken at most since it began, or since ``forget_peak``.

    ``device`` is a torch device.
    """
    return Memory(_host_peak(), _device_peak(device))


def forget_peak(device: str) -> None:
    """Has ``peak`` count from now on, so that a run isn't given what an earlier one has taken.

    Where the system doesn't let the process forget, the most since it began stays.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if _counts(device):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def _larger(a: int | None, b: int | None) -> int | None:
    known = [size for size in (a, b) if size is not None]
    return max(known, default=None)


def _host_peak() -> int | None:
    # Linux's own count belongs to the program; ru_maxrss is handed down by who started it.
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) * 1024
    with suppress(ImportError):
        import resource

        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size if sys.platform == "darwin" else size * 1024
    return None


def _device_peak(device: str) -> int | None:
    if not _counts(device):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))


def _counts(device: str) -> bool:
    """Whether the device counts the memory of its tensors."""
    import torch

    return torch.device(device).type == "cuda" and torch.cuda.is_available()
