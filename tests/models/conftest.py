from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch
from segment_anything.modeling import Sam
from small_sam import build_small_sam

from bench.types import ImageArray, Prediction, Site

LATER_PYTHON = sys.version_info >= (3, 11)
"""Whether transformers and onnxruntime can be installed; without them their tests are left out."""

NEEDS_LATER = (
    "availability", "given_mask", "hub", "lang_sam", "lora", "sam3_text", "several_features",
    "transformers_sam",
)  # fmt: skip
collect_ignore = [] if LATER_PYTHON else [f"test_{name}.py" for name in NEEDS_LATER]


def make_image(height: int, width: int, seed: int) -> ImageArray:
    """Noise over a bright ellipse left of the middle, on a dark ground."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    inside = np.hypot((x - 0.3 * width) / (0.18 * width), (y - 0.5 * height) / (0.3 * height)) < 1
    image = np.where(inside[..., None], (210, 180, 40), (30, 40, 90))
    return (image + rng.integers(0, 30, (height, width, 3))).astype(np.uint8)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small lose time to threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", name="make_image")
def make_image_fixture() -> Callable[[int, int, int], ImageArray]:
    return make_image


@pytest.fixture(scope="session")
def small_sam() -> Sam:
    return build_small_sam()


@pytest.fixture
def site(tmp_path) -> Site:
    return Site(checkpoints=tmp_path / "checkpoints", download=False)


@pytest.fixture(scope="session")
def upscale() -> Callable[[Prediction, int], torch.Tensor]:
    """Prompt i's logits (K, H, W) on its image, by the words of ``Frame``'s docstring."""

    def on_image(prediction: Prediction, i: int) -> torch.Tensor:
        frame = prediction.frames[i]
        resize = partial(torch.nn.functional.interpolate, mode="bilinear", align_corners=False)
        canvas = resize(prediction.logits[i][None].float(), size=frame.canvas)
        content = canvas[..., : frame.content[0], : frame.content[1]]
        return resize(content, size=frame.image)[0]

    return on_image
