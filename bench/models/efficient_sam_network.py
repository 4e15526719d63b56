"""EfficientSAM's network: a plain ViT, and a decoder like SAM's that takes points alone.

Xiong et al., EfficientSAM, CVPR 2024, arXiv:2312.00863, section 3; layers are those of
``efficient_sam/`` of github.com/yformer/EfficientSAM at d525f62, and modules have the names that
their weights have in the authors' checkpoints.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from segment_anything.modeling.prompt_encoder import PositionEmbeddingRandom
from segment_anything.modeling.transformer import Attention as CrossAttention
from torch import Tensor, nn

from bench.models.sam_around import SIDE, WIDTH, neck

POINTS = 6
"""Points that the decoder looks at; fewer are filled up by ones that count as no point."""

_PATCH, _LEARNT_ON = 16, 224
"""Pixels of a token's side, and of the images that the positions were learnt on."""

_MASKS = 4
"""The single mask, then the three candidates."""


class EfficientSamNetwork(nn.Module):
    """EfficientSAM with an encoder of ``width`` channels, on images of ``side`` pixels."""

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int = 12,
        side: int = SIDE,
        out: int = WIDTH,
        hidden: int = 2048,
    ) -> None:
        super().__init__()
        self.side = side
        self.image_encoder = Encoder(width, heads, depth, out)
        self.prompt_encoder = Prompts(out)
        self.mask_decoder = Decoder(out, hidden)

    def embed(self, images: Tensor) -> Tensor:
        """Features (B, C, side / 16, side / 16) of normalised (B, 3, side, side)."""
        features: Tensor = self.image_encoder(images)
        return features

    def decode(self, features: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, 4, side / 4, side / 4) and predicted IoU (N, 4) of N prompts.

        ``features`` (N, C, h, w), ``points`` (N, 6, 2) x and y in pixels of the square, ``labels``
        (N, 6): 1 foreground, 0 background, 2 and 3 the corners of a box, -1 no point.
        """
        sparse = self.prompt_encoder(points, labels, self.side)
        places = self.prompt_encoder.pe_layer(tuple(features.shape[2:]))[None]
        found: tuple[Tensor, Tensor] = self.mask_decoder(features, places, sparse)
        return found


class Encoder(nn.Module):
    """A ViT whose tokens all see each other, and a neck."""

    def __init__(self, width: int, heads: int, depth: int, out: int) -> None:
        super().__init__()
        tokens = (_LEARNT_ON // _PATCH) ** 2
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, _PATCH, _PATCH)})
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + tokens, width))
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.neck = neck(width, out)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, C, S / 16, S / 16)."""
        seen: Tensor = self.patch_embed["proj"](images)
        _, width, h, w = seen.shape
        side = _LEARNT_ON // _PATCH
        places = self.pos_embed[:, 1:].reshape(1, side, side, width).permute(0, 3, 1, 2)
        if (h, w) != (side, side):
            places = F.interpolate(places, (h, w), mode="bicubic", align_corners=False)
        tokens = (seen + places).flatten(2).transpose(1, 2)
        tokens = self.blocks(tokens)
        found: Tensor = self.neck(tokens.transpose(1, 2).reshape(seen.shape))
        return found


