"""Which faults are made, which are drawn, what is said of them, and whether tests notice."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import mutations
import pytest
from mutating.candidates import Mutation, mutations_of
from mutating.lines import Lines, gather
from mutating.trial import Outcome, Trial

MODULE = '''\
"""Two and 3."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing import Any

__all__ = ["size"][:1]
_log = logging.getLogger(__name__)
Side = int | None
LIMIT = 5


def size(wide: Literal[4], *, folder: Any = None) -> Literal[6] | None:
    """What is 7 wide, “exactly”."""
    assert wide != 8
    _log.info("%s", wide + 9)
    name = folder / "ten" if folder else None
    label = "é" * 0 + "twelve"
    draw(name, fontsize=13, text="é" if not wide < 2 else label)
    return -wide
'''


def made(folder: Path, text: str) -> list[Mutation]:
    (folder / "module.py").write_text(text)
    return mutations_of(folder, "module.py")


def test_every_fault_changes_one_place_that_means_something(tmp_path: Path) -> None:
    found = made(tmp_path, MODULE)
    drawn = '    draw(name, fontsize=13, text="é" if {} else label)'.format
    changes = {(one.before, one.after) for one in found}
    assert changes == {
        ("LIMIT = 5", "LIMIT = 6"),
        ("LIMIT = 5", "LIMIT = 4"),
        ('name = folder / "ten" if folder else None',
         'name = folder / "ten" if not folder else None'),
        *(('label = "é" * 0 + "twelve"', f'label = "é" {one} + "twelve"')
          for one in ["* 1", "* -1"]),
        *((drawn("not wide < 2").strip(), drawn(one).strip())
          for one in ["not wide <= 2", "not wide >= 2", "not wide < 3", "not wide < 1",
                      "wide < 2", "not not wide < 2"]),
        ("return -wide", "return +wide"),
    }  # fmt: skip
    assert Counter(one.kind for one in found) == {
        "constant": 6, "condition": 3, "comparison": 2, "arithmetic": 1,
    }  # fmt: skip
    assert len({one.key for one in found}) == len(found)


def test_a_fault_applied_is_the_one_that_was_named(tmp_path: Path) -> None:
    for one in made(tmp_path, MODULE):
        lines = zip(MODULE.splitlines(), one.apply(MODULE).splitlines(), strict=True)
        changed = [(n, a, b) for n, (a, b) in enumerate(lines, 1) if a != b]
        ((line, before, after),) = changed
        assert (line, before.strip()) == (one.line, one.before)
        assert after.replace(" ", "") == f"{before[: -len(before.lstrip())]}{one.after}".replace(
            " ", ""
        )


def test_a_fault_keeps_its_name_where_other_lines_move(tmp_path: Path) -> None:
    before = {one.key: one for one in made(tmp_path, MODULE)}
    moved = MODULE.replace("LIMIT = 5\n", "# higher than before\nLIMIT = 6\n")
    after = {one.key: one for one in made(tmp_path, moved)}
    lost = {before[key].before for key in before.keys() - after.keys()}
    assert lost == {"LIMIT = 5"}
    assert {after[key].line - before[key].line for key in before.keys() & after.keys()} == {1}


def faults(room: str, count: int, kind: str = "constant") -> list[Mutation]:
    return [
        Mutation(
            f"{room}/{kind[:4]}.py",
            "f",
            f"x = {n}",
            f"x = {n} + 1",
            0,
            n,
            kind,
            "NumberReplacer",
            n,
        )
        for n in range(1, count + 1)
    ]


def test_the_draw_is_spread_over_rooms_and_kinds_and_moves_little() -> None:
    first, second = mutations.ROOMS[:2]
    every = [*faults(first, 270), *faults(second, 100), *faults(first, 30, "condition")]
    sample = mutations.drawn(every, 40, seed=3)
    assert Counter(mutations.room_of(one.file) for one in sample) == {first: 30, second: 10}
    assert Counter(one.kind for one in sample if first in one.file) == {
        "constant": 15, "condition": 15,
    }  # fmt: skip
    assert len({(one.file, one.line) for one in sample}) == 40
    assert mutations.drawn(every[::-1], 40, seed=3) == sample
    assert mutations.drawn(every, 40, seed=4) != sample
    fewer = [one for one in every if one is not sample[0]]
    assert len(set(mutations.drawn(fewer, 40, seed=3)) & set(sample)) >= 38


def outcome(said: str, by: str = "") -> Outcome:
    return Outcome(said, by, "", tests=3, seconds=1.5, proof="p")


def test_the_report_counts_by_room_and_shows_what_survived() -> None:
    room, other = mutations.ROOMS[:2]
    sample = [*faults(room, 4), *faults(other, 2)]
    caught = outcome("caught", "tests/test_m.py::test_x")
    said = [caught, outcome("survived"), outcome("unreached"), outcome("survived"), caught]
    found = list(zip(sample, said, strict=False))
    words = {name: getattr(sample[1], name) for name in ("file", "place", "before", "after")}
    judged = [
        mutations.Judged(**words, why="No value changes."),
        mutations.Judged(**words | {"before": "x = 77"}, why="Gone."),
        mutations.Judged(**words | {"before": "x = 1", "after": "x = 1 + 1"}, why="Caught."),
    ]
    text = mutations.report([*sample, *faults(other, 9)[2:]], sample, found, judged)
    assert f"| `{room}` | 4 | 4 | 4 | 1 | 3 | 1 | 25.0 |" in text
    assert f"| `{other}` | 9 | 2 | 1 | 1 | 0 | 0 | 100.0 |" in text
    assert "| all | 13 | 6 | 5 | 2 | 3 | 1 | 40.0 |" in text
    opened, closed = text.split("## Not caught, judged")
    assert [line for line in opened.splitlines() if line.startswith(("-x", "+x"))] == [
        "-x = 3", "+x = 3 + 1", "-x = 4", "+x = 4 + 1",
    ]  # fmt: skip
    assert f"`{room}/cons.py:3` ({sample[2].key}) No test runs it.\n" in opened
    assert f"`{room}/cons.py:2` ({sample[1].key}) No value changes.\n" in closed
    assert closed.endswith(
        f"- {room}/cons.py, `x = 77`: no such line\n"
        f"- {room}/cons.py, `x = 1`: caught by `tests/test_m.py::test_x`\n"
    )


TOY = {
    "bench/__init__.py": "",
    "bench/prompts/__init__.py": "",
    "bench/prompts/toy.py": """\
STEP = 2


def last(end):
    number = 0
    while number < end:
        number += STEP
    return number


def down(number):
    while number > 0:
        number -= 1
    return number


def twice(number):
    return 2 * number


def started(number):
    return number + 1


def never(number):
    return number - 1
""",
    "tests/prompts/test_toy.py": """\
import subprocess
import sys

import pytest
from bench.prompts import toy


@pytest.fixture(scope="module")
def shared():
    return toy.twice(3)


def test_last():
    assert toy.last(5) == 6


def test_down():
    assert toy.down(2) == 0


def test_before_the_shared_value_is_looked_at(shared):
    assert shared


def test_the_shared_value(shared):
    assert shared == 6


def test_a_command():
    code = "from bench.prompts import toy; print(toy.started(2))"
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"3"


def test_that_always_fails():
    assert not toy.last(1)
""",
    "tests/prompts/test_toy_long.py": """\
import pytest
from bench.prompts import toy


@pytest.mark.long
def test_never():
    assert toy.never(1) == 0
""",
    "pyproject.toml": """\
[tool.pytest.ini_options]
testpaths = ['tests']
addopts = "-m 'not long'"
markers = ["long: not tried"]
""",
}


@pytest.mark.long
def test_a_fault_is_caught_by_the_tests_that_run_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)
    tree, kept = tmp_path / "tree", tmp_path / "kept"
    for name, text in TOY.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    shutil.copytree(Path(mutations.__file__).parent / "mutating", tree / "benchmarks/mutating")
    gather(tree, kept, ["bench/prompts"], jobs=1)
    every = {(m.before, m.after): m for m in mutations_of(tree, "bench/prompts/toy.py")}
    chosen = {
        change: every[change]
        for change in [
            ("STEP = 2", "STEP = 3"),
            ("while number < end:", "while number <= end:"),
            ("while number < end:", "while not number < end:"),
            ("number = 0", "number = 1"),
            ("return 2 * number", "return 3 * number"),
            ("return number + 1", "return number - 1"),
            ("return number - 1", "return number + 1"),
        ]
    }
    trial = Trial(tree, Lines(kept, tree), budget=60.0, patience=2.0)
    try:
        found = {change: trial.run(one) for change, one in chosen.items()}
        again = trial.run(every["return 2 * number", "return 1 * number"])
        endless = trial.run(every["number -= 1", "number -= 0"])
    finally:
        trial.close()
    said = {after: (one.said, one.by.rpartition("::")[2]) for (_, after), one in found.items()}
    assert said == {
        "STEP = 3": ("survived", ""),
        "while number <= end:": ("survived", ""),
        "while not number < end:": ("caught", "test_last"),
        "number = 1": ("caught", "test_last"),
        "return 3 * number": ("caught", "test_the_shared_value"),
        "return number - 1": ("caught", "test_a_command"),
        "return number + 1": ("unreached", ""),
    }
    assert (again.said, again.tests) == ("caught", 2)
    assert (endless.said, endless.by, endless.why) == ("caught", "", "time or memory is up")
    assert (tree / "bench/prompts/toy.py").read_text() == TOY["bench/prompts/toy.py"]
