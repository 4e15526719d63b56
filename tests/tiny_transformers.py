"""Promptable models of transformers with random weights, small enough for a test, as folders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

SIDES = {"sam": 128, "sam_hq": 128, "sam2": 128, "edgetam": 128, "sam3_tracker": 112}


def write_tiny(arch: str, folder: Path) -> Path:
    """The folder of a model of ``arch``, as the library's own ``save_pretrained`` writes it."""
    _without_bars()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = build_tiny(arch)
    model.save_pretrained(folder)
    return folder


def build_tiny(arch: str) -> Any:
    """The library's own modules, a few thousand times smaller, on the input of ``SIDES``."""
    builders = {"sam": _sam, "sam_hq": _sam_hq, "sam2": _sam2, "edgetam": _edgetam}
    model = builders.get(arch, _sam3_tracker)()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "timm" not in name:  # the library's give masks of one piece
                parameter.normal_(std=(parameter.shape[0] / parameter.numel()) ** 0.5)
            elif not parameter.any():
                parameter.normal_(std=0.2)  # zeros would hide what is not used
    return model.eval()


def _without_bars() -> None:
    from transformers.utils import logging

    logging.disable_progress_bar()


def _vit(side: int) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "output_channels": 32,
        "num_pos_feats": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": side,
        "mlp_dim": 64,
        "window_size": 3,
        "global_attn_indexes": [1],
    }


def _decoder(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "mlp_dim": 64,
        "num_attention_heads": 4,
        "iou_head_hidden_dim": 32,
        **more,
    }


def _prompts(side: int) -> dict[str, Any]:
    return {"hidden_size": 32, "image_size": side, "patch_size": 16}


def _sam() -> Any:
    from transformers import SamConfig, SamModel

    side = SIDES["sam"]
    return SamModel(
        SamConfig(
            vision_config=_vit(side),
            prompt_encoder_config=_prompts(side) | {"image_embedding_size": side // 16},
            mask_decoder_config=_decoder(),
        )
    )


def _sam_hq() -> Any:
    from transformers import SamHQConfig, SamHQModel

    side = SIDES["sam_hq"]
    return SamHQModel(
        SamHQConfig(
            vision_config=_vit(side),
            prompt_encoder_config=_prompts(side) | {"image_embedding_size": side // 16},
            mask_decoder_config=_decoder(vit_dim=32),
        )
    )


def _sam2() -> Any:
    from transformers import Sam2Config, Sam2Model

    side = SIDES["sam2"]
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [side, side],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [4, 2, 4, 2],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [3],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[side // n, side // n] for n in (4, 8, 16)],
        "fpn_hidden_size": 32,
    }
    return Sam2Model(
        Sam2Config(
            vision_config=vision,
            prompt_encoder_config=_prompts(side),
            mask_decoder_config=_decoder(),
        )
    )


def _edgetam() -> Any:
    from transformers import EdgeTamConfig, EdgeTamModel
    from transformers.models.timm_wrapper import TimmWrapperConfig

    side = SIDES["edgetam"]
    backbone = TimmWrapperConfig(
        architecture="repvit_m0_9",
        model_args={"features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    vision = {
        "backbone_config": backbone.to_dict(),
        "backbone_channel_list": [384, 192, 96, 48],
        "backbone_feature_sizes": [[side // n, side // n] for n in (4, 8, 16)],
        "fpn_hidden_size": 32,
    }
    return EdgeTamModel(
        EdgeTamConfig(
            vision_config=vision,
            prompt_encoder_config=_prompts(side),
            mask_decoder_config=_decoder(),
        )
    )


def _sam3_tracker() -> Any:
    from transformers import Sam3TrackerConfig, Sam3TrackerModel

    side = SIDES["sam3_tracker"]
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": side,
        "pretrain_image_size": side,
        "window_size": 4,
        "global_attn_indexes": [1],
    }
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": backbone,
        "backbone_feature_sizes": [[4 * side // n, 4 * side // n] for n in (14, 28, 56)],
        "fpn_hidden_size": 32,
    }
    return Sam3TrackerModel(
        Sam3TrackerConfig(
            vision_config=vision,
            prompt_encoder_config=_prompts(side) | {"patch_size": 14},
            mask_decoder_config=_decoder(),
        )
    )


_RENAMED = (
    (r"image_encoder\.", "vision_encoder."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (r"vision_encoder\.blocks\.", "vision_encoder.layers."),
    (r"neck\.0\.", "neck.conv1."),
    (r"neck\.1\.", "neck.layer_norm1."),
    (r"neck\.2\.", "neck.conv2."),
    (r"neck\.3\.", "neck.layer_norm2."),
    (r"\bnorm(\d)\.", r"layer_norm\1."),
    (r"\bnorm_final_attn\.", "layer_norm_final_attn."),
    (r"mask_downscaling\.0\.", "mask_embed.conv1."),
    (r"mask_downscaling\.1\.", "mask_embed.layer_norm1."),
    (r"mask_downscaling\.3\.", "mask_embed.conv2."),
    (r"mask_downscaling\.4\.", "mask_embed.layer_norm2."),
    (r"mask_downscaling\.6\.", "mask_embed.conv3."),
    (r"point_embeddings\.", "point_embed."),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"output_upscaling\.0\.", "upscale_conv1."),
    (r"output_upscaling\.1\.", "upscale_layer_norm."),
    (r"output_upscaling\.3\.", "upscale_conv2."),
    (r"hf_token\.", "hq_token."),
    (r"hf_mlp\.", "hq_mask_mlp."),
    (r"(mlps\.\d|iou_prediction_head|hq_mask_mlp)\.layers\.0\.", r"\1.proj_in."),
    (r"(mlps\.\d|iou_prediction_head|hq_mask_mlp)\.layers\.2\.", r"\1.proj_out."),
    (r"(mlps\.\d|iou_prediction_head|hq_mask_mlp)\.layers\.1\.", r"\1.layers.0."),
    (r"compress_vit_feat\.0\.", "compress_vit_conv1."),
    (r"compress_vit_feat\.1\.", "compress_vit_norm."),
    (r"compress_vit_feat\.3\.", "compress_vit_conv2."),
    (r"embedding_encoder\.0\.", "encoder_conv1."),
    (r"embedding_encoder\.1\.", "encoder_norm."),
    (r"embedding_encoder\.3\.", "encoder_conv2."),
    (r"embedding_maskfeature\.0\.", "mask_conv1."),
    (r"embedding_maskfeature\.1\.", "mask_norm."),
    (r"embedding_maskfeature\.3\.", "mask_conv2."),
)
"""The names of the authors' tensors, and what the library calls them."""


def write_as(model: Any, state: Mapping[str, torch.Tensor], folder: Path) -> Path:
    """The folder of a library's model with the weights of an authors' Sam of the same sizes."""
    named = {}
    for name, tensor in state.items():
        for pattern, theirs in _RENAMED:
            name = re.sub(pattern, theirs, name)
        named[name] = tensor
    name = "prompt_encoder.shared_embedding.positional_embedding"
    named["shared_image_embedding.positional_embedding"] = named[name]
    model.load_state_dict(named)
    _without_bars()
    model.save_pretrained(folder)
    return folder
