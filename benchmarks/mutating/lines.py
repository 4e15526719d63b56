"""Which tests run which lines: gathered once, then asked for each mutation."""

from __future__ import annotations

import ast
import difflib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from coverage import Coverage, CoverageData

from .candidates import Mutation
from .gathering import CONTEXT, FOLDER, SHARED

SETTINGS = """\
[run]
parallel = true
data_file = {folder}/lines
context = ${{{context}-}}
include =
    {files}
disable_warnings = no-data-collected, module-not-measured, couldnt-parse
"""


@dataclass(frozen=True)
class Selection:
    """Words for pytest, in the order in which to run them, and the seconds that they take."""

    words: Sequence[str]
    seconds: float


def gather(
    copy: Path, folder: Path, rooms: Iterable[str], jobs: int, tests: Sequence[str] = ()
) -> None:
    """Runs `make test`, or some of it, in a copy of the tree; :class:`Lines` reads ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    settings = folder / "settings"
    files = "\n    ".join(f"{copy}/{room}/*" for room in rooms)
    settings.write_text(SETTINGS.format(folder=folder, context=CONTEXT, files=files))
    environment = os.environ | {
        "COVERAGE_PROCESS_START": str(settings), FOLDER: str(folder),
        "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'benchmarks'}",
    }  # fmt: skip
    words = ["-q", "-p", "no:cacheprovider", "-p", "mutating.gathering", "--dist", "loadfile"]
    command = [sys.executable, "-m", "pytest", *words, "-n", str(jobs), *tests]
    subprocess.run(command, cwd=copy, env=environment, stdout=sys.stderr, check=False)
    coverage = Coverage(config_file=str(settings))
    coverage.combine(strict=True)
    coverage.save()
    ran: dict[str, object] = {}
    for part in folder.glob("tests_*.json"):
        ran |= json.loads(part.read_text())
        part.unlink()
    if not ran:
        raise RuntimeError(f"no test ran in {copy}")
    kept = {
        "root": str(copy),
        "tests": ran,
        "whole": not tests,
        "texts": {
            str(file.relative_to(copy)): file.read_text()
            for room in (*rooms, "tests", "bench")
            for file in (copy / room).rglob("*.py")
        },
    }
    (folder / "tests.json").write_text(json.dumps(kept))


class Lines:
    """What was gathered in ``folder``, for the tree in ``root``, which may be younger.

    A file of tests that has changed since, or was not run, is run whole.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        kept = json.loads((folder / "tests.json").read_text())
        self._root, self._then = root, Path(kept["root"])
        self._texts: dict[str, str] = kept["texts"]
        self._seconds = {
            test: said["seconds"] for test, said in kept["tests"].items() if said["passed"]
        }
        self._ran = {test.partition("::")[0] for test in kept["tests"]}
        if kept.get("whole"):  # files all of whose tests are long too
            self._ran |= {file for file in self._texts if file.startswith("tests/")}
        self._sharing = defaultdict(set)
        for test in self._seconds:
            for fixture in kept["tests"][test]["shares"]:
                self._sharing[fixture].add(test)
        self._data = CoverageData(str(folder / "lines"))
        self._data.read()
        self._contexts = cache(self._read_contexts)

    def tests_of(self, mutation: Mutation, budget: float) -> Selection:
        """The tests that run the mutation's statement, of what runs at import those of the module.

        First the files of tests that bear the module's name, then those that take least time, up
        to ``budget`` seconds in all.
        """
        contexts = self._contexts(mutation.file)
        text = (self._root / mutation.file).read_text()
        lines = _statement(text, mutation.line)
        if lines is None:
            found = set[str]().union(*contexts.values())
        else:
            then = _earlier(self._texts.get(mutation.file, ""), text)
            found = set[str]().union(*(contexts.get(then.get(n, 0), set()) for n in lines))
        tests = {
            test
            for context in found
            for test in (self._sharing[context] if context.startswith(SHARED) else {context})
            if test in self._seconds
        }
        files = defaultdict(list)
        for test in sorted(tests, key=lambda one: self._seconds[one]):
            files[test.partition("::")[0]].append(test)
        for file in self._changed_in(mutation.file):
            files.setdefault(file, [])
        own = f"test_{_name(mutation.file)}.py"
        words: list[str] = []
        spent = 0.0
        for file in sorted(
            (f for f in files if (self._root / f).is_file()),
            key=lambda one: (Path(one).name != own, not files[one], self._cost(files[one])),
        ):
            if self._has_changed(file):
                words.append(file)
                spent += sum(s for t, s in self._seconds.items() if t.startswith(f"{file}::"))
                continue
            for test in files[file]:
                if spent + self._seconds[test] > budget and words:
                    break
                words.append(test)
                spent += self._seconds[test]
        return Selection(words, spent)

    def _cost(self, tests: Sequence[str]) -> float:
        return sum(self._seconds[test] for test in tests)

    def _has_changed(self, file: str) -> bool:
        changed = self._texts.get(file) != (self._root / file).read_text()
        return changed or file not in self._ran

    def _changed_in(self, file: str) -> list[str]:
        """The files of tests of a module's room that are new to it."""
        room = Path("tests", *Path(file).parts[1:2])
        every = (
            str(one.relative_to(self._root)) for one in self._root.glob(f"{room}/**/test_*.py")
        )
        return [one for one in every if self._has_changed(one)]

    def _read_contexts(self, file: str) -> dict[int, set[str]]:
        by_line = self._data.contexts_by_lineno(str(self._then / file))
        return {line: {_context(one) for one in found} - {""} for line, found in by_line.items()}


def _context(said: str) -> str:
    """A context without the bars that join the process's own with that of a moment."""
    return said.strip("|")


def _name(file: str) -> str:
    path = Path(file)
    return path.parent.name if path.stem == "__init__" else path.stem


def _statement(text: str, line: int) -> range | None:
    """The lines of the innermost statement around a line; none where it runs at import."""
    lines, inside = None, False
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None) or getattr(node, "cases", None)
        first = body[0] if body else None
        end = node.end_lineno or line
        if isinstance(first, ast.stmt) and first.lineno > node.lineno:
            end = first.lineno - 1
        if isinstance(node, ast.FunctionDef) and end < line <= (node.end_lineno or 0):
            inside = True
        if node.lineno <= line <= end and (lines is None or len(lines) > end - node.lineno):
            lines = range(node.lineno, end + 1)
    return lines if inside else None


@cache
def _earlier(then: str, now: str) -> dict[int, int]:
    """The numbers that lines had in an earlier text, by those that they have."""
    blocks = difflib.SequenceMatcher(None, then.splitlines(), now.splitlines(), autojunk=False)
    return {
        b + n + 1: a + n + 1 for a, b, size in blocks.get_matching_blocks() for n in range(size)
    }
