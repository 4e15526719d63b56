"""Nodes of a Ray cluster on this machine that are taken away while a command runs on it."""

from __future__ import annotations

import random
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from faulting.setting import Trial, wait_for_a_part


def removed_nodes(context: ForkServerContext, work: Path, nodes: int, seed: int) -> dict[str, Any]:
    """Two nodes of one CPU each beside a head without; one is killed, and another one comes.

    A node goes up to two seconds after a part has appeared.
    """
    from ray.cluster_utils import Cluster

    rng = random.Random(seed)
    trial = Trial(context, work, "nodes", images=300)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
    words = ["runtime=ray", f"runtime.ray.address={cluster.address}", "runtime.part_images=4"]
    removed = 0
    try:
        while removed < nodes:
            results = trial.folder(f"{trial.runs}")
            running = trial.start(results, *words)
            while running.process.is_alive() and removed < nodes:
                wait_for_a_part(running.process, results)
                running.process.join(rng.uniform(0, 2))
                if not running.process.is_alive():
                    break
                cluster.remove_node(workers.pop(rng.randrange(2)), allow_graceful=False)
                workers.append(cluster.add_node(num_cpus=1))
                removed += 1
            trial.again_until_done(running, results, *words)
    finally:
        cluster.shutdown()
    return {**trial.found(), "nodes_removed": removed, **trial.ends()}
