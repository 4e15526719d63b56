"""Panoptic predictions from the command line: the table, bad input, and runs that are killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plain_concepts
import pytest
from drawn_concepts import KINDS, draw_panoptic
from drawn_sa_co import killed_and_gone_on
from finished import one_line
from PIL import Image
from plain_concepts import Picture

from bench.analysis.sections.panoptic import NUMBERS, panoptic_section
from bench.analysis.selection import select
from bench.analysis.stats.intervals import left_out_interval
from bench.cli import main
from bench.store.runs import find_runs, read_runs

SEED = 8
NUMBERED = {name: 7 * place + 3 for place, name in enumerate(KINDS)}


def colours(ids: np.ndarray) -> np.ndarray:
    """R + 256·G + 65536·B is the id."""
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)


def write_panoptic(folder: Path, pictures: Sequence[Picture]) -> Path:
    """COCO's layout, its pictures in another order than their ids, and a tool's predictions."""
    for part in ("pictures", "truth", "theirs"):
        (folder / part).mkdir(parents=True)
    truth: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    images = []
    for number, one in enumerate(pictures):
        image_id, name = 90 - 7 * number, f"{number}.png"
        height, width = one.truth.shape
        Image.new("RGB", (width, height), (number, 9, 30)).save(folder / "pictures" / name)
        Image.fromarray(colours(one.truth)).save(folder / "truth" / name)
        Image.fromarray(colours(one.predicted)).save(folder / "theirs" / f"p{name}")
        images.append({"id": image_id, "file_name": name, "height": height, "width": width})
        segments = [
            {"id": own, "category_id": NUMBERED[category], "iscrowd": int(crowd)}
            | {"area": int((one.truth == own).sum()), "bbox": [0, 0, 1, 1]}
            for own, (category, crowd) in one.segments.items()
        ]
        truth.append({"image_id": image_id, "file_name": name, "segments_info": segments})
        guesses = [{"id": own, "category_id": NUMBERED[n]} for own, n in one.guesses.items()]
        theirs.append({"image_id": image_id, "file_name": f"p{name}", "segments_info": guesses})
    categories = [
        {"id": NUMBERED[name], "name": name, "isthing": int(kind == "thing")}
        for name, kind in KINDS.items()
    ]
    content = {"images": images, "annotations": truth, "categories": categories}
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "theirs.json").write_text(json.dumps({"annotations": theirs[::-1]}))
    return folder


def words(folder: Path, results: str = "results") -> list[str]:
    return [
        "dataset=coco_panoptic", f"dataset.args.annotations={folder}/truth.json",
        f"dataset.args.images={folder}/pictures", f"dataset.args.segments={folder}/truth",
        f"runtime.results={folder}/{results}", "runtime.device=cpu", "runtime.workers=1",
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_panoptic(tmp_path / "panoptic", draw_panoptic(SEED, pictures=6))


def scored(folder: Path, *more: str, results: str = "results") -> int:
    given = ["panoptic", "--predictions", f"{folder}/theirs.json"]
    return main([*given, *more, *words(folder, results)])


def test_a_run_gives_the_plain_pq_with_intervals_over_pictures(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scored(folder, "--report", "page") == 0
    pictures = draw_panoptic(SEED, pictures=6)
    whole = plain_concepts.panoptic(pictures, KINDS)
    stores = find_runs(folder / "results", ["*"])
    (section,) = panoptic_section(select(stores))
    (line,) = section.lines.to_dict("records")
    assert {name: line[name] for name in NUMBERS} == pytest.approx(whole, abs=1e-9)
    without = [
        plain_concepts.panoptic([*pictures[:n], *pictures[n + 1 :]], KINDS)
        for n in range(len(pictures))
    ]
    for name in NUMBERS:
        others = [each[name] for each in without]
        found = left_out_interval(whole[name], others, [1] * len(others))
        assert (line[f"{name}_low"], line[f"{name}_high"]) == pytest.approx(
            (found.low, found.high), abs=1e-9
        )
    assert (line["images"], line["things"], line["stuff"]) == (6, 2, 2)
    rows = read_runs(stores)
    assert dict(zip(rows["category"], rows["kind"], strict=True)) == KINDS
    crowds = sum(crowd for one in pictures for _, crowd in one.segments.values())
    assert f"{crowds} crowds are in no pair" in " ".join(capsys.readouterr().out.split())
    page = (folder / "results/reports/page/index.html").read_text()
    cell = f"{100 * whole['pq_things']:.1f} ({100 * line['pq_things_low']:.1f}–"
    assert cell in page
    kept = pd.read_csv(folder / "results/reports/page/panoptic.csv")
    assert kept["pq"].tolist() == pytest.approx([whole["pq"]])


Change = Callable[[dict[str, Any]], object]


def first(found: dict[str, Any]) -> Any:
    return found["annotations"][0]


@pytest.mark.parametrize(
    ("change", "says", "code"),
    [
        (lambda found: found["annotations"].pop(1), "1 of 6 images have no prediction: '62'", 2),
        (lambda found: first(found).update(image_id=4), "refers to image 4, which the dataset", 2),
        (lambda found: first(found).update(file_name="x.png"), "PNGs of 1 of 6 images are not", 2),
        (lambda found: first(found).update(file_name="../x.png"), "leads out of its folder", 2),
        (
            lambda found: first(found)["segments_info"][0].update(category_id=999),
            "refers to category 999, which 'categories' does not list", 2,
        ),
        (
            lambda found: first(found)["segments_info"].append({"id": 5, "category_id": 3}),
            "no pixel is of the segment 5, which the JSON lists", 3,
        ),
        (lambda found: first(found)["segments_info"].pop(), "isn't listed in 'segments_info'", 3),
        (
            lambda found: found.pop("annotations"),
            "is an object with a list 'annotations' of objects; found the keys: ", 2,
        ),
        (
            lambda found: first(found)["segments_info"][0].update(category_id="3"),
            "refers to category '3', which 'categories' does not list", 2,
        ),
    ],
)  # fmt: skip
def test_a_prediction_that_does_not_fit_is_named(
    folder: Path, change: Change, says: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "theirs.json"
    found = json.loads(file.read_text())
    change(found)
    file.write_text(json.dumps(found))
    assert scored(folder) == code
    told = capsys.readouterr().err
    assert says in (one_line(told) if code == 2 else told)
    assert "Traceback" not in told


def test_a_png_of_another_size_or_without_colours_fails_its_picture(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (9, 9)).save(folder / "theirs/p0.png")
    Image.new("L", (33, 20)).save(folder / "theirs/p1.png")
    assert scored(folder) == 3
    told = " ".join(capsys.readouterr().err.split())
    assert "p0.png: the segments are 9×9 (H×W), the picture 20×33" in told
    assert "segments are the colours of an RGB picture, found PNG L" in told
    assert len(set(read_runs(find_runs(folder / "results", ["*"]))["image_id"])) == 4


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["panoptic", "--predictions", "x.json", "dataset=photos"], "x.json: no such file"),
        (["panoptic", "--predictions", "x.json"], "say what it is held against"),
        (["panoptic", "--predictions", "x.json", "dataset=photos", "model=demo"], "asks no model"),
    ],
)
def test_what_makes_no_sense_of_segments_is_one_line(
    given: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*given, f"runtime.results={tmp_path}"]) == 2
    assert says in one_line(capsys.readouterr().err)


def test_a_dataset_of_masks_and_a_folder_that_is_not_there_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["panoptic", "--predictions", f"{folder}/theirs.json"]
    assert main([*given, "dataset=photos", f"runtime.results={tmp_path}/r"]) == 2
    assert "doesn't say which categories are things" in one_line(capsys.readouterr().err)
    (folder / "theirs").rename(folder / "elsewhere")
    assert scored(folder) == 2
    assert "say where they are with task.args.segments" in one_line(capsys.readouterr().err)
    assert scored(folder, "--segments", f"{folder}/elsewhere") == 0


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_of_segments_goes_on_with_equal_rows(tmp_path: Path, processes: int) -> None:
    folder = write_panoptic(tmp_path / "panoptic", draw_panoptic(SEED, pictures=10))
    assert scored(folder, results="whole") == 0
    given = ["panoptic", "--predictions", f"{folder}/theirs.json", *words(folder)]
    given += ["dataset.target=drawn_sa_co.DeadlyPanoptic"]
    whole, killed = killed_and_gone_on(folder, given, processes)
    pd.testing.assert_frame_equal(whole, killed)
    assert len(set(whole["image_id"])) == 10
