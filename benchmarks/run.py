"""The bench against the plain loop around ``SamPredictor``, and against the model's bare calls.

    python benchmarks/run.py                      every case that this machine can run
    python benchmarks/run.py demo_shapes vit_b    some of them
    python benchmarks/run.py demo_nuts --nuts FOLDER

In one process and in turn, on the same images, the same protocol and the same three prompts (1
point, 3 points, box): the loop, the bench, and the floor, which is the model's own encoder and
decoder calls for the same images and prompts and nothing else, on as many threads that share the
work as the bench's do.

On a CPU in the reference mode the rows of loop and bench must be equal to the bit, but for
predicted IoUs, where the loop's threads may move the last bits; else the command ends with 1.
(Of 12 megapixels a few lie so close to the threshold that these bits decide them; with
``--threads 1`` the loop's model sums as the bench's does.) In another mode, which
``--override model.args.dtype=bfloat16`` or ``model.args.compiled=true`` chooses for bench and
floor, and on a GPU, what has moved is told. Prints a Markdown table and writes it with JSON,
machine, versions and date into ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from segment_anything import SamPredictor

sys.path.insert(0, str(Path(__file__).parent))

import result_files
from known_answers import KnownPredictor
from memory import resident
from reference_loop import loop_over_masks
from row_comparison import KEY, compare, differing, plain, predicted_moved
from speed_cases import CASES, NEED_GPU, Case
from speed_figures import PHASES, Figures, table

from bench.config.composing import RunConfig, load_configs
from bench.models.loading import model_class
from bench.models.numerics import Numerics
from bench.run.plan import Plan, make_plan
from bench.run.progress import run_plan
from bench.run.worker import GROUP
from bench.store.runs import read_runs
from bench.types import BenchError, Prompt
from bench.types.threads import Crew

_FLOOR_PIECE = 16
"""Prompts of an image that a thread answers on a CPU before others may take over the rest."""

PROMPTS = "prompt=[point_1,point_3,box]"
_MODE = tuple(each.name for each in fields(Numerics))


class PeakMemory:
    """The most resident memory of this process while it watches, in MiB above the start."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self.start = self.most = resident()

    @contextmanager
    def __call__(self) -> Iterator[PeakMemory]:
        """Watch for the length of the block."""
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        try:
            yield self
        finally:
            self._stop.set()
            watcher.join()

    @property
    def above(self) -> float:
        """MiB above the start."""
        return self.most - self.start

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.most = max(self.most, resident())


def measure(case: Case, chosen: argparse.Namespace) -> Figures:
    """Run the case in turn ``chosen.repeats`` times; raises ``BenchError`` if it can't be run."""
    figures = Figures(case.name)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [*case.words(folder / "data", chosen), PROMPTS, *chosen.override]
        threads = chosen.threads or torch.get_num_threads()
        if torch.cuda.is_available():
            _warm_up([*words, f"runtime.results={folder / 'warm'}"])
        for turn in range(chosen.repeats):
            words_now = [*words, f"runtime.results={folder / f'results{turn}'}"]
            (config,) = load_configs(words_now)
            plan = make_plan(config)
            torch.set_num_threads(threads)
            loop_rows = _time_loop(config, plan, figures)
            bench_rows = _time_bench(plan, figures)
            _time_floor(config, plan, bench_rows, figures)
            figures.differing_rows += differing(loop_rows, bench_rows)
            moved = predicted_moved(loop_rows, bench_rows)
            figures.largest_predicted = max(figures.largest_predicted, moved)
            last = loop_rows["step"] == loop_rows.groupby("prompt")["step"].transform("max")
            figures.moved = compare(loop_rows, bench_rows[list(loop_rows)], last)
        figures.images = len(plan.work.todo)
        figures.masks = bench_rows["mask_id"].nunique()
        figures.answers = len(bench_rows)
    return figures


def _warm_up(words: Sequence[str]) -> None:
    """Have kernels loaded and compiled: a few images, whose time isn't counted."""
    (config,) = load_configs([*words, "runtime.limit=8"])
    run_plan(make_plan(config))


def _model(config: RunConfig, plan: Plan) -> Any:
    model = model_class(config.model, config.runtime.allow_modules)
    return model(**config.model.args, site=plan.setting.site)


def _time_loop(config: RunConfig, plan: Plan, figures: Figures) -> pd.DataFrame:
    reference = {key: v for key, v in config.model.args.items() if key not in _MODE}
    model = replace(config.model, args=reference)
    sam = _model(replace(config, model=model), plan)._sam
    answers = config.model.args.get("answers")
    predictor = KnownPredictor(sam, Path(answers)) if answers else SamPredictor(sam)
    memory = PeakMemory()
    with memory(), torch.inference_mode():
        start = time.perf_counter()
        rows = [
            row
            for each in plan.work.todo
            for row in loop_over_masks(predictor, plan.reader.read(each))
        ]
        figures.loop.append(time.perf_counter() - start)
    figures.memory_loop = max(figures.memory_loop, memory.above)
    return pd.DataFrame(rows).sort_values(KEY, ignore_index=True)


def _time_bench(plan: Plan, figures: Figures) -> pd.DataFrame:
    memory = PeakMemory()
    with memory():
        start = time.perf_counter()
        failed = run_plan(plan)
        seconds = time.perf_counter() - start
    if failed:
        raise BenchError(f"image {failed[0].image_id}: {failed[0].reason}")
    stores = [each.store for each in plan.work.runs.values()]
    header = stores[0].header()
    told, latest = header["seconds"], header["latest"]
    # Loading the model is not part of the loop's time either. Processes load side by side.
    figures.bench.append(seconds - told["load"] / latest["workers"])
    others = latest["workers"] * (latest["memory"]["host"] or 0) if latest["workers"] > 1 else 0
    figures.memory_bench = max(figures.memory_bench, memory.above + others / 2**20)
    for phase in PHASES:
        figures.phases[phase] = figures.phases.get(phase, 0.0) + told.get(phase, 0.0)
    return read_runs(stores).sort_values(KEY, ignore_index=True)


