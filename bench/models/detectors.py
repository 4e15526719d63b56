"""Detectors of the library transformers that are asked in words: a picture and a text to boxes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.files.text import visible_line
from bench.models.numerics import Numerics
from bench.models.transformers_models import (
    check_type,
    library,
    load_beside,
    load_strictly,
    quiet,
)
from bench.models.weights_folder import WeightsFolder, hash_of, preparation_files, word_files
from bench.types import BenchError, FloatArray, ImageArray
from bench.types.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Kind:
    """What sets one detector of the library apart from the others.

    ``model`` and ``processor`` are names of classes, ``types`` the ``model_type`` of configurations
    that the model loads. One that is ``grounded`` scores every word of a sentence and looks at
    ``text_threshold``.
    """

    model: str
    processor: str
    types: tuple[str, ...]
    grounded: bool


KINDS: Mapping[str, Kind] = {
    "grounding_dino": Kind(
        "GroundingDinoForObjectDetection", "GroundingDinoProcessor", ("grounding-dino",), True
    ),
    "mm_grounding_dino": Kind(
        "MMGroundingDinoForObjectDetection",
        "GroundingDinoProcessor",
        ("mm-grounding-dino",),
        True,
    ),
    "owlv2": Kind("Owlv2ForObjectDetection", "Owlv2Processor", ("owlv2",), False),
}


@dataclass(frozen=True, slots=True)
class Detections:
    """``boxes`` (K, 4) float32, x0 y0 x1 y1 in pixels of the picture, and ``scores`` (K,).

    Scores are in [0, 1], the surest first. ``sound`` is false where the detector's answer held NaN.
    """

    boxes: FloatArray
    scores: FloatArray
    sound: bool = True


class Detector:
    """A detector with the weights and the processor of a folder, on a device.

    A box counts whose score lies above ``box_threshold``, and of a grounded one of which a word
    reaches ``text_threshold`` too. Raises ``BenchError`` where the files don't fit.
    """

    def __init__(
        self,
        arch: str,
        found: WeightsFolder,
        box_threshold: float,
        text_threshold: float | None,
        numerics: Numerics,
        device: torch.device,
    ) -> None:
        self._kind = KINDS[arch]
        model = load_strictly(self._kind.model, found)
        self._model = model.float().to(device).eval().requires_grad_(False)
        self._processor = load_beside(self._kind.processor, found.path)
        self._box, self._text = box_threshold, text_threshold
        self._numerics, self._device = numerics, device
        self._one_at_a_time = threading.Lock()
        config = model.config
        self._most = int(
            config.max_text_len
            if self._kind.grounded
            else config.text_config.max_position_embeddings
        )

    @property
    def parameters(self) -> int:
        """How many numbers it has learnt."""
        return sum(p.numel() for p in self._model.parameters())

    def prepared(self, image: ImageArray) -> Mapping[str, Tensor]:
        """What it sees of an (H, W, 3) uint8 image, as its own processor makes it."""
        made = self._processor.image_processor(
            images=image, input_data_format="channels_last", return_tensors="pt"
        )
        return {name: each.to(self._device) for name, each in made.items()}

    def detect(
        self, prepared: Mapping[str, Tensor], size: tuple[int, int], text: str
    ) -> Detections:
        """The boxes of a text in a prepared picture of (H, W), those within it and not flat.

        Boxes are cut at the picture's edges. Raises ``BenchError`` for a text of more tokens than
        it takes.
        """
        tokens = self._tokens(text)
        with self._numerics.products(self._device):
            out = self._model(**prepared, **tokens)
        if torch.isnan(out.logits).any() or torch.isnan(out.pred_boxes).any():
            return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), sound=False)
        sizes = torch.tensor([size], device=self._device)
        if self._kind.grounded:
            (told,) = self._processor.post_process_grounded_object_detection(
                out,
                tokens["input_ids"],
                threshold=self._box,
                text_threshold=self._text,
                target_sizes=sizes,
            )
            named = [bool(words.strip(" .")) for words in told["text_labels"]]
        else:
            (told,) = self._processor.post_process_grounded_object_detection(
                out, threshold=self._box, target_sizes=sizes
            )
            named = [True] * len(told["scores"])
        boxes: FloatArray = told["boxes"].float().cpu().numpy().reshape(-1, 4)
        scores: FloatArray = told["scores"].float().cpu().numpy()
        high, wide = size
        boxes = np.clip(boxes, 0, np.array([wide, high, wide, high], np.float32))
        kept = np.array(named, bool) & (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])
        order = np.argsort(-scores[kept], kind="stable")
        return Detections(boxes[kept][order], scores[kept][order])

    def _tokens(self, text: str) -> dict[str, Tensor]:
        tokenizer = self._processor.tokenizer
        more: dict[str, Any]
        if self._kind.grounded:  # a sentence in small letters, as its processor makes of a label
            said, more = f"{text.strip().lower().rstrip('.')}.", {"return_token_type_ids": True}
        else:
            said, more = text, {"padding": "max_length", "max_length": self._most}
        with self._one_at_a_time, quiet():  # a tokenizer is changed by how it is called
            made = tokenizer([said], return_tensors="pt", **more)
        if (count := made["input_ids"].shape[1]) > self._most:
            raise BenchError(
                f"the text {visible_line(text)!r:.80} is of {count} tokens, {self._kind.model} "
                f"takes {self._most}: shorten the template, or what names say for the category"
            )
        return {name: each.to(self._device) for name, each in made.items()}


def kind_of(arch: str) -> Kind:
    """The detector of that name; raises ``BenchError`` where there is none."""
    if arch not in KINDS:
        raise BenchError(f"no detector {arch!r}; {did_you_mean(arch, KINDS)}")
    return KINDS[arch]


def check_folder(found: WeightsFolder, arch: str) -> None:
    """Raises ``BenchError`` for a folder of another detector, or without its processor."""
    check_type(found, arch, {name: each.types for name, each in KINDS.items()})
    word_files(found.path)
    preparation_files(found.path)


def check_library(arch: str) -> None:
    """Raises ``BenchError`` where the library isn't installed; imports the detector's code."""
    getattr(library(), KINDS[arch].model)


def sha256_of_folder(found: WeightsFolder) -> str:
    """One hash of weights, configuration, tokenizer and preparation of images."""
    beside = (*word_files(found.path), *preparation_files(found.path))
    return hash_of((*found.files, *beside))
