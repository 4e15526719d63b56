"""SAM's mask decoder on many prompts against ``MaskDecoder.forward``."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from segment_anything.modeling import MaskDecoder, Sam
from torch import Tensor

from bench.demo.network import build_demo_sam
from bench.models.decoding import decoder_of


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # as the bench runs


@pytest.fixture(scope="module")
def sam() -> Sam:
    torch.manual_seed(0)
    return build_demo_sam("s").eval().requires_grad_(False)


def official(
    sam: Sam, features: Tensor, sparse: Tensor, dense: Tensor, multimask: bool
) -> tuple[Tensor, Tensor]:
    masks, predicted_iou = sam.mask_decoder(
        image_embeddings=features,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=multimask,
    )
    return masks, predicted_iou


def prompts(sam: Sam, number: int, fed_back: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(number)
    points = 256 * torch.rand(number, 2, 2, generator=generator)
    masks = torch.randn(number, 1, 128, 128, generator=generator) if fed_back else None
    labels = torch.ones(number, 2, dtype=torch.int)
    sparse, dense = sam.prompt_encoder(points=(points, labels), boxes=None, masks=masks)
    return sparse, dense


@pytest.mark.parametrize("multimask", [False, True])
@pytest.mark.parametrize("fed_back", [False, True])
@pytest.mark.parametrize("number", [1, 3])
@torch.inference_mode()
def test_prompts_of_one_image_get_the_official_masks_to_the_bit(
    sam: Sam, number: int, fed_back: bool, multimask: bool
) -> None:
    features = torch.randn(1, sam.prompt_encoder.embed_dim, 32, 32)
    sparse, dense = prompts(sam, number, fed_back)
    expected = official(sam, features, sparse, dense, multimask)
    decode = decoder_of(sam)
    seen = decode.look(features + dense)
    for _ in range(2):  # what was seen serves again
        found = decode(seen, sparse, multimask)
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other)


@torch.inference_mode()
def test_prompts_of_several_images_get_what_each_image_gives(sam: Sam) -> None:
    features = torch.randn(3, sam.prompt_encoder.embed_dim, 32, 32)
    sparse, dense = prompts(sam, 3, fed_back=True)
    decode = decoder_of(sam)
    masks, predicted_iou = decode(decode.look(features + dense), sparse, True)
    for i in range(3):
        one = slice(i, i + 1)
        expected = official(sam, features[one], sparse[one], dense[one], True)
        torch.testing.assert_close(masks[one], expected[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(predicted_iou[one], expected[1], atol=1e-5, rtol=1e-4)


class Louder(MaskDecoder):
    """A relative of SAM's decoder whose masks differ."""

    def forward(self, **asked: Any) -> tuple[Tensor, Tensor]:
        """Twice the logits."""
        masks, predicted_iou = super().forward(**asked)
        return 2 * masks, predicted_iou


@torch.inference_mode()
def test_a_relative_of_the_decoder_is_asked_as_it_is() -> None:
    sam = build_demo_sam("s").eval().requires_grad_(False)
    features = torch.randn(1, sam.prompt_encoder.embed_dim, 32, 32)
    sparse, dense = prompts(sam, 1, fed_back=False)
    expected = official(sam, features, sparse, dense, False)
    sam.mask_decoder.__class__ = Louder
    decode = decoder_of(sam)
    found = decode(decode.look(features + dense), sparse, False)
    torch.testing.assert_close(found[0], 2 * expected[0])
