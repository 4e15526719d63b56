"""SAM's mask decoder on many prompts, of one image or of several.

``MaskDecoder.forward`` repeats one image, and the positions of its tokens, for all of its prompts,
and adds the positions to tokens that lie in memory the other way round, which is slow. Here the
image's features may be shared or differ per prompt, the positions are not repeated, and lie as the
tokens do. The modules and the order of the sums are the decoder's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from segment_anything.modeling import MaskDecoder, Sam, TwoWayTransformer
from torch import Tensor

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


class Decode(Protocol):
    """A mask decoder on N prompts."""

    def __call__(self, features: Tensor, sparse: Tensor, multimask: bool) -> tuple[Tensor, Tensor]:
        """Logits (N, K, 4h, 4w) and predicted IoU (N, K); K is 3 with ``multimask``, else 1.

        ``features`` (N, C, h, w) are the images' with the prompts' dense embeddings added,
        ``sparse`` (N, T, C) the embeddings of points and boxes.
        """


def decoder_of(
    sam: Sam, faster: Callable[[Function], Function] = lambda function: function
) -> Decode:
    """The mask decoder of a Sam; one that is no ``MaskDecoder`` of SAM's own is asked as it is.

    ``faster`` may compile what does the work.
    """
    encoding = sam.prompt_encoder.get_dense_pe()
    decoder = sam.mask_decoder
    own = type(decoder) is MaskDecoder and type(decoder.transformer) is TwoWayTransformer
    if not own:
        return partial(_ask, faster(decoder.forward), encoding)
    return partial(_wanted, faster(partial(_decode, decoder, _Positions.of(encoding))))


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


def _wanted(
    decode: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    features: Tensor,
    sparse: Tensor,
    multimask: bool,
) -> tuple[Tensor, Tensor]:
    """The three masks for an ambiguous prompt, or the one before them."""
    logits, predicted_iou = decode(features, sparse)
    wanted = slice(1, None) if multimask else slice(0, 1)
    return logits[:, wanted], predicted_iou[:, wanted]


def _decode(
    decoder: MaskDecoder, positions: _Positions, features: Tensor, sparse: Tensor
) -> tuple[Tensor, Tensor]:
    """All four masks of each prompt, and their predicted IoU."""
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight], dim=0)
    tokens = torch.cat([own.unsqueeze(0).expand(len(sparse), -1, -1), sparse], dim=1)
    found, image = _attend(decoder.transformer, features, positions, tokens)
    predicted_iou = decoder.iou_prediction_head(found[:, 0])
    fine = decoder.output_upscaling(image.transpose(1, 2).view(features.shape))
    weights = torch.stack(
        [mlp(found[:, 1 + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1
    )
    logits = (weights @ fine.flatten(2)).unflatten(2, fine.shape[2:])
    return logits, predicted_iou


def _attend(
    transformer: TwoWayTransformer, features: Tensor, positions: _Positions, tokens: Tensor
) -> tuple[Tensor, Tensor]:
    """The prompts' tokens and the image's (N, h × w, C) after they have looked at each other."""
    image = features.flatten(2).permute(0, 2, 1)
    queries, where = tokens, positions.turned
    for layer in transformer.layers:
        queries, image = layer(queries=queries, keys=image, query_pe=tokens, key_pe=where)
        where = positions.in_order
    found = transformer.final_attn_token_to_image(q=queries + tokens, k=image + where, v=image)
    return transformer.norm_final_attn(queries + found), image
