"""The profile of one command on one dataset: gathers what the processes noted, and is written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from bench.files.places import folder_aside, forget_leftovers, local_side, place, write_aside
from bench.run.profiling.page import Measured, page
from bench.run.profiling.recorder import Recorder
from bench.run.profiling.recording import MOST_EVENTS, Recording
from bench.run.profiling.trace import trace_lines
from bench.run.profiling.verdict import shares, verdict
from bench.store import provenance
from bench.types import BenchError

if TYPE_CHECKING:
    from bench.run.findings import Findings
    from bench.run.plan import Plan


class Profile:
    """Grows while a run is driven.

    ``recorder`` observes this process, where ``device`` is the model's if it is here.
    """

    def __init__(self, device: str) -> None:
        self.recorder = Recorder(device)
        self.folder: Path | None = None
        """Where it was written."""
        self._recordings: dict[str, Recording] = {}

    def add(self, recording: Recording) -> None:
        """What a process has noted since it was last heard of; beyond the bound events go."""
        room = MOST_EVENTS - sum(len(each.events) for each in self._recordings.values())
        before = self._recordings.get(
            recording.worker, Recording(recording.worker, recording.device)
        )
        self._recordings[recording.worker] = before.and_then(recording, room)

    def write(self, plan: Plan, findings: Findings) -> None:
        """Writes ``profile.md`` and ``trace.json`` into a new folder of ``results/profiles``.

        Where the results lie behind a URL, that is a folder here.

        Raises ``BenchError`` where that can't be done.
        """
        self.add(self.recorder.take())
        measured = self._measured(plan, findings)
        results = local_side(place(plan.setting.runtime.results))
        name = re.sub(r"[^\w.-]", "_", f"{plan.question.dataset.name}-{plan.question.model.name}")
        trace = "\n".join(trace_lines(measured.recordings, measured.names))
        texts = {"trace.json": trace, "profile.md": page(measured)}
        self.folder = _publish(texts, results / "profiles" / name)

    def _measured(self, plan: Plan, findings: Findings) -> Measured:
        settings, seconds = plan.setting.runtime, dict(findings.watch.seconds)
        recordings = tuple(self._recordings.values())
        asked = [each for each in recordings if any(name == "load" for _, name in each.lanes)]
        names = [
            f"{asked.index(each) + 1}, {each.device}" if each in asked else "the command itself"
            for each in recordings
        ]
        found = shares(asked, seconds.get("total", 0.0))
        workers = max(1, settings.workers // max(1, len(asked)))
        cuda = any(each.device.startswith("cuda") for each in asked)
        return Measured(
            title=f"{plan.question.model.name} on {plan.question.dataset.name}",
            images=findings.images,
            masks=findings.masks,
            answers=findings.answers(plan),
            seconds=seconds,
            device=findings.device,
            facts=findings.facts,
            versions=provenance.versions(),
            sentence=verdict(found, workers, os.cpu_count() or 1, cuda),
            recordings=recordings,
            names=names,
        )


def _publish(texts: Mapping[str, str], like: Path) -> Path:
    """Puts the files into a folder that no other command has, named after the time as well.

    All of them are there or none, whenever the command is killed.
    """
    forget_leftovers(like)
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    names = (f"{like.name}-{now}{end}" for end in ("", *(f"-{i}" for i in range(2, 1000))))
    folder = like.parent / next(names)
    try:
        with folder_aside(like) as aside:
            for name, text in texts.items():
                write_aside(aside / name, text.encode())
            while folder.exists():
                folder = like.parent / next(names)
            aside.rename(folder)
    except OSError as error:
        raise BenchError(f"{folder}: cannot make the profile's folder: {error}") from error
    return folder
