"""What a run will write, reckoned before it starts."""

from __future__ import annotations

from collections.abc import Sequence

from bench.files import places
from bench.files.sizes import megabytes
from bench.run.forecast.workload import Workload, workload
from bench.run.plan import Plan
from bench.tasks.kept_masks import CANDIDATES
from bench.types import BenchError

ROW_BYTES = 60
"""Of a row without its mask, compressed: 30 to 50 were found."""

MASK_BYTES = 400
"""Of a row's mask. Models took 70 in scenes of 256×256, 380 in photos of about 400×600."""

PART_BYTES = 10_000
"""Of a part without its rows."""

SPARE = 64 << 20
"""Left free on top: headers, reports, other programs."""


def bytes_needed(plan: Plan) -> int:
    """About how many bytes the plan's rows will take."""
    return bytes_for(plan, workload(plan))


def bytes_for(plan: Plan, work: Workload) -> int:
    """The same where the work is known.

    Rows to come × bytes per row, and the parts' own. Rather too high than too
    low: `disk` on `shapes` takes 120 bytes a row of the 460, `demo` on `photos` about 460.
    """
    runtime = plan.setting.runtime
    masks = runtime.keep_masks + CANDIDATES * runtime.keep_candidates
    per_row = ROW_BYTES + MASK_BYTES * masks
    todo, per_part = set(plan.work.todo), runtime.part_images
    parts = sum(-(-len(todo & run.missing) // per_part) for run in plan.work.runs.values())
    return work.answers * per_row + parts * PART_BYTES


def check_disk_space(plans: Sequence[Plan]) -> None:
    """Raises ``BenchError`` where the results' disk has no room for what all the plans will write.

    The plans are those of one command, which has one folder of results.
    """
    needed = sum(map(bytes_needed, plans))
    if needed == 0:
        return
    results = places.place(plans[0].setting.runtime.results)
    free = free_bytes(results)
    if free is not None and free < needed + SPARE:
        raise BenchError(
            f"{results}: {megabytes(free)} are free, the run needs about {megabytes(needed)} and "
            f"{megabytes(SPARE)} to spare; make room, give another folder with "
            f"runtime.results=PATH, or keep no masks with runtime.keep_masks=false"
        )


def free_bytes(folder: places.Place) -> int | None:
    """What the folder's disk has left; none where nothing tells, as behind a URL.

    Raises ``BenchError`` where it can't be asked.
    """
    try:
        return places.free_bytes(folder)
    except OSError as error:
        raise BenchError(f"{folder}: its free space can't be asked for: {error}") from error
