"""What trackers are told of runs, held against the runs' own table; and that none is in the way.

``benchmarks/trackers.py`` hands runs to MLflow, trackio and W&B themselves and reads them back.
"""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from drawn_runs import in_no_order
from finished import one_line

from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.report import Request
from bench.report.trackers import shelf
from bench.report.trackers.record import records_of

KEPT = """
import json
from pathlib import Path

def send(record, project):
    print("a tracker's own words")
    said = {"key": record.key, "project": project, "settings": dict(record.settings),
            "metrics": dict(record.metrics), "worst": [each.caption for each in record.worst]}
    Path("PLACE", record.name + ".json").write_text(json.dumps(said))
    return "kept"
"""
BROKEN = """
import sys

def send(record, project):
    sys.exit("no key, no network")
"""


@pytest.fixture
def own_trackers(tmp_path, monkeypatch):
    """Two further files of the shelf, their packages beside: one keeps, one gives up."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    (tmp_path / "kept").mkdir()
    for name, text in (("keeping", KEPT), ("broken", BROKEN)):
        (folder / f"{name}.py").write_text(text.replace("PLACE", str(tmp_path / "kept")))
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.setattr(shelf, "__path__", [*shelf.__path__, str(folder)])
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "kept"


def test_a_record_holds_every_number_of_its_run_and_its_worst_masks(new_bench, tmp_path) -> None:
    made = new_bench(tmp_path / "results")
    stores = [store for store in in_no_order(made) if "nuclei" in store.folder.name]
    partial = {"allow_partial": True}
    table = miou_table(select(stores, **partial), **partial).lines
    request = Request(tuple(stores), made.read_sample, **partial)
    found = {record.name: record for record in records_of(request, 2)}
    assert found.keys() == {store.folder.name for store in stores}
    rows = select(stores, **partial).rows
    for name, record in found.items():
        lines = table[table["run"] == name]
        expected = {
            f"{line['prompt']}/{column}": line[column]
            for line in lines.to_dict("records")
            for column in ("miou", "miou_low", "miou_high", "miou_oracle", "boundary_iou")
            if line[column] is not None and math.isfinite(line[column])
        }
        assert record.metrics == expected
        assert record.table["prompt"].tolist() == lines["prompt"].tolist()
        assert record.table["miou"].tolist() == lines["miou"].tolist()
        own = rows[rows["run"] == name]
        header = made_header(stores, name)
        assert record.settings["model"] == header["model"]["name"]
        assert record.settings["dataset"] == header["dataset"]["name"]
        assert record.settings["dataset_fingerprint"] == header["dataset_fingerprint"]
        assert record.key == record.settings["key"] == header["key"]
        last = own[own["label"] == lines["prompt"].iloc[-1]].sort_values(["iou", "mask_id"])
        assert len(record.worst) == 2
        first, second = record.worst
        assert first.mask_id == last["mask_id"].iloc[0]
        assert f"IoU {last['iou'].iloc[0]:.3f}" in first.caption
        assert first.pixels.dtype == np.uint8
        assert first.pixels.shape[2] == 3
        assert float(second.caption.split("IoU ")[1][:5]) >= float(f"{last['iou'].iloc[0]:.3f}")


def made_header(stores, name):
    return next(store.header() for store in stores if store.folder.name == name)


def test_no_path_is_told(new_bench, tmp_path) -> None:
    made = new_bench(tmp_path / "results")
    store = made.run("shapes", "zeta", "box", images=2)
    header = store.header()
    header["model"]["args"] = {"checkpoint": "/home/me/secret/w.pth", "size": {"a": 3}}
    store.write_header(header)
    (record,) = records_of(Request((store,)), 3)
    assert record.settings["model.args.checkpoint"] == "w.pth"
    assert record.settings["model.args.size.a"] == "3"
    assert "secret" not in str(record.settings)
    assert record.worst == ()


def test_a_run_is_handed_over_and_a_trackers_failure_changes_nothing(
    own_trackers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model=disk", "dataset=shapes", "dataset.args.count=1", "prompt=[point_3,box]"]
    words += ["--results", str(tmp_path / "results"), "--json"]
    lacking = [name for name in ("wandb", "mlflow", "trackio") if find_spec(name) is None]
    told = [word for name in ("broken", "keeping", *lacking) for word in ("--log-to", name)]
    asked = [*told, "--log-worst", "1"]
    assert main(["run", *words, *asked, "--log-project", "mine"]) == 0
    out = capsys.readouterr()
    lines = {line["run"]: line for line in json.loads(out.out)["lines"]}
    assert "a tracker's own words" in out.err
    for name in lines:
        assert f"broken: {name} is not logged: SystemExit: no key, no network" in out.err
    for name in lacking:
        assert f"{name} is not installed" in out.err
        assert f"pip install 'sam-bench[{name}]'" in out.err
    kept = {path.stem: json.loads(path.read_text()) for path in own_trackers.iterdir()}
    assert kept.keys() == lines.keys()
    for name, said in kept.items():
        line = lines[name]
        assert said["metrics"][f"{line['prompt']}/miou"] == line["miou"]
        assert said["project"] == "mine"
        assert name.endswith(said["key"])
        assert len(said["worst"]) == 1
        assert f", {line['prompt']}, " in said["worst"][0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--log-to", "mlfow"], "no tracker is called 'mlfow'; did you mean mlflow?"),
        (["--log-worst", "-1"], "a number of pictures from 0, found -1"),
    ],
)
@pytest.mark.parametrize("command", [["report"], ["run", "model=disk"]])
def test_a_wrong_word_is_refused_before_anything_is_done(
    tmp_path, capsys, command, words, says
) -> None:
    assert main([*command, *words, "--results", str(tmp_path / "results")]) == 2
    assert says in one_line(capsys.readouterr().err)
    assert not (tmp_path / "results").exists()
