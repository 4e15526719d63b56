"""Real files, where a folder ``shared/data`` stands beside the checkout; skipped elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from bench.readers.coco import Coco
from bench.readers.mask_folder import MaskFolder
from bench.types import BenchError, Site

DATA = Path(__file__).parents[3] / "shared" / "data"
SITE = Site(datasets=DATA)


def needed(*names):
    missing = [name for name in names if not (DATA / name).exists()]
    return pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)} in {DATA}")


@needed("nuts")
def test_nuts_are_to_the_pixel_what_pycocotools_says():
    reader = Coco("nuts/trainval.json", "nuts/images", site=SITE)
    assert reader.ids() == [str(number) for number in range(18)]
    official = COCO(str(DATA / "nuts" / "trainval.json"))
    targets = [t for image_id in reader.ids() for t in reader.read(image_id).targets]
    assert len(targets) == 165
    for target in targets:
        expected = official.annToMask(official.anns[int(target.mask_id)])
        assert np.array_equal(target.mask.dense(), expected.astype(bool))


@needed("bbbc038")
def test_bbbc038_has_what_its_measured_facts_say():
    reader = MaskFolder(
        "bbbc038/stage1_train", "{id}/images/{id}.png", "{id}/masks/*.png", site=SITE
    )
    assert len(reader.ids()) == 33
    masks = count = 0
    for image_id in reader.ids():
        sample = reader.read(image_id)
        stacked = np.zeros(sample.shape, dtype=int)
        for target in sample.targets:
            assert 21 <= target.mask.area <= 11037
            stacked += target.mask.dense()
        masks += len(sample.targets)
        count += int((stacked > 1).sum())
    assert (masks, count) == (1356, 0)


@needed("layouts")
def test_layouts_of_coco():
    train = Coco(
        "layouts/coco_dataset/coco_instances/annotations/instances_train.json",
        "layouts/coco_dataset/coco_instances/images/train",
        site=SITE,
    )
    (target,) = train.read("5").targets
    assert (target.mask.area, target.category, target.mask.shape) == (0, "b", (5, 10))

    val = Coco(
        "layouts/coco_dataset/coco_instances/annotations/instances_val.json",
        "layouts/coco_dataset/coco_instances/images/val",
        site=SITE,
    )
    polygon, crowd = val.read("40").targets
    assert (polygon.mask.box, polygon.attributes["y"], polygon.crowd) == (
        (0, 0, 0, 1),
        "hello",
        False,
    )
    assert (crowd.mask.area, crowd.crowd) == (20, True)
    assert crowd.mask.dense()[:, 0:2].all()


@needed("layouts")
@pytest.mark.parametrize("kind", ["captions", "panoptic"])
def test_coco_files_without_masks_say_so(kind):
    folder = "layouts/coco_dataset/coco"
    with pytest.raises(BenchError, match=r"'segmentation'|'annotations' has a number or text 'id'"):
        Coco(f"{folder}/annotations/{kind}_val.json", f"{folder}/images/val", site=SITE)
