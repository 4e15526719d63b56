"""Images that take their steps together get the rows that each gets by itself."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from oddities import random_blob
from small_sam import SmallSam

from bench.models.disk import Disk
from bench.models.grabcut import GrabCut
from bench.prompts import placement
from bench.prompts.box import Box
from bench.prompts.clicks import Clicks
from bench.protocol import Protocol
from bench.run.batches import Halving, Room
from bench.scoring import measuring
from bench.scoring.aim import Aim
from bench.scoring.metrics import metric, names
from bench.scoring.overlap import overlap
from bench.tasks import prompted_masks
from bench.tasks.contract import Case, Lent, Scored
from bench.tasks.prompted_masks import Rounds
from bench.types import (
    BenchError,
    Frame,
    Mask,
    Prediction,
    Prompt,
    PromptStrategy,
    Sample,
    Segmenter,
    Site,
    Step,
    Target,
)
from bench.types.stopwatch import Stopwatch
from bench.types.threads import Crew

SIZES = [(48, 64), (33, 90), (71, 40), (48, 64), (5, 30)]


def samples() -> list[Sample]:
    """Pictures of several sizes, one without a target, one with pixels to ignore."""
    rng = np.random.default_rng(3)
    made = []
    for number, size in enumerate(SIZES):
        targets = [
            Target(f"{number}-{i}", Mask.from_dense(random_blob(rng, *size)))
            for i in range(number and 3)
        ]
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        ignore = random_blob(rng, *size) if number == 2 else None
        made.append(Sample(str(number), image, targets, ignore))
    return made


def strategies(protocol: Protocol) -> dict[str, PromptStrategy]:
    return {
        "point_1": Clicks(1, protocol=protocol),
        "point_3": Clicks(3, protocol=protocol),
        "random": Clicks(2, "random", protocol=protocol),
        "box": Box(1, noise_std=0.1, protocol=protocol),
    }


def task_of(segmenter: Segmenter, protocol: Protocol, batch: int = 64, **more: Any) -> Rounds:
    lent = Lent(
        segmenter,
        lambda samples: segmenter.embed([sample.image for sample in samples]),
        Halving(batch, "runtime.prompt_batch", Room()),
        **more,
    )
    asked = strategies(protocol)
    return Rounds("odd", "model", "protocol", protocol, asked, segmenter, lent)


def rows_by_group(task: Rounds, size: int) -> list[str]:
    """The rows in order as text, exact to the bit, of groups of so many images."""
    found: list[Scored] = []
    for start in range(0, len(SIZES), size):
        group = samples()[start : start + size]
        cases = [Case(sample, tuple(task.strategies)) for sample in group]
        found += task(cases, Stopwatch())
    plain = [
        {name: [dataclasses.asdict(r) for r in rows] for name, rows in image.rows.items()}
        for image in found
    ]
    return [json.dumps(image) for image in plain]


MODELS: Mapping[str, Callable[[], Segmenter]] = {
    "small_sam": lambda: SmallSam(site=Site()),
    "disk": lambda: Disk(stride=4, site=Site()),
    "pixel_disk": lambda: Disk(site=Site()),
    "grabcut": lambda: GrabCut(site=Site()),
}
SLOWEST_LAST = [*list(MODELS)[:-1], pytest.param("grabcut", marks=pytest.mark.long)]


@pytest.mark.parametrize("threshold", [0.0, pytest.param(-0.04, marks=pytest.mark.long)])
@pytest.mark.parametrize("model", SLOWEST_LAST)
def test_rows_do_not_depend_on_how_images_are_grouped(model: str, threshold: float) -> None:
    protocol = Protocol(threshold=threshold)
    expected = rows_by_group(task_of(MODELS[model](), protocol), 1)
    assert sum(len(rows) for image in expected for rows in json.loads(image).values()) == 4 * 3 * 8
    for size, batch in ((2, 64), (3, 4), (5, 1), (5, 64)):
        assert rows_by_group(task_of(MODELS[model](), protocol, batch), size) == expected


@pytest.mark.parametrize("wave_bytes", [1, 5_000_000])
def test_rows_do_not_depend_on_how_many_are_under_way(wave_bytes: int) -> None:
    expected = rows_by_group(task_of(MODELS["disk"](), Protocol()), 5)
    assert (
        rows_by_group(task_of(MODELS["disk"](), Protocol(), wave_bytes=wave_bytes), 5) == expected
    )


def test_rows_do_not_depend_on_threads_of_the_host() -> None:
    expected = rows_by_group(task_of(MODELS["small_sam"](), Protocol()), 5)
    with ThreadPoolExecutor(4) as pool:
        threaded = task_of(MODELS["small_sam"](), Protocol(), each=pool.map)
        assert rows_by_group(threaded, 5) == expected


@pytest.mark.parametrize("model", ["small_sam", pytest.param("grabcut", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "wave_targets",
    [pytest.param(1, marks=pytest.mark.long), 2, pytest.param(4, marks=pytest.mark.long)],
)
def test_rows_do_not_depend_on_who_helps(model: str, wave_targets: int) -> None:
    expected = rows_by_group(task_of(MODELS[model](), Protocol()), 5)
    crew, threads = Crew(3), set()

    def share(work: Callable[..., Any], waves: Iterable[Any]) -> list[Any]:
        def noted(wave: Any) -> Any:
            threads.add(threading.get_ident())
            return work(wave)

        with crew.seat():
            return crew.share(noted, waves)

    helped = task_of(MODELS[model](), Protocol(), share=share, wave_targets=wave_targets)
    assert rows_by_group(helped, 5) == expected
    assert len(threads) > 1, "or nobody helped"


def test_strategies_that_begin_alike_share_their_first_click(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One placing a target for ``point_1`` and ``point_3``; ``random`` begins in its own way."""
    placed: list[Mask] = []
    straight = placement.Clicker.first

    def watched(self: placement.Clicker, target: Mask, rng: np.random.Generator) -> Any:
        placed.append(target)
        return straight(self, target, rng)

    task = task_of(Disk(stride=4, site=Site()), Protocol())
    shared = rows_by_group(task, 2)
    monkeypatch.setattr(placement.Clicker, "first", watched)
    assert rows_by_group(task, 2) == shared
    assert len(placed) == 2 * 3 * (len(SIZES) - 1)
    for name in ("point_1", "point_3", "random"):
        alone = task_of(Disk(stride=4, site=Site()), Protocol())
        alone = dataclasses.replace(alone, strategies={name: alone.strategies[name]})
        for image, by_itself in zip(shared, rows_by_group(alone, 2), strict=True):
            assert json.loads(image)[name] == json.loads(by_itself)[name]


