"""A run's numbers, table and worst masks for a tracker of experiments, once the run is done.

A tracker is a file of ``shelf``, called as its package is, with ``send``. What fails there is said
and stops nothing: the run's folder is the record, a tracker holds a copy.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, cast

from bench.types import BenchError
from bench.types.errors import did_you_mean

if TYPE_CHECKING:
    from bench.report.trackers.record import Record


class Tracker(Protocol):
    """What a file of the shelf offers."""

    def send(self, record: Record, project: str) -> str:
        """Hands a run over in place of what an earlier time handed over of it; says where it is."""
        ...


def tracker_names() -> list[str]:
    """The trackers that there are."""
    from bench.report.trackers import shelf

    return sorted(each.name for each in pkgutil.iter_modules(shelf.__path__))


def check_tracker(name: str) -> bool:
    """Whether the tracker's package is installed; raises ``BenchError`` for no such tracker."""
    if name not in (there := tracker_names()):
        raise BenchError(f"--log-to: no tracker is called {name!r}; {did_you_mean(name, there)}")
    return find_spec(name) is not None


def load_tracker(name: str) -> Tracker:
    """The tracker, whose package is imported when something is sent."""
    from bench.report.trackers import shelf

    return cast("Tracker", importlib.import_module(f"{shelf.__name__}.{name}"))
