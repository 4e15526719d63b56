import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.models.weights import load_strict, misfits, read_state
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
    load_strict(fresh, read_state(path), "w")
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
