"""What the experiments share: a small dataset, commands in processes, and rows to compare."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
from pictures import coco_files
from PIL import Image
from pycocotools import mask as coco_mask

PRELOAD = ["bench.config.composing", "bench.run.plan", "bench.run.progress", "bench.run.worker",
           "bench.run.runtime.local",
           "bench.models.disk", "bench.data.readers.coco", "bench.prompts.clicks",
           "bench.prompts.box", "bench.cli", "bench.report.pages.write"]  # fmt: skip


PARTS = "runs/*/parts/*.parquet"
"""The parts below a folder of results."""

TWO = "runtime.devices=[cpu,cpu]"
"""Two worker processes."""


def make_dataset(
    folder: Path, images: int, masks: int = 3, size: tuple[int, int] = (96, 128)
) -> None:
    """A COCO dataset of noise with ellipses as masks: ``annotations.json`` and ``images/``."""
    rng = np.random.default_rng(images)
    (folder / "images").mkdir(parents=True)
    document: dict[str, list[object]] = {
        "images": [], "annotations": [], "categories": [{"id": 1, "name": "ellipse"}]
    }  # fmt: skip
    height, width = size
    y, x = np.mgrid[:height, :width]
    for image_id in range(images):
        name = f"{image_id:05d}.png"
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
        document["images"].append(
            {"id": image_id, "file_name": name, "height": height, "width": width}
        )
        for place in range(masks):
            a, b = rng.uniform(6, 30, 2)
            cx, cy = rng.uniform(0, width), rng.uniform(0, height)
            dense = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1
            rle = coco_mask.encode(np.asfortranarray(dense, dtype=np.uint8))
            document["annotations"].append(
                {
                    "id": image_id * masks + place + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "iscrowd": 0,
                    "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
                }
            )
    (folder / "annotations.json").write_text(json.dumps(document))


PROMPTED = "prompted_masks"

TASKS: Mapping[str, Sequence[str]] = {
    PROMPTED: ["prompt=[point_3,box]"],
    "proposals": ["task.args.points_per_side=3"],
    "edges": ["task.args.points_per_side=3", "task.args.levels=9"],
    "edge_maps": ["task.args.filter=sobel", "task.args.levels=9"],
    "boxes": [],
}
"""What a command is asked beside its task, so that an image takes little of it."""


def words_for(dataset: Path, results: Path, *more: str, task: str = PROMPTED) -> list[str]:
    """The words of ``sam-bench run`` for the dataset, model ``disk`` and a task of ``TASKS``."""
    return [
        f"task={task}",
        "model=disk",
        "dataset=coco",
        *TASKS[task],
        *coco_files(dataset),
        f"runtime.results={results}",
        "runtime.device=cpu",
        "runtime.workers=2",
        "runtime.part_images=2",
        *more,
    ]


def server() -> ForkServerContext:
    """Processes that start at once, forked from one in which the libraries are imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


class Running:
    """A process that does what ``sam-bench run`` does, up to the table."""

    def __init__(self, context: ForkServerContext, words: Sequence[str], log: Path) -> None:
        self.process: ForkServerProcess = context.Process(
            target=command, args=(list(words), str(log))
        )
        self.process.start()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        self.process.join()
        return int(self.process.exitcode or 0)

    def kill(self) -> bool:
        """Ends it with SIGKILL; says whether it was alive."""
        alive = self.process.is_alive()
        if alive:
            os.kill(self.process.pid or 0, signal.SIGKILL)
        self.process.join()
        return alive


def command(words: list[str], log: str) -> None:
    """Plans and runs, with the exit codes of the command line."""
    from bench.config.composing import load_configs
    from bench.run.plan import make_plan
    from bench.run.progress import run_plan
    from bench.types import BenchError

    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    try:
        plans = [make_plan(config) for config in load_configs(words)]
        failed = [error for plan in plans for error in run_plan(plan)]
        sys.exit(3 if failed else 0)
    except BenchError as error:
        os.write(2, f"sam-bench: {error}\n".encode())
        sys.exit(2)


