"""The most memory that a worker has taken, counted anew for each run of a sweep."""

import sys

import numpy as np
import pytest

import bench
from bench.models.disk import Disk
from bench.run.profiling.memory import forget_peak, peak

LARGE = 400_000_000
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process forget")


class Hungry(Disk):
    """A disk that takes ``LARGE`` bytes for each image and gives them back."""

    def embed(self, images):
        np.ones(LARGE // 8)
        return super().embed(images)


@pytest.fixture
def sweep(tmp_path):
    """Runs the model that is hungry, then one that is not; gives the most that each took."""

    def run(*words):
        (tmp_path / "conf" / "model").mkdir(parents=True)
        (tmp_path / "conf" / "model" / "hungry.yaml").write_text(
            'name: hungry\nversion: "1"\ntarget: test_peak.Hungry\nargs: {}\n'
        )
        found = bench.evaluate(
            "dataset.args.count=1",
            "runtime.allow_modules=[test_peak]",
            *words,
            model=["hungry", "disk"],
            prompt="box",
            results=tmp_path / "results",
            config_dir=tmp_path / "conf",
        )
        headers = [store.header() for store in found.runs]
        return {each["model"]["name"]: each["latest"]["memory"]["host"] for each in headers}

    return run


@LINUX
def test_what_was_given_back_is_forgotten():
    np.ones(LARGE // 8)
    with_it = peak("cpu").host
    forget_peak("cpu")
    assert peak("cpu").host < with_it - LARGE / 2


@LINUX
def test_a_sweep_gives_no_run_the_memory_of_the_one_before(sweep):
    told = sweep()
    assert told["disk"] < told["hungry"] - LARGE / 2


@pytest.mark.long
def test_a_workers_memory_is_not_that_of_the_process_that_waits_for_it(sweep):
    held = np.ones(3 * LARGE // 8)
    told = sweep("runtime.devices=[cpu]")
    assert told["disk"] < peak("cpu").host - held.nbytes / 2, "this array is not the worker's"
    assert told["disk"] < told["hungry"] - LARGE / 2
