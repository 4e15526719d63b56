"""The faster modes' decoder against ``MaskDecoder.forward``: another order of the same sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from operator_calls import Operators
from segment_anything.modeling import MaskDecoder, Sam
from torch import Tensor

from bench.demo.network import build_demo_sam
from bench.models.decoding import decoder_of
from bench.models.numerics import Numerics
from bench.models.sam_segmenter import SamSegmenter
from bench.models.shared_decoding import SharedDecoder
from bench.types import Prompt, Site


@pytest.fixture(scope="module")
def sam() -> Sam:
    """With weights large enough for logits of some size."""
    torch.manual_seed(0)
    sam = build_demo_sam("s").eval().requires_grad_(False)
    for each in sam.mask_decoder.parameters():
        each.mul_(1.5)
    return sam


def asked(
    sam: Sam, number: int, points: int, fed_back: bool
) -> tuple[list[Tensor], Tensor, Tensor | None, Tensor]:
    """Features of two images in turn, sparse embeddings, logits fed back, dense embeddings."""
    draw = torch.Generator().manual_seed(10 * number + points)
    two = torch.randn(2, sam.prompt_encoder.embed_dim, 32, 32, generator=draw)
    places = 256 * torch.rand(number, points, 2, generator=draw)
    labels = torch.ones(number, points, dtype=torch.int)
    masks = 9 * torch.randn(number, 1, 128, 128, generator=draw) if fed_back else None
    sparse, dense = sam.prompt_encoder(points=(places, labels), boxes=None, masks=masks)
    images = list(two)
    return [images[i % 2] for i in range(number)], sparse, masks, dense


@pytest.mark.parametrize("multimask", [False, True])
@pytest.mark.parametrize("fed_back", [False, True])
@pytest.mark.parametrize(("number", "points"), [(1, 1), (3, 2), (5, 9)])
@torch.inference_mode()
def test_in_float32_only_the_order_of_sums_differs(
    sam: Sam, number: int, points: int, fed_back: bool, multimask: bool
) -> None:
    features, sparse, masks, dense = asked(sam, number, points, fed_back)
    found = SharedDecoder(sam, torch.float32)(features, sparse, masks, multimask)
    plain = decoder_of(sam)
    expected = plain(plain.look(torch.stack(features) + dense), sparse, multimask)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        reach = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * reach + 1e-6)


@torch.inference_mode()
def test_in_bfloat16_it_is_as_near_as_autocast(sam: Sam) -> None:
    features, sparse, masks, dense = asked(sam, 5, 3, True)
    plain = decoder_of(sam)
    exact = plain(plain.look(torch.stack(features) + dense), sparse, True)
    with torch.autocast("cpu", torch.bfloat16):
        autocast = plain(plain.look(torch.stack(features) + dense), sparse, True)
    found = SharedDecoder(sam, torch.bfloat16)(features, sparse, masks, True)
    for one, other, truth in zip(found, autocast, exact, strict=True):
        assert one.dtype == torch.float32
        assert 0 < (one - truth).abs().mean() < 1.5 * (other - truth).abs().mean()


@torch.inference_mode()
def test_what_is_kept_of_an_image_is_that_images(sam: Sam) -> None:
    decoder = SharedDecoder(sam, torch.float32)
    features, sparse, _, _ = asked(sam, 1, 1, False)
    other = [features[0] + 1]
    first = decoder(features, sparse, None, True)
    second = decoder(other, sparse, None, True)
    again = decoder(features, sparse, None, True)
    assert not torch.equal(first[0], second[0])
    assert torch.equal(first[0], again[0])
    fresh = SharedDecoder(sam, torch.float32)(other, sparse, None, True)
    assert torch.equal(second[0], fresh[0])


class Louder(MaskDecoder):
    """A relative of SAM's decoder."""


def test_a_relative_of_the_decoder_is_not_replaced() -> None:
    sam = build_demo_sam("s").eval()
    assert SharedDecoder.takes(sam)
    sam.mask_decoder.__class__ = Louder
    assert not SharedDecoder.takes(sam)
    image = np.zeros((40, 60, 3), np.uint8)
    point = Prompt(points=np.array([[30, 20]], np.float32), labels=np.array([1]))
    segmenter = SamSegmenter(sam, Site(), numerics=Numerics("bfloat16"))
    assert segmenter.predict(segmenter.embed([image]), [point], True).logits.shape[1] == 3


@pytest.mark.parametrize("fed_back", [False, True])
@torch.inference_mode()
def test_it_takes_fewer_operators(sam: Sam, fed_back: bool) -> None:
    features, sparse, masks, _ = asked(sam, 4, 2, fed_back)
    one = [features[0]] * 4
    shared, plain = SharedDecoder(sam, torch.float32), decoder_of(sam)
    shared(one, sparse, masks, True)
    with Operators() as now:
        shared(one, sparse, masks, True)
    with Operators() as before:
        _, dense = sam.prompt_encoder(points=None, boxes=None, masks=masks)
        plain(plain.look(torch.stack(one) + dense), sparse, True)
    assert now.computing < 0.85 * before.computing
