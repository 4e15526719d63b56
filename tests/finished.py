"""Small finished runs of a real model on files, made as a user makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.cli import main
from bench.store.runs import RunStore, find_runs


def dataset_words(folder: Path) -> list[str]:
    """The dataset of the fixture ``coco_folder`` as words of the command line."""
    return [
        "dataset=coco",
        "dataset.name=blobs",
        f"dataset.args.annotations={folder}/annotations.json",
        f"dataset.args.images={folder}/images",
        f"runtime.results={folder.parent}/results",
    ]


def disk_run(folder: Path, prompt: str, *words: str) -> RunStore:
    """The model ``disk`` on the dataset with one prompt."""
    assert main(["run", "model=disk", f"prompt=[{prompt}]", *dataset_words(folder), *words]) == 0
    return find_runs(folder.parent / "results", [f"*-{prompt}-*"])[0]


def change_annotations(folder: Path, change: Any) -> None:
    """Rewrites the dataset's annotations: ``change`` gets the document and alters it."""
    path = folder / "annotations.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def one_line(err: str) -> str:
    """A command's complaint: its one line from standard error."""
    said = [line for line in err.splitlines() if line.startswith("sam-bench: ")]
    assert len(said) == 1, err
    assert "Traceback" not in err
    return said[0]
