"""Masks equal, bit for bit, those of the plain definition on the whole picture in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from plain_masks import KINDS, plain_mask, plain_values, random_frame, random_logits

from bench.scoring import foreground
from bench.scoring.bilinear import exact_values, sides
from bench.scoring.foreground import check_products, foregrounds, product, product_error
from bench.types import BenchError, BoolArray, Frame

THRESHOLDS = (0.0, -0.040005334613699206, 0.5, -1.0, 0.1)
LONG = pytest.mark.long
SAM = Frame((1024, 1024), (683, 1024), (301, 451))


def masks(logits: torch.Tensor, frame: Frame, threshold: float = 0.0) -> list[BoolArray]:
    return [mask.dense() for mask in foregrounds(logits, frame, threshold)]


def interpolated(logits: torch.Tensor, frame: Frame) -> torch.Tensor:
    """(K, h, w) logits on the image's pixels as ``Sam.postprocess_masks`` has torch do it."""
    full = F.interpolate(logits[None], frame.canvas, mode="bilinear", align_corners=False)
    full = full[..., : frame.content[0], : frame.content[1]]
    return F.interpolate(full, frame.image, mode="bilinear", align_corners=False)[0]


@pytest.mark.parametrize("grids", [10, pytest.param(220, marks=LONG)])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_plain_definition(kind: str, grids: int) -> None:
    """2,200 grids in all when long: any size, frame and threshold, of 1, 3 and 4 candidates."""
    rng = np.random.default_rng([KINDS.index(kind), grids])
    for _ in range(grids):
        grid = int(rng.choice([1, 2, 5, 8, 16, 32])), int(rng.choice([1, 3, 8, 16, 32, 40]))
        frame, threshold = random_frame(rng, grid), float(rng.choice(THRESHOLDS))
        logits = random_logits(rng, (int(rng.choice([1, 3, 4])), *grid), threshold, kind)
        found = masks(torch.from_numpy(logits), frame, threshold)
        for one, cells in zip(found, logits, strict=True):
            assert np.array_equal(one, plain_mask(cells, frame, threshold))


@pytest.mark.parametrize("kind", ["smooth", "levels", "lone"])
@pytest.mark.parametrize(
    "frame",
    [
        SAM,
        Frame((256, 256), (192, 256), (192, 256)),
        Frame((64, 96), (64, 96), (64, 96)),
        pytest.param(Frame((1024, 1024), (768, 1024), (1500, 2000)), marks=LONG),
    ],
)
def test_pictures_of_many_tiles_equal_the_plain_definition(frame: Frame, kind: str) -> None:
    rng = np.random.default_rng(3)
    grid = (64, 96) if frame.canvas == (64, 96) else (256, 256)
    logits = random_logits(rng, (1, *grid), 0.0, kind)
    assert np.array_equal(
        masks(torch.from_numpy(logits), frame)[0], plain_mask(logits[0], frame, 0)
    )


def test_what_float32_cannot_decide_is_decided_exactly() -> None:
    """A ramp through the threshold: of a float32 product alone some pixels would be wrong."""
    rng = np.random.default_rng(0)
    grid = torch.from_numpy(rng.choice(np.float32([-0.3, -0.1, 0.1, 0.3]), (1, 64, 64)))
    frame = Frame((256, 256), (192, 256), (192, 256))
    down, across = sides((64, 64), frame)
    alone = (product(grid[0], down.matrix, across.matrix) > 0).numpy()
    exact = plain_mask(grid[0].numpy(), frame, 0)
    assert (alone != exact).any(), "or this says nothing"
    assert np.array_equal(masks(grid, frame)[0], exact)


@pytest.mark.parametrize("together", [1, 3, 4])
@pytest.mark.parametrize("frame", [SAM, Frame((64, 64), (48, 64), (97, 130))])
def test_values_are_those_of_torch_up_to_rounding(frame: Frame, together: int) -> None:
    """Places and weights are torch's own formula; another one would be off by far more.

    For three candidates at once torch has a kernel that rounds the places in another way.
    """
    size = frame.canvas[0] // 4
    logits = torch.randn(together, size, size, generator=torch.manual_seed(1))
    rounding = 2.0**-24 * (16 + (2 * frame.canvas[0] if together == 3 else 0))
    for ours, theirs in zip(logits.numpy(), interpolated(logits, frame).numpy(), strict=True):
        assert np.abs(plain_values(ours, frame) - theirs).max() <= rounding * np.abs(ours).max()


