"""What a Sam's image encoder makes of an image, and the same as tensors for the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from segment_anything.modeling import Sam
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SamEmbedding:
    """What the image encoder makes of one image.

    ``features`` is (C, h, w) float32 on the model's device; ``input_size`` the (H, W) that the
    image covers of the square of prompts and masks, mostly the encoder's own, ``image_size`` the
    (H, W) of the image itself.
    """

    features: Tensor
    input_size: tuple[int, int]
    image_size: tuple[int, int]


def stacked(embeddings: Sequence[SamEmbedding]) -> Tensor:
    """The features (N, C, h, w), or (1, C, h, w) where all are of one image."""
    first = embeddings[0]
    if all(each is first for each in embeddings):
        return first.features[None]
    return torch.stack([each.features for each in embeddings])


def packed(embedding: SamEmbedding) -> dict[str, Tensor]:
    """``features`` as they are, and ``sizes`` (2, 2) int64: those of the input and the image."""
    sizes = torch.tensor([embedding.input_size, embedding.image_size])
    return {"features": embedding.features, "sizes": sizes}


def unpacked(tensors: Mapping[str, Tensor], sam: Sam, device: torch.device) -> SamEmbedding:
    """The embedding of packed tensors; raises ``ValueError`` where they are none of this Sam."""
    features, sizes = tensors.get("features"), tensors.get("sizes")
    expected = features_shape(sam)
    if features is None or features.dtype != torch.float32 or tuple(features.shape) != expected:
        raise ValueError(f"no features of {expected} float32")
    if sizes is None or sizes.dtype != torch.int64 or sizes.shape != (2, 2):
        raise ValueError("no sizes of the input and the image")
    (input_height, input_width), (height, width) = sizes.tolist()
    return SamEmbedding(features.to(device), (input_height, input_width), (height, width))


def features_shape(sam: Sam) -> tuple[int, int, int]:
    """(C, h, w) of the features of an image; the Sam may be without memory (``meta``)."""
    encoder = sam.prompt_encoder
    height, width = encoder.image_embedding_size
    return int(encoder.embed_dim), int(height), int(width)


def features_bytes(sam: Sam) -> int:
    """Bytes of the features of an image."""
    channels, height, width = features_shape(sam)
    return 4 * channels * height * width
