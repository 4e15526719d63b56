"""A detector that is asked in words, and a model of boxes that is asked with what it finds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.config.component import Component
from bench.config.composing import load_component
from bench.models import abilities
from bench.models.detectors import (
    Detector,
    check_folder,
    check_library,
    kind_of,
    sha256_of_folder,
)
from bench.models.devices import device_facts, exact_arithmetic, usable_device
from bench.models.hub import find_weights
from bench.models.loading import model_class, pinned_model
from bench.models.numerics import Numerics
from bench.models.structure import check_prompt
from bench.models.transformers_models import check_installed, library
from bench.models.weights_folder import WeightsFolder
from bench.types import BenchError, Frame, ImageArray, Prediction, Prompt, Site


@dataclass(frozen=True, slots=True)
class Embedding:
    """A picture as both models see it: prepared for the detector, embedded by the segmenter.

    ``image_size`` is its (H, W).
    """

    prepared: Mapping[str, Tensor]
    embedded: Any
    image_size: tuple[int, int]


class LangSam:
    """A detector finds boxes of what a text names, and a model of boxes gives a mask for each.

    ``arch`` is a detector of ``bench.models.detectors``; its weights are named as those of
    ``TransformersSam``, from a folder that holds its processor too. A box counts above
    ``box_threshold``, and, with Grounding DINO, where a word reaches ``text_threshold``.
    ``segmenter`` is the model of boxes: the name of a YAML of ``conf/model``, or a mapping with
    ``name``, ``version``, ``target`` and ``args`` as such a YAML has. ``dtype`` is the detector's.

    A box is given as the detector's tools give it, cut at the picture's edges, and answered with
    one mask, whose score is the box's. One picture at a time goes through the detector, since
    padding it to another's size would move its boxes; a text that several prompts of a picture
    share is answered once. Raises ``BenchError`` where a part of it is missing or doesn't fit.
    """

    prompt_kinds = frozenset({"text"})

    def __init__(
        self,
        arch: str,
        repository: str | None,
        revision: str | None,
        segmenter: str | Mapping[str, Any],
        folder: str | None = None,
        sha256: str | None = None,
        box_threshold: float = 0.25,
        text_threshold: float | None = None,
        dtype: str = "float32",
        *,
        site: Site,
    ) -> None:
        args = {
            "arch": arch, "repository": repository, "revision": revision, "segmenter": segmenter,
            "folder": folder, "sha256": sha256, "box_threshold": box_threshold,
            "text_threshold": text_threshold, "dtype": dtype,
        }  # fmt: skip
        _check_choices(args)
        self._numerics = Numerics(dtype)
        self._device = usable_device(site.device)
        exact_arithmetic()
        found = _files(args, site)
        self._sha256 = sha256_of_folder(found)
        self._detector = Detector(
            arch, found, box_threshold, text_threshold, self._numerics, self._device
        )
        self._segmenter = pinned_model(_nested(segmenter), site)
        self._weights = "own folder" if folder is not None else f"{repository}@{revision}"

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """The detector's ``sha256`` and thresholds, and the segmenter with its own pinned args.

        Finds the files of both, or fetches them where ``site.download`` allows. Raises
        ``BenchError``.
        """
        _check_choices(args)
        check_installed()
        nested = _nested(args["segmenter"])
        pinned = model_class(nested).pin(nested.args, site)
        return {
            "arch": str(args["arch"]),
            "sha256": sha256_of_folder(_files(args, site)),
            "box_threshold": args.get("box_threshold", 0.25),
            "text_threshold": args.get("text_threshold"),
            "segmenter": {"name": nested.name, "version": nested.version, "args": pinned},
            **Numerics.of(args).identity(),
        }

    @classmethod
    def check_files(cls, args: Mapping[str, Any], site: Site) -> None:
        """Whether the files of both are there and of their kinds; see ``ChecksFiles``."""
        _check_choices(args)
        check_library(str(args["arch"]))
        _files(args, site)
        nested = _nested(args["segmenter"])
        abilities.check_files(model_class(nested), nested.args, site)

    @property
    def facts(self) -> Mapping[str, str]:
        """Device, precision, versions, the weights of both, and the segmenter's own facts."""
        nested = self._segmenter.facts
        both = f"{self._sha256} {nested.get('checkpoint_sha256', '')}"
        own = nested.get("parameters", "")
        parameters = str(self._detector.parameters + int(own)) if own.isdecimal() else ""
        return {
            **device_facts(self._device),
            "dtype": self._numerics.dtype,
            "tf32": "off",
            "torch": str(torch.__version__),
            "transformers": str(library().__version__),
            "checkpoint_sha256": hashlib.sha256(both.encode()).hexdigest(),
            "weights": self._weights,
            **({"parameters": parameters} if parameters else {}),
            **{f"segmenter_{name}": said for name, said in nested.items()},
        }

    @torch.inference_mode()
    def embed(self, images: Sequence[ImageArray]) -> list[Embedding]:
        """One embedding per (H, W, 3) uint8 RGB image; the segmenter embeds them together."""
        return [
            Embedding(self._detector.prepared(image), embedded, (image.shape[0], image.shape[1]))
            for image, embedded in zip(images, self._segmenter.embed(images), strict=True)
        ]

    @torch.inference_mode()
    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """A mask for each box of each text, the surest box first: any number K, also none.

        ``multimask`` changes nothing: a box is asked for one mask. Raises ``BenchError`` for other
        prompts than words alone, and for a text of more tokens than the detector takes.
        """
        answered: dict[tuple[int, str], tuple[Tensor, Tensor, Frame]] = {}
        keys = []
        for embedding, prompt in zip(embeddings, prompts, strict=True):
            check_prompt(prompt, self.prompt_kinds, (0, 0), "a detector that is asked in words")
            keys.append((id(embedding), prompt.text or ""))
            if keys[-1] not in answered:
                answered[keys[-1]] = self._answer(embedding, keys[-1][1])
        found = [answered[key] for key in keys]
        return Prediction(
            [logits for logits, _, _ in found],
            [scores for _, scores, _ in found],
            [frame for _, _, frame in found],
        )

    def _answer(self, embedding: Embedding, text: str) -> tuple[Tensor, Tensor, Frame]:
        size = embedding.image_size
        boxes = self._detector.detect(embedding.prepared, size, text)
        if not boxes.sound or not len(boxes.boxes):
            # NaN is told of as the answer that it is: without a box none would be.
            nothing = torch.full((int(not boxes.sound), 1, 1), torch.nan, device=self._device)
            return nothing, nothing[:, 0, 0], Frame((1, 1), (1, 1), size)
        asked = [Prompt(box=box) for box in boxes.boxes]
        given = self._segmenter.predict([embedding.embedded] * len(asked), asked, False)
        best = [int(estimates.argmax()) for estimates in given.predicted_iou]
        logits = torch.stack([grids[k] for grids, k in zip(given.logits, best, strict=True)])
        return logits, torch.from_numpy(boxes.scores).to(logits.device), given.frames[0]


