"""Edges from the command line: whole runs, their tables, and what bad input gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from finished import one_line
from PIL import Image
from scipy.io import savemat

from bench.analysis.sections.edges import COUNTS, Curve, edges_section
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.data.readers.bsds import Bsds
from bench.report.figures import plots_edges
from bench.report.figures.figures import Facts
from bench.report.figures.plots import looks
from bench.report.figures.shelf import edges as shelf_edges
from bench.scoring.edges.matching import matched, reach_in
from bench.store.runs import find_runs, read_runs
from bench.tasks.edges.maps import read_map
from bench.tasks.edges.scoring import people_of
from bench.types import BenchError, Mask, Sample, Site, Target

SHAPES = {"7": (37, 52), "31": (52, 37), "4": (37, 52)}
"""Pictures whose order by name, by number and by size differ."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """BSDS500's layout: three pictures, segmented by two, one and three people."""
    root = tmp_path / "bsds"
    for part in ("images/test", "groundTruth/test"):
        (root / part).mkdir(parents=True)
    for people, (name, (height, width)) in enumerate(SHAPES.items(), start=1):
        rng = np.random.default_rng(people)
        image = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
        labels = np.ones((height, width), np.uint16)
        labels[:, width // 3 :] = 2
        labels[height // 2 :, : width // 4] = 3
        image[labels == 2] += 150
        Image.fromarray(image).save(root / f"images/test/{name}.jpg", quality=95)
        cells = np.empty((1, people % 3 + 1), dtype=object)
        for one in range(cells.size):
            cells[0, one] = {"Segmentation": np.roll(labels, one, axis=1), "Boundaries": labels}
        savemat(root / f"groundTruth/test/{name}.mat", {"groundTruth": cells})
    return root


def words(folder: Path) -> list[str]:
    return [
        "dataset=bsds500", f"dataset.args.folder={folder}", "dataset.about.expected.images=null",
        f"runtime.results={folder.parent}/results", "runtime.device=cpu", "runtime.workers=1",
    ]  # fmt: skip


def maps_of(folder: Path, ending: str = ".png") -> Path:
    """An edge map for each picture, of strengths that differ from picture to picture."""
    out = folder.parent / "maps"
    out.mkdir(exist_ok=True)
    for seed, (name, (height, width)) in enumerate(SHAPES.items()):
        rng = np.random.default_rng(seed)
        levels = rng.integers(0, 256, (height, width)).astype(np.uint8)
        levels[:, width // 3 - 1] = 250
        if ending == ".png":
            Image.fromarray(levels).save(out / f"{name}.png")
        elif ending == ".npy":
            np.save(out / f"{name}.npy", levels / 255)
        else:
            doubled = np.zeros((2 * height + 1, 2 * width + 1))
            doubled[2::2, 2::2] = levels / 255
            savemat(out / f"{name}.mat", {"ucm2": doubled})
    return out


def scored(folder: Path, *more: str) -> int:
    return main(["edges", *more, *words(folder)])


def rows_of(folder: Path, pattern: str = "*") -> pd.DataFrame:
    return read_runs(find_runs(folder.parent / "results", [pattern]))


@pytest.mark.long
@pytest.mark.parametrize("ending", [".npy", ".mat"])
def test_maps_of_all_kinds_give_one_result(folder: Path, ending: str) -> None:
    assert scored(folder, "--maps", str(maps_of(folder)), "--model-name", "png") == 0
    for file in (folder.parent / "maps").iterdir():
        file.unlink()
    assert scored(folder, "--maps", str(maps_of(folder, ending)), "--model-name", "other") == 0
    rows = rows_of(folder)
    png, other = (rows[rows["model"] == name].reset_index(drop=True) for name in ("png", "other"))
    assert set(png["image_id"]) == set(SHAPES)
    for name in ("image_id", "people", "best_f", *COUNTS):
        assert [np.array_equal(*pair) for pair in zip(png[name], other[name], strict=True)] == [
            True
        ] * 3


def test_the_table_is_computed_of_the_rows(folder: Path, capsys: Any) -> None:
    for name in ("sobel", "canny"):
        assert scored(folder, "--filter", name) == 0
    out = capsys.readouterr().out
    assert "ODS" in out
    assert "Means over items" in " ".join(out.split())
    assert "the largest one's share of the items; where" in " ".join(out.split())
    assert "R50" in out
    stores = find_runs(folder.parent / "results", ["*"])
    selection = select(stores)
    (section,) = edges_section(selection)
    lines = section.lines.set_index("run")
    assert len(lines) == len(stores) == 2
    drawn: dict[str, list[float]] = {}
    for store in stores:
        rows = read_runs([store])
        assert rows["people"].tolist() == [
            {"7": 2, "31": 3, "4": 1}[name] for name in rows["image_id"]
        ]
        totals = np.array([np.sum(rows[name].tolist(), axis=0) for name in COUNTS], float)
        curve = Curve.of(np.array(rows["levels"].iloc[0]), totals)
        line = lines.loc[store.folder.name]
        assert line["model"] == rows["model"].iloc[0]
        assert (line["ods"], line["threshold"], line["precision"], line["recall"]) == curve.best()
        assert line["ap_edges"] == curve.average_precision()
        assert line["images"] == 3
        drawn[line["model"]] = curve.recall[~curve.empty].tolist()
    table = miou_table(selection)
    facts = Facts(selection, table, (), looks(["canny", "sobel"]))
    (drawing,) = shelf_edges.draw(facts)
    curves = {
        one.get_label(): list(one.get_xdata())
        for one in drawing.figure.axes[0].lines
        if one.get_label() in drawn
    }
    assert curves == drawn
    assert "canny, sobel" in drawing.alt


def test_a_models_edges_resume_and_batches_agree(folder: Path) -> None:
    small = ["task=edges", "task.args.points_per_side=3", "task.args.levels=9", "model=disk"]
    assert main(["run", *small, *words(folder), "runtime.limit=1"]) == 0
    assert main(["run", *small, *words(folder)]) == 0
    (store,) = find_runs(folder.parent / "results", ["*disk*"])
    parts = sorted(store.folder.glob("parts/*"))
    assert main(["run", *small, *words(folder)]) == 0
    assert sorted(store.folder.glob("parts/*")) == parts
    rows = read_runs([store])
    assert set(rows["image_id"]) == set(SHAPES)
    assert all(len(levels) == 9 for levels in rows["levels"])
    again = [*words(folder), f"runtime.results={folder.parent}/again"]
    assert main(["run", *small, *again, "runtime.image_batch=3"]) == 0
    other = read_runs(find_runs(folder.parent / "again", ["*"]))
    assert rows["best_f"].tolist() == other["best_f"].tolist()
    for name in COUNTS:
        assert np.array_equal(np.stack(rows[name]), np.stack(other[name]))


def test_people_are_held_against_each_other(folder: Path, capsys: Any) -> None:
    assert scored(folder, "--people") == 3  # one picture is of a single person
    assert "image 4 left out: edges: a single person drew its boundaries" in capsys.readouterr().err
    rows = rows_of(folder).set_index("image_id")
    assert set(rows.index) == {"7", "31"}
    assert rows["model"].tolist() == ["people", "people"]
    site = Site(device="cpu", datasets=Path(), checkpoints=Path())
    people = people_of(Bsds(str(folder), site=site).read("31"))
    reach = reach_in(people[0].shape)
    right = recalled = 0
    for own in people:
        union = np.zeros_like(own)
        for other in people:
            if other is not own:
                found, met = matched(own, other, reach)
                union |= found
                recalled += met.sum()
        right += union.sum()
    drawn = sum(int(own.sum()) for own in people)
    found = [rows.loc["31"][name] for name in COUNTS]
    assert [set(each) for each in found] == [{right}, {drawn}, {recalled}, {2 * drawn}]
    assert right < drawn


def test_published_numbers_stand_beside_ours(folder: Path, capsys: Any) -> None:
    assert scored(folder, "--filter", "canny") == 0
    (store,) = find_runs(folder.parent / "results", ["*"])
    assert main(["report", str(store.folder), "--results", str(folder.parent / "results")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Published numbers" in out
    for number in ("0.6", "0.64", "0.58"):  # Table 3 of the paper: ODS, OIS, AP of Canny
        assert f" {number} " in out


def test_people_are_told_apart_and_segments_tile(folder: Path) -> None:
    site = Site(device="cpu", datasets=Path(), checkpoints=Path())
    reader = Bsds(str(folder), site=site)
    assert [len(people_of(reader.read(name))) for name in ("7", "31", "4")] == [2, 3, 1]
    (only,) = people_of(reader.read("4"))
    height, width = SHAPES["4"]
    assert only[: height // 2 - 2, width // 3 - 1].all()
    assert not only[:, width // 3 + 2 :].any()


def test_what_others_drew_counts_for_them(tmp_path: Path) -> None:
    """Ann's targets hold what Bo drew; of Cy there are targets too, which go before."""
    square, wide, low = (np.zeros((12, 20), bool) for _ in range(3))
    square[3:9, 3:9], wide[3:9, 3:15], low[6:9, 3:9] = True, True, True
    first, second, third = (Mask.from_dense(each) for each in (square, wide, low))
    ann = Target("a", first, attributes={"annotator": "Ann"}, others={"Bo": second, "Cy": first})
    cy = Target("c", third, attributes={"annotator": "Cy"}, others={"Ann": second})
    image = np.zeros((12, 20, 3), np.uint8)
    found = people_of(Sample("1", image, [ann, cy]))
    alone = [
        people_of(Sample("1", image, [Target("t", mask)]))[0] for mask in (first, third, second)
    ]
    assert [each.tolist() for each in found] == [each.tolist() for each in alone]


def test_maps_without_an_edge_at_the_lowest_threshold_are_said(folder: Path, capsys: Any) -> None:
    maps = maps_of(folder)
    assert scored(folder, "--maps", str(maps)) == 0
    assert "lowest threshold" not in capsys.readouterr().out
    for file in sorted(maps.iterdir())[:2]:
        Image.fromarray((np.asarray(Image.open(file)) > 0).astype(np.uint8)).save(file)
    assert scored(folder, "--maps", str(maps)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2 of 3 edge maps have nothing at the lowest threshold, 0.01" in said


def broken(folder: Path, kind: str) -> str:
    maps = maps_of(folder)
    if kind == "a missing map":
        (maps / "31.png").unlink()
        return "1 of 3 images have no edge map: '31'"
    if kind == "a map of no image":
        (maps / "7.png").rename(maps / "8.png")
        Image.new("L", (52, 37)).save(maps / "7.png")
        return "1 edge maps are of no image of the dataset: '8'"
    if kind == "two maps":
        np.save(maps / "4.npy", np.zeros((37, 52)))
        return "are both the edge map of '4'; keep one"
    for file in maps.iterdir():
        file.unlink()
    return "3 of 3 images have no edge map"


@pytest.mark.parametrize(
    "kind", ["a missing map", "a map of no image", "two maps", "an empty folder"]
)
def test_maps_that_do_not_fit_are_named_before_the_work(
    folder: Path, kind: str, capsys: Any
) -> None:
    said = broken(folder, kind)
    assert scored(folder, "--maps", str(folder.parent / "maps")) == 2
    assert said in one_line(capsys.readouterr().err)
    assert not list((folder.parent / "results").glob("runs/*/parts/*"))


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (np.full((37, 52), np.nan), "holds NaN"),
        (np.full((37, 52), 1.5), "strengths lie between 0 and 1, found 0 to 1.5"),
        (np.full((37, 52), -0.5), "found some below 0, down to -0.5"),
        (np.zeros((52, 37)), "the edge map is 52×37, its picture 37×52"),
        (np.zeros((37, 52, 3)), "the edge map is 37×52×3"),
        (np.array([["a"] * 52] * 37), "an edge map is of numbers, found <U1"),
        (np.array([[None] * 52] * 37), "not a readable NumPy file"),
    ],
)
def test_a_map_that_is_none_is_named(tmp_path: Path, found: Any, says: str) -> None:
    np.save(tmp_path / "7.npy", found)
    with pytest.raises(BenchError, match=r"7\.npy") as error:
        read_map(tmp_path / "7.npy", (37, 52))
    assert says in str(error.value)


def test_colours_are_no_strengths_and_grey_in_three_channels_is(tmp_path: Path) -> None:
    levels = np.array([[0, 255, 51]], np.uint8)
    Image.fromarray(np.stack([levels] * 3, axis=2)).save(tmp_path / "grey.png")
    assert read_map(tmp_path / "grey.png", (1, 3)).tolist() == [[0.0, 1.0, 0.2]]
    Image.fromarray(np.stack([levels, levels, 255 - levels], axis=2)).save(tmp_path / "a.png")
    with pytest.raises(BenchError, match="its colours are no strengths"):
        read_map(tmp_path / "a.png", (1, 3))


def test_groups_of_masks_are_refused_for_edges(folder: Path, capsys: Any) -> None:
    assert scored(folder, "--filter", "canny") == 0
    capsys.readouterr()
    (store,) = find_runs(folder.parent / "results", ["*"])
    words = ["--results", str(folder.parent / "results"), "--by", "area"]
    assert main(["report", str(store.folder), *words]) == 2
    assert "--by area: tables by group are of masks' IoU" in one_line(capsys.readouterr().err)
    assert main(["rescore", str(store.folder), "--metric", "dice", *words[:2]]) == 2
    assert "rows of edge_maps hold no masks" in one_line(capsys.readouterr().err)


def test_a_png_of_16_bits_is_a_share_of_65535(tmp_path: Path) -> None:
    levels = np.array([[0, 65535, 13107]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    assert read_map(tmp_path / "a.png", (1, 3)).tolist() == [[0.0, 1.0, 0.2]]


def test_one_map_that_does_not_fit_fails_its_image_alone(folder: Path, capsys: Any) -> None:
    maps = maps_of(folder)
    Image.new("L", (9, 9)).save(maps / "31.png")
    assert scored(folder, "--maps", str(maps)) == 3
    assert "31.png: the edge map is 9×9, its picture 52×37" in capsys.readouterr().err
    assert set(rows_of(folder)["image_id"]) == {"7", "4"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["edges", "dataset=photos"], "say either which edge maps to score"),
        (["edges", "--filter", "sobel", "--maps", "x", "dataset=photos"], "say either which edge"),
        (["edges", "--filter", "sobl", "dataset=photos"], "did you mean sobel"),
        (["edges", "--filter", "sobel"], "whose boundaries"),
        (["edges", "--filter", "sobel", "dataset=photos", "model=demo"], "asks no model"),
        (["edges", "--maps", "nowhere", "dataset=photos"], "no such folder"),
        (["edges", "--filter", "sobel", "dataset=photos", "runtime.limit=2"], "whole dataset"),
        (["run", "task=edges", "model=disk", "task.args.nms=2", "dataset=photos"], "IoU from 0"),
        (["run", "task=edges", "model=disk", "task.args.levels=0", "dataset=photos"], "from 1 to"),
        (["run", "task=edges", "model=disk", "task.args.reach=3", "dataset=photos"], "a share of"),
        (
            ["run", "task=edges", "model=disk", "task.args.points_per_side=0", "dataset=photos"],
            "from 1 to 128",
        ),
    ],
)
def test_what_makes_no_sense_is_one_line(
    given: list[str], says: str, tmp_path: Path, capsys: Any
) -> None:
    assert main([*given, f"runtime.results={tmp_path}"]) == 2
    assert says in one_line(capsys.readouterr().err)


def test_lines_of_equal_f_are_of_that_f() -> None:
    for score in (0.1, 0.5, 0.9):
        recall, precision = map(np.array, plots_edges.equal_f(score))
        assert 2 * recall * precision / (recall + precision) == pytest.approx(score)
        assert precision.max() == pytest.approx(1.0)
