"""EfficientViT-SAM: SAM's decoder behind EfficientViT, whose attention is linear in the tokens.

Zhang et al., EfficientViT-SAM, CVPR workshops 2024, arXiv:2402.05008; the encoder is EfficientViT-L
of Cai et al., EfficientViT, ICCV 2023, arXiv:2205.14756 (``efficientvit/models/`` of
github.com/mit-han-lab/efficientvit at de7d773). L0 to L2 see pictures of 512 pixels while prompts
and masks lie on 1024, XL0 and XL1 see 1024; the picture is resized and filled up as SAM's
(``EfficientViTSam.transform``). Modules have the names that their weights have in the authors'
checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from segment_anything.modeling import Sam
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn

from bench.models.sam_around import WIDTH, sam_around
from bench.models.segment_anything import SegmentAnything

_EPSILON = 1e-6
"""Of every norm, the decoder's too: ``set_norm_eps`` in the authors' ``sam_model_zoo.py``."""

_HEAD = 32
"""Channels of an attention head."""

_SQUEEZED = "squeezed"
_FUSED = "fused"
_ATTENTION = "attention"


@dataclass(frozen=True, slots=True)
class Stage:
    """Half as large as the one before: its channels, blocks, and how wide they are inside.

    ``kind`` is ``fused`` (a full convolution), ``squeezed`` (one of each channel) or ``attention``;
    ``bare`` are its first convolutions without a norm.
    """

    width: int
    depth: int
    kind: str
    wider: int
    bare: bool


@dataclass(frozen=True, slots=True)
class Size:
    """An encoder: the ``side`` of its pictures, ``first`` (channels, blocks) and ``stages``.

    ``reach`` is the side of the convolution between queries, keys and values; ``neck`` the blocks
    on the way to the features, and ``neck_wider`` how wide these are inside.
    """

    side: int
    first: tuple[int, int]
    stages: tuple[Stage, ...]
    reach: int
    neck: int
    neck_wider: int


def _large(first: int, depths: tuple[int, int, int, int], neck: int) -> Size:
    one, two, three, four = depths
    stages = (
        Stage(64, one, _FUSED, 4, False),
        Stage(128, two, _FUSED, 4, False),
        Stage(256, three, _SQUEEZED, 4, True),
        Stage(512, four, _ATTENTION, 6, True),
    )
    return Size(512, (32, first), stages, 5, neck, 1)


def _extra_large(first: int, depths: tuple[int, int, int, int, int], neck: int) -> Size:
    one, two, three, four, five = depths
    stages = (
        Stage(64, one, _FUSED, 4, False),
        Stage(128, two, _FUSED, 4, False),
        Stage(256, three, _FUSED, 4, False),
        Stage(512, four, _ATTENTION, 4, True),
        Stage(1024, five, _ATTENTION, 6, True),
    )
    return Size(1024, (32, first), stages, 3, neck, 4)


SIZES: Mapping[str, Size] = {
    "l0": _large(1, (1, 1, 4, 4), 4),
    "l1": _large(1, (1, 1, 6, 6), 8),
    "l2": _large(1, (2, 2, 8, 8), 12),
    "xl0": _extra_large(0, (1, 1, 2, 3, 3), 6),
    "xl1": _extra_large(1, (2, 2, 4, 6, 6), 12),
}


class EfficientVitSam(SegmentAnything):
    """EfficientViT-SAM; ``arch`` is a key of ``SIZES``, the rest as in ``SegmentAnything``."""

    @classmethod
    def architectures(cls) -> Mapping[str, Callable[[], Sam]]:
        """L0 to L2, XL0 and XL1."""
        return {name: partial(build_efficientvit_sam, size) for name, size in SIZES.items()}


def build_efficientvit_sam(size: Size) -> Sam:
    """EfficientViT-SAM with random weights."""
    return with_epsilon(sam_around(EfficientVit(size)))


def with_epsilon(sam: Sam) -> Sam:
    """The Sam with the epsilon of its norms as the authors set it; SAM's own LayerNorm2d has it."""
    for module in sam.modules():
        if isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            module.eps = _EPSILON
    return sam


