"""Reads the pictures of finished runs again, with the reader that a run's header names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.parts import Part, load_class
from bench.store import RunStore
from bench.types import BenchError, Reader, Sample, Site

if TYPE_CHECKING:
    from typing import TypeAlias

    ReadSample: TypeAlias = Callable[[RunStore, str], Sample]


def reader_of_run(store: RunStore, datasets: Path, allow_modules: Sequence[str] = ()) -> Reader:
    """The reader of a run's dataset, its relative paths in the folder ``datasets``.

    Raises ``BenchError`` where the data is missing, or the class lies outside the bench and its
    module isn't among ``allow_modules``.
    """
    header = store.header()
    if "dataset" not in header:
        raise BenchError(f"{store.folder}: its run.json names no dataset to read pictures from")
    dataset = Part(**header["dataset"])
    target = load_class(dataset, allow_modules, "dataset")
    reader: Reader = target(**dataset.args, site=Site(datasets=datasets.expanduser()))
    return reader


def samples_of_runs(datasets: Path, allow_modules: Sequence[str] = ()) -> ReadSample:
    """A function that reads image ``image_id`` of a run; each run's reader is opened once."""
    readers: dict[str, Reader] = {}

    def read_sample(store: RunStore, image_id: str) -> Sample:
        key = str(store.header().get("key", store.folder))
        if key not in readers:
            readers[key] = reader_of_run(store, datasets, allow_modules)
        return readers[key].read(image_id)

    return read_sample
