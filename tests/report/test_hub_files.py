"""Numbers and rows for the Hub: read back by the Hub's own library, held against the runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from drawn_runs import in_no_order
from finished import one_line

from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.store.runs import read_runs

hub = pytest.importorskip("huggingface_hub")
cards = pytest.importorskip("huggingface_hub.repocard_data")

SOURCE = "https://huggingface.co/datasets/lab/rows"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, new_bench):
    """Runs whose models, datasets, titles and prompts are ordered in as many ways."""
    made = new_bench(tmp_path_factory.mktemp("hub") / "results")
    in_no_order(made)
    return made.results


@pytest.fixture(scope="module")
def written(drawn, tmp_path_factory):
    """What ``hub model`` writes of one model, one of its datasets a benchmark."""
    out = tmp_path_factory.mktemp("model")
    words = ["hub", "model", "*-zeta-*", "--results", str(drawn), "--out", str(out)]
    known = ["--benchmark", "nuclei=lab/cells:clicks@5503434", "--source", SOURCE]
    assert main([*words, *known]) == 0
    return out


def lines_of(results, model="zeta"):
    """The lines of the model's own table by dataset and prompt label."""
    from bench.store.runs import find_runs

    table = miou_table(select(find_runs(results, [f"*-{model}-*"])))
    lines = table.lines[table.lines["dataset"].notna()].to_dict("records")
    return {(line["dataset"], line["prompt"]): line for line in lines}


def test_every_number_of_a_benchmark_is_a_file_that_the_hub_reads(drawn, written) -> None:
    lines = {key: line for key, line in lines_of(drawn).items() if key[0] == "nuclei"}
    found = {}
    for path in (written / ".eval_results").iterdir():
        (entry,) = hub.parse_eval_result_entries(yaml.safe_load(path.read_text()))
        (label,) = re.findall(r"; ([^;]*), protocol sam version 1;", entry.notes)
        found["nuclei", label] = entry
    assert found.keys() == lines.keys()
    for key, entry in found.items():
        line = lines[key]
        assert entry.value == round(100 * line["miou"], 2)
        assert (entry.dataset_id, entry.task_id) == ("lab/cells", "clicks")
        assert entry.dataset_revision == "5503434"
        assert (entry.source_url, entry.source_name) == (SOURCE, "sam-bench")
        low, high = round(100 * line["miou_low"], 2), round(100 * line["miou_high"], 2)
        assert f"95 % interval {low:g} to {high:g}" in entry.notes
        assert f"{line['masks']} masks of {line['images']} images" in entry.notes
        assert entry.notes.endswith(f"run {line['run']}")


def test_the_metadata_of_the_models_card_are_read_by_the_hub(drawn, written) -> None:
    said = yaml.safe_load((written / "model-index.yaml").read_text())["model-index"]
    name, results = cards.model_index_to_eval_results(said)
    assert name == "A model"
    lines = lines_of(drawn)
    titles = {"nuclei": ("Zooplankton", "lab/cells"), "shapes": ("Amoebae", "shapes")}
    found = {(each.dataset_name, each.metric_args["prompt"]): each for each in results}
    assert len(found) == len(lines)
    for (dataset, label), line in lines.items():
        each = found[titles[dataset][0], label]
        assert each.dataset_type == titles[dataset][1]
        assert each.metric_value == round(100 * line["miou"], 2)
        assert each.metric_args["low_95"] == round(100 * line["miou_low"], 2)
        assert each.metric_args["run"] == line["run"]
        assert (each.metric_type, each.source_url) == ("mean_iou", SOURCE)


def test_the_section_shows_every_number(drawn, written) -> None:
    text = (written / "evaluation.md").read_text().replace("\\", "")
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:1] == "|"][2:]
    found = {(row[-1], row[1]): row for row in cells}
    lines = lines_of(drawn)
    assert len(found) == len(lines)
    for (_, label), line in lines.items():
        row = found[line["run"], label]
        assert row[3] == f"{100 * line['miou']:.1f}"
        assert row[4].rstrip("*") == f"{100 * line['miou_low']:.1f}–{100 * line['miou_high']:.1f}"
        assert row[4].endswith("*") == line["few"]
        assert row[5:7] == [str(line["masks"]), str(line["images"])]


