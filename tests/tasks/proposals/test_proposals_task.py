"""Proposals in whole runs: the masks of SAM's own generator, rows, LVIS's categories, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from finished import dataset_words, one_line
from segment_anything import SamAutomaticMaskGenerator

from bench.analysis.sections.label_maps import label_map_section
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.config.composing import load_component
from bench.data.readers.coco import Coco
from bench.models.loading import load_model
from bench.store.runs import find_runs, read_runs
from bench.tasks.proposals.generator import Grid, Proposal, best
from bench.types import Mask, Site
from bench.types.rows.proposals import GROUPS

GRID = ["task=proposals", "task.args.points_per_side=4", "model=disk"]


def site(**more: Any) -> Site:
    return Site(device="cpu", datasets=Path(), checkpoints=Path(), **more)


def in_batches(work, items):
    for start in range(0, len(items), 64):
        yield work(items[start : start + 64])


@pytest.mark.parametrize("single", [False, True])
def test_proposals_are_the_masks_of_segment_anythings_own_generator(single: bool) -> None:
    from skimage.data import coffee  # comes with the library

    image = cv2.resize(coffee(), (150, 100), interpolation=cv2.INTER_AREA)
    demo = load_model(load_component("model", "demo"), site())
    (embedding,) = demo.embed([image])
    grid = Grid(side=6, nms=0.9, most=1000, single=single)
    ours = grid.proposals(demo, embedding, (100, 150), in_batches, 0.0)
    assert [each.score for each in ours] == sorted((e.score for e in ours), reverse=True)
    if single:  # the official generator has no such mode
        assert 10 < len(ours) <= 36
        return
    generator = SamAutomaticMaskGenerator(
        demo._sam, points_per_side=6, pred_iou_thresh=0.0, stability_score_thresh=0.0,
        box_nms_thresh=0.9,
    )  # fmt: skip
    theirs = {
        Mask.from_dense(one["segmentation"]).to_rle(): one
        for one in generator.generate(image)
        if one["segmentation"].any()  # an empty mask finds nothing
    }
    assert {each.counts for each in ours} == set(theirs)
    assert len(ours) > 40
    for each in ours:
        other = theirs[each.counts]
        assert each.predicted_iou == pytest.approx(other["predicted_iou"], abs=1e-6)
        assert each.stability == pytest.approx(other["stability_score"], abs=1e-6)


def test_of_too_many_the_best_by_both_scores_stay() -> None:
    def one(name: str, predicted: float, stability: float) -> Proposal:
        return Proposal(name, (0, 0, 1, 1), predicted, stability)

    found = [one("a", 0.9, 0.1), one("b", 0.4, 0.8), one("c", 0.6, 0.6), one("d", 0.7, 0.3)]
    assert [each.counts for each in best(found, 3)] == ["b", "c", "a"]


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    """Three pictures of random blobs, in categories as LVIS writes them."""
    made = coco_folder(images=3, masks=4)
    file = made / "annotations.json"
    written = json.loads(file.read_text())
    written["categories"] = [
        {"id": 1, "name": "cup", "frequency": "f"},
        {"id": 2, "name": "oar", "frequency": "r"},
    ]
    for number, annotation in enumerate(written["annotations"]):
        annotation["category_id"] = 1 + number % 3 // 2
    file.write_text(json.dumps(written))
    return made


def test_the_table_is_computed_of_the_rows_and_a_run_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *GRID, *dataset_words(folder), "runtime.limit=1"]) == 0
    assert main(["run", *GRID, *dataset_words(folder)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "AR@1000" in out
    assert "proposals a picture" in out
    (store,) = find_runs(folder.parent / "results", ["*"])
    rows = read_runs([store])
    assert len(rows) == 12
    assert set(rows["attributes"].map(lambda a: a["frequency"])) == {"frequent", "rare"}
    (line,) = miou_table(select([store])).lines.to_dict("records")
    for name in ("ar_10", "ar_100", "ar_1000", *(f"ar_1000_{group}" for group in GROUPS)):
        values = rows[name].dropna()
        if len(values):
            assert line[name] == pytest.approx(values.mean(), abs=1e-12)
        else:
            assert pd.isna(line[name])
    frequent = rows["attributes"].map(lambda a: a["frequency"]) == "frequent"
    assert rows["ar_1000_frequent"].notna().tolist() == frequent.tolist()
    assert rows["ar_1000_common"].isna().all()
    assert (rows["best_iou"] >= 0.5).tolist() == (rows["ar_1000"] > 0).tolist()
    assert (rows["ar_10"] <= rows["ar_100"]).all()


def test_a_report_names_its_task_and_shows_no_column_that_no_row_has(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *GRID, *dataset_words(folder), "--report", "p"]) == 0
    (store,) = find_runs(folder.parent / "results", ["*"])
    selection = select([store])
    table = miou_table(selection)
    lines = table.lines
    shown = [measure.name for measure in table.further]
    groups = [f"ar_1000_{group}" for group in GROUPS]
    assert shown == ["ar_100", "ar_10", *(g for g in groups if lines[g].notna().any())]
    assert "ar_1000_frequent" in shown
    assert "ar_1000_common" not in shown
    assert "common" in table.caption.split("left out, as none of the items has a value")[0]
    (section,) = label_map_section(selection)
    (line,) = section.lines.to_dict("records")
    pictures = []
    rows = read_runs([store])
    for _, some in rows.groupby("image_id"):
        hits = sum(np.array(each) for each in some["mapped"])
        pictures.append((hits / (some["segments"].iloc[0] + len(some) - hits)).mean())
    assert line["msa"] == pytest.approx(np.mean(pictures), abs=1e-12)
    report = folder.parent / "results" / "reports" / "p"
    assert "<h1>Object proposals on" in (report / "index.html").read_text()
    assert section.rows[0][-3:] == tuple(
        (report / "label_maps.md").read_text().splitlines()[2].strip("| ").split(" | ")[-3:]
    )


def test_fewer_proposals_than_a_column_says_are_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *GRID, "task.args.most=5", *dataset_words(folder)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "At most 5 proposals of a picture were kept: AR of more is that of 5." in out


def test_the_same_rows_whatever_is_asked_at_once(folder: Path) -> None:
    for results, batch in (("one", 1), ("many", 64)):
        words = [*dataset_words(folder), f"runtime.results={folder.parent}/{results}"]
        assert main(["run", *GRID, *words, f"runtime.prompt_batch={batch}"]) == 0
    one, many = (
        read_runs(find_runs(folder.parent / name, ["*"])).drop(columns="run")
        for name in ("one", "many")
    )
    assert one.equals(many)


def test_lvis_says_how_frequent_a_category_is_and_an_annotation_of_its_own_goes_before(
    folder: Path,
) -> None:
    file = folder / "annotations.json"
    written = json.loads(file.read_text())
    written["annotations"][0]["attributes"] = {"frequency": "often", "pose": 3}
    written["categories"][1]["frequency"] = "x"
    file.write_text(json.dumps(written))
    reader = Coco(str(file), str(folder / "images"), site=site())
    found = {
        target.mask_id: dict(target.attributes)
        for image_id in reader.ids()
        for target in reader.read(image_id).targets
    }
    first, *others = written["annotations"]
    assert found[str(first["id"])] == {"frequency": "often", "pose": "3"}
    for annotation in others:
        known = {"frequency": "frequent"} if annotation["category_id"] == 1 else {}
        assert found[str(annotation["id"])] == known


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["task.args.most=0"], "a whole number from 1, found 0"),
        (["task.args.single=2"], "single must be bool, found 2"),
        (["task.args.nms=-1"], "an IoU from 0 to 1"),
        (["task.args.points_per_side=200"], "from 1 to 128, found 200"),
        (["task.args.side=3"], "side"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    given: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *GRID, *given, *dataset_words(folder)]) == 2
    assert says in one_line(capsys.readouterr().err)