def _time_floor(config: RunConfig, plan: Plan, rows: pd.DataFrame, figures: Figures) -> None:
    """Time the model's calls alone: every image embedded once, every different prompt answered."""
    segmenter = _model(config, plan)
    samples = {image_id: plan.reader.read(image_id) for image_id in plan.work.todo}
    asked = rows.assign(key=[_asked(row) for row in rows.to_dict("records")])
    asked = asked.drop_duplicates(["image_id", "mask_id", "step", "key"])
    prompts = {
        image_id: [
            (_prompt(row, segmenter), bool(row["multimask"])) for row in part.to_dict("records")
        ]
        for image_id, part in asked.groupby("image_id")
    }

    def answer(image_ids: Sequence[str]) -> None:
        with crew.seat():
            _one_thread(on_cpu)
            embeddings = segmenter.embed([samples[image_id].image for image_id in image_ids])
            for multimask in (True, False):
                alike = [
                    (embedding, prompt)
                    for image_id, embedding in zip(image_ids, embeddings, strict=True)
                    for prompt, several in prompts.get(image_id, ())
                    if several is multimask
                ]
                size = _FLOOR_PIECE if on_cpu else len(alike) or 1
                parts = (alike[start : start + size] for start in range(0, len(alike), size))
                crew.share(partial(predict, multimask=multimask), parts)
        if not on_cpu:
            torch.cuda.synchronize()

    def predict(asked: Sequence[tuple[Any, Prompt]], multimask: bool) -> None:
        segmenter.predict(*map(list, zip(*asked, strict=True)), multimask)

    on_cpu = plan.setting.site.device == "cpu"
    lanes = config.runtime.workers if on_cpu else 1
    crew = Crew(lanes, partial(_one_thread, on_cpu))
    # As the bench does: image by image on a CPU, several together elsewhere.
    together = 1 if on_cpu else max(GROUP, config.runtime.image_batch)
    groups = [
        plan.work.todo[start : start + together]
        for start in range(0, len(plan.work.todo), together)
    ]
    if not on_cpu:
        answer(groups[0])  # the first calls load kernels
    with ThreadPoolExecutor(lanes) as pool:
        start = time.perf_counter()
        list(pool.map(answer, groups))
        figures.floor.append(time.perf_counter() - start)


def _one_thread(on_cpu: bool) -> None:
    """As the bench does: images side by side, each on one thread."""
    if on_cpu:
        torch.set_num_threads(1)


def _asked(row: dict[Any, Any]) -> str:
    return json.dumps([plain(row[name]) for name in ("point_coords", "point_labels", "box")])


def _prompt(row: dict[Any, Any], segmenter: Any) -> Prompt:
    fed_back = row["step"] > 1
    size = tuple(segmenter._sam.prompt_encoder.mask_input_size)
    return Prompt(
        points=np.array(plain(row["point_coords"]), np.float32).reshape(-1, 2),
        labels=np.array(plain(row["point_labels"]), np.int64),
        box=None if row["box"] is None else np.array(plain(row["box"]), np.float32),
        mask_logits=np.zeros(size, np.float32) if fed_back else None,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [case.name for case in CASES]
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(names)} (all)")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--scenes", type=int, default=20, help="of demo_shapes")
    parser.add_argument("--objects", type=int, default=100, help="in the large pictures")
    parser.add_argument("--pictures", type=int, default=48, help="of vit_l and vit_h")
    parser.add_argument("--threads", type=int, help="of torch in the loop (its own choice)")
    parser.add_argument("--nuts", type=Path, help="folder with trainval.json and images/")
    parser.add_argument("--override", action="append", default=[], help="word for sam-bench run")
    parser.add_argument("--name", default="speed", help="of the files in benchmarks/results")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.cases) - set(names):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    found: list[Figures] = []
    notes: list[str] = []
    text = ""
    for case in CASES:
        if chosen.cases and case.name not in chosen.cases:
            continue
        if not chosen.cases and case.name in NEED_GPU and not torch.cuda.is_available():
            notes.append(f"{case.name} not measured: no GPU")
            continue
        try:
            found.append(measure(case, chosen))
        except BenchError as error:
            notes.append(f"{case.name} not measured: {error}")
        text = _write(found, notes, chosen)  # after each case: a long one may be ended
    sys.stdout.write(text)
    exact = not torch.cuda.is_available() and not any("model.args." in w for w in chosen.override)
    return 1 if exact and any(one.differs for one in found) else 0


def _write(found: Sequence[Figures], notes: Sequence[str], chosen: argparse.Namespace) -> str:
    """Write the figures so far as Markdown and JSON; return the Markdown."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    head = f"{date.today()}, {device}, {os.cpu_count()} cores; words: {chosen.override or 'none'}"
    if chosen.threads:
        head += f"; threads of the loop: {chosen.threads}"
    text = f"{head}\n\n{table(found)}" + "".join(f"\n{note}\n" for note in notes)
    result_files.write(
        chosen.name,
        text,
        device=device,
        words=chosen.override,
        threads=chosen.threads,
        notes=notes,
        cases=[asdict(one) | {"ratio": one.ratio, "over_floor": one.over_floor} for one in found],
    )
    return text


if __name__ == "__main__":
    sys.exit(main())