class EfficientVit(nn.Module):
    """EfficientViT on (B, 3, side, side): features (B, out, grid, grid)."""

    def __init__(self, size: Size, grid: int = 64, width: int = WIDTH, out: int = WIDTH) -> None:
        super().__init__()
        self.img_size = size.side
        self.backbone = Backbone(size)
        last = [stage.width for stage in size.stages[-3:]][::-1]
        self.neck = Neck(size, last, grid, width, out)
        self.norm = LayerNorm2d(out)

    def forward(self, image: Tensor) -> Tensor:
        """Features of normalised images."""
        found: Tensor = self.norm(self.neck(self.backbone(image)))
        return found


class Row(nn.Module):
    """Modules one after the other, called ``op_list`` in the checkpoints."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__()
        self.op_list = nn.Sequential(*modules)

    def forward(self, found: Tensor) -> Tensor:
        """What the last one gives."""
        given: Tensor = self.op_list(found)
        return given


class Backbone(nn.Module):
    """The stages, each half as large as the one before."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width, depth = size.first
        first: list[nn.Module] = [Convolution(3, width, 3, 2, gelu=True)]
        first += [Beside(Pair(width)) for _ in range(depth)]
        stages = [Row(first)]
        for stage in size.stages:
            fused = stage.kind == _FUSED
            lower = Fused if fused else Squeezed
            row: list[nn.Module] = [
                Alone(lower(width, stage.width, 4 * stage.wider, 2, bare=stage.bare))
            ]
            width = stage.width
            row += [_block(stage, size.reach) for _ in range(stage.depth)]
            stages.append(Row(row))
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        """What the last three stages give, the last one first."""
        given = []
        for stage in self.stages:
            image = stage(image)
            given.append(image)
        return given[:-4:-1]


def _block(stage: Stage, reach: int) -> nn.Module:
    width, wider = stage.width, stage.wider
    blocks: Mapping[str, Callable[[], nn.Module]] = {
        _FUSED: lambda: Beside(Fused(width, width, wider, bare=stage.bare)),
        _SQUEEZED: lambda: Beside(Squeezed(width, width, wider, bare=stage.bare)),
        _ATTENTION: lambda: Attending(width, wider, reach),
    }
    return blocks[stage.kind]()


class Neck(nn.Module):
    """The sum of three stages at the features' size, and blocks on it."""

    def __init__(self, size: Size, widths: list[int], grid: int, width: int, out: int) -> None:
        super().__init__()
        self.grid = grid
        self.input_ops = nn.ModuleList([Row([Convolution(each, width, 1)]) for each in widths])
        self.middle = Row([Beside(Fused(width, width, size.neck_wider)) for _ in range(size.neck)])
        last = Convolution(width, out, 1, bias=True, normed=False)
        self.output_ops = nn.ModuleList([Row([last])])

    def forward(self, stages: list[Tensor]) -> Tensor:
        """(B, out, grid, grid) of the last three stages."""
        last, middle, first = (
            F.interpolate(each(found), (self.grid, self.grid), mode="bicubic", align_corners=False)
            for each, found in zip(self.input_ops, stages, strict=True)
        )
        given: Tensor = self.output_ops[0](self.middle(last + (middle + first)))
        return given


