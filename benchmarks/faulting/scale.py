"""As many parts as a thousand workers would write: listed, resumed, reported, compacted."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MASKS = 100
LEFT = 20
"""Images that are left for the resumed command to do."""


def many_parts(work: Path, parts: int) -> dict[str, Any]:
    """Made-up parts of one image with 100 masks each, of a run on ``shapes`` with ``disk``.

    Each step runs in a process of its own, whose peak memory is given; the file cache is warm.
    Parts that lie in ``work/results`` already are taken as they are.
    """
    found: dict[str, Any] = {"images": parts, "masks of each": MASKS, "images left to do": LEFT}
    if not (work / "results").exists():
        found["seconds to make the parts"] = round(_apart(_make, work, parts)[0], 1)
    sizes = [path.stat().st_size for path in work.glob("results/**/*.parquet")]
    found |= {"parts": len(sizes), "GB on disk": round(sum(sizes) / 1e9, 2)}
    raw, compacted = work / "results", work / "compacted"
    shutil.copytree(raw, compacted, copy_function=os.link)  # no part is ever changed in place
    found["never compacted"] = _measure(raw, parts)
    (seconds, merged), cpu, peak = _apart(_compact_all, compacted, parts)
    found["compaction"] = {
        "seconds": round(seconds, 1), "CPU seconds": round(cpu, 1), "GB at most": round(peak, 2),
        "parts afterwards": merged,
    }  # fmt: skip
    found["compacted"] = _measure(compacted, parts)
    return found


def _measure(results: Path, parts: int) -> dict[str, Any]:
    steps: dict[str, Callable[..., Any]] = {"list": _list, "resume": _resume, "report": _report}
    found: dict[str, Any] = {}
    for name, step in steps.items():
        (seconds, said), cpu, peak = _apart(step, results, parts)
        found[name] = f"{seconds:.1f} s ({cpu:.1f} s of CPU), {peak:.2f} GB at most: {said}"
        sys.stderr.write(f"{name}: {found[name]}\n")
    return found


def _apart(step: Callable[..., Any], folder: Path, parts: int) -> tuple[Any, float, float]:
    """What the step gives in a process of its own, its CPU seconds and its peak memory in GB."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_step, args=(step, folder, parts, theirs))
    process.start()
    theirs.close()
    found: tuple[Any, float, float] = ours.recv()
    process.join()
    return found


def _step(step: Callable[..., Any], folder: Path, parts: int, pipe: Any) -> None:
    found = step(folder, parts)
    used = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send((found, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9))


def _plan(results: Path, parts: int) -> Any:
    from bench.config.composing import load_configs
    from bench.run.plan import make_plan

    (config,) = load_configs(
        ["model=disk", "prompt=[point_1]", f"dataset.args.count={parts}",
         f"runtime.results={results}", "runtime.device=cpu"]
    )  # fmt: skip
    return make_plan(config)


def _list(results: Path, parts: int) -> tuple[float, str]:
    from bench.store.runs import find_runs

    began = time.monotonic()
    (store,) = find_runs(results)
    images = len(store.content().images)
    return time.monotonic() - began, f"{images:,} images"


def _resume(results: Path, parts: int) -> tuple[float, str]:
    from bench.run.progress import run_plan

    began = time.monotonic()
    plan = _plan(results, parts)
    todo = len(plan.work.todo)
    assert run_plan(plan) == []
    (run,) = plan.work.runs.values()
    assert run.store.header()["status"] == "complete"
    return time.monotonic() - began, f"{todo} images done, {len(run.store.parts()):,} parts"


def _report(results: Path, parts: int) -> tuple[float, str]:
    from bench.analysis.selection import select
    from bench.analysis.table import miou_table
    from bench.store.runs import find_runs

    began = time.monotonic()
    line = miou_table(select(find_runs(results))).lines.iloc[0]
    said = f"{line['masks']:,} masks of {line['images']:,} images"
    return time.monotonic() - began, said


def _compact_all(results: Path, parts: int) -> tuple[float, int]:
    from bench.store.compaction import compact
    from bench.store.runs import find_runs

    (store,) = find_runs(results)
    began = time.monotonic()
    while compact(store):
        pass
    return time.monotonic() - began, len(store.parts())


def _make(work: Path, parts: int) -> float:
    """Parts as a worker writes them, without waiting for the disk."""
    import numpy as np
    import pyarrow as pa

    from bench.run.driver import run
    from bench.store.part_file import Content, part_bytes, part_name
    from bench.store.schema import SCHEMA

    began = time.monotonic()
    plan = _plan(work / "results", parts)
    (each,) = plan.work.runs.values()
    few = _plan(work / "few", 1)
    run(few, _Silent())
    rows = next(iter(few.work.runs.values())).store
    from bench.store.part_file import read_table

    table = read_table(rows.parts()[0]).slice(0, 1)
    table = pa.concat_tables([table] * MASKS)
    rng = np.random.default_rng(0)
    for image_id in plan.work.ids[:-LEFT]:
        ious = pa.array(rng.uniform(size=MASKS))
        columns = {
            "image_id": pa.array([image_id] * MASKS),
            "mask_id": pa.array([f"{image_id}/{place:03d}" for place in range(MASKS)]),
            "iou": ious, "boundary_iou": ious,
        }  # fmt: skip
        filled = table
        for name, values in columns.items():
            filled = filled.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), values)
        content = Content((image_id,), MASKS, {}, plan.work.fingerprint, run=each.key)
        data = part_bytes(filled.combine_chunks(), [content])
        (each.store.folder / "parts" / part_name(data)).write_bytes(data)
    header = next(iter(few.work.runs.values())).store.header()
    done = parts - LEFT
    each.store.write_header(header | {"name": each.store.folder.name, "key": each.key,
                                      "status": "partial", "images": parts, "images_done": done,
                                      "masks": done * MASKS})  # fmt: skip
    return time.monotonic() - began


class _Silent:
    def image_done(self, ious: object) -> None:
        """Says nothing."""

    def image_failed(self, error: object) -> None:
        """Says nothing."""
