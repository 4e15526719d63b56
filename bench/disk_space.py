"""What a run will write, reckoned before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.places import free_bytes, place
from bench.plan import Plan, PromptRun
from bench.types import BenchError

ROW_BYTES = 60
"""Of a row without its mask, compressed: 30 to 50 were found."""

MASK_BYTES = 400
"""Of a row's mask. Models took 70 in scenes of 256×256, 380 in photos of about 400×600."""

PART_BYTES = 10_000
"""Of a part without its rows."""

MASKS_PER_IMAGE = 12
"""Where nothing tells: about that of COCO and of the mean of the paper's datasets."""

SPARE = 64 << 20
"""Left free on top: headers, reports, other programs."""


def bytes_needed(plan: Plan) -> int:
    """About how many bytes the plan's rows will take.

    Images to do × masks per image (from the finished images, else from the dataset's expected
    counts, else ``MASKS_PER_IMAGE``) × steps × bytes per row, and the parts' own. Rather too high
    than too low: `disk` on `shapes` takes 120 bytes a row of the 460, `demo` on `photos` about 460.
    """
    total, todo = 0.0, set(plan.todo)
    per_row = ROW_BYTES + MASK_BYTES * plan.config.runtime.keep_masks
    for run in plan.runs.values():
        images = len(todo & run.missing)
        total += images * _masks_per_image(plan, run) * run.strategy.steps * per_row
        total += PART_BYTES * -(-images // plan.config.runtime.part_images)
    return round(total)


def check_disk_space(plans: Sequence[Plan]) -> None:
    """Raises ``BenchError`` where the results' disk has no room for what all the plans will write.

    The plans are those of one command, which has one folder of results.
    """
    needed = sum(map(bytes_needed, plans))
    if needed == 0:
        return
    results = place(plans[0].config.runtime.results).expanduser()
    try:
        free = free_bytes(results)
    except OSError as error:
        raise BenchError(f"{results}: its free space can't be asked for: {error}") from error
    if free is not None and free < needed + SPARE:
        raise BenchError(
            f"{results}: {megabytes(free)} are free, the run needs about {megabytes(needed)} and "
            f"{megabytes(SPARE)} to spare; make room, give another folder with "
            f"runtime.results=PATH, or keep no masks with runtime.keep_masks=false"
        )


def _masks_per_image(plan: Plan, run: PromptRun) -> float:
    # Of damaged parts nothing is known: who holds the run mends them.
    done = [content for part in run.store.survey().sound for content in part.contents]
    if images_done := sum(len(content.images) for content in done):
        return sum(content.masks for content in done) / images_done
    expected = plan.config.dataset.about.get("expected")
    counts = expected if isinstance(expected, Mapping) else {}
    images, masks = (counts.get(name) for name in ("images", "masks"))
    if isinstance(images, int) and isinstance(masks, int) and images > 0:
        return masks / images
    return MASKS_PER_IMAGE


def megabytes(size: float) -> str:
    """A number of bytes for people.

    >>> megabytes(3_500_000), megabytes(25 * 10**9)
    ('4 MB', '25.0 GB')
    """
    return f"{size / 1e9:,.1f} GB" if size >= 1e10 else f"{-(-size // 1e6):,.0f} MB"
