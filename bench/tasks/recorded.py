"""Which masks have prompts and which have none: said before a run, and of its rows.

Such are prompts from a record, and what is said of a category that not every mask has.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from bench.files.text import visible_line
from bench.prompts.abilities import Asked, KnowsImages
from bench.protocol import Protocol
from bench.types import BenchError, Reader, Target

log = logging.getLogger(__name__)

_TARGETS, _UNASKED = "targets", "unasked: "


def check_recorded(
    name: str,
    strategy: KnowsImages,
    protocol: Protocol,
    dataset: str,
    reader: Reader,
    image_ids: Sequence[str],
) -> None:
    """Looks every prompt over for its mask, and warns of masks and prompts without each other.

    Raises ``BenchError`` where a prompt doesn't fit its image and where no mask has any. An image
    that can't be read is left to the run.
    """
    seen: dict[str, list[str]] = {}
    lacking: list[str] = []
    counting = 0
    for image_id in image_ids:
        try:
            targets = reader.read(image_id).targets
        except (BenchError, ValueError, OSError):
            continue
        seen[image_id] = [target.mask_id for target in targets]
        asked = strategy.of_image(image_id, targets)
        counted, _ = protocol.sort_out(targets)
        counting += len(counted)
        lacking += [target.mask_id for target in counted if not asked.asks(target)]
    unknown, what = strategy.unknown(seen, reader.ids()), lacked_by(strategy)
    if counting and len(lacking) == counting:
        hint = f"; it has prompts for {unknown[0]}" if unknown else ""
        raise BenchError(
            f"prompt {name}: none of the {counting} masks of {dataset} has a {what}, the "
            f"first of them {lacking[0]}{hint}"
        )
    if lacking:
        log.warning(
            "prompt %s: %d of %d masks of %s have no %s and get no row: %s",
            *(name, len(lacking), counting, dataset, what, _some(lacking)),
        )
    if unknown:
        log.warning(
            "prompt %s: %d recorded masks are none of %s: %s",
            *(name, len(unknown), dataset, _some(unknown)),
        )


def count_unasked(targets: Sequence[Target], asked: Mapping[str, Asked]) -> dict[str, int]:
    """How many of an image's targets a strategy has no prompt for, for the notes."""
    some = {name: each for name, each in asked.items() if each.mask_ids is not None}
    if not some:
        return {}
    without = {
        _UNASKED + name: sum(not each.asks(target) for target in targets)
        for name, each in some.items()
    }
    return {_TARGETS: len(targets), **without}


def notes_on_files(files: Mapping[str, object]) -> list[str]:
    """A sentence for each prompt that is read from a file: its steps are nobody's simulation."""
    return [
        f"{name} asks what {visible_line(PurePath(str(file)).name)} tells."
        for name, file in files.items()
        if file is not None
    ]


def notes_on_unasked(lacks: Mapping[str, tuple[str, str]], counted: Mapping[str, int]) -> list[str]:
    """A sentence for each prompt that not all the masks have.

    ``lacks`` are what the user calls it and what the masks have none of, by what they were counted
    under.
    """
    return [
        f"{called}: {number} of {counted[_TARGETS]} masks have no {what} and are left out."
        for name, (called, what) in lacks.items()
        if (number := counted.get(_UNASKED + name))
    ]


def asks_text(strategy: type[object]) -> bool:
    """Whether a class of strategies says that it asks in words alone, whatever its arguments."""
    return getattr(strategy, "prompt_kinds", None) == frozenset({"text"})


def notes_on_texts(names: Sequence[str], protocol: Protocol) -> list[str]:
    """A sentence for each prompt of words: which of all that it finds counts."""
    how = (
        "all that a text finds is one mask, held against all of the category in the image as one"
        if protocol.joins_instances()
        else "of all that a text finds the mask nearest to the target counts"
    )
    return [f"{name}: {how}." for name in names]


def lacked_by(strategy: object) -> str:
    """What a target has none of that a strategy, or a class of them, has no prompt for."""
    return str(getattr(strategy, "lacks", "recorded prompt"))


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
