"""Images per second of two processes against one, measured in turn."""

from __future__ import annotations

import json
import os
import statistics
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from faulting.setting import Running, make_dataset, words_for

IMAGES = {"disk": 400, "demo": 60}
"""How many a command scores, by model."""

SETTINGS = {
    "one process, one thread": ["runtime.workers=1"],
    "one process, two threads": ["runtime.workers=2"],
    "two processes, one thread each": ["runtime.workers=2", "runtime.devices=[cpu,cpu]"],
}


def two_against_one(context: ForkServerContext, work: Path, turns: int) -> dict[str, Any]:
    """The work alone (``total`` less ``load``) and the whole command, medians over the turns.

    ``load`` of two processes passes side by side, so half of it is taken off.
    """
    dataset = work / "efficiency"
    make_dataset(dataset, images=max(IMAGES.values()))
    found: dict[str, Any] = {"load average before": round(os.getloadavg()[0], 1)}
    for model, limit in IMAGES.items():
        rates: dict[str, list[float]] = {name: [] for name in SETTINGS}
        whole: dict[str, list[float]] = {name: [] for name in SETTINGS}
        for turn in range(turns):
            for name, more in SETTINGS.items():
                results = work / f"{model}_{turn}_{name.replace(' ', '_').replace(',', '')}"
                words = words_for(dataset, results, *more, "runtime.part_images=16",
                                  f"model={model}", f"runtime.limit={limit}")[1:]  # fmt: skip
                began = time.monotonic()
                log = work / "efficiency.log"
                assert Running(context, words, log).wait() == 0, log.read_text()
                whole[name].append(limit / (time.monotonic() - began))
                rates[name].append(limit / _seconds_at_work(results, 2 if "two p" in name else 1))
        one, two = (statistics.median(rates[name]) for name in list(SETTINGS)[::2])
        found[model] = {
            "images": limit,
            "images per second at work": {
                n: round(statistics.median(r), 2) for n, r in rates.items()
            },
            "images per second of the whole command": {
                n: round(statistics.median(r), 2) for n, r in whole.items()
            },
            "two processes against one": round(two / one, 2),
        }
    found["load average after"] = round(os.getloadavg()[0], 1)
    return found


def _seconds_at_work(results: Path, processes: int) -> float:
    (header, *_) = results.glob("runs/*/run.json")
    seconds = json.loads(header.read_text())["seconds"]
    return float(seconds["total"]) - float(seconds["load"]) / processes