class Convolution(nn.Module):
    """A convolution, its batch norm where it has one, and GELU by tanh where it has that."""

    def __init__(
        self,
        width: int,
        out: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        bias: bool = False,
        normed: bool = True,
        gelu: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, out, kernel, stride, kernel // 2, groups=groups, bias=bias)
        self.norm = nn.BatchNorm2d(out) if normed else nn.Identity()
        self.gelu = gelu

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to (B, out, H / stride, W / stride)."""
        given: Tensor = self.norm(self.conv(found))
        return F.gelu(given, approximate="tanh") if self.gelu else given


class Pair(nn.Module):
    """Two convolutions of 3 × 3."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = Convolution(width, width, 3, gelu=True)
        self.conv2 = Convolution(width, width, 3)

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        given: Tensor = self.conv2(self.conv1(found))
        return given


class Fused(nn.Module):
    """A convolution of 3 × 3 to ``wider`` times the channels, and one of 1 × 1 back."""

    def __init__(
        self, width: int, out: int, wider: int, stride: int = 1, *, bare: bool = False
    ) -> None:
        super().__init__()
        inner = width * wider
        self.spatial_conv = Convolution(
            width, inner, 3, stride, bias=bare, normed=not bare, gelu=True
        )
        self.point_conv = Convolution(inner, out, 1)

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to (B, out, H / stride, W / stride)."""
        given: Tensor = self.point_conv(self.spatial_conv(found))
        return given


class Squeezed(nn.Module):
    """The same with the 3 × 3 convolution of each channel alone, between two of 1 × 1."""

    def __init__(
        self, width: int, out: int, wider: int, stride: int = 1, *, bare: bool = False
    ) -> None:
        super().__init__()
        inner = width * wider
        plain = partial(Convolution, bias=bare, normed=not bare, gelu=True)
        self.inverted_conv = plain(width, inner, 1)
        self.depth_conv = plain(inner, inner, 3, stride, groups=inner)
        self.point_conv = Convolution(inner, out, 1)

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to (B, out, H / stride, W / stride)."""
        given: Tensor = self.point_conv(self.depth_conv(self.inverted_conv(found)))
        return given


class Alone(nn.Module):
    """A module with nothing beside it, called ``main`` as those that have the identity there."""

    def __init__(self, main: nn.Module) -> None:
        super().__init__()
        self.main = main

    def forward(self, found: Tensor) -> Tensor:
        """What it gives."""
        given: Tensor = self.main(found)
        return given


class Beside(nn.Module):
    """What a module makes of its input, added to it."""

    def __init__(self, main: nn.Module) -> None:
        super().__init__()
        self.main = main

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        given: Tensor = self.main(found)
        return given + found


class Attending(nn.Module):
    """Linear attention, then convolutions, each beside the identity."""

    def __init__(self, width: int, wider: int, reach: int) -> None:
        super().__init__()
        self.context_module = Beside(LinearAttention(width, reach))
        self.local_module = Beside(Squeezed(width, width, wider, bare=True))

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        given: Tensor = self.local_module(self.context_module(found))
        return given


class LinearAttention(nn.Module):
    """Attention with ReLU in the place of softmax, at two scales: for N tokens O(N) sums.

    EfficientViT, section 3.1. The second scale sees queries, keys and values that a convolution of
    ``reach`` has mixed with their neighbours.
    """

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        three = 3 * width
        self.qkv = Convolution(width, three, 1, normed=False)
        mixing = nn.Sequential(
            nn.Conv2d(three, three, reach, padding=reach // 2, groups=three, bias=False),
            nn.Conv2d(three, three, 1, groups=three // _HEAD, bias=False),
        )
        self.aggreg = nn.ModuleList([mixing])
        self.proj = Convolution(2 * width, width, 1)

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        qkv = self.qkv(found)
        both = torch.cat([qkv, self.aggreg[0](qkv)], dim=1).float()
        batch, _, height, width = both.shape
        heads = both.reshape(batch, -1, 3, _HEAD, height * width)
        with torch.autocast(both.device.type, enabled=False):  # sums over all tokens stay exact
            query, key, value = heads.unbind(2)
            ones = F.pad(value, (0, 0, 0, 1), value=1.0)
            sums = ones @ key.relu().transpose(-1, -2) @ query.relu()
            seen = sums[:, :, :-1] / (sums[:, :, -1:] + 1e-15)
        given: Tensor = self.proj(seen.reshape(batch, -1, height, width))
        return given
