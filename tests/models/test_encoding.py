"""How an image encoder is asked in each mode; what compiling gives is for tests/test_gpu.py."""

from __future__ import annotations

import pytest
import torch
from small_sam import build_small_sam
from torch import Tensor, nn

from bench.models import encoding
from bench.models.encoding import encoder_of
from bench.models.numerics import Numerics

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is handed to the compiler, which here hands it back."""
    seen: list[object] = []

    def kept(function: object, dynamic: bool) -> object:
        assert not dynamic
        seen.append(function)
        return function

    monkeypatch.setattr(encoding.torch, "compile", kept)
    return seen


def test_on_a_gpu_blocks_are_compiled_and_the_own_encoder_is_left_alone(
    compiled: list[object],
) -> None:
    sam = build_small_sam()
    encode = encoder_of(sam, CUDA, Numerics("bfloat16", True), 4)
    assert len(compiled) == len(sam.image_encoder.blocks) == 2
    assert not any("forward" in vars(block) for block in sam.image_encoder.blocks)
    pictures = torch.randn(3, 3, 128, 128)
    with torch.inference_mode():
        torch.testing.assert_close(encode(pictures), sam.image_encoder(pictures), atol=1e-4, rtol=0)


def test_an_encoder_without_such_blocks_is_compiled_as_a_whole(compiled: list[object]) -> None:
    sam = build_small_sam()
    sam.image_encoder = nn.Sequential(nn.Conv2d(3, 32, 16, 16))
    encoder_of(sam, CUDA, Numerics("float32", True), 1)
    assert compiled == [sam.image_encoder.forward]


@pytest.mark.parametrize(
    ("device", "numerics"), [(CPU, Numerics("float32", True)), (CUDA, Numerics("bfloat16"))]
)
def test_elsewhere_nothing_is_compiled(
    device: torch.device, numerics: Numerics, compiled: list[object]
) -> None:
    encoder_of(build_small_sam(), device, numerics, 4)
    assert compiled == []


@pytest.mark.parametrize(
    ("batch", "count", "asked"), [(8, 8, 8), (8, 5, 8), (8, 3, 4), (8, 1, 1), (6, 5, 6), (1, 1, 1)]
)
def test_few_sizes_are_asked_for(batch: int, count: int, asked: int) -> None:
    sizes = []

    def encode(inputs: Tensor) -> Tensor:
        sizes.append(len(inputs))
        return 2 * inputs

    inputs = torch.randn(count, 3, 4, 4)
    assert torch.equal(encoding._in_few_sizes(encode, batch)(inputs), 2 * inputs)
    assert sizes == [asked]
