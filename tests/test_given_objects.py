"""bench.evaluate with objects: the rows are those of the same things with a YAML, and they last."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from segment_anything import SamPredictor
from small_sam import SmallSam, build_small_sam

import bench
from bench.cli import main
from bench.data.readers.shapes import Shapes
from bench.types import Site

PROMPTS = ("point_3", "box")
SCENES = Shapes(count=3, site=Site())


def scenes(change: bool = False) -> list[Any]:
    """Those of dataset=shapes with the same names, the last first."""
    samples = [SCENES.read(image_id) for image_id in reversed(SCENES.ids())]
    if change:
        samples[0].image[0, 0, 0] ^= 1
    return [
        {
            "id": sample.image_id,
            "image": sample.image,
            "masks": [target.mask.dense() for target in sample.targets],
            "categories": [target.category for target in sample.targets],
        }
        for sample in samples
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="module")
def by_yaml(folder: Path) -> bench.Evaluation:
    conf = folder / "conf" / "model"
    conf.mkdir(parents=True)
    (conf / "small_sam.yaml").write_text(
        'name: small_sam\nversion: "1"\ntarget: small_sam.SmallSam\nargs: {}\n'
    )
    return bench.evaluate(
        "runtime.allow_modules=[small_sam]",
        "dataset.args.count=3",
        model="small_sam",
        prompt=PROMPTS,
        results=folder,
        config_dir=folder / "conf",
    )


@pytest.fixture(scope="module")
def by_objects(folder: Path) -> bench.Evaluation:
    models = [
        bench.Given(SamPredictor(build_small_sam()), "predictor"),
        bench.Given(SmallSam(site=Site()), "segmenter"),
    ]
    return bench.evaluate(model=models, dataset=scenes(), prompt=PROMPTS, results=folder)


def by_target(found: bench.Evaluation, model: str | None = None) -> pd.DataFrame:
    """A model's rows in the order of their pictures, without names and attributes."""
    rows = found.rows()
    rows = rows if model is None else rows[rows["model"] == model]
    named = ["run", "model", "dataset", "mask_id", "attributes"]
    ordered = rows.sort_values(["prompt", "image_id", "mask_id", "step"])
    return ordered.drop(columns=named).reset_index(drop=True)


@pytest.mark.parametrize("model", ["predictor", "segmenter"])
def test_an_objects_rows_are_those_of_the_yaml(
    model: str, by_yaml: bench.Evaluation, by_objects: bench.Evaluation
) -> None:
    expected, found = by_target(by_yaml), by_target(by_objects, model)
    assert len(found) == 4 * 36, "three clicks and a box for each of 36 masks"
    assert found["mask_rle"].nunique() > 36
    assert (found["step"] > 1).any(), "masks were fed back"
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_the_same_objects_again_are_the_same_runs_and_others_others(
    folder: Path, by_objects: bench.Evaluation
) -> None:
    parts = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}

    def keys(dataset: Any, version: str | None = None) -> set[str]:
        predictor = bench.Given(SamPredictor(build_small_sam()), "predictor", version)
        found = bench.evaluate(
            model=predictor, dataset=dataset, prompt="box", results=folder, limit=1
        )
        return {run.folder.name for run in found.runs}

    first = {run.folder.name for run in by_objects.runs}
    assert keys(scenes()) < first
    assert keys(list(reversed(scenes()))) < first, "the order of items with ids is nothing"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == parts
    assert not keys(scenes(change=True)) & first
    assert not keys(scenes(), "2") & first


ELSEWHERE = """
import sys
sys.path[:0] = sys.argv[2:]
import bench
from segment_anything import SamPredictor
from small_sam import build_small_sam
from test_given_objects import scenes
predictor = bench.Given(SamPredictor(build_small_sam()), "predictor")
found = bench.evaluate(model=predictor, dataset=scenes(), prompt="box", results=sys.argv[1])
print(*(run.folder.name for run in found.runs))
"""


@pytest.mark.long
def test_another_process_reads_what_is_there(folder: Path, by_objects: bench.Evaluation) -> None:
    parts = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    tests = [str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(folder), *tests],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split()[0] in {run.folder.name for run in by_objects.runs}
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == parts


@pytest.mark.long
def test_a_report_has_pictures_here_and_none_by_the_command_line(
    folder: Path, by_objects: bench.Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = by_objects.report(folder / "here")
    assert "data:image/webp" in here.page.read_text()
    monkeypatch.setattr("bench.data.readers.in_memory._HELD", {})
    assert main(["report", "given-segmenter-*", "--results", str(folder), "--name", "later"]) == 0
    page = (folder / "reports" / "later" / "index.html").read_text()
    assert "data:image/webp" not in page
    assert "given from Python" in page


def test_what_needs_the_data_later_says_that_it_is_gone(
    folder: Path,
    by_objects: bench.Evaluation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("bench.data.readers.in_memory._HELD", {})
    run = by_objects.runs[0].folder.name
    assert main(["rescore", run, "--results", str(folder), "--metric", "dice"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "given from Python" in said


class BrightSide:
    """A predictor that takes points alone and gives one bool mask."""

    def set_image(self, image: Any) -> None:
        self.bright = image.mean(axis=2) > image.mean()

    def predict(self, point_coords: Any = None, point_labels: Any = None) -> Any:
        return self.bright[None], np.array([0.5])


@pytest.mark.parametrize(
    ("words", "arguments", "says"),
    [
        (["runtime.devices=[cpu,cpu]"], {}, "in this process alone"),
        (["runtime=ray"], {}, "in this process alone"),
        (["model.args.stride=2"], {}, "the model is given as an object"),
        ([], {"prompt": "box"}, "box"),
        ([], {"prompt": "point_3"}, "mask_logits"),
        ([], {"dataset": []}, "no dataset is chosen"),
        ([], {"model": [BrightSide(), BrightSide()]}, "holds no weights"),
        ([], {"model": [bench.Given(BrightSide(), "b", "1"), bench.Given(BrightSide(), "b", "2")]},
         "two objects are called b"),
        ([], {"model": object()}, "neither a predictor"),
        ([], {"dataset": 3}, "found a int"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_one_line_of_objects(
    words: list[str], arguments: dict[str, Any], says: str, tmp_path: Path
) -> None:
    chosen: dict[str, Any] = {
        "model": bench.Given(BrightSide(), "bright", "1"), "dataset": scenes()[:1],
        "prompt": "point_1", "results": tmp_path,
    }  # fmt: skip
    with pytest.raises(bench.BenchError, match=says) as caught:
        bench.evaluate(*words, **{**chosen, **arguments})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_predictor_of_points_alone_is_measured_with_one(tmp_path: Path) -> None:
    model = bench.Given(BrightSide(), "bright", "1")
    data = scenes()[:2]
    found = bench.evaluate(model=model, dataset=data, prompt="point_1", results=tmp_path)
    by_id = {f"{item['id']}/{n:03d}": (item["image"], mask)
             for item in data for n, mask in enumerate(item["masks"])}  # fmt: skip
    rows = found.rows(["iou"])
    assert len(rows) > 20
    for mask_id, iou in zip(rows["mask_id"], rows["iou"], strict=True):
        image, mask = by_id[mask_id]
        bright = image.mean(axis=2) > image.mean()
        assert iou == pytest.approx((bright & mask).sum() / (bright | mask).sum())
