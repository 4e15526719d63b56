import math
from dataclasses import dataclass
from typing import Annotated

import pytest

from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.config.run_key import run_name
from bench.scoring.metrics import metric
from bench.store.runs import ImageError, RunStore
from bench.types import BenchError, Measure, Row, Step

ROWS = {"images": 4}


def test_takes_the_reported_steps_only(bench):
    selection = select([bench.run(**ROWS), bench.run(prompt="box", **ROWS)])
    assert selection.labels == ("1 point", "2 points", "3 points", "5 points", "9 points", "box")
    masks = sum(len(sample.targets) for sample in bench.samples.values())
    assert selection.rows.groupby("label").size().tolist() == [masks] * 6
    reached = selection.rows[~selection.rows["carried"]]
    assert set(reached.loc[reached["label"] == "5 points", "step"]) == {5}


def test_predicted_iou_is_that_of_the_selected_candidate(bench):
    from bench.store.runs import read_runs

    store = bench.run(prompt="point_1", **ROWS)
    raw = read_runs([store])
    expected = [scores[i] for scores, i in zip(raw["predicted_ious"], raw["selected"], strict=True)]
    assert select([store]).rows["predicted_iou"].tolist() == pytest.approx(expected)


def test_a_mask_without_a_predicted_iou_has_none(bench, row):
    rows = [
        row(mask_id="a", predicted_ious=[0.25, 0.5], selected=1),
        row(mask_id="b", predicted_ious=[], selected=0),
        row(mask_id="c", predicted_ious=[0.75], selected=0),
    ]
    selection = select([bench.run(prompt="point_1", rows=rows)])
    assert selection.rows["predicted_iou"].tolist()[::2] == [0.5, 0.75]
    assert math.isnan(selection.rows["predicted_iou"][1])


def test_a_mask_that_needs_no_more_clicks_keeps_its_last_score(bench, row):
    rows = [row(mask_id="a", step=1, iou=1.0), row(mask_id="b", step=1, iou=0.4)]
    rows += [row(mask_id="b", step=step, iou=0.4 + step / 10) for step in (2, 3)]
    selection = select([bench.run(prompt="point_3", rows=rows)])
    assert selection.rows.set_index("mask_id")["iou"].to_dict() == {"a": 1.0, "b": 0.7}
    assert selection.rows["carried"].tolist() == [True, False]
    assert any("50.0 % of the scores are carried over" in note for note in selection.notes)


def test_refuses_a_label_that_no_row_reached(bench, row):
    store = bench.run(prompt="point_3", rows=[row(step=1), row(mask_id="b", step=1)])
    with pytest.raises(BenchError, match="no row at step 3"):
        select([store])


def test_refuses_an_unfinished_run_unless_allowed(bench, row):
    rows = [row(image_id=f"i{number}") for number in range(12)]
    store = bench.run(prompt="point_1", rows=rows, status="partial", images=20)
    with pytest.raises(BenchError, match=r"unfinished run \(12 of 20 images\)"):
        select([store])
    selection = select([store], allow_partial=True)
    assert "shapes · sam_b · point_1 is partial: 12 of 20 images." in selection.notes
    again = bench.run(prompt="box", status="running", images=20, images_done=12)
    several = select([store, again], allow_partial=True)
    said = "shapes · sam_b · box, point_1 are partial: 12 of 20 images."
    assert [note for note in several.notes if "partial" in note] == [said]


def test_refuses_a_run_without_a_header_and_one_without_a_row(bench, row):
    bare = bench.run(rows=[row()], prompt="box")
    (bare.folder / "run.json").unlink()
    with pytest.raises(BenchError, match=r"unfinished run \(\? of \? images\)"):
        select([bare])
    assert select([bare], allow_partial=True).labels == ("point_1",)
    with pytest.raises(BenchError, match="no mask is scored"):
        select([bench.run(rows=[])])
    broken = bench.run(rows=[], prompt="point_3")
    broken.write_errors([ImageError("i7", "a.png: its size"), ImageError("i9", "b.png: too")])
    with pytest.raises(BenchError, match=r"2 images failed, image i7 with: a\.png: its size$"):
        select([broken])
    broken.write_errors([ImageError("i9", "b.png: too")])
    with pytest.raises(BenchError, match=r"; 1 image failed, image i9 with: b\.png: too$"):
        select([broken])
    with pytest.raises(BenchError, match="no run"):
        select([])


