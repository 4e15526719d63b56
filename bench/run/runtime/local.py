"""On this machine: in this process, or a process per device where ``runtime.devices`` says so."""

from __future__ import annotations

from collections.abc import Sequence

from bench.run.findings import Findings, Progress
from bench.run.plan import Job, Plan
from bench.run.runtime.processes import drive
from bench.run.runtime.stopping import asked_to_stop
from bench.run.runtime.telling import Telling
from bench.run.worker import Worker


class Local:
    """Without ``runtime.devices`` one worker in this process, else one process for each."""

    in_this_process = True
    """Where no devices are named."""

    def __call__(
        self, plan: Plan, tasks: Sequence[Job], progress: Progress, findings: Findings
    ) -> None:
        """Does the tasks, see ``bench.run.findings.Runtime``."""
        devices = plan.setting.runtime.processes()
        if devices is not None:
            drive(plan, tasks, devices, progress, findings)
            return
        with findings.watch("load"):
            worker = Worker(plan, Telling(progress, findings), findings.watch)
        findings.loaded(worker.facts)
        with asked_to_stop() as stop:
            worker(tasks, stop)
