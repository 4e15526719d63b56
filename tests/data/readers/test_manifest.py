"""A manifest survives the file, and a damaged one is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bench.data.manifest import Manifest, load_manifest, save_manifest
from bench.types import BenchError

MADE = Manifest("beans", "2", {"a/1": 3, "b": 0, "ü": 12}, "0123456789abcdef", "the good ones")

GOLDEN = "06e5f951d940de394a266d28d12141e4fbbef1432a4d852e3475673d8549b2c8"


def test_a_file_says_what_was_written_and_reads_well(tmp_path: Path) -> None:
    path = tmp_path / "new" / "m.json"
    save_manifest(MADE, path)
    assert load_manifest(path) == MADE
    assert list(load_manifest(path).mask_counts) == ["a/1", "b", "ü"]
    text = path.read_text(encoding="utf-8")
    assert '\n  "ü": 12\n' in text, "a line per image"
    assert (json.loads(text)["images"], json.loads(text)["masks"]) == (3, 15)
    assert [p.name for p in path.parent.iterdir()] == ["m.json"], "nothing is left aside"


def test_golden_hash_of_the_ids_alone() -> None:
    """It stands in keys: another hash would orphan runs."""
    assert MADE.sha256() == GOLDEN
    assert Manifest("x", "1", {"ü": 1, "b": 1, "a/1": 1}).sha256() == GOLDEN
    assert Manifest("beans", "2", {"a/1": 3, "b": 0}, "0123456789abcdef").sha256() != GOLDEN


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not a readable manifest"),
        ("[]", "is a JSON object"),
        ('{"images": []}', "is a JSON object"),
        ('{"manifest": 1, "dataset": "d", "version": "1"}', "'mask_counts'"),
        ('{"manifest": 1, "dataset": "d", "version": "1", "mask_counts": {"a": -1}}', "'mask_coun"),
        ('{"manifest": 1, "dataset": "d", "version": "1", "mask_counts": {"a": true}}', "'mask_co"),
        ('{"manifest": 1, "dataset": "d", "version": 1, "mask_counts": {"a": 1}}', "'version'"),
        ('{"manifest": 1, "version": "1", "mask_counts": {"a": 1}}', "'dataset'"),
        ('{"manifest": 1, "mask_counts": {"a": 1, "a": 2}}', "'a' stands twice"),
        (
            '{"manifest": 1, "dataset": "d", "version": "1", "fingerprint": 3, '
            '"mask_counts": {"a": 1}}',
            "'fingerprint'",
        ),
        (
            '{"manifest": 1, "dataset": "d", "version": "1", "images": 2, "mask_counts": {"a": 1}}',
            "gives 1 images, 'images' says 2",
        ),
    ],
)
def test_what_is_no_manifest_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BenchError) as caught:
        load_manifest(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_not_there_or_cant_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no such manifest"):
        load_manifest(tmp_path / "m.json")
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="can't be written"):
        save_manifest(MADE, tmp_path / "file" / "m.json")


def test_what_a_killed_command_left_of_a_manifest_is_swept(tmp_path: Path) -> None:
    left = tmp_path / f".m.json.{'0' * 32}"
    left.write_text("half")
    os.utime(left, (0, 0))
    save_manifest(MADE, tmp_path / "m.json")
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]
