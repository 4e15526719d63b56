"""Suites: every one names what there is, and one that is wrong is one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bench.cli import main
from bench.config.composing import load_component, load_configs
from bench.config.folders import group_names
from bench.config.suites import load_suite, load_suites
from bench.types import BenchError

GOOD = {
    "name": "mine", "version": "1", "datasets": ["shapes", "photos"], "prompts": ["box"],
    "protocol": "sam", "aggregate": "mean_over_datasets", "about": {"title": "Mine"},
}  # fmt: skip


def write(folder: Path, content: object) -> Path:
    (folder / "suite").mkdir()
    path = folder / "suite" / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_every_suite_names_its_own_file_and_says_where_its_list_is_from() -> None:
    found = load_suites()
    assert [each.name for each in found] == ["hqseg_44k", "interactive_5", "sa_23"]
    assert all(each.about["title"] and each.about["citation"] for each in found)


def test_the_paper_s_suite_is_the_datasets_of_which_the_paper_tells_its_counts() -> None:
    of_paper = [
        n for n in group_names("dataset") if load_component("dataset", n).about.get("paper")
    ]
    assert list(load_suite("sa_23").datasets) == of_paper
    assert len(of_paper) == 23


def test_a_user_s_own_suite_is_loaded_and_listed(tmp_path: Path, capsys) -> None:
    write(tmp_path, GOOD)
    found = load_suite("mine", tmp_path)
    assert (found.title, found.datasets, found.prompts) == ("Mine", ("shapes", "photos"), ("box",))
    assert main(["ls", "suites", "--config-dir", str(tmp_path)]) == 0
    assert "Mine: 2 datasets, box, protocol sam" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"datasets": ["shapes", "fotos"]}, "no dataset is called 'fotos'; did you mean photos"),
        ({"datasets": ["shapes", "shapes"]}, "datasets: shapes stands twice"),
        ({"datasets": "shapes"}, "datasets must be a list of names, found 'shapes'"),
        ({"datasets": []}, "datasets must be a list of names"),
        ({"prompts": ["point_9"]}, "no prompt is called 'point_9'"),
        ({"protocol": "sam9"}, "no protocol is called 'sam9'"),
        ({"protocol": ["sam"]}, "protocol must be a text"),
        ({"aggregate": "median"}, "no aggregate is called 'median'; there are mean_over_datasets"),
        ({"dataset": ["shapes"]}, "nothing is called 'dataset'; did you mean datasets"),
        ({"name": "../mine"}, "name must be letters, digits and _"),
        ({"version": 1}, "version must be a text, found 1"),
        ({"about": 3}, "about must be a mapping"),
    ],
)
def test_a_suite_that_is_wrong_is_one_line_with_its_file(tmp_path, change, said) -> None:
    path = write(tmp_path, GOOD | change)
    with pytest.raises(BenchError) as caught:
        load_suite("mine", tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_suite_that_lacks_a_key_or_is_none_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, {key: value for key, value in GOOD.items() if key != "aggregate"})
    with pytest.raises(BenchError, match="aggregate is missing; a suite has the keys name"):
        load_suite("mine", tmp_path)
    path.write_text("[1, 2]")
    with pytest.raises(BenchError, match="a suite has the keys name"):
        load_suite("mine", tmp_path)
    with pytest.raises(BenchError, match="no suite is called 'my_suite'"):
        load_suite("my_suite", tmp_path)


def test_a_dataset_of_a_suite_whose_folder_only_the_user_knows_is_named() -> None:
    with pytest.raises(BenchError, match=r"dataset.args.folder is not set \(dataset ibd\)"):
        load_configs(["suite=sa_23"])


def test_a_suite_on_the_command_line_is_its_datasets_prompts_and_protocol() -> None:
    suite = load_suite("hqseg_44k")
    found = load_configs(["model=demo,grabcut", "suite=hqseg_44k"])
    asked = [(each.model.name, each.dataset.name) for each in found]
    assert sorted(asked) == sorted(
        (model, name) for model in ("demo", "grabcut") for name in suite.datasets
    )
    for each in found:
        assert tuple(each.prompts) == suite.prompts
        assert each.protocol.name == suite.protocol


def test_a_suite_of_ones_own_runs(tmp_path: Path) -> None:
    (tmp_path / "conf" / "suite").mkdir(parents=True)
    said = {"name": "ours", "version": "1", "datasets": ["shapes", "photos"], "prompts": ["box"],
            "protocol": "sam", "aggregate": "mean_over_datasets", "about": {}}  # fmt: skip
    (tmp_path / "conf" / "suite" / "ours.yaml").write_text(yaml.safe_dump(said))
    words = ["model=disk", "suite=ours", "runtime.limit=1", "--results", str(tmp_path / "results")]
    assert main(["run", *words, "--config-dir", str(tmp_path / "conf")]) == 0
    runs = sorted(path.name.split("-")[:3] for path in (tmp_path / "results" / "runs").iterdir())
    assert runs == [["photos", "disk", "box"], ["shapes", "disk", "box"]]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["suite=sa_23", "dataset=shapes"], "suite=sa_23 says which dataset: leave dataset=shapes"),
        (["suite=sa_23", "prompt=[box]"], "says which prompts: leave prompt=[box] out"),
        (["suite=sa_23", "protocol.args.threshold=1"], "says which protocol"),
        (["suite=sa_23", "suite=hqseg_44k"], "one suite at a time"),
        (["suite=sa_2"], "no suite is called 'sa_2'; did you mean sa_23?"),
    ],
)
def test_a_suite_and_words_that_say_otherwise_are_refused(words: list[str], says: str) -> None:
    with pytest.raises(BenchError, match=re.escape(says)):
        load_configs(words)
