"""A model as a configuration names it: its class, and the model itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench import models
from bench.config.component import Component, load_class
from bench.types import Segmenter, Site


def model_class(model: Component, allow_modules: Sequence[str] = ()) -> type[Any]:
    """The class of a model, with nothing loaded; raises ``BenchError`` as ``load_class`` does."""
    return load_class(model, models, allow_modules, Segmenter)


def load_model(model: Component, site: Site, allow_modules: Sequence[str] = ()) -> Segmenter:
    """The model, its files found, fetched and checked before anything is loaded."""
    found = model_class(model, allow_modules)
    found.pin(model.args, site)
    segmenter: Segmenter = found(**model.args, site=site)
    return segmenter
