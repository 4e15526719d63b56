"""``sam-bench ls`` and ``fetch``: what there is, how it stands, and how it gets here."""

import json
import shlex
import subprocess
import sys

import pytest
import yaml
from file_server import serving

from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.config.folders import group_names
from bench.files.hashing import sha256_of
from bench.store.lock import hold
from bench.store.runs import RunStore


def listed(capsys, *words):
    assert main(["ls", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def mine(tmp_path):
    """A folder of YAMLs with a model ``mine`` whose checkpoint a server of this machine has."""
    content = b"weights" * 1000
    (tmp_path / "w.pth").write_bytes(content)
    with serving() as server:
        server.files["w.pth"] = content
        args = {
            "arch": "vit_b", "file": "w.pth", "url": server.url("w.pth"), "size": len(content),
            "sha256": sha256_of(tmp_path / "w.pth"),
        }  # fmt: skip
        model = {
            "name": "mine",
            "version": "1",
            "target": "bench.models.segment_anything.SegmentAnything",
            "args": args,
            "about": {"title": "Mine", "licence": "CC-BY-4.0", "parameters": "93 735 472"},
        }
        (tmp_path / "conf" / "model").mkdir(parents=True)
        (tmp_path / "conf" / "model" / "mine.yaml").write_text(yaml.safe_dump(model))
        yield tmp_path / "conf", server


def test_a_model_is_listed_with_its_state_and_what_is_to_be_done(mine, tmp_path, capsys):
    conf, _ = mine
    where = ["--config-dir", str(conf), "--checkpoints", str(tmp_path / "c d")]
    found = {line["name"]: line for line in listed(capsys, "models", *where)}
    assert found["mine"] == {
        "name": "mine",
        "what": "Mine",
        "state": "to fetch",
        "licence": "CC-BY-4.0",
        "size": 7000,
        "parameters": 93735472,
        "next": f"sam-bench fetch --config-dir {conf} model=mine "
        f"'runtime.checkpoints={tmp_path}/c d'",
    }
    assert found["demo"]["state"] == "ready"
    assert found["demo"]["next"] is None
    assert found["demo"]["size"] > 1_000_000
    assert found["sam3"]["next"].startswith("Its authors give access on request")
    assert "; then sam-bench fetch --config-dir" in found["sam3"]["next"]
    assert found["sam3"]["next"].endswith(f"model=sam3 'runtime.checkpoints={tmp_path}/c d'")
    assert main(["ls", "models", *where]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "mine Mine to fetch CC-BY-4.0 0.1 MB 93.7 M" in shown
    assert "disk Disk ready Apache-2.0 – none" in shown


def test_what_is_listed_is_fetched_by_the_command_that_it_names(mine, tmp_path, capsys):
    conf, server = mine
    words = ["--config-dir", str(conf), "model=mine", f"runtime.checkpoints={tmp_path}/c"]
    assert main(["fetch", *words]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "mine: licence CC-BY-4.0",
        f"mine: fetched and right, {tmp_path}/c/w.pth",
        f"next: {shlex.join(['sam-bench', 'run', *words, 'dataset=photos'])}",
    ]
    assert main(["fetch", *words, "runtime.download=false"]) == 0
    assert "mine: here already and right" in capsys.readouterr().out
    assert len(server.gets()) == 1
    where = ["--config-dir", str(conf), "--checkpoints", str(tmp_path / "c")]
    assert {line["name"]: line["state"] for line in listed(capsys, "models", *where)}[
        "mine"
    ] == "ready"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "fetch what? model=NAME"),
        (["dataset=shapes"], "fetch what? model=NAME"),
        (["model=slimsam_50"], "model.args.revision=ITS_40_HEX_DIGITS"),
        (["model=sam_vit_z"], "no model is called 'sam_vit_z'"),
        (["model=sam_vit_b", "runtime.checkpoints=no", "runtime.download=false"], "switched off"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(words, said, capsys):
    assert main(["fetch", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("what", "group"),
    [("experiments", "experiment"), ("runtimes", "runtime"), ("tasks", "task"),
     ("prompts", "prompt"), ("protocols", "protocol"), ("datasets", "dataset"),
     ("suites", "suite")],
)  # fmt: skip
def test_every_group_is_listed_with_words(what, group, capsys):
    found = listed(capsys, what)
    assert [line["name"] for line in found] == group_names(group)
    assert all(line["what"].strip(". ") for line in found)


def test_one_file_that_is_wrong_hides_no_other(mine, tmp_path, capsys):
    conf, _ = mine
    (conf / "model" / "broken.yaml").write_text("name: [")
    (conf / "experiment").mkdir()
    (conf / "experiment" / "broken.yaml").write_text("a: ${oc.env:HOME}")
    where = ["--config-dir", str(conf)]
    models = {line["name"]: line for line in listed(capsys, "models", *where)}
    assert models["broken"]["state"] == "broken"
    assert models["broken"]["what"].startswith("cannot be read: ")
    assert models["mine"]["state"] == "to fetch"
    experiments = {line["name"]: line["what"] for line in listed(capsys, "experiments", *where)}
    assert "calls a resolver" in experiments["broken"]
    assert "embedded encoders" in experiments["demo"]


def test_listing_loads_no_torch(tmp_path):
    kinds = ["models", "experiments", "runtimes", "tasks", "prompts", "protocols", "datasets"]
    kinds += ["suites"]
    code = (
        "import sys; from bench.cli import main\n"
        f"codes = [main(['ls', kind]) for kind in {kinds}] + "
        f"[main(['ls', 'runs', '--results', {str(tmp_path)!r}])]\n"
        "print('torch' in sys.modules, 'ray' in sys.modules, 'transformers' in sys.modules, codes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"False False False {[0] * 8 + [2]}"


def test_a_run_that_was_killed_is_not_called_running(tmp_path, capsys):
    words = ["model=disk", "dataset=shapes", "dataset.args.count=1", "prompt=[box]",
             f"runtime.results={tmp_path}"]  # fmt: skip
    assert main(["run", *words]) == 0
    (file,) = tmp_path.glob("runs/*/run.json")
    header = json.loads(file.read_text())
    capsys.readouterr()

    def status():
        (line,) = listed(capsys, "runs", "--results", str(tmp_path))
        return line["status"]

    assert status() == "complete"
    file.write_text(json.dumps(header | {"status": "running"}))
    assert status() == "stopped"
    with hold([file.parent]):
        assert status() == "running"


def test_runs_are_listed_with_the_number_that_leads_their_tables(tmp_path, capsys):
    words = ["dataset=shapes", "dataset.args.count=3", f"runtime.results={tmp_path}", "model=disk"]
    assert main(["run", *words, "prompt=[point_3,box]"]) == 0
    assert main(["run", *words, "prompt=[box_and_points]", "protocol=sam2"]) == 0
    where = ["--results", str(tmp_path)]
    capsys.readouterr()
    by_name = listed(capsys, "runs", *where)
    assert len(by_name) == 3
    for line in by_name:
        store = RunStore(tmp_path / "runs" / line["run"])
        table = miou_table(select([store]))
        last = table.lines.iloc[-1]
        assert line["mean"] == pytest.approx(last["miou"])
        assert line["score"] == f"{100 * last['miou']:.1f} mIoU, {last['prompt']}"
        assert line["finished"] == store.header()["finished"]
        assert line["machine"].endswith("cores, cpu")
    best_first = listed(capsys, "runs", "--sort", "score", *where)
    means = [line["mean"] for line in best_first]
    assert means == sorted(means, reverse=True)
    assert [line["run"] for line in best_first] != [line["run"] for line in by_name]
    (box,) = listed(capsys, "runs", "*-box-*", *where)
    assert "-box-" in box["run"]
    assert listed(capsys, "runs", "--status", "partial", *where) == []
    (part,) = (tmp_path / "runs" / box["run"] / "parts").iterdir()
    part.write_bytes(part.read_bytes()[:100])
    lines = {line["run"]: line for line in listed(capsys, "runs", "--sort", "score", *where)}
    assert lines[box["run"]]["score"].startswith("cannot be read: ")
    assert list(lines)[-1] == box["run"]
    assert main(["ls", "models", "--sort", "score"]) == 2
    assert "are of runs: ls models takes none" in capsys.readouterr().err
