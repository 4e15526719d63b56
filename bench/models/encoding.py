"""A Sam's image encoder as fast as the mode allows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from segment_anything.modeling import ImageEncoderViT, Sam
from torch import Tensor, nn

from bench.models.attention import with_quick_attention
from bench.models.int8 import with_int8
from bench.models.numerics import Numerics

Encode = Callable[[Tensor], Tensor]


def encoder_of(sam: Sam, device: torch.device, numerics: Numerics, batch: int) -> Encode:
    """From (B, 3, S, S) inputs to (B, C, h, w) features; mostly ``batch`` inputs come at once."""
    exact = not numerics.identity()
    encoder = with_quick_attention(sam.image_encoder, device, exact)
    if numerics.int8:
        encoder = with_int8(encoder)
    # On a CPU a compiled encoder is no faster: 34.1 and 33.5 ms a picture with the demo model.
    if device.type == "cpu" or not numerics.compiled:
        return encoder.forward
    return _in_few_sizes(_compiled(encoder, sam.image_encoder), batch)


def _compiled(encoder: nn.Module, own: nn.Module) -> Encode:
    """Block by block where there are such, in a twin only: the own encoder stays as it is."""
    if not isinstance(encoder, ImageEncoderViT) or encoder is own:
        whole: Encode = torch.compile(encoder.forward, dynamic=False)
        return whole
    by_block: Encode = compile_blocks(encoder).forward
    return by_block


def compile_blocks(encoder: ImageEncoderViT) -> ImageEncoderViT:
    """The same encoder, each block compiled: equal ones share what is compiled, in seconds."""
    for block in encoder.blocks:
        block.forward = torch.compile(block.forward, dynamic=False)
    return encoder


def _in_few_sizes(encode: Encode, batch: int) -> Encode:
    """Has smaller batches filled up to a power of two, since each size is compiled apart."""

    def filled(inputs: Tensor) -> Tensor:
        count = len(inputs)
        size = min(1 << (count - 1).bit_length(), max(batch, count))
        more = inputs[-1:].expand(size - count, -1, -1, -1)
        return encode(torch.cat([inputs, more]) if size > count else inputs)[:count]

    return filled
