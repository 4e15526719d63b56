"""The rooms of the house: what each may know, how many names it shows, what starting costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import imported

import bench

ROOT = Path(bench.__file__).resolve().parent

KNOWS: dict[str, set[str]] = {
    "types": set(),
    "files": {"types"},
    "demo": {"types"},
    "config": {"types", "files"},
    "protocol": {"types"},
    "data": {"types", "files", "demo", "config"},
    "prompts": {"types", "files", "protocol", "data"},
    "models": {"types", "files", "demo", "config"},
    "scoring": {"types", "config", "protocol"},
    "tasks": {"types", "files", "config", "protocol", "data", "prompts", "models", "scoring"},
    "store": {"types", "files", "config"},
    "run": {
        "types", "files", "demo", "config", "protocol", "data", "prompts", "models", "scoring",
        "tasks", "store",
    },
    "analysis": {"types", "files", "config", "protocol", "scoring", "store"},
    "report": {"types", "files", "config", "data", "store", "analysis"},
}  # fmt: skip
"""Of each room those below it that it may import from; ``cli`` and ``api`` may know all of them."""

TOP = {"cli", "api"}
SHELVES = {
    "data/readers", "models", "prompts", "tasks", "cli/commands", "scoring/metrics",
    "report/figures/shelf", "tasks/given_masks/predictions",
}  # fmt: skip
"""Rooms that hold one file per format, family or command, and may be longer."""

MOST_NAMES, MOST_IN_THE_ROOT = 16, 19


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below ``bench``."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def room_of(name: str) -> str:
    return name.partition(".")[0]


def named(path: Path) -> Iterator[str]:
    """Modules of the bench that a file names in a text of its own, other than a docstring."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            top, _, below = node.value.partition(".")
            if top == "bench" and any(
                below == name or below.startswith(f"{name}.") for name in MODULES if name
            ):
                yield below


@pytest.mark.parametrize("room", KNOWS)
def test_a_room_knows_only_rooms_below_it(room: str) -> None:
    for name, path in MODULES.items():
        if room_of(name) == room:
            for other in filter(None, (*imported(path), *named(path))):
                assert room_of(other) in KNOWS[room] | {room}, f"bench.{name} knows bench.{other}"


def test_the_plan_of_the_rooms_goes_one_way_and_is_whole() -> None:
    above: set[str] = set()
    for room, below in KNOWS.items():
        assert below <= above, f"{room} would know {below - above}, which stands above it"
        above.add(room)
    assert above | TOP == {room_of(name) for name in MODULES} - {"", "__main__"}
    for name, path in MODULES.items():
        if room_of(name) in KNOWS:
            assert not {room_of(other) for other in imported(path)} & TOP, name


@pytest.mark.parametrize("room", [*KNOWS, "cli"])
def test_within_a_room_arrows_go_one_way_too(room: str) -> None:
    """Between its files and the rooms within it, but for imports that only types need."""

    def place(name: str) -> str:
        return ".".join(name.split(".")[:2])

    knows = {place(name): set[str]() for name in MODULES if room_of(name) == room}
    for name, path in MODULES.items():
        if room_of(name) == room:
            here = (other for other in imported(path, types=False) if room_of(other) == room)
            others = {place(other) for other in here}
            knows[place(name)] |= others - {place(name)}
    while free := {one for one, others in knows.items() if not others & knows.keys()}:
        knows = {one: others for one, others in knows.items() if one not in free}
    circle = {one: sorted(others & knows.keys()) for one, others in knows.items()}
    assert not circle, f"these know each other in a circle, or stand above one: {circle}"


def test_a_newcomer_reads_a_room_in_a_minute() -> None:
    for folder in (ROOT, *(path.parent for path in ROOT.rglob("__init__.py"))):
        names = {
            path.name
            for path in folder.iterdir()
            if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").is_file())
        }
        room = folder.relative_to(ROOT).as_posix()
        most = MOST_IN_THE_ROOT if folder == ROOT else MOST_NAMES
        assert room in SHELVES or len(names) <= most, f"{room} shows {len(names)} names"


def test_only_the_door_knows_hydra() -> None:
    for name, path in MODULES.items():
        text = path.read_text()
        if "import hydra" in text or "from hydra" in text or "omegaconf" in text:
            assert room_of(name) == "config", f"{path} knows Hydra"


def test_a_worker_does_not_know_who_drives_it() -> None:
    for name, path in MODULES.items():
        inside = name.startswith("run.runtime") or name in ("run.driver", "run.forecast.pace")
        assert inside or not any(n.startswith("run.runtime") for n in imported(path)), path
        assert path.name == "ray_actors.py" or "import ray" not in path.read_text(), path


def loaded_by(statement: str) -> set[str]:
    command = f"{statement}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_command_line_starts_without_torch() -> None:
    heavy = {"torch", "ray", "hydra", "matplotlib", "cv2", "fsspec"}
    assert not loaded_by("import bench.cli") & heavy


@pytest.mark.long
def test_a_report_and_its_numbers_are_made_without_torch() -> None:
    rooms = [name for name in MODULES if room_of(name) in ("analysis", "report") and "." in name]
    assert "torch" not in loaded_by("; ".join(f"import bench.{name}" for name in rooms))


def test_no_file_has_two_ideas() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in ROOT.rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert not long


def test_datasets_is_no_package() -> None:
    assert not list((ROOT.parent / "datasets").rglob("*.py"))
