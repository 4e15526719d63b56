"""A model that takes words and nothing else: it finds the regions of a colour that is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch

from bench.types import Frame, ImageArray, Prediction, Prompt, Site

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


class ColourWords:
    """Each connected region of the colour is an instance, the larger ones surer."""

    prompt_kinds = frozenset({"text"})

    def __init__(self, *, site: Site) -> None:
        pass

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        return dict(args)

    @property
    def facts(self) -> Mapping[str, str]:
        return {"device": "cpu", "checkpoint_sha256": "c0" * 32}

    def embed(self, images: Sequence[ImageArray]) -> list[ImageArray]:
        return list(images)

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        found = [self._found(e, p.text or "") for e, p in zip(embeddings, prompts, strict=True)]
        logits = [torch.from_numpy(np.where(each, 9.0, -9.0).astype(np.float32)) for each in found]
        scores = [each.mean(dim=(1, 2)) / 18 + 0.5 for each in logits]
        return Prediction(logits, scores, [Frame.identity(e.shape[:2]) for e in embeddings])

    def _found(self, image: ImageArray, text: str) -> Any:
        """(K, H, W) bool."""
        named = [colour for word, colour in COLOURS.items() if word in text]
        masks = [np.zeros((0, *image.shape[:2]), dtype=bool)]
        for colour in named:
            near = np.abs(image.astype(int) - colour).max(axis=2) < 20
            count, labels = cv2.connectedComponents(near.astype(np.uint8))
            masks += [(labels == k)[None] for k in range(1, count)]
        return np.concatenate(masks)
