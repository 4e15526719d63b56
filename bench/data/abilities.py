"""What a reader may offer beside its contract, for what can be known without decoding a picture.

Each is one optional method; whoever asks looks with ``isinstance`` and does without where a reader
lacks it. ``oddities()`` is a further one (``bench.data.oddities``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from bench.data.formats.pictures import Exif


@runtime_checkable
class CountsMasks(Protocol):
    """A reader that knows an image's number of masks from its annotations or names of files."""

    def mask_count(self, image_id: str) -> int:
        """How many targets that are no crowd ``read`` gives, empty ones too."""


@runtime_checkable
class NamesPictures(Protocol):
    """A reader that knows in which file an image's picture lies."""

    def path(self, image_id: str) -> Path:
        """Where the picture should be; it need not be there."""


@runtime_checkable
class NamesFiles(Protocol):
    """A reader that knows the files of an image, whose content is then held when a run goes on."""

    def files_of(self, image_id: str) -> Sequence[Path]:
        """The files that the picture and its targets are read from, in a fixed order.

        Those whose content is in the fingerprint may be left out.
        """


@runtime_checkable
class TurnsPictures(Protocol):
    """A reader that can turn pictures by their EXIF orientation (the argument ``exif``)."""

    exif: Exif


@runtime_checkable
class CutsLevels(Protocol):
    """A reader whose mask files hold brightness: in the mask is what is above ``threshold``.

    Pixels of a brightness in ``ignore`` are no part of any mask.
    """

    threshold: int
    ignore: Sequence[int]


@runtime_checkable
class TakesLabels(Protocol):
    """A reader of label images that knows which values are objects.

    With a ``threshold`` the files hold one mask with soft edges each: what is brighter.
    """

    threshold: int | None

    def takes(self, value: int) -> bool:
        """Whether a pixel of the value belongs to an object."""


@dataclass(frozen=True, slots=True)
class LookedFor:
    """What the annotators of an image looked for beside what they marked, by categories' names.

    ``absent`` is surely not there; of ``partial`` not every object may be marked (LVIS's
    ``neg_category_ids`` and ``not_exhaustive_category_ids``).
    """

    absent: frozenset[str]
    partial: frozenset[str]


@runtime_checkable
class Federated(Protocol):
    """A reader that knows what was looked for in each image, where not everything was."""

    def looked_for(self, image_id: str) -> LookedFor | None:
        """None where the image's entry says nothing of it."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun phrase that is asked of an image, whether anything of it is there or not.

    ``phrase_id`` is unique in the dataset. ``annotators`` answered it, at least one: what one found
    are the image's targets whose attributes ``phrase`` and ``annotator`` are those of this phrase;
    one without a target says that nothing of it is there. Where not all instances are annotated
    (``exhaustive``) it can't be scored.
    """

    phrase_id: str
    text: str
    annotators: tuple[str, ...]
    exhaustive: bool = True


@runtime_checkable
class NamesPhrases(Protocol):
    """A reader that knows which phrases are asked of an image, those of nothing in it too."""

    def phrases(self, image_id: str) -> Sequence[Phrase]:
        """The image's phrases, in a fixed order."""


@dataclass(frozen=True, slots=True)
class Category:
    """What a category is called, and whether it is a "thing" or "stuff", where that is known."""

    name: str
    kind: str | None = None


@runtime_checkable
class NamesCategories(Protocol):
    """A reader that knows all its categories, by the numbers or texts that stand for them."""

    def categories(self) -> Mapping[int | str, Category]:
        """Every category, those without a target too."""
