"""The page of tables: where the time went, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.disk_space import megabytes
from bench.profiling.recording import PROFILE, Recording, Spent, added
from bench.profiling.verdict import NO_WORK

TOP = 15
"""Operators that are shown."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command did: ``seconds`` by phase as they go into ``run.json``, ``total`` among them.

    ``recordings`` are the processes' and ``names`` what they are called; ``answers`` counts the
    rows of all prompts.
    """

    title: str
    images: int
    masks: int
    answers: int
    prompts: int
    seconds: Mapping[str, float]
    device: str
    versions: Mapping[str, str]
    sentence: str
    recordings: Sequence[Recording]
    names: Sequence[str]

    @property
    def wall(self) -> float:
        """Seconds by the clock."""
        return max(self.seconds.get("total", 0.0), 1e-9)


def page(found: Measured) -> str:
    """The Markdown."""
    return "\n".join(
        [
            f"# Profile: {found.title}",
            "",
            f"{found.images:,} images ({found.images / found.wall:.2f}/s), {found.masks:,} masks "
            f"over {found.prompts} prompts ({found.masks / found.wall:.1f}/s), {found.answers:,} "
            f"answers, in {found.wall:.1f} s on {found.device}, loading included.",
            "",
            found.sentence,
            "",
            *_phases(found),
            *_threads(found),
            *_operators(found),
            *_memory(found),
            *_trace(found),
            ", ".join(f"{name} {version}" for name, version in found.versions.items()),
            "",
        ]
    )


def _phases(found: Measured) -> Iterator[str]:
    calls: dict[str, int] = {}
    for recording in found.recordings:
        for (_, name), spent in recording.lanes.items():
            calls[name] = calls.get(name, 0) + spent.calls
    work = {name: s for name, s in found.seconds.items() if name not in NO_WORK}
    every = sum(work.values()) or 1.0
    profiled = sum(
        spent.seconds
        for recording in found.recordings
        for (_, name), spent in recording.lanes.items()
        if name == PROFILE
    )
    yield "## By phase, summed over threads"
    yield ""
    yield from _head("phase", "seconds", "share", "seconds per second", "calls")
    for name, seconds in sorted(work.items(), key=lambda item: -item[1]):
        yield _line(
            name, f"{seconds:.2f}", f"{seconds / every:.1%}", f"{seconds / found.wall:.2f}",
            f"{calls.get(name, 0):,}",
        )  # fmt: skip
    if "wait" in found.seconds:
        seconds = found.seconds["wait"]
        yield _line(
            "wait", f"{seconds:.2f}", "", f"{seconds / found.wall:.2f}", f"{calls['wait']:,}"
        )
    yield ""
    yield (
        "`wait` is no work: the thread that hands out images waits for those that read and score. "
        f"To watch torch's operators took {profiled:.2f} s of the threads on top. "
        "On CUDA a phase's seconds are those of the thread that asks; what it asked for earlier may "
        "end in a later phase."
    )
    yield ""


def _threads(found: Measured) -> Iterator[str]:
    yield "## By thread"
    yield ""
    yield from _head("process", "thread", "busy", "of the time", "with", left=2)
    for recording, name in zip(found.recordings, found.names, strict=True):
        for thread in sorted({thread for thread, _ in recording.lanes}):
            phases = {
                phase: spent.seconds
                for (where, phase), spent in recording.lanes.items()
                if where == thread and phase not in NO_WORK
            }
            busy = sum(phases.values())
            longest = sorted(phases.items(), key=lambda item: -item[1])
            said = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in longest)
            yield _line(name, thread, f"{busy:.2f} s", f"{busy / found.wall:.0%}", said or "–")
    yield ""


def _operators(found: Measured) -> Iterator[str]:
    spent: dict[str, Spent] = {}
    for recording in found.recordings:
        spent = added(spent, recording.operators)
    watched = [name for recording in found.recordings for name in recording.watched]
    if not watched:
        yield "No operator was watched: the first two images of a process are its warm-up."
        yield ""
        return
    cuda = any(each.device_seconds for each in spent.values())
    total = sum(each.seconds for each in spent.values()) or 1.0
    yield f"## torch's operators in {len(watched)} images ({', '.join(watched)})"
    yield ""
    yield from _head(
        "operator", "ms per image", "share", "calls per image", *(["ms on CUDA"] if cuda else [])
    )
    longest = sorted(spent.items(), key=lambda item: -max(item[1].seconds, item[1].device_seconds))
    for name, each in longest[:TOP]:
        yield _line(
            f"`{name}`",
            f"{1000 * each.seconds / len(watched):.2f}",
            f"{each.seconds / total:.1%}",
            f"{each.calls / len(watched):,.1f}",
            *([f"{1000 * each.device_seconds / len(watched):.2f}"] if cuda else []),
        )
    yield ""
    yield (
        "Each operator's own time, without those that it calls. Watching slows these images down, "
        "which is in the tables above."
    )
    yield ""


def _memory(found: Measured) -> Iterator[str]:
    yield "## Memory at most"
    yield ""
    yield from _head("process", "host", "CUDA")
    for recording, name in zip(found.recordings, found.names, strict=True):
        host, device = recording.memory.host, recording.memory.device
        yield _line(
            name,
            "not known" if host is None else megabytes(host),
            "–" if device is None else megabytes(device),
        )
    yield ""


def _trace(found: Measured) -> Iterator[str]:
    dropped = sum(recording.dropped for recording in found.recordings)
    kept = sum(len(recording.events) for recording in found.recordings)
    bound = f" It holds the first {kept:,} phases; {dropped:,} later ones found no room, but are in the tables." if dropped else ""  # noqa: E501
    yield f"Open `trace.json` beside this page in https://ui.perfetto.dev or chrome://tracing.{bound}"
    yield ""


def _head(*names: str, left: int = 1) -> Iterator[str]:
    yield _line(*names)
    yield _line(*("---" if i < left else "---:" for i in range(len(names))))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
