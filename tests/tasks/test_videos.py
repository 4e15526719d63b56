"""What an image belongs to goes from its reader into the rows of every task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bench
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.cli import main
from bench.store.runs import find_runs


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """Two frames of each of three videos, one object in each; the command that reads them."""
    rng = np.random.default_rng(0)
    for video in ("bear", "goat", "swan"):
        for frame in ("00000", "00001"):
            mask = np.zeros((24, 40), np.uint8)
            y, x = rng.integers(2, 10, 2)
            mask[y : y + 9, x : x + 12] = 255
            picture = np.stack([mask, 255 - mask, mask // 2], axis=2)
            for folder, pixels in (("frames", picture), ("masks", mask)):
                path = tmp_path / "films" / folder / video / f"{frame}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return [
        "dataset=mask_folder", "dataset.name=films", f"dataset.args.folder={tmp_path / 'films'}",
        'dataset.args.images="frames/{video}/{id}.png"', f"runtime.results={tmp_path / 'results'}",
        'dataset.args.masks="masks/{video}/{id}.png"',
    ]  # fmt: skip


def test_the_frames_of_a_video_are_one_cluster(words: list[str], tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert main(["run", *words, "model=disk", "prompt=[point_1]"]) == 0
    given = tmp_path / "given.json"
    assert main(["export", "*point_1*", "--results", str(results), "--coco", str(given)]) == 0
    assert main(["score", "--predictions", str(given), "--model-name", "theirs", *words]) == 0
    rows = bench.read_runs(results=results, columns=["cluster"])
    assert rows["run"].nunique() == 2
    assert len(rows) == 12
    videos = rows["image_id"].str.partition("/")[0]
    assert rows["cluster"].tolist() == videos.tolist()
    lines = miou_table(select(find_runs(results))).lines
    assert lines["images"].tolist() == [6, 6]
    assert lines["clusters"].tolist() == [3, 3]