def test_candidates_and_what_lies_beside_them_change_nothing() -> None:
    rng = np.random.default_rng(5)
    logits = torch.from_numpy(random_logits(rng, (4, 32, 32), 0.0, "levels"))
    frame = Frame((128, 128), (90, 128), (70, 99))
    together = masks(logits, frame)
    for number in range(4):
        (alone,) = masks(logits[number : number + 1], frame)
        assert np.array_equal(alone, together[number])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_taken_as_the_numbers_it_holds(dtype: torch.dtype) -> None:
    logits = torch.randn(2, 16, 16, generator=torch.manual_seed(0)).to(dtype)
    frame = Frame((64, 64), (40, 64), (75, 120))
    for one, cells in zip(masks(logits, frame), logits.float().numpy(), strict=True):
        assert np.array_equal(one, plain_mask(cells, frame, 0))


def test_nothing_above_and_what_lies_in_the_padding_alone_are_empty_masks() -> None:
    logits = torch.full((2, 32, 32), -1.0)
    logits[1, 30, 5] = 9
    found = foregrounds(logits, Frame((128, 128), (40, 128), (40, 128)), 0.0)
    assert [(mask.area, mask.shape) for mask in found] == [(0, (40, 128))] * 2


@pytest.mark.parametrize(
    "frame", [Frame.identity((96, 130)), Frame((192, 260), (150, 260), (300, 520))]
)
@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_of_an_answer_of_zeros_and_ones_few_pixels_are_open(
    frame: Frame, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its background lies at the threshold, where float64 for each pixel would take long."""
    check_products(torch.device("cpu"))  # once a process, and exact itself
    decided: list[int] = []

    def watched(*asked: Any) -> Any:
        decided.append(len(asked[0]))
        return exact_values(*asked)

    monkeypatch.setattr(foreground, "exact_values", watched)
    y, x = np.mgrid[:96, :130]
    cells = (np.hypot(y - 50, x - 60) < 30) | ((y == 0) & (x == 0)) | ((y == 95) & (x == 129))
    logits = cells.astype(np.float32)
    (found,) = masks(torch.from_numpy(logits)[None], frame, threshold)
    assert np.array_equal(found, plain_mask(logits, frame, threshold))
    assert sum(decided) < 0.01 * found.size


def test_only_tiles_that_hold_a_rim_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disc on 12 million pixels: neither its inside nor what is around it."""
    pixels: list[int] = []

    def watched(*matrices: torch.Tensor | None) -> torch.Tensor:
        values = product(*matrices)  # type: ignore[arg-type]
        pixels.append(values.numel())
        return values

    monkeypatch.setattr(foreground, "product", watched)
    y, x = np.mgrid[:256, :256]
    disc = (60 - np.hypot(y - 90, x - 128)).astype(np.float32)
    frame = Frame((1024, 1024), (768, 1024), (3000, 4000))
    (found,) = foregrounds(torch.from_numpy(disc)[None], frame, 0.0)
    assert 2_700_000 < found.area < 2_800_000
    assert 100_000 < sum(pixels) < 2_200_000


def test_products_are_as_exact_as_float32_on_this_device() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert 0 < product_error(device) < 4e-7
    check_products(device)


def test_reduced_products_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As TF32 does it: ten bits of each factor."""

    def reduced(cells: torch.Tensor, *matrices: torch.Tensor | None) -> torch.Tensor:
        short = [
            None if each is None else (each.view(torch.int32) & ~0x1FFF).view(torch.float32)
            for each in (cells.contiguous(), *matrices)
        ]
        return product(*short)  # type: ignore[arg-type]

    monkeypatch.setattr(foreground, "product", reduced)
    foreground._check_products.cache_clear()
    with pytest.raises(BenchError, match=r"products on cpu are off by .*'highest' is needed"):
        foregrounds(torch.zeros(1, 4, 4), Frame.identity((4, 4)), 0.0)
    foreground._check_products.cache_clear()
