"""The demo model: a `segment_anything` Sam whose image encoder is a small convolutional pyramid.

Everything but the image encoder is the official class, so `segment_anything.SamPredictor` works
unchanged: `ResizeLongestSide(256)`, zero padding at the bottom and the right, embedding 32 x 32
(stride 8), low-resolution masks and mask input 128 x 128.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

SizeName = Literal["s", "m", "l"]

IMG_SIZE = 256
STRIDE = 8


@dataclass(frozen=True, slots=True)
class SizeSpec:
    """Widths of one model size.

    `widths` are the channels at strides 2, 4, 8, 16 and 32, `depths` the residual blocks at
    strides 4, 8, 16 and 32, `attention` the self-attention blocks at stride 32, `dim` the channels
    of the embedding and of the mask decoder. `refine8` and `refine16` are further blocks at these
    strides that start as the identity, so that a size can be grown from a smaller one
    (`grow_from`).
    """

    widths: tuple[int, int, int, int, int]
    depths: tuple[int, int, int, int]
    attention: int
    dim: int
    refine8: int = 0
    refine16: int = 0


SIZES: Mapping[SizeName, SizeSpec] = {
    "s": SizeSpec(widths=(16, 32, 64, 112, 160), depths=(1, 1, 1, 1), attention=1, dim=64),
    "m": SizeSpec(widths=(24, 48, 96, 160, 192), depths=(1, 1, 2, 1), attention=2, dim=96),
    "l": SizeSpec(
        widths=(24, 48, 96, 160, 192),
        depths=(1, 1, 2, 1),
        attention=3,
        dim=96,
        refine8=2,
        refine16=1,
    ),
}


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(8, channels)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut; keeps shape (B, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = _norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = _norm(channels)
        # The branch starts at zero, which lets a deep stack train from the first step.
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined map, of the same shape."""
        y = F.gelu(self.norm1(self.conv1(x)))
        return F.gelu(x + self.norm2(self.conv2(y)))


class RefineBlock(nn.Module):
    """A residual block that normalises first; keeps shape (B, C, h, w), starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = _norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = _norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined map, of the same shape."""
        y = self.conv1(F.gelu(self.norm1(x)))
        refined: Tensor = x + self.conv2(F.gelu(self.norm2(y)))
        return refined


