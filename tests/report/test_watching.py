"""The board that is drawn anew: what is under way, new runs, and only for this machine."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import pytest
from finished import one_line

from bench.analysis.overview.progress import under_way
from bench.cli import main
from bench.report.pages.watching import Drawn, Watched, listen
from bench.store.lock import hold
from bench.store.runs import ImageError


def asked(port: int, path: str = "/", host: str | None = None) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    reply = connection.getresponse()
    return reply.status, dict(reply.getheaders()), reply.read().decode()


@contextmanager
def serving(watched: Watched) -> Iterator[int]:
    with listen(watched, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def watching(monkeypatch: pytest.MonkeyPatch, *words: str) -> Iterator[int]:
    """The command itself, in a thread; gives its port."""
    made: list = []

    def keep(watched: Watched, port: int):
        made.append(listen(watched, port))
        return made[-1]

    monkeypatch.setattr("bench.report.pages.watching.listen", keep)
    thread = threading.Thread(target=main, args=(["board", *words, "--port", "0"],))
    thread.start()
    until = time.monotonic() + 30
    while not made and time.monotonic() < until:
        time.sleep(0.02)
    try:
        yield made[0].server_address[1]
    finally:
        made[0].shutdown()
        thread.join()


def test_the_board_follows_the_runs(new_bench, tmp_path, monkeypatch) -> None:
    made = new_bench(tmp_path / "results")
    made.run("shapes", "zeta", "box", images=3, seed=2)
    with watching(monkeypatch, "--watch", "1", "--results", str(made.results)) as port:
        status, headers, page = asked(port)
        assert (status, headers["Refresh"]) == (200, "1")
        assert "1 model on 1 dataset" in page
        made.run("shapes", "alpha", "box", images=3, seed=2, skill=2.5)
        time.sleep(1.1)
        assert "2 models on 1 dataset" in asked(port)[2]
        found = json.loads(asked(port, "/report.json")[2])
        assert [each["model"] for each in found["panels"][0]["ranking"]] == ["alpha", "zeta"]


def test_what_is_under_way_is_told_line_by_line(new_bench, tmp_path) -> None:
    made = new_bench(tmp_path / "results")
    made.run("shapes", "zeta", "box", images=3)
    busy = made.run("shapes", "busy", "box", images=2, status="running")
    dead = made.run("photos", "dead", "box", images=4, status="running")
    left = made.run("zebra", "left", "box", images=2, status="partial")
    failing = made.run("berries", "failing", "box", images=3, images_failed=3)
    why = [
        ("a", "cannot be read"),
        ("b", "/home/me/b.png: no <b>"),
        ("c", "/home/me/b.png: no <b>"),
    ]
    failing.write_errors(ImageError(*each) for each in why)
    for store, images in ((busy, 9), (dead, 8), (left, 7), (failing, 6)):
        store.write_header(store.header() | {"images": images})
    with hold([busy.folder]):
        found = {each.run: each for each in under_way([made.results])}
        assert main(["board", "--results", str(made.results)]) == 0
    told = {
        name: (each.doing, each.done, each.images, each.failed, each.again)
        for name, each in found.items()
    }
    assert told == {
        busy.folder.name: ("running", 2, 9, 0, False),
        dead.folder.name: ("stopped", 4, 8, 0, True),
        left.folder.name: ("partial", 2, 7, 0, True),
        failing.folder.name: ("complete", 3, 6, 3, True),
    }
    assert found[failing.folder.name].why == "b.png: no <b>"
    out = made.results / "reports" / "board"
    page = (out / "index.html").read_text()
    assert "no <b>" not in page
    assert "home" not in page
    table = page.split('id="under_way"')[1].split("</section>")[0]
    shown = " ".join(unescape(table).split())
    for name, (doing, done, images, failed, again) in told.items():
        (line,) = (each for each in shown.split("<tr") if f">{name}<" in each and doing in each)
        assert f">{done} of {images}<" in line
        assert f">{failed}<" in line
        assert ("by the same command" in line) == again
    running = json.loads((out / "report.json").read_text())["running"]
    assert {each["run"]: each["doing"] for each in running} == {n: t[0] for n, t in told.items()}


def test_a_complete_run_is_not_read_again(new_bench, tmp_path, monkeypatch) -> None:
    from bench.analysis.overview import gathering

    made = new_bench(tmp_path / "results")
    one = made.run("shapes", "zeta", "box", images=3)
    first, _ = gathering.gathered([made.results])
    two = made.run("shapes", "alpha", "box", images=3)
    read: list[str] = []
    card_of = gathering.card_of
    monkeypatch.setattr(
        gathering, "card_of", lambda store: read.append(store.folder.name) or card_of(store)
    )
    second, _ = gathering.gathered([made.results], first)
    assert read == [two.folder.name]
    assert {each.place.name for each in second} == {one.folder.name, two.folder.name}
    one.write_header(one.header() | {"finished": "2026-12-01T00:00:00+00:00"})
    gathering.gathered([made.results], second)
    assert read == [two.folder.name, one.folder.name]


def test_nothing_yet_is_a_page_that_asks_again(tmp_path, monkeypatch) -> None:
    with watching(monkeypatch, "--watch", "--results", str(tmp_path / "<none>")) as port:
        status, headers, page = asked(port)
    assert (status, headers["Refresh"]) == (200, "10")
    assert "no such folder" in page
    assert "<none>" not in page


def test_only_a_browser_on_this_machine_is_answered() -> None:
    drawn: list[int] = []

    def draw() -> Drawn:
        drawn.append(1)
        return Drawn("<p>numbers</p>", {"a": 1})

    with serving(Watched(draw, 60)) as port:
        assert asked(port, host=f"evil.example:{port}")[0] == 403
        assert asked(port, "/../etc/passwd")[0] == 404
        assert not drawn
        for host in (None, f"localhost:{port}"):
            status, headers, page = asked(port, host=host)
            assert (status, page) == (200, "<p>numbers</p>")
            assert headers["X-Frame-Options"] == "DENY"
            assert "Server" not in headers or "Python" not in headers["Server"]
        assert json.loads(asked(port, "/report.json")[2]) == {"a": 1}
    assert len(drawn) == 1


def test_a_fault_of_drawing_is_said_and_the_server_stays() -> None:
    def draw() -> Drawn:
        raise RuntimeError("gone while it was read")

    with serving(Watched(draw, 0)) as port:
        for _ in range(2):
            assert "gone while it was read" in asked(port)[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--watch", "0.2"], "seconds from 1 to 86,400, found 0.2"),
        (["--watch", "nan"], "seconds from 1 to 86,400, found nan"),
        (["--watch", "inf"], "seconds from 1 to 86,400, found inf"),
        (["--watch", "--json"], "leave --json and --out out"),
        (["--watch", "--port", "99999"], "can't serve on port 99999"),
    ],
)
def test_what_cannot_be_watched_is_one_line(tmp_path, capsys, words, says) -> None:
    assert main(["board", *words, "--results", str(tmp_path)]) == 2
    assert says in one_line(capsys.readouterr().err)
