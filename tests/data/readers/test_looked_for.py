"""What LVIS's files tell of categories: their numbers, and what was looked for in an image."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from finished import change_annotations

from bench.data.abilities import Federated, LookedFor, NamesCategories
from bench.data.readers.coco import Coco
from bench.data.subset import Subset, whole_of
from bench.types import BenchError, Site


def site() -> Site:
    return Site(device="cpu", datasets=Path(), checkpoints=Path())


def read(folder: Path, *files: str) -> Coco:
    paths = [str(folder / name) for name in files or ("annotations.json",)]
    return Coco(paths, str(folder / "images"), site=site())


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    made = coco_folder()

    def change(document: Any) -> None:
        document["categories"] += [{"id": 7, "name": "oar"}, {"id": "k", "name": "elk"}]
        document["images"][1] |= {"neg_category_ids": [7, 99], "not_exhaustive_category_ids": ["k"]}
        document["images"][2]["neg_category_ids"] = []

    change_annotations(made, change)
    return made


def test_an_image_tells_what_was_looked_for_by_names(folder: Path) -> None:
    reader = read(folder)
    assert isinstance(reader, Federated)
    assert isinstance(reader, NamesCategories)
    names = {number: category.name for number, category in reader.categories().items()}
    assert names == {1: "blob", 7: "oar", "k": "elk"}
    assert reader.looked_for("0") is None
    assert reader.looked_for("1") == LookedFor(frozenset({"oar"}), frozenset({"elk"}))
    assert reader.looked_for("2") == LookedFor(frozenset(), frozenset())
    subset = Subset(reader, ["1"])
    assert whole_of(subset) is reader
    assert whole_of(reader) is reader


@pytest.mark.parametrize("listed", [3, [1.5], [True], [[1]]])
def test_a_list_that_is_none_is_refused(folder: Path, listed: Any) -> None:
    change_annotations(folder, lambda d: d["images"][0].update(neg_category_ids=listed))
    with pytest.raises(BenchError, match="image 0: 'neg_category_ids' is a list of categories'"):
        read(folder).looked_for("0")


def test_files_that_call_two_categories_by_one_id_are_refused(folder: Path) -> None:
    other = json.loads((folder / "annotations.json").read_text())
    other["categories"][1]["name"] = "cup"
    (folder / "more.json").write_text(json.dumps(other))
    reader = read(folder, "annotations.json", "more.json")
    with pytest.raises(BenchError, match=r"more\.json: category 7 is 'cup', and 'oar' in"):
        reader.categories()
