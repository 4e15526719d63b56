"""One word for one thing: folders, settings, and what is said of a word that isn't known."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from bench.cli import main
from bench.config.composing import load_configs
from bench.types import BenchError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--limit", "5"], "say runtime.limit=5"),
        (["run", "--prompt-batch=8"], "say runtime.prompt_batch=8"),
        (["run", "--model", "demo"], "say model=demo"),
        (["run", "--dataset", "photos"], "say dataset=photos"),
        (["ls", "runs", "runtime.results=there"], "say --results there"),
        (["report", "--limit", "5"], "this command takes no limit"),
        (["ls", "models", "model=demo"], "this command takes no words KEY=VALUE"),
        (["run", "--plann"], "did you mean --plan?"),
        (
            ["card", "x", "--allow-partial"],
            "card: unrecognized arguments: --allow-partial; `sam",
        ),
        (["card", "x", "--chek"], "did you mean --check or --help?"),
        (["report", "--resul", "x"], "did you mean --results"),
        (["run", "--results", "a", "runtime.results=b"], "are one and the same"),
    ],
)
def test_a_word_that_is_not_known_is_answered_with_the_one_that_is(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


HERE = ["model=disk", "dataset=shapes", "dataset.args.count=2", "prompt=point_1"]


def folders(results: Path) -> int:
    return len(list((results / "runs").iterdir())) if results.exists() else 0


def test_results_are_an_option_of_a_run_and_of_what_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    theirs, ours = tmp_path / "a folder, with ${signs}", tmp_path / "ours"
    assert main(["run", "--results", str(theirs), *HERE]) == 0
    assert folders(theirs) == 1
    monkeypatch.setenv("SAM_BENCH_RESULTS", str(ours))
    assert main(["run", *HERE]) == 0
    assert folders(ours) == 1
    assert main(["run", "--results", str(theirs), *HERE, "seed=3"]) == 0
    assert (folders(theirs), folders(ours)) == (2, 1)
    capsys.readouterr()
    assert main(["ls", "runs", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert main(["ls", "runs", "--json", "--results", str(theirs)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert not (tmp_path / "results").exists()


def test_the_environment_may_name_a_bucket_and_a_yaml_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAM_BENCH_RESULTS", "s3://mine/results")
    (config,) = load_configs(HERE)
    assert config.runtime.results == "s3://mine/results"
    (tmp_path / "runtime").mkdir()
    yaml = tmp_path / "runtime" / "far.yaml"
    yaml.write_text("target: bench.run.runtime.local.Local\nresults: s3://theirs/results\n")
    with pytest.raises(BenchError, match="only you may, on the command line"):
        load_configs([*HERE, "runtime=far"], tmp_path)


def test_yamls_beside_the_command_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_conf" / "prompt").mkdir(parents=True)
    own = "# @package prompts.mine\nname: mine\nversion: '1'\ntarget: bench.prompts.box.Box\n"
    (tmp_path / "my_conf" / "prompt" / "mine.yaml").write_text(own)
    assert main(["ls", "prompts", "--json"]) == 0
    assert "mine" in {line["name"] for line in json.loads(capsys.readouterr().out)}
    (tmp_path / "other").mkdir()
    assert main(["ls", "prompts", "--json", "--config-dir", "other"]) == 0
    assert "mine" not in {line["name"] for line in json.loads(capsys.readouterr().out)}


def test_settings_say_what_the_environment_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAM_BENCH_DATASETS", "/data/sets")
    assert main(["settings"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "/data/sets)" in shown
    assert main(["settings", "--json"]) == 0
    lines = {each["key"]: each for each in json.loads(capsys.readouterr().out)}
    assert lines["runtime.datasets"]["default"] == "datasets"
    assert lines["runtime.limit"]["means"] == "`limit` runs only the first images, for a try."


def test_the_next_command_names_folders_as_they_were_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model=disk", "dataset=shapes", "--results", str(tmp_path / "my runs")]
    assert main(["run", *words, "--plan"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(last) == ["next:", "sam-bench", "run", *words]