def test_random_numbers_are_made_for_strategies_that_take_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    straight = prompted_masks.mask_rng

    def watched(seed: int, image_id: str, mask_id: str, step: int) -> np.random.Generator:
        made.append(step)
        return straight(seed, image_id, mask_id, step)

    monkeypatch.setattr(prompted_masks, "mask_rng", watched)
    rows_by_group(task_of(Disk(stride=4, site=Site()), Protocol()), 2)
    assert made.count(1) == 2 * 3 * (len(SIZES) - 1), "a random click and a loosened box"
    assert len(made) <= 2 * made.count(1)


def test_prompts_of_several_images_fill_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    straight = Disk.predict

    def counted(self, embeddings, prompts, multimask):  # type: ignore[no-untyped-def]
        asked.append((len(prompts), len(set(embeddings))))
        return straight(self, embeddings, prompts, multimask)

    monkeypatch.setattr(Disk, "predict", counted)
    rows_by_group(task_of(MODELS["disk"](), Protocol(), batch=16), 5)
    assert max(prompts for prompts, _ in asked) == 16
    assert max(images for _, images in asked) > 2


@pytest.mark.parametrize("batch", [64, 5])
@pytest.mark.parametrize("model", list(MODELS)[:-1])
def test_rows_of_another_device_are_those_of_a_cpu(
    model: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every metric, rims and strings; points and boxes of all frames go together there."""
    metrics = [metric(name) for name in [*names(), "nsd_4", "solved_50"]]
    given = {"batch": batch, "metrics": metrics}
    expected = rows_by_group(task_of(MODELS[model](), Protocol(), **given), 5)
    asked: list[tuple[int, int]] = []
    together = measuring.on_device

    def counted(prediction, aims, *others):  # type: ignore[no-untyped-def]
        asked.append((len(set(prediction.counts)), len(set(prediction.frames))))
        return together(prediction, aims, *others)

    monkeypatch.setattr(measuring, "straight", lambda device: False)
    monkeypatch.setattr(measuring, "on_device", counted)
    assert rows_by_group(task_of(MODELS[model](), Protocol(), **given), 5) == expected
    if model == "small_sam":
        assert max(asked) == (2, 4 if batch == 64 else 2), "candidates, and frames"


@pytest.mark.parametrize("straight", [True, False], ids=["cpu", "device"])
@pytest.mark.parametrize("model", ["disk", "small_sam"])
def test_the_masks_of_all_candidates_are_kept_and_nothing_else_is_another(
    model: str, straight: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "straight", lambda device: straight)
    expected = rows_by_group(task_of(MODELS[model](), Protocol()), 5)
    task = task_of(MODELS[model](), Protocol())
    task = dataclasses.replace(task, lent=dataclasses.replace(task.lent, keep_candidates=True))
    found = rows_by_group(task, 5)
    several = 0
    for one, other, sample in zip(expected, found, samples(), strict=True):
        targets = {target.mask_id: target.mask for target in sample.targets}
        kept = json.loads(other)
        for row in (row for rows in kept.values() for row in rows):
            size = [row["height"], row["width"]]
            rles = row["candidate_rles"]
            masks = [Mask.from_rle({"size": size, "counts": rle}) for rle in rles]
            target = Aim(targets[row["mask_id"]], sample.ignore).mask
            assert [overlap(mask, target) for mask in masks] == row["ious"]
            assert rles[row["selected"]] == row["mask_rle"]
            several += len(set(rles)) > 1
            row["candidate_rles"] = None
        assert kept == json.loads(one)
    assert several > 20 * (model == "small_sam")


def test_scoring_that_finds_no_memory_is_done_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.tasks import prompted_masks

    expected = rows_by_group(task_of(MODELS["small_sam"](), Protocol()), 5)
    straight = prompted_masks.score_together

    def cramped(predictions, *others):  # type: ignore[no-untyped-def]
        if sum(len(one.frames) for one in predictions) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return straight(predictions, *others)

    monkeypatch.setattr(prompted_masks, "score_together", cramped)
    task = task_of(MODELS["small_sam"](), Protocol())
    assert rows_by_group(task, 5) == expected
    assert task.lent.batches.now <= 3


def test_batches_within_the_model_that_find_no_memory_are_halved_too() -> None:
    """As on CUDA, whose batches are the decoder's own: there equal up to rounding."""

    def batched() -> SmallSam:
        segmenter = SmallSam(site=Site())
        segmenter._prompt_batch = 8
        return segmenter

    expected = rows_by_group(task_of(batched(), Protocol(), batch=8), 5)
    segmenter, sizes = batched(), []

    def cramped(module: torch.nn.Module, args: Any, given: Any) -> None:
        there = given["boxes"] if given["points"] is None else given["points"][0]
        sizes.append(len(there))
        if sizes[-1] > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    segmenter._sam.prompt_encoder.register_forward_pre_hook(cramped, with_kwargs=True)
    task = task_of(segmenter, Protocol(), batch=8)
    found = rows_by_group(task, 5)
    assert task.lent.batches.now == 2
    assert max(sizes) == 8
    pairs = zip(map(json.loads, expected), map(json.loads, found), strict=True)
    same = [
        a["mask_rle"] == b["mask_rle"]
        for one, other in pairs
        for name in one
        for a, b in zip(one[name], other[name], strict=True)
    ]
    assert np.mean(same) > 0.95


class Saying:
    """A strategy whose only difference from another is its word."""

    steps = 1
    report_steps: ClassVar[Mapping[int, Step]] = {1: Step(name="text")}
    prompt_kinds = frozenset({"text"})

    def __init__(self, text: str) -> None:
        self.text = text

    def next(self, *asked: object) -> Prompt:
        return Prompt(text=self.text)


class Hearing(Disk):
    """Answers a word with a disc as large as the word is long."""

    prompt_kinds = frozenset({"text"})

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        height, width = embeddings[0]
        y, x = np.mgrid[:height, :width]
        far = np.hypot(x - width / 2, y - height / 2)
        logits = torch.tensor(np.stack([len(p.text or "") - far for p in prompts]))[:, None]
        frames = [Frame.identity((height, width))] * len(prompts)
        return Prediction(logits, torch.ones(len(prompts), 1), frames)


def test_other_words_are_another_question() -> None:
    sample = samples()[1]
    task = task_of(Hearing(site=Site()), Protocol())
    asked: dict[str, PromptStrategy] = {
        "cat": Saying("cat"), "horses": Saying("horses"), "again": Saying("cat")
    }  # fmt: skip
    task = dataclasses.replace(task, strategies=asked)
    (scored,) = task([Case(sample, tuple(asked))], Stopwatch())
    masks = {name: [row.mask_rle for row in found] for name, found in scored.rows.items()}
    assert masks["cat"] == masks["again"]
    assert set(masks["cat"]).isdisjoint(masks["horses"])
    assert '"kind": "text", "plain": "cat"' in scored.rows["cat"][0].cues


class Odd(Saying):
    """A strategy that gives what it should not."""

    def __init__(self, gives: Any) -> None:
        self.gives = gives

    def next(self, *asked: object) -> Any:
        return self.gives


@pytest.mark.parametrize(
    ("gives", "says"),
    [
        (None, "prompt mine: next gives None as the first prompt, expected a Prompt"),
        ("cat", "prompt mine: next gives 'cat', expected a Prompt"),
        (Prompt(), "prompt mine: next gives a Prompt without a cue, which asks nothing"),
        (Prompt(box=np.array([0, 0, 3, 2], np.float32)), "next gives box, and prompt_kinds says"),
    ],
)
def test_what_a_strategy_may_not_give_is_one_line(gives: Any, says: str) -> None:
    task = dataclasses.replace(
        task_of(Hearing(site=Site()), Protocol()), strategies={"mine": Odd(gives)}
    )
    with pytest.raises(BenchError, match=says):
        task([Case(samples()[1], ("mine",))], Stopwatch())
