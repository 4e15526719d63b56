"""Makes small datasets with known masks in each format, for the tests of the readers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.data.readers.coco import Coco
from bench.data.readers.coco_panoptic import CocoPanoptic
from bench.data.readers.label_image import LabelImage
from bench.data.readers.labelme import Labelme
from bench.data.readers.mask_folder import MaskFolder
from bench.data.readers.shapes import Shapes
from bench.data.readers.yolo import Yolo
from bench.data.subset import Subset
from bench.types import Reader, Site

Bool = npt.NDArray[np.bool_]

HEIGHT, WIDTH = 9, 14


def _mask(*boxes: tuple[int, int, int, int]) -> Bool:
    """Boxes (row0, column0, row1, column1), the ends excluded; a repeated pixel is cut out."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for row0, column0, row1, column1 in boxes:
        mask[row0:row1, column0:column1] ^= True
    return mask


TRUTH: Mapping[str, Bool] = {
    "border": _mask((0, 10, 5, 14)),
    "hole": _mask((2, 1, 7, 8), (4, 3, 5, 5)),
    "two_parts": _mask((0, 0, 2, 2), (6, 9, 9, 12)),
    "one_pixel": _mask((8, 13, 9, 14)),
    "none": _mask(),
    "all": _mask((0, 0, HEIGHT, WIDTH)),
}


