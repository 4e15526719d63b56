"""Phases as a recorder notes them, with real operators of torch."""

from __future__ import annotations

import threading

import pytest
import torch

from bench.run.profiling import recorder
from bench.run.profiling.recorder import Recorder
from bench.run.profiling.recording import Recording, Spent
from bench.types.stopwatch import Stopwatch

A = torch.ones(8, 8)


@pytest.fixture
def noted() -> Recorder:
    return Recorder("cpu")


def image(watch: Stopwatch, name: str, predictions: int = 2) -> None:
    """One image: three products when it is embedded, one a prediction."""
    watch.turn_to(name)
    with watch("embed"):
        A @ A @ A @ A
    for _ in range(predictions):
        with watch("predict"):
            A @ A


def test_operators_are_those_of_the_images_after_the_warm_up(noted: Recorder) -> None:
    watch = Stopwatch(noted)
    for name in "abcdefgh":
        image(watch, name)
    recording = noted.take()
    assert recording.watched == ("c", "d", "e")
    assert recording.operators["aten::mm"].calls == 3 * (3 + 2)
    assert 0 < recording.operators["aten::mm"].seconds < 1
    assert recording.lanes["MainThread", "predict"].calls == 16
    assert noted.take().watched == ()
    assert noted.take().operators == {}


def test_many_prompts_end_the_watching(noted: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    noted._operators._left = 1e-9
    watch = Stopwatch(noted)
    for name in "abcdefgh":
        image(watch, name, predictions=4)
    recording = noted.take()
    assert recording.watched == ("c",)
    assert recording.operators["aten::mm"].calls == 3 + 1, "what ran out is the first prediction"


def test_another_thread_goes_on_unwatched(noted: Recorder) -> None:
    watch = Stopwatch(noted)
    image(watch, "a")
    image(watch, "b")
    image(watch, "c")
    other = threading.Thread(target=image, args=(watch, "d", 50), name="other")
    other.start()
    other.join()
    recording = noted.take()
    assert recording.watched == ("c",)
    assert recording.operators["aten::mm"].calls == 5
    assert recording.lanes["other", "predict"].calls == 50


def test_a_phase_that_fails_is_noted_and_so_are_those_behind(noted: Recorder) -> None:
    watch = Stopwatch(noted)
    image(watch, "a")
    image(watch, "b")
    watch.turn_to("c")
    with pytest.raises(ZeroDivisionError), watch("predict"):
        raise ZeroDivisionError
    image(watch, "c")
    recording = noted.take()
    assert recording.lanes["MainThread", "predict"].calls == 7
    assert recording.operators["aten::mm"].calls == 5
    assert recording.lanes["MainThread", "predict"].seconds == pytest.approx(
        watch.seconds["predict"], abs=1e-6
    )


def test_events_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MOST_EVENTS", 5)
    noted = Recorder("cpu")
    watch = Stopwatch(noted)
    for _ in range(12):
        with watch("read"):
            pass
    first = noted.take()
    assert (len(first.events), first.dropped) == (5, 7)
    assert first.lanes["MainThread", "read"].calls == 12
    with watch("read"):
        pass
    both = first.and_then(noted.take(), room=0)
    assert (len(both.events), both.dropped) == (5, 8)
    assert both.lanes["MainThread", "read"].calls == 13


def test_recordings_add_up_and_keep_the_larger_memory() -> None:
    one = Recording(
        "w", "cpu", 5, 8, {("t", "read"): Spent(1.0, 2)}, operators={"mm": Spent(1.0, 1)}
    )
    two = Recording("w", "cpu", 5, 9, {("t", "read"): Spent(0.5, 1), ("t", "load"): Spent(2.0, 1)})
    both = one.and_then(two, room=0)
    assert both.lanes == {("t", "read"): Spent(1.5, 3), ("t", "load"): Spent(2.0, 1)}
    assert both.operators == {"mm": Spent(1.0, 1)}
    assert (both.began_ns, both.last_ns) == (5, 9)
