"""Every reader, how its data are written and changed, and the datasets of ``conf/dataset``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from bench.config.component import Component
from bench.data.opening import open_whole
from bench.types import Reader

from .making import KINDS as MADE
from .making import Kind, site
from .official import OFFICIAL


def official_kind(name: str) -> Kind:
    """How a dataset of ``conf/dataset`` is written, opened, and changed: its pictures grow."""

    def write(folder: Path) -> None:
        OFFICIAL[name](folder)

    def grow(folder: Path) -> None:
        for path in folder.rglob("*.*"):
            if path.suffix in (".jpg", ".png"):
                path.write_bytes(path.read_bytes() + b"\0")

    return Kind(write, grow, lambda folder: open_official(name, folder))


def open_official(name: str, folder: Path, /, **changed: Any) -> Reader:
    """The reader of a dataset's YAML, some of its arguments changed."""
    conf = Path(__file__).parents[3] / "conf" / "dataset" / f"{name}.yaml"
    part = Component(**yaml.safe_load(conf.read_text(encoding="utf-8")))
    return open_whole(replace(part, args={**part.args, **changed}), site(folder))


KINDS: Mapping[str, Kind] = {
    **MADE,
    "Ade20k": official_kind("ade20k"),
    "Bsds": official_kind("bsds500"),
    "Cityscapes": official_kind("cityscapes"),
    "Hypersim": official_kind("hypersim"),
    "OpenImages": official_kind("open_images_miap"),
    "Sa1b": official_kind("sa_1b"),
    "SaCo": official_kind("saco_gold_metaclip"),
    "Sbd": official_kind("sbd"),
    "Via": official_kind("ndd20"),
    "Visor": official_kind("visor"),
    "WoodScape": official_kind("woodscape"),
    "YoutubeVis": official_kind("ovis"),
}
