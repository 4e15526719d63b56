"""Whether any mask of a dataset counts: asked before a model is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bench.data.oddities import oddities_of
from bench.data.subset import whole_of
from bench.protocol import Protocol, why_left_out
from bench.types import BenchError, Reader


def check_counts(
    dataset: str, protocol: Protocol, reader: Reader, image_ids: Sequence[str]
) -> None:
    """Raises ``BenchError`` where no target of the images counts, and says why.

    Images are read until there is one that does: the first, as a rule. Where one can't be read
    nothing is said: the run tells of it.
    """
    skipped: Counter[str] = Counter()
    for image_id in image_ids:
        try:
            targets = reader.read(image_id).targets
        except (BenchError, ValueError, OSError):
            return
        counted, left_out = protocol.sort_out(targets)
        if counted:
            return
        skipped.update(left_out)
    raise BenchError(none_counts(dataset, skipped, len(image_ids), reader))


def none_counts(dataset: str, skipped: Mapping[str, int], images: int, reader: Reader) -> str:
    """What to say of images of which no target counts: how many there are, why, what mends it."""
    masks, where = sum(skipped.values()), f"{images} image{'s' * (images != 1)}"
    if not masks:
        return f"{dataset}: nothing to score: no mask belongs to its {where}"
    said = f"{dataset}: nothing to score: none of the {masks} masks of {where} counts: "
    said += why_left_out(skipped)
    if skipped.get("empty"):
        found = [each for each in oddities_of(whole_of(reader)) if not each.breaks]
        said += "".join(f"; {each.count} × {each.kind}" for each in found[:3])
        if any("fewer than 3 points" in each.kind for each in found):
            said += "; is a segmentation a box there, in place of polygons [x0, y0, x1, y1, …]?"
    return said
