"""SAM 3 asked in words: all instances of what is named, by the library transformers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2.functional import resize

from bench.files.text import visible_line
from bench.models.canvas import levels
from bench.models.devices import device_facts, exact_arithmetic, usable_device
from bench.models.hub import find_weights
from bench.models.numerics import Numerics
from bench.models.structure import check_prompt
from bench.models.transformers_models import (
    HALF,
    check_colours,
    check_installed,
    check_type,
    library,
    load_beside,
    load_strictly,
    quiet,
)
from bench.models.weights_folder import WeightsFolder, hash_of, word_files
from bench.types import BenchError, Frame, ImageArray, Prediction, Prompt, Site
from bench.types.errors import did_you_mean

MODEL = "Sam3Model"
TYPES = {"sam3": ("sam3", "sam3_video")}
RESIZED = ("logits", "probabilities")
"""What of a mask is brought to the picture's size: logits, as the authors' own code does, or
probabilities, as the library does; the two differ along the rims."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """What the encoder makes of one image: ``features`` (C, h, w) of falling resolution.

    ``places`` (C, h, w) encodes where the cells of the last of them are; ``image_size`` is the
    (H, W) of the image.
    """

    features: tuple[Tensor, ...]
    places: Tensor
    image_size: tuple[int, int]


class Sam3Text:
    """SAM 3, which finds every instance of a short noun phrase, from the hub or from a folder.

    The weights are named as those of ``TransformersSam``; the folder holds a tokenizer too. Of the
    instances those count whose score, sigmoid(class) · sigmoid(presence), lies above
    ``score_threshold``; their order is the model's. ``resized`` is a word of ``RESIZED``, and a
    pixel is in a mask where the probability lies above ``mask_threshold``. ``dtype`` is that of
    ``Numerics``.

    An image is encoded, and a text answered, one at a time, on any device: so neither a batch nor
    padding changes an answer. A text that several prompts of a picture share is answered once.
    Raises ``BenchError`` where the library or the files are missing, or do not fit each other.
    """

    prompt_kinds = frozenset({"text"})

    def __init__(
        self,
        repository: str | None,
        revision: str | None,
        folder: str | None = None,
        sha256: str | None = None,
        score_threshold: float = 0.5,
        mask_threshold: float = 0.5,
        resized: str = RESIZED[0],
        dtype: str = "float32",
        *,
        site: Site,
    ) -> None:
        args = {
            "repository": repository, "revision": revision, "folder": folder, "sha256": sha256,
            "score_threshold": score_threshold, "mask_threshold": mask_threshold,
            "resized": resized, "dtype": dtype,
        }  # fmt: skip
        _check_choices(args)
        self._numerics = Numerics(dtype)
        self._device = usable_device(site.device)
        exact_arithmetic()
        found = _files(args, site)
        self._pinned = _identity(args, found)
        model = load_strictly(MODEL, found)
        self._model = model.float().to(self._device).eval().requires_grad_(False)
        self._tokenizer = load_beside("AutoTokenizer", found.path)
        self._one_at_a_time = threading.Lock()
        self._most = int(model.config.text_config.max_position_embeddings)
        self._side = int(model.config.image_size)
        self._score, self._cut, self._resized = score_threshold, mask_threshold, resized
        self._weights = "own folder" if folder is not None else f"{repository}@{revision}"

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """``sha256`` of weights, configuration and tokenizer, the thresholds, and other choices.

        Finds the folder, or fetches the repository where ``site.download`` allows. Raises
        ``BenchError``.
        """
        _check_choices(args)
        check_installed()
        return _identity(args, _files(args, site))

    @classmethod
    def check_files(cls, args: Mapping[str, Any], site: Site) -> None:
        """Whether library and files are there and of one kind; see ``ChecksFiles``."""
        getattr(library(), MODEL)  # its own code is imported only now
        _files(args, site)

    @property
    def facts(self) -> Mapping[str, str]:
        """Device, precision, versions, weights, and where it differs from the library."""
        differs = "masks are resized as logits" if self._resized == RESIZED[0] else ""
        return {
            **device_facts(self._device),
            "dtype": self._numerics.dtype,
            "tf32": "off",
            "torch": str(torch.__version__),
            "transformers": str(library().__version__),
            "parameters": str(sum(p.numel() for p in self._model.parameters())),
            "checkpoint_sha256": self._pinned["sha256"],
            "weights": self._weights,
            "unlike_transformers": differs,
        }

    @torch.inference_mode()
    def embed(self, images: Sequence[ImageArray]) -> list[Embedding]:
        """One embedding per (H, W, 3) uint8 RGB image."""
        embeddings: list[Embedding] = []
        for image in images:
            found = self._encoded(squashed(image, self._side).to(self._device))
            features = tuple(each[0].float() for each in found.fpn_hidden_states[:-1])
            places = found.fpn_position_encoding[-2][0].float()
            embeddings.append(Embedding(features, places, (image.shape[0], image.shape[1])))
        return embeddings

    @torch.inference_mode()
    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """The instances of each text, any number K of them: logits (K, h, w) and scores (K,).

        A pixel is in a mask where its logit lies above 0, whatever the rule and the threshold.
        ``multimask`` changes nothing. Raises ``BenchError`` for other prompts than words alone, and
        for a text of more tokens than the model takes.
        """
        told: dict[str, tuple[Any, Tensor]] = {}
        answered: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}
        keys = []
        for embedding, prompt in zip(embeddings, prompts, strict=True):
            check_prompt(prompt, self.prompt_kinds, (0, 0), f"a {MODEL}")
            text = prompt.text or ""
            if text not in told:
                told[text] = self._told(text)
            keys.append((id(embedding), text))
            if keys[-1] not in answered:
                answered[keys[-1]] = self._answer(embedding, *told[text])
        found = [answered[key] for key in keys]
        frames = [
            Frame(grid := (logits.shape[1], logits.shape[2]), grid, embedding.image_size)
            for (logits, _), embedding in zip(found, embeddings, strict=True)
        ]
        return Prediction([logits for logits, _ in found], [scores for _, scores in found], frames)

    def _encoded(self, pixels: Tensor) -> Any:
        """The output of the encoder for a (3, side, side) image."""
        with self._numerics.products(self._device):
            return self._model.get_vision_features(pixels[None])

    def _told(self, text: str) -> tuple[Any, Tensor]:
        """What the text encoder makes of a text, and which of its tokens count."""
        with self._one_at_a_time, quiet():  # a tokenizer is changed by how it is called
            tokens = self._tokenizer(
                text, padding="max_length", max_length=self._most, return_tensors="pt"
            )
        if (count := tokens.input_ids.shape[1]) > self._most:
            raise BenchError(
                f"the text {visible_line(text)!r:.80} is of {count} tokens, a {MODEL} takes "
                f"{self._most}: shorten the template, or what names say for the category"
            )
        mask = tokens.attention_mask.to(self._device)
        with self._numerics.products(self._device):
            return self._model.get_text_features(tokens.input_ids.to(self._device), mask), mask

    def _answer(self, embedding: Embedding, words: Any, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (K, h, w) and scores (K,) of the instances of one text on one image."""
        features = [each[None] for each in embedding.features]
        places = embedding.places[None]
        seen = SimpleNamespace(  # the model drops the last level of each
            fpn_hidden_states=(*features, features[-1]),
            fpn_position_encoding=(*(places for _ in features), places),
            hidden_states=None,
            attentions=None,
        )
        with self._numerics.products(self._device):
            found = self._model(vision_embeds=seen, text_embeds=words, attention_mask=mask)
        scores = found.pred_logits[0].float().sigmoid()
        if found.presence_logits is not None:
            scores = scores * found.presence_logits[0].float().sigmoid()
        masks = found.pred_masks[0].float()
        if torch.isnan(scores).any():  # they lie above no threshold: none would be told of
            return masks[:1], scores[torch.isnan(scores)][:1]
        kept = scores > self._score
        masks = masks[kept]
        if self._resized == "logits":
            return masks - float(np.log(self._cut / (1 - self._cut))), scores[kept]
        return masks.sigmoid() - self._cut, scores[kept]


