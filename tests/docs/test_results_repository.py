"""The template of a results repository: what its steps run works on cards, and refuses edits."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from bench.cli import main

TEMPLATE = Path(__file__).parents[2] / "docs" / "templates" / "results_repository"
WORKFLOW = yaml.safe_load((TEMPLATE / ".github" / "workflows" / "board.yml").read_text())


def steps() -> list[str]:
    """The bench's own commands of the workflow, in order."""
    run = [
        step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step
    ]
    return [command for command in run if shlex.split(command)[0] == "sam-bench"]


def in_repository(command: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a step."""
    monkeypatch.chdir(repository)
    return main(shlex.split(command)[1:])


@pytest.fixture
def repository(tmp_path: Path, new_bench) -> Path:
    """A copy of the template with the cards of two models, added as its README says."""
    made = new_bench(tmp_path / "results")
    for model, skill in (("zeta", 1.0), ("alpha", 2.5)):
        made.run("shapes", model, "box", images=4, skill=skill, seed=3)
    copied = tmp_path / "repository"
    shutil.copytree(TEMPLATE, copied)
    words = ["--results", str(made.results), "--out", str(copied / "cards")]
    assert main(["card", "*", *words]) == 0
    return copied


def test_the_steps_check_the_cards_and_draw_the_board(repository: Path, monkeypatch) -> None:
    assert len(steps()) == 2
    for command in steps():
        assert in_repository(command, repository, monkeypatch) == 0
    uploads = [
        step["with"]["path"] for job in WORKFLOW["jobs"].values() for step in job["steps"]
        if "upload" in step.get("uses", "")
    ]  # fmt: skip
    assert uploads == ["board"]
    found = json.loads((repository / "board" / "report.json").read_text())
    assert [each["model"] for each in found["panels"][0]["ranking"]] == ["alpha", "zeta"]
    assert (repository / "board" / "index.html").is_file()


def test_an_edited_card_fails_the_check(repository: Path, monkeypatch, capsys) -> None:
    card = next((repository / "cards").glob("*-zeta-*.json"))
    content = json.loads(card.read_text())
    content["steps"][0]["mean"] += 0.1
    card.write_text(json.dumps(content))
    first, *_ = steps()
    assert in_repository(first, repository, monkeypatch) == 1
    assert f"{card.name}: this card was changed" in capsys.readouterr().err


def test_pull_requests_are_checked_and_only_merges_published() -> None:
    triggers = WORKFLOW[True]  # what YAML 1.1 makes of the word on
    assert set(triggers) == {"pull_request", "push"}
    assert triggers["push"]["branches"] == ["main"]
    assert WORKFLOW["jobs"]["publish"]["needs"] == "board"
    assert WORKFLOW["jobs"]["publish"]["if"] == "github.event_name == 'push'"
    assert WORKFLOW["permissions"] == {"contents": "read"}
