"""Pictures of coloured blocks as a COCO dataset, its categories named by their colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from colour_words import COLOURS
from PIL import Image

Block = tuple[str, tuple[int, int, int, int]]
"""A category, and rows and columns y0, y1, x0, x1 of its block."""

BLOCKS: dict[str, list[Block]] = {
    "a": [("red", (4, 14, 5, 25)), ("red", (20, 40, 30, 60)), ("green", (2, 10, 40, 50))],
    "b": [("red", (3, 9, 3, 9)), ("blue", (12, 25, 2, 20)), ("no colour", (30, 40, 5, 20))],
    "c": [("green", (10, 20, 4, 40)), (" ", (22, 28, 4, 12))],
}
SIZES = {"a": (48, 64), "b": (60, 33), "c": (30, 50)}


def write_blocks(folder: Path, blocks: dict[str, list[Block]] = BLOCKS, thinner: int = 1) -> Path:
    """The dataset; each target is its block without ``thinner`` rows at the top.

    The block of ``no colour`` is painted like the ground.
    """
    (folder / "images").mkdir(parents=True)
    names = list(dict.fromkeys(name for some in blocks.values() for name, _ in some))
    document: dict[str, list[Any]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
    }
    for number, (stem, some) in enumerate(blocks.items()):
        height, width = SIZES[stem]
        pixels = np.full((height, width, 3), 120, np.uint8)
        image = {"id": number, "file_name": f"{stem}.png", "height": height, "width": width}
        document["images"].append(image)
        for name, (y0, y1, x0, x1) in some:
            pixels[y0:y1, x0:x1] = COLOURS.get(name, (120, 120, 120))
            top = y0 + thinner
            corners = [x0, top, x1, top, x1, y1, x0, y1]
            document["annotations"].append(
                {
                    "id": len(document["annotations"]) + 1,
                    "image_id": number,
                    "category_id": names.index(name) + 1,
                    "iscrowd": 0,
                    "segmentation": [corners],
                }
            )
        Image.fromarray(pixels).save(folder / "images" / f"{stem}.png")
    (folder / "annotations.json").write_text(json.dumps(document))
    return folder
