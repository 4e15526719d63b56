"""Real files, where a folder ``shared/data`` stands beside the checkout; skipped elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from bench.data.oddities import oddities_of
from bench.data.readers.ade20k import Ade20k
from bench.data.readers.bsds import Bsds
from bench.data.readers.cityscapes import Cityscapes
from bench.data.readers.coco import Coco
from bench.data.readers.label_image import LabelImage
from bench.data.readers.mask_folder import MaskFolder
from bench.data.readers.sa_1b import Sa1b
from bench.types import BenchError, Site

DATA = Path(__file__).parents[4] / "shared" / "data"
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
    with pytest.raises(
        BenchError, match=r"'segmentation'|'annotations' has a whole number or text 'id'"
    ):
        Coco(f"{folder}/annotations/{kind}_val.json", f"{folder}/images/val", site=SITE)


@needed("layouts")
def test_layouts_of_sa_1b():
    reader = Sa1b("layouts/segment_anything_dataset", site=SITE)
    assert reader.ids() == ["a", "b"]
    sample = reader.read("a")
    (target,) = sample.targets
    assert (sample.shape, target.mask_id, target.mask.area) == ((5, 10), "a/1", 4)
    assert target.attributes["predicted_iou"].startswith("0.2633")
    assert oddities_of(reader) == []


@needed("layouts")
@pytest.mark.parametrize(
    ("release", "folder", "categories"),
    [
        ("2017", "training", ["person", "sky", "license plate"]),
        ("2017", "validation", ["person", "sky", "license plate", "rim"]),
        ("2020", "training", ["car", "person", "door"]),
        ("2020", "validation", ["car", "person", "door", "rim"]),
    ],
)
def test_layouts_of_both_releases_of_ade20k(release, folder, categories):
    reader = Ade20k(f"layouts/ade20k{release}_dataset/dataset/{folder}", site=SITE)
    (image_id,) = reader.ids()
    targets = reader.read(image_id).targets
    assert [target.attributes.get("part_level", "0") for target in targets] == [
        "0",
        "0",
        *(str(level) for level in range(1, len(targets) - 1)),
    ]
    assert all(target.mask.area for target in targets)
    assert [str(target.category).partition(",")[0] for target in targets] == categories


@needed("layouts")
def test_layouts_of_cityscapes():
    val = Cityscapes("layouts/cityscapes_dataset/dataset", site=SITE)
    (image_id,) = val.ids()
    assert image_id == "defaultcity/defaultcity_000001_000019"
    assert val.read(image_id).targets == [], "1 and 3 are classes that don't count"
    test = Cityscapes(
        "layouts/cityscapes_dataset/dataset",
        "leftImg8bit/test/{city}/{id}_leftImg8bit.png",
        "gtFine/test/{city}/{id}_gtFine_instanceIds.png",
        site=SITE,
    )
    found = {
        image_id: [(t.category, t.crowd, t.attributes["kind"]) for t in test.read(image_id).targets]
        for image_id in test.ids()
    }
    assert found == {
        "defaultcity/defaultcity_000001_000031": [("truck", True, "thing")],
        "defaultcity/defaultcity_000001_000032": [
            ("wall", False, "stuff"),
            ("train", True, "thing"),
        ],
    }


@needed("layouts")
def test_layouts_of_voc():
    reader = LabelImage(
        "layouts/voc_dataset/voc_dataset1",
        "JPEGImages/{id}.jpg",
        "SegmentationObject/{id}.png",
        listed="ImageSets/Segmentation/train.txt",
        site=SITE,
    )
    (target,) = reader.read("2007_000001").targets
    assert (target.mask_id, target.mask.area) == (f"2007_000001/{128 << 16}", 200)
    assert [oddity.count for oddity in oddities_of(reader)] == [1]


@needed("bsds500")
def test_bsds500_has_what_its_measured_facts_say():
    images, truth = "images/test/{id}.jpg", "groundTruth/test/{id}.mat"
    reader = Bsds("bsds500/BSDS500/data", images, truth, site=SITE)
    assert len(reader.ids()) == 6
    for image_id in reader.ids():
        sample = reader.read(image_id)
        annotators = [int(target.attributes["annotator"]) for target in sample.targets]
        assert 4 <= max(annotators) <= 8
        covered = np.zeros(sample.shape, dtype=int)
        for target in sample.targets:
            assert target.mask.area, "no label is missing"
            covered += target.mask.dense()
        assert (covered == max(annotators)).all(), "each person's segments tile the picture"
