"""Whole runs with recorded prompts: another run's give its rows, people's their own."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from whole_runs import configure, execute, rows_of, small_sam_config

from bench.analysis.comparing.prompts import prompts_section
from bench.analysis.selection import select
from bench.api import evaluate
from bench.prompts.recorded.strategy import Recorded
from bench.report.export import export_prompts
from bench.run.plan import Plan, make_plan
from bench.types import BenchError

RECORDED = "prompt=recorded"


def exact(plan: Plan) -> pd.DataFrame:
    """Every row but the prompt's name, exact to the bit, as text."""
    rows = rows_of(plan).drop(columns=["run", "prompt"], errors="ignore")
    plain = rows.map(lambda cell: json.dumps(np.asarray(cell).tolist(), default=str))
    return plain.sort_values(["image_id", "mask_id", "step"], ignore_index=True)


def replay(config: Callable[..., object], name: str, folder: Path, ending: str) -> None:
    first = execute(config(folder, f"prompt={name}"))  # type: ignore[operator]
    file = folder / f"{name}.{ending}"
    (run,) = first.work.runs.values()
    if ending == "csv":
        export_prompts(run.store, file)
    else:
        rows_of(first).drop(columns="attributes").to_parquet(file)
    said = f"prompts.recorded.args.file={file}"
    again = execute(config(folder, RECORDED, said, results="again"))  # type: ignore[operator]
    pd.testing.assert_frame_equal(exact(first), exact(again))
    (key,) = (each.key for each in again.work.runs.values())
    assert key != run.key


@pytest.mark.parametrize("name", ["points", "box", "box_and_points", "random_point_3"])
def test_the_prompts_of_a_run_give_its_rows_to_the_last_bit(
    coco_folder: Callable[..., Path], name: str
) -> None:
    replay(configure, name, coco_folder(), "csv")


def test_a_sam_whose_logits_are_fed_back_is_replayed_too(coco_folder: Callable[..., Path]) -> None:
    replay(small_sam_config, "box_and_points", coco_folder(images=3, masks=2), "parquet")


def table(folder: Path, *rows: str) -> str:
    file = folder / "clicks.csv"
    file.write_text("\n".join(["image,mask,step,x,y,label", *rows]) + "\n")
    return f"prompts.recorded.args.file={file}"


