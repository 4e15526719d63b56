"""The steps of several prompts, and the line of the table that is each one's."""

import pytest

from bench.analysis.comparing.prompts import asked_steps, line_of
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.types import Step


def test_the_line_of_a_step_is_that_of_its_own_rows(bench):
    prompts = {"points": (1, 3), "point_3": (3,)}
    series = [(d, m, p) for d in ("shapes", "leaves") for m in ("b", "a") for p in ("sam", "noc")]
    stores = [
        bench.run(dataset, model, prompt, protocol=protocol, images=1, shape=(40, 60),
                  skill=1 + number / 4,
                  report_steps={str(step): Step(step).plain() for step in steps})
        for number, (dataset, model, protocol) in enumerate(series)
        for prompt, steps in prompts.items()
    ]  # fmt: skip
    selection = select(stores)
    table, rows = miou_table(selection), selection.rows
    asked = asked_steps(selection)
    expected = {
        (*one, prompt, Step(step))
        for one in series
        for prompt in prompts
        for step in prompts[prompt]
    }
    assert len(asked) == len(expected)
    assert {(each.dataset, *each.series, each.prompt, each.step) for each in asked} == expected
    found = []
    for each in asked:
        identity = [each.dataset, *each.series, each.prompt, each.label]
        columns = ["dataset", "model", "protocol", "prompt", "label"]
        own = rows[(rows[columns].astype(str) == identity).all(axis=1)]
        line = line_of(each, table)
        assert line["miou"] == pytest.approx(own["iou"].mean()), identity
        assert line["masks"] == len(own)
        found.append((line["dataset"], line["model"], line["protocol"], line["prompt"]))
    assert len(set(found)) == len(asked), "each its own"
