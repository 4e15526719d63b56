"""What real trackers and the Hub's own reader of datasets hold after the bench wrote to them.

    python benchmarks/trackers.py --out benchmarks/results

Installs MLflow's client, trackio, W&B and datasets into a folder of its own (``--installed FOLDER``
takes one that is there), runs the demo on a few scenes, hands both runs to each tracker twice, and
reads back what it holds: every number is compared with the report's own, pictures and runs are
counted. Nothing leaves this machine: MLflow writes SQLite, trackio its database, W&B is offline.
The exit code is 1 where something differs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("mlflow-skinny", "sqlalchemy", "alembic", "trackio", "wandb", "datasets")
WORST = 4
COLUMNS = ("miou", "miou_low", "miou_high", "boundary_iou", "miou_oracle")


@dataclass(frozen=True)
class Held:
    """What a tracker holds of a run: its key, numbers by name, rows of the table, pictures."""

    key: str
    metrics: Mapping[str, float]
    rows: int
    pictures: int


def in_mlflow(folder: Path) -> dict[str, list[Held]]:
    """By a run's name what MLflow holds."""
    import mlflow

    found: dict[str, list[Held]] = {}
    for run in mlflow.search_runs(experiment_names=["sam-bench"], output_format="list"):
        place = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id))
        rows = len((place / "table.csv").read_text().splitlines()) - 1
        held = Held(run.data.tags["sam_bench.key"], run.data.metrics, rows,
                    len(list(place.glob("worst/*.png"))))  # fmt: skip
        found.setdefault(str(run.info.run_name), []).append(held)
    return found


def in_trackio(folder: Path) -> dict[str, list[Held]]:
    """The same of trackio."""
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    found: dict[str, list[Held]] = {}
    for run in trackio.Api().runs("sam-bench"):
        for logged in SQLiteStorage.get_logs("sam-bench", run.name, run_id=run.id):
            metrics = {k: v for k, v in logged.items() if k.endswith(COLUMNS)}
            pictures = [k for k in logged if k.startswith("worst masks/")]
            held = Held(run.config["key"], metrics, len(logged["table"]["_value"]), len(pictures))
            found.setdefault(run.name, []).append(held)
    return found


def in_wandb(folder: Path) -> dict[str, list[Held]]:
    """The same of W&B's offline folders; one run's are of one id, which the server overwrites."""
    found: dict[str, list[Held]] = {}
    for path in sorted(folder.glob("wandb/offline-run-*")):
        (written,) = path.glob("run-*.wandb")
        content = written.read_bytes()
        (table,) = path.glob("files/media/table/*.table.json")
        said = json.loads(table.read_text())
        name = said["data"][0][said["columns"].index("run")]
        metrics = {
            f"{line[said['columns'].index('prompt')]}/{column}": float(value)
            for line in said["data"]
            for column in COLUMNS
            if (value := line[said["columns"].index(column)]) is not None
            and json.dumps(value).encode() in content
        }
        pictures = list(path.glob("files/media/images/*.png"))
        key = written.stem.removeprefix("run-")
        found[name] = [Held(key, metrics, len(said["data"]), len(pictures))]
    return found


READ: Mapping[str, Callable[[Path], dict[str, list[Held]]]] = {
    "mlflow": in_mlflow,
    "trackio": in_trackio,
    "wandb": in_wandb,
}


def check_tracker(name: str, results: Path, folder: Path) -> list[str]:
    """What differs in a tracker from the report, in sentences."""
    from bench.cli import main

    words = ["report", "*", "--results", str(results), "--log-to", name, "--log-worst", str(WORST)]
    for _ in range(2):
        if code := main(words):
            return [f"{name}: the command ended with {code}"]
    report = json.loads((results / "reports" / "report" / "report.json").read_text())
    lines = {line["run"]: line for line in report["lines"]}
    found = READ[name](folder)
    wrong = []
    if found.keys() != lines.keys():
        wrong.append(f"{name}: runs {sorted(found)}, expected {sorted(lines)}")
    for run, several in found.items():
        line = lines[run]
        expected = {
            f"{line['prompt']}/{column}": line[column]
            for column in COLUMNS
            if line.get(column) is not None
        }
        held = several[-1]
        for what, is_there, is_right in (
            ("times", len(several), 1),
            ("key", held.key, report["runs"][run]["key"]),
            ("numbers", dict(held.metrics), expected),
            ("rows", held.rows, 1),
            ("pictures", held.pictures, WORST),
        ):
            if is_there != is_right:
                wrong.append(f"{name}: {run}: {what} {is_there}, expected {is_right}")
    return wrong


