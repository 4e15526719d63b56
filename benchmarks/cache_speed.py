"""How much a warm embedding cache is worth: ViT-B of random weights, ``prompt=box``, on the CPU.

    python benchmarks/cache_speed.py
    python benchmarks/cache_speed.py --pictures 6 --masks 20

Runs the same command twice, each time into another folder of results: first with an empty cache,
then with the one that the first run filled. The rows of both must be equal, else it fails. Prints
a Markdown table and writes it with JSON, machine, versions and date into ``benchmarks/results/``.
Wall time is without loading the model, which stands beside it. CPU time, which other programs on
the machine disturb less, is with it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch
from segment_anything import sam_model_registry

sys.path.insert(0, str(Path(__file__).parent))

import result_files
from pictures import coco_files, write_pictures

from bench.config.composing import load_configs
from bench.run.plan import make_plan
from bench.run.progress import run_plan
from bench.store.runs import read_runs
from bench.types import BenchError

SIZE = (768, 1024)
_PHASES = ("read", "cache", "embed", "predict", "score", "write")


@dataclass(frozen=True, slots=True)
class Turn:
    """A run: wall seconds without loading the model, those of loading, and per phase.

    ``cpu`` are the seconds that all threads of the process computed, loading among them.
    """

    name: str
    seconds: float
    cpu: float
    load: float
    phases: Mapping[str, float]


def prepare(folder: Path, pictures: int, masks: int) -> list[str]:
    """Write pictures and weights, and return the words of ``sam-bench run``."""
    write_pictures(folder / "data", [SIZE] * pictures, [masks] * pictures)
    torch.manual_seed(0)
    torch.save(sam_model_registry["vit_b"]().state_dict(), folder / "vit_b.pth")
    return [
        "model=sam_vit_b",
        "model.name=random_vit_b",
        f"model.args.checkpoint={folder / 'vit_b.pth'}",
        "dataset=coco",
        *coco_files(folder / "data"),
        "prompt=[box]",
        "runtime.device=cpu",
        f"runtime.embedding_cache={folder / 'cache'}",
    ]


def run(name: str, words: Sequence[str], results: Path) -> tuple[Turn, list[str]]:
    """Run it; return what it took, and its rows as sorted texts that are exact to the bit."""
    (config,) = load_configs([*words, f"runtime.results={results}"])
    plan = make_plan(config)
    start, computed = time.perf_counter(), time.process_time()
    failed = run_plan(plan)
    seconds, cpu = time.perf_counter() - start, time.process_time() - computed
    if failed:
        raise BenchError(f"image {failed[0].image_id}: {failed[0].reason}")
    store = plan.work.runs["box"].store
    told = store.header()["seconds"]
    frame = read_runs([store]).map(lambda v: v.tolist() if isinstance(v, np.ndarray) else v)
    rows = sorted(json.dumps(row, default=str) for row in frame.to_dict("records"))
    phases = {phase: told.get(phase, 0.0) for phase in _PHASES}
    return Turn(name, seconds - told["load"], cpu, told["load"], phases), rows


def table(turns: Sequence[Turn], pictures: int, rows: int, differing: int) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| run | s | CPU s | " + " | ".join(_PHASES) + " | load |",
        "|---|" + "--:|" * (len(_PHASES) + 3),
        *(
            f"| {turn.name} | {turn.seconds:.2f} | {turn.cpu:.2f} | "
            + " | ".join(f"{turn.phases[phase]:.2f}" for phase in _PHASES)
            + f" | {turn.load:.2f} |"
            for turn in turns
        ),
    ]
    cold, warm = turns
    return (
        "\n".join(lines)
        + f"\n\nViT-B of random weights, {pictures} pictures of {SIZE[1]} x {SIZE[0]}, {rows} "
        f"masks, prompt=box: the second run is {cold.seconds / warm.seconds:.1f} times as fast as "
        f"the first, {cold.cpu / warm.cpu:.1f} times by CPU time with loading the model; "
        f"{differing} rows differ. Seconds are of wall time without loading the model, phases "
        "summed over threads.\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=3)
    parser.add_argument("--masks", type=int, default=8, help="of each picture")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = prepare(folder, chosen.pictures, chosen.masks)
        cold, first = run("cold", words, folder / "first")
        warm, second = run("warm", words, folder / "second")
    differing = sum(a != b for a, b in zip(first, second, strict=True))
    head = f"{date.today()}, CPU, {os.cpu_count()} cores"
    text = f"{head}\n\n{table([cold, warm], chosen.pictures, len(first), differing)}"
    result_files.write(
        "cache",
        text,
        pictures=chosen.pictures,
        masks=len(first),
        turns=[asdict(cold), asdict(warm)],
        ratio=cold.seconds / warm.seconds,
        cpu_ratio=cold.cpu / warm.cpu,
        differing_rows=differing,
    )
    sys.stdout.write(text)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
