"""How many small faults of meaning the tests catch: a seeded sample of mutations, each tried.

    python benchmarks/mutations.py --count 200 --jobs 2
    python benchmarks/mutations.py --only 3f2a9c01d4e7      # one again, by its name

The first time it runs `make test` under coverage to learn which tests run which lines, and keeps
that in `.mutations` (`--gather` does so again). A mutation is made in a copy of the tree and caught
where a test of its line fails, or the processor's time for it is up. Outcomes are kept as they come
in ``benchmarks/results/mutations.json``: the same command again tries what is new, what survived
before the tests changed, and what was caught by a test that has changed. What survives and need not
be caught stands in ``benchmarks/mutating/judged.json``, with a reason.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import result_files
from mutating.candidates import KINDS, Mutation, mutations_of, name_of
from mutating.lines import Lines, gather
from mutating.trial import Outcome, Trial, copy_tree

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / ".mutations"
JUDGED = Path(__file__).parent / "mutating" / "judged.json"
ROOMS = (
    "bench/prompts", "bench/scoring", "bench/analysis", "bench/report", "bench/data/readers",
    "bench/data/formats",
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """A mutation that need not be caught: its words, and why."""

    file: str
    place: str
    before: str
    after: str
    why: str
    again: int = 0

    @property
    def key(self) -> str:
        """That of the mutation."""
        return name_of(self.file, self.place, self.before, self.after, str(self.again))


def room_of(file: str) -> str:
    """The room that a file of the sample is in."""
    return next(room for room in ROOMS if file.startswith(f"{room}/"))


def drawn(every: Sequence[Mutation], count: int, seed: int) -> list[Mutation]:
    """A sample: as many per room as it has lines to mutate, of each kind in turn, one a line.

    A mutation's place in the draw hangs on its name alone, so that a change of the code moves no
    other.
    """

    def lot(one: Mutation) -> str:
        return name_of(str(seed), one.key)

    rooms = {room: [m for m in every if room_of(m.file) == room] for room in ROOMS}
    lines = {room: len({(m.file, m.line) for m in own}) for room, own in rooms.items()}
    total, found = sum(lines.values()), []
    shares = {room: count * own / total for room, own in lines.items()}
    quota = {room: int(share) for room, share in shares.items()}
    rest = count - sum(quota.values())
    for room in sorted(ROOMS, key=lambda one: quota[one] - shares[one])[:rest]:
        quota[room] += 1
    for room, own in rooms.items():
        piles = {k: sorted((m for m in own if m.kind == k), key=lot, reverse=True) for k in KINDS}
        taken: dict[tuple[str, int], Mutation] = {}
        while len(taken) < quota[room] and any(piles.values()):
            for pile in piles.values():
                while pile and (pile[-1].file, pile[-1].line) in taken:
                    pile.pop()
                if pile and len(taken) < quota[room]:
                    one = pile.pop()
                    taken[one.file, one.line] = one
        found += sorted(taken.values(), key=lambda m: (m.file, m.line))
    return found


def every_mutation(root: Path) -> list[Mutation]:
    """Those of all files of the rooms."""
    files = (file for room in ROOMS for file in sorted((root / room).rglob("*.py")))
    return [one for file in files for one in mutations_of(root, str(file.relative_to(root)))]


class Book:
    """The outcomes so far, by the mutation's name, on disk after each."""

    def __init__(self, name: str) -> None:
        self._name = name
        file = result_files.RESULTS / f"{name}.json"
        kept = json.loads(file.read_text())["mutations"] if file.is_file() else []
        names = Outcome.__dataclass_fields__
        self._outcomes = {
            one["key"]: Outcome(**{name: one[name] for name in names}) for one in kept
        }
        self._lock = threading.Lock()

    def get(self, mutation: Mutation) -> Outcome | None:
        """The outcome; none where it is not known."""
        return self._outcomes.get(mutation.key)

    def add(self, mutation: Mutation, outcome: Outcome) -> None:
        """Keeps one in memory."""
        with self._lock:
            self._outcomes[mutation.key] = outcome

    def write(
        self, every: Sequence[Mutation], sample: Sequence[Mutation], judged: Sequence[Judged],
        seed: int,
    ) -> str:  # fmt: skip
        """Writes the Markdown, which it returns, and the JSON of what is in the sample."""
        with self._lock:
            found = [(m, self._outcomes[m.key]) for m in sample if m.key in self._outcomes]
            text = report(every, sample, found, judged)
            result_files.write(
                self._name, text, seed=seed, drawn=len(sample),
                mutations=[
                    {"key": m.key, **_words(m), "line": m.line, "kind": m.kind, **asdict(outcome)}
                    for m, outcome in found
                ],
            )  # fmt: skip
        return text


