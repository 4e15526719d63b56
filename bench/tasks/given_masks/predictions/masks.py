"""A PNG per mask: ``<mask_id>.png`` or ``<image_id>/<mask_id>.png``; what isn't 0 is foreground.

Files with levels in between want a threshold. Where an image's id is the name of a folder, the
files in it are that image's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.data.formats.files import is_hidden
from bench.data.formats.levels import levels_of
from bench.data.formats.pictures import LabelArray, count_colours, read_levels
from bench.data.formats.spellings import Known
from bench.tasks.given_masks.predictions import (
    Categories,
    Given,
    Predictions,
    refuse_categories,
)
from bench.types import BenchError, Mask


def read(
    path: Path,
    image_ids: Sequence[str],
    threshold: int | None = None,
    categories: Categories | None = None,
) -> Predictions:
    """The files of each image; those in no image's folder may be any image's, under ``""``."""
    refuse_categories(categories, "masks")
    if not path.is_dir():
        raise BenchError(f"{path}: masks are a folder of <mask_id>.png or <image_id>/<mask_id>.png")
    known, found = Known(image_ids), dict[str, list[Given]]()
    for file in sorted(path.rglob("*.png")):
        if is_hidden(file, path):
            continue
        name = file.relative_to(path).with_suffix("").as_posix()
        parts = name.split("/")
        owners = ["/".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
        image_id, names = "", tuple[str, ...]((name,))
        for owner in owners:
            if (meant := known.meant(owner)) is not None:
                rest = name.removeprefix(f"{owner}/")
                image_id, names = meant, (f"{meant}/{rest}", rest)
                break
        given = Given(where=str(file), mask=partial(_mask, file, threshold), names=names)
        found.setdefault(image_id, []).append(given)
    known.say(path)
    if not found:
        raise BenchError(f"{path}: no PNG file of predictions")
    return found


def _mask(file: Path, threshold: int | None, height: int, width: int) -> Mask:
    levels = read_levels(file)
    if levels.shape != (height, width):
        raise ValueError(
            f"the mask is of {levels.shape[0]}×{levels.shape[1]}, the image of "
            f"{height}×{width} (H×W)"
        )
    if threshold is None:
        _refuse_unsure(levels, file)
    return Mask.from_dense(levels > (threshold or 0))


def _refuse_unsure(levels: LabelArray, file: Path) -> None:
    """Raises ``ValueError`` for a file that can be read in several ways."""
    found = levels_of(levels)
    if not found.exact:
        raise ValueError(
            f"it has {found.words}, so say what is in the mask: --threshold {found.half} for what "
            f"is above half, --threshold 0 for all that isn't black (task.args.threshold)"
        )
    if (colours := count_colours(file)) > 2:
        raise ValueError(
            f"it has {colours} colours, so it may hold several masks: --threshold 0 takes all that "
            f"isn't black as one, --format labels each colour as a mask of its own"
        )
