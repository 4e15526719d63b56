"""Folders of weights: found, hashed with their configuration, refused where something is wrong."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bench.models.weights_folder import find_folder, open_folder, preparation
from bench.types import BenchError


@pytest.fixture
def folder(tmp_path) -> Path:
    """One file of weights and its configuration."""
    path = tmp_path / "weights"
    path.mkdir()
    (path / "config.json").write_text('{"model_type": "sam"}')
    save_file({"a": torch.arange(6.0).reshape(2, 3)}, path / "model.safetensors")
    return path


@pytest.fixture
def sharded(folder) -> Path:
    """The same in two files with an index."""
    (folder / "model.safetensors").unlink()
    for name in "ab":
        save_file({name: torch.arange(6.0)}, folder / f"{name}.safetensors")
    index = {"weight_map": {name: f"{name}.safetensors" for name in "ab"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_what_is_there(folder):
    found = open_folder(folder)
    assert found.config == {"model_type": "sam"}
    assert [file.name for file in found.files] == ["config.json", "model.safetensors"]
    assert [file.name for file in found.weights] == ["model.safetensors"]
    assert preparation(folder) == {}


def test_shards_are_weights_and_their_index_is_hashed(sharded):
    found = open_folder(sharded)
    assert [file.name for file in found.weights] == ["a.safetensors", "b.safetensors"]
    before = found.sha256
    index = sharded / "model.safetensors.index.json"
    index.write_text(index.read_text() + "\n")
    assert open_folder(sharded).sha256 != before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_the_hash_follows_every_file(folder, tmp_path, name):
    before = open_folder(folder).sha256
    moved = folder.rename(tmp_path / "elsewhere")
    assert open_folder(moved).sha256 == before
    if name == "config.json":
        (moved / name).write_text('{"model_type": "sam2"}')
    else:
        save_file({"a": torch.arange(1.0, 7.0).reshape(2, 3)}, moved / name)
    assert open_folder(moved).sha256 != before


def test_no_folder_says_what_one_is(tmp_path, folder):
    with pytest.raises(
        BenchError, match=r"no checkpoint .*no such folder; name a folder with conf"
    ):
        open_folder(tmp_path / "nowhere")
    with pytest.raises(BenchError, match="it is a file"):
        open_folder(folder / "config.json")


def test_no_configuration(folder):
    (folder / "config.json").unlink()
    with pytest.raises(BenchError, match=r"it has no config\.json"):
        open_folder(folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(BenchError, match=r"it is an adapter.*model\.args\.adapter"):
        open_folder(folder)


def test_a_pickle_is_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BenchError, match=r"safetensors alone, and it has pytorch_model\.bin"):
        open_folder(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(BenchError, match="safetensors alone, and it has none"):
        open_folder(folder)


@pytest.mark.parametrize("kept", [0, 5, 60, -1])
def test_a_cut_file_is_named_with_its_size(folder, kept):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    size = path.stat().st_size
    with pytest.raises(BenchError, match=rf"model\.safetensors \({size} bytes\) is no whole"):
        open_folder(folder)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ({}, "expected a weight_map"),
        ({"weight_map": {"a": "../a.safetensors"}}, "holds '/'"),
        ({"weight_map": {"a": "a.bin"}}, "is no safetensors file"),
        ({"weight_map": {"a": "a.safetensors", "c": "c.safetensors"}}, "of 2 files c.safetensors"),
    ],
)
def test_an_index_is_not_believed(sharded, index, said):
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BenchError, match=said):
        open_folder(sharded)


@pytest.mark.parametrize("text", ["[]", '{"model_type": ', '{"a": 1, "a": 2}'])
def test_a_broken_configuration_is_named(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(BenchError, match=r"config\.json: "):
        open_folder(folder)


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
def test_the_preparation_is_read_from_either_file(folder, name):
    said = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 9}}
    nested = said if name.startswith("pre") else {"image_processor": said, "target_size": 9}
    (folder / name).write_text(json.dumps(nested))
    assert preparation(folder) == {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def test_an_own_folder_is_looked_for_here_then_among_checkpoints(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_folder("weights", tmp_path / "checkpoints") == tmp_path / "weights"
    monkeypatch.chdir(folder)
    assert find_folder("weights", tmp_path) == tmp_path / "weights"
    with pytest.raises(BenchError) as caught:
        find_folder("nowhere", tmp_path)
    assert str(tmp_path / "nowhere") in str(caught.value)
    assert str(folder / "nowhere") in str(caught.value)
