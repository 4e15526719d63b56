"""Some images of a dataset, whatever its format: drawn at random, or those of a manifest.

Segment Anything, appendix D.1: of a dataset with more than 15,000 masks whole images are drawn at
random until there are about 10,000 masks. The paper doesn't publish which. Here the draw is a
pure function of the seed and the images' ids, so it can be made again anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.data.abilities import CountsMasks
from bench.data.manifest import Manifest
from bench.types import BenchError, Reader, Sample


@dataclass(frozen=True, slots=True)
class Subsample:
    """The rule of a draw: from more than ``above`` masks, whole images until ``masks`` masks.

    Raises ``BenchError`` for numbers that make no draw.
    """

    above: int = 15_000
    masks: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.masks <= self.above:
            raise BenchError(
                "subsample needs masks of at least 1 and at most `above`, "
                f"found masks={self.masks} and above={self.above}"
            )

    @classmethod
    def of(cls, written: object) -> Subsample:
        """The rule as a YAML writes it: ``{above: 15000, masks: 10000, seed: 0}`` or ``paper``.

        ``paper`` is what is left out too. Raises ``BenchError`` for anything else.
        """
        if written == "paper":
            return cls()
        takes = ("above", "masks", "seed")
        if not isinstance(written, Mapping) or not set(written) <= set(takes):
            raise BenchError(
                f"subsample is 'paper' or {{above: 15000, masks: 10000, seed: 0}}, found {written}"
            )
        numbers: Mapping[str, Any] = written
        if wrong := [n for n in numbers.values() if not isinstance(n, int) or n is True]:
            raise BenchError(f"subsample's values are whole numbers, found {wrong[0]!r}")
        return cls(**numbers)

    @property
    def words(self) -> str:
        """The rule for people."""
        return (
            f"whole images in random order (by sha256 of '{self.seed}/<image id>') until "
            f"{self.masks} masks, where there are more than {self.above}; else all"
        )

    def order(self, image_ids: Iterable[str]) -> list[str]:
        """The ids in the order of the draw, which knows nothing of the order they come in.

        An image that is added or taken away leaves the others' order as it is.

        >>> Subsample(seed=0).order(["a", "b", "c"]), Subsample(seed=1).order(["c", "a", "b"])
        (['c', 'b', 'a'], ['a', 'b', 'c'])
        """
        return sorted(image_ids, key=self._place)

    def _place(self, image_id: str) -> bytes:
        return hashlib.sha256(f"{self.seed}/{image_id}".encode()).digest()


def draw(
    reader: Reader, rule: Subsample, counts: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The images that the rule takes, id → number of masks, in the reader's order.

    Masks are the targets that are no crowd. Images are taken in the rule's order until they have
    at least ``rule.masks`` masks, and all of them where no more than ``rule.above`` are there.
    What isn't in ``counts`` a reader that can count is asked for (``CountsMasks``); with another,
    images are read in that order until the answer is known. Raises ``BenchError`` where an image
    can't be read.
    """
    known = counts or {}
    taken: dict[str, int] = {}
    every: dict[str, int] = {}
    masks = 0
    for image_id in rule.order(reader.ids()):
        count = known[image_id] if image_id in known else _count(reader, image_id)
        every[image_id] = count
        if masks < rule.masks:
            taken[image_id] = count
        masks += count
        if masks > rule.above:
            break
    chosen = taken if masks > rule.above else every
    return {image_id: chosen[image_id] for image_id in reader.ids() if image_id in chosen}


def _count(reader: Reader, image_id: str) -> int:
    if isinstance(reader, CountsMasks):
        return reader.mask_count(image_id)
    try:
        return sum(not target.crowd for target in reader.read(image_id).targets)
    except (ValueError, OSError) as error:
        raise BenchError(f"image {image_id}: {error}") from error


class Subset:
    """Reads those images of ``whole`` that are named, in the whole's own order.

    Raises ``BenchError`` for an id that the whole doesn't know.
    """

    def __init__(self, whole: Reader, image_ids: Iterable[str]) -> None:
        self.whole = whole
        chosen = set(image_ids)
        self._ids = [image_id for image_id in whole.ids() if image_id in chosen]
        self._chosen = frozenset(self._ids)
        if absent := sorted(chosen - self._chosen):
            raise BenchError(
                f"{len(absent)} of {len(chosen)} images of the subset are not in the dataset, "
                f"{absent[0]!r} for one"
            )

    def ids(self) -> Sequence[str]:
        """The chosen images' ids."""
        return list(self._ids)

    def read(self, image_id: str) -> Sample:
        """As the whole reads it; raises ``BenchError`` for an image that isn't chosen."""
        if image_id not in self._chosen:
            raise BenchError(f"there is no image with the id {image_id!r} in the subset")
        return self.whole.read(image_id)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """The whole's, of the chosen images."""
        return self.whole.fingerprint(self._ids if image_ids is None else image_ids)


def whole_of(reader: Reader) -> Reader:
    """What a subset is of, which may offer more than it; any other reader itself."""
    return reader.whole if isinstance(reader, Subset) else reader


def check_manifest(manifest: Manifest, name: str, version: str, whole: Reader) -> Subset:
    """The images that a manifest names; raises ``BenchError`` unless it is of this very data."""
    if (manifest.dataset, manifest.version) != (name, version):
        raise BenchError(
            f"the manifest is of dataset {manifest.dataset}, version {manifest.version}; "
            f"this is {name}, version {version}"
        )
    subset = Subset(whole, manifest.mask_counts)
    found = subset.fingerprint()
    if manifest.fingerprint not in (None, found):
        raise BenchError(
            f"its images have the fingerprint {found} here, the manifest was made on "
            f"{manifest.fingerprint}: the data differ; get the same, or set the manifest's "
            "fingerprint to null to measure these all the same"
        )
    return subset
