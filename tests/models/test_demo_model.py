"""The class of the demo models; the contract tests hold the shipped checkpoint to its promises."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from bench.demo.network import build_demo_sam
from bench.models import demo
from bench.models.demo import DemoSam
from bench.types import BenchError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A package folder of demo checkpoints with an untrained one in it."""
    monkeypatch.setattr(demo.resources, "files", lambda _: tmp_path)
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    torch.manual_seed(0)
    state = {key: value.half() for key, value in build_demo_sam("s").state_dict().items()}
    save_file(state, checkpoints / "tiny.safetensors")
    return checkpoints


def args(folder, **changes):
    content = (folder / "tiny.safetensors").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return {"size": "s", "file": "tiny.safetensors", "sha256": sha256, **changes}


def test_loads_half_precision_into_float32(folder, site):
    before = torch.get_rng_state()
    model = DemoSam(**args(folder), site=site)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(0)
    expected = build_demo_sam("s").state_dict()
    for key, value in model._sam.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, expected[key].half().float())
    assert not model._sam.training
    assert model.facts["checkpoint_sha256"] == args(folder)["sha256"]


def test_pins_size_and_content(folder, site):
    given = args(folder)
    assert DemoSam.pin(given, site) == {"size": "s", "sha256": given["sha256"]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "0" * 64}, "expected sha256 0000"),
        ({"file": "other.safetensors"}, r"those there: tiny\.safetensors"),
        ({"size": "xl"}, "'xl'; did you mean l"),
    ],
)
def test_refuses_what_is_wrong(folder, site, changes, words):
    for use in (
        lambda: DemoSam.pin(args(folder, **changes), site),
        lambda: DemoSam(**args(folder, **changes), site=site),
    ):
        with pytest.raises(BenchError, match=words):
            use()


def test_refuses_another_size_s_weights(folder, site):
    with pytest.raises(BenchError, match=r"as size m does not fit: .*of another shape"):
        DemoSam(**args(folder, size="m"), site=site)


def test_arguments_that_lack(site):
    with pytest.raises(BenchError, match="lack file, sha256"):
        DemoSam.pin({"size": "s"}, site)