def _words(mutation: Mutation) -> dict[str, Any]:
    names = ("file", "place", "before", "after", "again")
    return {name: getattr(mutation, name) for name in names}


def stale(
    every: Iterable[Mutation], found: Iterable[tuple[Mutation, Outcome]], judged: Sequence[Judged]
) -> list[str]:
    """What is judged without need: a line that is no longer there, or a fault that is caught."""
    there = {one.key for one in every}
    caught = {mutation.key: outcome.by for mutation, outcome in found if outcome.said == "caught"}
    gone = [f"{one.file}, `{one.before}`: no such line" for one in judged if one.key not in there]
    return gone + [
        f"{one.file}, `{one.before}`: caught by `{caught[one.key]}`"
        for one in judged
        if one.key in caught
    ]


def report(
    every: Sequence[Mutation],
    sample: Sequence[Mutation],
    found: Sequence[tuple[Mutation, Outcome]],
    judged: Sequence[Judged],
) -> str:
    """A table by room, another by kind, and each fault that no test noticed."""
    whys = {one.key: one.why for one in judged}
    columns = "possible | drawn | tried | caught | not caught | of which judged | caught, % |"
    rules = "|---|" + "---:|" * 7

    def line(name: str, chosen: Sequence[Mutation], possible: int) -> str:
        keys = {one.key for one in chosen}
        own = [(m, outcome) for m, outcome in found if m.key in keys]
        missed = [m for m, outcome in own if outcome.said != "caught"]
        caught = len(own) - len(missed)
        share = f"{100 * caught / len(own):.1f}" if own else "–"
        cells = (possible, len(chosen), len(own), caught, len(missed),
                 sum(m.key in whys for m in missed), share)  # fmt: skip
        return f"| {name} | " + " | ".join(map(str, cells)) + " |"

    rooms = [
        line(f"`{room}`", [m for m in sample if room_of(m.file) == room],
             sum(room_of(m.file) == room for m in every))
        for room in ROOMS
    ]  # fmt: skip
    kinds = [
        line(kind, [m for m in sample if m.kind == kind], sum(m.kind == kind for m in every))
        for kind in KINDS
    ]
    text = ["# Mutations", "", "Written by `benchmarks/mutations.py`; versions, the seed and every "
            "outcome: `mutations.json`.", "", f"| room | {columns}", rules, *rooms,
            line("all", sample, len(every)), "", f"| kind | {columns}", rules, *kinds,
            ""]  # fmt: skip
    missed = [(m, outcome) for m, outcome in found if outcome.said != "caught"]
    for head, own in (
        ("Not caught, not judged", [(m, o) for m, o in missed if m.key not in whys]),
        ("Not caught, judged", [(m, o) for m, o in missed if m.key in whys]),
    ):
        if own:
            text += [f"## {head}", ""]
        for mutation, outcome in own:
            where = f"{mutation.file}:{mutation.line}"
            note = " No test runs it." if outcome.said == "unreached" else ""
            why = f" {whys[mutation.key]}" if mutation.key in whys else ""
            text += [f"`{where}` ({mutation.key}){note}{why}", "", "```diff",
                     *(f"-{one}" for one in mutation.before.splitlines()),
                     *(f"+{one}" for one in mutation.after.splitlines()), "```", ""]  # fmt: skip
    if old := stale(every, found, judged):
        text += ["## Judged without need", "", *(f"- {one}" for one in old), ""]
    return "\n".join(text)


