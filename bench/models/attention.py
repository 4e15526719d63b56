"""The image encoder's attention, without holding the whole matrix of query and key pairs.

``segment_anything``'s own writes that matrix down several times over: 805 MB each at 64 × 64 tokens
and 12 heads. On a CPU a few rows of it at a time fit into the cache, and each number is still the
same sum in the same order. On a GPU torch has a fused kernel, whose order of summation is another.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import chain
from typing import TypeVar

import torch
import torch.nn.functional as F
from segment_anything.modeling.image_encoder import Attention, get_rel_pos
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)

_ROWS = 256
"""Queries at a time: of 64 × 64 keys in float32 that is 4 MiB."""


class BlockwiseAttention(nn.Module):
    """Multi-head attention with decomposed relative positions, head by head, some rows at a time.

    Shares the weights of ``whole`` and gives what it gives: on x86 with torch 2.15 to the same bit,
    in float32 and under autocast.
    """

    def __init__(self, whole: Attention) -> None:
        super().__init__()
        self.whole = whole

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # unrolled, the loops compile for long
    def forward(self, tokens: Tensor) -> Tensor:
        """(B, H, W, C) tokens to (B, H, W, C)."""
        _, height, width, _ = tokens.shape
        query, key, value = (part.flatten(0, 1) for part in heads(self.whole, tokens))
        bias = position_bias(self.whole, query, (height, width))
        found = torch.empty_like(value)
        lines = max(1, _ROWS // width)
        for head in range(len(query)):
            across = key[head].transpose(-2, -1)
            for top in range(0, height, lines):
                rows = slice(top, min(height, top + lines))
                some = slice(rows.start * width, rows.stop * width)
                likeness = (query[head, some] * self.whole.scale) @ across
                if bias is not None:
                    likeness = likeness.view(-1, width, height, width)
                    likeness = likeness + bias[0][head, rows, :, :, None]
                    likeness += bias[1][head, rows, :, None, :]
                    likeness = likeness.view(-1, height * width)
                found[head, some] = likeness.softmax(dim=-1) @ value[head]
        return merged(self.whole, found, tokens)


class FusedAttention(nn.Module):
    """The same with torch's ``scaled_dot_product_attention``; the last bits differ."""

    def __init__(self, whole: Attention) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, H, W, C) tokens to (B, H, W, C)."""
        _, height, width, _ = tokens.shape
        query, key, value = heads(self.whole, tokens)
        bias = position_bias(self.whole, query.flatten(0, 1), (height, width))
        mask = None
        if bias is not None:
            mask = bias[0][:, :, :, :, None] + bias[1][:, :, :, None, :]
            mask = mask.reshape(*query.shape[:3], height * width)
        found = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=self.whole.scale
        )
        return merged(self.whole, found, tokens)


def with_quick_attention(encoder: nn.Module, device: torch.device, exact: bool) -> nn.Module:
    """The encoder with the quickest attention that gives what its own does: ``exact`` to the bit.

    Where there is one, that is a twin that shares the weights; the encoder stays as it is.
    """
    if device.type == "cpu":
        return with_attention(encoder, BlockwiseAttention)
    return encoder if exact else with_attention(encoder, FusedAttention)


def with_attention(encoder: M, other: Callable[[Attention], nn.Module]) -> M:
    """A twin of the encoder that shares its weights and has ``other`` in place of its attention.

    The encoder itself stays as it is. Where it has no attention of ``segment_anything``'s, it is
    its own twin.
    """
    if not any(type(module) is Attention for module in encoder.modules()):
        return encoder
    shared = {id(tensor): tensor for tensor in chain(encoder.parameters(), encoder.buffers())}
    twin = copy.deepcopy(encoder, shared)
    for parent in list(twin.modules()):
        for name, child in parent.named_children():
            if type(child) is Attention:
                setattr(parent, name, other(child))
    return twin


def heads(whole: Attention, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each (B, heads, H × W, C / heads)."""
    batch, height, width, _ = tokens.shape
    both = whole.qkv(tokens).reshape(batch, height * width, 3, whole.num_heads, -1)
    query, key, value = both.permute(2, 0, 3, 1, 4).unbind(0)
    return query, key, value


def position_bias(
    whole: Attention, query: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor] | None:
    """What a key's row and its column add: (B × heads, H, W, H) and (B × heads, H, W, W)."""
    if not whole.use_rel_pos:
        return None
    height, width = size
    grid = query.reshape(len(query), height, width, -1)
    rows = get_rel_pos(height, height, whole.rel_pos_h)
    columns = get_rel_pos(width, width, whole.rel_pos_w)
    return (
        torch.einsum("bhwc,hkc->bhwk", grid, rows),
        torch.einsum("bhwc,wkc->bhwk", grid, columns),
    )


def merged(whole: Attention, found: Tensor, tokens: Tensor) -> Tensor:
    """The heads' answers, (B, heads, H × W, C / heads) or with B × heads in one, projected."""
    batch, height, width, _ = tokens.shape
    heads = found.reshape(batch, whole.num_heads, height, width, -1)
    return torch.as_tensor(whole.proj(heads.permute(0, 2, 3, 1, 4).reshape(tokens.shape)))
