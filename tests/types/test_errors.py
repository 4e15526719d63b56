"""What goes wrong in code that is a user's own, told in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from finished import dataset_words, one_line

from bench.cli import main
from bench.types.errors import fault_of_theirs

EYES = """
from bench.models.disk import Disk


class Lazy(Disk):
    def predict(self, *asked, **more):
        raise RuntimeError("no\\nmood")
"""


@pytest.fixture
def eyes(own_module: Callable[[str, str], str]) -> str:
    return own_module("own_eyes", EYES)


def test_what_a_model_of_ones_own_raises_is_one_line(
    coco_folder: Callable[..., Path], eyes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model=disk", f"model.target={eyes}.Lazy", "prompt=[box]"]
    words += [*dataset_words(coco_folder(images=2, masks=1)), f"runtime.allow_modules=[{eyes}]"]
    assert main(["run", *words]) == 2
    said = one_line(capsys.readouterr().err)
    assert "RuntimeError: no mood (own_eyes.py, line 7)" in said
    assert "; -v shows the whole way there" in said


def test_what_goes_wrong_in_the_bench_or_a_library_is_nobody_elses_fault() -> None:
    with pytest.raises(ValueError, match="could not convert") as caught:
        float("x")
    error = caught.value
    assert fault_of_theirs(error.with_traceback(None)) is None
