"""The quick attention of the image encoder against segment_anything's own."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT
from torch import nn

from bench.models.attention import (
    BlockwiseAttention,
    FusedAttention,
    with_attention,
    with_quick_attention,
)


def encoder(side: int = 128, relative: bool = True) -> ImageEncoderViT:
    """A small ViT with padded windows in one block and all tokens in the other."""
    torch.manual_seed(0)
    made = ImageEncoderViT(
        img_size=side,
        patch_size=16,
        embed_dim=48,
        depth=2,
        num_heads=3,
        mlp_ratio=2,
        out_chans=32,
        use_rel_pos=relative,
        window_size=5,
        global_attn_indexes=(1,),
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    for name, parameter in made.named_parameters():
        if "rel_pos" in name:  # zeros at the start, which would hide a mistake
            nn.init.normal_(parameter, std=0.5)
    return made.eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # as the bench runs


@pytest.mark.parametrize("side", [128, 512])
@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("half", [False, True])
def test_blockwise_attention_is_the_official_one_to_the_bit(
    side: int, relative: bool, half: bool
) -> None:
    official = encoder(side, relative)
    twin = with_attention(official, BlockwiseAttention)
    pictures = torch.randn(2, 3, side, side)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        expected, found = official(pictures), twin(pictures)
    assert expected.std() > 0.1
    assert torch.equal(found, expected)


@pytest.mark.parametrize("relative", [True, False])
def test_fused_attention_is_close_to_the_official_one(relative: bool) -> None:
    official = encoder(relative=relative)
    twin = with_attention(official, FusedAttention)
    pictures = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        torch.testing.assert_close(twin(pictures), official(pictures), atol=1e-5, rtol=1e-4)


def test_a_twin_shares_the_weights_and_leaves_the_encoder_alone() -> None:
    official = encoder()
    names = list(official.state_dict())
    twin = with_attention(official, BlockwiseAttention)
    assert list(official.state_dict()) == names
    assert {id(p) for p in twin.parameters()} == {id(p) for p in official.parameters()}


def test_an_encoder_without_attention_is_its_own_twin() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 8, 3))
    assert with_quick_attention(plain, torch.device("cpu"), exact=True) is plain


def test_on_a_gpu_the_reference_keeps_its_own_attention() -> None:
    official = encoder()
    assert with_quick_attention(official, torch.device("cuda"), exact=True) is official
    quick = with_quick_attention(official, torch.device("cuda"), exact=False)
    assert any(isinstance(module, FusedAttention) for module in quick.modules())
