"""Words of the command line mean what they say, whatever characters a path has."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from bench.cli import main
from bench.config.composing import RunConfig, load_configs
from bench.config.settings import FOLDERS
from bench.config.words import as_meant, quoted
from bench.files.places import local_path, place
from bench.types import BenchError

NAMES = (
    *("grün", "epoch=3", "scan(1)", "a#b", "介绍", "o'b", "R&D", "x,y", "~", "a~b", 'a"b', "{id}"),
    *(
        "[1]",
        "a b",
        "a\\b",
        "a\\",
        "100%",
        "$HOME",
        "a:b",
        "!",
        "?",
        "*",
        "<a>",
        "`",
        "a;b",
    ),
)
PARSER = OverridesParser.create()


def meant(word: str) -> object:
    """The value that a word stands for, as it is composed."""
    (said,) = as_meant([word])
    override = PARSER.parse_override(said)
    assert not override.is_sweep_override(), said
    found = OmegaConf.to_container(OmegaConf.create({"x": override.value()}), resolve=True)
    assert isinstance(found, dict)
    return found["x"]


def one(*words: str, extra: Path | None = None) -> RunConfig:
    (config,) = load_configs(["model=disk", *words], extra)
    return config


@pytest.mark.parametrize("name", NAMES)
def test_a_path_of_any_characters_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    for key in (*FOLDERS, "dataset.args.folder", "++model.args.checkpoint", "task.args.x"):
        for value in (path, f"{path}/a.json", f"~/{name}", f"../{name}"):
            if "\\" not in value or not value.startswith(("~", "..")):
                assert meant(f"{key}={value}") == value


def test_such_a_path_goes_through_composing(tmp_path: Path) -> None:
    path = str(tmp_path / "grün 介绍=(1)#'&~,${x}" / "a.json")
    config = one(*(f"{key}={path}" for key in FOLDERS), f"dataset.args.folder={path}")
    runtime = config.runtime
    assert {runtime.datasets, runtime.checkpoints, runtime.results} == {path}
    assert runtime.embedding_cache == config.dataset.args["folder"] == path


@pytest.mark.parametrize("value", ["1", "007", "1e3", "true", "a,b", "~/a", "x=1", "~", "grün"])
def test_a_folder_is_never_a_number_nor_several(value: str) -> None:
    assert [meant(f"{key}={value}") for key in FOLDERS] == [value] * 4


def test_what_is_in_quotes_is_read_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PLACE", "/there")
    for word in ("'/a,b'", '"/a,b"', "/a\\,b"):
        assert meant(f"runtime.results={word}") == "/a,b"
    assert meant("runtime.results=${oc.env:MY_PLACE}/x") == "/there/x"
    assert meant("runtime.embedding_cache=null") is None
    assert meant("model.args.x=[1,{a: 2}]") == [1, {"a": 2}]


def test_a_comma_sweeps_unless_it_is_a_paths_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x,y", "a", "b", "own/p,q"):
        (tmp_path / name).mkdir(parents=True)
    key = "dataset.args.folder"
    for path in (f"{tmp_path}/x,y", "x,y", f"{tmp_path}/not,there", "~/not,there"):
        assert meant(f"{key}={path}") == path
    words = [f"{key}={paths}" for paths in ("./a,./b", "./a,b", "c,d", "a,b", "1,2", "p,q")]
    assert as_meant(words) == words
    assert as_meant([*words[-1:], "runtime.datasets=own"])[0] == f"{key}='p,q'", "it is there"
    assert as_meant(["model=x,y", "seed=1,2"]) == ["model=x,y", "seed=1,2"]


def test_a_yamls_sweep_takes_paths_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nsweep: {dataset.args.folder: [/grün, '/a=b', c]}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text, encoding="utf-8")
    configs = load_configs(["model=disk", "experiment=mine"], tmp_path)
    assert [config.dataset.args["folder"] for config in configs] == ["/grün", "/a=b", "c"]


def test_a_folder_of_yamls_may_be_called_anything(tmp_path: Path) -> None:
    folder = tmp_path / "grün 介绍=(1)#'&~,[x]{y}\\\\z" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package _global_\nseed: 7\n")
    assert one("experiment=mine", extra=folder.parent).seed == 7
    (tmp_path / "${x}").mkdir()
    with pytest.raises(BenchError, match=r"holds '..', which is filled in"):
        one(extra=tmp_path / "${x}")


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("nonsense", r"^'nonsense': expected KEY=VALUE, such as model=demo$"),
        ("a b=c", r"^'a b=c': 'a b' is no key: expected words with dots between them$"),
        ("dataset.grün=1", "'dataset.grün' is no key"),
        (
            "dataset.args.folders=[/grün,b]",
            r"""^dataset\.args\.folders: \[/grün,b\] can't be read: .*\.folders=\["…", …\]'$""",
        ),
        ("model.args.x={a: ü}", "stands in quotes, and the whole in others: 'model.args.x="),
    ],
)
def test_a_word_that_cannot_be_read_says_how_it_is_written(word: str, says: str) -> None:
    with pytest.raises(BenchError, match=says) as caught:
        one(word)
    assert "\n" not in str(caught.value)


def test_the_quotes_that_are_named_work() -> None:
    config = one('+dataset.args.folders=["/grün","b (1)"]')
    assert config.dataset.args["folders"] == ["/grün", "b (1)"]


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12))
def test_any_text_in_quotes_is_that_text(text: str) -> None:
    assert meant(f"figure={quoted(text)}") == text


def test_the_home_folder_is_written_out_wherever_a_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("~/a") == place("~/a") == tmp_path / "a"
    assert local_path("~nobody-is-called-so/a") == Path("~nobody-is-called-so/a")
    site = one("runtime.datasets=~/d", "runtime.checkpoints=~/c").runtime.site()
    assert (site.datasets, site.checkpoints) == (tmp_path / "d", tmp_path / "c")
    monkeypatch.chdir(tmp_path)
    for words, found in (
        (["ls", "runs", "--results=~/nowhere"], f"{tmp_path}/nowhere/runs"),
        (["protocol", "show", "sam", "--config-dir=~/nowhere"], f"{tmp_path}/nowhere: no such"),
        (["data", "new", "x", "--folder=~/nowhere"], f"{tmp_path}/nowhere: no such folder"),
        (["segment", "--image_path=~/nowhere.png"], f"{tmp_path}/nowhere.png"),
        (["score", "--predictions=~/nowhere.json", "dataset=shapes"], f"{tmp_path}/nowhere.json"),
    ):
        assert main(words) == 2
        assert found in capsys.readouterr().err
    assert not (tmp_path / "~").exists()
