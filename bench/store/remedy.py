"""What a user does about rows that a metric was never computed of."""

from __future__ import annotations

import shlex

from bench.store.runs import RunStore
from bench.types import Measure


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
