"""Pictures and masks that are given from Python: what is taken, what tells them apart."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco

from bench.data.opening import open_dataset
from bench.data.readers.in_memory import GivenData, hold
from bench.types import MAX_PIXELS, BenchError, BoolArray, ImageArray, Site


def picture(seed: int = 0) -> ImageArray:
    """(6, 9, 3), no two rows or channels alike."""
    return np.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def two_masks() -> BoolArray:
    """(2, 6, 9), which overlap in a pixel."""
    masks = np.zeros((2, 6, 9), bool)
    masks[0, 1:4, 2:5] = True
    masks[1, 3:6, 4:9] = True
    return masks


def given(items: object) -> GivenData:
    return GivenData(items, "cells", MAX_PIXELS)


class Pairs(torch.utils.data.Dataset[Any]):
    """A map-style dataset as torchvision writes them: channels first, a dict beside the image."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        target = {
            "masks": torch.from_numpy(two_masks()).to(torch.uint8),
            "image_id": torch.tensor([7 - index]),
            "iscrowd": torch.tensor([0, 1]),
            "boxes": torch.zeros(2, 4),
        }
        return torch.from_numpy(picture(index)).permute(2, 0, 1), target


def rle(mask: BoolArray) -> dict[str, Any]:
    found: dict[str, Any] = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return found


@pytest.mark.parametrize(
    "written",
    [
        lambda masks: masks,
        lambda masks: masks.astype(np.uint8),
        lambda masks: list(masks),
        lambda masks: [rle(mask) for mask in masks],
        lambda masks: [masks[0], rle(masks[1])],
        lambda masks: torch.from_numpy(masks),
    ],
)
def test_masks_are_the_same_however_they_are_written(written: Callable[[BoolArray], Any]) -> None:
    masks = two_masks()
    sample = given([(picture(), written(masks))]).read("000000")
    assert [target.mask_id for target in sample.targets] == ["000000/000", "000000/001"]
    for target, mask in zip(sample.targets, masks, strict=True):
        np.testing.assert_array_equal(target.mask.dense(), mask)


def test_a_label_map_has_a_mask_for_each_value_but_zero() -> None:
    labels = np.zeros((6, 9), np.int32)
    labels[:2, :3], labels[4:, 5:] = 300, 2
    sample = given([(picture(), labels)]).read("000000")
    assert [target.mask_id for target in sample.targets] == ["000000/2", "000000/300"]
    np.testing.assert_array_equal(sample.targets[0].mask.dense(), labels == 2)
    np.testing.assert_array_equal(sample.targets[1].mask.dense(), labels == 300)


def test_one_bool_mask_and_one_rle_are_one_target_each() -> None:
    mask = two_masks()[1]
    for masks in (mask, rle(mask)):
        (target,) = given([(picture(), masks)]).read("000000").targets
        np.testing.assert_array_equal(target.mask.dense(), mask)


def test_a_picture_is_the_same_from_an_array_pillow_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.fromarray(picture()).save(path)
    images = [picture(), Image.fromarray(picture()), path, str(path), picture().transpose(2, 0, 1)]
    found = {given([(image, two_masks())]).sha256 for image in images}
    assert len(found) == 1
    np.testing.assert_array_equal(given([(path, [])]).read("000000").image, picture())


