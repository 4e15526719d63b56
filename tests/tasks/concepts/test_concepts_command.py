"""Phrases in whole runs: files of detections, a model of text, tables, bad input, kills."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import plain_concepts
import pytest
from coloured_blocks import write_blocks
from drawn_concepts import Drawn, draw
from drawn_sa_co import killed_and_gone_on, sa_co_words, write_sa_co
from finished import one_line
from tiny_words import write_words

from bench.analysis.section import Section
from bench.analysis.sections.concepts import NUMBERS, concepts_section
from bench.analysis.selection import select
from bench.analysis.stats.intervals import left_out_interval
from bench.cli import main
from bench.store.runs import find_runs, read_runs

SEED, PEOPLE = 4, 3


@pytest.fixture
def drawn() -> Drawn:
    return draw(SEED, annotators=PEOPLE)


@pytest.fixture
def folder(tmp_path: Path, drawn: Drawn) -> Path:
    return write_sa_co(tmp_path / "saco", drawn)


def scored(folder: Path, *more: str, results: str = "results") -> int:
    given = ["concepts", "--detections", f"{folder}/found.json"]
    return main([*given, *more, *sa_co_words(folder, PEOPLE, results)])


def section_of(folder: Path, results: str = "results") -> Section:
    (section,) = concepts_section(select(find_runs(folder / results, ["*"])))
    return section


def line_of(folder: Path, results: str = "results") -> dict[str, Any]:
    (line,) = section_of(folder, results).lines.to_dict("records")
    return {str(name): value for name, value in line.items()}


@pytest.mark.parametrize("crowd", ["skip", "ignore"])
def test_a_run_gives_the_plain_numbers_with_intervals_over_pictures(
    folder: Path, drawn: Drawn, crowd: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scored(folder, f"protocol.args.crowd={crowd}") == 0
    line = line_of(folder)

    def plain(pairs: Sequence[str]) -> dict[str, float]:
        return plain_concepts.cgf1(pairs, drawn.annotators, drawn.guesses, crowd)

    whole = plain(list(drawn.pairs))
    assert {name: line[name] for name in NUMBERS} == pytest.approx(whole, abs=1e-9)
    pictures = {picture for picture, _ in drawn.pairs.values()}
    without = [
        plain([pair for pair, (picture, _) in drawn.pairs.items() if picture != left])
        for left in sorted(pictures)
    ]
    for name in NUMBERS:
        reach = (0.0, 1.0) if name.startswith("pmf1") else (-1.0, 1.0)
        others = [each[name] for each in without]
        found = left_out_interval(whole[name], others, [1] * len(others), reach=reach)
        assert line[f"{name}_low"] == pytest.approx(found.low, abs=1e-9)
        assert line[f"{name}_high"] == pytest.approx(found.high, abs=1e-9)
    assert (line["images"], line["phrases"]) == (len(pictures), len(drawn.pairs))
    out = " ".join(capsys.readouterr().out.split())
    shown = f"{100 * whole['cgf1']:.1f} ({100 * line['cgf1_low']:.1f}–".replace("-", "−")
    assert any(cell.startswith(shown) for cell in section_of(folder).rows[0])
    below = sum(g.score < 0.5 for some in drawn.guesses.values() for g in some)
    given = sum(map(len, drawn.guesses.values()))
    assert f"{below} of {given} detections have a score below 0.5" in out


def test_the_page_has_the_numbers_and_the_published_ones_beside_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model-name", "sam3", "dataset.name=saco_gold_metaclip", "--report", "page"]
    given = ["concepts", "--detections", f"{folder}/found.json", *words[:2], *words[3:]]
    assert main([*given, *sa_co_words(folder, PEOPLE), words[2]]) == 0
    page = (folder / "results/reports/page/index.html").read_text()
    report = json.loads((folder / "results/reports/page/report.json").read_text())
    assert "Concepts" in page
    line = line_of(folder)
    published = (folder / "results/reports/page/published.csv").read_text()
    found = pd.read_csv(folder / "results/reports/page/published.csv").set_index("metric")
    assert found["published"].to_dict() == {"cgf1": 61.25, "il_mcc": 0.81, "pmf1": 75.93}
    for metric, scale in (("cgf1", 100), ("il_mcc", 1), ("pmf1", 100)):
        assert found.loc[metric, "ours"] == pytest.approx(scale * line[metric])
    assert published.count("\n") == 4
    assert report
    assert "61.25" in " ".join(capsys.readouterr().out.split())


def test_the_score_from_which_a_detection_counts_is_a_choice(folder: Path, drawn: Drawn) -> None:
    assert scored(folder, "--score", "0.8") == 0
    plain = plain_concepts.cgf1(list(drawn.pairs), drawn.annotators, drawn.guesses, least=0.8)
    assert line_of(folder)["cgf1"] == pytest.approx(plain["cgf1"], abs=1e-9)


def test_phrases_that_are_not_exhaustively_annotated_are_left_out_and_counted(
    folder: Path, drawn: Drawn, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "person_1.json"
    written = json.loads(file.read_text())
    partial = [str(written["images"][place]["id"]) for place in (1, 4)]
    for image in written["images"]:
        image["is_instance_exhaustive"] = int(str(image["id"]) not in partial)
    file.write_text(json.dumps(written))
    assert scored(folder) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Phrases that are not exhaustively annotated, left out: 2." in out
    lost = sum(len(drawn.guesses.get(pair, ())) for pair in partial)
    given = sum(map(len, drawn.guesses.values()))
    assert lost
    assert f"{lost} of {given} detections are of phrases that are not asked" in out
    pairs = [pair for pair in drawn.pairs if pair not in partial]
    plain = plain_concepts.cgf1(pairs, drawn.annotators, drawn.guesses)
    assert line_of(folder)["cgf1"] == pytest.approx(plain["cgf1"], abs=1e-9)


Change = Callable[[list[dict[str, Any]]], object]


def unknown(found: list[dict[str, Any]]) -> None:
    for place in (2, 5, 6):
        found[place]["image_id"] = 31337 + place


def other_size(found: list[dict[str, Any]]) -> None:
    found[0]["segmentation"]["size"][0] += 1


def nan(found: list[dict[str, Any]]) -> None:
    found[3]["score"] = float("nan")


@pytest.mark.parametrize(
    ("change", "says", "code"),
    [
        (unknown, "entry 2: no image '31339' in the dataset ('image_id')", 2),
        (unknown, "2 more of {n} entries can't be taken either", 2),
        (nan, "entry 3 (image 1000): 'score' is a finite number, found nan", 2),
        (lambda found: found[3].update(score="high"), "'score' is a finite number", 2),
        (lambda found: found[3].update(score=1e999), "is a finite number, found inf", 2),
        (lambda found: found[3].pop("score"), "a detection has a 'score'", 2),
        (lambda found: found[1].pop("segmentation"), "entry 1 is no object with a 'segmenta", 2),
        (lambda found: found[1].update(segmentation=None, score=[]), "is a finite number", 2),
        (other_size, "entry 0", 3),
    ],
)
def test_a_detection_that_cannot_be_taken_is_named_and_counted(
    folder: Path, change: Change, says: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "found.json"
    found = json.loads(file.read_text())
    change(found)
    file.write_text(json.dumps(found))
    assert scored(folder) == code
    told = capsys.readouterr().err
    assert says.format(n=len(found)) in (one_line(told) if code == 2 else told)
    assert "Traceback" not in told


def test_a_detection_without_a_pixel_is_wrong_and_counted(
    folder: Path, drawn: Drawn, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "found.json"
    found = json.loads(file.read_text())
    before = plain_concepts.cgf1(list(drawn.pairs), drawn.annotators, drawn.guesses)["pmf1"]
    outside = [500.0, 500.0, 520.0, 500.0, 520.0, 515.0]
    pair = next(p for p in drawn.pairs if p in drawn.guesses and p in drawn.annotators[0])
    found += [{"image_id": int(pair), "score": 0.9, "segmentation": [outside]}] * 2
    file.write_text(json.dumps(found))
    assert scored(folder) == 0
    assert "2 detections have no pixel and count as wrong" in " ".join(
        capsys.readouterr().out.split()
    )
    assert line_of(folder)["pmf1"] < before


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("text_input", "  ", "has no phrase: 'text_input' is a text, found '  '"),
        ("text_input", None, "has no phrase"),
        ("text_input", "another", "in another annotator's file"),
        ("file_name", "../p0.png", "leads out of its folder|in another annotator's file"),
        ("id", 5, "annotators answer the same pairs, and 2 are in this file or in person_0.json"),
    ],
)
def test_a_pair_that_is_none_is_named(
    folder: Path, key: str, value: Any, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "person_1.json"
    written = json.loads(file.read_text())
    own = written["images"][2]["id"]
    if key == "id":
        written["annotations"] = [a for a in written["annotations"] if a["image_id"] != own]
    written["images"][2][key] = value
    file.write_text(json.dumps(written))
    assert scored(folder) == 2
    told = one_line(capsys.readouterr().err)
    assert any(part in told for part in says.split("|"))


def test_a_dataset_of_its_own_phrases_takes_no_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scored(folder, "--phrases", "zebra,apple") == 2
    assert "names its phrases" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["concepts", "--detections", "x.json"], "say what it is held against"),
        (["concepts", "--detections", "x.json", "dataset=photos", "model=demo"], "asks no model"),
        (["concepts", "--detections", "nowhere.json", "dataset=photos"], "nowhere.json: no such"),
        (["run", "task=concepts", "model=disk", "dataset=photos"], "task concepts asks text"),
        (["run", "task=concepts", "task.args.score=2", "dataset=photos"], "is from 0 to 1"),
        (["run", "task=concepts", "task.args.phrases=[a,' ']", "dataset=photos"], "none is blank"),
        (["run", "task=concepts", "task.args.phrases=[a,a]", "dataset=photos"], "more than once"),
        (["run", "task=concepts", "task.args.phrase=[a]", "dataset=photos"], "phrase"),
    ],
)
def test_what_makes_no_sense_of_phrases_is_one_line(
    given: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*given, f"runtime.results={tmp_path}"]) == 2
    assert says in one_line(capsys.readouterr().err)


@pytest.fixture
def blocks(tmp_path: Path) -> list[str]:
    """Coloured blocks, of which a model of colours' names knows red, green and blue."""
    folder = write_blocks(tmp_path / "blocks")
    model = tmp_path / "conf" / "model" / "colours.yaml"
    model.parent.mkdir(parents=True)
    model.write_text(
        "name: colours\nversion: '1'\ntarget: colour_words.ColourWords\nargs: {}\n"
        "about: {title: Colours}\n"
    )
    return [
        "dataset=coco", f"dataset.args.annotations={folder}/annotations.json",
        f"dataset.args.images={folder}/images", f"runtime.results={tmp_path / 'results'}",
        "runtime.device=cpu",
    ]  # fmt: skip


