"""SAM's mask decoder on many prompts, of one image or of several.

``MaskDecoder.forward`` repeats one image, and the positions of its tokens, for all of its prompts,
and adds the positions to tokens that lie in memory the other way round, which is slow. Here the
image's features may be shared or differ per prompt, the positions are not repeated, and lie as the
tokens do; and what the first layer makes of the image alone is made once for all prompts that see
the same. The modules and the order of the sums are the decoder's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import torch
from segment_anything.modeling import MaskDecoder, Sam, TwoWayTransformer
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor, nn

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Positions:
    """Where the image's tokens are, (1, h × w, C), as the first layer and the later ones want it.

    The first layer's tokens are a turned view of the (C, h, w) features, those of the later ones
    lie in order.
    """

    turned: Tensor
    in_order: Tensor

    @classmethod
    def of(cls, encoding: Tensor) -> _Positions:
        """Of a prompt encoder's dense (1, C, h, w) encoding."""
        turned = encoding.flatten(2).permute(0, 2, 1)
        return cls(turned, turned.contiguous())


@dataclass(frozen=True, slots=True)
class _Projected:
    """What a layer projects the image's tokens to, each (N, h × w, C / 2).

    ``keys`` and ``values`` are for the prompts' tokens that look at the image, ``queries`` for the
    image's that look at them.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor


@dataclass(frozen=True, slots=True)
class Seen:
    """Features (N, C, h, w), their tokens (N, h × w, C) and the first layer's part of these."""

    features: Tensor
    tokens: Tensor
    first: _Projected


class Decode(Protocol):
    """A mask decoder on N prompts."""

    def look(self, features: Tensor) -> Any:
        """What is made of features alone, whatever is asked of them: prompts may share it.

        ``features`` (N, C, h, w) are the images' with the prompts' dense embeddings added.
        """

    def __call__(self, seen: Any, sparse: Tensor, multimask: bool) -> tuple[Tensor, Tensor]:
        """Logits (N, K, 4h, 4w) and predicted IoU (N, K); K is 3 with ``multimask``, else 1.

        ``seen`` is what ``look`` gives, ``sparse`` (N, T, C) the embeddings of points and boxes.
        """


def decoder_of(
    sam: Sam, faster: Callable[[Function], Function] = lambda function: function
) -> Decode:
    """The mask decoder of a Sam; one that is no ``MaskDecoder`` of SAM's own is asked as it is.

    ``faster`` may compile what does the work.
    """
    encoding = sam.prompt_encoder.get_dense_pe()
    decoder = sam.mask_decoder
    if not _is_own(decoder):
        return _Strange(partial(_ask, faster(decoder.forward), encoding))
    positions = _Positions.of(encoding)
    return _Own(decoder, positions, faster(partial(_decode, decoder, positions)))


def _is_own(decoder: nn.Module) -> bool:
    if type(decoder) is not MaskDecoder or type(decoder.transformer) is not TwoWayTransformer:
        return False
    layers: list[Any] = list(cast(Any, decoder.transformer).layers)
    return all(type(layer) is TwoWayAttentionBlock for layer in layers) and all(
        type(each) is Attention
        for layer in layers
        for each in (layer.cross_attn_token_to_image, layer.cross_attn_image_to_token)
    )


@dataclass(frozen=True, slots=True)
class _Strange:
    """A decoder that is asked as it is, by ``ask(features, sparse, multimask)``."""

    ask: Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]]

    def look(self, features: Tensor) -> Tensor:
        return features

    def __call__(self, seen: Tensor, sparse: Tensor, multimask: bool) -> tuple[Tensor, Tensor]:
        return self.ask(seen, sparse, multimask)


