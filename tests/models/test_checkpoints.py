"""Finding and fetching checkpoints, against a server on this machine that can misbehave."""

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from file_server import LocalServer

from bench.files import download as download_module
from bench.files.download import download
from bench.files.hashing import sha256_of
from bench.models.checkpoints import Published, fetch, find_own
from bench.types import BenchError

CONTENT = bytes(i * i % 251 for i in range(300_000))


class Server(LocalServer):
    """Serves ``content``; ``faults`` are spent one per request, in order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True
        self.faults: list[object] = []
        self.asked: list[str | None] = []
        self.delay = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/w.pth"


class Handler(BaseHTTPRequestHandler):
    """Faults: a number is an HTTP status, ("break", n) ends after n bytes, a name see below."""

    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server, asked = self.server, self.headers["Range"]
        server.asked.append(asked)
        fault = server.faults.pop(0) if server.faults else None
        time.sleep(server.delay)
        if isinstance(fault, int):
            self.send_error(fault)
            return
        if isinstance(fault, dict):  # a status with headers of its own
            headers = dict(fault)
            self.send_response(headers.pop("status"))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            first = 0 if fault == "wrong_range" else start
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{last + 1}")
        else:
            self.send_response(200)
        body = server.content[start:]
        if fault != "no_length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if isinstance(fault, tuple):
            body = body[: fault[1]]
        if fault == "stall":
            self.wfile.write(body[:70_000])
            self.wfile.flush()
            time.sleep(0.5)
            return
        if fault == "crawl":
            for place in range(20):
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                time.sleep(0.03)
            return
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def published(server) -> Published:
    return Published("w.pth", server.url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def quickly(published: Published, folder: Path, **more) -> Path:
    return fetch(published, folder, pause=0.0, timeout=5.0, tries=3, **more)


def test_fetches_once_and_then_from_the_disk(server, published, tmp_path):
    folder = tmp_path / "new" / "folder"
    assert quickly(published, folder) == folder / "w.pth"
    assert (folder / "w.pth").read_bytes() == CONTENT
    assert not (folder / "w.pth.part").exists()
    quickly(published, folder)
    quickly(published, folder, allowed=False)
    assert server.asked == [None]


def test_goes_on_where_the_connection_broke(server, published, tmp_path):
    server.faults = [("break", 100_000), ("break", 50_000)]
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_goes_on_where_an_earlier_process_ended(server, published, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT[:123_456])
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=123456-"]


def test_a_complete_part_needs_no_request(server, published, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT)
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    assert server.asked == []


def test_a_wrong_part_is_begun_afresh(server, published, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(b"\0" * 200_000)
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=200000-", None]


def test_a_part_that_is_too_long_is_begun_afresh(server, published, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT + b"more")
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None]


def test_a_server_without_ranges_starts_over(server, published, tmp_path):
    server.ranges = False
    server.faults = [("break", 100_000)]
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]


def test_a_server_without_ranges_that_always_breaks_is_given_up(server, published, tmp_path):
    server.ranges = False
    server.faults = [("break", 100_000)] * 50
    with pytest.raises(BenchError, match="ended early"):
        quickly(published, tmp_path)
    assert len(server.asked) == 4  # one with progress, three without


def test_progress_resets_the_tries(server, published, tmp_path):
    server.faults = [("break", 30_000)] * 9
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 10


def test_no_announced_length(server, published, tmp_path):
    server.faults = ["no_length"]
    assert quickly(published, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_fault_is_tried_again(server, published, tmp_path, status):
    server.faults = [status, status]
    assert quickly(published, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_to_come_back_is_heard(server, published, tmp_path, status):
    server.faults = [{"status": status, "Retry-After": "1"}]
    before = time.monotonic()
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    assert time.monotonic() - before >= 1


def test_a_date_to_come_back_at_is_heard_and_nonsense_is_not(server, published, tmp_path):
    server.faults = [
        {"status": 503, "Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"status": 503, "Retry-After": "soon"},
    ]
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    later = formatdate(time.time() + 4000, usegmt=True)
    server.faults = [{"status": 503, "Retry-After": later}]
    with pytest.raises(BenchError, match=r"asks to come back in (399|400)\d s"):
        quickly(published, tmp_path / "other")


def test_a_redirection_keeps_the_range_and_stays_on_the_web(server, published, tmp_path):
    server.faults = [("break", 100_000), {"status": 302, "Location": server.url}]
    assert quickly(published, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=100000-"]
    for place in ("file:///etc/passwd", "ftp://127.0.0.1/w.pth"):
        server.faults = [{"status": 302, "Location": place}]
        with pytest.raises(BenchError, match=f"leads to '{place}'|HTTP 302"):
            quickly(published, tmp_path / "other")


def test_a_server_that_leads_in_circles_is_given_up(server, published, tmp_path):
    server.faults = [{"status": 302, "Location": server.url}] * 50
    with pytest.raises(BenchError, match="HTTP 302"):
        quickly(published, tmp_path)


def test_a_stalled_connection_is_gone_on_with(server, published, tmp_path):
    server.faults = ["stall"]
    found = fetch(published, tmp_path, pause=0.0, timeout=0.2, tries=3)
    assert found.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=70000-"]


def test_a_crawling_connection_is_begun_again(server, published, tmp_path):
    server.faults = ["crawl"]
    found = fetch(published, tmp_path, pause=0.0, timeout=0.2, tries=3)
    assert found.read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_an_address_that_is_none_is_one_line(tmp_path):
    with pytest.raises(BenchError, match="is no address"):
        download("http://[::1", tmp_path / "x.part", 4)


def test_a_folder_that_cannot_be_written_is_one_line(server, tmp_path):
    (tmp_path / "x.part").mkdir()
    with pytest.raises(BenchError, match="cannot be written"):
        download(server.url, tmp_path / "x.part", len(CONTENT))


@pytest.mark.parametrize("status", [404, 403])
def test_a_lasting_fault_is_not(server, published, tmp_path, status):
    server.faults = [status] * 9
    with pytest.raises(BenchError, match=f"HTTP {status}") as caught:
        quickly(published, tmp_path)
    assert len(server.asked) == 1
    assert f"get {server.url} and put it at {tmp_path / 'w.pth'}" in str(caught.value)


def test_a_refused_connection_ends_in_words(server, published, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(BenchError, match=r"after 3 tries: .*refused") as caught:
        quickly(published, tmp_path)
    assert str(tmp_path / "w.pth") in str(caught.value)


def test_a_silent_server_is_given_up(server, published, tmp_path):
    server.delay = 0.4
    with pytest.raises(BenchError, match="timed out"):
        fetch(published, tmp_path, pause=0.0, timeout=0.05, tries=2)


@pytest.mark.parametrize("change", [b"", b"more"])
@pytest.mark.parametrize("announced", [True, False])
def test_another_length(server, published, tmp_path, change, announced):
    server.content = CONTENT + change if change else CONTENT[:-1]
    server.faults = [] if announced else ["no_length"] * 9
    with pytest.raises(BenchError) as caught:
        quickly(published, tmp_path)
    assert not (tmp_path / "w.pth").exists()
    if announced:
        assert f"offers {len(server.content)} bytes, expected {len(CONTENT)}" in str(caught.value)
        assert len(server.asked) == 1


def test_other_bytes(server, published, tmp_path):
    server.content = bytes(len(CONTENT))
    with pytest.raises(BenchError, match="expected sha256") as caught:
        quickly(published, tmp_path)
    assert hashlib.sha256(server.content).hexdigest() in str(caught.value)
    assert not (tmp_path / "w.pth").exists()
    assert not (tmp_path / "w.pth.part").exists()  # the next call starts clean
    server.content = CONTENT
    assert quickly(published, tmp_path).read_bytes() == CONTENT


def test_a_range_that_was_not_asked_for(server, published, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT[:1000])
    server.faults = ["wrong_range"]
    with pytest.raises(BenchError, match="bytes 0-"):
        quickly(published, tmp_path)


def test_a_part_behind_the_end_of_the_server_s_file(server, published, tmp_path):
    server.content = CONTENT[:500]
    (tmp_path / "w.pth.part").write_bytes(CONTENT[:1000])
    with pytest.raises(BenchError, match="offers 500 bytes"):
        quickly(published, tmp_path)
    assert server.asked == ["bytes=1000-", None]


def test_a_wrong_file_is_refused_and_kept(server, published, tmp_path):
    (tmp_path / "w.pth").write_bytes(b"precious")
    with pytest.raises(BenchError, match=f"expected {len(CONTENT)} bytes, found 8"):
        quickly(published, tmp_path)
    assert (tmp_path / "w.pth").read_bytes() == b"precious"
    assert server.asked == []


def test_nothing_is_fetched_that_is_not_allowed(server, published, tmp_path):
    with pytest.raises(BenchError, match="switched off"):
        quickly(published, tmp_path / "new", allowed=False)
    assert server.asked == []
    assert not (tmp_path / "new").exists()


def test_two_at_a_time_fetch_once(server, published, tmp_path):
    server.delay = 0.2
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(quickly(published, tmp_path).read_bytes()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [CONTENT] * 3
    assert server.asked == [None]


FETCH = """
import sys
from pathlib import Path
from bench.models.checkpoints import Published, fetch
url, size, sha256, folder = sys.argv[1:]
print(fetch(Published("w.pth", url, int(size), sha256), Path(folder), pause=0.0).stat().st_size)
"""


def test_two_processes_fetch_once(server, published, tmp_path):
    server.delay = 0.5
    words = [published.url, str(published.size), published.sha256, str(tmp_path)]
    running = [
        subprocess.Popen([sys.executable, "-c", FETCH, *words], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [one.communicate(timeout=120)[0].strip() for one in running] == [str(len(CONTENT))] * 2
    assert server.asked == [None]
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


def test_a_process_that_died_while_it_fetched_holds_nobody_up(server, published, tmp_path):
    server.delay = 30.0
    words = [published.url, str(published.size), published.sha256, str(tmp_path)]
    first = subprocess.Popen([sys.executable, "-c", FETCH, *words])
    while not server.asked:
        time.sleep(0.05)
    first.kill()
    first.wait()
    server.delay = 0.0
    assert quickly(published, tmp_path).read_bytes() == CONTENT


def test_a_full_disk_is_seen_before_the_first_byte(server, tmp_path):
    with pytest.raises(BenchError, match="bytes free"):
        download(server.url, tmp_path / "x.part", 1 << 60)
    assert server.asked == []


def test_only_web_addresses(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"1234")
    with pytest.raises(BenchError, match="http"):
        download(secret.as_uri(), tmp_path / "x.part", 4)


def test_says_how_far_it_is_without_a_terminal(server, published, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(download_module, "LOG_EVERY", 0.0)
    with caplog.at_level("INFO"):
        quickly(published, tmp_path)
    assert "(100%)" in caplog.text


def test_shows_a_bar_on_a_terminal(server, published, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    quickly(published, tmp_path)
    assert "w.pth" in capsys.readouterr().err


def test_hash_follows_the_content(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert sha256_of(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"three")
    assert sha256_of(path) == hashlib.sha256(b"three").hexdigest()


def test_own_file_by_home_and_absolute_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.pth").write_bytes(b"a")
    assert find_own("~/a.pth", tmp_path / "no") == tmp_path / "a.pth"
    assert find_own(tmp_path / "a.pth", tmp_path / "no") == tmp_path / "a.pth"
    with pytest.raises(BenchError, match=r"looked for /nowhere/a\.pth \(no such file\)"):
        find_own("/nowhere/a.pth", tmp_path)


@pytest.mark.parametrize("file", ["", "../w.pth", "a/w.pth", "/w.pth"])
def test_a_file_is_a_bare_name(file):
    with pytest.raises(BenchError, match="bare name"):
        Published(file, "http://x/w", 1, "0" * 64)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "G" * 64, "A" * 64])
def test_a_hash_is_a_hash(sha256):
    with pytest.raises(BenchError, match="64 lower-case hex digits"):
        Published("w.pth", "http://x/w", 1, sha256)
