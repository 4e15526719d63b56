"""A model whose prompts are not SAM's, and which gives any number of masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch

from bench.types import Frame, ImageArray, Prediction, Prompt, Site


class Pen:
    """Thickens strokes to ``width`` pixels: a mask for each stroke, and one of all together."""

    prompt_kinds = frozenset({"strokes"})

    def __init__(self, width: int = 9, *, site: Site) -> None:
        self.width = width

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        return {"width": cls(**args, site=site).width}

    @property
    def facts(self) -> Mapping[str, str]:
        return {"dtype": "float32"}

    def embed(self, images: Sequence[ImageArray]) -> list[ImageArray]:
        return list(images)

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        logits, scores, frames = [], [], []
        for image, prompt in zip(embeddings, prompts, strict=True):
            strokes = prompt.cues["strokes"].plain()
            masks = [np.zeros(image.shape[:2], np.uint8) for _ in strokes]
            for mask, (x0, y0, x1, y1) in zip(masks, strokes, strict=True):
                cv2.line(mask, (round(x0), round(y0)), (round(x1), round(y1)), 1, self.width)
            together = [np.maximum.reduce(masks), *(masks if len(masks) > 1 else [])]
            logits.append(torch.from_numpy(np.stack(together).astype(np.float32) - 0.5))
            scores.append(torch.linspace(0.9, 0.5, len(together)))
            frames.append(Frame.identity(image.shape[:2]))
        return Prediction(logits, scores, frames)
