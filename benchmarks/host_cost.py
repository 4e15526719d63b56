"""What a run costs the host beside the model: an answer's milliseconds, transfers and operators.

    python benchmarks/host_cost.py

The model costs nothing: it knows every target, and answers with smooth logits on SAM's grid that
lie above 0 where the target is, but for an error at its rim that shrinks with each click. Whole
runs with it on a CPU, of pictures that are read and rows that are written, tell the milliseconds of
one core per answer by phase, the model's own taken off. Then the way that batches go elsewhere
(``bench.scoring.device.batch``) is taken with the same answers. At 32 prompts a batch what doesn't
hang on the machine is counted: transfers, bytes moved, waits, calls of torch's operators. At 28 it
is timed what the host needs of one core while a device computes (``held``): everything but the
waiting and the operators' own arithmetic. Prints Markdown tables and writes them with JSON,
machine and versions into ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import result_files
import torch
from held import PHASES, Held, Spent, held, in_batches
from operator_calls import Operators
from pictures import coco_files, write_pictures

from bench.config.composing import load_configs
from bench.data.opening import open_dataset
from bench.prompts.placement import distance_max
from bench.run.plan import Plan, make_plan
from bench.run.worker import Worker
from bench.scoring.aim import Aim
from bench.scoring.device import batch as device_batch
from bench.scoring.device import transfers, truths
from bench.scoring.device.batch import on_device
from bench.scoring.metrics.boundary_iou import band_width
from bench.tasks.contract import Case, Lent
from bench.types import Frame, ImageArray, Mask, Prediction, Prompt, Reader, Site
from bench.types.stopwatch import Stopwatch

CASES = (((480, 640), 7), ((600, 800), 9), ((1500, 2250), 20), ((3000, 4000), 100))
"""(H, W) of a picture, and its masks."""

GRID, CANVAS, BATCH = 256, 1024, 32
ERRORS = (5.0, 4.0, 3.0, 2.0)
"""How large the rim's error is of three candidates, and of answers to more clicks."""

HELD = 28
"""Answers of a batch whose held part is timed: point, box and two more clicks for 7 masks."""

RUN_PHASES = ("read", "prompt", "score", "write", "other")

ANSWERS = 4
"""For each mask, of ``point_1``, ``point_3`` and ``box``, which ask one question alike."""


def frame_of(height: int, width: int) -> Frame:
    """How SAM lays its grid on an image."""
    scale = CANVAS / max(height, width)
    return Frame((CANVAS, CANVAS), (int(height * scale + 0.5), int(width * scale + 0.5)),
                 (height, width))  # fmt: skip