def test_cards_give_the_same_files_and_an_earlier_times_files_go(drawn, written, tmp_path) -> None:
    given, out = tmp_path / "cards", tmp_path / "out"
    assert main(["card", "*-zeta-*", "--results", str(drawn), "--out", str(given)]) == 0
    (out / ".eval_results").mkdir(parents=True)
    (out / ".eval_results" / "sam-bench-old.yaml").write_text("[]")
    (out / ".eval_results" / "mine.yaml").write_text("[]")
    words = ["--out", str(out), "--benchmark", "nuclei=lab/cells:clicks@5503434"]
    assert main(["hub", "model", str(given), *words, "--source", SOURCE]) == 0
    theirs = {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert theirs.pop(Path(".eval_results/mine.yaml")) == b"[]"
    ours = {p.relative_to(written): p.read_bytes() for p in written.rglob("*") if p.is_file()}
    assert theirs == ours


def test_two_runs_of_one_name_have_a_file_each(new_bench, tmp_path) -> None:
    made = new_bench(tmp_path / "results")
    for key, seed in (("a1", 3), ("b2", 4)):
        made.run("shapes", "zeta", "box", images=3, seed=seed, key=key,
                 dataset_fingerprint=key)  # fmt: skip
    words = ["--results", str(made.results), "--benchmark", "shapes=lab/shapes"]
    assert main(["hub", "model", "*", *words]) == 0
    there = (made.results / "hub" / "model" / ".eval_results").iterdir()
    named = sorted(path.name for path in there)
    assert named == ["sam-bench-shapes-box-sam-a1.yaml", "sam-bench-shapes-box-sam-b2.yaml"]


def test_what_comes_next_uploads_what_was_written(drawn, tmp_path, capsys) -> None:
    out = tmp_path / "a folder"
    words = ["--results", str(drawn), "--out", str(out), "--repository", "lab/zeta"]
    assert main(["hub", "model", "*-zeta-*", *words, "--benchmark", "shapes=lab/shapes"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (f"next: hf upload lab/zeta '{out}/.eval_results' .eval_results --create-pr")
    assert main(["hub", "rows", "*-zeta-*", *words]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"next: hf upload lab/zeta '{out}' . --repo-type dataset"


def test_rows_are_those_of_the_runs_and_the_card_says_where(drawn, tmp_path) -> None:
    out = tmp_path / "rows"
    words = ["--results", str(drawn), "--out", str(out), "--licence", "cc-by-4.0"]
    assert main(["hub", "rows", "*-zeta-*", "*-mid-box-*", *words]) == 0
    card = hub.DatasetCard.load(out / "README.md")
    assert card.data.license == "cc-by-4.0"
    (config,) = card.data.to_dict()["configs"]
    (files,) = config["data_files"]
    paths = sorted(out.glob(files["path"]))
    assert len(paths) == 6
    found = pd.concat([pq.read_table(path).to_pandas() for path in paths])
    found = found.set_index(["run", "image_id", "mask_id", "step"]).sort_index()
    from bench.store.runs import find_runs

    stores = find_runs(drawn, ["*-zeta-*", "*-mid-box-*"])
    rows = read_runs(stores).set_index(["run", "image_id", "mask_id", "step"]).sort_index()
    assert list(found.index) == list(rows.index)
    for name in ("iou", "iou_oracle", "area", "mask_rle", "boundary_iou", "model", "category"):
        pd.testing.assert_series_equal(found[name], rows[name], check_dtype=False)
    for name in ("point_coords", "point_labels", "ious", "predicted_ious"):
        for ours, theirs in zip(found[name], rows[name], strict=True):
            assert [list(map(float, p)) if name == "point_coords" else float(p) for p in ours] == [
                list(map(float, p)) if name == "point_coords" else float(p) for p in theirs
            ]
    assert set(found["attributes"]) == {"{}"}
    assert {path.stem for path in (out / "cards").iterdir()} == {s.folder.name for s in stores}
    text = card.content.replace("\\", "")
    for store in stores:
        of_run = rows.loc[store.folder.name]
        line = next(each for each in text.splitlines() if each.startswith(f"| {store.folder.name}"))
        assert f"| {len(of_run):,} |" in line
        last = of_run["iou"].groupby(["image_id", "mask_id"]).last()
        assert f"| {100 * last.mean():.1f} mIoU, " in line


def test_attributes_and_tasks_of_strangers_stay_text_and_inside(
    new_bench, make_row, tmp_path
) -> None:
    made = new_bench(tmp_path / "results")
    rows = [make_row(mask_id="a", attributes={"z": "1", "b": "<x>"}), make_row(mask_id="b")]
    store = made.run("shapes", "sam_b", "point_1", rows=rows, images=1)
    store.write_header(store.header() | {"task": {"name": "../../up", "version": "1", "args": {}}})
    out = tmp_path / "rows"
    assert main(["hub", "rows", "*", "--results", str(made.results), "--out", str(out)]) == 0
    (path,) = out.glob("data/*/*.parquet")
    assert path.parent.name == "up"
    found = pq.read_table(path).to_pandas()["attributes"].map(json.loads)
    assert list(found) == [{"z": "1", "b": "<x>"}, {}]
    assert {each.name for each in tmp_path.iterdir()} == {"results", "rows"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model", "*"], "a repository holds one model, these runs are of 3"),
        (["model", "*-zeta-*", "--benchmark", "shapes"], "expected NAME=OWNER/ID[:TASK][@COMMIT]"),
        (["model", "*-zeta-*", "--benchmark", "shape=a/b"], "did you mean shapes?"),
        (["model", "*-zeta-*", "--source", "javascript:x"], "expected an address, https://"),
        (["model", "*-zeta-*", "--repository", "x"], "is called OWNER/NAME"),
        (["model", "nowhere"], "no run matches 'nowhere'"),
        (["rows", "*-zeta-*", "--licence", "CC BY"], "the Hub's identifiers are lower case"),
        (["rows", "*-zeta-*", "--repository", "a/b/c"], "is called OWNER/NAME"),
    ],
)
def test_what_cannot_be_written_is_one_line(drawn, tmp_path, capsys, words, says) -> None:
    out = tmp_path / "out"
    assert main(["hub", *words, "--results", str(drawn), "--out", str(out)]) == 2
    assert says in one_line(capsys.readouterr().err)
    assert not out.exists()


def test_an_unfinished_run_is_refused(new_bench, tmp_path, capsys) -> None:
    made = new_bench(tmp_path / "results")
    made.run("shapes", "zeta", "box", images=3, status="partial")
    for verb in ("model", "rows"):
        assert main(["hub", verb, "*", "--results", str(made.results)]) == 2
        assert "unfinished run" in one_line(capsys.readouterr().err)