def squashed(image: ImageArray, side: int) -> Tensor:
    """What the encoder sees of an (H, W, 3) uint8 image: (3, side, side) float32 in [-1, 1].

    Resized on whole grey levels, bilinear with antialiasing, as the authors and the library do.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    resized: Tensor = resize(
        pixels, [side, side], interpolation=InterpolationMode.BILINEAR, antialias=True
    )
    mean, std = (torch.tensor(levels(each))[:, None, None] for each in HALF)
    scaled: Tensor = (resized.float() - mean) / std
    return scaled


def _check_choices(args: Mapping[str, Any]) -> None:
    """Raises ``BenchError`` for a rule that isn't there and a threshold outside of (0, 1)."""
    rule = str(args.get("resized", RESIZED[0]))
    if rule not in RESIZED:
        raise BenchError(f"no rule {rule!r} of what is resized; {did_you_mean(rule, RESIZED)}")
    for name in ("score_threshold", "mask_threshold"):
        if not 0 < (value := args.get(name, 0.5)) < 1:
            raise BenchError(f"model.args.{name} lies between 0 and 1, found {value}")


def _files(args: Mapping[str, Any], site: Site) -> WeightsFolder:
    """The folder of weights, fetched where that is allowed, its kind and tokenizer looked at."""
    found = find_weights(args, site)
    check_type(found, "sam3", TYPES)
    check_colours(found, MODEL, HALF)
    word_files(found.path)
    return found


def _identity(args: Mapping[str, Any], found: WeightsFolder) -> dict[str, Any]:
    """What enters the run key."""
    choices = {
        "score_threshold": args.get("score_threshold", 0.5),
        "mask_threshold": args.get("mask_threshold", 0.5),
        "resized": args.get("resized", RESIZED[0]),
    }
    files = (*found.files, *word_files(found.path))
    return {"sha256": hash_of(files)} | choices | Numerics.of(args).identity()
