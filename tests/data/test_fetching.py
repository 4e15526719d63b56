"""Datasets fetched from a server on this machine, whole, in pieces, and by mistake."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import FileServer, serving
from filelock import FileLock

from bench.data.fetching import Source, fetch_dataset, sources_of
from bench.types import BenchError

IMAGES = {f"val/{i}.jpg": bytes(str(i), "ascii") * 3000 for i in range(5)}


def zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as server:
        server.files = {"val.zip": zipped(IMAGES), "truth.json": b'{"images": []}'}
        yield server


@pytest.fixture
def sources(server: FileServer) -> list[Source]:
    return [
        Source(server.url("val.zip"), "set", unpack="zip"),
        Source(server.url("truth.json"), "set/annotations/truth.json"),
    ]


def fetched(sources: list[Source], datasets: Path, **options: Any) -> list[dict[str, Any]]:
    options = {"tries": 2, "pause": 0.0, "timeout": 5.0, **options}
    return fetch_dataset("set", sources, datasets, **options)


def below(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


WHOLE = {**IMAGES, "annotations/truth.json": b'{"images": []}'}


def test_files_are_in_their_places_and_their_hashes_recorded(
    server: FileServer, sources: list[Source], tmp_path: Path
) -> None:
    records = fetched(sources, tmp_path)
    assert below(tmp_path / "set") == WHOLE
    hashes = [hashlib.sha256(content).hexdigest() for content in server.files.values()]
    assert [record["sha256"] for record in records] == hashes
    assert [record["files"] for record in records] == [5, 1]
    written = json.loads((tmp_path / ".fetched" / "set.json").read_text())
    assert [record["sha256"] for record in written["fetched"]] == hashes
    left = {path.name for path in (tmp_path / ".fetched").iterdir()}
    assert left <= {"set.json", "set.lock"}, "neither archive nor parts stay"


def test_the_same_again_asks_for_nothing(
    server: FileServer, sources: list[Source], tmp_path: Path
) -> None:
    first = fetched(sources, tmp_path)
    server.asked.clear()
    assert fetched(sources, tmp_path) == first
    assert server.asked == []


def test_a_broken_download_goes_on_where_it_stopped(
    server: FileServer, sources: list[Source], tmp_path: Path
) -> None:
    server.breaks = [10_000, 0, 0]
    with pytest.raises(BenchError, match="could not be fetched"):
        fetched(sources, tmp_path)
    assert not (tmp_path / "set").exists(), "nothing half done stands where it would be read"
    fetched(sources, tmp_path)
    assert below(tmp_path / "set") == WHOLE
    assert server.gets()[-2] == ("val.zip", "bytes=10000-")


def test_a_known_hash_and_size_are_checked(server: FileServer, tmp_path: Path) -> None:
    content = server.files["truth.json"]
    right = hashlib.sha256(content).hexdigest()
    url = server.url("truth.json")
    with pytest.raises(BenchError, match=f"expected sha256 {'0' * 64}, found {right}"):
        fetched([Source(url, "t.json", sha256="0" * 64)], tmp_path)
    with pytest.raises(BenchError, match="14 bytes, expected 99"):
        fetched([Source(url, "t.json", size=99)], tmp_path)
    assert not (tmp_path / "t.json").exists()
    fetched([Source(url, "t.json", size=len(content), sha256=right)], tmp_path)
    assert (tmp_path / "t.json").read_bytes() == content


def test_a_resumed_download_of_another_file_starts_afresh(
    server: FileServer, tmp_path: Path
) -> None:
    content = server.files["val.zip"]
    (tmp_path / ".fetched").mkdir()
    right = hashlib.sha256(content).hexdigest()
    source = Source(server.url("val.zip"), "set", "zip", len(content), right)
    (tmp_path / ".fetched" / source.part).write_bytes(b"x" * 1000)
    fetched([source], tmp_path)
    assert below(tmp_path / "set") == IMAGES
    assert [span for _, span in server.gets()] == ["bytes=1000-", None]


def test_two_archives_share_a_folder(server: FileServer, tmp_path: Path) -> None:
    server.files["more.zip"] = zipped({"val/5.jpg": b"five", "val/0.jpg": IMAGES["val/0.jpg"]})
    names = ("val.zip", "more.zip")
    fetched([Source(server.url(name), "set", "zip") for name in names], tmp_path)
    assert below(tmp_path / "set") == {**IMAGES, "val/5.jpg": b"five"}


def test_what_was_fetched_and_taken_away_is_fetched_again(
    server: FileServer, sources: list[Source], tmp_path: Path
) -> None:
    fetched(sources, tmp_path)
    shutil.rmtree(tmp_path / "set" / "val")
    server.asked.clear()
    fetched(sources, tmp_path)
    assert below(tmp_path / "set") == WHOLE
    assert server.gets() == [("val.zip", None)]


def test_what_another_dataset_fetched_is_not_fetched_again(
    server: FileServer, sources: list[Source], tmp_path: Path
) -> None:
    fetched(sources[:1], tmp_path)
    server.asked.clear()
    records = fetch_dataset("other", sources, tmp_path, tries=1, pause=0.0, timeout=5.0)
    assert server.gets() == [("truth.json", None)]
    written = json.loads((tmp_path / ".fetched" / "other.json").read_text())["fetched"]
    assert written == records
    assert len(records) == 2


def test_what_a_killed_call_left_is_thrown_away(
    server: FileServer, sources: list[Source], tmp_path: Path
) -> None:
    left = tmp_path / ".fetched" / "set.unpacked" / "val" / "stale.jpg"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    record = tmp_path / ".fetched" / f".set.json.{'0' * 32}"
    record.write_bytes(b"half")
    os.utime(record, (0, 0))
    fetched(sources, tmp_path)
    assert below(tmp_path / "set") == WHOLE
    assert not left.exists()
    assert not record.exists()


def test_files_of_one_name_have_parts_of_their_own() -> None:
    one, other = (Source(f"https://{host}/train.zip", "a", "zip") for host in ("x", "y"))
    assert one.part != other.part
    assert one.part.endswith("-train.zip.part")


def test_a_users_own_file_is_never_overwritten(
    server: FileServer, sources: list[Source], tmp_path: Path
) -> None:
    own = tmp_path / "set" / "val" / "3.jpg"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    with pytest.raises(BenchError, match=r"3\.jpg is there and is another file"):
        fetched(sources, tmp_path)
    assert below(tmp_path / "set") == {"val/3.jpg": b"mine"}
    own.unlink()
    server.asked.clear()
    fetched(sources, tmp_path)
    assert ("val.zip", None) not in server.gets(), "the archive was kept"
    assert below(tmp_path / "set") == WHOLE


def test_an_unsafe_archive_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    server.files["evil.zip"] = zipped({"a": b"", "../../evil": b"x"})
    with pytest.raises(BenchError, match="would leave the folder"):
        fetched([Source(server.url("evil.zip"), "set", "zip")], tmp_path / "datasets")
    assert not (tmp_path / "datasets" / "set").exists()
    assert "evil" not in {path.name for path in tmp_path.rglob("*")}
    assert {p.name for p in (tmp_path / "datasets" / ".fetched").iterdir()} <= {"set.lock"}


def test_what_the_server_lacks_or_does_not_say_is_named(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"nowhere\.zip answers HTTP 404"):
        fetched([Source(server.url("nowhere.zip"), "set", "zip")], tmp_path)
    server.says_length = False
    with pytest.raises(BenchError, match="doesn't say how long the file is"):
        fetched([Source(server.url("val.zip"), "set", "zip")], tmp_path)
    with pytest.raises(BenchError, match="can't be reached"):
        fetched([Source("http://127.0.0.1:9/val.zip", "set", "zip")], tmp_path)


def test_two_processes_do_not_fetch_the_same(sources: list[Source], tmp_path: Path) -> None:
    (tmp_path / ".fetched").mkdir()
    with (
        FileLock(tmp_path / ".fetched" / "set.lock"),
        pytest.raises(BenchError, match="being fetched by another process"),
    ):
        fetched(sources, tmp_path)


def test_a_folder_that_cant_be_written_is_one_line(sources: list[Source], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="can't be written"):
        fetched(sources, tmp_path / "file" / "datasets")


RECORD = {"url": "http://127.0.0.1/a.zip", "to": "set", "fetched": "today"}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "[" * 100_000,
        *(json.dumps({"fetched": [one]}) for one in (3, {"url": "a"}, RECORD | {"holds": 3})),
        *(json.dumps({"fetched": [RECORD | odd]}) for odd in ({"to": None}, {"holds": [None]})),
    ],
)
def test_a_damaged_record_is_named(sources: list[Source], tmp_path: Path, text: str) -> None:
    (tmp_path / ".fetched").mkdir()
    (tmp_path / ".fetched" / "set.json").write_text(text)
    with pytest.raises(BenchError, match=r"set\.json: not a record"):
        fetched(sources, tmp_path)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"url": "ftp://x/a.zip", "to": "a"}, "must be the address of a file"),
        ({"url": "https://x/", "to": "a"}, "must be the address of a file"),
        ({"url": "https://x/a.zip", "to": "../a"}, "must lie below the datasets"),
        ({"url": "https://x/a.zip", "to": "/a"}, "must lie below the datasets"),
        (
            {"url": "https://x/a.zip", "to": "a", "unpack": "rar"},
            "'rar'; did you mean tar",
        ),
        ({"url": "https://x/a.zip"}, "is a list of"),
        ({"url": "https://x/a.zip", "to": "a", "md5": "0"}, "is a list of"),
        ("https://x/a.zip", "is a list of"),
    ],
)
def test_an_entry_that_cant_be_right_is_refused(entry: Any, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        sources_of({"fetch": [entry]})
    assert sources_of({}) == []
