"""The speed benchmark compares rows that are equal, and would see it if they weren't."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest
import run as benchmark
import torch
from speed_cases import CASES


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # so that the loop's predicted IoUs have the bench's last bits
    yield
    torch.set_num_threads(before)


def measured(*override: str) -> benchmark.Figures:
    words = [*override, "runtime.device=cpu"]
    chosen = argparse.Namespace(
        scenes=2, repeats=1, override=words, objects=10, nuts=None, threads=None
    )
    (case,) = (case for case in CASES if case.name == "demo_shapes")
    return benchmark.measure(case, chosen)


@pytest.mark.long
@pytest.mark.parametrize("images", [2, 1])
def test_bench_and_loop_give_the_same_rows_to_the_bit(images: int) -> None:
    figures = measured(f"runtime.limit={images}")
    assert figures.images == images
    assert figures.answers > 50 * images
    assert figures.differing_rows == 0
    assert figures.largest_predicted == 0
    assert not figures.differs


@pytest.mark.long
def test_another_mode_is_seen_to_differ() -> None:
    figures = measured("model.args.dtype=bfloat16")
    assert figures.differs
    assert 0 < figures.differing_rows <= figures.answers
    assert any(one.changed_masks > 0 for one in figures.moved)
