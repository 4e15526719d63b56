"""Repositories of the hub: the hub's own client against a server of this machine."""

import hashlib
import time

import pytest
from hub_server import REVISION, SOURCE, WEIGHTS, serving_hub
from huggingface_hub import constants

from bench.models import hub as module
from bench.models.hub import Repository, fetch_repository
from bench.models.transformers_sam import TransformersSam
from bench.types import BenchError, Site


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with serving_hub(tmp_path / "cache", monkeypatch) as server:
        yield server


def test_a_repository_is_fetched_once_and_never_its_pickle(hub):
    found = fetch_repository(SOURCE, allowed=True)
    assert [file.name for file in found.files] == ["config.json", "model.safetensors"]
    assert sorted(hub.got) == ["config.json", "model.safetensors"]
    again = fetch_repository(SOURCE, allowed=False)
    assert again.sha256 == found.sha256
    assert len(hub.got) == 2


def test_what_is_whole_in_the_cache_asks_no_one(hub):
    fetch_repository(SOURCE, allowed=True)
    hub.fault = "RepoNotFound"
    assert fetch_repository(SOURCE, allowed=True).path.name == REVISION


def test_a_copy_that_lacks_files_is_completed(hub):
    fetch_repository(SOURCE, allowed=True).weights[0].unlink()
    with pytest.raises(BenchError, match="downloads are switched off"):
        fetch_repository(SOURCE, allowed=False)
    assert fetch_repository(SOURCE, allowed=True).weights[0].read_bytes() == WEIGHTS


def test_a_repository_of_pickles_alone_is_refused(hub):
    del hub.files["model.safetensors"]
    with pytest.raises(BenchError, match="from safetensors alone, and it has none"):
        fetch_repository(SOURCE, allowed=True)
    assert hub.got == ["config.json"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("GatedRepo", "its authors give access on request.*hf auth login"),
        ("RevisionNotFound", "has no such revision"),
        ("RepoNotFound", "shows no such repository.*hf auth login"),
    ],
)
def test_what_the_hub_refuses_is_told(hub, fault, said):
    hub.fault = fault
    with pytest.raises(BenchError, match=said) as caught:
        fetch_repository(SOURCE, allowed=True)
    assert "someone/tiny-sam@01234567" in str(caught.value)


def test_without_a_download_the_way_by_hand_is_told(hub):
    with pytest.raises(BenchError, match="downloads are switched off") as caught:
        fetch_repository(SOURCE, allowed=False)
    assert f"hf download someone/tiny-sam --revision {REVISION}" in str(caught.value)
    assert hub.got == []


def test_without_a_network_the_way_by_hand_is_told_at_once(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    said = r"the hub cannot be reached \(.*\); where there is a network: hf download someone"
    with pytest.raises(BenchError, match=said):
        fetch_repository(SOURCE, allowed=True)
    assert time.monotonic() - start < 5, "the client would take 23 s"


def test_a_hub_that_is_away_for_a_moment_is_asked_again(hub, monkeypatch):
    faults = [ConnectionRefusedError("not yet")]
    ask = module.urlopen

    def asked(*args, **more):
        if faults:
            raise faults.pop()
        return ask(*args, **more)

    monkeypatch.setattr(module, "urlopen", asked)
    assert fetch_repository(SOURCE, allowed=True).path.name == REVISION


@pytest.mark.parametrize("revision", ["main", "0123456", REVISION.upper(), ""])
def test_a_branch_is_no_revision(revision):
    with pytest.raises(BenchError, match="the 40 hex digits of a commit"):
        Repository("someone/tiny-sam", revision)
    with pytest.raises(BenchError, match="a repository is owner/name"):
        Repository("tiny-sam", REVISION)


def test_a_model_is_pinned_by_what_was_fetched(hub):
    args = {"arch": "sam", "repository": SOURCE.name, "revision": REVISION}
    pinned = TransformersSam.pin(args, Site())
    assert pinned == {"arch": "sam", "sha256": fetch_repository(SOURCE, allowed=False).sha256}
    right = hashlib.sha256(WEIGHTS).hexdigest()
    assert TransformersSam.pin(args | {"sha256": right}, Site()) == pinned
    with pytest.raises(BenchError, match=f"expected sha256 {'0' * 64}, found {right}"):
        TransformersSam.pin(args | {"sha256": "0" * 64}, Site())


def test_no_revision_and_no_folder_say_what_to_give():
    args = {"arch": "sam", "repository": SOURCE.name, "revision": None}
    with pytest.raises(BenchError, match=r"model\.args\.revision=.*or give model\.args\.folder"):
        TransformersSam.pin(args, Site())
    with pytest.raises(BenchError, match=r"give model\.args\.folder=FOLDER"):
        TransformersSam.pin({"arch": "sam", "repository": None}, Site())