@dataclass(frozen=True, slots=True)
class _Own:
    """SAM's own decoder, of which ``decode`` gives all four masks."""

    decoder: MaskDecoder
    positions: _Positions
    decode: Callable[[Seen, Tensor], tuple[Tensor, Tensor]]

    def look(self, features: Tensor) -> Seen:
        tokens = features.flatten(2).permute(0, 2, 1)
        layer = self.decoder.transformer.layers[0]
        return Seen(features, tokens, _projected(layer, tokens, self.positions.turned))

    def __call__(self, seen: Seen, sparse: Tensor, multimask: bool) -> tuple[Tensor, Tensor]:
        """The three masks for an ambiguous prompt, or the one before them."""
        logits, predicted_iou = self.decode(seen, sparse)
        wanted = slice(1, None) if multimask else slice(0, 1)
        return logits[:, wanted], predicted_iou[:, wanted]


def _ask(
    forward: Callable[..., tuple[Tensor, Tensor]],
    encoding: Tensor,
    features: Tensor,
    sparse: Tensor,
    multimask: bool,
) -> tuple[Tensor, Tensor]:
    """Asks a decoder that repeats one image for all its prompts, then adds dense embeddings.

    Given zeros for the image and the features within the dense embeddings it makes the same sum,
    also for many images.
    """
    return forward(
        image_embeddings=torch.zeros_like(features[:1]),
        image_pe=encoding,
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=features,
        multimask_output=multimask,
    )


def _decode(
    decoder: MaskDecoder, positions: _Positions, seen: Seen, sparse: Tensor
) -> tuple[Tensor, Tensor]:
    """All four masks of each prompt, and their predicted IoU."""
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight], dim=0)
    tokens = torch.cat([own.unsqueeze(0).expand(len(sparse), -1, -1), sparse], dim=1)
    found, image = _attend(decoder.transformer, seen, positions, tokens)
    predicted_iou = decoder.iou_prediction_head(found[:, 0])
    fine = decoder.output_upscaling(image.transpose(1, 2).view(seen.features.shape))
    weights = torch.stack(
        [mlp(found[:, 1 + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1
    )
    logits = (weights @ fine.flatten(2)).unflatten(2, fine.shape[2:])
    return logits, predicted_iou


def _attend(
    transformer: TwoWayTransformer, seen: Seen, positions: _Positions, tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """The prompts' tokens and the image's (N, h × w, C) after they have looked at each other."""
    queries, image, where = tokens, seen.tokens, positions.in_order
    for number, layer in enumerate(transformer.layers):
        projected = _projected(layer, image, where) if number else seen.first
        queries, image = _layer(layer, queries, tokens, image, projected)
    found = transformer.final_attn_token_to_image(q=queries + tokens, k=image + where, v=image)
    return transformer.norm_final_attn(queries + found), image


def _projected(layer: Any, image: Tensor, where: Tensor) -> _Projected:
    across, back, placed = (
        layer.cross_attn_token_to_image, layer.cross_attn_image_to_token, image + where
    )  # fmt: skip
    return _Projected(across.k_proj(placed), across.v_proj(image), back.q_proj(placed))


def _layer(
    layer: Any, queries: Tensor, tokens: Tensor, image: Tensor, projected: _Projected
) -> tuple[Tensor, Tensor]:
    """What ``TwoWayAttentionBlock.forward`` gives, of an image that is projected already."""
    own = layer.self_attn
    if layer.skip_first_layer_pe:
        queries = own(q=queries, k=queries, v=queries)
    else:
        asked = queries + tokens
        queries = queries + own(q=asked, k=asked, v=queries)
    queries = layer.norm1(queries)
    across, back = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
    asked = across.q_proj(queries + tokens)
    queries = layer.norm2(queries + _answer(across, asked, projected.keys, projected.values))
    queries = layer.norm3(queries + layer.mlp(queries))
    keys, values = back.k_proj(queries + tokens), back.v_proj(queries)
    return queries, layer.norm4(image + _answer(back, projected.queries, keys, values))


def _answer(attention: Attention, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What ``Attention.forward`` gives of what is projected already, each (N, …, C / 2)."""
    asked, told, given = (
        attention._separate_heads(each, attention.num_heads) for each in (queries, keys, values)
    )
    weights = (asked @ told.permute(0, 1, 3, 2)) / math.sqrt(asked.shape[-1])
    found = torch.softmax(weights, dim=-1) @ given
    return torch.as_tensor(attention.out_proj(attention._recombine_heads(found)))