def test_runs_without_a_row_are_left_out_of_several_and_a_note_says_so(bench, row):
    whole = bench.run(prompt="point_1", rows=[row(mask_id="a")])
    refused, failed, without = (bench.run(model=name, prompt="box", images=1) for name in "xyz")
    for store, header in (
        (refused, {"status": "partial", "images_done": 0, "masks": 0}),
        (failed, {"images_done": 0, "masks": 0, "images_failed": 2}),
        (without, {"images_done": 1, "masks": 0}),
    ):
        store.write_header(store.header() | header)
        for part in store.parts():
            part.unlink()
    without.write_part([], ["a picture of nothing"])
    selection = select([refused, whole, failed, without])
    assert list(selection.stores) == [whole.folder.name]
    assert selection.notes[:3] == (
        f"{refused.folder.name} is left out: none of its images is done.",
        f"{failed.folder.name} is left out: none of its images is done, 2 images could not be "
        "scored.",
        f"{without.folder.name} is left out: its images have no mask to score.",
    )
    assert selection.notes[0] in miou_table(selection).caption
    with pytest.raises(BenchError, match=r"unfinished run \(0 of"):
        select([refused])


def test_a_run_whose_rows_are_lost_is_no_run_without_a_row(bench):
    whole, lost = (bench.run(model=name, prompt="box", images=1) for name in "xy")
    for part in lost.parts():
        part.unlink()
    with pytest.raises(BenchError, match=r"run\.json says 1 images .* the parts hold 0 and 0"):
        select([whole, lost])


def test_prompts_that_share_a_step_are_told_apart(bench):
    stores = [bench.run(prompt=prompt, **ROWS) for prompt in ("points", "point_1", "point_3")]
    selection = select(stores)
    assert selection.labels == (
        "1 point", "1 point (points)", "2 points", "3 points", "3 points (points)", "5 points",
        "9 points",
    )  # fmt: skip
    of = selection.rows.groupby("label", observed=True)["prompt"].unique().map(list).to_dict()
    assert of["1 point"] == ["point_1"], "the prompt that ends with the step keeps its label"
    assert of["3 points"] == ["point_3"]
    assert of["1 point (points)"] == of["3 points (points)"] == ["points"]
    assert selection.steps["1 point"] == Step(1)
    lines = miou_table(selection).lines
    assert lines["prompt"].tolist() == list(selection.labels)
    assert select(stores[:1]).labels == ("1 point", "2 points", "3 points", "5 points", "9 points")


def test_prompts_that_end_with_the_same_step_both_bear_their_names(bench, row):
    stores = []
    for prompt in ("center", "random"):
        store = bench.run(prompt="point_1", key=prompt, rows=[row(prompt=prompt)])
        store.write_header(store.header() | {"prompt": {"name": prompt, "version": 1, "args": {}}})
        stores.append(store)
    assert select(stores).labels == ("1 point (center)", "1 point (random)")


def test_refuses_the_same_line_from_two_runs(bench):
    one, two = bench.run(**ROWS), bench.run(key="other", **ROWS)
    with pytest.raises(BenchError, match="with 1 point ") as refusal:
        select([one, two])
    assert str(one.folder) in str(refusal.value)
    assert str(two.folder) in str(refusal.value)


def test_the_same_run_given_twice_counts_once(bench, row):
    store = bench.run(prompt="point_1", rows=[row()])
    assert len(select([store, store]).rows) == 1


def test_another_protocol_is_another_line(bench, row):
    stores = [
        bench.run(prompt="point_1", protocol=name, rows=[row(protocol=name)])
        for name in ("sam", "sam2")
    ]
    assert sorted(select(stores).rows["protocol"]) == ["sam", "sam2"]


