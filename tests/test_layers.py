"""The arrows between modules go one way, and starting the command line costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import bench

ROOT = Path(bench.__file__).resolve().parent


def imports_of(path: Path) -> set[str]:
    """Modules of the bench that a file names in an import, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "bench":
            names = {alias.name for alias in node.names} - {"__version__"}
            found.update(f"bench.{name}" for name in names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.startswith("bench.")}


def allowed(place: str, *names: str) -> None:
    """Files of a place import from the bench only what is named, or their own place."""
    path = ROOT / place
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert files, f"{path} holds no code"
    own = f"bench.{place.removesuffix('.py').replace('/', '.')}"
    for file in files:
        for name in imports_of(file):
            fits = any(name == one or name.startswith(f"{one}.") for one in (*names, own))
            assert fits, f"{file.relative_to(ROOT)} imports {name}"


VALUES = ("bench.types", "bench.mask")


def test_values_know_nothing() -> None:
    allowed("rle.py")
    allowed("mask.py", "bench.rle")
    allowed("types.py", "bench.mask")
    allowed("metrics.py", *VALUES)
    allowed("protocol.py", *VALUES)
    allowed("stats.py")


def test_rooms_know_the_values_and_not_each_other() -> None:
    allowed("prompts", *VALUES, "bench.protocol")
    allowed("readers", *VALUES, "bench.demo", "bench.documents")
    allowed("models", *VALUES, "bench.demo")
    allowed("foreground.py", *VALUES, "bench.upscaling")
    allowed("upscaling.py", *VALUES)
    allowed("windows.py", *VALUES, "bench.upscaling")
    allowed("transfers.py")
    allowed("measuring.py", *VALUES, "bench.transfers", "bench.upscaling", "bench.windows")
    masks = ("bench.foreground", "bench.measuring", "bench.upscaling")
    allowed("scoring.py", *VALUES, *masks, "bench.metrics", "bench.protocol")
    allowed("halving.py", *VALUES)
    allowed("crew.py")
    flow = ("bench.halving", "bench.protocol", "bench.scoring", "bench.stopwatch")
    allowed("tasks", *VALUES, *flow)


def test_a_report_sees_rows_only() -> None:
    allowed("report", *VALUES, "bench.store", "bench.row_table", "bench.stats", "bench.reference")
    parts = ("bench.part_file", "bench.part_folder", "bench.places", "bench.schema")
    allowed("row_table.py", *VALUES, *parts)
    allowed("store.py", *VALUES, *parts, "bench.row_table", "bench.headers", "bench.documents")
    allowed("part_folder.py", *VALUES, "bench.part_file", "bench.places")
    allowed("part_file.py", *VALUES, "bench.schema", "bench.documents", "bench.places")
    allowed("compaction.py", "bench.part_file", "bench.store")
    allowed("run_lock.py", *VALUES, "bench.places")
    allowed("places.py", *VALUES, "bench.remote")
    allowed("remote.py", *VALUES)


def test_what_watches_or_foretells_a_run_neither_drives_it_nor_asks_a_model() -> None:
    both = ("bench.types", "bench.memory", "bench.disk_space", "bench.findings", "bench.plan")
    allowed("profiling", *both, "bench.places", "bench.provenance")
    allowed("forecast", *both, "bench.places", "bench.store", "bench.workload")


def test_only_the_door_knows_hydra() -> None:
    for file in ROOT.rglob("*.py"):
        text = file.read_text()
        if "import hydra" in text or "from hydra" in text or "omegaconf" in text:
            assert file.name == "config.py", f"{file} knows Hydra"


def test_a_worker_does_not_know_who_drives_it() -> None:
    for file in ROOT.rglob("*.py"):
        inside = file.parent.name == "runtime"
        assert inside or not any(n.startswith("bench.runtime") for n in imports_of(file)), file
        assert file.name == "ray_actors.py" or "import ray" not in file.read_text(), file


def loaded_by(statement: str) -> set[str]:
    command = f"{statement}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_command_line_starts_without_torch() -> None:
    heavy = {"torch", "ray", "hydra", "matplotlib", "cv2", "fsspec"}
    assert not loaded_by("import bench.cli") & heavy


def test_a_report_is_made_without_torch() -> None:
    assert "torch" not in loaded_by("import bench.report, bench.report.write")


def test_no_file_has_two_ideas() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for file in ROOT.rglob("*.py")
        if (lines := len(file.read_text().splitlines())) > 300
    }
    assert not long


def test_datasets_is_no_package() -> None:
    assert not list((ROOT.parent / "datasets").rglob("*.py"))
