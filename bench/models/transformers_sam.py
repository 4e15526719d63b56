"""Promptable models of the library transformers: SAM, SAM-HQ, SAM 2, EdgeTAM, SAM 3's tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.models.canvas import Canvas, levels
from bench.models.devices import device_facts, exact_arithmetic, usable_device
from bench.models.given_mask import with_logits
from bench.models.hub import find_weights
from bench.models.lora import adapter_sha256, merge_adapter
from bench.models.numerics import Numerics, surroundings
from bench.models.several_features import Form, dense, packed, unpacked
from bench.models.structure import alike, check_prompt
from bench.models.transformers_models import (
    CLAMP,
    Family,
    check_installed,
    check_kind,
    family_of,
    library,
    load,
    mend_hq_decoder,
)
from bench.models.weights_folder import WeightsFolder, find_folder
from bench.types import ImageArray, Prediction, Prompt, Site


@dataclass(frozen=True, slots=True)
class Embedding:
    """What the encoder makes of one image: its ``features``, and the (H, W) of the image.

    One tensor for SAM, (C, h, w); for SAM-HQ the first global block's output (h, w, C) beside it;
    for the others three of falling resolution.
    """

    features: tuple[Tensor, ...]
    image_size: tuple[int, int]


class TransformersSam:
    """A promptable model of transformers, from a repository of the hub or from a folder.

    ``arch`` is a key of ``FAMILIES``, in ``bench.models.transformers_models``. The weights are
    those of ``repository`` (``owner/name``) at ``revision`` (a commit), or those in ``folder``,
    which comes before them: absolute, or relative to the working folder or to
    ``site.checkpoints``. They are read from safetensors alone, into float32 whatever they were
    saved in. ``sha256`` is the hash of the repository's one file of weights, where it is known.

    ``adapter`` is a folder of LoRA weights as peft writes it, which are merged into the model's.
    ``hq_token_only`` is SAM-HQ's choice of its own mask instead of the sum with SAM's.
    ``stability_choice``, of SAM 2 and later: whether an unstable single mask is replaced by the
    best of three; none leaves that to the checkpoint. ``dtype`` is that of ``Numerics``.

    On a CPU each image is encoded and each prompt decoded on its own, so that the site's batch
    sizes cannot change a number; on CUDA images are encoded in batches of ``site.image_batch``, and
    prompts of one structure decoded in batches of ``site.prompt_batch``, none of them padded.

    Raises ``BenchError`` where the library or the weights are missing, or do not fit each other.
    """

    prompt_kinds = frozenset({"points", "box", "mask_logits", "mask"})

    def __init__(
        self,
        arch: str,
        repository: str | None,
        revision: str | None,
        folder: str | None = None,
        sha256: str | None = None,
        adapter: str | None = None,
        hq_token_only: bool = False,
        stability_choice: bool | None = None,
        dtype: str = "float32",
        *,
        site: Site,
    ) -> None:
        args = {
            "arch": arch, "repository": repository, "revision": revision, "folder": folder,
            "sha256": sha256, "adapter": adapter, "hq_token_only": hq_token_only,
            "stability_choice": stability_choice, "dtype": dtype,
        }  # fmt: skip
        self._family = family_of(args)
        self._numerics = Numerics(dtype)
        self._device = usable_device(site.device)
        exact_arithmetic()
        found, merged = _files(args, site)
        self._pinned = _identity(args, found, merged)
        model = load(self._family, found, stability_choice)
        if merged is not None:
            model = merge_adapter(model, merged)
        if arch == "sam_hq":
            mend_hq_decoder(model.mask_decoder)
        self._model = model.float().to(self._device).eval().requires_grad_(False)
        _decode_in(self._numerics, self._model.mask_decoder, self._device)
        prompts = model.config.prompt_encoder_config
        mean, std = map(levels, self._family.colours)
        self._canvas = Canvas(int(prompts.image_size), mean, std, self._family.resize)
        coarse = prompts.image_size // prompts.patch_size
        self._grid = (4 * coarse, 4 * coarse)
        self._forms = _forms(self._family, (int(prompts.hidden_size), coarse, coarse))
        self._multimask = model.config.mask_decoder_config.num_multimask_outputs
        self._hq = {"hq_token_only": hq_token_only} if arch == "sam_hq" else {}
        on_cpu = self._device.type == "cpu"
        self._image_batch = 1 if on_cpu else max(1, site.image_batch)
        self._prompt_batch = 1 if on_cpu else max(1, site.prompt_batch)
        self._weights = "own folder" if folder is not None else f"{repository}@{revision}"

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """``arch``, ``sha256`` of weights and configuration, and what differs from the defaults.

        Finds the folder, or fetches the repository where ``site.download`` allows. Raises
        ``BenchError``.
        """
        family_of(args)
        check_installed()
        return _identity(args, *_files(args, site))

    @classmethod
    def check_files(cls, args: Mapping[str, Any], site: Site) -> None:
        """Whether library and files are there and of one kind; see ``ChecksFiles``."""
        family = family_of(args)
        getattr(library(), family.model)  # its own code is imported only now
        _files(args, site)

    @property
    def facts(self) -> Mapping[str, str]:
        """Device, precision, versions, weights, and where it differs from the library."""
        adapter = self._pinned.get("adapter")
        return {
            **device_facts(self._device),
            "dtype": self._numerics.dtype,
            "tf32": "off",
            "torch": str(torch.__version__),
            "transformers": str(library().__version__),
            "parameters": str(sum(p.numel() for p in self._model.parameters())),
            "checkpoint_sha256": self._pinned["sha256"],
            "weights": self._weights,
            "unlike_transformers": "; ".join(self._family.differs),
            **({"adapter_sha256": adapter} if adapter else {}),
        }

    @torch.inference_mode()
    def embed(self, images: Sequence[ImageArray]) -> list[Embedding]:
        """One embedding per (H, W, 3) uint8 RGB image.

        Raises ``UnfitImageError`` for an image so narrow that resizing leaves no pixel of it.
        """
        embeddings: list[Embedding] = []
        for start in range(0, len(images), self._image_batch):
            chunk = images[start : start + self._image_batch]
            inputs = torch.stack([self._canvas.tensor(image) for image in chunk])
            with self._numerics.products(self._device):
                found = self._model.get_image_embeddings(inputs.to(self._device))
            for i, image in enumerate(chunk):
                features = tuple(dense(each[i].float()) for each in _kept(found))
                embeddings.append(Embedding(features, (image.shape[0], image.shape[1])))
        return embeddings

    @classmethod
    def embedding_bytes(cls, args: Mapping[str, Any]) -> int:
        """About: of a checkpoint of the published size; see ``KeepsEmbeddings``."""
        return family_of(args).embedding_bytes

    def embedding_identity(self) -> Mapping[str, Any]:
        """Weights, configuration and adapter by their hashes; see ``KeepsEmbeddings``."""
        return {
            **self._pinned,  # the hash is that of config.json too
            "checkpoint_sha256": self._pinned["sha256"],
            "dtype": self._numerics.dtype,
            "canvas": self._canvas.side,
            "mean": list(self._canvas.mean),
            "std": list(self._canvas.std),
            "resize": self._canvas.resize,
            "attention": str(self._model.config._attn_implementation),
            **surroundings(self._device, *self._family.libraries),
        }

    def pack(self, embedding: Embedding) -> Mapping[str, Tensor]:
        """The features as they are, and the image's size."""
        return packed(embedding.features, embedding.image_size)

    def unpack(self, tensors: Mapping[str, Tensor]) -> Embedding:
        """See ``KeepsEmbeddings``."""
        return Embedding(*unpacked(tensors, self._forms, self._device))

    @torch.inference_mode()
    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Low-resolution logits (N, K, h, w) and predicted IoU (N, K), in the prompts' order.

        K is 3 with ``multimask``, else 1; SAM-HQ's is always 1. ``mask_logits`` must be of the
        low-resolution grid; a given mask is brought onto it (``with_logits``). Raises
        ``BenchError`` for an empty prompt, for text, and for mask logits of another size.
        """
        prompts = [
            with_logits(p, self._grid, self._canvas.covered(e.image_size, self._grid))
            for e, p in zip(embeddings, prompts, strict=True)
        ]
        k = self._multimask if multimask and not self._hq else 1
        frames = [
            self._canvas.frame(one.image_size, self._grid)
            for one, _ in zip(embeddings, prompts, strict=True)
        ]
        logits = torch.empty((len(prompts), k, *self._grid), device=self._device)
        predicted_iou = torch.empty((len(prompts), k), device=self._device)
        for prompt in prompts:
            check_prompt(prompt, self.prompt_kinds, self._grid, f"a {self._family.model}")
        for chosen in alike(prompts, self._prompt_batch):
            found = self._decode(
                [embeddings[i] for i in chosen], [prompts[i] for i in chosen], multimask
            )
            # SAM-HQ's are in the order of their predicted IoU: the authors give the first alone.
            logits[chosen] = found.pred_masks[:, 0, :k].float()
            predicted_iou[chosen] = found.iou_scores[:, 0, :k].float()
        return Prediction(logits, predicted_iou, frames)

    def _decode(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompt], multimask: bool
    ) -> Any:
        """Prompts of one structure, as a batch of N images with one prompt each."""
        pairs = list(zip(embeddings, prompts, strict=True))
        first, cues = prompts[0], {}
        if first.n_points:
            points = [self._canvas.scaled(p.points, e.image_size) for e, p in pairs]
            cues["input_points"] = self._tensor(points, torch.float32)[:, None]
            cues["input_labels"] = self._tensor([p.labels for p in prompts], torch.int32)[:, None]
        if first.box is not None:
            corners = [self._canvas.scaled(_corners(p), e.image_size).reshape(4) for e, p in pairs]
            cues["input_boxes"] = self._tensor(corners, torch.float32)[:, None]
        if first.mask_logits is not None:
            masks = self._tensor([p.mask_logits for p in prompts], torch.float32)[:, None]
            cues["input_masks"] = masks.clamp(-CLAMP, CLAMP) if self._family.clamps else masks
        stacked = [
            torch.stack(each) for each in zip(*(e.features for e in embeddings), strict=True)
        ]
        return self._model(
            **_given(stacked, bool(self._hq)), **cues, **self._hq, multimask_output=multimask
        )

    def _tensor(self, arrays: Sequence[Any], dtype: torch.dtype) -> Tensor:
        return torch.as_tensor(np.stack(arrays), dtype=dtype, device=self._device)


def _decode_in(numerics: Numerics, decoder: nn.Module, device: torch.device) -> None:
    """Has the decoder's products computed in the mode's dtype; coordinates stay float32."""
    forward = decoder.forward

    def in_dtype(*args: Any, **kwargs: Any) -> Any:
        with numerics.products(device):
            return forward(*args, **kwargs)

    decoder.forward = in_dtype


def _kept(found: Any) -> Sequence[Tensor]:
    """Of what ``get_image_embeddings`` gives the tensors that the decoder looks at."""
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, tuple):  # SAM-HQ's: the features, and the global blocks' outputs
        return [found[0], found[1][0]]
    return list(found)


def _forms(family: Family, coarsest: tuple[int, int, int]) -> tuple[Form, ...]:
    """The features' forms: what the decoder attends to has that shape, the others are not known."""
    forms = [Form((None, None, None), torch.float32)] * family.features
    forms[family.attended] = Form(coarsest, torch.float32)
    return tuple(forms)


