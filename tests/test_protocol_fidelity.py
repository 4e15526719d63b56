"""Each protocol gives what its source's rule gives, a plain loop written anew, on real photos."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_protocols import BOXES, CLICKS, Found, Seen
from protocol_fidelity import BEFORE, run, whole

from bench.config.composing import load_component, load_configs
from bench.config.folders import group_names
from bench.data.readers.photos import Photos
from bench.models.loading import load_model
from bench.run.plan import make_plan
from bench.types import Site

PHOTOS = 3
"""The first of the set: 303×384 with 24 coins, 512×512 and 300×451 (H×W)."""

APART = {"sam2": 0.5, "edge_sam": 1.5}
"""Of the protocols whose later clicks look at another prediction than their source's: how far the
mean over the masks is apart, in points."""


@pytest.fixture(scope="module")
def seen() -> Iterator[list[Seen]]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as the bench runs: on several the last bits of logits are others
    model = load_model(load_component("model", "demo_s"), Site())
    reader = Photos(site=Site())
    yield [Seen.of(model, reader.read(image_id)) for image_id in reader.ids()[:PHOTOS]]
    torch.set_num_threads(before)


def ours(protocol: str, prompt: str) -> Found:
    return run("photos", [f"runtime.limit={PHOTOS}"], "demo_s", protocol, prompt)


def test_every_protocol_has_a_loop_of_its_source() -> None:
    assert set(CLICKS) | set(BOXES) == set(group_names("protocol"))


@pytest.mark.long
@pytest.mark.parametrize("protocol", CLICKS)
def test_clicks_are_those_of_the_sources_rule(protocol: str, seen: list[Seen]) -> None:
    steps = 1 if protocol == "segment_anything_fast" else 3
    found = ours(protocol, "point_3")
    expected = whole(lambda one: CLICKS[protocol](one, steps), seen)
    assert found.keys() == expected.keys()
    for step in range(steps):
        a, b = (np.array([side[key][step] for key in expected]) for side in (found, expected))
        if step > 0 and protocol in APART:
            assert 100 * abs(a.mean() - b.mean()) <= APART[protocol]
        else:
            assert np.abs(a - b).max() < 1e-9


@pytest.mark.long
@pytest.mark.parametrize("protocol", BOXES)
def test_boxes_are_those_of_the_sources_rule(protocol: str, seen: list[Seen]) -> None:
    found, expected = ours(protocol, "box"), whole(BOXES[protocol], seen)
    assert found.keys() == expected.keys()
    assert max(abs(found[key][0] - expected[key][0]) for key in expected) < 1e-9


@pytest.mark.parametrize("name", group_names("protocol"))
def test_every_choice_says_where_its_source_says_so(name: str) -> None:
    protocol = load_component("protocol", name)
    about = protocol.about
    assert list(about["where"]) == list(protocol.args)
    if "source" in about:
        assert re.fullmatch(r"[0-9a-f]{40}", about["source"]["commit"])
        assert about["source"]["repository"] in about["cite"]
        assert about["source"]["commit"][:7] in about["cite"]
    for left in about.get("differs", []):
        assert set(left) == {"what", "where", "worth"}
        assert re.search(r"\d|nothing|not measured|the same", left["worth"])


GOLDEN = {
    "edge_sam": "6b75a9cf6aef",
    "efficientvit_sam": "a79bf549e4e9",
    "ritm_noc": "371b9da50695",
    "sam2": "fc5510f8307e",
    "segnext": "09cb565c95b1",
}
"""Keys of version 1, of the model ``disk`` on ``shapes`` with three points."""


@pytest.mark.parametrize("name", BEFORE)
def test_version_1_keeps_its_key_and_its_choices(name: str, tmp_path: Path) -> None:
    """A run of before the version rose is found by the words that made its choices."""
    words = [f"protocol={name}", "protocol.version='1'", "model=disk", "prompt=[point_3]"]
    words += [f"protocol.args.{choice}" for choice in BEFORE[name]]
    words += [f"runtime.results={tmp_path}", "dataset=shapes"]
    (key,) = {each.key for each in make_plan(load_configs(words)[0]).work.runs.values()}
    assert key == GOLDEN[name]
