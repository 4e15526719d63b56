"""What holds of every command: ``--json``, ``-q``, ``-v`` and ``next:``, none of them forgotten."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from finished import one_line
from PIL import Image

from bench.cli import _parser, main

DEMO = ["model=disk", "dataset=shapes", "dataset.args.count=2", "prompt=[point_1]"]
ONE = ["model=disk", "dataset=shapes"]


def leaves(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every command without verbs of its own, and its options."""
    verbs = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for verb in verbs:
        for each, below in verb.choices.items():
            yield from leaves(below, f"{name} {each}".strip())
    if not verbs:
        yield name, {option for action in parser._actions for option in action.option_strings}


COMMANDS = dict(leaves(_parser()))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_can_be_quiet_say_more_and_speak_to_machines(name: str) -> None:
    assert COMMANDS[name] >= {"--json", "--quiet", "-q", "--verbose", "-v"}


LISTS = {"ls", "settings", "protocol show", "panoptic"}
ENDS = {"board", "explain", "export", "protocol ablate", "rm", "segment"}
"""After these nothing usually comes: they list, show or take away."""

CASES: Mapping[str, Sequence[str]] = {
    "board": ["{results}", "--out", "{tmp}/board"],
    "canary": ["model=demo", "--output-dir", "{tmp}/c", "--overwrite"],
    "card": ["{key}", "--results", "{results}", "--out", "{tmp}/cards"],
    "check": ["dataset=shapes", "dataset.args.count=2"],
    "compare": ["disk", "demo", "--results", "{results}", "--name", "both"],
    "data ls": ["--datasets", "{tmp}"],
    "data show": ["shapes"],
    "data fetch": ["shapes"],
    "data new": ["mine", "--folder", "{coco}", "--config-dir", "{tmp}/conf{mode}"],
    "doctor": ["--results", "{results}"],
    "explain": ["{key}", "--target", "55.6", "--results", "{results}"],
    "export": ["{key}", "--prompts", "{tmp}/p.csv", "--results", "{results}"],
    "export-model": ["model=demo", "--format", "torchscript", "--output-dir", "{tmp}/e{mode}"],
    "fetch": ["model=demo"],
    "hub model": ["{key}", "--results", "{results}", "--benchmark", "shapes=a/b"],
    "hub rows": ["{key}", "--results", "{results}"],
    "ls": ["runs", "--results", "{results}"],
    "protocol ablate": ["sam", "hq_sam", *DEMO, "--results", "{results}"],
    "protocol diff": ["sam", "hq_sam"],
    "protocol show": ["sam"],
    "report": ["{key}", "--results", "{results}"],
    "rescore": ["{key}", "--metric", "dice", "--results", "{results}"],
    "rm": ["*", "--results", "{spare}{mode}", "--yes"],
    "run": [*DEMO, "--results", "{results}"],
    "score": ["--predictions", "{coco_results}", "--model-name", "them", *DEMO[1:3],
              "--results", "{results}"],
    "edges": ["--filter", "sobel", *DEMO[1:3], "--results", "{results}"],
    "segment": ["model=demo", "--image-path", "{picture}", "--input-point", "9,9",
                "--output-dir", "{tmp}/s"],
    "settings": [],
}  # fmt: skip
"""Words with which each command works here."""

ELSEWHERE = {
    "rate": "tests/report/rating",
    "concepts": "score has what it prints",
    "panoptic": "score has what it prints",
}
"""Commands that need more than a run of two scenes."""

SLOW = {"compare", "export-model", "report", "edges", "protocol ablate", "data ls", "doctor"}


def test_no_command_is_forgotten() -> None:
    assert CASES.keys() | ELSEWHERE.keys() == COMMANDS.keys()
    assert not CASES.keys() & ELSEWHERE.keys()


