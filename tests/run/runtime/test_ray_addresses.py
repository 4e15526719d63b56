"""Addresses at which no Ray cluster answers. Here Ray was not started: a started one is used."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from whole_runs import Silent, small_sam_config

from bench.run.driver import run
from bench.run.plan import make_plan
from bench.types import BenchError

pytest.importorskip("ray")

PROMPTS = "prompt=[point_3,box]"


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=9, masks=2)


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "nobody.invalid:{}"])
def test_a_cluster_that_is_not_there_is_one_line_at_once(folder: Path, address: str) -> None:
    with socket.socket() as taken:  # a port at which nothing listens
        taken.bind(("127.0.0.1", 0))
        address = address.format(taken.getsockname()[1])
        words = [PROMPTS, "runtime=ray", f"runtime.ray.address='{address}'"]
        with pytest.raises(
            BenchError, match=rf"runtime\.ray\.address={address}: no cluster answers"
        ):
            run(make_plan(small_sam_config(folder, *words)), Silent())
