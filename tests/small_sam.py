"""A Sam of the official modules with random weights, small enough for a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

from bench.models.efficient_sam_network import EfficientSamNetwork
from bench.models.efficientvit_sam import EfficientVit, Size, with_epsilon
from bench.models.efficientvit_sam import Stage as VitStage
from bench.models.mobile_sam import Stage, TinyVit
from bench.models.repvit_sam import RepVit
from bench.models.sam_around import sam_around
from bench.models.sam_segmenter import SamEmbedding, SamSegmenter
from bench.types import ImageArray, Prediction, Prompt, Site

M = TypeVar("M", bound=torch.nn.Module)


class SmallSam(SamSegmenter):
    """The same as a model of the bench."""

    def __init__(self, *, site: Site) -> None:
        super().__init__(build_small_sam(), site)

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        return {}


def build_small_sam(side: int = 128, dim: int = 32) -> Sam:
    """The official modules, a few thousand times smaller: 8×8 embedding, 32×32 logits."""
    torch.manual_seed(0)
    grid = (side // 16, side // 16)
    sam = Sam(
        image_encoder=ImageEncoderViT(
            img_size=side,
            patch_size=16,
            embed_dim=32,
            depth=2,
            num_heads=2,
            mlp_ratio=2.0,
            out_chans=dim,
            use_rel_pos=True,
            window_size=3,
            global_attn_indexes=(1,),
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=dim,
            image_embedding_size=grid,
            input_image_size=(side, side),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=dim, mlp_dim=64, num_heads=4),
            transformer_dim=dim,
            iou_head_hidden_dim=32,
        ),
    )
    return filled(sam)


def filled(sam: M) -> M:
    """Ready to be asked, with no parameter of zeros alone: positions, biases, and batch norms too.

    They would hide what is not used.
    """
    for parameter in sam.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    for module in sam.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return sam.eval()


def build_small_mobile_sam(side: int = 128, dim: int = 32) -> Sam:
    """MobileSAM, a few hundred times smaller: windows that fit the tokens, and that don't."""
    torch.manual_seed(0)
    stages = (Stage(8, 1, 0, 0), Stage(16, 1, 2, 7), Stage(16, 2, 2, 8), Stage(24, 1, 3, 7))
    return filled(sam_around(TinyVit(stages, side, dim), side, dim, heads=4, hidden=64))


def build_small_repvit_sam(side: int = 128, dim: int = 32) -> Sam:
    """RepViT-SAM, a few hundred times smaller."""
    torch.manual_seed(0)
    stages = ((8, 2), (16, 1), (24, 3), (32, 2))
    return filled(sam_around(RepVit(stages, side, dim), side, dim, heads=4, hidden=64))


def build_small_efficientvit_sam(side: int = 128, dim: int = 32) -> Sam:
    """EfficientViT-SAM, a few hundred times smaller: its encoder sees half of the prompts' side."""
    torch.manual_seed(0)
    stages = (
        VitStage(16, 1, "fused", 2, False),
        VitStage(16, 1, "fused", 2, False),
        VitStage(32, 1, "squeezed", 2, True),
        VitStage(64, 2, "attention", 2, True),
    )
    encoder = EfficientVit(Size(side // 2, (8, 1), stages, 5, 1, 2), side // 16, 16, dim)
    return filled(with_epsilon(sam_around(encoder, side, dim, heads=4, hidden=64)))


def build_small_efficient_sam() -> EfficientSamNetwork:
    """EfficientSAM, a few hundred times smaller: 8×8 embedding, 32×32 logits."""
    torch.manual_seed(0)
    return filled(EfficientSamNetwork(24, 3, depth=2, side=128, out=32, hidden=64))


SMALL_SAMS: Mapping[str, Callable[[], Sam]] = {
    "small_sam": build_small_sam,
    "small_mobile_sam": build_small_mobile_sam,
    "small_repvit_sam": build_small_repvit_sam,
    "small_efficientvit_sam": build_small_efficientvit_sam,
}
"""Those of each image encoder that a Sam has."""


class CrampedSam(SmallSam):
    """The same where memory is short: more than ``images`` or ``prompts`` at once find none."""

    def __init__(self, images: int, prompts: int, *, site: Site) -> None:
        super().__init__(site=site)
        self._most = {"images": images, "prompts": prompts}

    def embed(self, images: Sequence[ImageArray]) -> list[SamEmbedding]:
        self._need(len(images), "images")
        return super().embed(images)

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        self._need(len(prompts), "prompts")
        return super().predict(embeddings, prompts, multimask)

    def _need(self, count: int, kind: str) -> None:
        if count > self._most[kind]:
            raise torch.cuda.OutOfMemoryError(f"CUDA out of memory: {count} {kind}")
