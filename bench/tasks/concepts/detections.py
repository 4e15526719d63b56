"""Detections that another tool wrote as COCO results, each for a phrase of an image."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data.abilities import NamesCategories
from bench.data.subset import whole_of
from bench.files.text import visible_line
from bench.tasks.concepts.asked import Phrases, phrase_id
from bench.tasks.concepts.scoring import Detection
from bench.tasks.given_masks.predictions import Given, Predictions, read_predictions
from bench.types import BenchError, Reader, Sample
from bench.types.categories import category_of

log = logging.getLogger(__name__)

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Detections:
    """What a file holds, by the phrases that the data name, or by images.

    A detection counts whose score is ``least`` or more.
    """

    given: Predictions
    phrases: Phrases
    least: float

    def of_image(self, sample: Sample) -> tuple[dict[str, list[Detection]], dict[str, int]]:
        """The detections that count, decoded, by their phrase; and how many don't, by reason.

        ``below`` are those of a lower score, ``unasked`` those of a phrase that isn't asked of the
        image, ``nameless`` those without a category where one has to say the phrase. Raises
        ``BenchError`` for a mask that doesn't fit the image.
        """
        asked = {one.phrase_id for one in self.phrases.of_image(sample).asked}
        found: dict[str, list[Detection]] = {}
        counted: Counter[str] = Counter()
        for own, one in self._of(sample.image_id):
            counted["given"] += 1
            if own is None:
                counted["nameless"] += 1
            elif own not in asked:
                counted["unasked_detections"] += 1
            elif score_of(one) < self.least:
                counted["below"] += 1
            else:
                found.setdefault(own, []).append(_decoded(one, sample))
        return found, counted

    def _of(self, image_id: str) -> list[tuple[str | None, Given]]:
        """An image's detections, each with its phrase's id."""
        if self.phrases.names is not None:
            named = [each.phrase_id for each in self.phrases.named(image_id)]
            return [(own, one) for own in named for one in self.given.get(own, ())]
        pairs = [((one.category or "").strip(), one) for one in self.given.get(image_id, ())]
        return [(phrase_id(image_id, name) if name else None, one) for name, one in pairs]


def read_detections(
    path: Path,
    reader: Reader,
    phrases: Phrases,
    least: float,
    categories: Mapping[int, str] | None,
) -> Detections:
    """What a file of COCO results holds for the images of a dataset.

    ``image_id`` is the phrase's id where the data name phrases, and then a category says nothing;
    else it is the image's, and ``category``, or ``category_id``, which the data or ``categories``
    name, is the phrase. Raises ``BenchError`` for an entry of no image or phrase of the data,
    without a score, or with one that is no number.
    """
    ids = list(reader.ids())
    if phrases.names is not None:
        ids = [each.phrase_id for image_id in ids for each in phrases.named(image_id)]
        categories = None
    elif categories is None:
        categories = {n: name for n, name in _known(reader).items() if isinstance(n, int)}
    given = read_predictions(path, "coco", ids, None, categories)
    for some in given.values():
        for one in some:
            score_of(one)
    return Detections(given, phrases, least)


def check_categories(dataset: str, found: Detections, reader: Reader) -> None:
    """Names the categories of detections that no target has, nor the vocabulary.

    Raises ``BenchError`` where all are so. Nothing where the data name phrases.
    """
    if found.phrases.names is not None:
        return
    theirs = Counter((one.category or "").strip() for some in found.given.values() for one in some)
    nameless = theirs.pop("", 0)
    ours = set(found.phrases.vocabulary or _known(reader).values() or _of_targets(reader))
    if nameless:
        log.warning("%d detections have no category and answer no phrase", nameless)
    alone = {name: number for name, number in theirs.items() if name not in ours}
    if (theirs or nameless) and len(alone) == len(theirs):
        raise BenchError(
            f"{dataset}: no detection is of a phrase that is asked: there are "
            f"{_some(theirs) or 'no categories'}, asked is {_some(ours)}; name the numbers of the "
            "file with task.args.categories (--categories)"
        )
    if alone:
        log.warning(
            "%d detections are of categories that no phrase asks for: %s",
            *(sum(alone.values()), _some(alone)),
        )


def score_of(one: Given) -> float:
    """A detection's score; raises ``BenchError`` where the file gives none."""
    if one.score is None:
        raise BenchError(f"{one.where}: a detection has a 'score'")
    return one.score


def _decoded(one: Given, sample: Sample) -> Detection:
    try:
        return Detection(one.mask(*sample.shape), score_of(one))
    except ValueError as error:
        raise BenchError(f"{one.where}: {error}") from None


def _known(reader: Reader) -> dict[int | str, str]:
    """The categories that the reader knows, by what stands for them; empty where it tells none."""
    whole = whole_of(reader)
    if not isinstance(whole, NamesCategories):
        return {}
    return {own: category.name for own, category in whole.categories().items()}


def _of_targets(reader: Reader) -> set[str]:
    """The categories of all targets of the images that can be read."""
    found: set[str] = set()
    for image_id in reader.ids():
        try:
            found.update(filter(None, map(category_of, reader.read(image_id).targets)))
        except (BenchError, ValueError, OSError):
            continue  # the run tells of it
    return found


def _some(names: Sequence[str] | set[str] | Mapping[str, int]) -> str:
    shown = sorted(visible_line(name) for name in names)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(map(repr, shown[:_SHOWN])) + more
