"""What a prompt strategy may offer beyond its contract: files of its own, and knowing images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from bench.types import PromptStrategy, Target
from bench.types.categories import category_of


@runtime_checkable
class PinsFiles(Protocol):
    """A strategy whose arguments name files."""

    @classmethod
    def pin(cls, args: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as they enter the run key: files replaced by hashes of their content.

        Raises ``BenchError`` for a file that isn't there.
        """


@dataclass(frozen=True, slots=True)
class Asked:
    """Who gives the prompts of one image, and the ids of the masks that there are any for.

    None stands for all of them. ``together`` are targets that are asked for in the place of the
    image's own, each all of a category; one of which no own target counts has no row.
    """

    strategy: PromptStrategy
    mask_ids: frozenset[str] | None = None
    together: tuple[Target, ...] | None = None

    def asks(self, target: Target) -> bool:
        """Whether there is a prompt for a target."""
        return self.mask_ids is None or target.mask_id in self.mask_ids

    def targets(self, counted: Sequence[Target]) -> Sequence[Target]:
        """What is asked for, of an image's targets that count: those with a prompt."""
        if self.together is None:
            return [target for target in counted if self.asks(target)]
        categories = {category_of(target) for target in counted}
        return [target for target in self.together if target.category in categories]


@runtime_checkable
class KnowsImages(Protocol):
    """A strategy that has prompts for some targets alone, found by their images' ids.

    ``lacks`` may say what a target without a prompt has none of; else it is a recorded prompt.
    """

    def of_image(self, image_id: str, targets: Sequence[Target]) -> Asked:
        """What it asks of an image, all of whose targets are given.

        Raises ``BenchError`` for a prompt that doesn't fit its image.
        """

    def unknown(self, seen: Mapping[str, Sequence[str]], image_ids: Sequence[str]) -> Sequence[str]:
        """What of it no target has, each in words, by the targets' ids of the images ``seen``.

        ``image_ids`` are all images of the dataset: of one that wasn't seen nothing is known.
        """


@runtime_checkable
class IsRecorded(Protocol):
    """A strategy whose prompts somebody gave before: nothing of them is simulated from the mask."""

    recorded: bool


def is_recorded(way: object) -> bool:
    """Whether a way of asking is a record; tables say so at every step."""
    return isinstance(way, IsRecorded) and way.recorded


@runtime_checkable
class AsksInstead(Protocol):
    """A strategy that can ask with other cues.

    ``instead`` says by which of its arguments, for each kind of cue that a model may not take.
    """

    instead: Mapping[str, str]


def instead_of(name: str, strategy: object, kinds: Iterable[str]) -> str:
    """What to choose where a model doesn't take these kinds of cues; empty where nothing is known.

    ``name`` is the prompt's key in the configuration.
    """
    known = strategy.instead if isinstance(strategy, AsksInstead) else {}
    hints = [f"prompts.{name}.args.{known[kind]}" for kind in sorted(kinds) if kind in known]
    return f"; {' and '.join(hints)}" if hints else ""


def asked_of(strategy: PromptStrategy, image_id: str, targets: Sequence[Target]) -> Asked:
    """What a strategy asks of an image: of every target, unless it says otherwise."""
    if isinstance(strategy, KnowsImages):
        return strategy.of_image(image_id, targets)
    return Asked(strategy)
