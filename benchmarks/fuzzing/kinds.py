"""The kinds of fuzzed input: each by its name, with the function that makes a case of it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from fuzzing.pictures import Maker

MAKERS: Mapping[str, str] = {
    "image": "pictures.picture",
    "mask": "pictures.mask",
    "coco": "annotations.coco",
    "rle": "annotations.rle",
    "labelme": "outlines.labelme",
    "yolo": "outlines.yolo",
    "panoptic": "segments.panoptic",
    "hdf5": "arrays.hdf5",
    "mat": "arrays.mat",
    "archive": "archives.archive",
    "checkpoint": "files.checkpoint",
    "wrapped": "wrappings.wrapped",
    "parquet": "files.parquet",
    "run_json": "files.run_json",
    "lock": "runs.lock",
    "header": "runs.header",
    "yaml": "files.config",
    "component": "components.component",
    "name": "names.name",
    "text": "names.text",
}
"""By kind, the module of this folder and the function: (random numbers, empty folder) → judge."""


def maker(kind: str) -> Maker:
    """The function that makes a kind's cases; what it needs is imported now."""
    module, _, name = MAKERS[kind].rpartition(".")
    found: Maker = getattr(importlib.import_module(f"fuzzing.{module}"), name)
    return found
