"""The page of tables: where the time went, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.files.sizes import megabytes
from bench.run.profiling.operators import IMAGES, LONGEST, WARM_UP
from bench.run.profiling.recording import PROFILE, Recording, Spent, added
from bench.run.profiling.verdict import NO_WORK

TOP = 15
"""Operators that are shown."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command did: ``seconds`` by phase as they go into ``run.json``, ``total`` among them.

    ``masks`` are counted by prompt, ``answers`` the rows of all; ``facts`` are the model's own.
    ``recordings`` are the processes' and ``names`` what they are called.
    """

    title: str
    images: int
    masks: Mapping[str, int]
    answers: int
    seconds: Mapping[str, float]
    device: str
    facts: Mapping[str, str]
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
    masks = sum(found.masks.values())
    each = ", ".join(f"{prompt} {count:,}" for prompt, count in found.masks.items())
    return "\n".join(
        [
            f"# Profile: {found.title}",
            "",
            f"{found.images:,} images ({found.images / found.wall:.2f}/s), {masks:,} masks "
            f"({masks / found.wall:.1f}/s; {each}), {found.answers:,} answers, in "
            f"{found.wall:.1f} s on {found.device}, loading included.",
            "",
            found.sentence,
            "",
            *_phases(found),
            *_threads(found),
            *_operators(found),
            *_memory(found),
            *_trace(found),
            "## Made with",
            "",
            *(f"- {name}: {said}" for name, said in {**found.facts, **found.versions}.items()),
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
            "wait", f"{seconds:.2f}", "", f"{seconds / found.wall:.2f}", f"{calls.get('wait', 0):,}"
        )
    yield ""
    yield (
        "`wait` is no work: the thread that hands out images waits for those that read and score. "
        f"Watching torch's operators took {profiled:.2f} s of the threads on top. On CUDA a "
        "phase's seconds are those of the thread that asks; what it asked for earlier may end in a "
        "later phase."
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
        yield f"No operator was watched: the first {WARM_UP} images of a process are its warm-up."
        yield ""
        return
    cuda = any(each.device_seconds for each in spent.values())
    total = sum(each.seconds for each in spent.values()) or 1.0
    yield f"## torch's operators in {', '.join(watched)}"
    yield ""
    yield from _head("operator", "ms", "share", "calls", *(["ms on CUDA"] if cuda else []))
    longest = sorted(spent.items(), key=lambda item: -max(item[1].seconds, item[1].device_seconds))
    for name, each in longest[:TOP]:
        yield _line(
            f"`{name}`",
            f"{1000 * each.seconds:.1f}",
            f"{each.seconds / total:.1%}",
            f"{each.calls:,}",
            *([f"{1000 * each.device_seconds:.1f}"] if cuda else []),
        )
    yield ""
    yield (
        f"At most {IMAGES} images of each process, after its first {WARM_UP}, and no more once "
        f"their prompts have taken {LONGEST:.0f} s. Each operator's own time, without those that "
        "it calls. Watching slows these images down, which is in the tables above."
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
    yield "Open `trace.json` beside this page in https://ui.perfetto.dev or chrome://tracing."
    if dropped:
        yield (
            f"It holds the first {kept:,} phases; {dropped:,} later ones found no room there, but "
            "are in the tables."
        )
    yield ""


def _head(*names: str, left: int = 1) -> Iterator[str]:
    yield _line(*names)
    yield _line(*("---" if i < left else "---:" for i in range(len(names))))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
