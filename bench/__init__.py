"""Zero-shot evaluation of promptable segmentation models, as the papers do it.

``bench.evaluate``, ``bench.read_runs``, ``bench.compare`` and ``bench.show_mask`` are what scripts
and notebooks need; ``BenchError`` is what they raise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api import Evaluation as Evaluation
    from bench.api import compare as compare
    from bench.api import evaluate as evaluate
    from bench.api import read_runs as read_runs
    from bench.api import show_mask as show_mask
    from bench.api.given import Given as Given
    from bench.types import BenchError as BenchError

__version__ = "0.1.0"

_HOMES = {
    "Evaluation": "bench.api",
    "Given": "bench.api.given",
    "compare": "bench.api",
    "evaluate": "bench.api",
    "read_runs": "bench.api",
    "show_mask": "bench.api",
    "BenchError": "bench.types",
}
__all__ = ["BenchError", "Evaluation", "Given", "compare", "evaluate", "read_runs", "show_mask"]


def __getattr__(name: str) -> Any:
    """Imports the public names when they are asked for, so that ``import bench`` is instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
