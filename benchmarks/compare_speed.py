"""How long a comparison of a million rows takes, from Parquet to the table.

    python benchmarks/compare_speed.py --rows 1000000

Writes two made-up runs of half the rows each, 5 masks an image, and compares them. Prints seconds
(wall and CPU) and the peak of memory. Reading is part of it.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.analysis.comparing.comparison import compare
from bench.store.runs import SCHEMA, Content, RunStore

MASKS = 5
PART = 20_000


def write_run(results: Path, model: str, masks: int, seed: int) -> RunStore:
    """Write a finished run of ``masks`` rows, without stored masks."""
    store = RunStore.create(results, f"made_up-{model}-point_1-{seed:012d}")
    rng = np.random.default_rng(seed)
    level = np.random.default_rng(0).beta(3, 2, masks // MASKS)
    for start in range(0, masks, PART):
        index = np.arange(start, min(start + PART, masks))
        iou = np.clip(level[index // MASKS] + rng.normal(0, 0.15, len(index)), 0, 1)
        images = [f"{i:08d}" for i in index // MASKS]
        columns = {
            "dataset": ["made_up"] * len(index),
            "image_id": images,
            "mask_id": [f"{i:09d}" for i in index],
            "model": [model] * len(index),
            "prompt": ["point_1"] * len(index),
            "protocol": ["sam"] * len(index),
            "step": np.ones(len(index)),
            "n_points": np.ones(len(index)),
            "iou": iou,
            "iou_oracle": iou,
            "predicted_ious": [[float(value)] for value in iou],
            "selected": np.zeros(len(index)),
            "multimask": np.ones(len(index), bool),
        }
        arrays = [
            pa.array(columns[field.name], field.type)
            if field.name in columns
            else pa.nulls(len(index), field.type)
            for field in SCHEMA
        ]
        content = Content(tuple(dict.fromkeys(images)), len(index))
        text = json.dumps({"images": content.images, "masks": content.masks})
        schema = SCHEMA.with_metadata(dict(SCHEMA.metadata) | {b"bench.content": text})
        path = store.folder / "parts" / f"{start:032d}.parquet"
        pq.write_table(pa.table(arrays, schema=schema), path, compression="zstd")
    part = {"name": model, "version": "1", "args": {}, "about": {}}
    store.write_header(
        {
            "key": f"{seed:012d}",
            "status": "complete",
            "model": part,
            "dataset": part | {"name": "made_up"},
            "prompt": part | {"name": "point_1"},
            "protocol": part | {"name": "sam"},
            "report_steps": {"1": "1 point"},
        }
    )
    return store


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="of both runs together")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            write_run(Path(folder), name, chosen.rows // 2, i + 1) for i, name in enumerate("ab")
        ]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        found = compare(runs[:1], runs[1:])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(found.answer[0])  # noqa: T201
    print(  # noqa: T201
        f"{chosen.rows:,} rows: {wall:.1f} s, {cpu:.1f} s of CPU, "
        f"peak {peak / 2**20:.2f} GB ({before / 2**20:.2f} GB before)"
    )


if __name__ == "__main__":
    main()
