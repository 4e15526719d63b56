"""Pictures and masks that a script holds: given from Python, they lie only in its own process."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence, Sized
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from bench.config.component import Component
from bench.data.items import TAKEN, id_of, parts_of, sample_of
from bench.types import BenchError, Sample, Site
from bench.types.errors import told

log = logging.getLogger(__name__)

_VERSION = 1
"""Of how items become samples: it is hashed with them."""


class GivenData:
    """Items (``bench.data.items``) by their places: a list, or a torch dataset.

    Each is looked over once and hashed, and held to that hash when it is read for a run, so that a
    dataset that draws at random is noticed; pictures are not kept. ``name`` is for complaints.
    Items are taken one at a time, in one thread. Raises ``BenchError`` for whatever is no item, for
    ids that are not unique and for data without a length.
    """

    def __init__(self, items: object, name: str, max_pixels: int) -> None:
        if (
            isinstance(items, Mapping | str | bytes)
            or not isinstance(items, Sized)
            or not hasattr(items, "__getitem__")
        ):
            raise BenchError(
                f"{name}: expected a list of (image, masks), or a dataset with a length and items "
                f"by number, found a {type(items).__name__}"
            )
        self._items: Any = items
        self._name, self._max_pixels = name, max_pixels
        self._lock = threading.Lock()
        self._places: dict[str, int] = {}
        self.hashes: dict[str, str] = {}
        """The content of each image and its masks, by id, in the order of the ids."""
        self.counts: dict[str, int] = {}
        """How many masks of an image are no crowds."""
        self._look_over(len(items))

    @property
    def sha256(self) -> str:
        """What tells this data from any other: the ids, and all pictures' and masks' content."""
        return _digest(str(_VERSION), *self.hashes, *self.hashes.values())

    def read(self, image_id: str) -> Sample:
        """The item of that id; raises ``BenchError`` where it isn't what it was."""
        if image_id not in self._places:
            raise BenchError(f"{self._name}: there is no image with the id {image_id!r}")
        sample, _ = self._sample(self._places[image_id])
        if sample.image_id != image_id or _content(sample) != self.hashes[image_id]:
            raise BenchError(
                f"{self._name}: item {self._places[image_id]} is another than when it was first "
                "looked at; switch random augmentation off"
            )
        return sample

    def _look_over(self, count: int) -> None:
        unread: set[str] = set()
        found = {}
        own = set()
        for place in range(count):
            sample, parts = self._sample(place)
            unread |= set(parts) - set(TAKEN)
            own.add(id_of(parts) is not None)
            if sample.image_id in found:
                raise BenchError(f"{self._name}: two items have the id {sample.image_id!r}")
            found[sample.image_id] = place, _content(sample)
            self.counts[sample.image_id] = sum(not target.crowd for target in sample.targets)
        if len(own) > 1:
            raise BenchError(f"{self._name}: some items have an id, others have none")
        for image_id in sorted(found):
            self._places[image_id], self.hashes[image_id] = found[image_id]
        if unread:
            log.warning("%s: not looked at: %s", self._name, ", ".join(sorted(unread)))

    def _sample(self, place: int) -> tuple[Sample, dict[str, Any]]:
        try:
            with self._lock:
                parts = parts_of(self._items[place])
                image_id = id_of(parts)
                return (
                    sample_of(
                        parts, f"{place:06d}" if image_id is None else image_id, self._max_pixels
                    ),
                    parts,
                )
        except BenchError as error:
            raise BenchError(f"{self._name}: item {place}: {error}") from None
        except MemoryError:
            raise
        except Exception as error:
            raise BenchError(f"{self._name}: item {place} can't be read: {told(error)}") from error


_HELD: WeakValueDictionary[str, GivenData] = WeakValueDictionary()
"""The data that is there, for as long as somebody keeps it."""


def hold(data: GivenData, name: str, version: str) -> Component:
    """The data as a dataset of a run, as long as ``data`` is kept; raises ``BenchError``."""
    _HELD[data.sha256] = data
    target = f"{InMemory.__module__}.{InMemory.__qualname__}"
    return Component(name, version, target, {"sha256": data.sha256})


class InMemory:
    """The data of that hash, if this process has it; ``site`` is not needed.

    Raises ``BenchError`` where it hasn't, as in a later one.
    """

    def __init__(self, sha256: str, *, site: Site) -> None:
        held = _HELD.get(sha256)
        if held is None:
            raise BenchError(
                "its pictures and masks were given from Python and are not in this process; call "
                "bench.evaluate with them again, and Evaluation.report for pages with pictures"
            )
        self._data = held

    def ids(self) -> Sequence[str]:
        """The items' own ids, or their places, six digits."""
        return list(self._data.hashes)

    def read(self, image_id: str) -> Sample:
        """The item; ``mask_id`` is "<image_id>/<place, three digits, or value in a label map>"."""
        return self._data.read(image_id)

    def mask_count(self, image_id: str) -> int:
        """See ``CountsMasks``."""
        return self._data.counts[image_id]

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the images' ids and content."""
        chosen = sorted(self._data.hashes if image_ids is None else image_ids)
        return _digest(*chosen, *(self._data.hashes.get(i, "") for i in chosen))[:16]


def _content(sample: Sample) -> str:
    """A hash of the image's pixels and of all that is known of its masks."""
    digest = hashlib.sha256(repr(sample.image.shape).encode())
    digest.update(sample.image.tobytes())
    for target in sample.targets:
        told_of = (target.mask_id, target.category, target.crowd, target.mask.to_rle())
        digest.update(repr(told_of).encode())
    if sample.ignore is not None:
        digest.update(np.packbits(sample.ignore).tobytes())
    return digest.hexdigest()


def _digest(*texts: str) -> str:
    return hashlib.sha256(repr(texts).encode()).hexdigest()
