"""What a difference lets one say: who is ahead and by how much, or that nothing is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from bench.analysis.stats import SHOWN, Averages
from bench.analysis.stats.intervals import IN_A_MEAN, Interval
from bench.types import Measure

P_NOTE = (
    "p: two-sided, the larger of the t tests over masks and over images; none below 6 images. A "
    "difference is shown where it is below 0.05."
)


@dataclass(frozen=True, slots=True)
class Said:
    """``verdict`` is none where no difference is shown; ``by`` is how far, ``unclear`` the rest."""

    verdict: Literal["ahead", "behind"] | None
    by: str
    unclear: str


def same_numbers(pairs: pd.DataFrame, leads: Measure) -> bool:
    """Whether both sides (``<column>_a, <column>_b``) have one number for every mask, or none."""
    a, b = pairs[f"{leads.name}_a"], pairs[f"{leads.name}_b"]
    return bool(((a == b) | (a.isna() & b.isna())).all())


def apart(
    found: Averages, leads: Measure, over_images: bool, where: str = "", same: bool = False
) -> Said:
    """The words for a difference; ``over_images`` where the protocols take the mean over images.

    They are said of the mean over images also where clusters are few and unequal. ``where`` stands
    behind the verb where no difference is shown; ``same`` says that no mask has another number.

    >>> from bench.analysis.stats import paired_averages
    >>> from bench.types import IOU
    >>> found = paired_averages([0.9, 0.8, 0.7, 0.6, 0.5], [0.5, 0.4, 0.5, 0.3, 0.1], list("abcde"))
    >>> apart(found, IOU, False).unclear
    'are not shown to differ: +34.0 points (+22.5 to +44.6); too few images for a verdict'
    """
    over_images = over_images or (found.unequal and found.images.low is not None)
    chosen, other = found.of(over_images), found.of(not over_images)
    if same:
        return Said(None, "", f"give the same numbers{where}")
    p, word = found.p, f" {leads.word}" if leads.word else ""
    named = _OVER[over_images] if over_images else ""
    if p is not None and p < SHOWN:
        ends = sorted(abs(end) for end in (chosen.low, chosen.high) if end is not None)
        by = f"{leads.shown(abs(chosen.mean))}{word}{named}"
        by += f" ({' to '.join(leads.shown(end) for end in ends)})"
        return Said("ahead" if leads.is_ahead(chosen.mean) else "behind", by, "")
    alone = chosen.p is not None and chosen.p < SHOWN and p is not None
    named = _OVER[over_images] if alone else named
    said = f"are not shown to differ{where}: {leads.signed(chosen.mean)}{word}{named}"
    said += _span(chosen, leads)
    if alone:  # the other average doesn't bear it out
        said += f", {leads.signed(other.mean)}{_OVER[not over_images]}{_span(other, leads)}"
    elif p is None:
        said += f"; {_why(found)}"
    return Said(None, "", said)


_OVER = (" over masks", " over images")


def _why(found: Averages) -> str:
    """Why nothing is concluded."""
    if not found.masks.enough:
        return "too few images for a verdict"
    if found.masks.exact:
        return "every image says exactly the same"
    return f"one of the datasets has fewer than {IN_A_MEAN} images, or no interval"


def _span(interval: Interval, leads: Measure) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f" ({leads.signed(interval.low)} to {leads.signed(interval.high)})"
