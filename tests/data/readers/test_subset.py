"""The draw of the paper: the same anywhere, near the number of masks that was asked for."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from bench.data.manifest import Manifest
from bench.data.readers.coco import Coco
from bench.data.subset import Subsample, Subset, check_manifest, draw
from bench.types import BenchError, Reader

from .making import open_coco, picture, rle, save, site, write_coco, write_coco_set

SQUARE = [[0, 0, 2, 0, 2, 2]]


def coco_of(folder: Path, counts: dict[int, int], *, shuffled: bool = False) -> Coco:
    """A COCO file whose image i has ``counts[i]`` masks and one crowd; one picture is there."""
    images: list[dict[str, Any]] = [{"id": i, "file_name": f"{i}.png"} for i in counts]
    annotations: list[dict[str, Any]] = [
        {"id": f"{i}-{n}", "image_id": i, "segmentation": SQUARE, "iscrowd": int(n == counts[i])}
        for i in counts
        for n in range(counts[i] + 1)
    ]
    if shuffled:
        random.Random(3).shuffle(images)
        random.Random(4).shuffle(annotations)
    write_coco(folder, {"images": images, "annotations": annotations})
    save(folder / "images" / f"{min(counts)}.png", picture())
    return open_coco(folder)


COUNTS = {i: i % 7 for i in range(60)}

GOLDEN = {"10": 3, "16": 2, "31": 3, "34": 6, "35": 0, "38": 3, "39": 4, "46": 4, "50": 1, "55": 6}


def test_golden_ids(tmp_path: Path) -> None:
    """Another draw would be another number under the same key."""
    chosen = draw(coco_of(tmp_path, COUNTS), Subsample(above=100, masks=30, seed=0))
    assert chosen == GOLDEN
    assert sum(chosen.values()) == 32
    other = draw(coco_of(tmp_path, COUNTS), Subsample(above=100, masks=30, seed=1))
    assert set(other) != set(chosen)


def test_the_order_of_files_and_annotations_changes_nothing(tmp_path: Path) -> None:
    rule = Subsample(above=100, masks=30)
    straight = draw(coco_of(tmp_path / "a", COUNTS), rule)
    shuffled = draw(coco_of(tmp_path / "b", COUNTS, shuffled=True), rule)
    assert list(straight.items()) == list(shuffled.items())


def test_it_stops_at_the_image_that_reaches_the_number(tmp_path: Path) -> None:
    rule = Subsample(above=100, masks=30)
    chosen = draw(coco_of(tmp_path, COUNTS), rule)
    in_order = [i for i in rule.order(map(str, COUNTS)) if i in chosen]
    assert sum(COUNTS[int(i)] for i in in_order) >= 30
    assert sum(COUNTS[int(i)] for i in in_order[:-1]) < 30
    assert in_order == rule.order(map(str, COUNTS))[: len(in_order)], "images without masks too"


@pytest.mark.parametrize(("above", "everything"), [(173, False), (174, True)])
def test_only_above_the_limit_is_anything_left_out(
    tmp_path: Path, above: int, everything: bool
) -> None:
    assert sum(COUNTS.values()) == 174
    chosen = draw(coco_of(tmp_path, COUNTS), Subsample(above=above, masks=100))
    assert (len(chosen) == 60) == everything


class OnlyReads:
    """A reader that can't count without decoding, and keeps what it was asked for."""

    def __init__(self, inner: Coco) -> None:
        self._inner = inner
        self.asked: list[str] = []

    def ids(self) -> list[str]:
        return list(self._inner.ids())

    def read(self, image_id: str) -> Any:
        self.asked.append(image_id)
        return self._inner.read(image_id)

    def fingerprint(self, image_ids: Any = None) -> str:
        return self._inner.fingerprint(image_ids)


def test_counting_by_reading_gives_the_same_and_stops_when_it_knows(tmp_path: Path) -> None:
    counting = coco_of(tmp_path, COUNTS)
    for i in COUNTS:
        save(tmp_path / "images" / f"{i}.png", picture())
    rule = Subsample(above=60, masks=30)
    reading = OnlyReads(counting)
    assert draw(reading, rule) == draw(counting, rule)
    assert reading.asked == rule.order(map(str, COUNTS))[: len(reading.asked)]
    assert 60 < sum(COUNTS[int(i)] for i in reading.asked) <= 66


