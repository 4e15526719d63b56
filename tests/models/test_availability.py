"""Whether a model can be run here, told by its YAML alone."""

import pytest
import torch
from hub_server import REVISION, SOURCE, WEIGHTS, serving_hub
from safetensors.torch import save_file

from bench.config.component import Component
from bench.config.composing import load_component
from bench.config.folders import group_names
from bench.models import availability as module
from bench.models.availability import availability
from bench.models.hub import fetch_repository
from bench.models.loading import model_class
from bench.types import BenchError

OF_THE_HUB = {
    "arch": "sam", "repository": SOURCE.name, "revision": REVISION, "folder": None
}  # fmt: skip


def said(args, site, **about):
    return availability(Component("mine", "1", "some.Where", args, about), site)


@pytest.fixture
def nothing_cached(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "no_cache"))


@pytest.mark.parametrize("name", group_names("model"))
def test_it_is_ready_where_its_class_finds_its_files(name, site, nothing_cached):
    component = load_component("model", name)
    found = availability(component, site)
    refused = refusal(component, site)
    assert (found.state == "ready") == (not refused)
    if refused:
        assert found.how
        assert found.state in ("to fetch", "on request", "by hand")
        assert (found.state == "on request") == ("gate" in component.about)
        if "segmenter" in component.args:  # its class looks at one of two models first
            return
        unknown = ("is pinned", "are not both known", "give model.args.network")
        assert (found.state == "by hand") == any(words in refused for words in unknown)


def refusal(component, site):
    """What the model's own class says of its files; empty where it takes them."""
    try:
        model_class(component).pin(component.args, site)
    except BenchError as error:
        return str(error)
    return ""


def test_a_published_file_is_told_by_its_size(site):
    published = {"file": "w.pth", "url": "https://there/w.pth", "size": 5, "sha256": "0" * 64}
    found = said(published, site)
    assert (found.state, found.how, found.size) == ("to fetch", "https://there/w.pth", 5)
    assert found.fetchable
    asked = said(published, site, gate="They ask who you are.")
    assert (asked.state, asked.how) == (
        "on request",
        "They ask who you are: https://there/w.pth",
    )
    site.checkpoints.mkdir()
    (site.checkpoints / "w.pth").write_bytes(b"1234")
    assert said(published, site).how.endswith("w.pth has 4 bytes, not 5: move it away")
    (site.checkpoints / "w.pth").write_bytes(b"12345")
    assert said(published, site, gate="They ask.").state == "ready"
    (site.checkpoints / "own.pth").write_bytes(b"1")
    own = said(published | {"checkpoint": "own.pth"}, site)
    assert (own.state, own.size) == ("ready", 1)
    lacking = said(published | {"checkpoint": "gone.pth"}, site)
    assert (lacking.state, lacking.fetchable) == ("by hand", False)
    assert "no checkpoint gone.pth" in lacking.how


def test_a_repository_is_ready_once_it_lies_whole_in_the_cache(site, tmp_path, monkeypatch):
    with serving_hub(tmp_path / "cache", monkeypatch) as hub:
        found = said(OF_THE_HUB, site)
        assert (found.state, found.how) == ("to fetch", "https://huggingface.co/someone/tiny-sam")
        assert hub.got == [], "it asks nobody"
        folder = fetch_repository(SOURCE, allowed=True)
        ready = said(OF_THE_HUB, site)
        assert (ready.state, ready.how, ready.size) == ("ready", str(folder.path), len(WEIGHTS))
        folder.weights[0].unlink()
        assert said(OF_THE_HUB, site).state == "to fetch"


def test_an_own_folder_comes_before_the_repository(site, tmp_path, nothing_cached):
    assert "no checkpoint" in said(OF_THE_HUB | {"folder": "nowhere"}, site).how
    save_file({"a": torch.zeros(3)}, tmp_path / "model.safetensors")
    mine = said(OF_THE_HUB | {"folder": str(tmp_path)}, site)
    assert (mine.state, mine.how) == ("ready", str(tmp_path))
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    assert "safetensors alone" in said(OF_THE_HUB | {"folder": str(tmp_path)}, site).how
    assert "give model.args.folder" in said(OF_THE_HUB | {"repository": None}, site).how
    assert "40 hex digits" in said(OF_THE_HUB | {"revision": "main"}, site).how


def test_what_is_not_set_and_what_is_not_installed_is_told(site, monkeypatch, tmp_path):
    assert said({"radius": "???"}, site).how == "give model.args.radius=…"
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert said(OF_THE_HUB, site).how == "pip install 'sam-bench[transformers]'"
    (tmp_path / "e.onnx").write_bytes(b"123")
    (tmp_path / "d.ts").write_bytes(b"12")
    graphs = {"encoder": str(tmp_path / "e.onnx"), "decoder": str(tmp_path / "d.ts")}
    assert said(graphs, site).how == "pip install 'sam-bench[onnx]'"
    monkeypatch.undo()
    assert (said(graphs, site).state, said(graphs, site).size) == ("ready", 5)


def test_a_class_of_ones_own_is_not_guessed_at(site):
    assert said({"reach": 40.0}, site).state == "not told"
    assert said({"reach": 40.0}, site, parameters=0).state == "ready"
    strange = said({"file": "../e.ts", "sha256": "0"}, site)
    assert "expected a bare name" in strange.how
    assert said({"file": "gone.ts", "sha256": "0"}, site).state == "by hand"
