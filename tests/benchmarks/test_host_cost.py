"""What an answer costs the host is bounded in counts, which don't hang on the machine."""

from __future__ import annotations

from pathlib import Path

import host_cost
import numpy as np
import pytest
import torch
from operator_calls import Recorded, Replayed
from pictures import coco_files, write_pictures

from bench.config.composing import load_configs
from bench.data.opening import open_dataset
from bench.scoring.foreground import foregrounds
from bench.scoring.metrics.iou import iou
from bench.types import Reader, Site

SIZE, MASKS = (480, 640), 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("host_cost")
    write_pictures(made / "data", [SIZE], [MASKS])
    host_cost.write_answers(opened(made), made / "answers")
    return made


def opened(folder: Path) -> Reader:
    (config,) = load_configs([*coco_files(folder / "data"), "dataset=coco"])
    reader: Reader = open_dataset(config.dataset, Site())
    return reader


def test_an_answer_asks_and_sends_no_more_than_it_did(folder: Path) -> None:
    """Raise a bound only with a reason: on an accelerator each of these keeps it waiting."""
    found = host_cost.counts(SIZE, MASKS, folder / "answers", opened(folder))
    assert found.answers == 3 * MASKS
    assert 0 < found.operators <= 42
    assert 0 < found.transfers <= 0.5
    assert found.waits_a_batch == 2, "for the windows, and for all the rest"
    assert 256 < found.kilobytes <= 300, "one grid of 256 KiB comes over"


def test_a_batch_asks_as_much_however_many_prompts_it_has(folder: Path) -> None:
    few, many = (
        host_cost.counts(SIZE, MASKS, folder / "answers", opened(folder), batch)
        for batch in (3, MASKS)
    )
    assert few.waits_a_batch == many.waits_a_batch == 2
    assert abs(few.operators * 3 - many.operators * MASKS) <= 12, "a matter of full heights"


def test_a_whole_run_is_timed_by_phase_and_the_host_s_own_part_too(folder: Path) -> None:
    words = coco_files(folder / "data")
    found = host_cost.chain(SIZE, MASKS, words, folder / "answers", rounds=1)
    assert found.answers == MASKS * host_cost.ANSWERS
    assert set(found.phases) == set(host_cost.RUN_PHASES)
    assert all(part > 0 for part in found.phases.values())
    assert sum(found.phases.values()) == pytest.approx(found.milliseconds)
    counted = host_cost.counts(SIZE, MASKS, folder / "answers", opened(folder))
    kept = host_cost.held_of(words, folder / "answers", opened(folder), rounds=1)
    assert kept.answers == found.answers
    assert set(kept.phases) == set(host_cost.PHASES)
    assert all(part > 0 for part in kept.phases.values())
    assert sum(kept.phases.values()) == pytest.approx(kept.milliseconds)
    assert 0 < kept.operators < counted.operators, "points and boxes share a batch"
    text = host_cost.page([found], [counted], [(found, kept)])
    assert f"| 480 × 640 | 7 | 28 | {found.milliseconds:.2f} |" in text
    assert f"| 480 × 640 | 7 | {counted.operators:.0f} |" in text
    assert f"| 480 × 640 | 7 | 28 | {kept.milliseconds:.3f} |" in text


def test_operators_from_memory_compute_nothing_and_answer_the_same() -> None:
    one = torch.arange(6.0)

    def asked() -> tuple[list[float], int]:
        doubled = one * 2
        doubled.view(2, 3)[0] += 1
        return doubled.tolist(), int(doubled.sum().item())

    recorded = Recorded()
    with recorded:
        expected = asked()
    one += 100
    with Replayed(recorded.results):
        assert asked() == expected


def test_answers_are_the_targets_but_for_their_rims(folder: Path) -> None:
    targets = opened(folder).read("0").targets
    ious = []
    for target in targets:
        blobs = host_cost.blobs(target.mask, 0)
        masks = foregrounds(torch.from_numpy(blobs), host_cost.frame_of(*SIZE), 0.0)
        ious.append([iou(mask, target.mask) for mask in masks])
    means = np.mean(ious[:4], axis=0)
    assert (means > 0.7).all()
    assert (means < 0.99).all()
    assert means[0] < means[-1]
