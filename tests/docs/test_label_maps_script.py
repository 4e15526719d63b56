"""The script that the guide shows for a network's label maps, run, and its maps scored."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from colour_words import COLOURS
from coloured_blocks import SIZES
from pages import ROOT
from PIL import Image

from bench.cli import main
from bench.store.runs import find_runs, read_runs

BLOCKS = {"a": [(1, (4, 20, 5, 20)), (1, (30, 40, 40, 60))], "b": [(2, (10, 50, 4, 24))]}
NAMES = ["red", "green", "blue"]


class Colourist(torch.nn.Module):
    """A network of one layer whose classes are nothing and the three colours."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 4, 1)
        with torch.no_grad():
            self.layer.weight.zero_()
            self.layer.bias.zero_()
            for k in range(3):
                self.layer.weight[k + 1, :, 0, 0] = torch.tensor(
                    [1.0 if k == c else -0.5 for c in range(3)]
                )
            self.layer.bias[0] = 1.0

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        assert pixels.shape[2] % 32 == pixels.shape[3] % 32 == 0
        found: torch.Tensor = self.layer(pixels)
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of coloured blocks with semantic labels."""
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for stem, some in BLOCKS.items():
        pixels = np.full((*SIZES[stem], 3), 120, np.uint8)
        labels = np.zeros(SIZES[stem], np.uint8)
        for value, (y0, y1, x0, x1) in some:
            pixels[y0:y1, x0:x1] = COLOURS[NAMES[value - 1]]
            labels[y0:y1, x0:x1] = value
        Image.fromarray(pixels).save(tmp_path / "images" / f"{stem}.png")
        Image.fromarray(labels).save(tmp_path / "labels" / f"{stem}.png")
    return tmp_path


def test_the_maps_that_the_guides_script_writes_are_scored(folder: Path) -> None:
    spec = importlib.util.spec_from_file_location("maps", ROOT / "docs" / "guide" / "label_maps.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.write_maps(Colourist().eval(), folder / "images", folder / "maps")
    names = folder / "names.json"
    names.write_text(json.dumps({str(k): name for k, name in enumerate(NAMES, start=1)}))
    categories = ",".join(f"{k}:{name}" for k, name in enumerate(NAMES, start=1))
    words = [
        "score", "--predictions", str(folder / "maps"), "--format", "semantic",
        "--match", "same_category", "--categories", str(names), "dataset=label_image",
        f"dataset.args.folder={folder}", "dataset.args.images=images/{id}.png",
        "dataset.args.labels=labels/{id}.png", "dataset.args.split_components=true",
        f"dataset.args.categories={{{categories}}}", f"runtime.results={folder / 'results'}",
    ]  # fmt: skip
    assert main(words) == 0
    rows = read_runs(find_runs(folder / "results", ["*"]))
    assert len(rows) == 3
    assert set(rows["iou"]) == {1.0}
