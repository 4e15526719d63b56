"""Pictures drawn by lot: the same whatever the order of reading, each of another image."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
import pytest
from oddities import odd_masks, random_blob
from PIL import Image

from bench.report.check.examples import COUNTS, RANDOM, WHOLE, Lots
from bench.report.check.facts import facts_of
from bench.types import Mask, Sample, Target

SHAPE = (40, 60)


def samples(count: int) -> list[Sample]:
    rng = np.random.default_rng(0)
    return [
        Sample(
            f"{i}",
            rng.integers(0, 255, (*SHAPE, 3), dtype=np.uint8),
            [Target(f"{i}-{n}", Mask.from_dense(random_blob(rng, *SHAPE))) for n in range(3)],
        )
        for i in range(count)
    ]


def offered(some: Iterable[Sample]) -> Lots:
    lots = Lots()
    for sample in some:
        lots.offer(sample, facts_of(sample))
    return lots


@pytest.mark.long
def test_the_order_of_reading_changes_nothing() -> None:
    some = samples(40)
    forwards, backwards = offered(some).examples(), offered(reversed(some)).examples()
    assert forwards == backwards
    assert len(forwards[RANDOM]) == COUNTS[RANDOM]
    assert len({example.image_id for example in forwards[RANDOM]}) == COUNTS[RANDOM]
    assert len(forwards[WHOLE]) == COUNTS[WHOLE]
    assert len(forwards["overlap"]) == COUNTS["overlap"]


def test_few_images_give_few_pictures_that_are_pictures() -> None:
    examples = offered(samples(2)).examples()
    assert len(examples[RANDOM]) == len(examples[WHOLE]) == 2
    for group in examples.values():
        for example in group:
            with Image.open(io.BytesIO(example.image)) as picture:
                assert picture.size == (example.width, example.height)


def test_odd_masks_are_drawn_and_empty_ones_not() -> None:
    image = np.zeros((11, 17, 3), dtype=np.uint8)
    targets = [Target(name, Mask.from_dense(dense)) for name, dense in odd_masks().items()]
    lots = Lots()
    sample = Sample("a", image, targets)
    lots.offer(sample, facts_of(sample))
    shown = {example.mask_id for group in lots.examples().values() for example in group}
    assert "none" not in shown
    empty = Sample("b", image, [])
    lots.offer(empty, facts_of(empty))
    assert {example.image_id for g in lots.examples().values() for example in g} == {"a"}
