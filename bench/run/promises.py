"""What a run relies on in its task, looked over before the work, and of the rows as they come.

A task may be a user's own. What it gets wrong is said in one line, and before the work where it
can be known before.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping

from bench.config.component import check_keeps
from bench.config.run_key import Question
from bench.store.schema import schema_of
from bench.tasks.contract import Scored, Task, Way
from bench.types import BenchError, Measure, Row, Step


def check_task(task: Task, ways: Mapping[str, Way], question: Question) -> None:
    """Raises ``BenchError`` for rows, measures or steps that can't become tables."""
    name = question.task.name
    if not (inspect.isclass(task.row) and issubclass(task.row, Row)):
        raise BenchError(f"{name}: row must be a class of bench.types.Row, found {task.row!r}")
    try:
        schema_of(task.row)
    except (TypeError, NameError) as error:
        raise BenchError(f"{name}: {task.row.__name__}: {error}") from error
    measures = list(task.measures)
    if not measures or not all(isinstance(each, Measure) for each in measures):
        raise BenchError(f"{name}: measures must be one bench.types.Measure or more")
    if not ways:
        raise BenchError(f"{name}: it asks for no run (ways is empty)")
    for way_name, way in ways.items():
        _check_way(way_name, way)
        if way_name not in question.prompts:
            raise BenchError(
                f"{name}: the question must say what {way_name!r} is, a run that ways names; "
                f"its prompts are {', '.join(question.prompts) or 'none'}"
            )


def _check_way(name: str, way: Way) -> None:
    check_keeps(way, Way, name)
    if not isinstance(way.steps, int) or way.steps < 1:
        raise BenchError(f"{name}: steps must be a whole number from 1, found {way.steps!r}")
    if not isinstance(way.report_steps, Mapping) or not way.report_steps:
        raise BenchError(f"{name}: report_steps must name a step or more, {{1: Step(…)}}")
    for step, what in way.report_steps.items():
        if not isinstance(step, int) or not 1 <= step <= way.steps:
            raise BenchError(
                f"{name}: report_steps names step {step!r}, there are steps 1 to {way.steps}"
            )
        if not isinstance(what, Step):
            raise BenchError(
                f"{name}: report_steps says {what!r} of step {step}, expected a bench.types.Step"
            )


def check_rows(task: Task, steps: Mapping[str, int], question: Question, image: Scored) -> None:
    """Raises ``BenchError`` for rows that aren't the runs' own: other names, steps or columns.

    ``steps`` are those of the runs that lack the image, by name. A run that the task has a fault to
    tell of has no rows.
    """
    name = question.task.name
    if set(image.rows) != (owed := set(steps) - set(image.faults)):
        raise BenchError(
            f"{name}: image {image.image_id} lacks rows of {', '.join(sorted(owed)) or 'no run'}, "
            f"the task gives some of {', '.join(image.rows) or 'no run'}"
        )
    leads = task.measures[0].name
    for prompt, rows in image.rows.items():
        said = {
            "dataset": question.dataset.name,
            "image_id": image.image_id,
            "model": question.model.name,
            "prompt": prompt,
            "protocol": question.protocol.name,
        }
        for row in rows:
            where = f"{name}: a row of image {image.image_id}"
            if not isinstance(row, task.row):
                raise BenchError(f"{where} is a {type(row).__name__}, not a {task.row.__name__}")
            for field, expected in said.items():
                if (found := getattr(row, field)) != expected:
                    raise BenchError(f"{where} says {field} {found!r}, its run {expected!r}")
            if not 1 <= row.step <= steps[prompt]:
                raise BenchError(f"{where} is of step {row.step!r}; {prompt} has {steps[prompt]}")
            value = row.metrics.get(leads, getattr(row, leads, ...))
            if value is ...:
                raise BenchError(f"{where} has no {leads!r}, which leads the task's measures")
            if value is not None and math.isinf(value):
                raise BenchError(f"{where} has {leads} {value}; give none where it doesn't apply")
        if len({(row.mask_id, row.step) for row in rows}) < len(rows):
            raise BenchError(f"{name}: an item of image {image.image_id} has two rows of one step")