def check_datasets(results: Path, folder: Path) -> list[str]:
    """What differs in the rows as ``datasets`` reads them from what the bench wrote."""
    import bench
    from bench.cli import main
    from datasets import load_dataset

    out = folder / "rows"
    if code := main(["hub", "rows", "*", "--results", str(results), "--out", str(out)]):
        return [f"datasets: the command ended with {code}"]
    found = load_dataset(str(out), "prompted_masks", split="test").to_pandas()
    rows = bench.read_runs("*", results=results)
    key = ["run", "image_id", "mask_id", "step"]
    theirs = found.set_index(key).sort_index()
    ours = rows.set_index(key).sort_index()
    same: Any = list(theirs.index) == list(ours.index)
    wrong = [] if same else ["datasets: the rows are others"]
    names = ("iou", "iou_oracle", "mask_rle", "area", "boundary_iou")
    others = [name for name in names if list(theirs[name]) != list(ours[name])]
    return [*wrong, *(f"datasets: {name} differs" for name in others)]


def _child(asked: str, installed: Path, results: Path, folder: Path) -> int:
    sys.path.append(str(installed))  # behind what the bench itself uses
    wrong = (
        check_datasets(results, folder)
        if asked == "datasets"
        else check_tracker(asked, results, folder)
    )
    package = "mlflow-skinny" if asked == "mlflow" else asked
    told = {"wrong": wrong, "version": metadata.version(package)}
    (folder / "told.json").write_text(json.dumps(told))
    return 0


def main() -> int:
    """Checks all of them, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--installed", type=Path, help="folder that holds the packages")
    parser.add_argument("--out", type=Path, help="folder for trackers.md")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        asked, results, folder = options.child
        return _child(asked, options.installed, Path(results), Path(folder))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        installed = options.installed or folder / "installed"
        if options.installed is None:
            words = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(installed)]
            subprocess.run([*words, *PACKAGES], check=True)
        results = folder / "results"
        asked = ["model=demo", "dataset=shapes", "dataset.args.count=4", "prompt=[point_3,box]"]
        words = [sys.executable, "-m", "bench", "run", *asked, "--results", str(results), "--json"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        lines, failed = [], False
        for name in (*READ, "datasets"):
            told = _ask(name, installed, results, folder)
            failed |= bool(told["wrong"])
            said = "; ".join(told["wrong"]) or "as the report, every number"
            lines.append(f"| {name} | {told['version']} | {said} |")
    text = _table(lines)
    sys.stdout.write(text)
    if options.out is not None:
        (options.out / "trackers.md").write_text(text)
    return int(failed)


def _ask(name: str, installed: Path, results: Path, folder: Path) -> dict[str, Any]:
    own = folder / name
    own.mkdir()
    environment = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{own}/mlflow.db",
        "TRACKIO_DIR": str(own / "trackio"),
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(own),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(own / "hub"),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[1])]),
    }
    words = [sys.executable, str(Path(__file__).resolve()), "--installed", str(installed)]
    subprocess.run(
        [*words, "--child", name, str(results), str(own)],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=own,
        env=os.environ | environment,
    )
    told: dict[str, Any] = json.loads((own / "told.json").read_text())
    return told


def _table(lines: list[str]) -> str:
    day = datetime.now(timezone.utc).date()
    where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return "\n".join([
        "# Trackers: what they hold of a run", "",
        f"`python benchmarks/trackers.py --out benchmarks/results`, {day}; {where}. Two runs of "
        f"the demo, handed over twice, {WORST} worst masks each;"
        " W&B offline, MLflow in SQLite.", "",
        "| package | version | holds |", "|---|---|---|", *lines, "",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
