"""Which prompts may be decoded together: those of one structure, since none is ever padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.types import BenchError, Prompt


@dataclass(frozen=True, slots=True)
class Structure:
    """What prompts must share to be decoded together."""

    n_points: int
    box: bool
    mask_logits: bool

    @classmethod
    def of(cls, prompt: Prompt) -> Structure:
        """That of a prompt."""
        return cls(prompt.n_points, prompt.box is not None, prompt.mask_logits is not None)


def alike(prompts: Sequence[Prompt], most: int) -> Iterator[list[int]]:
    """The prompts' numbers, those of one structure together, ``most`` at a time.

    >>> import numpy as np
    >>> click = Prompt(points=np.zeros((1, 2), np.float32), labels=np.ones(1, np.int64))
    >>> box = Prompt(box=np.zeros(4, np.float32))
    >>> list(alike([click, box, click, click], 2))
    [[0, 2], [3], [1]]
    """
    together: dict[Structure, list[int]] = {}
    for number, prompt in enumerate(prompts):
        together.setdefault(Structure.of(prompt), []).append(number)
    for numbers in together.values():
        for start in range(0, len(numbers), most):
            yield numbers[start : start + most]


def check_prompt(prompt: Prompt, takes: frozenset[str], grid: tuple[int, int], who: str) -> None:
    """Whether a model can be asked so; ``grid`` is the (h, w) of the mask logits that it takes.

    Raises ``BenchError`` for an empty prompt, for cues that the model does not know and for mask
    logits of another size. ``who`` says what the model is.
    """
    if unknown := prompt.kinds - takes:
        raise BenchError(f"{who} takes no {' or '.join(sorted(unknown))}")
    if not prompt.kinds:
        raise BenchError("a prompt needs a point, a box or mask logits; found an empty one")
    if prompt.mask_logits is not None and prompt.mask_logits.shape != grid:
        raise BenchError(
            f"mask logits must be {grid[0]}×{grid[1]} (H×W) for this model, "
            f"found {prompt.mask_logits.shape}"
        )
