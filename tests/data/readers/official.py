"""Small copies of each dataset in its official layout, with the oddities that the real one has.

``OFFICIAL[name](folder)`` writes one below ``folder``, as ``conf/dataset/<name>.yaml`` expects it,
and gives the truth, drawn by hand: image id → mask id → (H, W) bool.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.io import savemat

from .making import HEIGHT, TRUTH, WIDTH, Bool, picture, rle, save

Truth = dict[str, dict[str, Bool]]

NOTHING = np.zeros((HEIGHT, WIDTH), dtype=bool)


def box(row0: int, column0: int, row1: int, column1: int) -> Bool:
    """A rectangle, the ends excluded."""
    mask = NOTHING.copy()
    mask[row0:row1, column0:column1] = True
    return mask


def polygon(row0: int, column0: int, row1: int, column1: int) -> list[float]:
    """The outline of ``box`` in COCO's continuous coordinates."""
    return [column0, row0, column1, row0, column1, row1, column0, row1]


def corners(row0: int, column0: int, row1: int, column1: int) -> list[list[float]]:
    """The outline of ``box`` through the middles of its outer pixels, as OpenCV fills it."""
    x1, y1 = column1 - 1, row1 - 1
    return [[column0, row0], [x1, row0], [x1, y1], [column0, y1]]


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def compressed(mask: Bool) -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


def label_map(dtype: Any, **values: int) -> np.ndarray[Any, Any]:
    """A label image of masks of ``TRUTH`` that do not overlap, by name."""
    labels = np.zeros((HEIGHT, WIDTH), dtype=dtype)
    for name, value in values.items():
        labels[TRUTH[name]] = value
    return labels


def in_palette(path: Path, labels: np.ndarray[Any, Any]) -> None:
    """A palette picture whose indices are the labels and whose colours say nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels.astype(np.uint8), mode="L").convert("P")
    image.putdata(labels.ravel().tolist())
    image.putpalette([0, 0, 0, *(i * 37 % 256 for i in range(765))])
    image.save(path)


def coco_file(
    path: Path,
    names: list[str],
    segmentations: list[tuple[int, Any]],
    **extra: Any,
) -> None:
    """A COCO file of images 1, 2, … and annotations 1, 2, … of (image, segmentation)."""
    images = [
        {"id": n, "file_name": name, "height": HEIGHT, "width": WIDTH}
        for n, name in enumerate(names, start=1)
    ]
    annotations = [
        {"id": n, "image_id": image, "category_id": 1, "segmentation": segmentation, **extra}
        for n, (image, segmentation) in enumerate(segmentations, start=1)
    ]
    categories = [{"id": 1, "name": "thing"}]
    write_json(path, {"images": images, "annotations": annotations, "categories": categories})


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        save(folder / name, picture())


def ppdls(folder: Path) -> Truth:
    """Labels as a palette and as colours with an alpha; the Canon set is there and not read."""
    plants = folder / "Plant_Phenotyping_Datasets" / "Plant"
    pictures(plants, "Ara2012/ara2012_plant001_rgb.png", "Tobacco/tobacco_plant001_rgb.png")
    pictures(plants, "Ara2013-Canon/ara2013_plant001_rgb.png")
    in_palette(plants / "Ara2012/ara2012_plant001_label.png", label_map(int, border=1, hole=9))
    in_palette(plants / "Ara2013-Canon/ara2013_plant001_label.png", label_map(int, border=1))
    colours = np.zeros((HEIGHT, WIDTH, 4), dtype=np.uint8)
    colours[..., 3] = 255
    colours[TRUTH["two_parts"]] = (255, 0, 2, 255)
    save(plants / "Tobacco/tobacco_plant001_label.png", colours)
    (plants / "Ara2012/ara2012_plant001_bbox.csv").write_text("")
    ara, tobacco = "Ara2012/ara2012_plant001", "Tobacco/tobacco_plant001"
    return {
        ara: {f"{ara}/1": TRUTH["border"], f"{ara}/9": TRUTH["hole"]},
        tobacco: {f"{tobacco}/{255 * 65536 + 2}": TRUTH["two_parts"]},
    }


def bbbc038(folder: Path) -> Truth:
    """RGBA pictures, hashes for names, a mask in two parts, masks that overlap."""
    image = folder / "bbbc038" / "stage1_train" / "f00d"
    rgba = np.dstack([picture(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    save(image / "images" / "f00d.png", rgba)
    for name in ("hole", "two_parts", "all"):
        save(image / "masks" / f"{name}.png", TRUTH[name].astype(np.uint8) * 255)
    return {"f00d": {f"f00d/{n}": TRUTH[n] for n in ("all", "hole", "two_parts")}}


def doors(folder: Path) -> Truth:
    """Spaces in folders' names and equal file names in both."""
    truth: Truth = {}
    sets = {"Te1_5000_b_2022-08-02 11.16.00": "hole", "Te2_5000_ub_2022-08-02 11.16.11": "border"}
    for name, mask in sets.items():
        save(folder / "DOORS/Regression" / name / "img" / "0001.png", picture()[..., 0])
        file = folder / "DOORS/Regression" / name / "Rock_all" / "0001.png"
        save(file, TRUTH[mask].astype(np.uint8) * 255)
        truth[f"{name}/0001"] = {f"{name}/0001/0001": TRUTH[mask]}
    save(folder / "DOORS/Regression/Tr_1/img/0001.png", picture())
    return truth


