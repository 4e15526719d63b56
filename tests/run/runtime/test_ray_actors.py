"""Runs on a Ray cluster on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from whole_runs import Silent, comparable, execute, small_sam_config

from bench.config.composing import RaySettings, load_configs
from bench.run.driver import run
from bench.run.findings import Findings
from bench.run.plan import make_plan
from bench.run.profiling.profile import Profile
from bench.run.runtime import ray_actors
from bench.run.runtime.ledger import Ledger
from bench.run.runtime.ray_actors import _spread, _Workers
from bench.run.runtime.telling import Telling
from bench.types import BenchError

ray = pytest.importorskip("ray")

PROMPTS = "prompt=[point_3,box]"
HERE = str(Path(__file__).resolve().parents[2])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Ray with two CPUs; tests share it, and what is run uses it as it is."""
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": f"{Path.cwd()}:{HERE}"}},
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=9, masks=2)


@pytest.mark.long
@pytest.mark.usefixtures("cluster")
def test_actors_give_the_rows_of_one_process_and_say_what_failed(folder: Path) -> None:
    (folder / "images" / "004.png").write_bytes(b"")
    words = [PROMPTS, "runtime=ray", "runtime.part_images=2"]
    reference = comparable(execute(small_sam_config(folder, PROMPTS)))
    plan = make_plan(small_sam_config(folder, *words, results="other"))
    (error,) = run(plan, Silent())
    assert (error.image_id, "004.png" in error.reason) == ("4", True)
    assert comparable(plan) == reference
    header = plan.work.runs["box"].store.header()
    assert (header["status"], header["device"]) == ("complete", "2 Ray actors, cpu")
    assert (header["images_done"], header["images_failed"]) == (8, 1)
    assert header["facts"]["dtype"] == "float32"


@pytest.mark.long
@pytest.mark.usefixtures("cluster")
def test_actors_send_their_profile_along(folder: Path) -> None:
    words = [PROMPTS, "runtime=ray", "runtime.part_images=2", "runtime.profile=true"]
    plan = make_plan(small_sam_config(folder, *words))
    profile = Profile("cpu")
    assert run(plan, Silent(), profile) == []
    assert profile.folder is not None
    document = json.loads((profile.folder / "trace.json").read_text())
    events = [event for event in document["traceEvents"] if event["ph"] == "X"]
    assert {e["args"]["image"] for e in events if e["name"] == "embed"} == set(plan.work.ids)
    seconds = plan.work.runs["box"].store.header()["seconds"]
    for name, passed in seconds.items():
        noted = sum(event["dur"] / 1e6 for event in events if event["name"] == name)
        assert noted == pytest.approx(passed, abs=0.002), name
    total = next(event for event in events if event["name"] == "total")
    for event in events:  # the clocks of all processes are one
        assert total["ts"] <= event["ts"] <= total["ts"] + total["dur"], event


@pytest.mark.long
@pytest.mark.usefixtures("cluster")
def test_the_demo_checkpoint_gives_the_same_bytes_in_one_process_in_two_and_on_ray(
    tmp_path: Path,
) -> None:
    def rows(results: str, *words: str) -> list[str]:
        base = ["model=demo", "dataset=shapes", "dataset.args.count=4", PROMPTS]
        more = [f"runtime.results={tmp_path}/{results}", "runtime.device=cpu"]
        (config,) = load_configs([*base, *more, "runtime.part_images=1", *words])
        return comparable(execute(config))

    one = rows("one", "runtime.workers=2")
    assert len(one) > 100
    assert rows("two", "runtime.devices=[cpu,cpu]", "runtime.workers=1") == one
    assert rows("ray", "runtime=ray", "runtime.image_batch=2") == one


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_what_a_worker_refuses_is_one_line(folder: Path) -> None:
    (folder / "images" / "004.png").write_bytes(b"")
    words = [PROMPTS, "runtime=ray", "runtime.strict=true"]
    with pytest.raises(BenchError, match=r"image 4: .*004\.png.*strict"):
        run(make_plan(small_sam_config(folder, *words)), Silent())
    again = make_plan(small_sam_config(folder, PROMPTS, "runtime=ray"))
    assert len(again.work.todo) < 9, "what was done before is kept"


class _Lost:
    """A cluster in which nothing is ever answered, of nodes that are alive or not."""

    exceptions = ray.exceptions

    def __init__(self, *alive: bool) -> None:
        self._alive = alive

    def remote(self, _: object) -> MagicMock:
        return MagicMock()

    def wait(self, asked: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return [], asked

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": alive} for alive in self._alive]


@pytest.mark.parametrize("alive", [(), (False, False), (False, True)])
def test_a_cluster_without_a_live_node_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, alive: tuple[bool, ...]
) -> None:
    plan = make_plan(small_sam_config(folder, PROMPTS, "runtime=ray"))
    findings = Findings("cpu")
    ledger = Ledger(plan.work.jobs(), 1, 2)
    workers = _Workers(_Lost(*alive), plan, ledger, Telling(Silent(), findings), findings, 0)
    workers.start()
    workers.hear(0.0)
    monkeypatch.setattr(ray_actors, "DOUBT", -1.0)
    if any(alive):
        workers.hear(0.0)
    else:
        for _ in range(2):  # also as it is asked to finish what is in hand
            with pytest.raises(BenchError, match="no node of the Ray cluster is alive any more"):
                workers.hear(0.0)


def test_actors_are_as_many_as_fit() -> None:
    assert _spread({"CPU": 6.0, "GPU": 2.0}, RaySettings()) == (1.0, 2)
    assert _spread({"CPU": 6.0}, RaySettings(cpus_per_actor=2)) == (0.0, 3)
    assert _spread({"CPU": 6.0, "GPU": 2.0}, RaySettings(gpus_per_actor=0.5)) == (0.5, 4)
    assert _spread({"CPU": 6.0, "GPU": 2.0}, RaySettings(gpus_per_actor=0, actors=4)) == (0, 4)
    with pytest.raises(BenchError, match="needs 1 GPU, the cluster has 0 GPU and 6 CPU"):
        _spread({"CPU": 6.0}, RaySettings(gpus_per_actor=1))