class Trial:
    """A small dataset, what an undisturbed command gives on it, and how ruined ones compare.

    ``task`` is one of ``TASKS``; ``more`` are settings of every command but the undisturbed one.
    """

    def __init__(
        self,
        context: ForkServerContext,
        work: Path,
        name: str,
        images: int,
        task: str = PROMPTED,
        more: Sequence[str] = (),
    ) -> None:
        self._context, self._work, self._dataset = context, work, work / name
        self._task, self._more = task, more
        self.log = work / f"{name}.log"
        make_dataset(self._dataset, images)
        self._began = time.monotonic()
        self.runs = self._equal = 0
        self._lost, self._added = Counter[str](), Counter[str]()
        self._codes = Counter[int]()
        whole = self.folder("whole")
        words = words_for(self._dataset, whole, task=task)
        assert Running(context, words, self.log).wait() == 0, self.log.read_text()
        self.reference = rows_of(whole)
        self.parts = len(list(whole.glob(PARTS)))

    def folder(self, name: str) -> Path:
        """A folder for results."""
        return self._work / f"{self._dataset.name}_{name}"

    def start(self, results: Path, *more: str, log: Path | None = None) -> Running:
        """The command on the dataset; its words go to the trial's log or to another."""
        words = words_for(self._dataset, results, *self._more, *more, task=self._task)
        return Running(self._context, words, log or self.log)

    def judge(self, results: Path) -> None:
        """Compares the finished runs with the undisturbed one."""
        rows = rows_of(results)
        self.runs += 1
        self._equal += rows == self.reference and all_complete(results)
        self._lost.update(self.reference - rows)
        self._added.update(rows - self.reference)

    def again_until_done(self, running: Running, results: Path, *more: str) -> None:
        """Waits for the command, starts it again while it fails, and compares its rows."""
        self._codes[running.wait()] += 1
        while running.wait() != 0:
            running = self.start(results, *more)
            self._codes[running.wait()] += 1
        self.judge(results)

    def found(self) -> dict[str, Any]:
        """What became of the runs; ``rows_added`` are doubled or changed ones."""
        return {
            "runs": self.runs, "equal": self._equal, "rows": self.reference.total(),
            "rows_lost": self._lost.total(), "rows_added": self._added.total(),
            "seconds": round(time.monotonic() - self._began, 1),
        }  # fmt: skip

    def ends(self) -> dict[str, Any]:
        """The exit codes, and each line with which a command refused to go on."""
        said = Counter(
            re.sub(r"\S*/", "", line)
            for line in self.log.read_text().splitlines()
            if line.startswith("sam-bench:")
        )
        return {"exit_codes": {str(code): n for code, n in self._codes.items()}, "said": dict(said)}


def rows_of(results: Path) -> Counter[str]:
    """Every row of the runs as text, exact to the bit; raises for a mask that stands twice."""
    from bench.store.runs import find_runs, read_runs

    frame = read_runs(find_runs(results))
    plain = frame.map(lambda cell: cell.tolist() if isinstance(cell, np.ndarray) else cell)
    return Counter(json.dumps(row, default=str) for row in plain.to_dict("records"))


def all_complete(results: Path) -> bool:
    """Whether every run's header says that it is complete."""
    from bench.store.runs import find_runs

    return all(store.header()["status"] == "complete" for store in find_runs(results))


def wait_for_a_part(process: ForkServerProcess, results: Path) -> None:
    """Returns once a new part has appeared in the runs, or the process is over."""
    before = set(results.glob(PARTS))
    while process.is_alive() and before.issuperset(results.glob(PARTS)):
        process.join(0.02)


def children_of(pid: int) -> list[int]:
    """The worker processes below a process, by the words of their command (Linux)."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            said = (folder / "cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid and b"spawn_main" in said:
            found.append(int(folder.name))
    return found
