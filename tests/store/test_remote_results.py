"""Whole runs whose results lie on S3: a real server on this machine, real clients, real kills."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from finished import dataset_words, one_line
from remote_server import s3_server
from test_runs import ROW
from whole_runs import Each, Silent, comparable, configure, execute, grabcut_config

import bench
from bench.cli import main
from bench.files import places
from bench.files.places import RemotePath, place
from bench.files.remote import _file_system
from bench.run.driver import run
from bench.run.plan import make_plan
from bench.store import lock as run_lock
from bench.store.compaction import MOST_SMALL, compact
from bench.store.lock import Fence, hold
from bench.store.runs import RunStore, find_runs, read_runs
from bench.types import BenchError

PROMPTS = "prompt=[point_3,box]"


@pytest.fixture(scope="module")
def server() -> Iterator[Mapping[str, str]]:
    """The environment of a running S3 server."""
    with s3_server() as environment:
        yield environment


@pytest.fixture
def results(
    server: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """An empty folder of results on S3; what is not there is kept in ``tmp_path``."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(run_lock, "CONFIRM_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)
    yield f"s3://bucket/{uuid.uuid4().hex}"
    _file_system.cache_clear()


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=6, masks=2)


def to(results: str) -> str:
    return f"runtime.results={results}"


def remote_run(results: str) -> RunStore:
    """A store on S3 of its own, without a command behind it."""
    return RunStore.create(place(results), "d-m-point_3-000000000000")


def write(store: RunStore, *images: str) -> None:
    store.write_part([replace(ROW, image_id=i) for i in images], images, fingerprint="f")


@pytest.mark.long
def test_rows_headers_and_errors_are_those_of_a_local_run(folder: Path, results: str) -> None:
    (folder / "images" / "004.png").write_bytes(b"")
    local = execute(configure(folder, PROMPTS))
    remote = make_plan(configure(folder, PROMPTS, to(results)))
    (error,) = run(remote, Silent())
    assert error.image_id == "4"
    assert comparable(remote) == comparable(local)
    ours, theirs = (plan.work.runs["box"].store for plan in (remote, local))
    assert str(ours.folder).startswith(f"{results}/runs/coco-disk-box-")
    assert ours.errors() == theirs.errors()
    differing = {k for k, v in theirs.header().items() if v != ours.header()[k]}
    assert differing <= {"created", "started", "finished", "seconds", "latest", "git", "device"}
    assert sorted(path.name for path in ours.folder.iterdir()) == [
        "errors.jsonl",
        "parts",
        "run.json",
    ]
    (folder / "images" / "004.png").write_bytes((folder / "images" / "003.png").read_bytes())


@pytest.mark.long
def test_processes_write_there_too(folder: Path, results: str) -> None:
    local = comparable(execute(grabcut_config(folder)))
    words = ["runtime.devices=[cpu,cpu]", "runtime.part_images=1"]
    assert comparable(execute(grabcut_config(folder, *words, to(results)))) == local


@pytest.mark.long
def test_ray_actors_write_there_too(folder: Path, results: str) -> None:
    pytest.importorskip("ray")
    local = comparable(execute(grabcut_config(folder)))
    config = grabcut_config(folder, "runtime=ray", to(results))
    here = str(Path(bench.__file__).parent.parent)
    # A process of its own: another test may have started and ended Ray in this one.
    dataset = [
        "dataset=coco",
        f"dataset.args.annotations={folder}/annotations.json",
        f"dataset.args.images={folder}/images",
    ]
    runtime = ["runtime=ray", "runtime.ray.actors=1", "runtime.device=cpu", to(results)]
    command = [sys.executable, "-m", "bench", "run", "model=grabcut", PROMPTS, *dataset, *runtime]
    ended = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": here},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert comparable(make_plan(config)) == local


