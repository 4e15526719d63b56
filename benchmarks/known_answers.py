"""Answers as real models give them, without trained weights: what the network says is replaced.

Random weights answer with noise all over the picture, whose run lengths and error clicks no real
model asks for. Here a Sam embeds and decodes as always, and what it says is replaced by logits that
were made from the target: a smooth blob with an error at its rim (``host_cost.blobs``). The bench
and the plain loop get the same ones. Which target is asked for is told by its first click or box.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from host_cost import checksum
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from torch import Tensor

from bench.models.sam_embedding import SamEmbedding
from bench.models.segment_anything import SegmentAnything
from bench.types import FloatArray, ImageArray, Prediction, Prompt, Site

PREDICTED = (0.9, 0.8, 0.7)
"""What is said of three candidates, so that the first is taken; of one, the first."""


class Answers:
    """What is known of one picture: ``logits`` (T, 4, 256, 256), and each target's cues."""

    def __init__(self, file: Path, device: torch.device) -> None:
        known = dict(np.load(file).items())
        self._logits = torch.from_numpy(known["logits"]).to(device)
        self._clicks, self._boxes = known["clicks"], known["boxes"]

    def to(self, first_click: FloatArray | None, box: FloatArray | None, points: int) -> Tensor:
        """Logits (K, 256, 256): three candidates for one click alone, else one, better by clicks.

        Raises ``LookupError`` for a cue of no target.
        """
        cues, asked = (self._clicks, first_click) if box is None else (self._boxes, box)
        (found,) = np.nonzero((cues == asked).all(axis=1))
        if not len(found):
            raise LookupError(f"no target of cue {asked}")
        several = box is None and points == 1
        return self._logits[int(found[0]), slice(0, 3) if several else slice(points, points + 1)]


def read_answers(folder: Path, device: torch.device) -> dict[int, Answers]:
    """Those of every picture, by its checksum; the files are ``host_cost.write_answers``'s."""
    return {int(path.stem): Answers(path, device) for path in sorted(folder.glob("*.npz"))}


@dataclass(frozen=True, slots=True)
class _Embedding(SamEmbedding):
    """An embedding that knows whose it is."""

    answers: Answers


class Known:
    """Goes before a kind of ``SamSegmenter``; ``answers`` is the folder of what is known."""

    _known: Mapping[int, Answers] | None = None
    _device: torch.device
    __signature__: inspect.Signature

    def __init_subclass__(cls) -> None:
        """Has the arguments of the other class told, beside its own."""
        answers = inspect.Parameter("answers", inspect.Parameter.KEYWORD_ONLY)
        told = inspect.signature(cls.__mro__[2])
        cls.__signature__ = told.replace(parameters=[*told.parameters.values(), answers])

    def __init__(self, *, answers: str, site: Site, **args: Any) -> None:
        own: Any = super()
        own.__init__(**args, site=site)  # which may warm up
        self._known = read_answers(Path(answers), self._device)

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """That of the Sam."""
        own: Any = super()
        pinned: dict[str, Any] = own.pin({k: v for k, v in args.items() if k != "answers"}, site)
        return pinned

    def embed(self, images: Sequence[ImageArray]) -> list[SamEmbedding]:
        """The network's, with the picture's answers."""
        own: Any = super()
        found: list[SamEmbedding] = own.embed(images)
        if self._known is None:
            return found
        return [
            _Embedding(
                each.features, each.input_size, each.image_size, self._known[checksum(image)]
            )
            for each, image in zip(found, images, strict=True)
        ]

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """The network is asked; then its logits are replaced."""
        own: Any = super()
        found: Prediction = own.predict(embeddings, prompts, multimask)
        if self._known is None or not prompts:
            return found
        logits = [
            one.answers.to(p.points[0] if p.n_points else None, p.box, p.n_points)
            for one, p in zip(embeddings, prompts, strict=True)
        ]
        said = torch.tensor(PREDICTED[: 3 if multimask else 1], device=self._device)
        return replace(
            found, logits=torch.stack(logits), predicted_iou=said.expand(len(prompts), -1)
        )


class KnownSam(Known, SegmentAnything):
    """A published architecture whose answers are known."""


class KnownPredictor(SamPredictor):
    """``SamPredictor`` with the same answers in place of its network's."""

    def __init__(self, sam: Sam, answers: Path) -> None:
        super().__init__(sam)
        self._known = read_answers(answers, self.device)

    def set_image(self, image: ImageArray, image_format: str = "RGB") -> None:
        """Embeds, and looks up what is known of the picture."""
        super().set_image(image, image_format)
        self._answers = self._known[checksum(image)]

    def predict(
        self,
        point_coords: FloatArray | None = None,
        point_labels: Any = None,
        box: FloatArray | None = None,
        *args: Any,
        **more: Any,
    ) -> tuple[Any, Any, Any]:
        """Asks the network, of a target that its cue tells."""
        points = 0 if point_coords is None else len(point_coords)
        first = None if point_coords is None else point_coords[0]
        self._now = self._answers.to(first, box, points)
        found: tuple[Any, Any, Any] = super().predict(
            point_coords, point_labels, box, *args, **more
        )
        return found

    def predict_torch(self, *args: Any, **more: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The network is computed; masks are made of the known logits as it makes them."""
        super().predict_torch(*args, **more)
        low = self._now[None]
        masks = self.model.postprocess_masks(low, self.input_size, self.original_size)
        said = torch.tensor(PREDICTED[: low.shape[1]], device=low.device)[None]
        return masks > self.model.mask_threshold, said, low