class Down(nn.Sequential):
    """3 x 3 convolution of stride 2, normalisation, GELU: (B, C, h, w) to (B, C', h/2, w/2)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
            _norm(channels_out),
            nn.GELU(),
        )


class AttentionBlock(nn.Module):
    """Pre-norm self-attention and MLP over all positions of a coarse map (B, C, h, w)."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the map after mixing all positions, of the same shape."""
        batch, channels, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        qkv = self.qkv(self.norm1(tokens)).reshape(batch, height * width, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        tokens = tokens + self.out(mixed.reshape(batch, height * width, channels))
        tokens = tokens + self.mlp(self.norm2(tokens))
        mapped: Tensor = tokens.transpose(1, 2).reshape(batch, channels, height, width)
        return mapped


class ConvEncoder(nn.Module):
    """Image encoder: (B, 3, 256, 256) normalised RGB to the embedding (B, dim, 32, 32).

    A pyramid down to stride 32 with self-attention at the top, added back up to stride 8. SAM's
    mask decoder has no skip connections, so detail must travel inside the embedding: the stride-4
    map is folded 2 x 2 into channels and added.
    """

    def __init__(self, spec: SizeSpec) -> None:
        super().__init__()
        self.img_size = IMG_SIZE
        w2, w4, w8, w16, w32 = spec.widths
        d4, d8, d16, d32 = spec.depths
        self.stem = Down(3, w2)
        self.stage4 = nn.Sequential(Down(w2, w4), *(ResidualBlock(w4) for _ in range(d4)))
        self.stage8 = nn.Sequential(Down(w4, w8), *(ResidualBlock(w8) for _ in range(d8)))
        self.stage16 = nn.Sequential(Down(w8, w16), *(ResidualBlock(w16) for _ in range(d16)))
        self.stage32 = nn.Sequential(Down(w16, w32), *(ResidualBlock(w32) for _ in range(d32)))
        self.refine8 = nn.Sequential(*(RefineBlock(w8) for _ in range(spec.refine8)))
        self.refine16 = nn.Sequential(*(RefineBlock(w16) for _ in range(spec.refine16)))
        top = IMG_SIZE // 32
        self.position = nn.Parameter(torch.randn(1, w32, top, top) * 0.02)
        self.attention = nn.Sequential(*(AttentionBlock(w32) for _ in range(spec.attention)))
        self.lateral32 = nn.Conv2d(w32, spec.dim, 1)
        self.lateral16 = nn.Conv2d(w16, spec.dim, 1)
        self.merge16 = ResidualBlock(spec.dim)
        self.lateral8 = nn.Conv2d(w8, spec.dim, 1)
        self.lateral4 = nn.Conv2d(w4, spec.dim // 2, 1)
        self.detail = nn.Conv2d(2 * spec.dim, spec.dim, 1)
        self.merge8 = ResidualBlock(spec.dim)
        self.neck = nn.Conv2d(spec.dim, spec.dim, 3, padding=1)
        self.neck_norm = nn.LayerNorm(spec.dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return the embedding, see the class."""
        x4 = self.stage4(self.stem(x))
        x8 = self.refine8(self.stage8(x4))
        x16 = self.refine16(self.stage16(x8))
        x32 = self.attention(self.stage32(x16) + self.position)
        y16 = self.lateral16(x16) + F.interpolate(self.lateral32(x32), scale_factor=2.0)
        y16 = self.merge16(y16)
        y8 = self.lateral8(x8) + F.interpolate(y16, scale_factor=2.0)
        y8 = y8 + self.detail(F.pixel_unshuffle(self.lateral4(x4), 2))
        embedding = self.neck(self.merge8(y8))
        normed: Tensor = self.neck_norm(embedding.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)


def build_demo_sam(size: SizeName) -> Sam:
    """Return an untrained `Sam` of the given size, in training mode, on the CPU.

    The weights are random from torch's global generator: seed it, or load a checkpoint.
    """
    spec = SIZES[size]
    grid = IMG_SIZE // STRIDE
    return Sam(
        image_encoder=ConvEncoder(spec),
        prompt_encoder=PromptEncoder(
            embed_dim=spec.dim,
            image_embedding_size=(grid, grid),
            input_image_size=(IMG_SIZE, IMG_SIZE),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=spec.dim, mlp_dim=4 * spec.dim, num_heads=4
            ),
            transformer_dim=spec.dim,
            activation=nn.ReLU,
            iou_head_depth=3,
            iou_head_hidden_dim=128,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )


@torch.no_grad()
def local_init(sam: Sam) -> None:
    """Make the untrained decoder's cross-attention look where the point is, in place.

    Queries and keys start with the same projection, sharpened, and position outweighs both the
    labels of points and the picture's content. From the default initialisation the same ability
    has to be found by chance first, which costs a small budget most of its steps. The labels of
    box corners keep their strength: a corner must not be mistaken for a click.
    """
    transformer = sam.mask_decoder.transformer
    attentions = [transformer.final_attn_token_to_image]
    for layer in transformer.layers:
        attentions += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    for attention in attentions:
        attention.q_proj.weight.mul_(2 * 3**0.5)
        attention.q_proj.bias.zero_()
        attention.k_proj.weight.copy_(attention.q_proj.weight)
        attention.k_proj.bias.zero_()
    prompts = sam.prompt_encoder
    prompts.pe_layer.positional_encoding_gaussian_matrix.mul_(1.5)
    clicks = prompts.point_embeddings[:2]
    for embedding in (*clicks, prompts.not_a_point_embed, prompts.no_mask_embed):
        embedding.weight.mul_(0.2)
    sam.image_encoder.neck_norm.weight.mul_(0.1)


@torch.no_grad()
def grow_from(sam: Sam, tensors: Mapping[str, Tensor]) -> None:
    """Load the weights of the same or a shallower size, in place; what is new starts as identity.

    Raises ValueError where the two differ in more than added blocks.
    """
    known = sam.state_dict()
    strange = [n for n, x in tensors.items() if n not in known or known[n].shape != x.shape]
    added = [name for name in known if name not in tensors]
    blocks = ("refine8.", "refine16.", "attention.")
    strange += [n for n in added if not n.removeprefix("image_encoder.").startswith(blocks)]
    if strange:
        raise ValueError(f"cannot grow from weights that differ in {', '.join(strange[:3])}")
    sam.load_state_dict(tensors, strict=False)
    for name in added:
        if name.endswith((".out.weight", ".out.bias", ".mlp.2.weight", ".mlp.2.bias")):
            sam.get_parameter(name).zero_()
