"""The contracts of the bench's exchangeable parts: what fulfils one is a part, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from bench.types.cues import Prompt
from bench.types.mask import BoolArray, Mask
from bench.types.step import Step
from bench.types.values import ImageArray, Prediction, Sample, Site, Target


class Reader(Protocol):
    """A dataset: ids first, pictures when asked for; ``bench.data.oddities`` adds to it."""

    def ids(self) -> Sequence[str]:
        """Every image's id: stable, sorted, unique, known before any picture is decoded."""

    def read(self, image_id: str) -> Sample:
        """The image and its targets, empty ones and crowds too: the protocol chooses.

        Raises ``BenchError`` that names the file if it can't.
        """

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A short hash of what images and targets come from, so that changed data is noticed.

        Of the named images alone, in any order, or of all of them. It has to be cheap: names and
        sizes will do where ``files_of`` (``bench.data.abilities``) names the files.
        """


class Segmenter(Protocol):
    """A promptable model. It keeps no current image: embeddings are values.

    ``prompt_kinds`` says which kinds of cues (``points``, ``box``, ``mask_logits``, ``text``, or
    others) the class understands, before anything is loaded.
    """

    prompt_kinds: ClassVar[frozenset[str]]

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """The arguments as they enter the run key: files replaced by the hashes of their content.

        Finds, fetches and checks what the model needs, so that what is missing is known before
        anything is loaded. Raises ``BenchError``.
        """

    @property
    def facts(self) -> Mapping[str, str]:
        """What a run's header should say of the model: device, checkpoint hash, versions."""

    def embed(self, images: Sequence[ImageArray]) -> Sequence[Any]:
        """One opaque embedding per image: the slow part, once per image.

        Raises ``UnfitImageError`` for an image that it can't take: that image fails, the others of
        the run are scored.
        """

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Answers prompt i on embedding i; one embedding may stand many times.

        All N prompts may differ in their number of points and come from several images. With
        ``multimask`` the model gives its several candidates, else one. An image of which an answer
        holds NaN or infinity fails.
        """


class PromptStrategy(Protocol):
    """How a user would prompt: simulated from the target alone.

    It may also say what saves work: ``draws`` is false where ``next`` takes no random numbers, and
    ``opening`` a value that is equal for strategies of equal first prompts.
    """

    @property
    def steps(self) -> int:
        """The number of rounds, at least 1."""

    @property
    def report_steps(self) -> Mapping[int, Step]:
        """The steps that tables show, from 1, and what was asked up to them."""

    @property
    def prompt_kinds(self) -> frozenset[str]:
        """The kinds of cues that it asks a model to understand."""

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt | None:
        """The prompt of the next step; none where nothing is left to correct.

        The first step has no previous mask and prompt. A pure function of its arguments.
        """
