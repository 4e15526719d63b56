"""The numbers of a difference against those of the rows."""

import pytest

from bench.analysis.comparing.differences import Side, difference
from bench.analysis.selection import select
from bench.store.runs import read_runs


def test_the_oracle_of_one_side_is_held_against_what_the_other_selected(bench):
    sides = [
        [
            bench.run(d, m, "point_1", images=3, skill=s, seed=seed)
            for d, seed in (("shapes", 0), ("leaves", 9))
        ]
        for m, s in (("a", 1.5), ("b", 1.0))
    ]
    found = difference(
        select([store for side in sides for store in side]),
        *(Side((model, "sam"), "1 point") for model in "ab"),
    )
    key = ["dataset", "image_id", "mask_id"]
    rows = [read_runs(side).set_index(key) for side in sides]
    expected = (rows[0]["iou_oracle"] - rows[1]["iou"]).groupby("dataset").mean()
    assert len(found.datasets) == 2
    for line in found.datasets.to_dict("records"):
        assert line["oracle_delta"] == pytest.approx(expected[line["dataset"]])
        assert line["oracle_delta"] > line["delta"]


def test_a_side_without_candidates_has_no_oracle(bench):
    selection = select([bench.run(model=m, prompt="box", images=3) for m in "ab"])
    found = difference(selection, Side(("a", "sam"), "box"), Side(("b", "sam"), "box"))
    assert found.datasets["oracle_delta"].isna().all()
