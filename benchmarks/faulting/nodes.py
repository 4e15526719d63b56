"""Nodes of a Ray cluster on this machine that are taken away while a command runs on it."""

from __future__ import annotations

import random
import time
from collections import Counter
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from faulting.setting import (
    all_complete,
    finish,
    make_dataset,
    rows_of,
    start,
    wait_for_a_part,
    words_for,
)


def removed_nodes(context: ForkServerContext, work: Path, nodes: int, seed: int) -> dict[str, Any]:
    """Two nodes of one CPU each beside a head without; one is killed, and another one comes.

    A node goes up to two seconds after a part has appeared.
    """
    from ray.cluster_utils import Cluster

    rng = random.Random(seed)
    dataset, log = work / "nodes", work / "nodes.log"
    make_dataset(dataset, images=300)
    began = time.monotonic()
    assert finish(context, words_for(dataset, work / "nodes_whole"), log) == 0
    reference = rows_of(work / "nodes_whole")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
    removed, runs, equal, codes = 0, 0, 0, Counter[int]()
    try:
        while removed < nodes:
            results = work / f"nodes_{runs}"
            words = words_for(
                dataset, results, "runtime=ray", f"runtime.ray.address={cluster.address}",
                "runtime.part_images=4",
            )  # fmt: skip
            process = start(context, words, log)
            while process.is_alive() and removed < nodes:
                wait_for_a_part(process, results)
                process.join(rng.uniform(0, 2))
                if not process.is_alive():
                    break
                cluster.remove_node(workers.pop(rng.randrange(2)), allow_graceful=False)
                workers.append(cluster.add_node(num_cpus=1))
                removed += 1
            process.join()
            codes[int(process.exitcode or 0)] += 1
            while process.exitcode != 0:  # an image blamed for a loss: the same command does it
                process = start(context, words, log)
                process.join()
                codes[int(process.exitcode or 0)] += 1
            runs += 1
            equal += rows_of(results) == reference and all_complete(results)
    finally:
        cluster.shutdown()
    return {
        "runs": runs, "nodes_removed": removed,
        "rows": len(reference), "equal": equal,
        "exit_codes": {str(code): count for code, count in codes.items()},
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