def test_what_is_counted_already_is_not_read(tmp_path: Path) -> None:
    reading = OnlyReads(coco_of(tmp_path, COUNTS))
    rule = Subsample(above=100, masks=30)
    assert draw(reading, rule, {str(i): n for i, n in COUNTS.items()}) == GOLDEN
    assert reading.asked == []


def test_an_image_that_cant_be_counted_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"\.png: no such picture"):
        draw(OnlyReads(coco_of(tmp_path, COUNTS)), Subsample(above=60, masks=30))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("paper", Subsample(15_000, 10_000, 0)),
        ({"above": 5, "masks": 2, "seed": 7}, Subsample(5, 2, 7)),
        ({"seed": 3}, Subsample(15_000, 10_000, 3)),
    ],
)
def test_a_rule_is_read(written: object, expected: Subsample) -> None:
    assert Subsample.of(written) == expected


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("papers", "'paper' or"),
        (True, "'paper' or"),
        ({"above": 5, "mask": 2}, "found {'above': 5, 'mask': 2}"),
        ({"above": 5, "masks": 9}, "masks=9 and above=5"),
        ({"masks": 0}, "masks=0"),
        ({"masks": 1.5}, "whole numbers, found 1.5"),
        ({"seed": "x"}, "whole numbers, found 'x'"),
    ],
)
def test_what_is_no_rule_is_refused(written: object, says: str) -> None:
    with pytest.raises(BenchError) as caught:
        Subsample.of(written)
    assert says in str(caught.value)


def test_a_subset_reads_its_own_images_alone(tmp_path: Path) -> None:
    write_coco_set(tmp_path)
    whole = open_coco(tmp_path)
    subset = Subset(whole, ["10"])
    assert subset.ids() == ["10"]
    assert len(subset.read("10").targets) == 6
    with pytest.raises(BenchError, match="'2' in the subset"):
        subset.read("2")
    assert subset.fingerprint() == whole.fingerprint(["10"]) != whole.fingerprint()
    with pytest.raises(BenchError, match=r"2 of 3 images .* 'a' for one"):
        Subset(whole, ["a", "10", "b"])


def manifest_of(whole: Reader, **changes: Any) -> Manifest:
    said = {"dataset": "d", "version": "1", "mask_counts": {"10": 5}, **changes}
    return Manifest(**said)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dataset": "e"}, "is of dataset e, version 1; this is d, version 1"),
        ({"version": "2"}, "version 2"),
        ({"mask_counts": {"10": 5, "nowhere": 1}}, "1 of 2 images .* 'nowhere'"),
        ({"fingerprint": "0" * 16}, "made on 0{16}: the data differ"),
    ],
)
def test_a_manifest_of_other_data_is_refused(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    write_coco_set(tmp_path)
    whole = open_coco(tmp_path)
    with pytest.raises(BenchError, match=says):
        check_manifest(manifest_of(whole, **changes), "d", "1", whole)


def test_a_manifest_of_these_data_or_of_any_is_taken(tmp_path: Path) -> None:
    write_coco_set(tmp_path)
    whole = open_coco(tmp_path)
    for fingerprint in (None, whole.fingerprint(["10"])):
        manifest = manifest_of(whole, fingerprint=fingerprint)
        assert check_manifest(manifest, "d", "1", whole).ids() == ["10"]


def test_masks_that_are_crowds_do_not_count(tmp_path: Path) -> None:
    write_coco(
        tmp_path,
        {
            "images": [{"id": 1, "file_name": "1.png"}],
            "annotations": [
                {
                    "id": n,
                    "image_id": 1,
                    "iscrowd": crowd,
                    "segmentation": rle(picture()[..., 0] > 3),
                }
                for n, crowd in enumerate((0, 1, 0))
            ],
        },
    )
    save(tmp_path / "images" / "1.png", picture())
    reader = Coco("truth.json", "images", site=site(tmp_path))
    rule = Subsample(above=5, masks=1)
    assert draw(reader, rule) == draw(OnlyReads(reader), rule) == {"1": 2}
