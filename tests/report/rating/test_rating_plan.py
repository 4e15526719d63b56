"""What is planned to be rated: the same targets of every source, the prompt that all were asked."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_runs import make_rows

from bench.report.rating.order import ordered, still_due, turns
from bench.report.rating.plan import TRUTH, Choices, plan
from bench.store.runs import read_runs
from bench.types import BenchError, Mask
from bench.types.rows.edges import EdgeRow

EVERY = Choices(masks=None, min_area=0)
SKILLS = {"zeta": 0.7, "alpha": 2.0}


def box_runs(bench, dataset="shapes", images=3, **more):
    return [
        bench.run(dataset, model, "box", images=images, seed=len(dataset), skill=skill,
                  title=f"The {model}", **more)
        for model, skill in SKILLS.items()
    ]  # fmt: skip


def decoded(target, rle):
    return Mask.from_rle({"size": [target.height, target.width], "counts": rle}).dense()


def test_every_mask_of_a_model_and_the_truth_is_rated(bench):
    stores = box_runs(bench)
    study = plan(stores, bench.read_sample, EVERY).study
    samples = {i: s for (_, i), s in bench.samples.items()}
    truths = {t.mask_id: t for s in samples.values() for t in s.targets}
    assert [(s.model, s.title) for s in study.sources] == [
        ("alpha", "The alpha"), ("zeta", "The zeta"), (TRUTH, "Ground truth"),
    ]  # fmt: skip
    assert {t.mask_id for t in study.targets} == set(truths)
    assert len(study.jobs) == 3 * len(truths)
    rows = read_runs(stores, ["model", "mask_rle", "box"])
    rows = rows.set_index(["model", "image_id", "mask_id"])
    for number, source, rle in study.jobs:
        target, model = study.targets[number], study.sources[source].model
        if model == TRUTH:
            expected = truths[target.mask_id].mask.dense()
        else:
            row = rows.loc[(model, target.image_id, target.mask_id)]
            expected = decoded(target, row["mask_rle"])
            assert list(row["box"]) == target.prompt["box"]
        assert np.array_equal(decoded(target, rle), expected)


def test_the_same_runs_give_the_same_plan_in_whatever_order(bench):
    stores = box_runs(bench)
    choices = Choices(masks=5, min_area=100, seed=4)
    first, second = (
        plan(each, bench.read_sample, choices).study for each in (stores, stores[::-1])
    )
    assert (first.sources, first.targets, first.jobs) == (
        second.sources, second.targets, second.jobs,
    )  # fmt: skip
    other = plan(stores, bench.read_sample, Choices(masks=5, min_area=100, seed=5)).study
    assert first.targets != other.targets
    assert len(first.targets) == len(other.targets) == 5


def test_what_is_left_out_is_counted(bench):
    stores = box_runs(bench, images=6)
    whole = plan(stores, bench.read_sample, EVERY).study.targets
    areas = {t.mask_id: t.mask.area for sample in bench.samples.values() for t in sample.targets}
    middle = int(np.median([areas[t.mask_id] for t in whole]))
    large = [t for t in whole if areas[t.mask_id] >= middle]
    found = plan(stores, bench.read_sample, Choices(masks=len(large) - 2, min_area=middle))
    assert {t.mask_id for t in found.study.targets} < {t.mask_id for t in large}
    assert found.left_out == {
        "not in every run": 0, f"below {middle} pixels": len(whole) - len(large),
        "beyond the number of masks": 2,
    }  # fmt: skip
    with pytest.raises(BenchError, match=r"no mask to rate: of \d+ in .*--min-area"):
        plan(stores, bench.read_sample, Choices(min_area=10**6))


def test_a_mask_that_a_run_lacks_is_rated_of_none(bench):
    stores = box_runs(bench, images=3)
    fewer = bench.run("shapes", "mid", "box", images=2, seed=6)
    found = plan([*stores, fewer], bench.read_sample, EVERY)
    assert {t.image_id for t in found.study.targets} == {"shapes_000", "shapes_001"}
    gone = bench.samples["shapes", "shapes_002"].targets
    assert found.left_out["not in every run"] == len(gone)


def changed(bench, source, model, **fields):
    """A run of another model with the rows of a run, some of their fields replaced."""
    rows = [
        replace(row, model=model, **fields)
        for sample in bench.samples.values()
        for row in make_rows(sample, "shapes", source, "point_1", "sam", 1.0, 6)
    ]
    return bench.run("shapes", model, "point_1", rows=rows)


def test_given_masks_stand_beside_every_prompt_of_their_data(bench):
    clicked = bench.run("shapes", "zeta", "points", images=3, seed=6)
    stores = [*box_runs(bench), clicked]
    given = changed(bench, "zeta", "given_ones", n_points=0, point_coords=[], point_labels=[])
    study = plan([*stores, given], bench.read_sample, EVERY).study
    assert [(s.asked, s.model) for s in study.sources] == [
        ("1 point", "given_ones"), ("1 point", "zeta"), ("1 point", TRUTH),
        ("box", "alpha"), ("box", "given_ones"), ("box", "zeta"), ("box", TRUTH),
    ]  # fmt: skip
    for target in study.targets:
        assert (target.prompt["box"] is not None) == (target.asked == "box")
        assert len(target.prompt["point_coords"]) == (target.asked == "1 point"), "the first step"
    alone = plan([given], bench.read_sample, EVERY).study
    assert {s.asked for s in alone.sources} == {"given masks"}
    assert all(not t.prompt["point_coords"] for t in alone.targets)


def test_runs_that_asked_otherwise_are_rated_apart(bench):
    clicked = bench.run("shapes", "zeta", "points", images=3, seed=6)
    other = changed(bench, "zeta", "other", point_coords=[[1.0, 2.0]])
    with pytest.raises(BenchError, match=r"were asked otherwise at mask .*: rate them apart"):
        plan([clicked, other], bench.read_sample, EVERY)
    smaller = changed(bench, "zeta", "zz_smaller", height=60)
    with pytest.raises(BenchError, match=r"saw other pictures at mask .*: rate them apart"):
        plan([clicked, smaller], bench.read_sample, EVERY)


def test_a_model_stands_once_and_the_truth_has_its_name_alone(bench):
    first = bench.run(prompt="box")
    again = bench.run(prompt="box", protocol="other")
    with pytest.raises(BenchError, match=r"model 'sam_b' stands twice on shapes, box .*: name"):
        plan([first, again], bench.read_sample, EVERY)
    with pytest.raises(BenchError, match="its model is called ground_truth"):
        plan([bench.run(model=TRUTH)], bench.read_sample, EVERY)


def test_runs_of_other_data_or_without_masks_are_refused(bench):
    first, second = box_runs(bench)
    header = second.header()
    header["dataset"]["version"] = 2
    second.write_header(header)
    with pytest.raises(BenchError, match="other versions or arguments: rate them apart"):
        plan([first, second], bench.read_sample, EVERY)
    with pytest.raises(BenchError, match=r"rows hold no masks .runtime\.keep_masks=false"):
        plan([bench.run(keep_masks=False, model="bare")], bench.read_sample, EVERY)
    ones = {name: [1] for name in ("matched", "predicted", "recalled", "truth")}
    edges = EdgeRow(
        dataset="shapes", image_id="i", mask_id="i", model="hed", prompt="given", protocol="sam",
        step=1, height=4, width=6, people=1, levels=[0.5], best_f=1.0, **ones,
    )  # fmt: skip
    with pytest.raises(BenchError, match="its rows are no masks; people rate masks"):
        plan([bench.run(model="hed", prompt="given", rows=[edges])], bench.read_sample, EVERY)


def test_data_that_changed_since_the_run_is_refused(bench):
    stores = box_runs(bench)
    moved = dict.fromkeys(bench.samples, bench.samples["shapes", "shapes_000"])
    bench.samples.update(moved)
    with pytest.raises(BenchError, match="the data has changed since the run"):
        plan(stores, bench.read_sample, EVERY)


@pytest.mark.parametrize(
    ("choice", "says"),
    [({"masks": 0}, "masks is at least 1, found 0"), ({"each": 0}, "each is at least 1"),
     ({"min_area": -1}, "min-area is at least 0"), ({"largest": 3}, "largest is at least 16")],
)  # fmt: skip
def test_a_choice_that_is_none_is_one_line(choice, says):
    with pytest.raises(BenchError, match=says):
        Choices(**choice)


def test_an_order_is_the_raters_own_and_hangs_on_nothing_else():
    orders = {name: ordered(range(200), 7, name) for name in ("ann", "bo", "a")}
    assert all(sorted(order) == list(range(200)) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 3
    fewer = ordered(range(100), 7, "ann")
    assert [job for job in orders["ann"] if job < 100] == fewer, "further jobs change no order"
    assert ordered(range(200), 8, "ann") != orders["ann"]


def test_turns_are_shared_out_and_who_joins_takes_only_what_is_not_rated():
    names = ["ann", "bo", "cleo"]
    before = turns(range(900), 1, names, 2)
    assert all(len(each) == 2 for each in before.values())
    shares = [sum(name in each for each in before.values()) for name in names]
    assert min(shares) > 500, "each has about two thirds"
    after = turns(range(900), 1, [*names, "dora"], 2)
    for job, each in after.items():
        assert each - {"dora"} <= before[job], "only the one who joins takes over"
    rated = dict.fromkeys(range(450), 2)
    due = still_due(after, "dora", rated, 2)
    assert due
    assert min(due) >= 450
