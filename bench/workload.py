"""How many masks wait in the images that a plan has to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from bench.plan import Plan, PromptRun
from bench.readers.abilities import CountsMasks
from bench.readers.subset import Subset
from bench.types import BenchError

MASKS_PER_IMAGE = 12
"""Where nothing tells: about that of COCO and of the mean of the paper's datasets."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to do: ``masks`` of ``images``, and ``answers``, the rows of all prompts.

    ``source`` says in words where the masks' number is from, ``counted`` that it is one of these
    very images: too high only by masks that the protocol leaves out.
    """

    images: int
    masks: int
    answers: int
    source: str
    counted: bool


def workload(plan: Plan) -> Workload:
    """The plan's; empty runs have none."""
    todo = set(plan.todo)
    counted = _counted(plan, todo)
    if counted is not None:
        counts, source = counted, "counted in the dataset"
    else:
        mean, source = _mean(plan)
        counts = dict.fromkeys(todo, mean)
    answers = sum(
        run.strategy.steps * sum(counts[image_id] for image_id in todo & run.missing)
        for run in plan.runs.values()
    )
    masks = round(sum(counts.values()))
    return Workload(len(todo), masks, round(answers), source, counted is not None)


def _counted(plan: Plan, todo: Collection[str]) -> dict[str, float] | None:
    """The masks by image, from annotations or names of files; none where no reader knows."""
    reader = plan.reader.whole if isinstance(plan.reader, Subset) else plan.reader
    if isinstance(reader, CountsMasks):
        with suppress(BenchError, ValueError, OSError):  # which a run will tell of its image
            return {image_id: float(reader.mask_count(image_id)) for image_id in todo}
    return None


def _mean(plan: Plan) -> tuple[float, str]:
    """Masks per image: of finished images, else as expected, else ``MASKS_PER_IMAGE``."""
    images, masks = _finished(plan.runs.values())
    if images:
        return masks / images, f"as in {images:,} finished images"
    expected = plan.config.dataset.about.get("expected")
    known = expected if isinstance(expected, Mapping) else {}
    found, count = (known.get(name) for name in ("images", "masks"))
    if isinstance(found, int) and isinstance(count, int) and found > 0:
        return count / found, "as the dataset's YAML expects"
    return MASKS_PER_IMAGE, f"guessed, {MASKS_PER_IMAGE} an image"


def _finished(runs: Iterable[PromptRun]) -> tuple[int, int]:
    """Images and masks of the sound parts: of damaged ones nothing is known."""
    images = masks = 0
    for run in runs:
        for content in (c for part in run.store.survey().sound for c in part.contents):
            images += len(content.images)
            masks += content.masks
    return images, masks
