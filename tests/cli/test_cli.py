"""The command line, as a user meets it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from finished import dataset_words

from bench.cli import main


@pytest.fixture
def words(coco_folder: Callable[..., Path]) -> list[str]:
    """A small run of a real model on real files, as words of the command line."""
    folder = coco_folder(images=4, masks=2)
    return ["model=disk", "prompt=[point_1,point_3,box]", *dataset_words(folder)]


def results(words: list[str]) -> Path:
    return Path(words[-1].partition("=")[2])


def test_run_prints_the_table_and_report_makes_the_page(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 0
    out = capsys.readouterr().out
    for expected in ("blobs", "1 point", "3 points", "box", "mIoU"):
        assert expected in out
    assert main(["report", "--results", str(results(words)), "--name", "mine"]) == 0
    folder = results(words) / "reports" / "mine"
    assert str(folder / "index.html") in capsys.readouterr().out.replace("\n", "")
    page = (folder / "index.html").read_text()
    assert page.count("data:image/webp") >= 6, "the gallery reads its pictures again"
    lines = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    assert [line["prompt"] for line in lines] == ["1 point", "3 points", "box"]
    assert {line["masks"] for line in lines} == {"8"}


def test_two_prompts_that_share_a_step_stand_in_one_table(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    both = [words[0], "prompt=[box,box_and_points]", *words[2:]]
    assert main(["run", *both]) == 0
    out = capsys.readouterr().out
    for named in ("box (box_and_points)", "box + 1 point", "box + 2 points", "box + 3 points"):
        assert out.count(f" {named} ") == 1
    assert out.count(" box ") == 5, "the box's own line, and the four of box_and_points"


@pytest.mark.long
def test_run_with_report_shows_pictures(words: list[str]) -> None:
    assert main(["run", *words, "--report", "mine"]) == 0
    page = (results(words) / "reports" / "mine" / "index.html").read_text()
    assert page.count("<img") + page.count("<svg") > 5
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_same_command_again_says_the_same(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", *words])
    first = capsys.readouterr().out
    main(["run", *words])
    assert capsys.readouterr().out == first


def test_an_unreadable_image_gives_exit_code_3_and_stands_in_the_caption(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    broken = results(words).parent / "coco" / "images" / "001.png"
    broken.write_bytes(b"no picture")
    assert main(["run", *words]) == 3
    captured = capsys.readouterr()
    assert "1 image" in " ".join(captured.out.split())
    assert "errors.jsonl" in captured.err
    assert main(["run", *words, "runtime.strict=true"]) == 2
    assert "001.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "modle=disk"], "did you mean model"),
        (["run", "model=disk", "dataset=bbbc038", "runtime.datasets=/nowhere"], "/nowhere"),
        (["run", "model=sam_vit_b", "runtime.download=false"], "sam_vit_b_01ec64.pth"),
        (["run", "model=sam_vit_b", "model.args.checkpoint=/no/such.pth"], "/no/such.pth"),
        (["run", "model=disk", "model.args.radios=1"], "radios"),
        (["run", "model=disk", "runtime.device=toaster"], "toaster"),
        (["run", "model=disk", "runtime.workers=0"], "runtime.workers"),
        (["run", "runtime.allow_modules=[nope]"], "runtime.allow_modules: no module is called 'n"),
        (["run", "--plan", "runtime.allow_modules=[os.nope]"], "no module is called 'os.nope'"),
        (["run", "runtime.allow_modules=['a b']"], "no module is called 'a b'"),
        (["report", "x", "--allow-module", "nope"], "--allow-module: no module is called 'nope'"),
        (["report", "nothing-*"], "no run matches"),
        (["run", "prompts.pt.args.clicks=7"], "no prompt 'pt' is chosen"),
        (["run", "prompts.point_1.args.clicks=0"], "at least one, found clicks=0"),
        (["run", "figure=nothing_near"], "table6. One of your own"),
        (["run", "--by", "colour", "model=nobody"], "nothing to slice by is called 'colour'"),
        (["ls", "nonsense"], "nonsense"),
        (["fly"], "fly"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "run":
        arguments = [*arguments, f"runtime.checkpoints={tmp_path}"]
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    err = capsys.readouterr().err
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


SHAPES = ["run", "--plan", "model=disk", "dataset=shapes", "prompt=[box]"]


@pytest.mark.parametrize(("images", "code"), [(3, 2), (20, 0)])
def test_an_attribute_that_no_mask_has_is_said_before_the_run_and_refused_where_all_were_seen(
    images: int, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [f"dataset.args.count={images}", "dataset.args.sizes=[[40,48]]"]
    words = [*SHAPES, *own, f"runtime.results={tmp_path}"]
    assert main([*words, "--by", "attribute:levl"]) == code
    assert "no attribute is called 'levl'; did you mean level?" in capsys.readouterr().err
    assert main([*words, "--by", "attribute:level", "--by", "category"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.long
def test_a_partial_run_is_refused_by_a_report_unless_allowed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words, "runtime.limit=2"]) == 0
    assert "2 of 4" in " ".join(capsys.readouterr().out.split())
    assert main(["report", "--results", str(results(words))]) == 2
    assert "allow-partial" in capsys.readouterr().err.replace("_", "-")
    assert main(["report", "--results", str(results(words)), "--allow-partial"]) == 0


def test_ls_lists_parts_and_runs(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for what, name in [
        ("models", "sam_vit_b"),
        ("datasets", "bbbc038"),
        ("prompts", "box_and_points"),
        ("protocols", "segment_anything_fast"),
    ]:
        assert main(["ls", what]) == 0
        assert name in capsys.readouterr().out
    main(["run", *words])
    capsys.readouterr()
    assert main(["ls", "runs", "--results", str(results(words))]) == 0
    out = capsys.readouterr().out
    assert out.count("complete") == 3
    assert "4/4" in out


def test_a_second_folder_of_yamls_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--config-dir", str(tmp_path), "--config-dir", "other", "model=disk"])
    assert "--config-dir is given twice: name one" in capsys.readouterr().err


def test_python_dash_m_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("sam-bench ")


def test_the_help_says_how() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "run", "--help"], capture_output=True, text=True, check=True
    )
    assert "prompt=[point_1,point_3,box]" in done.stdout


def test_protocol_diff_shows_the_choices_that_differ_and_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["protocol", "diff", "sam", "segment_anything_fast"]) == 0
    out = capsys.readouterr().out
    for expected in ("first_click", "distance_max", "center_of_mass", "crowd", "include"):
        assert expected in out
    assert "feedback" not in out
    assert main(["protocol", "diff", "sam", "sam"]) == 0
    assert "same choices" in capsys.readouterr().out


def test_protocol_diff_shows_whose_box_and_where_clicks_are_placed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["protocol", "diff", "sam", "edge_sam"]) == 0
    out = capsys.readouterr().out
    for expected in (
        "box",
        "file",
        "first_grid",
        "long_1024",
        "next_grid",
        "long_256",
        "min_error",
    ):
        assert expected in out
    assert "no_error" not in out
    own = tmp_path / "protocol" / "mine.yaml"
    own.parent.mkdir()
    own.write_text(
        "name: mine\nversion: '1'\ntarget: bench.protocol.Protocol\nargs: {box: file}\n"
        "about: {title: Mine, cite: me}\n"
    )
    words = ["--config-dir", str(tmp_path)]
    assert main(["protocol", "diff", "mine", "sam", *words]) == 0
    out = capsys.readouterr().out
    assert "tight" in out
    assert "feedback" not in out, "what it doesn't name is as sam has it"
    assert main(["protocol", "show", "mine", *words]) == 0
    assert "its YAML names no other" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("about", ["", "about: {title: 'a [/] b', cite: '[/x]'}\n"])
def test_protocol_show_takes_an_about_of_any_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], about: str
) -> None:
    (tmp_path / "protocol").mkdir()
    text = "name: mine\nversion: '1'\ntarget: bench.protocol.Protocol\n" + about
    (tmp_path / "protocol" / "mine.yaml").write_text(text)
    assert main(["protocol", "show", "mine", "--config-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out.splitlines()[0]
    assert shown == f"{'a [/] b' if about else 'mine'} (mine, version 1)"


def test_protocol_show_says_what_the_source_does_otherwise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["protocol", "show", "hq_sam"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Not as its source (train/utils/dataloader.py:103-112" in out
    assert "squashed to 1024 × 1024" in out
    assert main(["protocol", "show", "sam"]) == 0
    assert "Not as its source" not in capsys.readouterr().out


def test_protocol_show_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["protocol", "show", "ritm_noc"]) == 0
    out = capsys.readouterr().out
    assert "threshold" in out
    assert "0.49" in out
    assert main(["protocol", "show", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["edges", "proposals"])
def test_a_task_that_asks_no_prompts_refuses_a_choice_of_them(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"task={task}", "model=demo_s", "dataset=photos", f"runtime.results={tmp_path}"]
    assert main(["run", *words, "prompt=box"]) == 2
    assert f"task {task} takes no prompt: leave prompt out" in capsys.readouterr().err
    assert main(["run", *words, "--plan"]) == 0


@pytest.mark.long
@pytest.mark.parametrize("report", [[], ["--report", "mine"]])
def test_results_for_machines_are_those_for_people_and_nothing_else(
    report: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words, "--json", *report]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [line["prompt"] for line in said["lines"]] == ["1 point", "3 points", "box"]
    assert said["sections"]["cost"][0]["model"] == "disk"
    where = ["--results", str(results(words))]
    assert main(["report", "--name", "again", "--json", *where]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["lines"] == said["lines"]
    assert again == json.loads((results(words) / "reports/again/report.json").read_text())
    summary = (results(words) / "reports" / "again" / "summary.md").read_text()
    for line in said["lines"]:
        assert f"| {line['prompt']} |" in summary
        assert f"{100 * line['miou']:.1f}" in summary
