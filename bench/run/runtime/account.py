"""What a worker elsewhere keeps of its own doing, and tells its driver with each batch."""

from __future__ import annotations

from bench.config.settings import Runtime
from bench.run.profiling.memory import peak
from bench.run.profiling.recorder import Recorder
from bench.run.runtime.messages import Returned
from bench.types.stopwatch import Stopwatch


class Account:
    """The worker's stopwatch; with ``runtime.profile`` a recorder hears of every phase.

    ``began`` is when the worker was asked for, by ``time.perf_counter``.
    """

    def __init__(self, settings: Runtime, began: float | None = None) -> None:
        self._device = settings.device
        self._recorder = Recorder(settings.device, began) if settings.profile else None
        self.watch = Stopwatch(self._recorder)

    def returned(self) -> Returned:
        """What there is to tell since the last time."""
        recording = None if self._recorder is None else self._recorder.take()
        return Returned(self.watch.take(), peak(self._device), recording)
