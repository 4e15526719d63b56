"""Models of transformers that take words, with random weights and tokenizers made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SIDE = 112


def write_words(arch: str, folder: Path) -> Path:
    """The folder of a small model of ``arch`` with its processor, as ``save_pretrained`` writes."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        model, processor = _BUILDERS[arch]()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim > 1 and "embeddings" not in name:
                    parameter.normal_(std=(parameter.shape[0] / parameter.numel()) ** 0.5)
                elif not parameter.any():
                    parameter.normal_(std=0.2)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def clip_tokenizer(length: int | None = None) -> Any:
    """A token for each byte, within a word and at its end, and the two that begin and end."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    symbols = [*letters, *(f"{each}</w>" for each in letters), "<|startoftext|>", "<|endoftext|>"]
    more = {} if length is None else {"model_max_length": length}
    return CLIPTokenizer(vocab={s: i for i, s in enumerate(symbols)}, merges=[], **more)


def bert_tokenizer() -> Any:
    """A dozen words."""
    from transformers import BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "red", "dog", "cat", "big",
             "?", "##s"]  # fmt: skip
    return BertTokenizer(vocab={word: i for i, word in enumerate(words)})


def _sam3() -> tuple[Any, Any]:
    from transformers import Sam3Config, Sam3ImageProcessor, Sam3Model, Sam3Processor

    tokenizer = clip_tokenizer(32)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    backbone = {
        "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE,
        "pretrain_image_size": SIDE, "window_size": 4, "global_attn_indexes": [1],
    }  # fmt: skip
    vision = {
        "model_type": "sam3_vision_model", "backbone_config": backbone, "fpn_hidden_size": 32,
        "backbone_feature_sizes": [[4 * SIDE // n, 4 * SIDE // n] for n in (14, 28, 56)],
    }  # fmt: skip
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64,
        "projection_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 32, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    config = Sam3Config(
        vision_config=vision,
        text_config=text,
        geometry_encoder_config=small | {"num_layers": 1},
        detr_encoder_config=small | {"num_layers": 2},
        detr_decoder_config=small | {"num_layers": 2, "num_queries": 12},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 4},
    )
    pictures = Sam3ImageProcessor(size={"height": SIDE, "width": SIDE})
    return Sam3Model(config), Sam3Processor(pictures, tokenizer)


def _dino(model: str, config: str) -> tuple[Any, Any]:
    import transformers

    tokenizer = bert_tokenizer()
    backbone = transformers.SwinConfig(
        image_size=64, patch_size=4, embed_dim=16, depths=[1, 1, 1, 1], num_heads=[2, 2, 2, 2],
        window_size=4, out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    text = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    settings = getattr(transformers, config)(
        backbone_config=backbone, text_config=text, d_model=32, encoder_layers=2,
        decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=64, decoder_ffn_dim=64, num_queries=20, max_text_len=24,
        num_feature_levels=4,
    )  # fmt: skip
    pictures = transformers.GroundingDinoImageProcessor(
        size={"shortest_edge": 96, "longest_edge": 160}
    )
    processor = transformers.GroundingDinoProcessor(pictures, tokenizer)
    return getattr(transformers, model)(settings), processor


def _grounding_dino() -> tuple[Any, Any]:
    return _dino("GroundingDinoForObjectDetection", "GroundingDinoConfig")


def _mm_grounding_dino() -> tuple[Any, Any]:
    return _dino("MMGroundingDinoForObjectDetection", "MMGroundingDinoConfig")


def _owlv2() -> tuple[Any, Any]:
    from transformers import (
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessor,
        Owlv2Processor,
    )

    tokenizer = clip_tokenizer(16)
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
              "num_attention_heads": 2}  # fmt: skip
    text = layers | {
        "vocab_size": len(tokenizer), "max_position_embeddings": 16,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    config = Owlv2Config(
        text_config=text,
        vision_config=layers | {"image_size": 96, "patch_size": 16},
        projection_dim=32,
    )
    pictures = Owlv2ImageProcessor(size={"height": 96, "width": 96})
    return Owlv2ForObjectDetection(config), Owlv2Processor(pictures, tokenizer)


_BUILDERS = {
    "sam3": _sam3,
    "grounding_dino": _grounding_dino,
    "mm_grounding_dino": _mm_grounding_dino,
    "owlv2": _owlv2,
}