def picture(height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.uint8]:
    """(H, W, 3) in which every pixel differs and no channel is another's."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 10, columns * 10, rows + columns + 100], axis=2).astype(np.uint8)


def save(path: Path, pixels: npt.NDArray[Any], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def runs(mask: Bool) -> list[int]:
    """Run lengths in column-major order, background first, counted one by one."""
    lengths, current = [0], False
    for value in mask.T.ravel().tolist():
        if value != current:
            lengths.append(0)
            current = value
        lengths[-1] += 1
    return lengths


def rle(mask: Bool) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": runs(mask)}


def site(folder: Path) -> Site:
    return Site(datasets=folder)


def write_coco(folder: Path, content: Mapping[str, Any], name: str = "truth.json") -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def coco_content() -> dict[str, Any]:
    """Two pictures, the first with every mask of ``TRUTH``, the second with none."""
    return {
        "images": [
            {"id": 10, "file_name": "sub/a.png", "height": HEIGHT, "width": WIDTH},
            {"id": 2, "file_name": "b.png", "height": 5, "width": 8},
        ],
        "categories": [{"id": 1, "name": "bean"}, {"id": 3, "name": "nut"}],
        "annotations": [
            {
                "id": number,
                "image_id": 10,
                "category_id": 1 if number % 2 else 3,
                "iscrowd": int(name == "all"),
                "segmentation": rle(mask),
                "area": -1,
                "bbox": [0, 0, 0, 0],
            }
            for number, (name, mask) in enumerate(TRUTH.items())
        ],
    }


def write_coco_pictures(folder: Path) -> None:
    save(folder / "images" / "sub" / "a.png", picture())
    save(folder / "images" / "b.png", picture(5, 8))


def write_coco_set(folder: Path) -> None:
    write_coco(folder, coco_content())
    write_coco_pictures(folder)


def open_coco(folder: Path) -> Coco:
    return Coco("truth.json", "images", site=site(folder))


def change_coco(folder: Path) -> None:
    content = coco_content()
    content["annotations"][0]["segmentation"] = rle(TRUTH["hole"])
    write_coco(folder, content)


def write_mask_folder(folder: Path) -> None:
    for image_id in ("x", "10", "9"):
        save(folder / "set" / image_id / "images" / f"{image_id}.png", picture())
        (folder / "set" / image_id / "masks").mkdir(exist_ok=True)
    for name, mask in TRUTH.items():
        save(folder / "set" / "10" / "masks" / f"{name}.png", mask.astype(np.uint8) * 255)


def open_mask_folder(folder: Path) -> MaskFolder:
    return MaskFolder("set", "{id}/images/{id}.png", "{id}/masks/*.png", site=site(folder))


def change_mask_folder(folder: Path) -> None:
    save(folder / "set" / "9" / "masks" / "new.png", TRUTH["hole"].astype(np.uint8))


def write_label_image(folder: Path) -> None:
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint16)
    for value, name in ((300, "border"), (2, "hole"), (7, "two_parts"), (65535, "one_pixel")):
        labels[TRUTH[name]] = value
    save(folder / "set" / "labels" / "a.png", labels)
    save(folder / "set" / "labels" / "b.png", np.zeros((5, 8), dtype=np.uint8))
    save(folder / "set" / "images" / "a.jpg", picture())
    save(folder / "set" / "images" / "b.jpg", picture(5, 8))


def open_label_image(folder: Path) -> LabelImage:
    return LabelImage("set", "images/{id}.jpg", "labels/{id}.png", site=site(folder))


def change_label_image(folder: Path) -> None:
    save(folder / "set" / "labels" / "b.png", picture(5, 8))


def open_shapes(folder: Path) -> Shapes:
    return Shapes(count=3, seed=5, sizes=[[48, 64], [64, 40]], site=site(folder))


def open_subset(folder: Path) -> Subset:
    return Subset(open_mask_folder(folder), ["x", "10"])


def change_subset(folder: Path) -> None:
    save(folder / "set" / "x" / "masks" / "new.png", TRUTH["hole"].astype(np.uint8))


def change_nothing(folder: Path) -> None:
    """Rendered scenes lie nowhere."""


PANOPTIC: Mapping[str, int] = {
    "border": 0x030201,
    "hole": 0x0000FF,
    "two_parts": 0x00FF00,
    "one_pixel": 0xFF0000,
    "none": 0x0A0000,
}
"""Ids of segments: of every channel, and one that no pixel has."""


def panoptic_colours() -> npt.NDArray[np.uint8]:
    """(H, W, 3): the colour of each segment of ``PANOPTIC``; a few pixels are void."""
    colours = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    for name, own in PANOPTIC.items():
        colours[TRUTH[name]] = (own & 255, own >> 8 & 255, own >> 16)
    return colours


def panoptic_content() -> dict[str, Any]:
    """Two annotated pictures, of five segments and of one."""

    def info(name: str, own: int, number: int) -> dict[str, Any]:
        rows, columns = np.nonzero(TRUTH[name])
        box = [0, 0, 0, 0]
        if rows.size:
            x, y = int(columns.min()), int(rows.min())
            box = [x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1]
        return {
            "id": own,
            "category_id": 1 if number % 2 == 0 else 3,
            "iscrowd": int(name == "two_parts"),
            "area": int(rows.size),
            "bbox": box,
        }

    first = [info(name, own, number) for number, (name, own) in enumerate(PANOPTIC.items())]
    second = {"id": 7, "category_id": 1, "iscrowd": 0, "area": 4, "bbox": [1, 1, 2, 2]}
    return {
        "images": [{"id": 10, "file_name": "sub/a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [
            {"id": 1, "name": "person", "isthing": 1, "color": [220, 20, 60]},
            {"id": 3, "name": "sky", "isthing": 0, "color": [70, 130, 180]},
        ],
        "annotations": [
            {"image_id": 10, "file_name": "a.png", "segments_info": first},
            {"image_id": 2, "file_name": "b.png", "segments_info": [second]},
        ],
    }


def write_coco_panoptic(folder: Path) -> None:
    write_coco_pictures(folder)
    save(folder / "segments" / "a.png", panoptic_colours())
    small = np.zeros((5, 8, 3), dtype=np.uint8)
    small[1:3, 1:3] = (7, 0, 0)
    save(folder / "segments" / "b.png", small)
    write_coco(folder, panoptic_content(), "panoptic.json")


def open_coco_panoptic(folder: Path, **options: Any) -> CocoPanoptic:
    return CocoPanoptic("panoptic.json", "images", "segments", site=site(folder), **options)


def change_coco_panoptic(folder: Path) -> None:
    content = panoptic_content()
    content["annotations"][0]["segments_info"][0]["iscrowd"] = 1
    write_coco(folder, content, "panoptic.json")


def labelme_content(*points: list[list[float]]) -> dict[str, Any]:
    """Polygons of a label each, as labelme writes them."""
    shapes = [
        {"label": f"n{n}", "points": each, "group_id": None, "shape_type": "polygon", "flags": {}}
        for n, each in enumerate(points)
    ]
    return {"version": "5.4.1", "flags": {}, "shapes": shapes, "imageData": None}


def write_labelme(folder: Path) -> None:
    save(folder / "set" / "a.jpg", picture())
    save(folder / "set" / "b.png", picture(5, 8))
    square, everywhere = [[1, 1], [5, 1], [5, 4]], [[-3, -3], [20, -3], [20, 20], [-3, 20]]
    text = json.dumps(labelme_content(square, everywhere, [[2, 2]]))
    (folder / "set" / "a.json").write_text(text)
    (folder / "set" / "b.json").write_text(json.dumps(labelme_content()))


def open_labelme(folder: Path) -> Labelme:
    return Labelme("set", "{id}.*", site=site(folder))


def change_labelme(folder: Path) -> None:
    (folder / "set" / "b.json").write_text(json.dumps(labelme_content([[0, 0], [1, 0], [1, 1]])))


def write_yolo(folder: Path) -> None:
    save(folder / "set" / "images" / "a.jpg", picture())
    save(folder / "set" / "images" / "b.png", picture(5, 8))
    save(folder / "set" / "images" / "10.png", picture(5, 8))
    (folder / "set" / "labels").mkdir(exist_ok=True)
    text = "0 0.1 0.1 0.6 0.1 0.6 0.6\n1 0 0 1 0 1 1 0 1\n"
    (folder / "set" / "labels" / "a.txt").write_text(text)
    (folder / "set" / "labels" / "b.txt").write_text("\n")


def open_yolo(folder: Path, **options: Any) -> Yolo:
    return Yolo("set", site=site(folder), **options)


def change_yolo(folder: Path) -> None:
    (folder / "set" / "labels" / "10.txt").write_text("0 0 0 1 0 1 1")


@dataclass(frozen=True)
class Kind:
    """How a reader's data are written and changed below a folder, and how it is opened on them."""

    write: Callable[[Path], None]
    change: Callable[[Path], None]
    open: Callable[[Path], Reader]

    def make(self, folder: Path) -> Reader:
        self.write(folder)
        return self.open(folder)


KINDS: Mapping[str, Kind] = {
    "Coco": Kind(write_coco_set, change_coco, open_coco),
    "CocoPanoptic": Kind(write_coco_panoptic, change_coco_panoptic, open_coco_panoptic),
    "Labelme": Kind(write_labelme, change_labelme, open_labelme),
    "MaskFolder": Kind(write_mask_folder, change_mask_folder, open_mask_folder),
    "LabelImage": Kind(write_label_image, change_label_image, open_label_image),
    "Yolo": Kind(write_yolo, change_yolo, open_yolo),
    "Subset": Kind(write_mask_folder, change_subset, open_subset),
    "Shapes": Kind(change_nothing, change_nothing, open_shapes),
}
