"""A model as a configuration names it: its class, and the model itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from bench import models
from bench.config.component import Component, load_class
from bench.types import BenchError, Segmenter, Site

SMALLER = (
    "take a smaller model, half precision where the model has it (model.args.dtype=bfloat16), "
    "fewer runtime.workers, or another runtime.device"
)
"""What to do where a model is too large for the device, whatever the image."""

_HOST = re.compile("DefaultCPUAllocator|not enough memory|Cannot allocate memory")
"""What torch says where the host's memory has run out, by an error of no kind of its own."""


def model_class(model: Component, allow_modules: Sequence[str] = ()) -> type[Any]:
    """The class of a model, with nothing loaded; raises ``BenchError`` as ``load_class`` does."""
    return load_class(model, models, allow_modules, Segmenter)


def load_model(model: Component, site: Site, allow_modules: Sequence[str] = ()) -> Segmenter:
    """The model, its files found, fetched and checked before anything is loaded."""
    model_class(model, allow_modules).pin(model.args, site)
    return pinned_model(model, site, allow_modules)


def pinned_model(model: Component, site: Site, allow_modules: Sequence[str] = ()) -> Segmenter:
    """The model, whose files are there; raises ``BenchError`` where memory doesn't hold it."""
    found = model_class(model, allow_modules)
    with needs_memory(f"{model.name} on {site.device}"):
        segmenter: Segmenter = found(**model.args, site=site)
    return segmenter


@contextmanager
def needs_memory(what: str) -> Iterator[None]:
    """Raises ``BenchError`` where what is done inside, ``what``, finds no memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if (reason := out_of_memory(error)) is None:
            raise
        raise BenchError(f"{what}: out of memory: {reason}; {SMALLER}") from error


def out_of_memory(error: BaseException) -> str | None:
    """What an error says in one line, if it is that memory has run out; else none."""
    known = isinstance(error, torch.cuda.OutOfMemoryError | MemoryError)
    if not known and not (isinstance(error, RuntimeError) and _HOST.search(str(error))):
        return None
    return (str(error).strip().splitlines() or ["no reason given"])[0]
