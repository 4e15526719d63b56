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
