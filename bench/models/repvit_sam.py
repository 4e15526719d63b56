"""RepViT-SAM: SAM's decoder behind RepViT, an image encoder of convolutions alone.

Wang et al., RepViT-SAM: Towards Real-Time Segmenting Anything, arXiv:2312.05760; the encoder is
RepViT-M2.3 of Wang et al., RepViT, CVPR 2024, arXiv:2307.09283, with 34 blocks in the third stage
(``sam/repvit_sam/modeling/repvit.py`` of github.com/THU-MIG/RepViT at 298f420), whose last stage
keeps 64 × 64 places here. Preprocessing, prompts and decoder are SAM's (``repvit_sam/predictor.py``
and ``build_sam.py`` are ``segment_anything``'s but for the encoder). Modules have the names that
their weights have in the authors' checkpoint; branches are left apart as in training, not merged
into one convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from segment_anything.modeling import Sam
from torch import Tensor, nn

from bench.models.sam_around import SIDE, WIDTH, ConvNorm, neck, sam_around, stem
from bench.models.segment_anything import SegmentAnything

STAGES = ((80, 6), (160, 6), (320, 34), (640, 2))
"""Channels and blocks of each stage; between two stages stand a block and the step down."""


class RepVitSam(SegmentAnything):
    """RepViT-SAM; ``arch`` is ``repvit``, the other arguments are those of ``SegmentAnything``."""

    @classmethod
    def architectures(cls) -> Mapping[str, Callable[[], Sam]]:
        """The one that is published."""
        return {"repvit": build_repvit_sam}


def build_repvit_sam() -> Sam:
    """RepViT-SAM with random weights."""
    return sam_around(RepVit())


class RepVit(nn.Module):
    """RepViT on (B, 3, side, side): features (B, out, side / 16, side / 16)."""

    def __init__(
        self, stages: Sequence[tuple[int, int]] = STAGES, side: int = SIDE, out: int = WIDTH
    ) -> None:
        super().__init__()
        self.img_size = side
        width = stages[0][0]
        layers: list[nn.Module] = [stem(width)]
        for i, (channels, depth) in enumerate(stages):
            if i:
                # the published last stage keeps the resolution of the one before
                stride = 1 if i + 1 == len(stages) else 2
                layers += [same(width, squeezed=False), lower(width, channels, stride)]
            width = channels
            layers += [same(width, squeezed=number % 2 == 0) for number in range(depth)]
        self.features = nn.Sequential(*layers)
        self.neck = neck(width, out)

    def forward(self, image: Tensor) -> Tensor:
        """Features of normalised images."""
        features: Tensor = self.neck(self.features(image))
        return features


class Block(nn.Module):
    """A mixer of places, then one of channels, on (B, C, H, W)."""

    def __init__(self, places: nn.Module, width: int) -> None:
        super().__init__()
        self.token_mixer = places
        self.channel_mixer = Beside(
            nn.Sequential(ConvNorm(width, 2 * width), nn.GELU(), ConvNorm(2 * width, width))
        )

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same, or to what the mixer of places makes of it."""
        mixed: Tensor = self.channel_mixer(self.token_mixer(found))
        return mixed


def same(width: int, squeezed: bool) -> Block:
    """A block that keeps channels and size; ``squeezed``: its channels are weighed."""
    weighed = Squeeze(width) if squeezed else nn.Identity()
    return Block(nn.Sequential(Branches(width), weighed), width)


def lower(width: int, out: int, stride: int) -> Block:
    """A block from ``width`` channels to ``out``, at 1 / ``stride`` of the size."""
    places = ConvNorm(width, width, 3, stride, groups=width)
    return Block(nn.Sequential(places, nn.Identity(), ConvNorm(width, out)), out)


class Beside(nn.Module):
    """What a module makes of its input, added to it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.m = module

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        added: Tensor = self.m(found)
        return found + added


class Branches(nn.Module):
    """The sum of a 3 × 3 and a 1 × 1 convolution of each channel and the identity, normed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = ConvNorm(width, width, 3, groups=width)
        self.conv1 = nn.Conv2d(width, width, 1, groups=width)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        summed: Tensor = self.bn((self.conv(found) + self.conv1(found)) + found)
        return summed


class Squeeze(nn.Module):
    """Weighs each channel from the means of all, through a quarter of their number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(8, (width // 4 + 4) // 8 * 8)  # to a multiple of 8
        self.fc1 = nn.Conv2d(width, inner, 1)
        self.fc2 = nn.Conv2d(inner, width, 1)

    def forward(self, found: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        means = found.mean((2, 3), keepdim=True)
        weights: Tensor = self.fc2(self.fc1(means).relu()).sigmoid()
        return found * weights
