"""What a user's own task gets wrong: one line, and before the work where it can be known before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from outside.task import Count, CountRow, Look

from bench.config.component import Component
from bench.config.run_key import Question
from bench.run.promises import check_rows, check_task
from bench.tasks.contract import Scored
from bench.types import BenchError, Measure, Row, Step

PART = Component("beans", "1", "x")
QUESTION = Question(
    task=replace(PART, name="count"),
    seed=0,
    model=replace(PART, name="pen"),
    dataset=PART,
    prompts={"look": replace(PART, name="look")},
    protocol=replace(PART, name="pens"),
)


@dataclass
class Steps:
    steps: Any = 2
    report_steps: Any = None


def task(**changed: Any) -> Count:
    """The task that counts, other than it should be."""
    return type("Other", (Count,), changed)()


def test_the_task_of_another_package_keeps_its_promises() -> None:
    check_task(Count(), {"look": Look()}, QUESTION)


@pytest.mark.parametrize(
    ("made", "ways", "says"),
    [
        (task(), {"look": Steps(2, {0: Step(1)})}, "report_steps names step 0, there are steps 1"),
        (task(), {"look": Steps(2, {3: Step(1)})}, "report_steps names step 3, there are steps 1"),
        (task(), {"look": Steps(2, {"1": Step(1)})}, "report_steps names step '1'"),
        (task(), {"look": Steps(2, {1: "a look"})}, "says 'a look' of step 1, expected a bench"),
        (task(), {"look": Steps(2, {})}, "must name a step or more"),
        (task(), {"look": Steps(0, {1: Step(1)})}, "steps must be a whole number from 1, found 0"),
        (task(), {"look": object()}, "builtins.object has no report_steps, steps, as a Way has"),
        (task(), {}, "asks for no run"),
        (task(), {"peep": Look()}, "must say what 'peep' is"),
        (task(measures=()), {"look": Look()}, "measures must be one"),
        (task(measures=("off",)), {"look": Look()}, "measures must be one"),
        (task(row=dict), {"look": Look()}, "row must be a class of bench.types.Row"),
    ],
)
def test_what_cannot_become_a_table_is_said_before_the_work(
    made: Count, ways: Any, says: str
) -> None:
    with pytest.raises(BenchError, match=says) as caught:
        check_task(made, ways, QUESTION)
    assert "\n" not in str(caught.value)


def test_a_field_that_no_column_holds_is_named_before_the_work() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Odd(Row):
        odd: complex

    with pytest.raises(BenchError, match=r"Odd.*no column holds the field 'odd'"):
        check_task(task(row=Odd), {"look": Look()}, QUESTION)


def counted(**changed: Any) -> CountRow:
    said = {"dataset": "beans", "image_id": "i", "mask_id": "i", "model": "pen", "prompt": "look"}
    said |= {"protocol": "pens", "step": 1, "truth": 3, "guess": 2.0, "off": 1.0}
    return CountRow(**(said | changed))


def looked(*rows: Row) -> Scored:
    return Scored("i", {"look": list(rows)})


@pytest.mark.parametrize(
    "image",
    [
        looked(counted()),
        looked(counted(off=None)),
        looked(counted(off=float("nan"))),
        looked(),
        looked(counted(), counted(mask_id="j")),
    ],
)
def test_rows_of_the_run_are_taken(image: Scored) -> None:
    check_rows(Count(), {"look": 1}, QUESTION, image)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (looked(counted(model="pencil")), "says model 'pencil', its run 'pen'"),
        (looked(counted(dataset="peas")), "says dataset 'peas', its run 'beans'"),
        (looked(counted(protocol="sam")), "says protocol 'sam', its run 'pens'"),
        (looked(counted(prompt="peep")), "says prompt 'peep', its run 'look'"),
        (looked(counted(image_id="j")), "says image_id 'j', its run 'i'"),
        (looked(counted(step=2)), "is of step 2; look has 1"),
        (looked(counted(step=0)), "is of step 0; look has 1"),
        (looked(counted(off=float("inf"))), "has off inf; give none where it doesn't apply"),
        (looked(counted(), counted()), "has two rows of one step"),
        (Scored("i", {}), "lacks rows of look, the task gives some of no run"),
        (Scored("i", {"look": [], "peep": []}), "lacks rows of look, the task gives some of look"),
    ],
)
def test_rows_that_are_not_the_runs_are_refused(image: Scored, says: str) -> None:
    with pytest.raises(BenchError, match=says) as caught:
        check_rows(Count(), {"look": 1}, QUESTION, image)
    assert "\n" not in str(caught.value)


def test_rows_of_another_class_or_without_what_leads_are_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Other(Row):
        pass

    names = {"dataset": "beans", "image_id": "i", "mask_id": "i", "model": "pen"}
    other = Other(**names, prompt="look", protocol="pens", step=1)
    with pytest.raises(BenchError, match="is a Other, not a CountRow"):
        check_rows(Count(), {"look": 1}, QUESTION, looked(other))
    measures = (Measure("seen", "seen", "seen"),)
    with pytest.raises(BenchError, match="has no 'seen', which leads the task's measures"):
        check_rows(task(measures=measures), {"look": 1}, QUESTION, looked(counted()))
