"""A Sam around another image encoder: SAM's own prompt encoder, mask decoder and preprocessing.

So are MobileSAM and RepViT-SAM built: a small encoder learnt to give what ViT-H gives, and the
decoder stayed as it was. Sizes are those of ``segment_anything.build_sam``.
"""

from __future__ import annotations

from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from torch import nn

SIDE = 1024
WIDTH = 256
"""Channels of the features that the decoder looks at."""

_PATCH = 16
"""Pixels of a feature's side."""


def sam_around(
    encoder: nn.Module, side: int = SIDE, width: int = WIDTH, heads: int = 8, hidden: int = 2048
) -> Sam:
    """A Sam that sees images through ``encoder``, which has the attribute ``img_size``, ``side``.

    The encoder makes (B, ``width``, side / 16, side / 16) of (B, 3, side, side). Colours are
    normalised by ImageNet's mean and deviation, which are Sam's defaults.
    """
    grid = (side // _PATCH, side // _PATCH)
    transformer = TwoWayTransformer(depth=2, embedding_dim=width, mlp_dim=hidden, num_heads=heads)
    return Sam(
        image_encoder=encoder,
        prompt_encoder=PromptEncoder(
            embed_dim=width,
            image_embedding_size=grid,
            input_image_size=(side, side),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=transformer,
            transformer_dim=width,
            iou_head_depth=3,
            iou_head_hidden_dim=width,
        ),
    )


def neck(channels: int, width: int = WIDTH) -> nn.Sequential:
    """From an encoder's last (B, channels, h, w) to the features (B, width, h, w), as ViT's."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel_size=1, bias=False),
        LayerNorm2d(width),
        nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
        LayerNorm2d(width),
    )


class ConvNorm(nn.Sequential):
    """A convolution and its batch norm, called ``c`` and ``bn`` in the checkpoints."""

    def __init__(
        self, channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d(
            channels, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.add_module("c", convolution)
        self.add_module("bn", nn.BatchNorm2d(out))


def stem(width: int) -> nn.Sequential:
    """Two convolutions of stride 2: from (B, 3, H, W) to (B, width, H / 4, W / 4)."""
    return nn.Sequential(
        ConvNorm(3, width // 2, 3, 2), nn.GELU(), ConvNorm(width // 2, width, 3, 2)
    )
