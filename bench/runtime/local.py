"""On this machine: in this process, or a process per device where ``runtime.devices`` says so."""

from __future__ import annotations

from collections.abc import Sequence

from bench.findings import Findings, Progress
from bench.plan import Plan, Task
from bench.run import Worker
from bench.runtime.processes import drive
from bench.runtime.telling import Telling
from bench.stopping import asked_to_stop


class Local:
    """Without ``runtime.devices`` one worker in this process, else one process for each."""

    def __call__(
        self, plan: Plan, tasks: Sequence[Task], progress: Progress, findings: Findings
    ) -> None:
        """Does the tasks, see ``bench.findings.Runtime``."""
        devices = plan.config.runtime.processes()
        if devices is not None:
            drive(plan, tasks, devices, progress, findings)
            return
        with findings.watch("load"):
            worker = Worker(plan, Telling(progress, findings), findings.watch)
        findings.loaded(worker.segmenter.facts)
        with asked_to_stop() as stop:
            worker(tasks, stop)
