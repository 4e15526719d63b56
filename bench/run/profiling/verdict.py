"""What waited for what, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.run.profiling.recording import PROFILE, Recording, Spent

MODEL = ("embed", "predict")
HOST = ("cache", "prompt", "score")
READ = ("read",)
WRITE = ("write",)
NO_WORK = ("wait", "total", PROFILE)
"""Phases that are no work of a run."""

BUSY = 0.8
"""Share of the time from which the threads of the model count as busy."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the time after starting and loading, in [0, 1].

    ``model`` (embed and predict) and ``host`` (cache, prompt and score) of the threads that ask the
    model, ``reading`` of those that read, ``writing`` of those that write. ``threads`` ask the
    model; ``ready`` are the seconds until a worker had it, in the mean.
    """

    model: float
    host: float
    reading: float
    writing: float
    threads: int
    ready: float = 0.0

    @property
    def idle(self) -> float:
        """Of the threads that ask the model."""
        return max(0.0, 1 - self.model - self.host)


def shares(recordings: Sequence[Recording], wall: float) -> Shares | None:
    """How busy the threads were during ``wall`` seconds; none where no model was asked."""
    asking, reading, writing = _Share(), _Share(), _Share()
    end_ns = max((recording.last_ns for recording in recordings), default=0)
    ready = []
    for recording in recordings:
        lanes = recording.lanes
        load = sum(spent.seconds for (_, name), spent in lanes.items() if name == "load")
        there = min(wall, (end_ns - recording.began_ns) / 1e9) - load
        ready.append(wall - there)
        for share, names in ((asking, (*MODEL, *HOST)), (reading, READ), (writing, WRITE)):
            share.add(lanes, names, there)
    if not asking.threads:
        return None
    return Shares(
        asking.of(MODEL), asking.of(HOST), reading.of(READ), writing.of(WRITE), asking.threads,
        sum(ready) / len(ready),
    )  # fmt: skip


class _Share:
    """Adds up, over processes, the threads that pass through some phases."""

    def __init__(self) -> None:
        self._there, self.threads = 0.0, 0
        self._seconds: dict[str, float] = {}

    def add(
        self, lanes: Mapping[tuple[str, str], Spent], names: Sequence[str], there: float
    ) -> None:
        """One process's, ``there`` for so many seconds but for what goes to the profile."""
        found = {thread for thread, name in lanes if name in names}
        lost = sum(s.seconds for (t, name), s in lanes.items() if t in found and name == PROFILE)
        self.threads += len(found)
        self._there += max(len(found) * there - lost, 1e-9)
        for (_, name), spent in lanes.items():
            if name in names:
                self._seconds[name] = self._seconds.get(name, 0.0) + spent.seconds

    def of(self, names: Sequence[str]) -> float:
        seconds = sum(self._seconds.get(name, 0.0) for name in names)
        return min(1.0, seconds / self._there) if self._there else 0.0


def verdict(found: Shares | None, workers: int, cores: int, cuda: bool) -> str:
    """The sentence; ``workers`` are those of each process, ``cores`` the machine's."""
    if found is None:
        return "No model was asked."
    return (
        f"{_held_up(found, workers, cores, cuda)} (Not counted: {found.ready:.1f} s until a model "
        "was there.)"
    )


def _held_up(found: Shares, workers: int, cores: int, cuda: bool) -> str:
    if found.model + found.host < BUSY:
        return _starved(found, workers, cores, cuda)
    if found.model >= found.host:
        return (
            f"The model is busy {found.model:.0%} of the time, prompts and scores take "
            f"{found.host:.0%}: {_more_threads(found, workers, cores, cuda)}."
        )
    return (
        f"The model waits for prompts and scores {found.host:.0%} of the time and is busy "
        f"{found.model:.0%}: {_more_threads(found, workers, cores, cuda)}."
    )


def _more_threads(found: Shares, workers: int, cores: int, cuda: bool) -> str:
    if cuda:
        if found.model >= BUSY:
            return "nothing to gain from more workers"
        return "a second process on the device may fill it: runtime.devices=[cuda:0,cuda:0]"
    if found.threads < cores:
        return f"{cores - found.threads} of {cores} cores are free: raise runtime.workers={workers}"
    if workers > 1:
        return "a process per core may gain a quarter with a small model: runtime.devices=all"
    return "nothing to gain from more workers"


def _starved(found: Shares, workers: int, cores: int, cuda: bool) -> str:
    waits = f"The model's threads wait {found.idle:.0%} of the time"
    if found.reading >= max(0.5, found.writing):
        more = (
            f"raise runtime.workers={workers}"
            if cuda or workers < cores
            else "all cores are taken, so smaller pictures or a faster disk"
        )
        return f"{waits}, for reading (its threads are busy {found.reading:.0%}): {more}."
    if found.writing >= 0.3:
        return (
            f"{waits}, for writing (busy {found.writing:.0%}): raise runtime.part_images, or give "
            "a faster disk with runtime.results."
        )
    return (
        f"{waits}, and neither reading ({found.reading:.0%}) nor writing ({found.writing:.0%}) "
        "keeps them: beginning and end weigh, where images are few."
    )
