"""Parts on their way to the disk, with real stores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from whole_runs import configure, execute, rows_of

from bench.data.origins import Origins
from bench.run.plan import make_plan
from bench.run.writer import Pending
from bench.store.runs import RunStore
from bench.tasks.contract import Scored
from bench.types import BenchError, MaskRow, Reader
from bench.types.stopwatch import Stopwatch


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=6, masks=1)


@pytest.fixture
def writer() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def reader(folder: Path) -> Reader:
    return make_plan(configure(folder, "prompt=box")).reader


def row(image_id: str, mask_rle: str | None = None) -> MaskRow:
    return MaskRow(
        dataset="d", image_id=image_id, mask_id=f"m{image_id}", category=None, attributes={},
        height=48, width=64, area=9, model="model", prompt="box", protocol="sam", step=1,
        n_points=0, point_coords=[], point_labels=[], box=None, iou=0.5, iou_oracle=0.5,
        ious=[0.5], predicted_ious=[0.5], selected=0, multimask=False, mask_rle=mask_rle,
        metrics={"boundary_iou": 0.5},
    )  # fmt: skip


def scored(image_id: str) -> Scored:
    return Scored(image_id, {})


def test_a_part_holds_so_many_images(
    tmp_path: Path, writer: ThreadPoolExecutor, reader: Reader
) -> None:
    store, watch = RunStore.create(tmp_path, "run"), Stopwatch()
    pending = Pending(store, reader, Origins(reader), writer, watch)
    for image_id in "01234":
        pending.add(scored(image_id), [row(image_id)])
        pending.flush(at=2)
    pending.finish()
    assert sorted(len(content.images) for content in store.contents()) == [1, 2, 2]
    assert pending.rows_written == 5
    assert set(watch.seconds) == {"write"}


def test_large_masks_make_a_part_sooner(
    tmp_path: Path, writer: ThreadPoolExecutor, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pending, "max_bytes", 10_000)
    store = RunStore.create(tmp_path, "run")
    pending = Pending(store, reader, Origins(reader), writer, Stopwatch())
    for image_id in "0123":
        pending.add(scored(image_id), [row(image_id, "0" * 6_000)])
        pending.flush(at=32)
    pending.finish()
    assert sorted(len(content.images) for content in store.contents()) == [2, 2]


def test_no_more_than_two_parts_are_ahead_of_the_disk(
    tmp_path: Path, writer: ThreadPoolExecutor, reader: Reader
) -> None:
    held, gate = threading.Event(), threading.Event()

    class Slow(RunStore):
        def write_part(self, *args, **more):  # type: ignore[no-untyped-def]
            held.set()
            gate.wait(10)
            super().write_part(*args, **more)

    Slow.create(tmp_path, "run")
    pending = Pending(Slow(tmp_path / "runs" / "run"), reader, Origins(reader), writer, Stopwatch())
    added: list[str] = []

    def fill() -> None:
        for image_id in "01234":
            pending.add(scored(image_id), [row(image_id)])
            added.append(image_id)
            pending.flush(at=1)

    filler = threading.Thread(target=fill)
    filler.start()
    held.wait(10)
    filler.join(0.3)
    assert filler.is_alive(), "it waits for the disk"
    assert len(added) == 3
    gate.set()
    filler.join(10)
    pending.finish()
    assert pending.rows_written == 5


def test_what_goes_wrong_in_the_background_is_raised_and_the_rest_is_written(
    tmp_path: Path, writer: ThreadPoolExecutor, reader: Reader
) -> None:
    class Failing(RunStore):
        tries = 0

        def write_part(self, *args, **more):  # type: ignore[no-untyped-def]
            self.tries += 1
            if self.tries == 1:
                raise BenchError("the disk is full")
            super().write_part(*args, **more)

    Failing.create(tmp_path, "run")
    store = Failing(tmp_path / "runs" / "run")
    pending = Pending(store, reader, Origins(reader), writer, Stopwatch())
    pending.add(scored("0"), [row("0")])
    pending.flush(at=1)
    pending.add(scored("1"), [row("1")])
    with pytest.raises(BenchError, match="the disk is full"):
        pending.finish()
    writer.shutdown()
    assert [content.images for content in store.contents()] == [("1",)]


def test_a_failed_write_ends_the_run_with_its_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = RunStore.write_part
    failed = threading.Event()

    def once(self, *args, **more):  # type: ignore[no-untyped-def]
        if not failed.is_set():
            failed.set()
            raise BenchError("parts: cannot be written (No space left on device)")
        straight(self, *args, **more)

    monkeypatch.setattr(RunStore, "write_part", once)
    with pytest.raises(BenchError, match="No space left on device"):
        execute(configure(folder, "prompt=box", "runtime.part_images=1", "runtime.workers=1"))
    header = make_plan(configure(folder, "prompt=box")).work.runs["box"].store.header()
    assert header["status"] == "partial"
    assert header["images_done"] < 6
    assert len(rows_of(execute(configure(folder, "prompt=box")))) == 6