def _given(features: Sequence[Tensor], hq: bool) -> dict[str, Any]:
    """The same as the arguments of the model, for N images."""
    if hq:
        return {"image_embeddings": features[0], "intermediate_embeddings": [features[1]]}
    return {"image_embeddings": features[0] if len(features) == 1 else list(features)}


def _corners(prompt: Prompt) -> Any:
    if prompt.box is None:
        raise ValueError("prompts of one structure have a box each")
    return prompt.box.reshape(2, 2)


def _files(args: Mapping[str, Any], site: Site) -> tuple[WeightsFolder, Path | None]:
    """The folder of weights, fetched where that is allowed, and the adapter's folder, if any."""
    arch = str(args["arch"])
    found = find_weights(args, site)
    check_kind(found, arch)
    adapter = args.get("adapter")
    return found, None if adapter is None else find_folder(adapter, site.checkpoints)


def _identity(args: Mapping[str, Any], found: WeightsFolder, merged: Path | None) -> dict[str, Any]:
    """What enters the run key."""
    choices = {
        "hq_token_only": args.get("hq_token_only") or None,
        "stability_choice": args.get("stability_choice"),
        "adapter": None if merged is None else adapter_sha256(merged),
    }
    chosen = {key: value for key, value in choices.items() if value is not None}
    numerics = Numerics.of(args).identity()
    return {"arch": str(args["arch"]), "sha256": found.sha256} | chosen | numerics
