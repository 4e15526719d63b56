"""On this machine: in this process, or a process per device where ``runtime.devices`` says so."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bench.findings import Findings, Progress
from bench.plan import Plan, Task
from bench.run import Worker
from bench.runtime.processes import drive
from bench.runtime.telling import Telling
from bench.stopping import asked_to_stop
from bench.types import BenchError


class Local:
    """Without ``runtime.devices`` one worker in this process, else one process for each."""

    def __call__(
        self, plan: Plan, tasks: Sequence[Task], progress: Progress, findings: Findings
    ) -> None:
        """Does the tasks, see ``bench.findings.Runtime``."""
        devices = _devices(plan)
        if devices is not None:
            drive(plan, tasks, devices, progress, findings)
            return
        with findings.watch("load"):
            worker = Worker(plan, Telling(progress, findings), findings.watch)
        findings.loaded(worker.segmenter.facts)
        with asked_to_stop() as stop:
            worker(tasks, stop)


def _devices(plan: Plan) -> list[str] | None:
    """The devices of the processes; ``all`` is every CUDA device, or one CPU process.

    Raises ``BenchError`` for a device that isn't there, without touching those that are.
    """
    given = plan.config.runtime.devices
    if given is None:
        return None
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if given == "all":
        return cuda or ["cpu"]
    for name in given:
        if name.startswith("cuda") and name not in cuda:
            raise BenchError(
                f"runtime.devices: there is no {name} here; there are {', '.join(cuda) or 'none'}"
            )
    return list(given)
