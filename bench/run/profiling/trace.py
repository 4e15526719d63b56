"""Recordings as a trace that Perfetto and chrome://tracing open (Trace Event Format, JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bench.files.text import escaped
from bench.run.profiling.recording import Recording


def trace_lines(recordings: Sequence[Recording], names: Sequence[str]) -> Iterator[str]:
    """The file's lines: a JSON object whose ``traceEvents`` stand one to a line.

    A worker is a process called by its name, from 1; a thread has a number in it. Phases are
    complete events (``ph`` X) whose ``ts`` and ``dur`` are microseconds since the first one's
    start, with the images in ``args``.
    """
    zero = min((e.start_ns for each in recordings for e in each.events), default=0)
    dropped = sum(each.dropped for each in recordings)
    yield f'{{"displayTimeUnit": "ms", "otherData": {{"dropped_events": {dropped}}},'
    yield '"traceEvents": ['
    comma = ""
    for pid, (recording, name) in enumerate(zip(recordings, names, strict=True), start=1):
        for event in _events(recording, name, pid, zero):
            yield comma + escaped(json.dumps(event, ensure_ascii=False))
            comma = ","
    yield "]}"


def _events(recording: Recording, name: str, pid: int, zero: int) -> Iterator[dict[str, Any]]:
    threads = sorted({event.thread for event in recording.events})
    numbers = {thread: tid for tid, thread in enumerate(threads, start=1)}
    yield {"name": "process_name", "ph": "M", "pid": pid, "tid": 0, "args": {"name": name}}
    for thread, tid in numbers.items():
        yield {"name": "thread_name", "ph": "M", "pid": pid, "tid": tid, "args": {"name": thread}}
    for event in recording.events:
        yield {
            "name": event.name,
            "cat": "phase",
            "ph": "X",
            "ts": (event.start_ns - zero) / 1000,
            "dur": (event.end_ns - event.start_ns) / 1000,
            "pid": pid,
            "tid": numbers[event.thread],
            "args": {"image": ", ".join(event.image_ids)} if event.image_ids else {},
        }
