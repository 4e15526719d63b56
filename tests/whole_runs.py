"""Whole runs as several tests make them: configured, carried out, and their rows looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from bench.config.composing import RunConfig, load_configs
from bench.run.driver import run
from bench.run.plan import Plan, make_plan
from bench.store.runs import ImageError, read_runs

PROMPTS = "prompt=[point_1,point_3,box,noisy_box,random_point_3,box_and_points]"


class Silent:
    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        pass

    def image_failed(self, error: ImageError) -> None:
        pass


class Stop(Silent):
    def __init__(self, after: int) -> None:
        self.left = after

    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


class Each(Silent):
    """Does something as each image is done."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action

    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        self._action()


def configure(folder: Path, *overrides: str, results: str = "results") -> RunConfig:
    """The dataset of the fixture ``coco_folder``; what the overrides say comes last."""
    config = deepcopy(_composed(overrides))
    here = {"annotations": f"{folder}/annotations.json", "images": f"{folder}/images"}
    for name, path in here.items():
        if config.dataset.args.get(name) == LATER:
            config.dataset.args[name] = path
    if config.runtime.results == LATER:
        config.runtime.results = f"{folder.parent}/{results}"
    return config


LATER = "later"
"""What stands in a composed configuration where a test's own folder comes to stand."""


@cache
def _composed(overrides: tuple[str, ...]) -> RunConfig:
    """Composed once for all tests that ask for it: each time takes a third of a second."""
    paths = ["dataset.args.annotations", "dataset.args.images", "runtime.results"]
    base = ["dataset=coco", "model=disk", PROMPTS, "runtime.device=cpu"]
    (config,) = load_configs([*base, *(f"{path}={LATER}" for path in paths), *overrides])
    return config


def execute(config: RunConfig) -> Plan:
    plan = make_plan(config)
    run(plan, Silent())
    return plan


def rows_of(plan: Plan) -> pd.DataFrame:
    return read_runs([each.store for each in plan.work.runs.values()])


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
