"""SAM's mask decoder for the faster modes: what prompts share is computed once, in one precision.

Equal to ``MaskDecoder.forward`` but for the order of its sums. Once a model: the weights in the
mode's precision, and what the image's positions add to each projection, W(x + p) = Wx + Wp. Once an
image: the first layer's keys, values and queries of the image's tokens. A mask that is fed back
ends in a convolution of one pixel from 16 channels, which the first layer's projections take in:
W(x + Am) = Wx + (WA)m. Attention is torch's fused one; the two transposed convolutions, of two
pixels each way and without overlap, are matrix products on tokens, whose pixels come to their
places at the very end, in the logits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Image:
    """Tokens of M images and what the first layer projects them to, each (M or N, h × w, …)."""

    tokens: Tensor
    keys: Tensor
    values: Tensor
    queries: Tensor

    def each(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.tokens, self.keys, self.values, self.queries

    def of(self, indices: Tensor) -> _Image:
        """Those of each prompt's image; one image alone is not repeated in memory."""
        if len(self.tokens) == 1:
            return _Image(*(one.expand(len(indices), -1, -1) for one in self.each()))
        return _Image(*(one[indices] for one in self.each()))


@dataclass(frozen=True, slots=True)
class _Positions:
    """What the image's positions add to a layer's keys and queries, each (h × w, C)."""

    keys: Tensor
    queries: Tensor


class SharedDecoder:
    """The mask decoder of a Sam in ``dtype``; only for a Sam of ``segment_anything``'s own modules.

    ``faster`` may compile what is done for each batch of prompts; then masks of all tokens are
    computed, and those that are wanted taken from them, as each choice would be compiled apart.
    """

    def __init__(
        self,
        sam: Sam,
        dtype: torch.dtype,
        faster: Callable[[Function], Function] | None = None,
    ) -> None:
        self._encoder: PromptEncoder = sam.prompt_encoder
        self._heads: MaskDecoder = sam.mask_decoder  # on one token a prompt, in float32
        self._dtype = dtype
        self._own: MaskDecoder = copy.deepcopy(sam.mask_decoder).to(dtype)
        self._layers = list(self._own.transformer.layers)
        where = sam.prompt_encoder.get_dense_pe().flatten(2)[0].T.to(dtype)
        self._positions = [_positions(layer, where) for layer in self._layers]
        self._last_positions = self._own.transformer.final_attn_token_to_image.k_proj(where)
        *fewer, last = self._encoder.mask_downscaling
        self._masks_to_16 = nn.Sequential(*fewer)
        spread, constant = last.weight.flatten(1).to(dtype), last.bias.to(dtype)
        nothing = self._encoder.no_mask_embed.weight[0].to(dtype)
        mixes = _image_side(self._layers[0])
        self._no_mask = [nothing, *(F.linear(nothing, mix) for mix in mixes)]
        self._from_16 = [
            (spread, constant), *((mix @ spread, F.linear(constant, mix)) for mix in mixes)
        ]  # fmt: skip
        first, _, _, second, _ = self._own.output_upscaling
        self._doublings = _Doubling.of(first), _Doubling.of(second)
        self._compiled = None if faster is None else faster(self._answered)
        self._latest: tuple[list[Tensor], _Image] | None = None

    @staticmethod
    def takes(sam: Sam) -> bool:
        """Whether it computes what this Sam's own decoder does."""
        own = (
            (sam.mask_decoder, MaskDecoder),
            (sam.mask_decoder.transformer, TwoWayTransformer),
            (sam.prompt_encoder, PromptEncoder),
        )
        return all(type(module) is kind for module, kind in own)

    def __call__(
        self, features: Sequence[Tensor], sparse: Tensor, masks: Tensor | None, multimask: bool
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, K, 4h, 4w) and predicted IoU (N, K), float32; K is 3 with ``multimask``.

        ``features`` are the (C, h, w) of each prompt's image, the same object for the same image;
        ``sparse`` (N, T, C) the embeddings of points and boxes; ``masks`` (N, 1, 4h, 4w) logits
        that are fed back.
        """
        places: dict[int, int] = {}
        for one in features:
            places.setdefault(id(one), len(places))
        distinct = list({id(one): one for one in features}.values())
        indices = torch.tensor([places[id(one)] for one in features], device=sparse.device)
        image = self._shared(distinct).of(indices)
        coarse = None
        if masks is not None:
            coarse = self._masks_to_16(masks).flatten(2).transpose(1, 2).to(self._dtype)
        wanted = slice(1, None) if multimask else slice(0, 1)
        if self._compiled is None:
            logits, predicted_iou = self._answered(image, sparse, coarse, wanted)
        else:
            all_logits, all_predicted = self._compiled(image, sparse, coarse, slice(None))
            logits, predicted_iou = all_logits[..., wanted], all_predicted[:, wanted]
        height, width = features[0].shape[-2:]
        return _in_place(logits, height, width).float(), predicted_iou

    def _shared(self, features: list[Tensor]) -> _Image:
        """What all prompts of these images share; the latest images' is kept."""
        if self._latest is not None:
            kept, image = self._latest
            if len(kept) == len(features) and all(map(_same, kept, features)):
                return image
        tokens = torch.stack(features).flatten(2).transpose(1, 2).to(self._dtype).contiguous()
        first, positions = self._layers[0], self._positions[0]
        across, back = first.cross_attn_token_to_image, first.cross_attn_image_to_token
        image = _Image(
            tokens,
            F.linear(tokens, across.k_proj.weight) + positions.keys,
            across.v_proj(tokens),
            F.linear(tokens, back.q_proj.weight) + positions.queries,
        )
        self._latest = features, image
        return image

    def _answered(
        self, image: _Image, sparse: Tensor, coarse: Tensor | None, wanted: slice
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, h × w, 16, K), a token's 16 pixels together, and predicted IoU (N, K).

        Of the mask tokens that are ``wanted``.
        """
        decoder = self._own
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight], dim=0)
        fixed = own.unsqueeze(0).expand(len(sparse), -1, -1)
        tokens = torch.cat([fixed, sparse.to(self._dtype)], dim=1)
        found, seen = self._looked(tokens, self._with_mask(image, coarse))
        found = found.float()
        predicted_iou = self._heads.iou_prediction_head(found[:, 0])[:, wanted]
        heads = list(self._heads.output_hypernetworks_mlps)[wanted]
        mask_tokens = found[:, 1 : 1 + self._heads.num_mask_tokens][:, wanted]
        weights = torch.stack([head(mask_tokens[:, i]) for i, head in enumerate(heads)], dim=2)
        return self._pixels(seen) @ weights.to(self._dtype).unsqueeze(1), predicted_iou

    def _with_mask(self, image: _Image, coarse: Tensor | None) -> _Image:
        """The tokens and projections with the dense embedding added: the mask's, or none's."""
        if coarse is None:
            added: list[Tensor] = self._no_mask
        else:
            added = [F.linear(coarse, *way) for way in self._from_16]
        return _Image(*(one + more for one, more in zip(image.each(), added, strict=True)))

    def _looked(self, tokens: Tensor, image: _Image) -> tuple[Tensor, Tensor]:
        """The prompts' tokens and the image's after they have looked at each other."""
        queries, seen = tokens, image.tokens
        for number, (layer, positions) in enumerate(
            zip(self._layers, self._positions, strict=True)
        ):
            across, back = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
            if number == 0:
                keys, values, asked = image.keys, image.values, image.queries
            else:
                keys = F.linear(seen, across.k_proj.weight) + positions.keys
                values = across.v_proj(seen)
                asked = F.linear(seen, back.q_proj.weight) + positions.queries
            queries = _among_themselves(layer, queries, tokens)
            looked = _attend(across, across.q_proj(queries + tokens), keys, values)
            queries = layer.norm2(queries + looked)
            queries = layer.norm3(queries + layer.mlp(queries))
            told = _attend(back, asked, back.k_proj(queries + tokens), back.v_proj(queries))
            seen = layer.norm4(seen + told)
        last = self._own.transformer.final_attn_token_to_image
        keys = F.linear(seen, last.k_proj.weight) + self._last_positions
        looked = _attend(last, last.q_proj(queries + tokens), keys, last.v_proj(seen))
        return self._own.transformer.norm_final_attn(queries + looked), seen

    def _pixels(self, seen: Tensor) -> Tensor:
        """From the image's tokens (N, h × w, C) to their 16 pixels (N, h × w, 16, C / 8)."""
        _, norm, active, _, active_again = self._own.output_upscaling
        first, second = self._doublings
        four = first(seen.unsqueeze(2))
        four = F.layer_norm(four, four.shape[-1:], norm.weight, norm.bias, norm.eps)
        return torch.as_tensor(active_again(second(active(four))))


