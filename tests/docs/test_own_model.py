"""The class and the YAMLs of the page on your own model, as a reader would copy them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pages import ROOT, blocks
from small_sam import build_small_sam

import bench
from bench.models.exported import Exported
from bench.models.exporting import export_sam

PAGE = ROOT / "docs" / "guide" / "own_model.md"
MOST_LINES = 40


def written(folder: Path, number: int) -> dict[str, Any]:
    """A YAML of the page, written into a folder as a model's."""
    text = blocks(PAGE, "yaml")[number]
    document: dict[str, Any] = yaml.safe_load(text)
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / f"{document['name']}.yaml").write_text(text)
    return document


def test_the_class_of_the_page_is_measured(
    tmp_path: Path, own_module: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks(PAGE, "python")
    assert len(code.splitlines()) <= MOST_LINES
    own_module("my_models", code)
    written(tmp_path / "my_conf", 0)
    monkeypatch.chdir(tmp_path)
    found = bench.evaluate(
        "dataset.args.count=3",
        "runtime.allow_modules=[my_models]",
        model="near_click",
        dataset="shapes",
        prompt=["point_1", "box"],
        config_dir=tmp_path / "my_conf",
    )
    assert not found.failed
    assert found.table["masks"].gt(0).all()
    assert found.table["miou"].between(0.1, 0.9).all()


def test_the_yaml_of_an_export_has_every_argument(tmp_path: Path) -> None:
    document = written(tmp_path, 1)
    args = export_sam(build_small_sam(), tmp_path / "graphs", "torchscript")
    assert document["target"] == f"{Exported.__module__}.{Exported.__name__}"
    parameters = set(inspect.signature(Exported).parameters) - {"site"}
    assert set(document["args"]) == parameters == set(args) | {"prompt_size"}
