"""What the tests say of a mutation: a copy of the tree and a process that runs tests in it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .candidates import Mutation
from .lines import Lines


@dataclass(frozen=True)
class Outcome:
    """``said`` is "caught", "survived" or, where no test runs its line, "unreached".

    ``by`` is the test that caught it and ``why`` its last word; ``tests`` counts the words that
    pytest was given, ``proof`` is a hash of all files on which the outcome rests.
    """

    said: str
    by: str
    why: str
    tests: int
    seconds: float
    proof: str


def copy_tree(root: Path, to: Path) -> None:
    """A copy of what git knows of a checkout, with what is changed or new in it."""
    subprocess.run(["git", "clone", "-q", "--shared", str(root), str(to)], check=True)
    for words in ("diff --name-only HEAD", "ls-files --others --exclude-standard"):
        command = ["git", *words.split(), "-z"]
        said = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
        for name in said.stdout.split("\0")[:-1]:
            if (root / name).is_file():
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, to / name)
            else:
                (to / name).unlink(missing_ok=True)


_NO_TEST = 5
"""Of pytest, where none of the tests that it was given is to be run."""


class Trial:
    """Tries mutations in one copy of the tree, one after the other.

    Tests get four times the processor's seconds that they took, and ``patience`` more.
    """

    def __init__(self, copy: Path, lines: Lines, budget: float, patience: float = 20.0) -> None:
        self._copy, self._lines, self._budget = copy, lines, budget
        self._patience = patience
        self._server = self._start()
        self._stamp = int(time.time())
        self._sound: dict[tuple[str, ...], bool] = {}

    def run(self, mutation: Mutation, before: str = "") -> Outcome:
        """What the tests say; ``before`` is the test that caught it the last time."""
        start = time.monotonic()
        chosen = self._lines.tests_of(mutation, self._budget)
        if not chosen.words:
            return Outcome("unreached", "", "", 0, 0.0, self.proof(mutation, ""))
        words = [*([before] if before in chosen.words else []), *chosen.words]
        words = list(dict.fromkeys(words))
        while True:
            found = self._try(mutation, words, chosen.seconds)
            if found["code"] == 0 or self._is_sound(found, words):
                break
            words.append(f"--deselect={found['failed']}")
        caught = found["code"] != 0
        return Outcome(
            said="caught" if caught else "survived",
            by=found["failed"] if caught else "",
            why=found["why"] if caught else "",
            tests=len(words),
            seconds=round(time.monotonic() - start, 2),
            proof=self.proof(mutation, found["failed"] if caught else ""),
        )

    def proof(self, mutation: Mutation, by: str) -> str:
        """A hash of the mutated file and the test's, or where none caught it of all tests."""
        test = self._copy / by.partition("::")[0]
        tests = [test] if by and test.is_file() else sorted((self._copy / "tests").rglob("*.py"))
        files = [self._copy / mutation.file, *tests]
        return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]

    def close(self) -> None:
        """Ends the process."""
        with self._server as server:
            server.kill()

    def _try(self, mutation: Mutation, words: Sequence[str], seconds: float) -> dict[str, Any]:
        file = self._copy / mutation.file
        text = file.read_text()
        self._write(file, mutation.apply(text))
        try:
            return self._ask(words, seconds)
        finally:
            self._write(file, text)

    def _write(self, file: Path, text: str) -> None:
        """Writes a file with a time that no other text of it had: bytecode is kept by the time."""
        file.write_text(text)
        self._stamp += 1
        os.utime(file, (self._stamp, self._stamp))

    def _is_sound(self, found: dict[str, Any], words: Sequence[str]) -> bool:
        """Whether what failed passes without the mutation."""
        if found["code"] is None:
            return True
        of_a_test = found["code"] == 1 and found["failed"]
        case = (found["failed"],) if of_a_test else (*words, "--co")
        if case not in self._sound:
            code = self._ask(case, 60.0)["code"]
            self._sound[case] = code == 0
            if code != 0 and not of_a_test:
                raise RuntimeError(f"without any mutation, pytest gives {code}: {' '.join(case)}")
        return self._sound[case]

    def _ask(self, words: Sequence[str], seconds: float) -> dict[str, Any]:
        processor = self._patience + 4 * seconds
        asked = {"words": words, "processor": processor, "clock": 6 * processor}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        found: dict[str, Any] = json.loads(self._server.stdout.readline())
        if found["code"] == _NO_TEST:  # files all of whose tests are long
            found["code"] = 0
        return found

    def _start(self) -> subprocess.Popen[str]:
        places = os.pathsep.join([str(self._copy), str(self._copy / "benchmarks")])
        environment = os.environ | {"PYTHONPATH": places}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return subprocess.Popen(
            [sys.executable, "-m", "mutating.server"],
            cwd=self._copy, env=environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
