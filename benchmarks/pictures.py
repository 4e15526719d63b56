"""Made-up pictures with many objects, as COCO datasets and label images on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.types import Mask


def coco_files(folder: Path, annotations: str = "annotations.json") -> list[str]:
    """The words of ``dataset=coco`` for a file in a folder, its pictures in ``images/``."""
    return [
        f"dataset.args.annotations={folder / annotations}",
        f"dataset.args.images={folder / 'images'}",
    ]


def write_pictures(
    folder: Path, sizes: Sequence[tuple[int, int]], objects: Sequence[int], seed: int = 0
) -> None:
    """Write ``annotations.json`` and ``images/`` with one picture per (H, W) of ``sizes``.

    objects: how many each has, from tiny (radius 4 pixels) to large (a quarter of the short side),
    with ragged outlines and textures of their own; later ones lie on top of earlier ones.
    """
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number, ((height, width), count) in enumerate(zip(sizes, objects, strict=True)):
        rng = np.random.default_rng([seed, number])
        ground = rng.integers(70, 180, (height // 64 + 2, width // 64 + 2, 3)).astype(np.uint8)
        image = cv2.resize(ground, (width, height), interpolation=cv2.INTER_CUBIC)
        around = np.linspace(0, 2 * np.pi, 240, endpoint=False)
        owner = np.zeros((height, width), np.int32)
        radii = np.geomspace(min(height, width) / 8, 4, count)
        for index, radius in enumerate(radii, start=1):
            centre = rng.uniform((radius, radius), (width - radius, height - radius))
            waves = 1 + 0.2 * np.cos(3 * around + index) + 0.1 * np.cos(17 * around)
            rim = centre + radius * waves[:, None] * np.stack(
                [np.cos(around), np.sin(around) * rng.uniform(0.5, 1)], axis=1
            )
            shape = [rim.round().astype(np.int32)]
            cv2.fillPoly(image, shape, [int(v) for v in rng.integers(0, 256, 3)])
            cv2.fillPoly(owner, shape, index)
        noise = rng.normal(0, 8, (height, width, 1)).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
        name = f"{number:03d}.png"
        cv2.imwrite(str(folder / "images" / name), image[..., ::-1])
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for index in range(1, count + 1):
            mask = Mask.from_dense(owner == index)
            if mask.area:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": 1,
                        "iscrowd": 0,
                        "segmentation": {"size": [height, width], "counts": mask.to_rle()},
                    }
                )
    whole = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "thing"}],
    }
    (folder / "annotations.json").write_text(json.dumps(whole))


def write_label_image(folder: Path, side: int, objects: int, seed: int = 0) -> None:
    """Write ``images/0.png`` and ``labels/0.png``: a picture of side × side pixels full of objects.

    Every pixel is of one of about so many objects, whose borders are ragged, numbered in no order.
    """
    rng = np.random.default_rng(seed)
    across = int(np.ceil(np.sqrt(objects)))
    names = rng.permutation(across * across).astype(np.uint16) + 1
    columns = np.arange(side)
    labels = np.zeros((side, side), np.uint16)
    for y in range(side):
        rows, shifted = (
            np.clip(line + rng.integers(-8, 9, side), 0, side - 1) for line in (y, columns)
        )
        labels[y] = names[rows * across // side * across + shifted * across // side]
    for name, pixels in (("images", np.full((side, side, 3), 90, np.uint8)), ("labels", labels)):
        (folder / name).mkdir(parents=True)
        cv2.imwrite(str(folder / name / "0.png"), pixels)


def write_boxes(annotations: Path, boxes: Path, each: int, seed: int = 0) -> None:
    """Write a detector's result file with so many boxes a picture, near its objects or anywhere.

    Boxes hold a pixel of the picture; scores are about the better the nearer.
    """
    content = json.loads(annotations.read_text())
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    own: dict[int, list[list[float]]] = {number: [] for number in sizes}
    for annotation in content["annotations"]:
        x0, y0, x1, y1 = Mask.from_rle(annotation["segmentation"]).box or (0, 0, 0, 0)
        own[annotation["image_id"]].append([x0, y0, x1 + 1 - x0, y1 + 1 - y0])
    rng = np.random.default_rng(seed)
    found = []
    for number, (width, height) in sizes.items():
        for _ in range(each):
            near = bool(own[number]) and rng.random() < 0.6
            if near:
                x, y, w, h = own[number][rng.integers(len(own[number]))]
                w, h = (max(1.0, side * rng.uniform(0.7, 1.3)) for side in (w, h))
                x, y = x + rng.normal(0, 1), y + rng.normal(0, 1)
            else:
                w, h = rng.uniform(2, width), rng.uniform(2, height)
                x, y = rng.uniform(0, width - 1), rng.uniform(0, height - 1)
            box = [round(float(v), 2) for v in (max(x, 0), max(y, 0), w, h)]
            score = round(float(rng.uniform(0.2, 1) if near else rng.uniform(0, 0.6)), 4)
            found.append({"image_id": number, "category_id": 1, "bbox": box, "score": score})
    boxes.write_text(json.dumps([found[place] for place in rng.permutation(len(found))]))
