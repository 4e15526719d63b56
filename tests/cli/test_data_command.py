"""``sam-bench data`` as a user meets it."""

from __future__ import annotations

import io
import json
import re
import shlex
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from file_server import FileServer, serving

from bench.cli import main
from bench.config.folders import conf_dir
from bench.data.catalogue import entries, entry, state_of
from bench.data.fetching import sources_of

YAML = """\
# Blobs of the tests.
#
#   <runtime.datasets>/blobs/annotations.json
#   <runtime.datasets>/blobs/images/*.png

name: blobs
version: "1"
target: bench.data.readers.coco.Coco
args:
  annotations: blobs/annotations.json
  images: blobs/images
about:
  title: Blobs
  what: blobs of the tests
  split: all
  licence: CC0 1.0
  citation: none
  homepage: https://example.org/blobs
  expected:
    images: 4
    masks: 12
  gate: GATE
  size: 1 MB
  get:
    - Ask for it.
    - Then wait.
  unknown: everything else
"""


@pytest.fixture
def extra(tmp_path: Path) -> Path:
    folder = tmp_path / "my_conf"
    (folder / "dataset").mkdir(parents=True)
    (folder / "dataset" / "blobs.yaml").write_text(YAML.replace("GATE", "null"))
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as server:
        yield server


def data(verb: str, *words: str, extra: Path, datasets: Path) -> int:
    return main(["data", verb, *words, "--config-dir", str(extra), "--datasets", str(datasets)])


def line_of(name: str, out: str) -> list[str]:
    (line,) = (line for line in out.splitlines() if line.startswith(f"{name} "))
    return line.split()


def test_ls_says_what_is_here(
    extra: Path,
    coco_folder: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert data("ls", extra=extra, datasets=tmp_path) == 0
    out = capsys.readouterr().out
    assert line_of("blobs", out) == ["blobs", "Blobs", "missing", "–", "1", "MB", "12"]
    assert "ready" in line_of("shapes", out)
    assert "yours" in line_of("mask_folder", out)
    coco_folder(images=4, masks=3).rename(tmp_path / "blobs")
    data("ls", extra=extra, datasets=tmp_path)
    assert "ready" in line_of("blobs", capsys.readouterr().out)


def test_a_dataset_is_incomplete_where_images_lack(
    extra: Path, coco_folder: Callable[..., Path], tmp_path: Path
) -> None:
    coco_folder(images=4, masks=3).rename(tmp_path / "blobs")
    part = entry("blobs", extra).component
    (tmp_path / "blobs" / "images" / "003.png").unlink()
    state = state_of(part, tmp_path)
    assert state.name == "incomplete"
    assert "003.png" in state.why
    path = tmp_path / "blobs" / "annotations.json"
    document = json.loads(path.read_text())
    document["images"] = document["images"][:3]
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] < 3]
    path.write_text(json.dumps(document))
    assert state_of(part, tmp_path).why == "3 images, expected 4"