class Block(nn.Module):
    """Attention and an MLP, each behind its norm and beside the identity, on (B, N, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) to the same."""
        tokens = tokens + self.attn(self.norm1(tokens))
        mixed: Tensor = self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))
        return tokens + mixed


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) to the same."""
        batch, length, width = tokens.shape
        parts = self.qkv(tokens).reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weights = (query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(dim=-1)
        seen = (weights @ value).transpose(1, 2).reshape(batch, length, width)
        found: Tensor = self.proj(seen)
        return found


class Prompts(nn.Module):
    """Points as tokens: where they are, and what they are; background has nothing of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pe_layer = PositionEmbeddingRandom(width // 2)
        self.invalid_points = nn.Embedding(1, width)
        self.point_embeddings = nn.Embedding(1, width)
        self.bbox_top_left_embeddings = nn.Embedding(1, width)
        self.bbox_bottom_right_embeddings = nn.Embedding(1, width)

    def forward(self, points: Tensor, labels: Tensor, side: int) -> Tensor:
        """(N, P, C) of points (N, P, 2) on a square of ``side`` pixels."""
        tokens: Tensor = self.pe_layer.forward_with_coords(points + 0.5, (side, side))
        kinds = (
            (-1, self.invalid_points),
            (1, self.point_embeddings),
            (2, self.bbox_top_left_embeddings),
            (3, self.bbox_bottom_right_embeddings),
        )
        for label, kind in kinds:
            tokens = tokens + kind.weight[:, None] * (labels == label)[:, :, None]
        return tokens


class Mlp(nn.Module):
    """``inner`` layers with GELU, and a last one without."""

    def __init__(self, width: int, hidden: int, out: int, inner: int) -> None:
        super().__init__()
        widths = [width] + [hidden] * inner
        self.layers = nn.Sequential(
            *[nn.Sequential(nn.Linear(a, b), nn.GELU()) for a, b in pairwise(widths)]
        )
        self.fc = nn.Linear(hidden, out)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, width) to (…, out)."""
        found: Tensor = self.fc(self.layers(tokens))
        return found


class TwoWay(nn.Module):
    """Tokens see each other, then the image, then the image sees them."""

    def __init__(self, width: int, hidden: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = CrossAttention(width, 8)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = CrossAttention(width, 8, downsample_rate=2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, hidden, width, 1)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = CrossAttention(width, 8, downsample_rate=2)

    def forward(
        self, queries: Tensor, keys: Tensor, tokens: Tensor, places: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Queries (N, T, C) and keys (N, h × w, C) to the same.

        Unlike SAM's, the tokens' own places stay in the queries, and the first block's too are
        added to what self-attention makes of them.
        """
        if not self.first:
            queries = queries + tokens
        queries = self.norm1(queries + self.self_attn(q=queries, k=queries, v=queries))
        seen = self.cross_attn_token_to_image(q=queries + tokens, k=keys + places, v=keys)
        queries = self.norm2(queries + seen)
        queries = self.norm3(queries + self.mlp(queries))
        told = self.cross_attn_image_to_token(q=keys + places, k=queries + tokens, v=queries)
        return queries, self.norm4(keys + told)


class Transformer(nn.Module):
    """Two such blocks, and the tokens see the image once more."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([TwoWay(width, hidden, first) for first in (True, False)])
        self.final_attn_token_to_image = CrossAttention(width, 8, downsample_rate=2)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(self, image: Tensor, places: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (N, T, C) and the image (N, h × w, C) after they have seen each other."""
        keys, places = (each.flatten(2).permute(0, 2, 1) for each in (image, places))
        queries = tokens
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, places)
        seen = self.final_attn_token_to_image(q=queries + tokens, k=keys + places, v=keys)
        return self.norm_final_attn(queries + seen), keys


class Decoder(nn.Module):
    """From features and prompts to masks of four times the features' size."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.transformer = Transformer(width, hidden)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(_MASKS, width)
        half, last = width // 4, width // 8
        self.final_output_upscaling_layers = nn.Sequential(
            nn.Sequential(nn.ConvTranspose2d(width, half, 2, 2), nn.GroupNorm(1, half), nn.GELU()),
            nn.Sequential(nn.ConvTranspose2d(half, last, 2, 2), nn.Identity(), nn.GELU()),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            [Mlp(width, width, last, 2) for _ in range(_MASKS)]
        )
        self.iou_prediction_head = Mlp(width, width, _MASKS, 2)

    def forward(self, features: Tensor, places: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, 4, 4h, 4w) and predicted IoU (N, 4)."""
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own[None].expand(len(sparse), -1, -1), sparse], dim=1)
        found, image = self.transformer(features, places, tokens)
        fine = self.final_output_upscaling_layers(image.transpose(1, 2).view(features.shape))
        weights = torch.stack(
            [mlp(found[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        logits = (weights @ fine.flatten(2)).unflatten(2, fine.shape[2:])
        return logits, self.iou_prediction_head(found[:, 0])
