"""Configurations, headers and checkpoints from strangers run no code and read no secrets."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import fsspec.core
import pytest
import torch
from finished import disk_run, one_line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import models
from bench.cli import main
from bench.config.component import Component, load_class
from bench.config.composing import RunConfig, load_configs
from bench.config.hints import fits
from bench.config.run_key import run_name
from bench.data import readers
from bench.files.places import place
from bench.files.yaml_files import check_yaml
from bench.models.weights import read_state
from bench.store.headers import check_header
from bench.store.runs import RunStore
from bench.types import BenchError


def theirs(folder: Path, text: str, group: str = "experiment") -> Path:
    path = folder / group / "theirs.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder


def one(*words: str, folder: Path) -> RunConfig:
    return load_configs(["model=disk", *words], folder)[0]


MODULES = "runtime: {allow_modules: [subprocess]}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MODULES, "only you may, on the command line"),
        ("sweep: {runtime.allow_modules: ['[subprocess]']}\n", "sweep: nothing is called"),
        ("sweep: {hydra.searchpath: ['[file:///tmp]']}\n", "sweep: nothing is called"),
        ("sweep: {+model.x: [1]}\n", "sweep: nothing is called"),
        ("runtime: {results: '${oc.env:HOME}'}\n", "theirs.yaml: line 2: .* calls a resolver"),
        ("figure: '${oc.${task}:HOME}'\n", "calls a resolver"),
        ("figure: '${oc.create:1}'\n", "calls a resolver"),
        ("figure: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    ],
)
def test_an_experiment_from_a_stranger_opens_no_door(tmp_path: Path, text: str, says: str) -> None:
    folder = theirs(tmp_path, f"# @package _global_\n{text}")
    with pytest.raises(BenchError, match=says) as caught:
        one("experiment=theirs", folder=folder)
    assert "\n" not in str(caught.value)
    assert os.environ.get("HOME", "/root") not in str(caught.value).replace(str(tmp_path), "")


URL = "reference::http://127.0.0.1:9/refs.json"


@pytest.mark.parametrize(
    "text",
    [
        f"runtime: {{results: '{URL}'}}\n",
        "runtime: {results: 'reference://::refs.json'}\n",
        "runtime: {results: 's3://theirs/folder'}\n",
        "runtime: {results: 'sftp://127.0.0.1:9/folder'}\n",
        "runtime: {datasets: 'http://127.0.0.1:9/'}\n",
        "runtime: {checkpoints: 'zip::x.zip'}\n",
        "runtime: {embedding_cache: 's3://theirs/folder'}\n",
        "runtime: {devices: ['s3://theirs']}\n",
        "runtime: {ray: {address: 'ray://127.0.0.1:9'}}\n",
        "runtime: {ray: {address: '127.0.0.1:9'}}\n",
        "figure: 'x://'\nruntime: {results: '${figure}y'}\n",
        f"sweep: {{runtime.results: ['{URL}', out]}}\n",
        "sweep: {runtime.ray.address: [auto]}\n",
        "sweep: {runtime.ray: ['{address: auto}']}\n",
    ],
)
def test_no_yaml_leads_out_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    def opened(*args: Any, **settings: Any) -> None:
        raise AssertionError(f"{args} is opened")

    monkeypatch.setattr(fsspec.core, "url_to_fs", opened)
    folder = theirs(tmp_path, f"# @package _global_\n{text}")
    with pytest.raises(BenchError, match=r"a YAML sets runtime\.\S+=.*; only you may") as caught:
        one("experiment=theirs", folder=folder)
    assert "\n" not in str(caught.value)


def test_the_users_own_words_lead_where_they_say(tmp_path: Path) -> None:
    text = (
        "# @package _global_\nruntime: {results: 's3://theirs', ray: {address: auto, actors: 2}}\n"
    )
    folder = theirs(tmp_path, text)
    words = ["experiment=theirs", "runtime.results=memory://mine/x"]
    with pytest.raises(BenchError, match=r"runtime\.ray\.address=auto; only you may"):
        one(*words, folder=folder)
    with pytest.raises(BenchError, match=r"runtime\.ray\.address=auto; only you may"):
        one(*words, "runtime.ray={actors: 3}", folder=folder)
    mine = one(*words, "++runtime.ray.address=10.0.0.1:6379", folder=folder).runtime
    assert (mine.results, mine.ray.address) == ("memory://mine/x", "10.0.0.1:6379")
    assert one(*words, "runtime.ray.address=null", folder=folder).runtime.ray.address is None


def test_a_url_from_anyone_opens_only_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda *args, **settings: args / 0)
    for url in (URL, "reference://::refs.json", "memory://x::reference://refs.json", "S3://x/y"):
        with pytest.raises(BenchError, match=r"chains URLs|results lie in a folder, or behind"):
            place(url)
    for scheme in ("reference", "http", "zip", "github", "filecache", "generic", "dask", "hdfs"):
        with pytest.raises(BenchError, match=f"^{scheme}://x/y: results lie in a folder, or"):
            place(f"{scheme}://x/y")


def test_fsspec_has_a_floor_that_renders_no_file_as_code() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall('"((?:fsspec|s3fs).*)",?', text)[0] == "fsspec>=2026.6"
    assert set(re.findall(r'"s3fs([^"]*)"', text)) == {">=2026.6"}


NAMES = [
    "../../victim/photos",
    "a/b",
    "a\\b",
    "",
    " ",
    ".",
    "..",
    "a\0",
    "a\nb",
    "a\x1b[2Jb",
    "\u202eb",
    "n" * 300,
    "名" * 41,
]


@pytest.mark.parametrize("name", NAMES)
def test_a_components_name_leads_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with pytest.raises(
        BenchError, match=r"a component's name '.*' (holds|is empty|is a folder|is \d+ bytes long)"
    ):
        Component(name)
    written = f"name: {json.dumps(name)}\nversion: '1'\ntarget: bench.data.readers.shapes.Shapes\n"
    folder = theirs(tmp_path / "conf", written, "dataset")
    (tmp_path / "datasets" / ".fetched").mkdir(parents=True)
    kept = tmp_path / "victim" / "photos.unpacked" / "thesis.tex"
    kept.parent.mkdir(parents=True)
    kept.write_text("precious")
    before = sorted(tmp_path.rglob("*"))
    places = ["--config-dir", str(folder), "--datasets", str(tmp_path / "datasets")]
    assert main(["data", "fetch", "theirs", *places]) == 2
    assert "theirs.yaml: a component's name" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(BenchError, match="a component's name"):
        one("dataset=theirs", folder=folder)


def test_names_of_every_language_are_names() -> None:
    for name in ("sam_vit_b", "grün", "介绍", "SAM 2.1 (large)", "a=b", "x,y", ".hidden", "a..b"):
        assert Component(name).name == name


def test_the_command_line_may_allow_what_a_file_may_not(tmp_path: Path) -> None:
    folder = theirs(tmp_path, f"# @package _global_\n{MODULES}")
    mine = one("experiment=theirs", "runtime.allow_modules=[ast]", folder=folder)
    assert mine.runtime.allow_modules == ["ast"], "the user's word replaces the file's"
    both = one("runtime.allow_modules=[ast,cmd]", folder=folder)
    assert both.runtime.allow_modules == ["ast", "cmd"]


BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"about:\n  {BOMB.replace(chr(10), chr(10) + '  ')}", "unfolds into more than"),
        ("about: {x: &a [1, *a]}\n", "lies inside itself"),
        ("about: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("about: 'x" + "x" * (1 << 20), "at most 1048576"),
        ("about: '\udcff'", "invalid|codec"),
    ],
)
def test_a_yaml_that_unfolds_is_refused_before_it_is_composed(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "a.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BenchError, match=says) as caught:
        check_yaml(tmp_path / "a.yaml")
    assert str(tmp_path / "a.yaml") in str(caught.value)


def test_a_resolver_in_a_file_that_another_names_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "evil.yaml").write_text("# @package _global_\nfigure: '${oc.env:HOME}'\n")
    text = "# @package _global_\ndefaults: [/../far/evil]\n"
    with pytest.raises(BenchError):
        one("experiment=theirs", folder=theirs(tmp_path / "conf", text))


def test_the_command_line_may_call_a_resolver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_FIGURE", "fig9c")
    assert one("figure=${oc.env:MY_FIGURE}", folder=tmp_path).figure == "fig9c"


def test_anchors_and_references_to_other_keys_are_fine(tmp_path: Path) -> None:
    text = "# @package _global_\nseed: &s 3\nfigure: '${model.name}: ${task.name}'\n"
    assert one("experiment=theirs", folder=theirs(tmp_path, text)).figure == "disk: prompted_masks"


@pytest.mark.parametrize(
    ("target", "room", "says"),
    [
        ("bench.models.segment_anything.SegmentAnything", readers, "outside the allowed"),
        ("bench.data.readers.coco.Coco", models, "outside the allowed modules"),
        ("bench.demo.training.train.Recipe", models, "outside the allowed modules"),
        ("bench.cli.commands.run.main", models, "outside the allowed modules"),
        ("bench.store.runs.RunStore", readers, "outside the allowed modules"),
        ("bench.modelsx.Thing", models, "outside the allowed modules"),
        (
            "bench.models.disk.BenchError",
            models,
            r"is written in bench\.types\.errors, expected in",
        ),
        ("bench.models.checkpoints.Path", models, "is written in pathlib"),
        ("bench.models.disk.np.ndarray", models, "no class"),
        ("", models, "outside the allowed modules"),
        ("bench.models..Disk", models, "no class"),
    ],
)
def test_a_part_names_a_class_of_its_groups_own_room(
    target: str, room: ModuleType, says: str
) -> None:
    with pytest.raises(BenchError, match=says):
        load_class(Component("x", "1", target), room)


def test_nothing_is_imported_before_it_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(BenchError):
        load_class(Component("x", "1", "antigravity.Thing"), models)
    import sys

    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"count": "5"}, "count must be int, found '5'"),
        ({"count": True}, "count must be int"),
        ({"bank": "other"}, "bank must be one of 'train', 'test', found 'other'"),
        ({"sizes": [[1, "x"]]}, "sizes must be Sequence"),
        ({"seed": None}, "seed must be int"),
    ],
)
def test_arguments_are_of_the_constructors_types(args: dict[str, Any], says: str) -> None:
    with pytest.raises(BenchError, match=says):
        load_class(Component("x", "1", "bench.data.readers.shapes.Shapes", args), readers)


def test_annotations_of_every_kind_are_understood() -> None:
    assert fits(None, int | None)
    assert fits({"a": 1}, dict[str, int])
    assert not fits({"a": "1"}, dict[str, int])
    assert not fits("abc", Sequence[str])
    assert fits(object(), Any)


def forge(store: RunStore, change: Callable[[dict[str, Any]], None]) -> None:
    path = store.folder / "run.json"
    header = json.loads(path.read_text())
    change(header)
    path.write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("subprocess.Popen", "outside the allowed modules"),
        ("bench.models.segment_anything.SegmentAnything", "outside the allowed modules"),
        ("bench.data.readers.coco.Path", "is written in pathlib"),
    ],
)
def test_a_header_from_a_stranger_opens_no_other_class(
    coco_folder: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    target: str,
    said: str,
) -> None:
    store = disk_run(coco_folder(images=2, masks=1), "point_1")
    capsys.readouterr()

    def change(header: dict[str, Any]) -> None:
        header["dataset"]["target"] = target
        header["runtime"] = {"allow_modules": ["subprocess"]}

    forge(store, change)
    results = str(store.folder.parents[1])
    assert main(["rescore", store.folder.name, "--metric", "dice", "--results", results]) == 2
    assert said in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"dataset": {"name": 3}},
        {"dataset": {"name": "x", "more": 1}},
        {"model": "demo"},
        {"report_steps": {"one": "1 point"}},
        {"report_steps": {"0": "1 point"}},
        {"report_steps": {"1": 5}},
        {"images": -1},
        {"images": True},
        {"masks": 1.5},
        {"seconds": {"total": float("nan")}},
        {"skipped": {"crowd": "many"}},
        {"notes": "one"},
        {"status": None},
    ],
)
def test_a_header_of_other_kinds_is_refused(header: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|expected a JSON object"):
        check_header(header)


def test_keys_that_are_not_known_or_missing_are_no_mistake() -> None:
    assert check_header({"new": [1], "status": "complete"})
    assert check_header({}) == {}


@pytest.mark.long
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_any_bytes_as_a_header_are_one_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "run.json").write_bytes(data)
    said = "run.json"
    try:
        RunStore(tmp_path).header()
    except BenchError as error:
        said = str(error)
    assert "run.json" in said
    assert "\n" not in said


class Payload:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def test_a_checkpoint_runs_nothing(tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "w.pth"
    torch.save({"a": Payload(mark)}, path)
    with pytest.raises(BenchError, match="no checkpoint that can be read safely"):
        read_state(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "read unsafely it does"


def test_a_checkpoint_that_unfolds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data/0", bytes(50_000_000))
    with pytest.raises(BenchError, match=r"w\.pth is compressed, 50000000 bytes in"):
        read_state(path)
    torch.save({"a": torch.zeros(1).expand(30_000, 30_000)}, path)
    with pytest.raises(BenchError, match="share memory"):
        read_state(path)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "n" * 300])
@pytest.mark.parametrize(
    "words",
    [
        ["report", "--name"],
        ["compare", "a", "b", "--name"],
        ["run", "--report"],
        ["score", "masks", "--report"],
        ["check", "--report"],
        ["protocol", "ablate", "a", "b", "--report"],
    ],
    ids=lambda words: words[0],
)
def test_a_reports_name_leads_nowhere(
    words: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, name])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "expected a bare name" in said
    assert len(said.splitlines()) == 1


LONG = "n" * 300


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ls", "runs", "--results", LONG], "longer than the file system takes"),
        (["data", "show", LONG], "no dataset is called"),
        (["run", "dataset=shapes", "--config-dir", LONG], "longer than the file system takes"),
        (["run", "dataset=shapes", f"dataset.args.manifest={LONG}"], "no manifest"),
        (["run", "dataset=bbbc038", f"runtime.datasets={LONG}"], "longer than the file system"),
        (["run", "model=sam_vit_b", f"model.args.checkpoint={LONG}"], "no checkpoint"),
        (["run", f"runtime.results={LONG}"], "longer than the file system takes"),
        (["score", "--predictions", LONG, "dataset=photos"], "--predictions takes"),
        (["data", "new", "x", "--folder", LONG], "(--folder)"),
        (["data", "new", LONG, "--folder", "."], "is 300 bytes long, beyond 120"),
        (
            ["segment", "--image_path", LONG, "--input_point", "5,5"],
            "longer than the file system takes",
        ),
        (["ls", "models", "--config-dir", "nowhere"], "nowhere: no such folder"),
        (["data", "ls", "--config-dir", "nowhere"], "nowhere: no such folder"),
        (["data", "show", "shapes", "--config-dir", "nowhere"], "nowhere: no such folder"),
        (["protocol", "show", "sam", "--config-dir", "file"], "file: it is a file"),
        (["report", "--results", "file"], "file: it is a file"),
        (["run", "model=disk", "dataset=shapes", "runtime.results=file"], "file: it is a file"),
        (["run", "model=sam_vit_b", "model.args.checkpoint=/tmp"], "/tmp (it is a folder)"),
        (["score", "--predictions", "/dev/null", "dataset=photos"], "it is a device"),
    ],
    ids=lambda each: " ".join(each).replace(LONG, "LONG") if isinstance(each, list) else "",
)
def test_a_path_that_cannot_be_is_one_line(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("in the way")
    assert main(words) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1


def test_an_error_of_the_disk_that_nobody_foresaw_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.store.runs.find_runs", os.stat)
    assert main(["ls", "runs", "--results", "a/nowhere"]) == 2
    assert capsys.readouterr().err == "sam-bench: a/nowhere: there is no such file or folder\n"


def test_long_names_make_a_folder_that_every_disk_takes(tmp_path: Path) -> None:
    long = ["n" * 120, "m" * 120, "p" * 120]
    name = run_name(*long, "0123456789ab")
    assert name.endswith("-0123456789ab")
    assert len(name) < 245
    (tmp_path / name).mkdir()