@pytest.mark.long
def test_a_killed_command_goes_on_at_once(results: str, tmp_path: Path) -> None:
    words = ["model=disk", "dataset=shapes", "dataset.args.count=60", "prompt=[point_3]"]
    command = [sys.executable, "-m", "bench", "run", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(bench.__file__).parent.parent)}
    process = subprocess.Popen(
        [*command, to(results), "runtime.part_images=2"], env=environment, stderr=subprocess.DEVNULL
    )
    runs = place(results) / "runs"
    deadline = time.monotonic() + 120
    while len(list(runs.glob("*/parts/*.parquet"))) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (store,) = (RunStore(path) for path in runs.iterdir())
    before = {part.name: part.read_bytes() for part in store.parts()}
    assert (store.folder / "owner.json").is_file()
    assert 0 < len(store.content().images) < 60
    assert main(["run", *words, to(results)]) == 0
    kept = {path.name: path.read_bytes() for path in store.parts() if path.name in before}
    assert kept == before
    assert store.header()["status"] == "complete"
    assert main(["run", *words, to("local")]) == 0
    ours, theirs = (read_runs(find_runs(place(each))) for each in (results, "local"))
    assert ours.astype(str).equals(theirs.astype(str))


@pytest.mark.long
def test_of_two_commands_one_works_and_the_other_says_so(
    folder: Path, results: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "model=disk", "prompt=[box]", *dataset_words(folder)[:-1], to(results)]
    config = configure(folder, "prompt=[box]", "dataset.name=blobs", to(results))
    codes: list[int] = []
    run(make_plan(config), Each(lambda: codes.append(main(words))))
    assert set(codes) == {2}
    said = [x for x in capsys.readouterr().err.splitlines() if x.startswith("sam-bench: ")]
    refused = f"another command is at work on this run (process {os.getpid()} on "
    assert len(said) == len(codes) == 6
    assert all(refused in line for line in said)
    assert main(words) == 0