@contextmanager
def trials(count: int, budget: float) -> Iterator[list[Trial]]:
    """As many copies of the tree, each with its process."""
    with tempfile.TemporaryDirectory(prefix="mutations_") as work:
        made: list[Trial] = []
        try:
            for number in range(count):
                copy = Path(work, str(number))
                copy_tree(ROOT, copy)
                made.append(Trial(copy, Lines(KEPT, copy), budget))
            yield made
        finally:
            for trial in made:
                trial.close()


def try_all(
    sample: Sequence[Mutation], book: Book, crew: Sequence[Trial]
) -> Iterator[tuple[Mutation, Outcome]]:
    """The outcomes of what has none yet, or one that no longer holds, as they come.

    In the order of their names, so that a run that was ended has tried a fair part of each room.
    """
    free: SimpleQueue[Trial] = SimpleQueue()
    for trial in crew:
        free.put(trial)

    def attempt(mutation: Mutation) -> tuple[Mutation, Outcome] | None:
        trial, before = free.get(), book.get(mutation)
        try:
            if before is not None and before.proof == trial.proof(mutation, before.by):
                return None
            return mutation, trial.run(mutation, "" if before is None else before.by)
        finally:
            free.put(trial)

    pool = ThreadPoolExecutor(len(crew))
    try:
        ordered = sorted(sample, key=lambda one: one.key)
        for done in as_completed([pool.submit(attempt, one) for one in ordered]):
            if (found := done.result()) is not None:
                yield found
    finally:
        pool.shutdown(cancel_futures=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="of mutations, over all rooms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="mutations at the same time")
    parser.add_argument("--budget", type=float, default=120.0, help="seconds of tests for each")
    parser.add_argument("--gather", action="store_true", help="learn anew which tests run what")
    parser.add_argument("--tests", nargs="*", default=[], help="files to learn of (all)")
    parser.add_argument("--only", metavar="NAME", help="one mutation, without keeping its outcome")
    parser.add_argument("--name", default="mutations", help="of the files in benchmarks/results")
    chosen = parser.parse_args(arguments)
    if chosen.gather or not (KEPT / "tests.json").is_file():
        with tempfile.TemporaryDirectory(prefix="mutations_") as work:
            copy_tree(ROOT, Path(work, "tree"))
            gather(Path(work, "tree"), KEPT, ROOMS, chosen.jobs, chosen.tests)
    every = every_mutation(ROOT)
    if chosen.only:
        with trials(1, chosen.budget) as (trial,):
            one = next(m for m in every if m.key == chosen.only)
            sys.stdout.write(json.dumps(_words(one) | asdict(trial.run(one)), indent=1) + "\n")
        return 0
    judged = [Judged(**one) for one in json.loads(JUDGED.read_text())]
    sample, book = drawn(every, chosen.count, chosen.seed), Book(chosen.name)
    with trials(chosen.jobs, chosen.budget) as crew:
        for mutation, outcome in try_all(sample, book, crew):
            book.add(mutation, outcome)
            book.write(every, sample, judged, chosen.seed)
            said = f"{outcome.said} in {outcome.seconds} s {outcome.by}"
            sys.stderr.write(f"{mutation.key} {mutation.file}:{mutation.line} {said}\n")
    sys.stdout.write(book.write(every, sample, judged, chosen.seed))
    whys = {one.key for one in judged}
    outcomes = ((m, book.get(m)) for m in sample)
    return int(any(o is None or (o.said != "caught" and m.key not in whys) for m, o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
