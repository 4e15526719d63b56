"""Checkpoints of other projects, told by the names of their tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

STRANGERS: Mapping[str, tuple[str, str]] = {
    "HQ-SAM": (
        r"mask_decoder\.(hf_token|hf_mlp|compress_vit_feat|embedding_encoder)",
        "its mask decoder has parts that SAM's has not; model=sam_hq_vit_b and its siblings are it",
    ),
    "Hugging Face transformers": (
        r"vision_encoder\.|shared_image_embedding\.",
        "name the folder that it lies in, beside its config.json, as model.args.folder of a model "
        "such as hf_sam_vit_b",
    ),
    "SAM 2": (
        r"memory_attention\.|sam_mask_decoder\.|image_encoder\.trunk\.",
        "it is another network; model=sam2_1_hiera_tiny and its siblings are it",
    ),
    "MobileSAM": (
        r"image_encoder\.(layers\.\d+\.blocks|patch_embed\.seq)\.",
        "its image encoder is TinyViT; model=mobile_sam is it",
    ),
    "RepViT-SAM": (
        r"image_encoder\.features\.",
        "its image encoder is RepViT; model=repvit_sam is it",
    ),
    "EfficientSAM": (
        r"prompt_encoder\.(invalid_points|bbox_top_left_embeddings)\.",
        "its decoder is another than SAM's; model=efficient_sam_ti and its sibling are it",
    ),
    "EfficientViT-SAM": (
        r"image_encoder\.backbone\.",
        "its image encoder is EfficientViT; model=efficientvit_sam_l0 and its siblings are it",
    ),
    "a LoRA adapter": (
        r".*\blora_|.*\blinear_[ab]_[qkv]\b",
        "merge it into the weights first, or, where peft wrote it, name its folder as "
        "model.args.adapter of a model such as hf_sam_vit_b",
    ),
}
"""What files that don't fit may be: by the beginning of some tensor's name, and what to do."""


def stranger(names: Iterable[str]) -> str:
    """Whose file has tensors of these names, and what to do; empty where that isn't known."""
    known = list(names)
    for project, (pattern, remedy) in STRANGERS.items():
        if any(re.match(pattern, name) for name in known):
            return f"; it looks like {project}: {remedy}"
    return ""
