"""The files of published numbers: their form, and how they are read."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import bench.analysis.reference
from bench.analysis.reference import COLUMNS, HOW_READ, IDENTITY, published
from bench.types import BenchError

FOLDER = Path(bench.analysis.reference.__file__).parent
CONF = FOLDER.parents[2] / "conf"

ROWS_AND_SUM = {
    "edge_sam.csv": (72, 5010.0),
    "efficient_sam.csv": (62, 3281.4),
    "efficientvit_sam.csv": (50, 3145.094),
    "fairness.csv": (64, 2511.8),
    "hq_sam.csv": (66, 4250.9),
    "human_study.csv": (109, 280.96),
    "interactive.csv": (386, 17779.134),
    "mobile_and_tiny.csv": (108, 5253.714),
    "open_vocabulary.csv": (2, 44.1),
    "proposals_edges_boxes.csv": (99, 4350.444),
    "robust_sam.csv": (20, 1789.63),
    "sam2.csv": (164, 11821.8),
    "sam3.csv": (58, 3231.65),
    "segment_anything.csv": (28, 309.14),
    "segment_anything_fast.csv": (39, 1906.879),
}
"""Of each file: a value that changes must change here too, with the reason in the commit."""

UNITS = {
    r"(noc(80|85|90|95))(_plus_minus)?": "clicks",
    r"nof95": "images",
    r"ods|ois|ap_edges|r50|mae|il_mcc|mean_nsr": "fraction",
    r"delta_noc90_(vs_ritm_clicks|group_1_vs_10)": "percent",
    r"j_and_f|region_j|boundary_f|pixel_accuracy|f_p|pmf1|phota": "points",
    r"images_per_second": "images/s",
    r"frames_per_second": "frames/s",
    r"milliseconds_per_image": "ms",
    r"rating(_ci95_half)?|delta_rating_vs_\w+_ci99_(low|high)": "rating",
    r"delta_rating_vs_\w+_p": "probability",
    r"datasets_above_ritm(_oracle)?": "datasets",
    r"miou(_small|_medium|_large|_at_k|_ci95_half|_vs_sam_vit_h)?|mboundary_iou": "points",
    r"semantic_miou|pq|cgf1|box_ap": "points",
    r"delta_miou_vs_(ritm|all_stages)": "points",
    r"ap(_small|_medium|_large|_boundary)?": "points",
    r"ar(10|100|1000(_small|_medium|_large|_frequent|_common|_rare)?)": "points",
}


@pytest.fixture(scope="module")
def numbers() -> pd.DataFrame:
    return published()


def test_every_file_is_read_and_none_has_changed(numbers: pd.DataFrame) -> None:
    found = {}
    for path in FOLDER.glob("*.csv"):
        with path.open(newline="") as lines:
            values = [float(row["value"]) for row in csv.DictReader(lines)]
        found[path.name] = (len(values), round(math.fsum(values), 3))
    assert found == ROWS_AND_SUM
    assert len(found) == 15
    assert len(numbers) == sum(rows for rows, _ in found.values())


def test_columns_are_typed_and_rows_sorted(numbers: pd.DataFrame) -> None:
    assert tuple(numbers.columns) == COLUMNS
    assert numbers["value"].dtype == "float64"
    assert not numbers.isna().any(axis=None)
    keys = list(numbers[list(IDENTITY)].itertuples(index=False, name=None))
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))


def test_no_text_is_padded_or_missing(numbers: pd.DataFrame) -> None:
    text = numbers.drop(columns="value")
    assert (text == text.apply(lambda column: column.str.strip())).all(axis=None)
    assert (text[["model", "metric", "unit", "source", "locator", "how_read"]] != "").all(axis=None)
    slugs = text[["model", "dataset", "prompt", "metric", "source"]]
    assert slugs.apply(lambda column: column.str.fullmatch(r"[a-z0-9_]*")).all(axis=None)


def test_protocols_are_those_of_the_bench(numbers: pd.DataFrame) -> None:
    known = {path.stem for path in (CONF / "protocol").glob("*.yaml")}
    used = set(numbers["protocol"]) - {""}
    assert used <= known
    assert len(used) == 10


def test_an_empty_column_has_its_reason(numbers: pd.DataFrame) -> None:
    unexplained = numbers[(numbers["protocol"] == "") & (numbers["note"] == "")]
    assert unexplained.empty
    derived = numbers[numbers["how_read"] == "derived"]
    assert len(derived) == 2
    assert (derived["note"] != "").all()


def test_how_read_is_known(numbers: pd.DataFrame) -> None:
    assert set(numbers["how_read"]) == set(HOW_READ)


def test_sources_and_files_are_explained(numbers: pd.DataFrame) -> None:
    readme = (FOLDER / "README.md").read_text()
    keys = set(re.findall(r"^\| `([^`]+)` \| (?!what)", readme, re.MULTILINE))
    assert keys == set(numbers["source"]) | {path.name for path in FOLDER.glob("*.csv")}


def test_each_metric_has_its_unit(numbers: pd.DataFrame) -> None:
    for metric, unit in set(zip(numbers["metric"], numbers["unit"], strict=True)):
        expected = [unit for pattern, unit in UNITS.items() if re.fullmatch(pattern, metric)]
        assert expected == [unit], metric


def test_values_lie_in_the_range_of_their_unit(numbers: pd.DataFrame) -> None:
    ranges = {"points": (0, 100), "clicks": (0, 100), "fraction": (0, 1), "probability": (0, 1)}
    absolute = numbers[~numbers["metric"].str.startswith("delta_miou")]
    for unit, (low, high) in ranges.items():
        assert absolute.loc[absolute["unit"] == unit, "value"].between(low, high).all(), unit
    rates = numbers[numbers["metric"] == "rating"]
    assert rates["value"].between(1, 10).all()
    # An IoU left as a fraction would be near 0; FastSAM is asked with points, and has 31.
    means = numbers[numbers["metric"].isin(["miou", "miou_at_k", "mboundary_iou"])]
    assert (means["value"] > 30).all()


def test_filters_are_columns() -> None:
    assert set(published(model="tiny_sam", dataset="coco_val2017")["value"]) == {42.3}
    nothing = published(model="tiny_sam", dataset="gtea")
    assert nothing.empty
    assert tuple(nothing.columns) == COLUMNS
    with pytest.raises(BenchError, match="no filter models"):
        published(models="sam_vit_h")
    with pytest.raises(BenchError, match="no filter value"):
        published(value="46.9")


def write(folder: Path, *rows: str) -> None:
    (folder / "one.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")


GOOD = "sam_vit_b,coco_val2017,sam,point_1,miou,{value},points,sam,Table 1,{how},"


def test_duplicates_are_refused(tmp_path: Path) -> None:
    row = GOOD.format(value="1", how="table")
    write(tmp_path, row, row.replace("point_1", "point_3"), GOOD.format(value="2", how="text"))
    with pytest.raises(BenchError, match=r"one\.csv line 2 and one\.csv line 4 hold the same"):
        bench.analysis.reference._read(tmp_path)


@pytest.mark.parametrize("value", ["", "x", "nan", "inf"])
def test_a_value_is_a_finite_number(value: str, tmp_path: Path) -> None:
    write(tmp_path, GOOD.format(value="1", how="text"), GOOD.format(value=value, how="table"))
    with pytest.raises(BenchError, match=r"one\.csv line 3: value is"):
        bench.analysis.reference._read(tmp_path)


def test_broken_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no CSV file"):
        bench.analysis.reference._read(tmp_path)
    write(tmp_path, GOOD.format(value="1", how="rumour"))
    with pytest.raises(BenchError, match=r"line 2: how_read is 'rumour'"):
        bench.analysis.reference._read(tmp_path)
    write(tmp_path, "sam_vit_b,coco_val2017")
    with pytest.raises(BenchError, match=r"one\.csv line 2: 2 fields, not 11"):
        bench.analysis.reference._read(tmp_path)
    (tmp_path / "one.csv").write_text("model,value\nsam_vit_b,1\n")
    with pytest.raises(BenchError, match=r"one\.csv has the columns"):
        bench.analysis.reference._read(tmp_path)


def test_the_package_is_light() -> None:
    command = "import bench.analysis.reference, sys; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & {"pandas", "torch", "pyarrow"}
