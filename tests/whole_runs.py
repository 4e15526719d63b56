"""Whole runs as several tests make them: configured, carried out, and their rows looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.config.composing import RunConfig, load_configs
from bench.run.plan import Plan, make_plan
from bench.run.worker import run
from bench.store.runs import ImageError, read_runs

PROMPTS = "prompt=[point_1,point_3,box,noisy_box,random_point_3,box_and_points]"


class Silent:
    def image_done(self, ious: Mapping[str, Sequence[float]]) -> None:
        pass

    def image_failed(self, error: ImageError) -> None:
        pass


class Stop(Silent):
    def __init__(self, after: int) -> None:
        self.left = after

    def image_done(self, ious: Mapping[str, Sequence[float]]) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


class Each(Silent):
    """Does something as each image is done."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action

    def image_done(self, ious: Mapping[str, Sequence[float]]) -> None:
        self._action()


def configure(folder: Path, *overrides: str, results: str = "results") -> RunConfig:
    paths = [
        f"dataset.args.annotations={folder}/annotations.json",
        f"dataset.args.images={folder}/images",
        f"runtime.results={folder.parent}/{results}",
        "runtime.device=cpu",
    ]
    base = ["dataset=coco", "model=disk", PROMPTS]
    (config,) = load_configs([*base, *paths, *overrides])
    return config


def execute(config: RunConfig) -> Plan:
    plan = make_plan(config)
    run(plan, Silent())
    return plan


def rows_of(plan: Plan) -> pd.DataFrame:
    return read_runs([each.store for each in plan.runs.values()])


def comparable(plan: Plan) -> list[str]:
    """Every row as text, exact to the bit, sorted."""
    frame = rows_of(plan)
    plain = frame.map(lambda cell: cell.tolist() if isinstance(cell, np.ndarray) else cell)
    return sorted(json.dumps(row, default=str) for row in plain.to_dict("records"))


def small_sam_config(folder: Path, *overrides: str, results: str = "results") -> RunConfig:
    config = configure(folder, *overrides, results=results)
    config.model.name, config.model.target = "small_sam", "small_sam.SmallSam"
    config.model.args = {}
    config.runtime.allow_modules = ["small_sam"]
    return config


def grabcut_config(folder: Path, *overrides: str, results: str = "results") -> RunConfig:
    words = ["model=grabcut", "prompt=[point_3,box]"]
    return configure(folder, *words, *overrides, results=results)
