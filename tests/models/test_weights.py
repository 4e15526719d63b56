import argparse
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.models.weights import load_strict, misfits, read_saved, read_state
from bench.types import BenchError


def network(width=3):
    return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 1))


@pytest.fixture
def state():
    torch.manual_seed(1)
    return network().state_dict()


@pytest.mark.parametrize("wrap", [None, "model", "state_dict"])
def test_reads_bare_and_wrapped(tmp_path, state, wrap):
    path = tmp_path / "w.pth"
    torch.save(state if wrap is None else {wrap: state, "epoch": 7}, path)
    found = read_state(path)
    fresh = network()
    load_strict(fresh, found, "w.pth")
    for key, value in fresh.state_dict().items():
        assert torch.equal(value, state[key])


def test_half_precision_is_loaded_into_float32(tmp_path, state):
    path = tmp_path / "w.safetensors"
    halves = {key: value.half() for key, value in state.items()}
    save_file(halves, path)
    fresh = network()
    assert load_strict(fresh, read_state(path), "w") == "saved in float16"
    assert fresh[0].weight.dtype == torch.float32
    assert torch.equal(fresh[0].weight, halves["0.weight"].float())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"<html>404</html>", b"\x80\x02garbage" * 9, b"PK\x03\x04"]
)
def test_refuses_what_is_no_checkpoint(tmp_path, suffix, content):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"w\.(pth|safetensors)"):
        read_state(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_refuses_a_truncated_file(tmp_path, state, suffix):
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(BenchError, match=str(path)):
        read_state(path)


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_executes_nothing(tmp_path, state, how):
    sprung, path = tmp_path / "sprung", tmp_path / "w.pth"
    content = {**state, "trap": Trap(sprung)}
    if how == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(BenchError, match="safely"):
        read_state(path)
    assert not sprung.exists()
    with path.open("rb") as file:  # the trap is a real one
        torch.load(file, weights_only=False) if how == "torch" else pickle.load(file)
    assert sprung.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "a list"),
        ({}, "nothing"),
        ({"epoch": 3}, "1 of its 1 entries are no tensors, epoch"),
        ({"model": {}}, "nothing"),
    ],
)
def test_refuses_what_is_no_state_dict(tmp_path, content, words):
    path = tmp_path / "w.pth"
    torch.save(content, path)
    with pytest.raises(BenchError, match=words):
        read_state(path)


def test_names_what_does_not_fit(state):
    state["1.extra"] = state.pop("1.bias")
    state["0.weight"] = torch.zeros(3, 5)
    fresh = network()
    before = {key: value.clone() for key, value in fresh.state_dict().items()}
    with pytest.raises(BenchError) as caught:
        load_strict(fresh, state, "mine.pth as tiny")
    text = str(caught.value)
    assert text.startswith("mine.pth as tiny does not fit: ")
    assert "1 missing: 1.bias" in text
    assert "1 unexpected: 1.extra" in text
    assert "0.weight (expected 3×2, found 3×5)" in text
    assert "\n" not in text
    assert all(torch.equal(before[key], value) for key, value in fresh.state_dict().items())


def test_shows_a_few_names_and_the_count():
    many = {f"k{i}": torch.zeros(1) for i in range(9)}
    assert misfits(nn.Identity(), many) == ["9 unexpected: k0, k1, k2, …"]


def test_says_what_it_looks_like(state):
    relatives = {"wide": lambda: network(7), "narrow": lambda: network(1)}
    with pytest.raises(BenchError, match=r"; it looks like wide$"):
        load_strict(network(3), network(7).state_dict(), "w", relatives)


def test_refuses_integers(state):
    state["0.bias"] = torch.zeros(3, dtype=torch.int64)
    with pytest.raises(BenchError, match=r"not of a floating type: 0\.bias \(torch\.int64\)"):
        load_strict(network(), state, "w")