def test_show_says_it_all(extra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data("show", "blobs", extra=extra, datasets=tmp_path) == 0
    out = capsys.readouterr().out
    for expected in (
        "Blobs (blobs, version 1)",
        "CC0 1.0",
        "4 images, 12 masks",
        "Ask for it.",
        "Then wait.",
        "  <runtime.datasets>/blobs/annotations.json",
        "everything else",
        "here: missing",
    ):
        assert expected in out
    assert main(["data", "show", "bbbc38"]) == 2
    assert "did you mean bbbc038" in capsys.readouterr().err


def test_a_gated_dataset_says_what_to_do_and_gives_2(
    extra: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = extra / "dataset" / "blobs.yaml"
    path.write_text(YAML.replace("GATE", "registration"))
    assert data("fetch", "blobs", extra=extra, datasets=tmp_path) == 2
    err = capsys.readouterr().err
    assert len(err.strip().splitlines()) == 1
    assert "it asks for registration; Ask for it. Then wait." in err
    assert run_as_said(err) == 0
    assert str(extra / "dataset" / "blobs.yaml") in capsys.readouterr().out
    path.write_text(YAML.replace("GATE", "null"))
    assert data("fetch", "blobs", extra=extra, datasets=tmp_path) == 2
    assert "no address is known" in capsys.readouterr().err


def zipped(folder: Path) -> bytes:
    """Every file of a folder in an archive, by its path in it."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder))
    return sink.getvalue()


def run_as_said(text: str) -> int:
    """The exit code of the command that is said to come next, as a shell would give it.

    In an error it stands between backquotes.
    """
    *_, command = re.findall("(?:^next: |`)(sam-bench [^`\n]*)", text, re.MULTILINE)
    return main(shlex.split(command)[1:])


def test_what_is_fetched_is_ready_and_runs(
    extra: Path,
    server: FileServer,
    coco_folder: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = coco_folder(images=4, masks=3)
    server.files["blobs.zip"] = zipped(folder)
    fetch = f"  fetch:\n    - {{url: '{server.url('blobs.zip')}', to: blobs, unpack: zip}}\n"
    (extra / "dataset" / "mine.yaml").write_text(YAML.replace("GATE", "null") + fetch)
    datasets = tmp_path / "my data"
    assert data("show", "mine", extra=extra, datasets=datasets) == 0
    assert run_as_said(capsys.readouterr().out) == 0  # it says with what to fetch it
    out = capsys.readouterr().out
    assert "licence: CC0 1.0" in out
    assert "sha256" in out
    assert "blobs is ready" in out
    assert data("fetch", "mine", extra=extra, datasets=datasets) == 0
    assert "here already" in capsys.readouterr().out
    assert run_as_said(out) == 0  # and how to look at it
    words = [f"runtime.datasets={datasets}", f"runtime.results={tmp_path}/results"]
    words += ["--config-dir", str(extra), "dataset=mine"]
    assert main(["run", *words, "model=disk", "prompt=point_1", "runtime.device=cpu"]) == 0
    assert "Blobs" in capsys.readouterr().out


def test_a_fetch_that_ended_early_goes_on_though_the_dataset_opens_without_the_rest(
    extra: Path,
    server: FileServer,
    coco_folder: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = coco_folder(images=4, masks=3)
    server.files["blobs.zip"] = zipped(folder)
    both = [f"{{url: '{server.url('blobs.zip')}', to: blobs, unpack: zip}}",
            f"{{url: '{server.url('licence.txt')}', to: blobs/licence.txt}}"]  # fmt: skip
    fetch = "  fetch:\n" + "".join(f"    - {each}\n" for each in both)
    (extra / "dataset" / "blobs.yaml").write_text(YAML.replace("GATE", "null") + fetch)
    assert data("fetch", "blobs", extra=extra, datasets=tmp_path) == 2  # no licence to be had
    server.files["licence.txt"] = b"free"
    assert data("fetch", "blobs", extra=extra, datasets=tmp_path) == 0
    assert (tmp_path / "blobs" / "licence.txt").read_bytes() == b"free"
    capsys.readouterr()
    assert data("fetch", "blobs", extra=extra, datasets=tmp_path) == 0
    assert "here already" in capsys.readouterr().out


def test_what_is_fetched_and_not_the_dataset_is_said(
    extra: Path, server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files["blobs.txt"] = b"not the dataset"
    fetch = f"  fetch:\n    - {{url: '{server.url('blobs.txt')}', to: blobs/readme.txt}}\n"
    (extra / "dataset" / "blobs.yaml").write_text(YAML.replace("GATE", "null") + fetch)
    assert data("fetch", "blobs", extra=extra, datasets=tmp_path) == 2
    assert "was fetched and is missing all the same" in capsys.readouterr().err


def test_every_yaml_of_the_bench_can_be_listed_and_fetched_or_not() -> None:
    found = entries()
    assert [each.component.name for each in found] == sorted(p.stem for p in _yamls())
    for each in found:
        assert each.head, f"{each.path} has no comment in its head"
        sources_of(each.component.about)


def _yamls() -> list[Path]:
    return list((conf_dir() / "dataset").glob("*.yaml"))


def test_a_yaml_of_other_bytes_or_args_hides_no_other(
    extra: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = extra / "dataset" / "bytes.yaml"
    path.write_bytes(b"# \xd7\xff\n" + YAML.encode())
    odd = "name: odd\nversion: '1'\ntarget: bench.data.readers.coco.Coco\nargs: 3\n"
    (extra / "dataset" / "odd.yaml").write_text(odd)
    where = ["--config-dir", str(extra)]
    assert main(["data", "ls", *where]) == 0
    out = capsys.readouterr().out
    assert "unreadable" in out
    assert "shapes" in out
    assert main(["data", "show", "bytes", *where]) == 2
    assert str(path) in capsys.readouterr().err
    assert main(["data", "show", "odd", *where]) == 2
    assert "odd.yaml: args must be a mapping, found 3" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(
    ("about", "says"),
    [
        ("about: [1, 2]", "about must be a mapping"),
        ("about: words", "about must be a mapping"),
        ("about: {expected: 5}", "about.expected must be a mapping"),
        ("about: {expected: [1]}", "about.expected must be a mapping"),
        ("about: {paper: many}", "about.paper must be a mapping"),
        ("about: {title: [a, b]}", "about.title must be a text"),
        ("about: {what: {a: 1}}", "about.what must be a text"),
        ("about: {choices: [a]}", "about.choices must be a mapping"),
        ("about: {differs: [{where: here}]}", "about.differs must be a list"),
    ],
)
def test_an_about_of_another_shape_is_one_line_and_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], about: str, says: str
) -> None:
    (tmp_path / "dataset").mkdir()
    text = "name: odd\nversion: '1'\ntarget: bench.data.readers.shapes.Shapes\n" + about
    (tmp_path / "dataset" / "odd.yaml").write_text(text)
    where = ["--config-dir", str(tmp_path)]
    assert main(["ls", "datasets", *where]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert says in said
    assert "shapes" in said
    assert main(["data", "show", "odd", *where]) == 2
    assert f"odd.yaml: {says}" in capsys.readouterr().err
    assert main(["run", "--plan", "dataset=odd", "model=disk", *where]) == 2
    assert f"odd: {says}" in capsys.readouterr().err or "about: [" in about or "words" in about
