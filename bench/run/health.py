"""Whether a model answers at all: stops a run whose pictures all look the same to it, or too large.

A kernel that breaks in half precision gives every picture the same embedding, or nothing but empty
masks, without an error; the mIoU of such a run is a number like any other. The first pictures of a
run are watched for that. A picture of one colour says nothing and doesn't count, nor does a picture
that was seen already.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch

from bench.models.loading import SMALLER
from bench.scoring.finite import all_finite
from bench.tasks.contract import Scored
from bench.types import BenchError, ImageArray, MaskRow, Sample
from bench.types.rle import tells_nothing

PICTURES = 8
"""How many different pictures must tell the same before a run is stopped, and are watched twice
over before it is trusted."""

LEAST_ROWS = 16
"""How many masks must be empty, and all of them, before a run is stopped."""


class Health:
    """Looks at the first pictures of a run; one of them stands for several threads.

    ``allowed`` is the reason why nothing is to be stopped; empty or none watches.
    """

    def __init__(self, allowed: str | None = None) -> None:
        self._watching = not allowed
        self._lock = threading.Lock()
        self._pictures: set[bytes] = set()
        self._embeddings: set[bytes] = set()
        self._without_memory = self._with_memory = 0
        self._embedded = self._broken = self._rows = self._filled = self._faulty = self._scored = 0

    def look(self, sample: Sample, embedding: object, scored: Scored, where: str) -> None:
        """Takes one scored picture into account; ``where`` names the rows that are on disk.

        Raises ``BenchError`` once enough pictures have the same embedding (only tensors are
        compared: an embedding without any is the model's own business), hold numbers that are
        none, have answers that are none, or have nothing but empty masks.
        """
        with self._lock:
            self._with_memory += 1
        if not self._watching or _is_of_one_colour(sample.image):
            return
        picture = hashlib.sha256(sample.image.tobytes() + repr(sample.shape).encode()).digest()
        tensors = list(_tensors(embedding))
        rows = [row for each in scored.rows.values() for row in each]
        masks = [row for row in rows if isinstance(row, MaskRow)]
        empty = [_is_empty(row) for row in masks]
        with self._lock:
            if picture in self._pictures:
                return
            self._pictures.add(picture)
            if tensors:
                self._embedded += 1
                self._embeddings.add(_digest(tensors))
                self._broken += not all(map(all_finite, tensors))
            self._faulty += bool(scored.faults and not rows)
            self._scored += bool(rows)
            self._rows += len(empty)
            self._filled += empty.count(False)
            seen = len(self._pictures)
            self._watching = seen < 2 * PICTURES
        if seen >= PICTURES:
            self._judge(seen, where)

    def found_no_memory(self, reason: str) -> None:
        """Takes a picture into account for which memory ran out, even alone; ``reason`` says where.

        Raises ``BenchError`` once that is so of each of the first pictures: then it is the model
        that is too large, not they.
        """
        with self._lock:
            self._without_memory += 1
            ended = self._without_memory >= PICTURES and not self._with_memory
        if ended:
            raise BenchError(
                f"memory ran out on each of the first {PICTURES} images, one at a time: "
                f"{reason.partition(';')[0]}; {SMALLER}"
            )

    def _judge(self, seen: int, where: str) -> None:
        said = ""
        if self._embedded >= PICTURES and self._broken == self._embedded:
            said = f"the embeddings of all {seen} pictures so far hold NaN or infinite numbers"
        elif self._embedded >= PICTURES and len(self._embeddings) == 1:
            said = f"{seen} different pictures have the same embedding"
        elif self._faulty >= PICTURES and not self._scored:
            said = f"the answers to all {self._faulty} pictures so far hold NaN or infinite numbers"
        elif self._rows >= LEAST_ROWS and self._filled == 0:
            said = f"all {self._rows} masks in the first {seen} pictures are empty"
        if said:
            raise BenchError(
                f"the model gives no answer: {said}. Weights, precision or device are not as they "
                "should be, or it was never trained for such a prompt; put that right, and remove "
                f"what was written: {where}. If it is meant, say why: runtime.allow_degenerate='…'"
            )


def _tensors(embedding: object) -> Iterator[torch.Tensor]:
    """The floating-point tensors in an embedding, as far as they lie in plain containers."""
    if isinstance(embedding, torch.Tensor):
        if embedding.is_floating_point():
            yield embedding
    elif is_dataclass(embedding):
        for each in fields(embedding):
            yield from _tensors(getattr(embedding, each.name))
    elif isinstance(embedding, Mapping):
        for value in embedding.values():
            yield from _tensors(value)
    elif isinstance(embedding, list | tuple):
        for value in embedding:
            yield from _tensors(value)


def _digest(tensors: Sequence[torch.Tensor]) -> bytes:
    digest = hashlib.sha256()
    for tensor in tensors:
        plain: Any = tensor.detach().float().cpu().contiguous().numpy()
        digest.update(repr(plain.shape).encode() + plain.tobytes())
    return digest.digest()


def _is_of_one_colour(image: ImageArray) -> bool:
    first = image[:1, :1]
    return bool((image[:1] == first).all() and (image == first).all())


def _is_empty(row: MaskRow) -> bool:
    """Whether the selected mask has no pixel; where none is stored, whether no candidate hits."""
    if row.mask_rle is None:
        return not np.any(np.asarray(row.ious) > 0)
    return tells_nothing(row.mask_rle)