def test_a_torch_dataset_gives_ids_crowds_and_channels_last(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = given(Pairs())
    assert list(data.hashes) == ["6", "7"]
    sample = data.read("7")
    np.testing.assert_array_equal(sample.image, picture(0))
    assert [target.crowd for target in sample.targets] == [False, True]
    assert data.counts == {"6": 1, "7": 1}
    assert "not looked at: boxes" in caplog.text


def test_a_dict_may_name_id_categories_and_what_to_ignore() -> None:
    ignore = np.zeros((6, 9), bool)
    ignore[0] = True
    item = {
        "id": "a\nb", "image": picture(), "masks": two_masks(), "categories": ["cat", "dog"],
        "ignore": ignore,
    }  # fmt: skip
    sample = given([item]).read("a\nb")
    assert [target.category for target in sample.targets] == ["cat", "dog"]
    assert sample.ignore is not None
    np.testing.assert_array_equal(sample.ignore, ignore)


def test_any_change_of_a_pixel_a_mask_or_an_id_is_other_data() -> None:
    other_pixel, other_mask = picture(), two_masks()
    other_pixel[5, 8, 2] ^= 1
    other_mask[1, 0, 0] = True
    items: list[list[Any]] = [
        [(picture(), two_masks())],
        [(other_pixel, two_masks())],
        [(picture(), other_mask)],
        [(picture(), two_masks()[::-1])],
        [{"id": "x", "image": picture(), "masks": two_masks()}],
        [{"id": "000000", "image": picture(), "masks": two_masks(), "iscrowd": [0, 1]}],
        [(picture(), two_masks()), (picture(1), two_masks())],
    ]
    assert len({given(each).sha256 for each in items}) == len(items)
    assert given(items[0]).sha256 == given(items[0]).sha256


def test_data_is_a_dataset_for_as_long_as_it_is_kept() -> None:
    data = given([(picture(1), two_masks()), (picture(), two_masks())])
    component = hold(data, "cells", "1")
    reader = open_dataset(component, Site())
    assert list(reader.ids()) == ["000000", "000001"]
    assert reader.fingerprint(["000000"]) != reader.fingerprint(["000001"])
    np.testing.assert_array_equal(reader.read("000001").image, picture())
    del data, reader
    gc.collect()
    with pytest.raises(BenchError, match="given from Python"):
        open_dataset(component, Site())


class Drawn(list[Any]):
    """Another picture at each look."""

    def __getitem__(self, place: Any) -> Any:
        self.append(None)
        return picture(len(self)), two_masks()


def test_a_dataset_that_draws_at_random_is_noticed() -> None:
    data = given(Drawn([None]))
    with pytest.raises(BenchError, match="switch random augmentation off"):
        data.read("000000")


class Broken(list[Any]):
    def __getitem__(self, place: Any) -> Any:
        raise KeyError("no file")


@pytest.mark.parametrize(
    ("items", "says"),
    [
        (iter([]), "found a list_iterator"),
        ({"a": 1}, "found a dict"),
        (torch.utils.data.DataLoader(Pairs()), "found a DataLoader"),
        ([picture()], "item 0: expected \\(image, masks\\)"),
        ([(picture(), two_masks(), 3)], "found a tuple of 3"),
        ([{"image": picture()}], "item 0: has no masks: it has image"),
        ([(picture()[..., :2], two_masks())], "item 0: its image is \\(6, 9, 2\\) uint8"),
        ([(picture() / 255, two_masks())], "its image is \\(6, 9, 3\\) float64"),
        ([("nowhere.png", two_masks())], "item 0: nowhere.png: no such picture"),
        ([(picture(), two_masks()[:, :5])], "its mask 000000/000 is 5×9"),
        ([(picture(), two_masks() / 2)], "its masks is \\(6, 9\\) float64"),
        ([(picture(), np.full((6, 9), 0.5))], "its masks are \\(6, 9\\) float64"),
        ([(picture(), np.full((6, 9), -1))], "its label map holds -1"),
        ([(picture(), [{"size": [6, 9]}])], "no 'counts'"),
        ([(picture(), {"size": [6, 9], "counts": "x\x00"})], "a COCO RLE among its masks"),
        ([(picture(), ["cat"])], "its mask 0 is a str"),
        ([{"image": picture(), "masks": two_masks(), "iscrowd": [1]}], "one for each of its 2"),
        ([{"image": picture(), "masks": [], "id": 1.5}], "its id is a float"),
        ([{"image": picture(), "masks": [], "id": "a"}] * 2, "two items have the id 'a'"),
        ([{"image": picture(), "masks": [], "id": "a"}, (picture(), [])], "others have none"),
        (Broken([1]), "item 0 can't be read: KeyError: 'no file'"),
    ],
)  # fmt: skip
def test_what_is_no_data_is_said_in_one_line(items: object, says: str) -> None:
    with pytest.raises(BenchError, match=says) as caught:
        given(items)
    assert "\n" not in str(caught.value)