def blobs(mask: Mask, seed: int) -> np.ndarray:
    """Logits (4, 256, 256) of a target, with the errors of ``ERRORS``."""
    content = frame_of(*mask.shape).content
    size = -(-content[1] * GRID // CANVAS), -(-content[0] * GRID // CANVAS)
    cover = np.zeros((GRID, GRID), np.float32)
    cover[: size[1], : size[0]] = cv2.resize(
        mask.dense().astype(np.float32), size, interpolation=cv2.INTER_AREA
    )
    noise = np.random.default_rng(seed).normal(0, 1, (GRID, GRID)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 5)
    noise = np.clip(noise / noise.std(), -2.5, 2.5)  # at the rim alone it is above the slope
    slope = 32 * (cv2.GaussianBlur(cover, (0, 0), 2) - 0.5)
    return np.stack([slope + error * noise for error in ERRORS])


class Free:
    """A model that knows the answers: ``folder`` holds those of each picture by its checksum."""

    prompt_kinds = frozenset({"points", "box", "mask_logits"})
    facts: Mapping[str, str] = {"device": "cpu"}

    def __init__(self, folder: str, *, site: Site) -> None:
        self.seconds = 0.0
        self._known = {
            int(path.stem): dict(np.load(path).items()) for path in Path(folder).glob("*.npz")
        }

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """The arguments as they are."""
        return dict(args)

    def embed(self, images: Sequence[ImageArray]) -> list[tuple[int, Frame]]:
        """Each picture's checksum and frame."""
        start = time.thread_time()
        found = [(checksum(image), frame_of(*image.shape[:2])) for image in images]
        self.seconds += time.thread_time() - start
        return found

    def predict(
        self, embeddings: Sequence[tuple[int, Frame]], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """The answers to a target's first click and its box, whatever clicks follow."""
        start = time.thread_time()
        logits = []
        for (name, _), prompt in zip(embeddings, prompts, strict=True):
            known = self._known[name]
            cue = prompt.points[0] if prompt.box is None else prompt.box
            asked = known["clicks" if prompt.box is None else "boxes"]
            target = int((asked == cue).all(axis=1).argmax())
            which = slice(0, 3) if multimask else slice(prompt.n_points, prompt.n_points + 1)
            logits.append(known["logits"][target, which])
        predicted = torch.tensor([[0.9, 0.8, 0.7] if multimask else [0.9]] * len(prompts))
        frames = [frame for _, frame in embeddings]
        found = Prediction(torch.from_numpy(np.stack(logits)), predicted, frames)
        self.seconds += time.thread_time() - start
        return found


def checksum(image: ImageArray) -> int:
    """A number for a picture, of some of its rows."""
    return zlib.crc32(np.ascontiguousarray(image[::16]))


def write_answers(reader: Reader, folder: Path) -> None:
    """Everything that the model is asked about the images, a file each."""
    folder.mkdir()
    for image_id in reader.ids():
        sample = reader.read(image_id)
        masks = [target.mask for target in sample.targets]
        rng = np.random.default_rng(0)
        np.savez(
            folder / f"{checksum(sample.image)}.npz",
            logits=np.stack([blobs(mask, seed) for seed, mask in enumerate(masks)]),
            clicks=np.array([distance_max(mask, rng) for mask in masks], np.float32),
            boxes=np.array([mask.box for mask in masks], np.float32),
        )


class Silent:
    """A progress that says nothing."""

    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        """Says nothing."""

    def image_failed(self, error: Any) -> None:
        """No image may fail."""
        raise RuntimeError(str(error))


@dataclass(frozen=True, slots=True)
class Chain:
    """Milliseconds of one core an answer in whole runs, and of which phases."""

    height: int
    width: int
    masks: int
    answers: int
    milliseconds: float
    phases: Mapping[str, float]


def plan_of(folder: Path, words: Sequence[str], results: Path) -> Plan:
    """A run of the free model."""
    given = [
        *words, "dataset=coco", "model=disk", "prompt=[point_1,point_3,box]", "runtime.workers=1",
        "runtime.allow_modules=[host_cost]", "runtime.device=cpu", f"runtime.results={results}",
    ]  # fmt: skip
    (config,) = load_configs(given)
    config.model.name, config.model.target = "free", "host_cost.Free"
    config.model.args = {"folder": str(folder)}
    return make_plan(config)


def chain(
    size: tuple[int, int], masks: int, words: Sequence[str], answers: Path, rounds: int
) -> Chain:
    """The fastest of some whole runs."""
    best: Chain | None = None
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as results:
            plan = plan_of(answers, words, Path(results))
            for run in plan.work.runs.values():
                run.store.make()
            times = Spent()
            worker = Worker(plan, Silent(), Stopwatch(times))
            start = time.process_time()
            rows = worker(plan.work.jobs())
            passed = time.process_time() - start
        model: Any = worker.segmenter  # a ``Free``, though not of ``__main__``
        asked = rows * ANSWERS // 5
        phases = {
            name: 1000 * seconds / asked
            for name, seconds in times.seconds.items()
            if name in ("read", "prompt", "score", "write")
        }
        all_of_it = 1000 * (passed - model.seconds) / asked
        phases["other"] = all_of_it - sum(phases.values())
        if best is None or all_of_it < best.milliseconds:
            best = Chain(*size, masks, asked, all_of_it, phases)
    assert best is not None
    return best


@dataclass(frozen=True, slots=True)
class Counts:
    """Of batches on an accelerator, an answer: whatever is sent and asked, however fast."""

    height: int
    width: int
    masks: int
    answers: int
    operators: float
    transfers: float
    kilobytes: float
    waits_a_batch: float


def counts(
    size: tuple[int, int], masks: int, answers: Path, reader: Reader, batch: int = BATCH
) -> Counts:
    """What three steps of each picture's first targets take when they are scored as on a device."""
    moved: Counter[str] = Counter()
    back, there = transfers.on_host, transfers.sent

    def to_host(tensors: Sequence[torch.Tensor]) -> Any:
        moved["waits"] += 1
        moved["bytes"] += sum(each.numel() * each.element_size() for each in tensors)
        return back(tensors)

    def to_device(arrays: Sequence[Any], device: torch.device) -> list[torch.Tensor]:
        moved["sent"] += 1
        moved["bytes"] += sum(array.nbytes for array in arrays)
        return there(arrays, device)

    model = Free(str(answers), site=Site())
    operators, asked, batches = Operators(), 0, 0
    for image_id in reader.ids():
        sample = reader.read(image_id)
        (embedding,) = model.embed([sample.image])
        aims = [Aim(target.mask) for target in sample.targets[:batch]]
        clicks = [distance_max(aim.mask, np.random.default_rng(0)) for aim in aims]
        for points, multimask in ((1, True), (2, False), (3, False)):
            prompts = [
                Prompt(np.array([click] * points, np.float32), np.ones(points, np.int64))
                for click in clicks
            ]
            found = model.predict([embedding] * len(aims), prompts, multimask)
            ((_, given),) = found.alike()
            strangers = [Aim(aim.mask) for aim in aims]
            on_device(given, strangers, 0.0, first, [band_width])  # matrices are made once
            with (
                mock.patch.object(device_batch, "on_host", to_host),
                mock.patch.object(device_batch, "sent", to_device),
                mock.patch.object(truths, "sent", to_device),
                operators,
            ):
                on_device(given, aims, 0.0, first, [band_width])
            asked, batches = asked + len(aims), batches + 1
    return Counts(
        *size, masks, asked, operators.calls / asked, (moved["waits"] + moved["sent"]) / asked,
        moved["bytes"] / asked / 1024, moved["waits"] / batches,
    )  # fmt: skip


def first(predicted: Any) -> int:
    """The candidate that counts."""
    return int(np.argmax(predicted))


def held_of(words: Sequence[str], answers: Path, reader: Reader, rounds: int) -> Held:
    """What an answer to the pictures needs of the host, ``HELD`` at a time, as on a device."""
    model = Free(str(answers), site=Site())
    samples = [reader.read(image_id) for image_id in reader.ids()]
    samples = [replace(one, targets=one.targets[:HELD]) for one in samples]  # all is kept
    plan = plan_of(answers, words, answers.parent / "results")
    lent = Lent(
        segmenter=model,
        embed=lambda some: model.embed([sample.image for sample in some]),
        batches=in_batches(HELD),
        metrics=plan.metrics,
    )
    scorer = plan.task.scorer(plan.setting.config, reader, lent)
    names = tuple(plan.work.runs)
    cases = [Case(sample, names) for sample in samples]
    return held(scorer, cases, lambda rows: rows * ANSWERS // 5, rounds)


def page(
    chains: Sequence[Chain], counted: Sequence[Counts], kept: Sequence[tuple[Chain, Held]]
) -> str:
    """All tables in Markdown."""
    text = [
        f"# The host's work for an answer, {date.today()}\n",
        "`python benchmarks/host_cost.py`: the model costs nothing. Milliseconds of one core, on a "
        "CPU, everything from reading to writing:\n",
        "| picture | masks | answers | ms an answer | read | prompt | score | write | other |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in chains:
        phases = " | ".join(f"{one.phases[n]:.2f}" for n in RUN_PHASES)
        text.append(
            f"| {one.height} × {one.width} | {one.masks} | {one.answers} | "
            f"{one.milliseconds:.2f} | {phases} |"
        )
    text += [
        f"\nThe way of an accelerator, {BATCH} prompts at a time, an answer:\n",
        "| picture | masks | operators | transfers | KiB moved | waits a batch |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    text += [
        f"| {each.height} × {each.width} | {each.masks} | {each.operators:.0f} | "
        f"{each.transfers:.2f} | {each.kilobytes:.0f} | {each.waits_a_batch:.1f} |"
        for each in counted
    ]
    text += [
        f"\nWhat the host needs of one core while a device computes, {HELD} answers a batch, "
        "operators answered from memory, the transforms of clicks apart, in which other threads "
        "have their turn:\n",
        f"| picture | masks | answers | ms an answer | {' | '.join(PHASES)} | "
        "released | operators |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one, found in kept:
        phases = " | ".join(f"{found.phases[name]:.3f}" for name in PHASES)
        text.append(
            f"| {one.height} × {one.width} | {one.masks} | {found.answers} | "
            f"{found.milliseconds:.3f} | {phases} | {found.released:.3f} | {found.operators:.1f} |"
        )
    return "\n".join(text) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="whole runs, the fastest is told")
    parser.add_argument("--pictures", type=int, default=8, help="of the two small sizes")
    parser.add_argument("--name", default="host_cost", help="of the files in benchmarks/results")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    chains, counted, kept = [], [], []
    for size, masks in CASES:
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder)
            pictures = chosen.pictures if size[0] < 1000 else 1
            write_pictures(here / "data", [size] * pictures, [masks] * pictures)
            words = coco_files(here / "data")
            (config,) = load_configs([*words, "dataset=coco"])
            reader = open_dataset(config.dataset, Site())
            write_answers(reader, here / "answers")
            chains.append(chain(size, masks, words, here / "answers", chosen.rounds))
            counted.append(counts(size, masks, here / "answers", reader))
            kept.append(held_of(words, here / "answers", reader, chosen.rounds))
            sys.stderr.write(f"{chains[-1]}\n{counted[-1]}\n{kept[-1]}\n")
    text = page(chains, counted, list(zip(chains, kept, strict=True)))
    result_files.write(
        chosen.name, text, chains=[asdict(one) for one in chains],
        counts=[asdict(one) for one in counted], held=[asdict(one) for one in kept],
    )  # fmt: skip
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