@pytest.fixture(scope="module")
def here(tmp_path_factory, coco_folder_in) -> dict[str, str]:
    """Runs of two models, a picture, a dataset, masks of another tool, runs to be deleted."""
    tmp = tmp_path_factory.mktemp("every")
    results = tmp / "results"
    for model in ("disk", "demo"):
        assert main(["run", f"model={model}", *DEMO[1:], "--results", str(results)]) == 0
    (key,) = (path.name[-12:] for path in (results / "runs").glob("shapes-disk-*"))
    for mode in ("", "--json", "-q"):
        words = ["--results", f"{tmp}/spare{mode}"]
        assert main(["run", *DEMO, *words]) == 0
    Image.new("RGB", (40, 30), (90, 20, 200)).save(tmp / "p.png")
    coco = tmp / "theirs.json"
    assert main(["export", key, "--coco", str(coco), "--results", str(results)]) == 0
    return {"tmp": str(tmp), "results": str(results), "key": key, "spare": f"{tmp}/spare",
            "picture": f"{tmp}/p.png", "coco": str(coco_folder_in(tmp / "data")),
            "coco_results": str(coco)}  # fmt: skip


def words_of(name: str, here: Mapping[str, str], mode: str) -> list[str]:
    words = [word.format(**here, mode=mode) for word in CASES[name]]
    return [*name.split(), *words, *([mode] if mode else [])]


EACH = [
    pytest.param(name, marks=[pytest.mark.long] if name in SLOW else []) for name in sorted(CASES)
]


@pytest.mark.parametrize("name", EACH)
def test_every_command_speaks_to_machines_and_people(
    name: str, here: dict[str, str], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(words_of(name, here, "--json")) == 0
    assert json.loads(capsys.readouterr().out) not in (None, "")
    assert main(words_of(name, here, "")) == 0
    lines = capsys.readouterr().out.splitlines()
    nexts = [line for line in lines if line.startswith("next: ")]
    if name in LISTS | ENDS:
        assert not nexts
    else:
        assert nexts == lines[-1:]
        program, *words = shlex.split(nexts[0].removeprefix("next: "))
        if program == "sam-bench":
            _parser().parse(words)
        else:
            assert (program, words[0]) == ("hf", "upload")


QUIET = ["run", "check", "card", "rescore", "rm", "score"]


@pytest.mark.parametrize("name", QUIET)
def test_quiet_leaves_the_result(
    name: str, here: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = words_of(name, here, "-q")
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.strip()
    assert "next: " not in said.out


def test_a_run_that_computes_is_quiet_too(tmp_path, capsys) -> None:
    assert main(["run", *DEMO, "--results", f"{tmp_path}/a"]) == 0
    assert "2/2 images" in capsys.readouterr().err
    assert main(["run", *DEMO, "--results", f"{tmp_path}/b", "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_more_words_show_the_way_to_an_error(tmp_path, capsys) -> None:
    words = ["report", "nowhere", "--results", str(tmp_path)]
    assert main(words) == 2
    one_line(capsys.readouterr().err)
    assert main([*words, "-v"]) == 2
    said = capsys.readouterr().err
    assert "find_runs" in said
    assert said.splitlines()[-1].startswith("sam-bench: no run matches 'nowhere'")
    assert logging.getLogger("bench").level == logging.DEBUG
    assert logging.getLogger().level == logging.INFO


def test_quiet_and_verbose_are_one_choice(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ls", "models", "-q", "-v"])
    assert ended.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.long
def test_what_comes_next_works_on_a_run_of_the_first_images(tmp_path, capsys) -> None:
    words = ["--results", f"{tmp_path}/my results"]
    assert main(["run", *DEMO, "runtime.limit=1", *words]) == 0
    said = capsys.readouterr().out.splitlines()[-1].removeprefix("next: ")
    assert main([*shlex.split(said)[1:], "--json"]) == 0
    capsys.readouterr()
    assert main(["run", *DEMO, *words, "--plan"]) == 0
    said = capsys.readouterr().out.splitlines()[-1].removeprefix("next: ")
    assert main([*shlex.split(said)[1:], "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["lines"]
    assert run["images"] == 2


def test_a_run_writes_the_report_that_its_plan_named(tmp_path, capsys) -> None:
    looks = ["--report", "mine", "--figures", "none", "--pictures", "all", "--by", "size"]
    words = [*DEMO, "--results", str(tmp_path)]
    assert main(["run", *words, *looks, "--plan"]) == 0
    said = capsys.readouterr().out.splitlines()[-1].removeprefix("next: ")
    asked = shlex.split(said)[1:]
    assert all(word in asked for word in looks)
    assert main(asked) == 0
    report = tmp_path / "reports" / "mine"
    assert list((report / "pictures").iterdir())
    assert not list((report / "figures").iterdir())
    assert "by size" in (report / "index.html").read_text().lower()