def test_masks_and_prompts_without_each_other_are_named_and_counted(
    coco_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = coco_folder(images=2, masks=2)
    said = table(folder, "0,1,1,4,5,1", "0,1,2,6,5,0", "1,3,1,3,3,1", "1,99,1,3,3,1", "7,5,1,1,1,1")
    with caplog.at_level(logging.WARNING):
        plan = execute(configure(folder, RECORDED, said))
    assert "prompt recorded: 2 of 4 masks of coco have no recorded prompt and get no row: 2, 4" in (
        caplog.text
    )
    assert (
        "prompt recorded: 2 recorded masks are none of coco: 99 (row 4), 5 (row 5)" in caplog.text
    )
    rows = rows_of(plan)
    assert [*zip(rows["mask_id"], rows["step"], rows["n_points"], strict=True)] == [
        ("1", 1, 1), ("1", 2, 2), ("3", 1, 1), ("3", 2, 1),
    ]  # fmt: skip
    (run,) = plan.work.runs.values()
    assert run.store.header()["notes"] == [
        "recorded asks what clicks.csv tells.",
        "recorded: 2 of 4 masks have no recorded prompt and are left out.",
    ]


def test_a_run_beside_a_recorded_one_has_all_its_masks(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(images=1, masks=2)
    said = table(folder, "0,1,1,4,5,1")
    plan = execute(configure(folder, "prompt=[point_1,recorded]", said))
    rows = rows_of(plan)
    assert {name: set(some["mask_id"]) for name, some in rows.groupby("prompt")} == {
        "point_1": {"1", "2"},
        "recorded": {"1"},
    }


def test_what_does_not_fit_is_said_before_the_model_is_loaded(
    coco_folder: Callable[..., Path],
) -> None:
    folder = coco_folder(images=1, masks=2)
    with pytest.raises(BenchError, match=r"row 1: mask 1: point \(70, 5\) lies outside .* 64×48"):
        make_plan(configure(folder, RECORDED, table(folder, "0,1,1,70,5,1")))
    with pytest.raises(
        BenchError, match=r"none of the 2 masks of coco has a recorded prompt, .* 1;"
    ):
        make_plan(configure(folder, RECORDED, table(folder, "0,9,1,7,5,1")))
    alone = folder / "alone.csv"
    alone.write_text("image,step,x,y,label\n0,1,3,3,1\n")
    with pytest.raises(BenchError, match="names image 0 and no mask, and the image has 2 masks"):
        make_plan(configure(folder, RECORDED, f"prompts.recorded.args.file={alone}"))


def test_the_key_knows_the_content_and_not_the_name(tmp_path: Path) -> None:
    for name, x in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / f"{name}.csv").write_text(f"mask,step,x,y,label\nm,1,{x},3,1\n")
    pinned = [Recorded.pin({"file": str(tmp_path / f"{name}.csv")}) for name in "abc"]
    assert pinned[0] == pinned[1] != pinned[2]
    folders = []
    for x in (1, 2):
        folder = tmp_path / str(x)
        folder.mkdir()
        (folder / "clicks.csv").write_text(f"mask,x,y,label\nm,{x},3,1\n")
        folders.append(Recorded.pin({"file": str(folder), "pick": 2}))
    assert folders[0] != folders[1]
    assert folders[0]["pick"] == 2


@pytest.mark.long
def test_real_clicks_are_compared_with_simulated_ones(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data, lines = tmp_path / "ritm/GrabCut", ["dataset,full_stem,click_type,x,y,w,h"]
    for folder in ("data_GT", "boundary_GT"):
        (data / folder).mkdir(parents=True)
    for number in range(3):
        mask = np.zeros((40, 60), dtype=np.uint8)
        mask[8 : 25 + number, 10:40] = 255
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(
            data / f"data_GT/{number}.png"
        )
        Image.fromarray(mask).save(data / f"boundary_GT/{number}.bmp")
        lines.append(f"GrabCut,{number},first,{14 + number},12,60,40")
    (tmp_path / "clicks.csv").write_text("\n".join(lines) + "\n")
    done = evaluate(
        "experiment=real_clicks",
        f"prompts.recorded.args.file={tmp_path / 'clicks.csv'}",
        "prompts.recorded.args.part=GrabCut",
        "dataset.about.expected.images=null",
        f"runtime.datasets={tmp_path}",
        model="disk",
        dataset="grabcut",
        prompt=["points", "recorded"],
        results=tmp_path / "results",
    )
    page = tmp_path / "results/reports/real"
    done.report(page, datasets=tmp_path)
    assert set(done.table["prompt"]) >= {"1 point", "1 point (recorded)", "9 points"}
    (line,) = pd.read_csv(page / "prompts.csv").to_dict("records")
    means = done.table.set_index("prompt")["miou"]
    assert (line["a"], line["b"], line["step"]) == ("points", "recorded", "1 point")
    assert (line["masks"], line["images"]) == (3, 3)
    assert line["miou_a"] == pytest.approx(means["1 point"])
    assert line["miou_b"] == pytest.approx(means["1 point (recorded)"])
    assert line["delta"] == pytest.approx(line["miou_a"] - line["miou_b"])
    assert (page / "figures/prompts.svg").is_file()


def test_two_prompts_of_one_step_are_compared_on_the_masks_that_both_have(
    coco_folder: Callable[..., Path],
) -> None:
    folder = coco_folder(images=3, masks=3)
    rows = [f"{image},{3 * image + mask},1,{9 + mask},{7 + image},1"
            for image in range(3) for mask in (1, 2) if (image, mask) != (1, 2)]  # fmt: skip
    plan = execute(configure(folder, "prompt=[points,recorded]", table(folder, *rows)))
    found = rows_of(plan)
    section = prompts_section(select([run.store for run in plan.work.runs.values()]))
    assert section is not None
    line = section.lines[section.lines["step"] == "1 point"].iloc[0]
    first = found[found["step"] == 1].pivot(index="mask_id", columns="prompt", values="iou")
    both = first.dropna()
    assert (line["masks"], len(first)) == (len(both), 9) == (5, 9)
    assert line["miou_a"] == pytest.approx(both[line["a"]].mean())
    assert line["miou_b"] == pytest.approx(both[line["b"]].mean())
    assert line["miou_a"] != pytest.approx(first[line["a"]].mean())
    assert line["delta"] == pytest.approx(line["miou_a"] - line["miou_b"])


def test_recorded_clicks_are_called_so_in_every_table(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(images=3, masks=1)
    said = table(
        folder, *(f"{i},{i + 1},{step},{4 + step},5,1" for i in range(3) for step in (1, 2))
    )
    alone = execute(configure(folder, RECORDED, said))
    selection = select([run.store for run in alone.work.runs.values()])
    assert set(selection.labels) == {"1 point (recorded)", "2 points (recorded)"}
    assert all(selection.steps[label].only_clicks for label in selection.labels), "a curve"


def test_a_renamed_record_is_called_by_its_name_everywhere(
    coco_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = coco_folder(images=2, masks=2)
    said = table(folder, "0,1,1,4,5,1", "0,2,1,6,5,1", "1,3,1,3,3,1")
    ann = "prompts.recorded.name=ann"
    with caplog.at_level(logging.WARNING):
        plan = execute(configure(folder, "prompt=[points,recorded]", said, ann))
    assert "prompt ann: 1 of 4 masks of coco have no recorded prompt" in caplog.text
    stores = [run.store for run in plan.work.runs.values()]
    assert {note for store in stores for note in store.header()["notes"]} == {
        "ann asks what clicks.csv tells.",
        "ann: 1 of 4 masks have no recorded prompt and are left out.",
    }
    section = prompts_section(select(stores))
    assert section is not None
    assert list(section.lines["b"]) == ["points"]
    assert list(section.lines["a"]) == ["ann"]


def test_a_file_that_names_a_mask_in_another_image_is_refused(
    coco_folder: Callable[..., Path],
) -> None:
    folder = coco_folder(images=2, masks=2)
    said = table(folder, "0,1,1,4,5,1", "0,3,1,3,3,1")
    words = r"row 2: mask 3 is of image 1, the file says 0"
    with pytest.raises(BenchError, match=words):
        make_plan(configure(folder, RECORDED, said))


def test_people_are_told_apart_and_other_columns_are_said(
    coco_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = coco_folder(images=1, masks=2)
    file = folder / "clicks.csv"
    rows = ["1,ann,4,5,1,9", "1,bea,6,7,1,9", "2,ann,8,9,1,9", "2,bea,5,4,1,9"]
    file.write_text("\n".join(["mask,person,x,y,label,seconds", *rows]) + "\n")
    places = {}
    for pick in (1, 2):
        said = [f"prompts.recorded.args.file={file}", f"prompts.recorded.args.pick={pick}"]
        with caplog.at_level(logging.WARNING):
            plan = execute(configure(folder, RECORDED, *said, results=f"of{pick}"))
        found = rows_of(plan)
        places[pick] = {
            m: p[0].tolist() for m, p in zip(found["mask_id"], found["point_coords"], strict=True)
        }
    assert places == {1: {"1": [4, 5], "2": [8, 9]}, 2: {"1": [6, 7], "2": [5, 4]}}
    assert f"{file}: not read: seconds" in caplog.text


@pytest.mark.parametrize(
    ("x", "inside"), [(-0.5, True), (-0.6, False), (63.4, True), (63.5, False)]
)
def test_a_click_is_inside_where_the_pixel_that_it_rounds_to_is(
    coco_folder: Callable[..., Path], x: float, inside: bool
) -> None:
    folder = coco_folder(images=1, masks=1)  # 48×64
    config = configure(folder, RECORDED, table(folder, f"0,1,1,{x},5,1"))
    if inside:
        assert make_plan(config).work.todo
        return
    with pytest.raises(BenchError, match="lies outside its picture, 64×48"):
        make_plan(config)
