"""Which jobs a rater has, and in which order: a pure function of the seed and of names.

Nothing hangs on who was there first, on the time or on the machine; whoever joins later changes no
one's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256


def rank(seed: int, *names: object) -> bytes:
    """A place drawn by lot: the same for the same names, as good as random for others."""
    return sha256("\0".join(map(str, (seed, *names))).encode()).digest()


def ordered(jobs: Iterable[int], seed: int, rater: str) -> list[int]:
    """The jobs in the random order of a rater.

    >>> ordered(range(6), 1, "ann"), ordered(range(6), 1, "bo")
    ([0, 1, 4, 5, 2, 3], [2, 1, 4, 3, 0, 5])
    """
    return sorted(jobs, key=lambda job: rank(seed, "order", rater, job))


def turns(
    jobs: Iterable[int], seed: int, raters: Sequence[str], each: int
) -> dict[int, frozenset[str]]:
    """Who is to rate each job: ``each`` of the raters, drawn by lot.

    A rater who joins takes over a share of the jobs; the others' turns stay.

    >>> [sorted(names) for names in turns(range(3), 0, ["ann", "bo"], 1).values()]
    [['bo'], ['ann'], ['ann']]
    """
    return {
        job: frozenset(sorted(raters, key=lambda name: rank(seed, "turn", name, job))[:each])
        for job in jobs
    }


def still_due(
    turn: Mapping[int, frozenset[str]], rater: str, ratings: Mapping[int, int], each: int
) -> set[int]:
    """The jobs that are a rater's turn and don't have ``each`` ratings yet (``ratings`` of each).

    >>> still_due({0: frozenset("a"), 1: frozenset("a"), 2: frozenset("b")}, "a", {1: 1}, 1)
    {0}
    """
    return {j for j, names in turn.items() if rater in names and ratings.get(j, 0) < each}
