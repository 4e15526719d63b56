"""What a user does about a run that isn't found, or rows that a metric was never computed of."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from bench.files.places import Place, RemotePath
from bench.types import Measure
from bench.types.errors import did_you_mean

if TYPE_CHECKING:
    from bench.store.runs import RunStore


def how_to_name(results: Place, pattern: str) -> str:
    """What to say where no run fits a pattern, as the end of a sentence."""
    if isinstance(results, RemotePath) and not results.root.exists():
        return f"there is no {results.root}"
    folders = [header.parent.name for header in (results / "runs").glob("*/run.json")]
    if not folders:
        return "there is none yet: `sam-bench run` makes one"
    names = [folder.rpartition("-")[0] for folder in folders]
    near = did_you_mean(pattern.strip("*-"), names, also=folders)
    known = "`sam-bench ls runs` lists them"
    return f"{near} {known}" if near.startswith("did you mean") else known


def how_to_add(store: RunStore, measure: Measure) -> str:
    """What gives all rows of a run a metric, as the end of a sentence."""
    name = measure.address or measure.name
    if not store.keeps_masks():
        return (
            "its masks are not kept (runtime.keep_masks=false), so only a run into another "
            f"results folder with {name} among its metrics has it everywhere"
        )
    module = name.rpartition(".")[0]
    words = ["sam-bench", "rescore", str(store.folder), "--metric", name]
    return f"`{shlex.join([*words, *(['--allow-module', module] if module else [])])}` adds it"
