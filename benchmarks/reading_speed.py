"""How fast annotation files open and pictures are read, and how much memory that takes.

Writes a COCO-size and an LVIS-size file of polygons into a temporary folder, opens each in a fresh
process, and reads the embedded datasets and what lies in a folder of real data. Prints a Markdown
table::

    python benchmarks/reading_speed.py
    python benchmarks/reading_speed.py --skip-large --data PATH

PATH is a folder with ``nuts/``, ``bbbc038/`` or ``BSR/`` in their official layouts.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.data.readers.bsds import Bsds
from bench.data.readers.coco import Coco
from bench.data.readers.mask_folder import MaskFolder
from bench.data.readers.photos import Photos
from bench.data.readers.shapes import Shapes
from bench.types import Reader, Site

HEIGHT, WIDTH = 480, 640
SMALL = (5_000, 37_000)
LARGE = (100_000, 1_200_000)
POINTS = 45  # corners of a polygon: about 900 bytes an annotation, as in LVIS v1
SECONDS = 10.0  # at most so long for the pictures of a dataset


def write_annotations(path: Path, images: int, annotations: int) -> None:
    """A COCO file of random polygons, written line by line, and its first picture."""
    rng = random.Random(images)
    folder = path.parent / "images"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "0.jpg")
    with path.open("w", encoding="utf-8") as file:
        entries = ",".join(
            json.dumps({"id": n, "file_name": f"{n}.jpg", "height": HEIGHT, "width": WIDTH})
            for n in range(images)
        )
        file.write(f'{{"images":[{entries}],"categories":[{{"id":1,"name":"a"}}],"annotations":[')
        for n in range(annotations):
            x, y = rng.uniform(0, WIDTH - 80), rng.uniform(0, HEIGHT - 80)
            outline = [
                round((x if place % 2 == 0 else y) + rng.uniform(0, 80), 2)
                for place in range(2 * POINTS)
            ]
            entry = {
                "id": n,
                "image_id": n % images,
                "category_id": 1,
                "iscrowd": 0,
                "area": 1234.5,
                "bbox": [x, y, 80.0, 80.0],
                "segmentation": [outline],
            }
            file.write(("," if n else "") + json.dumps(entry))
        file.write("]}")


def open_annotations(path: Path) -> dict[str, float]:
    """Seconds until the ids are known and of one image's masks, and the process' peak memory."""
    start, of_cpu = time.perf_counter(), time.process_time()
    reader = Coco(str(path), str(path.parent / "images"), site=Site())
    ids = reader.ids()
    opened, of_cpu = time.perf_counter() - start, time.process_time() - of_cpu
    start = time.perf_counter()
    masks = len(reader.read(ids[0]).targets)
    return {
        "open": opened,
        "cpu": of_cpu,
        "read": time.perf_counter() - start,
        "masks": masks,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
    }


def measured(path: Path) -> dict[str, float]:
    """``open_annotations`` in a process of its own, so that the peak is the file's alone."""
    command = [sys.executable, __file__, "--open", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def pictures_a_second(reader: Reader) -> tuple[float, float, int]:
    """Pictures and masks a second on one core, and how many pictures were read."""
    start, masks, count = time.perf_counter(), 0, 0
    for image_id in reader.ids():
        masks += len(reader.read(image_id).targets)
        count += 1
        if time.perf_counter() - start > SECONDS:
            break
    seconds = time.perf_counter() - start
    return count / seconds, masks / seconds, count


def readers_of(data: Path | None) -> dict[str, Reader]:
    """The embedded datasets, and those of the folder that are there."""
    found: dict[str, Reader] = {
        "shapes (rendered)": Shapes(200, site=Site()),
        "photos": Photos(site=Site()),
    }
    if data is None:
        return found
    site = Site(datasets=data)
    if (data / "nuts").is_dir():
        found["nuts (COCO polygons, 800×600)"] = Coco(
            "nuts/trainval.json", "nuts/images", site=site
        )
    if (data / "bbbc038").is_dir():
        patterns = "{id}/images/{id}.png", "{id}/masks/*.png"
        found["bbbc038 (a PNG a mask)"] = MaskFolder("bbbc038/stage1_train", *patterns, site=site)
    for folder in ("BSR/BSDS500/data", "bsds500/BSDS500/data"):
        if (data / folder / "images/test").is_dir():
            found["bsds500 (.mat)"] = Bsds(folder, site=site)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help="a folder of real data")
    parser.add_argument("--skip-large", action="store_true", help="without the LVIS-size file")
    options = parser.parse_args(argv)
    if options.open:
        sys.stdout.write(json.dumps(open_annotations(options.open)))
        return
    lines = [
        "| annotation file | size | opens in | of CPU | peak memory | one image |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    sizes: dict[str, tuple[int, int]] = {"COCO": SMALL}
    if not options.skip_large:
        sizes["LVIS"] = LARGE
    for name, (images, polygons) in sizes.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "annotations.json"
            write_annotations(path, images, polygons)
            size, result = path.stat().st_size / 1e6, measured(path)
        lines.append(
            f"| {name}-size: {images:,} images, {polygons:,} polygons | {size:,.0f} MB "
            f"| {result['open']:.1f} s | {result['cpu']:.1f} s | {result['peak']:.2f} GB "
            f"| {1000 * result['read']:.0f} ms, {result['masks']:.0f} masks |"
        )
    lines += ["", "| dataset | pictures read | pictures/s | masks/s |", "|---|--:|--:|--:|"]
    for name, reader in readers_of(options.data).items():
        a_second, masks, count = pictures_a_second(reader)
        lines.append(f"| {name} | {count} | {a_second:.1f} | {masks:.0f} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