def timberseg(folder: Path) -> Truth:
    logs = folder / "timberseg" / "prescaled"
    pictures(logs, "a.png", "b.png")
    parts = [polygon(1, 2, 4, 7), polygon(6, 9, 9, 12)]
    coco_file(logs / "coco_annotation.json", ["a.png", "b.png"], [(1, parts), (1, [])])
    write_json(logs / "coco_annotation_rotated.json", {"images": []})
    return {"1": {"1": box(1, 2, 4, 7) | box(6, 9, 9, 12), "2": NOTHING}, "2": {}}


def via_region(shape: Mapping[str, Any] | None, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


def via_outline(outline: list[float], name: str = "polygon") -> dict[str, Any]:
    return {"name": name, "all_points_x": outline[::2], "all_points_y": outline[1::2]}


def ndd20(folder: Path) -> Truth:
    """A list of regions: a polyline, a blank id, no shape; a picture whose regions are null."""
    regions = [
        via_region(via_outline(polygon(1, 2, 4, 7)), species="BND", id=" "),
        via_region(via_outline(polygon(0, 10, 5, 14), "polyline"), species="WBD", id="7"),
        via_region({}, species="BND"),
    ]
    above = {
        "1.jpg123": {"filename": "1.jpg", "size": 123, "regions": regions},
        "2.jpg-1": {"filename": "2.jpg", "size": -1, "regions": None},
    }
    below = {"1.jpg5": {"filename": "1.jpg", "size": 5, "regions": regions[:1]}}
    write_json(folder / "ndd20/ABOVE_LABELS.json", above)
    write_json(folder / "ndd20/BELOW_LABELS.json", below)
    pictures(folder / "ndd20", "ABOVE/1.jpg", "ABOVE/2.jpg", "BELOW/1.jpg")
    first = box(1, 2, 4, 7)
    return {
        "ABOVE/1.jpg": {
            "ABOVE/1.jpg/0": first,
            "ABOVE/1.jpg/1": box(0, 10, 5, 14),
            "ABOVE/1.jpg/2": NOTHING,
        },
        "ABOVE/2.jpg": {},
        "BELOW/1.jpg": {"BELOW/1.jpg/0": first},
    }


def lvis_v0_5_val(folder: Path) -> Truth:
    """file_name is another's, no iscrowd, several polygons, a picture without annotations."""
    names = ["COCO_val2014_000000266409.jpg", "COCO_val2014_000000000139.jpg"]
    parts = [polygon(1, 2, 4, 7), polygon(3, 5, 6, 9)]
    coco_file(folder / "lvis/lvis_v0.5_val.json", names, [(1, parts)])
    pictures(folder / "coco/val2017", "000000266409.jpg", "000000000139.jpg")
    return {"1": {"1": box(1, 2, 4, 7) | box(3, 5, 6, 9)}, "2": {}}


def lvis_v1_val(folder: Path) -> Truth:
    """No file_name; pictures of val are in train2017 too."""
    urls = [f"http://images.cocodataset.org/{n}" for n in ("val2017/1.jpg", "train2017/2.jpg")]
    images = [
        {"id": n, "coco_url": url, "height": HEIGHT, "width": WIDTH}
        for n, url in enumerate(urls, start=1)
    ]
    annotation = {"id": 5, "image_id": 2, "category_id": 1, "segmentation": [polygon(1, 2, 4, 7)]}
    content = {"images": images, "annotations": [annotation], "categories": []}
    write_json(folder / "lvis/lvis_v1_val.json", content)
    pictures(folder / "coco", "val2017/1.jpg", "train2017/2.jpg")
    return {"1": {}, "2": {"5": box(1, 2, 4, 7)}}


def coco_val2017(folder: Path) -> Truth:
    """A crowd as an RLE list."""
    path = folder / "coco/annotations/instances_val2017.json"
    coco_file(path, ["1.jpg"], [(1, [polygon(1, 2, 4, 7)]), (1, rle(TRUTH["hole"]))], iscrowd=1)
    pictures(folder / "coco/val2017", "1.jpg")
    return {"1": {"1": box(1, 2, 4, 7), "2": TRUTH["hole"]}}


def streets(folder: Path) -> Truth:
    """Regions by key, floats, a polygon of two points, a name with spaces."""
    name = "Delany at Ryan North-5.jpg"
    regions = {
        "0": via_region(via_outline([2.0, 1.0, 7.0, 1.0, 7.0, 4.0, 2.0, 4.0])),
        "1": via_region(via_outline([1, 1, 5, 5])),
        "10": via_region(via_outline(polygon(5, 9, 9, 12))),
    }
    cars = folder / "streets" / "vehicleannotations"
    content = {f"{name}9999": {"filename": name, "size": 9999, "regions": regions}}
    write_json(cars / "annotations" / "vehicle-annotations.json", content)
    pictures(cars / "images", name)
    masks = {"0": box(1, 2, 4, 7), "1": NOTHING, "10": box(5, 9, 9, 12)}
    return {name: {f"{name}/{key}": mask for key, mask in masks.items()}}


def zerowaste_f(folder: Path) -> Truth:
    """An annotation without a segmentation, upper-case endings."""
    train = folder / "zerowaste/splits_final_deblurred/train"
    found = [(1, []), (1, [polygon(1, 2, 4, 7)])]
    coco_file(train / "labels.json", ["a.PNG"], found, iscrowd=0)
    pictures(train / "data", "a.PNG")
    return {"1": {"1": NOTHING, "2": box(1, 2, 4, 7)}}


def ishape(folder: Path) -> Truth:
    """16 bit, instances in several parts, equal names in all six sets."""
    truth: Truth = {}
    for number, kind in enumerate(("antenna", "branch", "fence", "hanger", "log", "wire")):
        place = folder / "ishape_dataset" / kind / "val"
        pictures(place, "image/7.jpg")
        save(place / "instance_map/7.png", label_map(np.uint16, two_parts=1000 + number))
        truth[f"{kind}/7"] = {f"{kind}/7/{1000 + number}": TRUTH["two_parts"]}
    return truth


def ade20k_codes(**values: tuple[int, int]) -> np.ndarray[Any, Any]:
    """A picture of classes and instances: masks of ``TRUTH`` by name, (class, B) each."""
    codes = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    for name, (kind, blue) in values.items():
        codes[TRUTH[name]] = (kind // 256 * 10, kind % 256, blue)
    return codes


def ade20k_thing(name: str, kind: int, level: int) -> dict[str, Any]:
    return {"name": name, "name_ndx": kind, "parts": {"part_level": level}}


def ade20k(folder: Path) -> Truth:
    """Equal B in two classes, a class above 255, two levels of parts, amodal pictures beside."""
    scene = folder / "ADE20K_2021_17_01/images/ADE/validation/urban/street"
    stem = "ADE_val_00000001"
    save(scene / f"{stem}.jpg", picture())
    save(scene / f"{stem}_seg.png", ade20k_codes(border=(2978, 128), hole=(12, 128)))
    save(scene / f"{stem}_parts_1.png", ade20k_codes(two_parts=(900, 255)))
    save(scene / f"{stem}_parts_2.png", ade20k_codes(one_pixel=(901, 255)))
    amodal = TRUTH["all"].astype(np.uint8) * 128
    save(scene / stem / f"instance_000_{stem}.png", amodal)
    things = [ade20k_thing("wall", 2978, 0), ade20k_thing("arm", 900, 1)]
    write_json(scene / f"{stem}.json", {"annotation": {"object": things}})
    bare = scene.parent / "ADE_val_00000002"
    save(bare.with_suffix(".jpg"), picture(5, 8))
    save(bare.with_name(f"{bare.name}_seg.png"), np.zeros((5, 8, 3), np.uint8))
    return {
        stem: {
            f"{stem}/0/12.128": TRUTH["hole"],
            f"{stem}/0/2978.128": TRUTH["border"],
            f"{stem}/1/900.255": TRUTH["two_parts"],
            f"{stem}/2/901.255": TRUTH["one_pixel"],
        },
        bare.name: {},
    }


def ovis(folder: Path) -> Truth:
    """RLE as strings and as lists, an object that isn't in a frame, an empty mask."""
    names = ["af48b2f9/img_0000001.jpg", "af48b2f9/img_0000002.jpg"]
    video = {"id": 1, "width": WIDTH, "height": HEIGHT, "length": 2, "file_names": names}
    segmentations = [
        [compressed(TRUTH["hole"]), None],
        [rle(TRUTH["border"]), rle(TRUTH["none"])],
        [None, []],
    ]
    annotations = [
        {"id": n, "video_id": 1, "category_id": 3, "iscrowd": 0, "segmentations": each}
        for n, each in enumerate(segmentations, start=1)
    ]
    categories = [{"id": 3, "name": "fish"}]
    content = {"videos": [video], "annotations": annotations, "categories": categories}
    write_json(folder / "ovis/annotations_train.json", content)
    pictures(folder / "ovis/train", *names)
    one, two = (name.removesuffix(".jpg") for name in names)
    return {
        one: {f"{one}/1": TRUTH["hole"], f"{one}/2": TRUTH["border"]},
        two: {f"{two}/2": TRUTH["none"], f"{two}/3": NOTHING},
    }


def hypersim(folder: Path) -> Truth:
    """Number 0 is an instance, -1 is none; volume 20 is left out."""
    truth: Truth = {}
    for scene in ("ai_001_010", "ai_020_001", "ai_055_001"):
        images = folder / "hypersim" / scene / "images"
        save(images / "scene_cam_00_final_preview/frame.0003.tonemap.jpg", picture())
        file = images / "scene_cam_00_geometry_hdf5/frame.0003.semantic_instance.hdf5"
        file.parent.mkdir(parents=True, exist_ok=True)
        numbers = np.full((HEIGHT, WIDTH), -1, dtype=np.int16)
        numbers[TRUTH["hole"]] = 0
        numbers[TRUTH["border"]] = 300
        with h5py.File(file, "w") as opened:
            opened["dataset"] = numbers
        truth[f"{scene}/cam_00/0003"] = {
            f"{scene}/cam_00/0003/0": TRUTH["hole"],
            f"{scene}/cam_00/0003/300": TRUTH["border"],
        }
    del truth["ai_020_001/cam_00/0003"]
    return truth


def ndispark(folder: Path) -> Truth:
    train = folder / "ndispark/train"
    found = [(1, [polygon(1, 2, 4, 7)]), (1, compressed(TRUTH["hole"]))]
    coco_file(train / "train_coco_annotations.json", ["a.jpg"], found)
    pictures(train / "imgs", "a.jpg")
    return {"1": {"1": box(1, 2, 4, 7), "2": TRUTH["hole"]}}


def visor(folder: Path) -> Truth:
    """An empty polygon, one inside another (a hole, but for its outline), two parts."""
    name = "P01_107_frame_0000000049.jpg"
    ring = [corners(0, 0, 7, 7), [], corners(1, 1, 6, 6)]
    annotations = [
        {"id": "x", "name": "plate", "class_id": 2, "exhaustive": "y", "segments": ring},
        {"id": "x", "name": "left hand", "segments": [corners(1, 9, 4, 13), corners(6, 9, 9, 11)]},
        {"id": "y", "name": "tap", "segments": [[]]},
    ]
    image = {"name": name, "video": "P01_107", "subsequence": "P01_107_seq_00001"}
    bare = {"image": {**image, "name": "P01_107_frame_0000000007.jpg"}, "annotations": []}
    content = {"video_annotations": [{"image": image, "annotations": annotations}, bare]}
    path = folder / "visor/GroundTruth-SparseAnnotations/annotations/val/P01_107.json"
    write_json(path, content)
    pictures(folder / "visor/rgb_frames/val/P01/P01_107", name, bare["image"]["name"])
    frame = name.removesuffix(".jpg")
    return {
        "P01_107_frame_0000000007": {},
        frame: {
            f"{frame}/0": box(0, 0, 7, 7) & ~box(2, 2, 5, 5),
            f"{frame}/1": box(1, 9, 4, 13) | box(6, 9, 9, 11),
            f"{frame}/2": NOTHING,
        },
    }


def plittersdorf(folder: Path) -> Truth:
    """A hole written as a further polygon, which is filled; boxes and areas that are wrong."""
    root = folder / "plittersdorf_instance_segmentation_coco"
    parts = [polygon(1, 1, 8, 8), polygon(3, 3, 5, 5)]
    for split in ("train", "val", "test"):
        name = f"{split}_0001.jpg"
        coco_file(root / f"{split}.json", [name], [(1, parts)], area=4, bbox=[0, 0, 1, 1])
        pictures(root / "images", name)
        (root / "images" / f"{split}_0001.exr").write_bytes(b"")
    return {f"{split}/1": {f"{split}/1": box(1, 1, 8, 8)} for split in ("test", "train", "val")}


def egohos(folder: Path) -> Truth:
    train = folder / "egohos/train"
    pictures(train, "image/ego4d_1.jpg", "image/epic_2.jpg")
    save(train / "label/ego4d_1.png", label_map(np.uint8, border=1, two_parts=8))
    save(train / "label/epic_2.png", label_map(np.uint8, hole=3))
    save(train / "contact/ego4d_1.png", label_map(np.uint8, hole=1))
    return {
        "ego4d_1": {"ego4d_1/1": TRUTH["border"], "ego4d_1/8": TRUTH["two_parts"]},
        "epic_2": {"epic_2/3": TRUTH["hole"]},
    }


def ibd(folder: Path) -> Truth:
    """Label images, as one may bring them: nobody knows the format."""
    pictures(folder / "ibd", "images/7.jpg")
    save(folder / "ibd/labels/7.png", label_map(np.uint8, border=1, hole=2))
    return {"7": {"7/1": TRUTH["border"], "7/2": TRUTH["hole"]}}


def woodscape_thing(z_order: int, outline: Any, *tags: str) -> dict[str, Any]:
    return {"id": "same", "tags": list(tags), "z_order": z_order, "segmentation": outline}


def woodscape(folder: Path) -> Truth:
    """The JSON is of half the size; a car covers a person, and all of a sign; two tags at once."""

    def half(*ends: int) -> list[list[float]]:
        return [[x / 2, y / 2] for x, y in corners(*ends)]

    things = [
        woodscape_thing(5, half(0, 0, 5, 8), "car"),
        woodscape_thing(1, half(2, 4, 9, 12), "person"),
        woodscape_thing(0, half(1, 1, 4, 4), "traffic_sign"),
        woodscape_thing(9, half(0, 0, 9, 14), "car", "bus"),
        woodscape_thing(2, [[1, 1], [2, 2]], "pole"),
    ]
    entry = {"image_width": WIDTH / 2, "image_height": HEIGHT / 2, "annotation": things}
    write_json(folder / "woodscape/instance_annotations/00001_FV.json", {"00001_FV.json": entry})
    other = {"image_width": WIDTH, "image_height": HEIGHT, "annotation": []}
    write_json(folder / "woodscape/instance_annotations/00003_MVL.json", {"any": other})
    pictures(folder / "woodscape/rgb_images", "00001_FV.png", "00002_RV.png", "00003_MVL.png")
    masks = {
        "0": box(0, 0, 5, 8),
        "1": box(2, 4, 9, 12) & ~box(0, 0, 5, 8),
        "2": NOTHING,
        "4": NOTHING,
    }
    return {"00001_FV": {f"00001_FV/{key}": mask for key, mask in masks.items()}, "00003_MVL": {}}


def cityscapes(folder: Path) -> Truth:
    """16 bit: road, a car, a group of persons, and the ego vehicle, which doesn't count."""
    stem = "frankfurt_000000_000294"
    labels = label_map(np.uint16, border=7, hole=26001, two_parts=24, one_pixel=1)
    root = folder / "cityscapes"
    save(root / f"gtFine/val/frankfurt/{stem}_gtFine_instanceIds.png", labels)
    save(root / f"gtFine/val/frankfurt/{stem}_gtFine_labelIds.png", labels)
    pictures(root / "leftImg8bit/val/frankfurt", f"{stem}_leftImg8bit.png")
    other = "lindau_000000_000019"
    save(root / f"gtFine/val/lindau/{other}_gtFine_instanceIds.png", label_map(np.uint8, hole=23))
    pictures(root / "leftImg8bit/val/lindau", f"{other}_leftImg8bit.png")
    image = f"frankfurt/{stem}"
    masks = {"7": TRUTH["border"], "24": TRUTH["two_parts"], "26001": TRUTH["hole"]}
    return {
        image: {f"{image}/{key}": mask for key, mask in masks.items()},
        f"lindau/{other}": {f"lindau/{other}/23": TRUTH["hole"]},
    }


def pidray(folder: Path) -> Truth:
    path = folder / "pidray/annotations/xray_test_hard.json"
    coco_file(path, ["xray_hard00001.png"], [(1, compressed(TRUTH["two_parts"]))], iscrowd=0)
    pictures(folder / "pidray/hard", "xray_hard00001.png")
    return {"1": {"1": TRUTH["two_parts"]}}


def dram(folder: Path) -> Truth:
    """A list of names with folders; 255 and values that are no class are ignored."""
    names = ["expressionism/edvard_munch/the sun", "unseen/baroque/a/b"]
    root = folder / "DRAM_500"
    for name in names:
        pictures(root / "test", f"{name}.jpg")
        labels = label_map(np.uint8, border=15, hole=255, two_parts=7, one_pixel=3)
        save(root / f"labels/{name}.png", labels)
    (root / "test/dram_with_unseen.txt").write_text("\n".join(names) + "\n\n")
    return {
        name: {f"{name}/3": TRUTH["one_pixel"], f"{name}/15": TRUTH["border"]} for name in names
    }


def trashcan(folder: Path) -> Truth:
    """A polygon of two points beside one that counts."""
    root = folder / "trashcan/instance_version"
    found = [(1, [[1, 1, 5, 5], polygon(1, 2, 4, 7)]), (1, [[3, 3]])]
    coco_file(root / "instances_train_trashcan.json", ["vid_000003_frame0000012.jpg"], found)
    pictures(root / "train", "vid_000003_frame0000012.jpg")
    return {"1": {"1": box(1, 2, 4, 7), "2": NOTHING}}


def gtea(folder: Path) -> Truth:
    root = folder / "hand2K_dataset/GTEA"
    pictures(root, "Images/1.jpg", "oldImages/1.jpg")
    save(root / "Masks/1.png", label_map(np.uint8, border=1, hole=2, two_parts=3))
    (root / "Annotations").mkdir(exist_ok=True)
    return {"1": {"1/1": TRUTH["border"], "1/2": TRUTH["hole"], "1/3": TRUTH["two_parts"]}}


def sa_1b(folder: Path) -> Truth:
    """Counts as strings; an empty mask."""
    image = {"image_id": 560, "width": WIDTH, "height": HEIGHT, "file_name": "sa_560.jpg"}
    masks = {"7": TRUTH["hole"], "9": TRUTH["none"]}
    annotations = [
        {"id": int(n), "segmentation": compressed(mask), "predicted_iou": 0.9, "area": 3}
        for n, mask in masks.items()
    ]
    write_json(folder / "sa_1b/sa_560.json", {"image": image, "annotations": annotations})
    other = {**image, "image_id": 9, "file_name": "sa_9.jpg"}
    write_json(folder / "sa_1b/sa_9.json", {"image": other, "annotations": []})
    pictures(folder / "sa_1b", "sa_560.jpg", "sa_9.jpg")
    return {"sa_560": {f"sa_560/{key}": mask for key, mask in masks.items()}, "sa_9": {}}


def bsds_people(*segmentations: np.ndarray[Any, Any]) -> dict[str, Any]:
    cells = np.empty((1, len(segmentations)), dtype=object)
    for place, labels in enumerate(segmentations):
        cells[0, place] = {"Segmentation": labels, "Boundaries": labels.astype(np.uint8) * 0}
    return {"groundTruth": cells}


def bsds500(folder: Path) -> Truth:
    """Two people, a Thumbs.db, a picture of another split, one in portrait format."""
    data = folder / "BSR/BSDS500/data"
    one = label_map(np.uint16, hole=1, border=1) + 1
    two = label_map(np.uint16, all=0) + 1
    (data / "groundTruth/test").mkdir(parents=True, exist_ok=True)
    savemat(data / "groundTruth/test/100007.mat", bsds_people(one, two))
    pictures(data / "images", "test/100007.jpg", "train/8049.jpg")
    savemat(data / "groundTruth/test/2018.mat", bsds_people(np.ones((WIDTH, HEIGHT), np.uint16)))
    save(data / "images/test/2018.jpg", picture(WIDTH, HEIGHT))
    (data / "images/test/Thumbs.db").write_bytes(b"")
    both = TRUTH["hole"] | TRUTH["border"]
    masks = {"1/1": ~both, "1/2": both, "2/1": TRUTH["all"]}
    whole = np.ones((WIDTH, HEIGHT), dtype=bool)
    return {
        "2018": {"2018/1/1": whole},
        "100007": {f"100007/{key}": mask for key, mask in masks.items()},
    }


def chase_db1(folder: Path) -> Truth:
    """Both eyes of a child, the second person's mask of one of them missing."""
    root = folder / "CHASEDB1"
    for eye, name in (("01L", "hole"), ("01R", "border")):
        save(root / f"Image_{eye}.jpg", picture())
        save(root / f"Image_{eye}_1stHO.png", TRUTH[name].astype(np.uint8) * 255)
    save(root / "Image_01L_2ndHO.png", TRUTH["all"].astype(np.uint8) * 255)
    return {
        "01/L": {"01/L/Image_01L_1stHO": TRUTH["hole"]},
        "01/R": {"01/R/Image_01R_1stHO": TRUTH["border"]},
    }


def davis_2016(folder: Path) -> Truth:
    """The list names pictures and masks; other videos are there."""
    root = folder / "DAVIS"
    for video in ("blackswan", "bear"):
        pictures(root / "JPEGImages/480p" / video, "00000.jpg")
        save(root / f"Annotations/480p/{video}/00000.png", TRUTH["hole"].astype(np.uint8) * 255)
    line = "/JPEGImages/480p/blackswan/00000.jpg /Annotations/480p/blackswan/00000.png \n"
    (root / "ImageSets/480p").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets/480p/val.txt").write_text(line)
    return {"blackswan/00000": {"blackswan/00000/00000": TRUTH["hole"]}}


def davis_345(folder: Path) -> Truth:
    """Palette pictures: every colour but black is the object."""
    pictures(folder / "ritm/DAVIS/img", "bear_00.jpg")
    in_palette(folder / "ritm/DAVIS/gt/bear_00.png", label_map(int, hole=2, border=5))
    return {"bear_00": {"bear_00/bear_00": TRUTH["hole"] | TRUTH["border"]}}


def grabcut(folder: Path) -> Truth:
    """Pictures of two kinds; 128 is unknown, 64 background."""
    root = folder / "ritm/GrabCut"
    pictures(root / "data_GT", "21077.jpg", "banana1.bmp")
    labels = label_map(np.uint8, hole=255, border=128, two_parts=64)
    for name in ("21077", "banana1"):
        save(root / f"boundary_GT/{name}.bmp", labels)
    return {name: {f"{name}/{name}": TRUTH["hole"]} for name in ("21077", "banana1")}


def berkeley(folder: Path) -> Truth:
    root = folder / "ritm/Berkeley"
    pictures(root / "images", "100007.jpg")
    save(root / "masks/100007.png", np.repeat(label_map(np.uint8, hole=255)[..., None], 3, axis=2))
    return {"100007": {"100007/100007": TRUTH["hole"]}}


def sbd(folder: Path) -> Truth:
    """Only what the list names; two instances of classes 15 and 3."""
    root = folder / "benchmark_RELEASE/dataset"
    (root / "inst").mkdir(parents=True, exist_ok=True)
    labels = label_map(np.uint8, hole=1, two_parts=2)
    truth = {"Segmentation": labels, "Boundaries": [], "Categories": np.uint8([[15], [3]])}
    for name in ("2008_000051", "2008_000002", "2009_000001"):
        savemat(root / f"inst/{name}.mat", {"GTinst": truth})
        pictures(root / "img", f"{name}.jpg")
    (root / "val.txt").write_text("2008_000051\n2009_000001\n")
    return {
        image: {f"{image}/1": TRUTH["hole"], f"{image}/2": TRUTH["two_parts"]}
        for image in ("2008_000051", "2009_000001")
    }


def pascal_voc(folder: Path) -> Truth:
    """A palette with a void of 255; most pictures have no labels."""
    root = folder / "VOCdevkit/VOC2012"
    pictures(root / "JPEGImages", "2007_000033.jpg", "2007_000027.jpg")
    labels = label_map(int, hole=1, border=255, two_parts=2)
    in_palette(root / "SegmentationObject/2007_000033.png", labels)
    (root / "ImageSets/Segmentation").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets/Segmentation/val.txt").write_text("2007_000033\n")
    image = "2007_000033"
    return {image: {f"{image}/1": TRUTH["hole"], f"{image}/2": TRUTH["two_parts"]}}


def hq_set(place: str, images: str, masks: str) -> Callable[[Path], Truth]:
    """One of HQSeg-44K's test sets; soft edges of 128 don't count."""

    def write(folder: Path) -> Truth:
        root = folder / "hqseg44k" / place
        pictures(root / images, "a#1.jpg")
        save(root / masks / "a#1.png", label_map(np.uint8, hole=129, border=128))
        return {"a#1": {"a#1/a#1": TRUTH["hole"]}}

    return write


def open_images_miap(folder: Path) -> Truth:
    """A mask of half the picture's size, one without a MIAP box, one of a cat."""
    root = folder / "open_images"
    people = [("aa", "m01g317", 0.0), ("aa", "m04yx4", 0.25), ("bb", "m01yrx", 0.0)]
    people += [("cc", "m05r655", 0.5)]
    rows = []
    for image_id, label, left in people:
        name = f"{image_id}_{label}_{int(left * 100):08d}.png"
        rows.append([name, image_id, f"/m/{label[1:]}", name[-12:-4], left, left + 0.5, 0, 1])
        small = np.zeros((HEIGHT, WIDTH), dtype=bool)
        small[:, : WIDTH // 2] = True
        save(root / f"test-masks/test-masks-0/{name}", small)
    names = ["MaskPath", "ImageID", "LabelName", "BoxID", "BoxXMin", "BoxXMax", "BoxYMin"]
    write_csv(root / "test-annotations-object-segmentation.csv", [*names, "BoxYMax"], rows)
    names = ["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax"]
    boxes = [
        ["aa", "/m/01g317", 0.004, 0.504, 0, 1, "Predominantly Feminine", "Young"],
        ["aa", "/m/01g317", 0.27, 0.77, 0, 1, "Unknown", "Older"],
        ["cc", "/m/05r655", 0.5, 0.996, 0, 1, "Unknown", "Older"],
        ["cc", "/m/05r655", 0.5, 1, 0, 0.998, "Predominantly Masculine", "Middle"],
    ]
    columns = [*names, "GenderPresentation", "AgePresentation"]
    write_csv(root / "open_images_extended_miap_boxes_test.csv", columns, boxes)
    save(root / "test/aa.jpg", picture(2 * HEIGHT, 2 * WIDTH))
    save(root / "test/bb.jpg", picture())
    save(root / "test/cc.jpg", picture())
    whole = np.zeros((2 * HEIGHT, 2 * WIDTH), dtype=bool)
    whole[:, :WIDTH] = True
    return {
        "aa": {"aa_m01g317_00000000": whole},
        "cc": {"cc_m05r655_00000050": whole[:HEIGHT, :WIDTH] & box(0, 0, HEIGHT, WIDTH // 2)},
    }


def write_csv(path: Path, columns: list[str], rows: list[list[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([columns, *rows])


def saco_gold(name: str, pictures: str) -> Callable[[Path], Truth]:
    """Three people's files of the same pairs, two of each picture; boxes are shares of it."""

    def write(folder: Path) -> Truth:
        root = folder / "sa_co/gold"
        pairs = [
            {"id": 10000002, "file_name": "1/b.jpg", "text_input": "the fish ball"},
            {"id": 10000000, "file_name": "1/a.jpg", "text_input": "chili"},
            {"id": 10000001, "file_name": "1/a.jpg", "text_input": "spoon"},
            {"id": 10000003, "file_name": "1/b.jpg", "text_input": "a bit of rice"},
        ]
        truth: Truth = {"1/b.jpg": {}, "1/a.jpg": {}}
        found = {
            "a": [(10000002, "border"), (10000000, "hole"), (10000000, "one_pixel")],
            "b": [(10000002, "border"), (10000000, "hole")],
            "c": [(10000003, "two_parts"), (10000001, "all")],
        }
        for person, some in found.items():
            images = [
                pair
                | {"width": WIDTH, "height": HEIGHT, "queried_category": "0"}
                | {"is_instance_exhaustive": int(pair["id"] != 10000003 or person != "b")}
                for pair in pairs
            ]
            annotations = [
                {
                    "id": number,
                    "image_id": pair,
                    "source": "manual",
                    "area": 0.002,
                    "bbox": [0.4, 0.0, 0.1, 0.02],
                    "segmentation": compressed(TRUTH[mask]),
                    "category_id": 1,
                    "iscrowd": 0,
                }
                for number, (pair, mask) in enumerate(some, start=1)
            ]
            categories = [{"id": 1, "name": "object"}]
            file = f"gold_{name}_merged_{person}_release_test"
            content = {"images": images, "annotations": annotations, "categories": categories}
            write_json(root / f"{file}.json", content)
        for pair in pairs:
            for person, some in found.items():
                for number, (own, mask) in enumerate(some, start=1):
                    if own == pair["id"]:
                        mask_id = f"gold_{name}_merged_{person}_release_test/{number}"
                        truth[str(pair["file_name"])][mask_id] = TRUTH[mask]
        for picture_name in truth:
            save(root / pictures / picture_name, picture())
        return truth

    return write


THIN = "thin_object_detection"
SA_CO = "metaclip-images"

OFFICIAL: Mapping[str, Callable[[Path], Truth]] = {
    "ade20k": ade20k,
    "bbbc038": bbbc038,
    "berkeley": berkeley,
    "bsds500": bsds500,
    "chase_db1": chase_db1,
    "cityscapes": cityscapes,
    "coco_val2017": coco_val2017,
    "coift": hq_set(f"{THIN}/COIFT", "images", "masks"),
    "davis_2016": davis_2016,
    "davis_345": davis_345,
    "dis_vd": hq_set("DIS5K/DIS-VD", "im", "gt"),
    "doors": doors,
    "dram": dram,
    "egohos": egohos,
    "grabcut": grabcut,
    "gtea": gtea,
    "hrsod": hq_set(f"{THIN}/HRSOD", "images", "masks_max255"),
    "hypersim": hypersim,
    "ibd": ibd,
    "ishape": ishape,
    "lvis_v0_5_val": lvis_v0_5_val,
    "lvis_v1_val": lvis_v1_val,
    "ndd20": ndd20,
    "ndispark": ndispark,
    "open_images_miap": open_images_miap,
    "ovis": ovis,
    "pascal_voc": pascal_voc,
    "pidray": pidray,
    "plittersdorf": plittersdorf,
    "ppdls": ppdls,
    "sa_1b": sa_1b,
    "saco_gold_attributes": saco_gold("attributes", SA_CO),
    "saco_gold_crowded": saco_gold("crowded", SA_CO),
    "saco_gold_food": saco_gold("fg_food", SA_CO),
    "saco_gold_metaclip": saco_gold("metaclip", SA_CO),
    "saco_gold_sa1b": saco_gold("sa1b", "sa1b-images"),
    "saco_gold_sports": saco_gold("fg_sports_equipment", SA_CO),
    "saco_gold_wiki": saco_gold("wiki_common", SA_CO),
    "sbd": sbd,
    "streets": streets,
    "thinobject5k_te": hq_set(f"{THIN}/ThinObject5K", "images_test", "masks_test"),
    "timberseg": timberseg,
    "trashcan": trashcan,
    "visor": visor,
    "woodscape": woodscape,
    "zerowaste_f": zerowaste_f,
}
