"""cgF1 held against a plain re-implementation of the published rule, and by hand."""

from __future__ import annotations

import concepts_fidelity
import numpy as np
import plain_concepts
import pytest
from drawn_concepts import draw

from bench.analysis.sections.concepts import NUMBERS, Tallies
from bench.protocol import Protocol
from bench.scoring.instances.concepts import Held, best, f1, held, presence

NOTHING = np.zeros((0, 0))


def one_held(ious: list[list[float]], inside: list[list[float]] | None = None) -> Held:
    matrix = np.array(ious, float)
    return held(matrix, np.zeros((len(matrix), 0)) if inside is None else np.array(inside))


@pytest.mark.parametrize("crowd", concepts_fidelity.CROWDS)
@pytest.mark.parametrize("seed", range(6))
def test_drawn_cases_give_the_plain_numbers(seed: int, crowd: str) -> None:
    drawn = draw(seed)
    ours = Tallies.of(concepts_fidelity.rows_of(drawn, crowd)).numbers()
    theirs = plain_concepts.cgf1(list(drawn.pairs), drawn.annotators, drawn.guesses, crowd)
    assert set(ours) == set(theirs) == set(NUMBERS)
    found = {name: one.mean for name, one in ours.items() if one is not None}
    assert found == {name: pytest.approx(theirs[name], abs=1e-9) for name in NUMBERS}


def test_the_drawn_cases_tell_every_rule_apart() -> None:
    """Crowds, annotators and negatives decide numbers in them."""
    seeds = range(6)
    told = {
        crowd: [
            (int(rows["targets"].sum()), int(np.sum(rows["wrong"].tolist())))
            for rows in (concepts_fidelity.rows_of(draw(seed), crowd) for seed in seeds)
        ]
        for crowd in concepts_fidelity.CROWDS
    }
    assert len(set(map(tuple, told.values()))) == 3
    for seed in seeds:
        drawn = draw(seed)
        alone = [
            plain_concepts.cgf1(list(drawn.pairs), [truth], drawn.guesses)["pmf1"]
            for truth in drawn.annotators
        ]
        together = plain_concepts.cgf1(list(drawn.pairs), drawn.annotators, drawn.guesses)["pmf1"]
        assert together not in alone
        rows = concepts_fidelity.rows_of(drawn, "skip")
        assert 0 < rows["present"].sum() < len(rows)


def test_the_largest_sum_of_ious_is_matched_not_the_largest_iou() -> None:
    one = one_held([[0.9, 0.8], [0.85, 0.0]])
    assert one.matched.tolist() == [2] * 7 + [1, 0, 0]
    assert one.wrong.tolist() == [0] * 7 + [1, 2, 2]
    assert (one.targets, one.detections, one.present) == (2, 2, True)


def test_what_lies_in_a_crowd_counts_for_nothing_where_crowds_are_ignored() -> None:
    one = one_held([[0.66], [0.0], [0.1]], [[0.9], [1.0], [0.49]])
    assert one.matched.tolist() == [1] * 4 + [0] * 6
    assert one.wrong.tolist() == [1] * 9 + [2], "at 0.95 the first is neither right nor inside"
    crowd_alone = held(np.zeros((1, 0)), np.array([[0.8]]))
    assert crowd_alone.present
    assert crowd_alone.wrong.tolist() == [0] * 7 + [1] * 3


def test_nothing_there_and_nothing_found_is_perfect_and_has_no_f1() -> None:
    nothing = held(NOTHING, NOTHING)
    assert (nothing.f1, nothing.present) == (None, False)
    false_alarm, lost = held(np.zeros((2, 0)), np.zeros((2, 0))), held(np.zeros((0, 1)), NOTHING)
    assert (false_alarm.f1, lost.f1) == (0.0, 0.0)
    half = one_held([[0.7], [0.0]])
    assert best([lost, false_alarm, half, half, nothing]) == 4
    assert best([lost, half, half]) == 1
    assert best([lost, false_alarm]) == 0


def test_f1_is_rounded_down_as_the_published_code_does() -> None:
    precision, recall = 3 / 4.0001, 3 / 5.0001
    assert f1(3, 1, 2) == pytest.approx(2 * precision * recall / (precision + recall + 1e-4))
    assert f1(0, 0, 0) == 0


def test_presence_is_matthews_correlation_and_nothing_of_one_kind_alone() -> None:
    tp, fn, fp, tn = 7, 2, 3, 11
    whole = [1] * (tp + fn) + [0] * (fp + tn), [1] * tp + [0] * fn + [1] * fp + [0] * tn
    assert presence(tp, fn, fp, tn) == pytest.approx(np.corrcoef(*whole)[0, 1], abs=1e-7)
    assert np.isnan([presence(0, 0, 3, 11), presence(7, 2, 0, 0)]).all()
    assert presence(0, 9, 0, 14) == 0


def test_a_crowd_rule_that_does_not_exist_is_named() -> None:
    with pytest.raises(
        Exception, match="unknown crowd rule 'drop'; there are ignore, include, skip"
    ):
        Protocol(crowd="drop")
