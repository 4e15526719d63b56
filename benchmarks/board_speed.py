"""How long the board of many runs takes, from their rows and from their cards.

    python benchmarks/board_speed.py --out benchmarks/results

Writes made-up runs (10 models, 10 datasets, 3 prompts; 60 images of 3 masks each), their cards, and
the board of both, each in a process of its own; then the same of few runs of many rows, ``--rows``
in all. Prints seconds of wall time and of a core, and the sizes of the cards and of the page;
``--out`` writes ``board_speed.md`` there, too.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import compare_speed
import numpy as np

from bench.config.run_key import run_name
from bench.store.runs import RunStore
from bench.types import MaskRow

MODELS = {f"model_{letter}": skill / 50 for skill, letter in enumerate("jdgbaicehf")}
DATASETS = tuple(f"data_{letter}" for letter in "ehbjcafidg")
PROMPTS = {"point_1": (1, 0.0), "point_3": (3, 0.05), "box": (1, 0.08)}
IMAGES, MASKS = 60, 3


def rows(dataset: str, model: str, prompt: str) -> Iterator[MaskRow]:
    """Rows whose images differ in how hard they are, and models in how good."""
    shared = np.random.default_rng([*dataset.encode()])
    own = np.random.default_rng([*f"{dataset}{model}{prompt}".encode()])
    step, gain = PROMPTS[prompt]
    for image in range(IMAGES):
        level = shared.uniform(0.3, 0.7) + MODELS[model] + gain
        for mask in range(MASKS):
            iou = float(np.clip(level + own.normal(0, 0.08), 0.01, 0.99))
            yield MaskRow(
                dataset=dataset, image_id=f"{image:04d}", mask_id=f"{image:04d}/{mask}",
                category=None, attributes={}, height=6, width=8, area=4, model=model,
                prompt=prompt, protocol="sam", step=step, n_points=step, point_coords=[],
                point_labels=[], box=None, iou=iou, iou_oracle=iou, ious=[iou],
                predicted_ious=[0.9], selected=0, multimask=False, mask_rle=None, metrics={},
            )  # fmt: skip


def write_run(results: Path, dataset: str, model: str, prompt: str) -> None:
    """A finished run of these rows."""
    key = f"{dataset}{model}{prompt}".encode().hex()[:12]
    store = RunStore.create(results, run_name(dataset, model, prompt, key))
    made = list(rows(dataset, model, prompt))
    store.write_part(made, sorted({row.image_id for row in made}))
    names = {"dataset": dataset, "model": model, "prompt": prompt, "protocol": "sam"}
    parts = {kind: {"name": name, "version": "1", "args": {}} for kind, name in names.items()}
    step, _ = PROMPTS[prompt]
    label = {"points": step if prompt != "box" else 0, "box": prompt == "box", "name": None}
    store.write_header(
        {
            **parts, "key": key, "name": store.folder.name, "report_steps": {str(step): label},
            "status": "complete", "images": IMAGES, "images_done": IMAGES, "images_failed": 0,
            "masks": len(made), "dataset_fingerprint": dataset,
        }
    )  # fmt: skip


def timed(words: Sequence[str]) -> tuple[float, float]:
    """Wall time and time of a core of one command, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "bench", *words], check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def said(text: str, out: Path | None, name: str) -> None:
    """Prints a text, and writes it into a folder where there is one."""
    sys.stdout.write(text)
    if out is not None:
        (out / name).write_text(text, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Boards:
    """Lines of the table, the bytes of each card, and those of the page of the rows."""

    lines: Sequence[str]
    cards: Sequence[int]
    page: int


def boards(folder: Path, what: str, write: Callable[[Path], None]) -> Boards:
    """Times the board of runs, their cards, and the board of those."""
    results, cards = folder / "results", folder / "cards"
    write(results)
    steps = {
        f"board of {what}": ["board", str(results), "--out", f"{folder}/a"],
        f"cards of {what}": ["card", "*", "--results", str(results), "--out", str(cards)],
        "board of these cards": ["board", str(cards), "--out", f"{folder}/b"],
    }
    lines = [f"| {name} | {'{:.1f} | {:.1f}'.format(*timed(w))} |" for name, w in steps.items()]
    sizes = [path.stat().st_size for path in cards.iterdir()]
    return Boards(lines, sizes, (folder / "a" / "index.html").stat().st_size)


def many_runs(results: Path) -> None:
    """One of each model, dataset and prompt."""
    for dataset in DATASETS:
        for model in MODELS:
            for prompt in PROMPTS:
                write_run(results, dataset, model, prompt)


def main() -> None:
    """Writes the runs, times the commands, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000, help="of few runs of many")
    options = parser.parse_args()

    def many_rows(results: Path) -> None:
        for seed, model in enumerate(MODELS):
            compare_speed.write_run(results, model, options.rows // len(MODELS), seed)

    with tempfile.TemporaryDirectory() as folder:
        runs = boards(Path(folder) / "runs", f"{len(MODELS) * len(DATASETS) * 3} runs", many_runs)
        rows = boards(Path(folder) / "rows", f"{options.rows:,} rows", many_rows)
    text = "\n".join(
        [
            "# Board: seconds for many runs, and for many rows",
            "",
            f"`python benchmarks/board_speed.py --out benchmarks/results`, "
            f"{datetime.now(timezone.utc):%Y-%m-%d}; {platform.system()} {platform.machine()}, "
            f"{os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f}. 10 models, "
            f"10 datasets, 3 prompts; {IMAGES} images of {MASKS} masks a run. Many rows: 10 models "
            f"on one dataset, 5 masks an image.",
            "",
            "| | wall, s | of a core, s |",
            "|---|---|---|",
            *runs.lines,
            *rows.lines,
            "",
            f"A card has {min(runs.cards):,} to {max(runs.cards):,} bytes, one of many rows up to "
            f"{max(rows.cards):,}; the page of many runs {runs.page:,}.",
            "",
        ]
    )
    said(text, options.out, "board_speed.md")


if __name__ == "__main__":
    main()
