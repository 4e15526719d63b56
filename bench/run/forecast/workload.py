"""How many masks wait in the images that a plan has to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bench.data.abilities import CountsMasks
from bench.data.subset import Subset
from bench.run.plan import Plan, PromptRun
from bench.types import BenchError

MASKS_PER_IMAGE = 12
"""Where nothing tells: about that of COCO and of the mean of the paper's datasets."""

MOST_COUNTED = 1000
"""Images whose masks are counted beforehand: for some formats each is a file to be parsed."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to do: ``masks`` of ``images``, and ``answers``, the rows of all prompts.

    ``source`` says in words where the masks' number is from, ``counted`` that it is of these very
    images: right but for crowds that the protocol takes, and masks that it leaves out.
    """

    images: int
    masks: int
    answers: int
    source: str
    counted: bool


def workload(plan: Plan) -> Workload:
    """The plan's; empty runs have none."""
    todo, total = set(plan.work.todo), len(plan.work.todo)
    some = plan.work.todo[:: max(1, -(-total // MOST_COUNTED))]
    known = _counted(plan, some)
    if known is None:
        mean, source = _mean(plan)
    else:
        mean = sum(known.values()) / max(1, len(some))
        source = f"counted in {len(some):,} of {total:,} images"
    counts = dict.fromkeys(todo, mean) | (known or {})
    answers = sum(
        run.way.steps * sum(counts[image_id] for image_id in todo & run.missing)
        for run in plan.work.runs.values()
    )
    masks = round(sum(counts.values()))
    exact = known is not None and len(some) == total
    if exact:
        source = "counted in the dataset"
    return Workload(total, masks, round(answers), source, exact)


def _counted(plan: Plan, image_ids: Sequence[str]) -> dict[str, float] | None:
    """The masks by image, from annotations or names of files; none where no reader knows."""
    reader = plan.reader.whole if isinstance(plan.reader, Subset) else plan.reader
    if isinstance(reader, CountsMasks):
        with suppress(BenchError, ValueError, OSError):  # which a run will tell of its image
            return {image_id: float(reader.mask_count(image_id)) for image_id in image_ids}
    return None


def _mean(plan: Plan) -> tuple[float, str]:
    """Masks per image: of finished images, else as expected, else ``MASKS_PER_IMAGE``."""
    images, masks = max(map(_finished, plan.work.runs.values()))
    if images:
        return masks / images, f"as in {images:,} finished images"
    expected = plan.question.dataset.about.get("expected")
    known = expected if isinstance(expected, Mapping) else {}
    found, count = (known.get(name) for name in ("images", "masks"))
    if isinstance(found, int) and isinstance(count, int) and found > 0:
        return count / found, "as the dataset's YAML expects"
    return MASKS_PER_IMAGE, f"guessed, {MASKS_PER_IMAGE} an image"


def _finished(run: PromptRun) -> tuple[int, int]:
    """Images and masks of the sound parts: of damaged ones nothing is known."""
    contents = [content for part in run.store.survey().sound for content in part.contents]
    return sum(len(each.images) for each in contents), sum(each.masks for each in contents)