def behind(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def inside(state):
    """Names as they are where a wrapper holds one layer of the network."""
    return {name.replace("1.", "1._orig_mod.", 1): tensor for name, tensor in state.items()}


NO_SAVED = {"adam": {0: {"step": torch.zeros(()), "exp_avg": torch.zeros(3, 2)}}}

AS_SAVED = {
    "DataParallel": (lambda s: behind("module.", s), "names without 'module.'"),
    "torch.compile": (lambda s: behind("_orig_mod.", s), "names without '_orig_mod.'"),
    "both": (lambda s: behind("module._orig_mod.", s),
             "names without 'module.' and '_orig_mod.'"),
    "a compiled layer": (inside, "names without '_orig_mod.'"),
    "Lightning": (lambda s: {"epoch": 1, "state_dict": behind("model.", s)},
                  "taken from 'state_dict', names without 'model.'"),
    "Lightning, compiled": (lambda s: {"state_dict": behind("model._orig_mod.", s)},
                            "taken from 'state_dict', names without 'model._orig_mod.'"),
    "an attribute in an attribute": (lambda s: behind("net.sam.", s), "names without 'net.sam.'"),
    "wrapped": (lambda s: {"epoch": 3, "net": s, "optimizer": NO_SAVED}, "taken from 'net'"),
    "wrapped twice": (lambda s: {"state": {"net": s}}, "taken from 'state/net'"),
    "beside a larger one": (lambda s: {"teacher": network(9).state_dict() | {"x": s["0.bias"]},
                                       "student": s}, "taken from 'student'"),
    "with its average": (lambda s: {"ema": s, "model": s}, "taken from 'model'"),
    "with more": (lambda s: {**s, "epoch": 3}, "left out: epoch"),
    "bare": (lambda s: s, ""),
}  # fmt: skip


@pytest.mark.parametrize("how", AS_SAVED)
def test_what_wrappers_add_is_taken_off_and_said(tmp_path, state, how):
    save, words = AS_SAVED[how]
    torch.save(save(state), tmp_path / "w.pth")
    fresh = network()
    assert load_strict(fresh, read_saved(tmp_path / "w.pth"), "w") == words
    assert all(torch.equal(value, state[key]) for key, value in fresh.state_dict().items())


def test_a_wrapping_of_one_layer_too_many_is_no_guess(tmp_path, state):
    torch.save({"a": state, "b": state}, tmp_path / "w.pth")
    with pytest.raises(BenchError, match="the weights are there 2 times, under 'a' and 'b'"):
        load_strict(network(), read_saved(tmp_path / "w.pth"), "w")


def test_names_behind_a_prefix_among_others_are_said_and_not_taken(state):
    mixed = behind("model.", state) | {"loss.weight": torch.zeros(2)}
    with pytest.raises(BenchError, match=r"there behind 'model\.', and beside it 1 others, loss\."):
        load_strict(network(), mixed, "w")


def test_a_network_that_is_there_twice_among_its_own_names_is_no_guess(state):
    with pytest.raises(BenchError, match=r"is there twice, behind 'model\.' and without: save one"):
        load_strict(network(), state | behind("model.", state), "w")


@pytest.mark.parametrize("form", ["sparse", "meta"])
def test_tensors_that_hold_no_plain_numbers_are_refused(state, form):
    odd = state["0.weight"].to_sparse() if form == "sparse" else state["0.weight"].to("meta")
    with pytest.raises(BenchError, match=r"1 sparse or without values: 0\.weight"):
        load_strict(network(), state | {"0.weight": odd}, "w")


def test_a_key_that_steers_is_written_out(tmp_path, state):
    del state["0.bias"]
    torch.save(state | {"a\nb\x1b[31m": 3}, tmp_path / "w.pth")
    with pytest.raises(BenchError, match=r"left out: a\\nb\\x1b\[31m\) does not fit"):
        load_strict(network(), read_saved(tmp_path / "w.pth"), "w")


@pytest.mark.parametrize(("value", "fits"), [(2.0, True), (3.0, False)])
def test_a_constant_of_the_network_is_left_out_where_it_is_equal(state, value, fits):
    fresh = network()
    fresh.register_buffer("pixel_mean", torch.full((3,), 2.0), persistent=False)
    more = state | {"pixel_mean": torch.full((3,), value)}
    if fits:
        assert load_strict(fresh, more, "w") == "left out: pixel_mean"
    else:
        with pytest.raises(BenchError, match="pixel_mean: other values than the network's own"):
            load_strict(fresh, more, "w")


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("mask_decoder.hf_mlp.layers.0.weight", "HQ-SAM"),
        ("vision_encoder.layers.0.attn.qkv.bias", "Hugging Face transformers"),
        ("shared_image_embedding.positional_embedding", "Hugging Face transformers"),
        ("module.memory_attention.norm.weight", "SAM 2"),
        ("image_encoder.layers.1.blocks.0.attn.qkv.weight", "MobileSAM"),
        ("image_encoder.features.0.0.c.weight", "RepViT-SAM"),
        ("prompt_encoder.invalid_points.weight", "EfficientSAM"),
        ("image_encoder.backbone.stages.0.op_list.0.main.conv.weight", "EfficientViT-SAM"),
        ("image_encoder.blocks.0.attn.qkv.lora_A.weight", "a LoRA adapter"),
    ],
)
def test_files_of_other_projects_are_named(state, name, project):
    with pytest.raises(BenchError, match=f"it looks like {project}: "):
        load_strict(network(), state | {name: torch.zeros(1)}, "w")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>Virus scan warning</html>", "is a web page"),
        (b"\n <html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 375042383\n",
         "pointer of Git LFS for 375,042,383 bytes, not a checkpoint.*git lfs pull"),
        (b"", "is empty"),
        (b"\x1f\x8b\x08\x00", "is packed with gzip, not a checkpoint.*unpack it"),
    ],
)  # fmt: skip
def test_a_file_that_is_something_else_is_named(tmp_path, suffix, content, words):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=words):
        read_saved(path)


def test_a_file_is_read_by_what_is_in_it_and_not_by_its_name(tmp_path, state):
    save_file(state, tmp_path / "w.pth")
    torch.save(state, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        assert read_state(tmp_path / name).keys() == state.keys()


def test_objects_beside_tensors_are_named(tmp_path, state):
    torch.save({"model": state, "args": argparse.Namespace(lr=1)}, tmp_path / "w.pth")
    with pytest.raises(BenchError, match=r"safely: beside tensors it holds objects of argparse\.N"):
        read_saved(tmp_path / "w.pth")


class Grid(nn.Module):
    """A network whose positions lie on a grid of its pictures' size, as an image encoder's do."""

    def __init__(self, side):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, side, side, 6))
        self.head = nn.Linear(6, 2)


def test_a_network_trained_on_pictures_of_another_size_is_told():
    says = "pos_embed is a grid of 4×4, the network's of 8×8: it was trained on pictures of another"
    with pytest.raises(BenchError, match=says):
        load_strict(Grid(8), Grid(4).state_dict(), "w")