def asked(blocks: list[str], tmp_path: Path, *more: str) -> int:
    own = ["--config-dir", str(tmp_path / "conf"), "model=colours", "task=concepts"]
    allowed = ["runtime.allow_modules=[colour_words]", "task.args.score=0"]
    return main(["run", *own, *blocks, *allowed, *more])


VOCABULARY = "task.args.phrases=[green,teal,red,blue]"


def test_a_model_of_text_is_asked_each_phrase_of_each_picture(
    blocks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(blocks, tmp_path, VOCABULARY, "runtime.limit=1") == 0
    assert asked(blocks, tmp_path, VOCABULARY) == 0
    rows = read_runs(find_runs(tmp_path / "results", ["*"])).set_index(["image_id", "phrase"])
    words = ("green", "teal", "red", "blue")
    assert sorted(rows.index) == sorted((i, w) for i in ("0", "1", "2") for w in words)
    there = {("0", "red"): 2, ("0", "green"): 1, ("1", "red"): 1, ("1", "blue"): 1,
             ("2", "green"): 1}  # fmt: skip
    assert rows["targets"].to_dict() == dict.fromkeys(rows.index, 0) | there
    assert rows["detections"].to_dict() == rows["targets"].to_dict()
    assert rows["f1"].notna().to_dict() == rows["present"].to_dict()
    # Each block is a row higher than its target: 9 of 10 and 19 of 20 rows are right, and so on.
    assert rows.loc[("0", "red"), "matched"].tolist() == [2] * 9 + [1]
    assert rows.loc[("1", "red"), "matched"].tolist() == [1] * 7 + [0] * 3
    assert rows.loc[("1", "red"), "mask_id"] == "1/red"
    (section,) = concepts_section(select(find_runs(tmp_path / "results", ["*"])))
    (line,) = section.lines.to_dict("records")
    assert (line["il_mcc"], line["found"], line["false"]) == (pytest.approx(1, abs=1e-6), 5, 0)
    assert line["cgf1"] == pytest.approx(line["pmf1"], abs=1e-6)
    out = " ".join(capsys.readouterr().out.split())
    assert "12 phrases, of 7 of which nothing is there." in out
    assert "Targets without a category, left out: 1." in out
    assert "Targets of categories that no phrase asks for: 1." in out


def test_without_a_vocabulary_no_phrase_is_negative_and_there_is_no_cgf1(
    blocks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(blocks, tmp_path) == 0
    (section,) = concepts_section(select(find_runs(tmp_path / "results", ["*"])))
    (line,) = section.lines.to_dict("records")
    assert (line["phrases"], line["positive"], line["found"]) == (6, 6, 5)
    assert pd.isna(line["cgf1"])
    assert pd.isna(line["il_mcc"])
    assert 0 < line["pmf1"] < 1
    assert "–" in section.rows[0]


def test_results_of_categories_answer_phrases(
    blocks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a name, or a number that the dataset's file names; others are named and counted."""
    annotations = json.loads((tmp_path / "blocks/annotations.json").read_text())
    names = {each["name"]: each["id"] for each in annotations["categories"]}
    perfect = [
        {"image_id": a["image_id"], "score": 0.8, "segmentation": a["segmentation"]}
        | ({"category_id": a["category_id"]} if a["id"] % 2 else {"category": "red"})
        for a in annotations["annotations"]
        if a["id"] % 2 or a["category_id"] == names["red"]
    ]
    more = [
        {"image_id": 1, "category": "\x1b[31mmauve", "score": 0.9, "segmentation": []},
        {"image_id": 0, "score": 0.9, "segmentation": []},
    ]
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps(perfect + more))
    given = ["concepts", "--detections", str(file), "--phrases", "red,green,blue"]
    assert main([*given, *blocks]) == 0
    told = capsys.readouterr()
    out = " ".join(told.out.split())
    assert "1 of 8 detections have no category and answer no phrase." in out
    unasked = sum(  # those of "no colour" and of the blank category, and mauve
        each.get("category_id") not in (names["red"], names["green"], names["blue"])
        and each.get("category") != "red"
        for each in (*perfect, more[0])
    )
    assert f"{unasked} of 8 detections are of phrases that are not asked of their image" in out
    assert "'\\\\x1b[31mmauve'" in told.err or "'\\x1b[31mmauve'" in told.err
    assert "\x1b[31m" not in told.err
    file.write_text(json.dumps(more))
    assert main([*given, *blocks]) == 2
    assert "no detection is of a phrase that is asked" in one_line(capsys.readouterr().err)


def test_results_of_no_phrase_at_all_are_no_error(folder: Path) -> None:
    (folder / "found.json").write_text("[]")
    assert scored(folder) == 0
    line = line_of(folder)
    assert (line["cgf1"], line["il_mcc"], line["pmf1"], line["found"]) == (0, 0, 0, 0)


def test_batches_of_pictures_give_the_same_rows(blocks: list[str], tmp_path: Path) -> None:
    more = [VOCABULARY, f"runtime.results={tmp_path}/batched", "runtime.image_batch=3"]
    assert asked(blocks, tmp_path, VOCABULARY, "runtime.prompt_batch=1") == 0
    assert asked(blocks, tmp_path, *more) == 0
    one, many = (
        read_runs(find_runs(tmp_path / name, ["*"])).drop(columns="run")
        for name in ("results", "batched")
    )
    pd.testing.assert_frame_equal(one, many)


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_of_phrases_goes_on_with_equal_rows(tmp_path: Path, processes: int) -> None:
    drawn = draw(SEED, pictures=10, annotators=PEOPLE)
    folder = write_sa_co(tmp_path / "saco", drawn)
    assert scored(folder, results="whole") == 0
    words = ["concepts", "--detections", f"{folder}/found.json", *sa_co_words(folder, PEOPLE)]
    words.append("dataset.target=drawn_sa_co.DeadlySaCo")
    whole, killed = killed_and_gone_on(folder, words, processes)
    pd.testing.assert_frame_equal(whole, killed)
    assert len(whole) == len(drawn.pairs)


@pytest.mark.long
def test_sam_3_with_random_weights_is_asked_phrases_and_resumes(
    folder: Path, drawn: Drawn, tmp_path: Path
) -> None:
    """A small SAM 3 of transformers: its own code, with weights of chance."""
    weights = write_words("sam3", tmp_path / "weights")
    model = ["model=sam3_text", f"model.args.folder={weights}", "model.args.repository=null"]
    model += ["model.args.revision=null", "model.args.score_threshold=0.05"]
    own = ["run", "task=concepts", "task.args.score=0.1", *model]
    allowed = ["runtime.allow_degenerate=weights of chance", "runtime.canary=false"]
    assert main([*own, *allowed, *sa_co_words(folder, PEOPLE), "runtime.limit=2"]) == 0
    assert main([*own, *allowed, *sa_co_words(folder, PEOPLE)]) == 0
    assert main([*own, *allowed, *sa_co_words(folder, PEOPLE, "again")]) == 0
    first, again = (
        read_runs(find_runs(folder / name, ["*"])).drop(columns="run")
        for name in ("results", "again")
    )
    pd.testing.assert_frame_equal(first, again)
    assert sorted(first["mask_id"]) == sorted(drawn.pairs)
    assert first["detections"].sum() > 0
    assert (first["annotators"] == PEOPLE).all()
