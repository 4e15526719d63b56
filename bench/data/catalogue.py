"""What datasets there are, and which of them are here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.config.component import Component
from bench.config.composing import load_component
from bench.config.folders import component_file, group_names
from bench.data.opening import missing_pictures, open_whole
from bench.files.places import local_path
from bench.files.text import lines_of
from bench.types import BenchError, Site

_UNSET = "???"


@dataclass(frozen=True, slots=True)
class Entry:
    """A dataset's YAML: its component, and the comment in its head, which draws the folder tree."""

    component: Component
    path: Path
    head: str


@dataclass(frozen=True, slots=True)
class State:
    """Whether a dataset is here.

    ``name`` is ``ready``, ``missing``, ``incomplete`` (images are lacking) or ``yours`` (arguments
    must be given first); ``why`` is a sentence, empty where it is ready.
    """

    name: str
    why: str = ""


def entries(extra_dir: Path | None = None) -> list[Entry]:
    """Every dataset, sorted by name."""
    return [entry(name, extra_dir) for name in group_names("dataset", extra_dir)]


def entry(name: str, extra_dir: Path | None = None) -> Entry:
    """The dataset of that name; raises ``BenchError``, with the nearest names, where none is."""
    path = component_file("dataset", name, extra_dir)
    component = load_component("dataset", name, extra_dir)  # which says what is wrong in the file
    lines = lines_of(path.read_text(encoding="utf-8", errors="replace"))
    head = []
    for line in lines:
        if not line.startswith("#"):
            break
        head.append(line[1:].removeprefix(" "))
    return Entry(component, path, "\n".join(head).strip("\n"))


def state_of(component: Component, datasets: Path, allow_modules: Sequence[str] = ()) -> State:
    """Opens the dataset, without decoding a picture, and says how much of it is here."""
    if unset := sorted(name for name, value in component.args.items() if value == _UNSET):
        return State("yours", f"give {', '.join(f'dataset.args.{name}=…' for name in unset)}")
    try:
        reader = open_whole(component, Site(datasets=local_path(datasets)), allow_modules)
    except BenchError as error:
        return State("missing", str(error))
    ids = reader.ids()
    expected = (component.about.get("expected") or {}).get("images")
    if isinstance(expected, int) and len(ids) != expected:
        return State("incomplete", f"{len(ids):,} images, expected {expected:,}")
    if missing := missing_pictures(reader, ids):
        return State("incomplete", f"{len(missing):,} pictures are not there, {missing[0]} for one")
    return State("ready")