def _nested(segmenter: str | Mapping[str, Any]) -> Component:
    """The model of boxes as its YAML, or the mapping, says it; raises ``BenchError``."""
    if isinstance(segmenter, str):
        found = load_component("model", segmenter)
    else:
        try:
            said = {str(key): value for key, value in segmenter.items()}
            found = Component(**{**said, "args": dict(said.get("args") or {})})
        except (TypeError, ValueError) as error:
            raise BenchError(f"model.args.segmenter is no model ({error})") from None
    if "box" not in (kinds := model_class(found).prompt_kinds):
        raise BenchError(
            f"model.args.segmenter: {found.name} takes {', '.join(sorted(kinds))} and no box; "
            "expected a model that is asked with boxes"
        )
    return found


def _check_choices(args: Mapping[str, Any]) -> None:
    """Raises ``BenchError`` for thresholds that don't go with the detector."""
    kind, words = kind_of(str(args.get("arch"))), args.get("text_threshold")
    if kind.grounded and words is None:
        raise BenchError("model.args.text_threshold is missing: Grounding DINO's default is 0.25")
    if not kind.grounded and words is not None:
        raise BenchError(
            f"model.args.text_threshold is a choice of Grounding DINO, not of {args['arch']}: "
            "give null"
        )
    for name in ("box_threshold", "text_threshold"):
        value = args.get(name, 0.25 if name == "box_threshold" else None)
        if value is not None and not 0 < value < 1:
            raise BenchError(f"model.args.{name} lies between 0 and 1, found {value}")


def _files(args: Mapping[str, Any], site: Site) -> WeightsFolder:
    """The detector's folder, fetched where that is allowed, and looked over."""
    found = find_weights(args, site)
    check_folder(found, str(args["arch"]))
    return found