def test_one_number_for_all_masks_is_no_estimate(bench, row):
    """GrabCut says 0.5 of each mask: it was shown, sorted by, and called overrated."""
    same = [row(image_id=i, predicted_ious=[0.5]) for i in "abc"]
    each = {"a": 0.5, "b": 0.5, "c": 0.75}
    other = [row(model="b", image_id=i, predicted_ious=[p]) for i, p in each.items()]
    stores = [
        bench.run(prompt="point_1", rows=same),
        bench.run(model="b", prompt="point_1", rows=other),
    ]
    selection = select(stores)
    names = [store.folder.name for store in stores]
    assert [selection.has_estimates(name) for name in names] == [False, True]
    told = selection.rows.set_index(["run", "image_id"])["predicted_iou"]
    assert told[names[0]].isna().all()
    assert told[names[1]].tolist() == [0.5, 0.5, 0.75]


def test_versions_of_one_dataset_are_named(bench):
    stores = [bench.run("beans", model, "box", images=3) for model in ("z", "a")]
    assert select(stores).notes == ()
    header = stores[0].header()
    stores[0].write_header(header | {"dataset": header["dataset"] | {"version": "2"}})
    assert select(stores).notes == ("beans: runs on versions 1, 2 of it stand together.",)


def test_refuses_different_data_under_one_name_unless_allowed(bench, row):
    stores = [
        bench.run(model=m, prompt="point_1", rows=[row(model=m)], dataset_fingerprint=f"data-{m}")
        for m in ("a", "b")
    ]
    with pytest.raises(BenchError, match=r"saw data of fingerprint data-a.* of data-b"):
        select(stores)
    notes = select(stores, allow_partial=True).notes
    assert "The runs on shapes saw different data (fingerprints data-a, data-b)." in notes


def test_notes_what_failed_and_what_was_skipped(bench):
    skipped = {"crowd": 3, "empty": 0, "min_area": 1}
    stores = [
        bench.run(model=m, images_failed=f, skipped=skipped, **ROWS)
        for m, f in (("a", 1), ("b", 0))
    ]
    assert select(stores).notes[:2] == (
        "shapes · a · points: 1 image could not be scored.",
        "Masks of shapes that the protocol leaves out: 3 crowd, 1 min area.",
    )


def test_a_title_that_two_models_share_is_not_shown(bench, row):
    stores = [
        bench.run(model=m, title="SAM", prompt="point_1", rows=[row(model=m)]) for m in ("a", "b")
    ]
    assert select(stores).titles("model") == {"a": "a", "b": "b"}
    assert select(stores[:1]).titles("model") == {"a": "SAM"}


def test_sparse_header_is_enough(bench, row):
    store = bench.run(prompt="point_1", rows=[row(boundary_iou=None)])
    store.write_header({"status": "complete"})
    assert select([store]).labels == ("point_1",)


def area_run(bench, row, model, *, mean="area_off", **measure):
    """A run whose rows hold a column of somebody's own."""
    said = Measure("area_off", mean, "area off", "pixels", **measure).plain()
    rows = [row(model=model, metrics={"area_off": 3.0})]
    return bench.run(model=model, prompt="point_1", rows=rows, metrics={"area_off": said})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"address": "mine.AREA"}, {"address": "theirs.AREA"}),
        ({"version": "1"}, {"version": "2"}),
        ({"better": "higher"}, {"better": "lower"}),
    ],
)
def test_one_column_is_not_two_metrics(bench, row, one, other):
    stores = [area_run(bench, row, m, **said) for m, said in (("a", one), ("b", other))]
    with pytest.raises(BenchError, match=r"under one name, area_off; report them apart") as caught:
        select(stores)
    assert "\n" not in str(caught.value)
    for store in stores:
        assert [m.name for m in select([store]).further] == ["area_off"]


