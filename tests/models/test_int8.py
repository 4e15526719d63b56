"""The encoder in whole numbers of 8 bits: exactly what is written down, near the reference."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from small_sam import build_small_sam
from torch import nn

from bench.analysis.wording.titles import badge
from bench.models import int8
from bench.models.demo import DemoSam
from bench.models.int8 import Int8Linear, in_8_bits, products, with_int8
from bench.models.numerics import Numerics
from bench.models.sam_segmenter import SamSegmenter
from bench.types import BenchError, Prompt, Site

POINT = Prompt(points=np.array([[30, 20]], np.float32), labels=np.array([1]))


def plain(layer: nn.Linear, tokens: torch.Tensor) -> np.ndarray:
    """The definition, number by number; only the roundings to float32 are NumPy's."""
    weights = layer.weight.detach().numpy()
    rows = tokens.numpy()

    def whole(row: np.ndarray) -> tuple[list[int], np.float32]:
        step = np.abs(row).max() / np.float32(127) or np.float32(1)
        return [round(Fraction(float(value / step))) for value in row], step

    found = np.empty((len(rows), len(weights)), np.float32)
    for i, row in enumerate(rows):
        token, step = whole(row)
        for j, weight in enumerate(weights):
            numbers, worth = whole(weight)
            total = sum(a * b for a, b in zip(token, numbers, strict=True))
            found[i, j] = np.float32(np.float32(total) * step) * worth
    return found if layer.bias is None else found + layer.bias.detach().numpy()


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize(("inputs", "outputs", "bias"), [(24, 40, True), (7, 3, False)])
def test_a_layer_is_the_definition_to_the_bit(
    inputs: int, outputs: int, bias: bool, kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernel:
        monkeypatch.setattr(int8, "_on_cpu", lambda: False)
    torch.manual_seed(3)
    layer = nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)
    layer.weight[1] = 0
    tokens = torch.randn(5, 6, inputs) * torch.logspace(-6, 6, 30).view(5, 6, 1)
    tokens[2, 3] = 0
    found = Int8Linear(layer)(tokens)
    assert found.shape == (5, 6, outputs)
    assert np.array_equal(found.flatten(0, 1).numpy(), plain(layer, tokens.flatten(0, 1)))


def test_sums_are_exact_where_float32_alone_would_round() -> None:
    rows = torch.full((2, 3000), 127, dtype=torch.int8)
    columns = torch.full((3000, 3), 127, dtype=torch.int8)
    rows[1, ::2] = -126
    expected = rows.numpy().astype(np.int64) @ columns.numpy().astype(np.int64)
    assert products(rows, columns).tolist() == expected.tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8, "_on_cpu", lambda: False)
        assert products(rows, columns).tolist() == expected.tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("size", [(40, 64, 72), (5, 64, 72), (40, 63, 72)])
def test_cuda_gives_the_same_bits(size: tuple[int, int, int]) -> None:
    tokens, inputs, outputs = size
    layer = nn.Linear(inputs, outputs).requires_grad_(False)
    given = torch.randn(tokens, inputs)
    there = Int8Linear(layer).cuda()
    assert torch.equal(there(given.cuda()).cpu(), Int8Linear(layer.cpu())(given))


def test_numbers_that_are_none_stay_so() -> None:
    layer = nn.Linear(8, 4).requires_grad_(False)
    tokens = torch.ones(3, 8)
    tokens[1, 2] = torch.nan
    finite = torch.isfinite(Int8Linear(layer)(tokens)).all(dim=1)
    assert finite.tolist() == [True, False, True]
    assert in_8_bits(torch.zeros(1, 3))[1].tolist() == [[1.0]]


def answer(numerics: Numerics, image: np.ndarray) -> torch.Tensor:
    segmenter = SamSegmenter(build_small_sam(), Site(), numerics=numerics)
    found = segmenter.predict(segmenter.embed([image]), [POINT], True)
    return torch.as_tensor(found.logits)


def test_a_sam_s_encoder_is_near_the_reference_and_its_own_stays_as_it_is(make_image) -> None:  # type: ignore[no-untyped-def]
    image = make_image(61, 97, 1)
    exact, fast = answer(Numerics(), image), answer(Numerics(int8=True), image)
    gap = (fast - exact).abs().mean() / exact.abs().mean()
    assert 0 < gap < 0.05
    sam = build_small_sam()
    before = {name: each.clone() for name, each in sam.state_dict().items()}
    twin = with_int8(sam.image_encoder)
    linear = [m for m in sam.image_encoder.modules() if type(m) is nn.Linear]
    assert linear
    assert sum(isinstance(m, Int8Linear) for m in twin.modules()) == len(linear)
    assert not any(type(m) is nn.Linear for m in twin.modules())
    assert all(torch.equal(each, before[name]) for name, each in sam.state_dict().items())


def test_an_encoder_without_linear_layers_is_refused() -> None:
    with pytest.raises(BenchError, match=r"int8: Sequential has no linear layer.*int8=false"):
        with_int8(nn.Sequential(nn.Conv2d(3, 4, 3)))


def test_the_mode_is_a_run_of_its_own_and_badged() -> None:
    from bench.config.composing import load_configs

    (config,) = load_configs(["model=demo_s"])
    args = {k: v for k, v in config.model.args.items() if k in ("size", "file", "sha256")}
    reference = DemoSam.pin(args | {"int8": False}, Site())
    assert set(reference) == {"size", "sha256"}
    mode = DemoSam.pin(args | {"int8": True}, Site())
    assert mode == reference | {"int8": True, "decoder": "shared"}
    assert badge({"model": {"args": mode}}, "model") == " [int8]"
    model = DemoSam(**args, int8=True, site=Site())
    assert model.facts["int8"] == "yes"
    assert model.embedding_identity()["int8"] is True
    assert "int8" not in DemoSam(**args, site=Site()).embedding_identity()
