"""The loader of the published architectures; ViT-B once, with random weights."""

import hashlib

import numpy as np
import pytest
import torch
from segment_anything import sam_model_registry

from bench.models.segment_anything import SegmentAnything
from bench.types import BenchError, Prompt, Site


def published(**changes):
    return {
        "arch": "vit_b",
        "file": "sam_vit_b.pth",
        "url": "http://127.0.0.1:9/sam_vit_b.pth",
        "size": 4,
        "sha256": hashlib.sha256(b"true").hexdigest(),
        **changes,
    }


def test_pins_content_and_not_place(site, tmp_path):
    site.checkpoints.mkdir()
    (site.checkpoints / "sam_vit_b.pth").write_bytes(b"true")
    expected = {"arch": "vit_b", "sha256": published()["sha256"]}
    assert SegmentAnything.pin(published(checkpoint=None), site) == expected
    elsewhere = tmp_path / "copy.pth"
    elsewhere.write_bytes(b"true")
    assert SegmentAnything.pin(published(checkpoint=str(elsewhere)), Site()) == expected


@pytest.fixture(scope="module")
def names():
    """ViT-B's tensors: expanded from single numbers, they are small on the disk."""
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in sam_model_registry["vit_b"]().state_dict().items()}
    return {key: torch.zeros(1).expand(shape) for key, shape in shapes.items()}


def test_pins_an_own_file_by_its_own_hash(site, tmp_path, monkeypatch, names):
    site.checkpoints.mkdir()
    mine, here = site.checkpoints / "mine.pth", tmp_path / "mine.pth"
    torch.save(names, mine)
    monkeypatch.chdir(tmp_path)
    expected = {"arch": "vit_b", "sha256": hashlib.sha256(mine.read_bytes()).hexdigest()}
    assert SegmentAnything.pin(published(checkpoint="mine.pth"), site) == expected
    torch.save({"model": names}, here)  # the working folder comes first
    pinned = SegmentAnything.pin(published(checkpoint="mine.pth"), site)
    assert pinned["sha256"] == hashlib.sha256(here.read_bytes()).hexdigest()


def test_an_adapter_is_in_the_identity(site, tmp_path):
    site.checkpoints.mkdir()
    (site.checkpoints / "sam_vit_b.pth").write_bytes(b"true")
    adapter = site.checkpoints / "lora"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(
        BenchError, match=r"no adapter in .*lora: adapter_model\.safetensors is need"
    ):
        SegmentAnything.pin(published(adapter="lora"), site)
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    plain = SegmentAnything.pin(published(), site)
    pinned = SegmentAnything.pin(published(adapter="lora"), site)
    assert pinned == plain | {"adapter": pinned["adapter"]}
    (adapter / "adapter_config.json").write_text("{ }")
    assert SegmentAnything.pin(published(adapter=str(adapter)), site) != pinned


def test_an_own_file_that_does_not_fit_is_refused_before_a_run(site, tmp_path, names):
    path = tmp_path / "hq.pth"
    torch.save(names | {"mask_decoder.hf_token.weight": torch.zeros(1, 256)}, path)
    with pytest.raises(BenchError, match=r"hq\.pth as vit_b does not fit: 1 unexpected.*HQ-SAM"):
        SegmentAnything.check_files(published(checkpoint=str(path)), site)


def test_what_is_taken_off_of_an_own_file_is_said(site, tmp_path, names, caplog):
    path = tmp_path / "epoch.ckpt"
    torch.save({"state_dict": {f"model.{k}": v for k, v in names.items()}, "epoch": 3}, path)
    with caplog.at_level("INFO"):
        SegmentAnything.check_files(published(checkpoint=str(path)), site)
    assert "epoch.ckpt: taken from 'state_dict', names without 'model.'" in caplog.text


def test_missing_own_file_names_the_places(site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError) as caught:
        SegmentAnything.pin(published(checkpoint="mine.pth"), site)
    assert str(tmp_path / "mine.pth") in str(caught.value)
    assert str(site.checkpoints / "mine.pth") in str(caught.value)


def test_missing_file_without_download_says_what_to_do(site):
    with pytest.raises(BenchError) as caught:
        SegmentAnything.pin(published(), site)
    assert "http://127.0.0.1:9/sam_vit_b.pth" in str(caught.value)
    assert str(site.checkpoints / "sam_vit_b.pth") in str(caught.value)


@pytest.mark.parametrize("content", [b"fake", b"truer"])
def test_wrong_published_file_is_refused_and_kept(site, content):
    site.checkpoints.mkdir()
    path = site.checkpoints / "sam_vit_b.pth"
    path.write_bytes(content)
    for use in (
        lambda: SegmentAnything.pin(published(), site),
        lambda: SegmentAnything(**published(), site=site),
    ):
        with pytest.raises(BenchError, match=r"expected .*, found ") as caught:
            use()
        assert str(path) in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize("arch", ["vit_x", "default", None])
def test_unknown_architecture(site, arch):
    with pytest.raises(BenchError, match=r"no architecture .*vit_l"):
        SegmentAnything.pin(published(arch=arch), site)


def test_arguments_that_lack(site):
    with pytest.raises(BenchError, match="lack url, size"):
        SegmentAnything.pin({"arch": "vit_b", "file": "a", "sha256": "0" * 64}, site)


def test_a_checkpoint_of_another_architecture_is_recognised(site, tmp_path):
    """A state dict with ViT-L's shapes: expanded from single numbers, it is small on the disk."""
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in sam_model_registry["vit_l"]().state_dict().items()}
    path = tmp_path / "large.pth"
    torch.save({key: torch.zeros(1).expand(shape) for key, shape in shapes.items()}, path)
    assert path.stat().st_size < 10_000_000
    with pytest.raises(BenchError) as caught:
        SegmentAnything(**published(checkpoint=str(path)), site=site)
    text = str(caught.value)
    assert text.endswith("it looks like vit_l")
    with pytest.raises(BenchError) as caught:  # and already before a run is begun
        SegmentAnything.check_files(published(checkpoint=str(path)), site)
    assert str(caught.value) == text
    SegmentAnything.check_files(published(arch="vit_l", checkpoint=str(path)), site)
    assert "image_encoder.pos_embed (expected 1×64×64×768, found 1×64×64×1024)" in text
    assert "unexpected: image_encoder.blocks.12." in text


@pytest.mark.long
def test_loads_vit_b(site, tmp_path):
    path = tmp_path / "tuned.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        sam = sam_model_registry["vit_b"]()
    torch.save({"model": sam.state_dict(), "epoch": 3}, path)
    before = torch.get_rng_state()
    model = SegmentAnything(**published(checkpoint=str(path)), site=site)
    assert torch.equal(torch.get_rng_state(), before)
    loaded = model._sam.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in sam.state_dict().items())
    assert model.facts["parameters"] == "93735472"
    assert model.facts["weights_read"] == "taken from 'model'"
    assert model.facts["checkpoint_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    # The decoder answers in its own shape; the encoder would take seconds and has its own tests.
    from bench.models.sam_embedding import SamEmbedding

    embedding = SamEmbedding(torch.zeros(256, 64, 64), (640, 1024), (5, 8))
    point = Prompt(points=np.array([[3, 2]], np.float32), labels=np.array([1]))
    prediction = model.predict([embedding], [point], True)
    assert prediction.logits.shape == (1, 3, 256, 256)


@pytest.mark.parametrize("arch", ["vit_b", "vit_l", "vit_h"])
def test_the_size_of_an_embedding_is_known_without_weights(arch):
    assert SegmentAnything.embedding_bytes({"arch": arch}) == 256 * 64 * 64 * 4
