"""Small datasets on disk that several tests share."""

from __future__ import annotations

import copy
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_runs import bench as bench
from drawn_runs import make_row as make_row
from drawn_runs import new_bench as new_bench
from drawn_runs import row as row
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from oddities import random_blob
from PIL import Image
from pycocotools import mask as coco_mask

from bench.config.folders import conf_dir
from bench.report.figures.kinds import VARIABLE

ROOT = Path(__file__).resolve().parent.parent


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as shells start what is in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests send it to commands

os.environ[VARIABLE] = "svg"
"""What reports write of a figure but in tests that ask for more: half of a report's time."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leaves what the imports made, millions of objects, out of each later garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands it back, so that libraries find their own objects gone at the end."""
    gc.unfreeze()


@pytest.fixture
def coco_folder(tmp_path: Path, coco_folder_in: Callable[..., Path]) -> Callable[..., Path]:
    """Makes a COCO dataset of random non-square pictures: ``annotations.json`` and ``images/``."""
    return partial(coco_folder_in, tmp_path)


@pytest.fixture(scope="session")
def coco_folder_in() -> Callable[..., Path]:
    """The same in a given folder, for what the tests of a module share."""

    def make(
        parent: Path, images: int = 4, masks: int = 3, size: tuple[int, int] = (48, 64)
    ) -> Path:
        rng = np.random.default_rng(images * 100 + masks)
        folder = parent / "coco"
        (folder / "images").mkdir(parents=True)
        document: dict[str, list[Any]] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": 1, "name": "blob"}],
        }
        height, width = size
        for image_id in range(images):
            name = f"{image_id:03d}.png"
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name)
            document["images"].append(
                {"id": image_id, "file_name": name, "height": height, "width": width}
            )
            for _ in range(masks):
                dense = np.asfortranarray(random_blob(rng, height, width), dtype=np.uint8)
                rle: Any = coco_mask.encode(dense)
                document["annotations"].append(
                    {
                        "id": len(document["annotations"]) + 1,
                        "image_id": image_id,
                        "category_id": 1,
                        "iscrowd": 0,
                        "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
                    }
                )
        (folder / "annotations.json").write_text(json.dumps(document))
        return folder

    return make


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Makes a user's own module of a name and a text, imported anew, and gives its name."""

    def make(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return make


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small lose time to threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_in_the_checkout() -> Iterator[None]:
    """Fails a run whose tests wrote a file or folder of a user's into the project's own folder."""
    before = set(ROOT.iterdir())
    yield
    left = {path.name for path in set(ROOT.iterdir()) - before}
    assert not {name for name in left if not name.startswith(".")}


@pytest.fixture(scope="session", autouse=True)
def yamls_parsed_once() -> Iterator[None]:
    """Parses each YAML of ``conf/`` and of Hydra once: tests compose a thousand configurations."""
    Plugins.instance()  # finds the sources
    with pytest.MonkeyPatch.context() as patch:
        for scheme in ("file", "pkg"):
            _parse_once(SourcesRegistry.instance().resolve(scheme), patch)
        yield


def _parse_once(source: type[ConfigSource], patch: pytest.MonkeyPatch) -> None:
    load = source.load_config
    kept: dict[tuple[str, str], ConfigResult] = {}
    ours = str(conf_dir())

    def once(self: ConfigSource, config_path: str) -> ConfigResult:
        if self.scheme() == "file" and self.path != ours:  # a test's own, which may change
            return load(self, config_path)
        key = (self.path, config_path)
        if key not in kept:
            kept[key] = load(self, config_path)
        return copy.deepcopy(kept[key])

    patch.setattr(source, "load_config", once)
