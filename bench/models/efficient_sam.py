"""EfficientSAM: a small ViT, learnt to give SAM's features of masked images, and its decoder.

Preprocessing and prompts are those of ``efficient_sam/efficient_sam.py`` and of
``EfficientSAM_example.py`` of github.com/yformer/EfficientSAM at d525f62.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.files.hashing import sha256_of
from bench.models.checkpoints import find_weights
from bench.models.devices import device_facts, exact_arithmetic, usable_device
from bench.models.efficient_sam_network import POINTS, EfficientSamNetwork
from bench.models.exported import ExportedEmbedding
from bench.models.structure import check_prompt
from bench.models.weights import fitting, load_strict, read_saved
from bench.types import BenchError, Frame, ImageArray, Prediction, Prompt, Site
from bench.types.errors import did_you_mean

log = logging.getLogger(__name__)

ARCHITECTURES: Mapping[str, Callable[[], EfficientSamNetwork]] = {
    "vitt": partial(EfficientSamNetwork, 192, 3),
    "vits": partial(EfficientSamNetwork, 384, 6),
}
"""EfficientSAM-Ti and -S."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class EfficientSam:
    """EfficientSAM-Ti or -S, as ``EfficientSam.forward`` of the authors' code answers.

    ``arch`` is ``vitt`` or ``vits``; the other arguments are those of ``SegmentAnything``. An image
    is squashed to a square of 1024 pixels, bilinear without antialiasing, then normalised by
    ImageNet's mean and deviation. A box is two points, its corners. Logits are brought to the
    image's own pixels by bicubic interpolation. It takes no earlier mask, so a protocol that feeds
    logits back refuses it before anything is loaded.

    The decoder looks at six points; the authors' code leaves out what comes after them, here more
    are refused. On a CPU each image is encoded and each prompt decoded on its own.

    Raises ``BenchError`` where the file is missing, is not the published one or does not fit.
    """

    prompt_kinds = frozenset({"points", "box"})

    def __init__(
        self,
        arch: str,
        sha256: str | None,
        file: str,
        url: str,
        size: int | None,
        checkpoint: str | None = None,
        *,
        site: Site,
    ) -> None:
        build = _builder(arch)
        args = {"file": file, "url": url, "size": size, "sha256": sha256, "checkpoint": checkpoint}
        path = find_weights(args, site)
        with torch.random.fork_rng(devices=[]):  # random weights, all replaced: spend no one's seed
            network = build()
        load_strict(network, read_saved(path), f"{path} as {arch}", _others(arch))
        weights = "published" if checkpoint is None else "own file"
        self._prepare(network, site, {"checkpoint_sha256": sha256_of(path), "weights": weights})

    def _prepare(self, network: EfficientSamNetwork, site: Site, facts: Mapping[str, str]) -> None:
        self._device = usable_device(site.device)
        exact_arithmetic()
        self._network = network.float().to(self._device).eval().requires_grad_(False)
        on_cpu = self._device.type == "cpu"
        self._image_batch = 1 if on_cpu else max(1, site.image_batch)
        self._prompt_batch = 1 if on_cpu else max(1, site.prompt_batch)
        self._mean, self._std = (
            torch.tensor(each, device=self._device)[:, None, None] for each in (_MEAN, _STD)
        )
        self._facts = facts

    @classmethod
    def of(cls, network: EfficientSamNetwork, site: Site) -> EfficientSam:
        """Around a network in memory, whatever its size."""
        model = cls.__new__(cls)
        model._prepare(network, site, {})
        return model

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """``arch`` and ``sha256`` of the weights; see ``SegmentAnything.pin``."""
        _builder(str(args.get("arch")))
        return {"arch": str(args["arch"]), "sha256": sha256_of(find_weights(args, site))}

    @classmethod
    def check_files(cls, args: Mapping[str, Any], site: Site) -> None:
        """Whether the file fits the architecture; see ``ChecksFiles``."""
        arch, path = str(args.get("arch")), find_weights(args, site)
        with torch.device("meta"):  # names and shapes alone
            network = _builder(arch)()
        saved = read_saved(path, names_only=True)
        if account := fitting(network, saved, f"{path} as {arch}", _others(arch)).account:
            log.info("%s: %s", path, account)

    @property
    def facts(self) -> Mapping[str, str]:
        """Device, versions, number of parameters, and which weights they are."""
        return {
            **device_facts(self._device),
            "dtype": "float32",
            "tf32": "off",
            "torch": str(torch.__version__),
            "parameters": str(sum(p.numel() for p in self._network.parameters())),
            **self._facts,
        }

    @torch.inference_mode()
    def embed(self, images: Sequence[ImageArray]) -> list[ExportedEmbedding]:
        """One embedding per (H, W, 3) uint8 RGB image."""
        embeddings = []
        for start in range(0, len(images), self._image_batch):
            chunk = images[start : start + self._image_batch]
            features = self._network.embed(torch.stack([self._seen(image) for image in chunk]))
            embeddings += [
                ExportedEmbedding((values[None],), (image.shape[0], image.shape[1]))
                for values, image in zip(features, chunk, strict=True)
            ]
        return embeddings

    @torch.inference_mode()
    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Logits (K, H, W) on each prompt's image and predicted IoU (K,); K is 3 or 1.

        Raises ``BenchError`` for an empty prompt, for cues that it doesn't take, and for more than
        six points, a box being two.
        """
        wanted = slice(1, None) if multimask else slice(0, 1)
        pairs = list(zip(embeddings, prompts, strict=True))
        asked = [self._points(embedding, prompt) for embedding, prompt in pairs]
        logits: list[Tensor] = []
        estimates: list[Tensor] = []
        for start in range(0, len(pairs), self._prompt_batch):
            some = slice(start, start + self._prompt_batch)
            features = torch.cat([embedding.features[0] for embedding, _ in pairs[some]])
            points, labels = (torch.stack(each) for each in zip(*asked[some], strict=True))
            grids, found = self._network.decode(features, points, labels)
            for (embedding, _), grid in zip(pairs[some], grids[:, wanted], strict=True):
                size = embedding.image_size
                logits.append(F.interpolate(grid[None], size, mode="bicubic")[0])
            estimates += list(found[:, wanted])
        frames = [Frame.identity(embedding.image_size) for embedding, _ in pairs]
        return Prediction(logits, estimates, frames)

    def _seen(self, image: ImageArray) -> Tensor:
        """What the encoder sees: (3, S, S)."""
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self._device)
        side = self._network.side
        scaled = pixels.permute(2, 0, 1)[None].float() / 255
        if scaled.shape[2:] != (side, side):
            scaled = F.interpolate(scaled, (side, side), mode="bilinear", align_corners=False)
        return (scaled[0] - self._mean) / self._std

    def _points(self, embedding: ExportedEmbedding, prompt: Prompt) -> tuple[Tensor, Tensor]:
        """(6, 2) places on the square and their labels; a box's corners come first."""
        check_prompt(prompt, self.prompt_kinds, (0, 0), "EfficientSAM")
        points, labels = [prompt.points], [prompt.labels]
        if prompt.box is not None:
            points.insert(0, prompt.box.reshape(2, 2))
            labels.insert(0, np.array([2, 3]))
        places, kinds = np.concatenate(points), np.concatenate(labels)
        if (lacking := POINTS - len(places)) < 0:
            raise BenchError(
                f"EfficientSAM takes {POINTS} points, a box being two, found {len(places)}; choose "
                "a prompt of fewer clicks"
            )
        side, (height, width) = np.float32(self._network.side), embedding.image_size
        places = places.astype(np.float32) * side / np.array([width, height], np.float32)
        places = np.concatenate([places, np.full((lacking, 2), -1, np.float32)])
        kinds = np.concatenate([kinds, np.full(lacking, -1)])
        return torch.from_numpy(places).to(self._device), torch.from_numpy(kinds).to(self._device)


def _builder(arch: str) -> Callable[[], EfficientSamNetwork]:
    if arch not in ARCHITECTURES:
        raise BenchError(f"no architecture {arch!r}; {did_you_mean(arch, ARCHITECTURES)}")
    return ARCHITECTURES[arch]


def _others(arch: str) -> dict[str, Callable[[], EfficientSamNetwork]]:
    return {name: make for name, make in ARCHITECTURES.items() if name != arch}
