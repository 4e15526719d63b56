from __future__ import annotations

import io
import re

from rich.console import Console

from bench.run.progress import RunProgress
from bench.store.runs import ImageError


def test_a_log_gets_a_plain_line_now_and_then() -> None:
    out = io.StringIO()
    with RunProgress("m on d", 3, Console(file=out, width=200), every=0.0) as progress:
        progress.image_done({"point_1": [0.5, 0.7], "box": [0.9]})
        progress.image_failed(ImageError("b", "gone"))
        progress.image_done({"point_1": [0.6], "box": []})
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("m on d: 1/3 images,")
    means = "mIoU of the run so far: point_1 60.0 · box 90.0"
    assert re.search(rf"img/s, \d+ s left, {means}$", lines[0])
    assert "2/3 images, 1 failed" in lines[1]
    assert re.search(rf"3/3 images, 1 failed, [\d.]+ img/s, {means}$", lines[-1])
    assert "\x1b" not in out.getvalue()


def test_a_log_stays_quiet_between_two_lines() -> None:
    out = io.StringIO()
    with RunProgress("m on d", 50, Console(file=out, width=200), every=1000.0) as progress:
        for _ in range(50):
            progress.image_done({"box": [1.0]})
    (line,) = out.getvalue().splitlines()
    assert "50/50 images" in line


def test_nothing_to_do_says_nothing() -> None:
    out = io.StringIO()
    with RunProgress("m on d", 0, Console(file=out, width=200)):
        pass
    assert out.getvalue() == ""


def test_without_means_a_line_ends_cleanly() -> None:
    out = io.StringIO()
    with RunProgress("m on d", 2, Console(file=out, width=200), every=0.0) as progress:
        progress.image_done({})
        progress.image_done({})
    lines = out.getvalue().splitlines()
    assert re.fullmatch(r"m on d: 1/2 images, [\d.]+ img/s, \d+ s left", lines[0])
    assert re.fullmatch(r"m on d: 2/2 images, [\d.]+ img/s", lines[-1])


def test_the_mean_takes_in_what_earlier_commands_found() -> None:
    out = io.StringIO()
    before = {"box": [0.9, 0.7], "point_1": []}
    with RunProgress("m on d", 1, Console(file=out, width=200), before=before) as progress:
        progress.image_done({"box": [0.2]})
    assert out.getvalue().endswith("mIoU of the run so far: box 60.0\n")


def test_a_terminal_gets_a_bar() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160)
    with RunProgress("m on d", 2, console) as progress:
        progress.image_done({"box": [0.25]})
        progress.image_done({"box": [0.75]})
    assert "2/2" in out.getvalue()
    assert "box 50.0" in out.getvalue()
    assert "img/s" in out.getvalue()
