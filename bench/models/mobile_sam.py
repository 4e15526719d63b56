"""MobileSAM: SAM's decoder behind TinyViT-5M, an image encoder of 6 million parameters.

Zhang et al., Faster Segment Anything, arXiv:2306.14289; the encoder is that of Wu et al., TinyViT,
ECCV 2022, arXiv:2207.10666, section 3 and appendix, whose last stage keeps 64 × 64 tokens here.
Preprocessing, prompts and decoder are SAM's (``mobile_sam/predictor.py`` and ``build_sam.py`` of
github.com/ChaoningZhang/MobileSAM at 34bbbfd are ``segment_anything``'s but for the encoder).
Modules have the names that their weights have in the authors' checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from segment_anything.modeling import Sam
from torch import Tensor, nn

from bench.models.sam_around import SIDE, WIDTH, ConvNorm, neck, sam_around, stem
from bench.models.segment_anything import SegmentAnything


class MobileSam(SegmentAnything):
    """MobileSAM; ``arch`` is ``vit_t``, the other arguments are those of ``SegmentAnything``.

    The encoder's relative positions count as they do after ``eval()`` of the authors' model: their
    builder copies them before the checkpoint is read, and only a later ``eval()`` copies them anew.
    """

    @classmethod
    def architectures(cls) -> Mapping[str, Callable[[], Sam]]:
        """TinyViT-5M alone has a published Sam."""
        return {"vit_t": build_mobile_sam}


def build_mobile_sam() -> Sam:
    """MobileSAM with random weights: 10.1 million parameters, a classifier's 0.3 among them."""
    return sam_around(TinyVit())


@dataclass(frozen=True, slots=True)
class Stage:
    """``depth`` blocks of ``width`` channels and ``heads`` over windows of ``window`` tokens."""

    width: int
    depth: int
    heads: int
    window: int


STAGES = (Stage(64, 2, 0, 0), Stage(128, 2, 4, 7), Stage(160, 6, 5, 14), Stage(320, 2, 10, 7))
"""TinyViT-5M; the first stage is of convolutions."""


class TinyVit(nn.Module):
    """TinyViT on (B, 3, side, side): features (B, out, side / 16, side / 16).

    The classifier of its first training, ``norm_head`` and ``head``, is in the checkpoint and
    without effect.
    """

    def __init__(
        self, stages: Sequence[Stage] = STAGES, side: int = SIDE, out: int = WIDTH
    ) -> None:
        super().__init__()
        self.img_size = side
        widths = [stage.width for stage in stages]
        self.patch_embed = nn.ModuleDict({"seq": stem(widths[0])})
        self.layers = nn.ModuleList()
        for i, stage in enumerate(stages):
            blocks = [_block(stage) for _ in range(stage.depth)]
            layer = nn.ModuleDict({"blocks": nn.Sequential(*blocks)})
            if i + 1 < len(stages):
                # the published last stage keeps the resolution of the one before
                stride = 1 if i + 2 == len(stages) else 2
                layer["downsample"] = Merging(widths[i], widths[i + 1], stride)
            self.layers.append(layer)
        self.norm_head = nn.LayerNorm(widths[-1])
        self.head = nn.Linear(widths[-1], 1000)
        self.neck = neck(widths[-1], out)

    def forward(self, image: Tensor) -> Tensor:
        """Features of normalised images."""
        found: Tensor = self.patch_embed["seq"](image)
        for layer in self.layers:
            for part in layer.children():  # its blocks, then the way to the next one
                found = part(found)
        features: Tensor = self.neck(found)
        return features


def _block(stage: Stage) -> nn.Module:
    if stage.window:
        return Block(stage)
    return Convolutions(stage.width)


class Convolutions(nn.Module):
    """An inverted residual of three convolutions, four times as wide inside, on (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, 4 * width)
        self.conv2 = ConvNorm(4 * width, 4 * width, 3, groups=4 * width)
        self.conv3 = ConvNorm(4 * width, width)

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        inner = F.gelu(self.conv2(F.gelu(self.conv1(found))))
        return F.gelu(found + self.conv3(inner))


class Merging(nn.Module):
    """From a stage's (B, C, H, W) to the next one's channels, at 1 / ``stride`` of the size."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, out)
        self.conv2 = ConvNorm(out, out, 3, stride, groups=out)
        self.conv3 = ConvNorm(out, out)

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to (B, out, H / stride, W / stride)."""
        merged: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(found)))))
        return merged


class Block(nn.Module):
    """Attention in windows, a convolution of each channel, and an MLP, on (B, C, H, W)."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        width = stage.width
        self.window = stage.window
        self.attn = Attention(width, stage.heads, stage.window)
        self.local_conv = ConvNorm(width, width, 3, groups=width)
        self.mlp = Mlp(width)

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        tokens = found.permute(0, 2, 3, 1)
        found = (tokens + self._attended(tokens)).permute(0, 3, 1, 2)
        tokens = self.local_conv(found).permute(0, 2, 3, 1)
        mixed: Tensor = tokens + self.mlp(tokens)
        return mixed.permute(0, 3, 1, 2)

    def _attended(self, tokens: Tensor) -> Tensor:
        """Attention within windows; zeros fill up the last ones, and are tokens as others."""
        side, (batch, height, width, channels) = self.window, tokens.shape
        padded = F.pad(tokens, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = padded.shape[1] // side, padded.shape[2] // side
        windows = padded.reshape(batch, rows, side, columns, side, channels).transpose(2, 3)
        seen: Tensor = self.attn(windows.reshape(-1, side * side, channels))
        back = seen.view(batch, rows, columns, side, side, channels).transpose(2, 3)
        return back.reshape(padded.shape)[:, :height, :width]


class Attention(nn.Module):
    """Multi-head attention of all tokens of a window, with a learnt bias for each distance."""

    apart: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.depth = heads, width // heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        # A bias for each (|rows|, |columns|) apart, counted row by row.
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        places = torch.stack(
            torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij"), dim=-1
        ).view(-1, 2)
        apart = (places[:, None] - places[None]).abs()
        self.register_buffer("apart", apart[..., 0] * window + apart[..., 1], persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(windows, N, C) to the same."""
        count, length, width = tokens.shape
        # Of each head query, key and value lie together.
        each = self.qkv(self.norm(tokens)).view(count, length, self.heads, 3 * self.depth)
        query, key, value = each.permute(0, 2, 1, 3).split(self.depth, dim=3)
        likeness = (query @ key.transpose(-2, -1)) * self.depth**-0.5
        weights = (likeness + self.attention_biases[:, self.apart]).softmax(dim=-1)
        seen = (weights @ value).transpose(1, 2).reshape(count, length, width)
        found: Tensor = self.proj(seen)
        return found


class Mlp(nn.Module):
    """Two layers, four times as wide inside, behind their norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, C) to the same."""
        found: Tensor = self.fc2(F.gelu(self.fc1(self.norm(tokens))))
        return found