def test_another_machine_is_believed_while_it_shows_signs_of_life(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = remote_run(results).folder
    assert isinstance(folder, RemotePath)
    elsewhere = {"token": "t", "machine": "m", "host": "node7", "pid": 11}
    (folder / "owner.json").put(json.dumps(elsewhere).encode())
    says = r"process 11 on node7\); if it is gone, try again in \d+ s"
    with pytest.raises(BenchError, match=says), hold([folder]):
        pass
    monkeypatch.setattr(run_lock, "STALE_SECONDS", 0.0)
    with hold([folder]) as token:
        Fence(folder, token)()
        with pytest.raises(BenchError, match="no longer holds"):
            Fence(folder, "t")()
    assert list(folder.iterdir()) == []


def test_only_one_of_two_machines_creates_the_owner(
    results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = remote_run(results).folder
    reads = iter([None])
    true_read = run_lock._read
    with hold([folder]) as token:
        # As one who looked before the other was there, and whose machine has other locks.
        monkeypatch.setattr(places, "LOCKS", "~/elsewhere")
        monkeypatch.setattr(run_lock, "_read", lambda path: next(reads, true_read(path)))
        with pytest.raises(BenchError, match="another command"), hold([folder]):
            pass
        Fence(folder, token)()


def test_the_owner_shows_signs_of_life(results: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "BEAT_SECONDS", 0.1)
    folder = remote_run(results).folder
    with hold([folder]) as token:
        owner = folder / "owner.json"
        assert isinstance(owner, RemotePath)
        first = owner.modified()
        deadline = time.monotonic() + 20
        while owner.modified() == first:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        Fence(folder, token)()


def test_who_lost_the_run_writes_nothing(results: str) -> None:
    folder = remote_run(results).folder
    store = RunStore(folder, Fence(folder, "gone"))
    for attempt in (lambda: write(store, "a"), lambda: store.write_header({})):
        with pytest.raises(BenchError, match="no longer holds"):
            attempt()
    assert list(folder.iterdir()) == []


@pytest.mark.long
def test_a_damaged_part_is_set_aside_and_its_images_done_again(folder: Path, results: str) -> None:
    first = execute(configure(folder, PROMPTS, to(results), "runtime.part_images=2"))
    whole = comparable(first)
    store = first.work.runs["box"].store
    broken = store.parts()[1]
    assert isinstance(broken, RemotePath)
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 1
    broken.put(bytes(data))
    with pytest.raises(BenchError, match=f"{broken.name}: damaged part"):
        read_runs([RunStore(store.folder)])
    again = execute(configure(folder, PROMPTS, to(results)))
    assert len(again.work.todo) == 2
    assert comparable(again) == whole
    assert [path.name for path in (store.folder / "damaged").iterdir()] == [broken.name]


@pytest.mark.long
def test_small_parts_are_compacted_and_leftovers_deleted(results: str) -> None:
    store = remote_run(results)
    names = [f"{index:03d}" for index in range(MOST_SMALL + 1)]
    for name in names:
        write(store, name)
    rows, parts = read_runs([store]), store.parts()
    kept = parts[0].read_bytes()
    assert compact(store) == len(names)
    assert [path.name for path in (store.folder / "parts").iterdir()] == [store.parts()[0].name]
    assert read_runs([store]).equals(rows)
    assert isinstance(parts[0], RemotePath)
    parts[0].put(kept)  # as if the command had been killed before it deleted this one
    assert read_runs([RunStore(store.folder)]).equals(rows)
    assert store.mend() == []
    assert not parts[0].exists()


@pytest.mark.long
def test_commands_read_from_there(
    folder: Path, results: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*dataset_words(folder)[:-1], to(results), PROMPTS]
    assert main(["run", "model=disk", *words]) == 0
    assert main(["run", "model=grabcut", *words]) == 0
    there = ["--results", results]
    assert main(["rescore", "*-disk-*", "--metric", "dice", *there]) == 0
    assert main(["compare", "disk", "grabcut", *there]) == 0
    assert main(["report", *there, "--name", "later"]) == 0
    assert main(["ls", "runs", *there]) == 0
    capsys.readouterr()
    assert main(["ls", "runs", *there, "--json"]) == 0  # a table folds long names
    assert "blobs-grabcut-box-" in capsys.readouterr().out
    pages = {path.parent.name for path in (tmp_path / "results" / "reports").glob("*/index.html")}
    assert pages == {"compare", "later"}, "reports are local"
    (dice,) = (find_runs(place(results), ["*-disk-box-*"])[0].folder / "metrics").iterdir()
    assert dice.name == "dice.parquet"
    one = find_runs(place(results), ["*-disk-box-*"])[0]
    assert len(bench.read_runs(str(one.folder))) == len(
        bench.read_runs("*-disk-box-*", results=results)
    )
    assert main(["doctor", "--json", *there]) in (0, 1)
    assert results in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bucket": "wrong"}, "there is no s3://wrong"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
            "Could not connect to the endpoint",
            marks=pytest.mark.long,
        ),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "Unable to locate credentials"),
        ({"bucket": ""}, "names no folder"),
        ({"scheme": "blah"}, "blah://bucket: results lie in a folder, or behind abfs://"),
    ],
)
def test_what_can_not_be_reached_is_one_line(
    results: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: Mapping[str, str],
    says: str,
) -> None:
    for name in change.keys() & os.environ.keys():
        monkeypatch.setenv(name, change[name]) if change[name] else monkeypatch.delenv(name)
    url = f"{change.get('scheme', 's3')}://{change.get('bucket', 'bucket')}"
    assert main(["ls", "runs", "--results", url]) == 2
    assert says in one_line(capsys.readouterr().err)


def test_a_run_into_a_wrong_bucket_makes_none(
    folder: Path, results: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "model=disk", PROMPTS, *dataset_words(folder)[:-1], to("s3://wrong/x")]
    assert main(words) == 2
    assert "cannot be written (The specified bucket does not exist)" in one_line(
        capsys.readouterr().err
    )
    assert not place("s3://wrong").exists()


def test_without_its_library_a_url_is_refused_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _file_system.cache_clear()
    monkeypatch.setitem(sys.modules, "s3fs", None)
    loaded = vars(importlib.import_module("fsspec.registry"))["_registry"]
    monkeypatch.delitem(loaded, "s3", raising=False)
    assert main(["run", "model=disk", to("s3://bucket/x")]) == 2
    assert "pip install 'sam-bench[s3]'" in one_line(capsys.readouterr().err)
