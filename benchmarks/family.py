"""Every family of models that takes clicks, in one sweep, of random weights: what each costs here.

    python benchmarks/family.py
    python benchmarks/family.py --dataset photos --limit 2

Nothing is downloaded. Writes small instances of the architectures that ``transformers`` has, of
Segment Anything's own modules, and the embedded model exported to TorchScript, torch.export and
ONNX, the small published Sams at their own sizes, and a network for clicks, and runs them with the
embedded and the classical models in a single ``bench.evaluate``, a process for each. Prints the
report's table of costs, with the bytes of the weights beside it, and writes it with JSON, machine,
versions and date into ``benchmarks/results/``. Weights are random, so masks say nothing, and a cost
is that of the instance: it shows that every family runs the whole way, and what its code takes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import result_files
import torch
from small_click_network import traced
from tiny_transformers import SIDES, write_tiny

from bench import evaluate
from bench.analysis.sections.cost import cost_section
from bench.analysis.selection import Selection, select
from bench.analysis.wording.words import DASH
from bench.cli import main as sam_bench
from bench.config.composing import load_component
from bench.models.availability import availability
from bench.models.efficient_sam import ARCHITECTURES
from bench.models.exporting import KINDS
from bench.models.loading import model_class
from bench.types import BenchError, Site

EMBEDDED = ("demo", "demo_s", "demo_l")
CLASSICAL = ("disk", "grabcut", "watershed")
LIGHT = ("mobile_sam", "repvit_sam", "efficientvit_sam_l0", "efficient_sam_ti")
"""At their published sizes: their encoders take seconds an image, not minutes."""

WALKER_SIDE = 64
"""Pixels of the long side: at its usual 256 the random walker takes a minute for a picture."""

PROMPTS = ("point_3",)
"""What every family of them takes: networks for clicks know no box."""


def write_models(folder: Path) -> list[str]:
    """Writes weights and YAMLs below the folder; gives the names of all models of the sweep."""
    written = [_transformers(arch, folder) for arch in SIDES]
    written.append(
        _yaml(folder, "small_sam", "small_sam.SmallSam", {}, "Small SAM, its own modules")
    )
    walker = load_component("model", "random_walker")
    args = {**walker.args, "side": WALKER_SIDE}
    written.append(_yaml(folder, "small_walker", walker.target, args, "Random walker, small"))
    for kind in KINDS:
        words = ["export-model", "model=demo", "--format", kind, "--output-dir", str(folder)]
        with contextlib.redirect_stdout(io.StringIO()):
            if code := sam_bench(words):
                raise BenchError(f"export-model to {kind} ended with {code}")
        written.append(f"demo_{kind}")
    written += [_light(name, folder) for name in LIGHT]
    network = traced(folder / "weights" / "clicks.pt")
    component = load_component("model", "ritm")
    args = {**component.args, "network": str(network)}
    written.append(_yaml(folder, "small_ritm", component.target, args, "RITM's interface, small"))
    return [*EMBEDDED, *CLASSICAL, *written]


def _light(name: str, folder: Path) -> str:
    """A published architecture with random weights, read from a file as a user's own are."""
    component = load_component("model", name)
    arch = component.args["arch"]
    of_class = getattr(model_class(component), "architectures", None)
    torch.manual_seed(0)
    network = (of_class() if of_class else ARCHITECTURES)[arch]()
    path = folder / "weights" / f"{name}.pt"
    torch.save(network.state_dict(), path)
    args = {**component.args, "checkpoint": str(path)}
    title = f"{component.about['title']}, random"
    return _yaml(folder, f"random_{name}", component.target, args, title)


def _transformers(arch: str, folder: Path) -> str:
    weights = write_tiny(arch, folder / "weights" / arch)
    args = {"arch": arch, "repository": None, "revision": None, "folder": str(weights)}
    target = "bench.models.transformers_sam.TransformersSam"
    return _yaml(folder, f"tiny_{arch}", target, args, f"{arch}, tiny")


def _yaml(folder: Path, name: str, target: str, args: dict[str, Any], title: str) -> str:
    said = {"name": name, "version": "1", "target": target, "args": args, "about": {"title": title}}
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / f"{name}.yaml").write_text(yaml.safe_dump(said))
    return name


def sweep(models: Sequence[str], folder: Path, dataset: str, limit: int) -> Selection:
    """Every model on the first images of the dataset, in one command."""
    done = evaluate(
        "runtime.allow_modules=[small_sam]",
        "runtime.devices=[cpu]",  # a process each: its memory is its own
        "runtime.allow_degenerate='random weights'",
        model=models,
        dataset=dataset,
        prompt=PROMPTS,
        protocol="efficient_sam",  # it feeds nothing back: not every family takes an earlier mask
        results=folder / "results",
        limit=limit,
        config_dir=folder,
    )
    if done.failed:
        raise BenchError(f"image {done.failed[0].image_id}: {done.failed[0].reason}")
    return select(list(done.runs), allow_partial=True)


def table(selection: Selection, folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """The report's table of costs in Markdown, with the bytes of the weights; and its lines."""
    (section,) = cost_section(selection)
    sizes = [_size(name, folder) for name in section.lines["model"]]
    heads = (*section.heads, "weights, MB")
    sides = "---|" * section.names + "--:|" * (len(heads) - section.names)
    text = [f"| {' | '.join(heads)} |", f"|{sides}"]
    for size, row in zip(sizes, section.rows, strict=True):
        text.append(f"| {' | '.join((*row, DASH if size is None else f'{size / 1e6:.1f}'))} |")
    lines = section.lines.assign(weights_bytes=pd.Series(sizes, section.lines.index, object))
    known = lines.astype(object).where(pd.notna(lines), None)
    return "\n".join(text) + "\n", known.to_dict("records")


def _size(name: str, folder: Path) -> int | None:
    return availability(load_component("model", name, folder), Site(download=False)).size


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default="shapes", help="an embedded one (shapes)")
    parser.add_argument("--limit", type=int, default=2, help="images of it (2)")
    parser.add_argument("--models", nargs="*", help="some of them")
    parser.add_argument("--name", default="family", help="of the file in benchmarks/results")
    chosen = parser.parse_args(arguments)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        models = write_models(folder)
        if unknown := set(chosen.models or ()) - set(models):
            parser.error(f"no model {', '.join(sorted(unknown))}; there are {', '.join(models)}")
        selection = sweep(chosen.models or models, folder, chosen.dataset, chosen.limit)
        costs, lines = table(selection, folder)
    seconds = time.perf_counter() - start
    head = (
        f"{date.today()}, the first {chosen.limit} images of {chosen.dataset}, prompts "
        f"{' and '.join(PROMPTS)}, {len(lines)} models in one sweep, {seconds:.0f} s with writing "
        f"them, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores. Small instances, "
        "random weights but for the embedded models and their exports.\n\n"
    )
    result_files.write(chosen.name, head + costs, seconds=round(seconds), lines=lines)
    sys.stdout.write(head + costs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
