"""Any ``segment_anything`` Sam as a Segmenter, number for number what ``SamPredictor`` computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from bench.models.canvas import longest_side
from bench.models.decoding import decoder_of
from bench.models.devices import device_facts, exact_arithmetic, usable_device
from bench.models.encoding import encoder_of
from bench.models.given_mask import with_logits
from bench.models.numerics import F, Numerics, surroundings
from bench.models.sam_embedding import SamEmbedding, packed, stacked, unpacked
from bench.models.shared_decoding import SharedDecoder
from bench.models.structure import alike, check_prompt
from bench.types import (
    BenchError,
    FloatArray,
    Frame,
    ImageArray,
    Prediction,
    Prompt,
    Site,
)
from bench.types.threads import lasting_map

_COMPILED_PROMPTS = 4
"""Prompts at once on a CPU where the decoder is compiled: 3.6 ms each, 5.2 alone, 4.1 by 16."""

_RESIZING = 4
"""Threads that resize the images of a batch for an accelerator."""


class SamSegmenter:
    """Wraps a Sam: preprocessing, prompts and decoding as in ``segment_anything.SamPredictor``.

    The model is moved to ``site.device``, set to evaluation and frozen. Reduced-precision matrix
    products (TF32) are switched off for the process, and everything is float32 unless ``numerics``
    asks for another mode.

    On a CPU each image is encoded and each prompt decoded on its own, since a batch is another
    order of summation there: measured with torch 2.15 on x86, decoding 4 to 6 prompts at once
    moved the logits by up to 4e-7 and encoding 3 images the features by up to 2e-6 (SAM's own
    decoder, small and demo encoders). So the site's batch sizes cannot change a number. The number
    of torch's threads can, as much; it is in ``facts``. A compiled decoder, whose numbers are
    others anyway, answers four prompts at once there. On CUDA images are encoded in batches of
    ``site.image_batch``, and prompts of one structure decoded in batches of ``site.prompt_batch``.

    ``checkpoint_sha256`` goes into ``facts``. A class with ``embedding_bytes`` can keep embeddings
    (``bench.models.abilities``). Raises ``BenchError`` where the device is not there.
    """

    prompt_kinds = frozenset({"points", "box", "mask_logits", "mask"})

    def __init__(
        self,
        sam: Sam,
        site: Site,
        checkpoint_sha256: str | None = None,
        numerics: Numerics | None = None,
    ) -> None:
        self._numerics = numerics or Numerics()
        self._device = usable_device(site.device)
        exact_arithmetic()
        self._sam = sam.float().to(self._device).eval().requires_grad_(False)
        self._resize = ResizeLongestSide(sam.image_encoder.img_size)
        # Most encoders see the square that prompts and masks lie on; EfficientViT's a smaller one.
        self._prompts_on = ResizeLongestSide(int(sam.prompt_encoder.input_image_size[0]))
        on_cpu = self._device.type == "cpu"
        self._image_batch = 1 if on_cpu else max(1, site.image_batch)
        self._prompt_batch = max(1, site.prompt_batch)
        if on_cpu:
            self._prompt_batch = _COMPILED_PROMPTS if self._numerics.compiled else 1
        self._checkpoint_sha256 = checkpoint_sha256
        self._encode = encoder_of(self._sam, self._device, self._numerics, self._image_batch)
        # On a CPU the runtime has images side by side as it is.
        self._each: Callable[..., Iterable[Any]] = (
            map if on_cpu else lasting_map(_RESIZING, "resize")
        )
        # On a GPU the decoder stays as it is: with it a tiny Sam was not compiled in 85 s (H100).
        self._decode_compiled = on_cpu and self._numerics.compiled
        faster = self._numerics.faster if self._decode_compiled else None
        self._shared = None
        if self._numerics.identity() and SharedDecoder.takes(self._sam):
            self._shared = SharedDecoder(self._sam, self._numerics.products_in, faster)
        else:
            self._decode_masks = decoder_of(self._sam, faster or _as_it_is)
        if self._numerics.compiled:
            self._warm_up()

    @torch.inference_mode()
    def _warm_up(self) -> None:
        """Asks for masks, so that the time of compiling is that of loading.

        For three, which is no other size of what is asked: equal sizes would be taken for one. Then
        the same with masks fed back, which are compiled apart.
        """
        side = self._sam.image_encoder.img_size
        blank = np.zeros((side, side, 3), dtype=np.uint8)
        try:
            embedding, *_ = self.embed([blank] * self._image_batch)
        except torch.cuda.OutOfMemoryError:  # the run will halve its batches, and say so
            (embedding,) = self.embed([blank])
        click = np.full((1, 2), side / 2, np.float32), np.ones(1, np.int64)
        self.predict([embedding] * 3, [Prompt(*click)] * 3, multimask=True)
        if self._decode_compiled:
            answer = np.zeros(self._sam.prompt_encoder.mask_input_size, np.float32)
            self.predict([embedding] * 3, [Prompt(*click, mask_logits=answer)] * 3, multimask=False)

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """Always raises: a model in memory has no identity, a class of a family must give it one.

        See ``SegmentAnything.pin``.
        """
        raise BenchError(
            f"{cls.__name__} wraps a model in memory and cannot tell which one it is: "
            f"a model of a run needs a class whose pin() names its weights"
        )

    @property
    def sam(self) -> Sam:
        """The model itself, on its device, frozen."""
        return self._sam

    @property
    def facts(self) -> Mapping[str, str]:
        """Device, precision, versions, number of parameters and the checkpoint's hash, if known."""
        facts = {
            **device_facts(self._device),
            "dtype": self._numerics.dtype,
            "compiled": "yes" if self._numerics.compiled else "no",
            "int8": "yes" if self._numerics.int8 else "no",
            "tf32": "off",
            "torch": str(torch.__version__),
            "parameters": str(sum(p.numel() for p in self._sam.parameters())),
        }
        if self._checkpoint_sha256 is not None:
            facts["checkpoint_sha256"] = self._checkpoint_sha256
        return facts

    @torch.inference_mode()
    def embed(self, images: Sequence[ImageArray]) -> list[SamEmbedding]:
        """One embedding per (H, W, 3) uint8 RGB image, each encoder input (3, S, S).

        Raises ``UnfitImageError`` for an image so narrow that resizing leaves no pixel of it.
        """
        embeddings: list[SamEmbedding] = []
        for start in range(0, len(images), self._image_batch):
            chunk = images[start : start + self._image_batch]
            resized = [self._on_device(pixels) for pixels in self._each(self._resized, chunk)]
            inputs = torch.stack([self._sam.preprocess(tensor) for tensor in resized])
            with self._numerics.products(self._device):
                features = self._encode(inputs).float()
            embeddings += [
                SamEmbedding(values, self._content(image), _size(image.shape[:2]))
                for values, image in zip(features, chunk, strict=True)
            ]
        return embeddings

    def embedding_identity(self) -> Mapping[str, Any]:
        """See ``KeepsEmbeddings``; raises ``BenchError`` without a checkpoint's hash."""
        if self._checkpoint_sha256 is None:
            raise BenchError(
                f"{type(self).__name__} does not know the hash of its weights: whose its "
                "embeddings are cannot be told (runtime.embedding_cache=null goes on)"
            )
        return {
            "checkpoint_sha256": self._checkpoint_sha256,
            "dtype": self._numerics.dtype,
            "compiled": self._numerics.compiled,
            **({"int8": True} if self._numerics.int8 else {}),
            "canvas": self._resize.target_length,
            "pixel_mean": self._sam.pixel_mean.flatten().tolist(),
            "pixel_std": self._sam.pixel_std.flatten().tolist(),
            **surroundings(self._device),
        }

    def pack(self, embedding: SamEmbedding) -> Mapping[str, Tensor]:
        """The features as they are, and both sizes."""
        return packed(embedding)

    def unpack(self, tensors: Mapping[str, Tensor]) -> SamEmbedding:
        """See ``KeepsEmbeddings``."""
        return unpacked(tensors, self._sam, self._device)

    @torch.inference_mode()
    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Low-resolution logits (N, K, h, w) and predicted IoU (N, K), in the prompts' order.

        K is 3 with ``multimask``, else 1. ``mask_logits`` must be of the low-resolution grid.
        Raises ``BenchError`` for an empty prompt, for text, and for mask logits of another size.
        """
        prompts = [self._with_logits(p, e) for e, p in zip(embeddings, prompts, strict=True)]
        side = self._prompts_on.target_length
        frames = [
            Frame(canvas=(side, side), content=one.input_size, image=one.image_size)
            for one, _ in zip(embeddings, prompts, strict=True)
        ]
        height, width = self._sam.prompt_encoder.mask_input_size
        k = self._sam.mask_decoder.num_multimask_outputs if multimask else 1
        logits = torch.empty((len(prompts), k, height, width), device=self._device)
        predicted_iou = torch.empty((len(prompts), k), device=self._device)
        for prompt in prompts:
            check_prompt(prompt, self.prompt_kinds, (height, width), "a Segment Anything model")
        looked: dict[int, Any] = {}
        for chosen in alike(prompts, self._prompt_batch):
            # One prompt alone would be compiled apart, for minutes: it goes with itself.
            asked = 2 * chosen if self._decode_compiled and len(chosen) == 1 else chosen
            found = self._decode(
                [embeddings[i] for i in asked], [prompts[i] for i in asked], multimask, looked
            )
            logits[chosen], predicted_iou[chosen] = (each[: len(chosen)] for each in found)
        return Prediction(logits, predicted_iou, frames)

    def _decode(
        self,
        embeddings: Sequence[SamEmbedding],
        prompts: Sequence[Prompt],
        multimask: bool,
        looked: dict[int, Any],
    ) -> tuple[Tensor, Tensor]:
        """Prompts of one structure, on one embedding each.

        ``looked`` is what the decoder made of the latest embedding that was asked alone, by its id.
        """
        first = prompts[0]
        pairs = list(zip(embeddings, prompts, strict=True))
        points = boxes = masks = None
        if first.n_points:
            # float64 inside apply_coords, then float32: as SamPredictor does.
            points = (
                self._tensor([self._scaled(p.points, e) for e, p in pairs], torch.float32),
                self._tensor([p.labels for p in prompts], torch.int32),
            )
        if first.box is not None:
            corners = [self._scaled(_box(p).reshape(2, 2), e).reshape(4) for e, p in pairs]
            boxes = self._tensor(corners, torch.float32)
        if first.mask_logits is not None:
            masks = self._tensor([p.mask_logits for p in prompts], torch.float32)[:, None]
        if self._shared is not None:
            sparse, _ = self._sam.prompt_encoder(points=points, boxes=boxes, masks=None)
            return self._shared([each.features for each in embeddings], sparse, masks, multimask)
        sparse, dense = self._sam.prompt_encoder(points=points, boxes=boxes, masks=masks)
        alone = len(embeddings) == 1 and masks is None
        with self._numerics.products(self._device):
            seen = looked.get(id(embeddings[0])) if alone else None
            if seen is None:
                seen = self._decode_masks.look(stacked(embeddings) + dense)
                looked.clear()
            if alone:
                looked[id(embeddings[0])] = seen
            logits, predicted_iou = self._decode_masks(seen, sparse, multimask)
        return logits.float(), predicted_iou.float()

    def _with_logits(self, prompt: Prompt, embedding: SamEmbedding) -> Prompt:
        """The prompt with logits in the place of a given mask; see ``with_logits``."""
        height, width = self._sam.prompt_encoder.mask_input_size
        scale = height / self._prompts_on.target_length
        h, w = (max(1, round(side * scale)) for side in embedding.input_size)
        return with_logits(prompt, (height, width), (h, w))

    def _resized(self, image: ImageArray) -> ImageArray:
        return longest_side(image, self._resize.target_length)

    def _content(self, image: ImageArray) -> tuple[int, int]:
        """The (H, W) that an image covers of the square of the prompts."""
        side = self._prompts_on.target_length
        return _size(self._prompts_on.get_preprocess_shape(*image.shape[:2], side))

    def _on_device(self, pixels: ImageArray) -> Tensor:
        """(3, h, w) uint8."""
        tensor = torch.as_tensor(pixels, device=self._device)
        return tensor.permute(2, 0, 1).contiguous()

    def _scaled(self, points: FloatArray, embedding: SamEmbedding) -> FloatArray:
        scaled: FloatArray = self._prompts_on.apply_coords(points, embedding.image_size)
        return scaled

    def _tensor(self, arrays: Sequence[Any], dtype: torch.dtype) -> Tensor:
        return torch.as_tensor(np.stack(arrays), dtype=dtype, device=self._device)


def _as_it_is(function: F) -> F:
    return function


def _box(prompt: Prompt) -> FloatArray:
    if prompt.box is None:
        raise ValueError("prompts of one structure have a box each")
    return prompt.box


def _size(shape: Sequence[int]) -> tuple[int, int]:
    height, width = shape
    return int(height), int(width)
