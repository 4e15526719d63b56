"""Oddities are counted by kind, and a reader that tells none has none."""

from bench.data.oddities import Oddity, Tally, oddities_of
from bench.data.readers.shapes import Shapes
from bench.types import Site


def test_kinds_are_counted_and_their_first_examples_kept():
    tally = Tally()
    for number in range(7):
        tally.add("left out", f"mask {number}")
    tally.add("left out", "mask 7", times=3)
    tally.add("never", "nowhere", times=0)
    tally.add("picture is missing", "a.jpg", breaks=True)
    assert tally.oddities() == [
        Oddity("picture is missing", 1, ("a.jpg",), breaks=True),
        Oddity("left out", 10, ("mask 0", "mask 1", "mask 2", "mask 3", "mask 4")),
    ]
    assert Tally().oddities() == []


def test_a_reader_without_the_method_has_none():
    assert list(oddities_of(Shapes(count=2, site=Site()))) == []