def test_runs_of_an_earlier_release_stand_beside_later_ones(bench, row):
    stores = [area_run(bench, row, "a"), area_run(bench, row, "b", address="a.A", version="1")]
    assert all(names == {"area_off"} for names in select(stores).measured.values())


def test_two_metrics_of_one_mean_are_not_put_into_one_column(bench, row):
    store = area_run(bench, row, "a", mean="nsd_2")
    nsd = metric("nsd_2").measure
    rows = [row(model="b", metrics={"nsd_2": 0.5})]
    other = bench.run(model="b", prompt="point_1", rows=rows, metrics={"nsd_2": nsd.plain()})
    with pytest.raises(BenchError, match="under one name, nsd_2"):
        select([store, other])


def test_a_header_of_a_unit_that_this_release_does_not_know_is_read(bench, row):
    store = area_run(bench, row, "a")
    header = store.header()
    header["metrics"]["area_off"] |= {"unit": "furlong", "better": "worse"}
    store.write_header(header)
    (measure,) = select([store]).further
    assert (measure.unit, measure.shown(3.0)) == ("plain", "3.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Row):
    """A user's own row: of some images the number of beans is not known."""

    beans: Annotated[int | None, "int32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxed(Row):
    """A user's own row whose measure is called as that of masks is."""

    iou: float


BEANS = Measure("beans", "mean_beans", "beans", "plain", "lower", 2)


def own_run(results, values, row=Counted, measure=BEANS) -> RunStore:
    """A run of a user's task, an image for each value."""
    store = RunStore.create(results, run_name("tins", "eye", "look", "0" * 12))
    names = {"dataset": "tins", "model": "eye", "prompt": "look", "protocol": "sam", "step": 1}
    for number, value in enumerate(values):
        image = f"i{number}"
        made = row(**names, image_id=image, mask_id=image, **{measure.name: value})
        store.write_part([made], [image])
    parts = {kind: {"name": names[kind], "version": "1", "args": {}}
             for kind in ("dataset", "model", "prompt", "protocol")}  # fmt: skip
    steps = {"1": Step(name="a look").plain()}
    header = {"status": "complete", "measures": [measure.plain()], "report_steps": steps}
    store.write_header(parts | header | {"metrics": {}})
    return store


def test_a_tasks_measure_may_be_a_whole_number_and_not_apply(tmp_path):
    selection = select([own_run(tmp_path, [4, None, 1, 7])])
    assert selection.rows["beans"].tolist() == [4.0, 1.0, 7.0]
    assert selection.notes == (
        "tins-eye-look-000000000000: beans is over 3 of 4 rows; to the others it doesn't apply.",
    )
    table = miou_table(selection)
    (line,) = table.lines.to_dict("records")
    assert (line["mean_beans"], line["masks"], line["images"]) == (4.0, 3, 3)
    assert selection.notes[0] in table.caption
    whole = select([own_run(tmp_path / "whole", [4, 2])])
    assert (whole.rows["beans"].tolist(), whole.notes) == ([4.0, 2.0], ())


def test_a_measure_that_applies_to_nothing_is_one_line(tmp_path):
    with pytest.raises(BenchError, match="beans applies to none of its rows"):
        select([own_run(tmp_path, [None, None])])


def test_a_tasks_own_iou_is_not_told_as_that_of_masks(tmp_path):
    measure = Measure("iou", "mean_iou", "box IoU", definition="Of boxes.")
    table = miou_table(select([own_run(tmp_path, [0.25, 0.5], Boxed, measure)]))
    assert table.caption.startswith("box IoU: Of boxes.")
    assert "mIoU" not in table.caption
    assert table.lines["mean_iou"].tolist() == [0.375]


def test_runs_of_two_tasks_are_named_with_what_they_measure(bench, tmp_path):
    masks, beans = bench.run(prompt="point_1"), own_run(tmp_path, [4, 2])
    says = r"measures mIoU, tins-eye-look-0{12} beans: report the runs of each task by themselves"
    with pytest.raises(BenchError, match=says):
        select([masks, beans])
