"""What only a GPU can show: the official answers, real shortage of memory, whole runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from row_comparison import compare
from segment_anything import SamPredictor
from small_sam import build_small_sam

from bench.config.composing import load_configs
from bench.models.numerics import Numerics
from bench.models.sam_segmenter import SamSegmenter
from bench.run.batches import Halving, Room
from bench.run.plan import make_plan
from bench.run.progress import run_plan
from bench.scoring.aim import Aim
from bench.scoring.device import transfers
from bench.scoring.device.batch import on_device
from bench.scoring.metrics.boundary_iou import band_width
from bench.store.runs import read_runs
from bench.types import Candidates, Frame, ImageArray, Mask, Prediction, Prompt, Site

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

SITE = Site(device="cuda", image_batch=4, prompt_batch=64)
CLOSE = 1e-3


def image(seed: int, height: int = 61, width: int = 97) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def prompts() -> list[Prompt]:
    point = np.array([[20, 30]], np.float32), np.ones(1, np.int64)
    box = np.array([11, 7, 60, 50], np.float32)
    logits = np.random.default_rng(3).normal(0, 4, (32, 32)).astype(np.float32)
    return [
        Prompt(*point),
        Prompt(box=box),
        Prompt(*point, box=box),
        Prompt(*point, mask_logits=logits),
    ]


def answers(segmenter: SamSegmenter, images: list[ImageArray]) -> Prediction:
    embeddings = segmenter.embed(images)
    flat = [(each, prompt) for each in embeddings for prompt in prompts()]
    return segmenter.predict([e for e, _ in flat], [p for _, p in flat], True)


def test_batches_of_several_images_answer_as_the_official_predictor() -> None:
    sam = build_small_sam().cuda()
    images = [image(seed, 61 + seed, 97) for seed in range(6)]
    found = answers(SamSegmenter(sam, SITE), images)
    predictor = SamPredictor(sam)
    for i, picture in enumerate(images):
        predictor.set_image(picture)
        for j, prompt in enumerate(prompts()):
            _, iou, low = predictor.predict(
                point_coords=prompt.points if prompt.n_points else None,
                point_labels=prompt.labels if prompt.n_points else None,
                box=prompt.box,
                mask_input=None if prompt.mask_logits is None else prompt.mask_logits[None],
            )
            place = i * len(prompts()) + j
            assert np.abs(found.logits[place].cpu().numpy() - low).max() < CLOSE
            assert np.abs(found.predicted_iou[place].cpu().numpy() - iou).max() < CLOSE


@pytest.mark.parametrize(
    "numerics",
    [
        Numerics("bfloat16"),
        Numerics("float16"),
        Numerics("float32", True),
        Numerics("bfloat16", True),
        Numerics(int8=True),
    ],
    ids=str,
)
def test_faster_modes_are_close_and_not_the_same(numerics: Numerics) -> None:
    images = [image(seed) for seed in range(5)]  # no multiple of the batch
    exact = answers(SamSegmenter(build_small_sam(), SITE), images).logits
    found = answers(SamSegmenter(build_small_sam(), SITE, numerics=numerics), images).logits
    off = float((found - exact).norm() / exact.norm())
    rounded = numerics.dtype != "float32" or numerics.int8
    assert off < (0.05 if rounded else CLOSE)
    if rounded:
        assert off > 0


def test_a_batch_waits_for_its_two_copies_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch raises where an operator waits for the device by itself."""
    arrivals: list[int] = []
    arrived = transfers._arrived

    def counted(tensor: torch.Tensor) -> torch.Tensor:
        arrivals.append(tensor.numel())
        return arrived(tensor)

    monkeypatch.setattr(transfers, "_arrived", counted)
    frames = [Frame((64, 64), (48, 64), (97, 130)), Frame((64, 64), (64, 40), (120, 75))] * 8
    logits = torch.randn(16, 3, 16, 16, generator=torch.manual_seed(4)).cuda()
    given = Candidates.of(logits, torch.rand(16, 3, device="cuda"), frames)

    def strings() -> list[str | None]:
        rng = np.random.default_rng(4)
        aims = [
            Aim(Mask.from_dense(rng.random(frame.image) < 0.3), rng.random(frame.image) < 0.1)
            for frame in frames
        ]
        found = on_device(given, aims, 0.0, lambda ious: int(np.argmax(ious)), [band_width])
        return [one.rle for one in found]

    expected = strings()  # matrices are made, and kernels loaded
    arrivals.clear()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = strings()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert found == expected
    assert len(arrivals) == 2


@pytest.fixture
def little_memory() -> Iterator[None]:
    """64 MiB of the device's memory more than are taken, for the length of a test."""
    build_small_sam().cuda()  # what CUDA takes for itself is taken
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (64 << 20)) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def test_where_memory_really_runs_out_batches_are_halved(
    little_memory: None, caplog: pytest.LogCaptureFixture
) -> None:
    count = 8192  # whose logits alone are 96 MiB
    segmenter = SamSegmenter(build_small_sam(), Site(device="cuda", prompt_batch=count))
    (embedding,) = segmenter.embed([image(0)])
    asked = [prompts()[i % 2] for i in range(count)]
    halving = Halving(count, "runtime.prompt_batch", Room())

    def answer(some: Sequence[Prompt]) -> torch.Tensor:
        return segmenter.predict([embedding] * len(some), some, True).logits.cpu()

    with caplog.at_level(logging.WARNING):
        logits = torch.cat(list(halving(answer, asked)))
    assert halving.now < count
    assert "runtime.prompt_batch is now" in caplog.text
    assert len(logits) == count
    for first in range(2):
        assert (logits[first::2] - logits[first]).abs().max() < CLOSE


WORDS = ["model=demo", "dataset=shapes", "dataset.args.count=20", "prompt=[point_1,point_3,box]"]


def rows(folder: Path, *words: str) -> pd.DataFrame:
    (config,) = load_configs([*WORDS, *words, f"runtime.results={folder}"])
    plan = make_plan(config)
    assert not run_plan(plan)
    return read_runs([each.store for each in plan.work.runs.values()])


def test_a_whole_run_tells_what_the_cpu_tells(tmp_path: Path) -> None:
    on_cpu = rows(tmp_path / "cpu", "runtime.device=cpu")
    for name, more in {
        "alone": [],
        "together": ["runtime.image_batch=8", "runtime.prompt_batch=16"],
        "cached": ["runtime.image_batch=8", f"runtime.embedding_cache={tmp_path / 'kept'}"],
        "from_cache": ["runtime.image_batch=8", f"runtime.embedding_cache={tmp_path / 'kept'}"],
    }.items():
        on_gpu = rows(tmp_path / name, "runtime.device=cuda", *more)
        for one in compare(on_cpu, on_gpu, pd.Series(True, index=on_cpu.index)):
            assert abs(one.miou) < 0.1, f"{name}: {one}"
            assert one.changed_masks < 0.2, f"{name}: {one}"
