"""Nodes of a Ray cluster on this machine that are taken away while a command runs on it."""

from __future__ import annotations

import random
import time
from collections import Counter
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from faulting.setting import all_complete, finish, make_dataset, rows_of, start, words_for


def removed_nodes(context: ForkServerContext, work: Path, nodes: int, seed: int) -> dict[str, Any]:
    """Two nodes of one CPU each beside a head without; one is killed, and another one comes."""
    from ray.cluster_utils import Cluster

    rng = random.Random(seed)
    dataset, log = work / "nodes", work / "nodes.log"
    make_dataset(dataset, images=900)
    began = time.monotonic()
    assert finish(context, words_for(dataset, work / "nodes_whole"), log) == 0
    reference = rows_of(work / "nodes_whole")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
    removed, runs, equal, at_work, codes = 0, 0, 0, 0, Counter[int]()
    try:
        while removed < nodes:
            results = work / f"nodes_{runs}"
            words = words_for(
                dataset, results, "runtime=ray", f"runtime.ray.address={cluster.address}",
                "runtime.part_images=8",
            )  # fmt: skip
            process = start(context, words, log)
            while process.is_alive() and removed < nodes:
                process.join(rng.uniform(2, 15))
                if not process.is_alive():
                    break
                before = _parts(results)
                cluster.remove_node(workers.pop(rng.randrange(2)), allow_graceful=False)
                workers.append(cluster.add_node(num_cpus=1))
                removed += 1
                at_work += before > 0
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
        "runs": runs, "nodes_removed": removed, "of_them_after_the_first_part": at_work,
        "rows": len(reference), "equal": equal,
        "exit_codes": {str(code): count for code, count in codes.items()},
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def _parts(results: Path) -> int:
    return sum(1 for _ in results.glob("runs/*/parts/*.parquet"))
