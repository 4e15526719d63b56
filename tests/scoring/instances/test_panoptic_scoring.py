"""Panoptic quality held against a plain re-implementation of panopticapi's rule, and by hand."""

from __future__ import annotations

import concepts_fidelity
import numpy as np
import pytest
from drawn_concepts import KINDS, draw_panoptic

from bench.analysis.sections.panoptic import numbers_of
from bench.scoring.instances.panoptic import Quality, Segment, qualities


@pytest.mark.parametrize("seed", range(15))
def test_drawn_pictures_give_the_plain_numbers(seed: int) -> None:
    assert concepts_fidelity.panoptic_off(seed) < 1e-12


def test_the_drawn_pictures_have_every_case() -> None:
    crowds = void = pairs = wrong = missed = 0
    for seed in range(15):
        for one in draw_panoptic(seed):
            crowds += sum(crowd for _, crowd in one.segments.values())
            void += int((one.truth == 0).sum())
            ranks = [
                {0: 0} | {own: rank for rank, own in enumerate(known, start=1)}
                for known in (one.segments, one.guesses)
            ]
            truth, guess = (
                np.vectorize(rank.__getitem__)(ids).astype(np.int32)
                for rank, ids in zip(ranks, (one.truth, one.predicted), strict=True)
            )
            segments = [Segment(*each) for each in one.segments.values()]
            found = qualities(truth, segments, guess, [Segment(n) for n in one.guesses.values()])
            pairs += sum(each.matched for each in found.values())
            wrong += sum(each.wrong for each in found.values())
            missed += sum(each.missed for each in found.values())
    assert min(crowds, void, pairs, wrong, missed) > 10


def line(*values: int) -> np.ndarray:
    return np.array([values], np.int32)


def test_void_is_no_part_of_a_prediction_and_one_in_void_counts_for_nothing() -> None:
    truth, guess = line(0, 0, 0, 1, 1, 1, 2), line(1, 1, 0, 1, 1, 0, 2)
    found = qualities(truth, [Segment("cat"), Segment("cat")], guess, [Segment("cat")] * 2)
    assert found == {"cat": Quality(2, 0, 0, pytest.approx(2 / 3 + 1))}
    found = qualities(line(0, 0, 1), [Segment("cat")], line(1, 1, 1), [Segment("dog")])
    assert found == {"cat": Quality(0, 0, 1)}, "two thirds of the dog lie in void"
    found = qualities(line(0, 1), [Segment("cat")], line(1, 1), [Segment("dog")])
    assert found["dog"] == Quality(0, 1, 0), "a half is not more than half"


def test_what_is_no_segment_is_no_void() -> None:
    truth, guess = line(2, 2, 2, 1), line(1, 1, 1, 2)
    found = qualities(truth, [Segment("sky")], guess, [Segment("dog"), Segment("sky")])
    assert found == {"sky": Quality(1, 0, 0, 1.0), "dog": Quality(0, 1, 0)}


def test_exactly_half_is_no_pair_and_a_crowd_takes_its_own_category_alone() -> None:
    found = qualities(line(1, 1, 1), [Segment("cat")], line(1, 1, 2), [Segment("cat")] * 2)
    assert found["cat"] == Quality(1, 1, 0, pytest.approx(2 / 3))
    found = qualities(
        line(1, 1, 2, 2), [Segment("a"), Segment("b")], line(1, 1, 1, 1), [Segment("a")]
    )
    assert found == {"a": Quality(0, 1, 1), "b": Quality(0, 0, 1)}, "an IoU of exactly 0.5"
    crowd, guesses = [Segment("cat", crowd=True)], [Segment("cat"), Segment("dog")]
    assert qualities(line(1, 1, 1, 1), crowd, line(1, 1, 2, 2), guesses) == {
        "dog": Quality(0, 1, 0)
    }


def test_categories_weigh_the_same_and_those_of_nothing_are_left_out() -> None:
    totals = np.array([[4, 0, 0, 3.2], [1, 2, 3, 0.6], [0, 0, 0, 0], [0, 3, 0, 0]])
    found = numbers_of(totals, np.array(["thing", "stuff", "stuff", "thing"]))
    assert found == {
        "pq": pytest.approx((0.8 + 0.6 / 3.5) / 3),
        "sq": pytest.approx((0.8 + 0.6) / 3),
        "rq": pytest.approx((1 + 1 / 3.5) / 3),
        "pq_things": pytest.approx(0.4),
        "sq_things": pytest.approx(0.4),
        "rq_things": pytest.approx(0.5),
        "pq_stuff": pytest.approx(0.6 / 3.5),
        "sq_stuff": pytest.approx(0.6),
        "rq_stuff": pytest.approx(1 / 3.5),
    }
    assert set(KINDS.values()) == {"thing", "stuff"}
    none = numbers_of(totals[:1], np.array(["thing"]))
    assert (none["pq_stuff"], none["pq"]) == (None, pytest.approx(0.8))