def _same(one: Tensor, other: Tensor) -> bool:
    return one is other


def _image_side(layer: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The matrices that make a layer's keys, values and queries of the image's tokens."""
    across, back = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
    return across.k_proj.weight, across.v_proj.weight, back.q_proj.weight


def _positions(layer: nn.Module, where: Tensor) -> _Positions:
    across: Any = layer.cross_attn_token_to_image
    back: Any = layer.cross_attn_image_to_token
    return _Positions(
        F.linear(where, across.k_proj.weight, across.k_proj.bias),
        F.linear(where, back.q_proj.weight, back.q_proj.bias),
    )


def _among_themselves(layer: Any, queries: Tensor, tokens: Tensor) -> Tensor:
    """The prompts' tokens after the layer's self-attention."""
    own = layer.self_attn
    asked = queries if layer.skip_first_layer_pe else queries + tokens
    told = _attend(own, own.q_proj(asked), own.k_proj(asked), own.v_proj(queries))
    return torch.as_tensor(layer.norm1(told if layer.skip_first_layer_pe else queries + told))


def _attend(layer: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention on projected (N, …, C) tokens, projected back."""

    def by_head(one: Tensor) -> Tensor:
        return one.view(*one.shape[:2], layer.num_heads, -1).transpose(1, 2)

    found = F.scaled_dot_product_attention(by_head(queries), by_head(keys), by_head(values))
    return torch.as_tensor(layer.out_proj(found.transpose(1, 2).flatten(2)))


@dataclass(frozen=True, slots=True)
class _Doubling:
    """A transposed convolution of 2 × 2 pixels at stride 2, as a matrix (C, 4D) and its bias."""

    mix: Tensor
    bias: Tensor

    @classmethod
    def of(cls, layer: nn.ConvTranspose2d) -> _Doubling:
        assert layer.bias is not None
        return cls(layer.weight.permute(0, 2, 3, 1).flatten(1).contiguous(), layer.bias.repeat(4))

    def __call__(self, tokens: Tensor) -> Tensor:
        """(N, T, P, C) tokens of P pixels to (N, T, 4P, D): each pixel becomes its 2 × 2."""
        count, number, pixels, _ = tokens.shape
        return (tokens @ self.mix + self.bias).view(count, number, 4 * pixels, -1)


def _in_place(logits: Tensor, height: int, width: int) -> Tensor:
    """(N, h × w, 16, K) to (N, K, 4h, 4w): a pixel's row and column at both scales."""
    count, _, _, masks = logits.shape
    apart = logits.reshape(count, height, width, 2, 2, 2, 2, masks)
    together = apart.permute(0, 7, 1, 3, 5, 2, 4, 6)
    return together.reshape(count, masks, 4 * height, 4 * width)
