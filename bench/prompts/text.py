"""Words: the name of the target's category, as a sentence says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.prompts.abilities import Asked
from bench.protocol import Protocol
from bench.types import BenchError, BoolArray, Mask, Prompt, Step, Target
from bench.types.categories import category_of, joined

_PLACE = "{category}"


class Text:
    """The category of the target, put into ``template`` in the place of ``{category}``.

    ``names`` says of a category what else to say for it (``{traffic_light: traffic light}``). A
    target without a category has no prompt and no row, as one whose category is blank.

    A text asks for all of its category. What the model finds is held against one target, or, where
    the protocol says ``text: union``, against all of the category in the image as one target, which
    is asked for once. Raises ``BenchError`` for a template without ``{category}`` and a name that
    is blank.
    """

    steps = 1
    draws = False
    prompt_kinds = frozenset({"text"})
    lacks = "category"

    def __init__(
        self,
        template: str = _PLACE,
        names: Mapping[str, str] | None = None,
        *,
        protocol: Protocol,
    ) -> None:
        if _PLACE not in template:
            raise BenchError(
                f"a text's template has a place for the category, {_PLACE}, found {template!r}: "
                "all targets would be asked the same"
            )
        self._template = template
        self._names = {str(k): str(v).strip() for k, v in (names or {}).items()}
        if blank := [category for category, name in self._names.items() if not name]:
            raise BenchError(f"prompt text: names says nothing for the category {blank[0]!r}")
        self._joins = protocol.joins_instances()
        said = "text" if template == _PLACE else f"text “{template}”"
        self.report_steps: Mapping[int, Step] = {1: Step(name=said)}

    def of_image(self, image_id: str, targets: Sequence[Target]) -> Asked:
        """The targets with a category; under ``text: union`` each category of theirs once."""
        named = [target for target in targets if category_of(target) is not None]
        together = tuple(joined(image_id, named).values()) if self._joins else None
        return Asked(self, frozenset(target.mask_id for target in named), together)

    def unknown(self, seen: Mapping[str, Sequence[str]], image_ids: Sequence[str]) -> Sequence[str]:
        """Nothing: what it says comes from the targets."""
        return ()

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt | None:
        """The text; none for a target without a category, and once it was asked."""
        category = category_of(target)
        if category is None or previous_prompt is not None:
            return None
        said = self._names.get(category, category)
        return Prompt(text=self._template.replace(_PLACE, said))
