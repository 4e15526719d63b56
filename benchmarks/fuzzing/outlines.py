"""Fuzzed files of labelme and YOLO, drawn again as the formats' own tools draw them."""

from __future__ import annotations

import base64
import io
import json
import math
import random
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from bench.data.readers.labelme import Labelme
from bench.data.readers.yolo import Yolo
from bench.types import Sample, Site
from fuzzing.annotations import without_twins
from fuzzing.mutations import damaged, forged_json
from fuzzing.pictures import Judge, Verify, WrongError
from fuzzing.truth import Array, png_values

SIZE = (13, 19)
FAR = (-3, 5_000, 1e6, -1e6, 1e300, 2**40, 0.4999999, 12.5)


def _picture(folder: Path, rng: random.Random) -> tuple[int, int]:
    """Writes a picture, some turned by EXIF; gives its size (H, W) as it is shown."""
    pixels = np.random.default_rng(2).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    exif = Image.Exif()
    turn = rng.choice((1, 1, 3, 6))
    exif[0x0112] = turn
    Image.fromarray(pixels).save(folder / "a.jpg", exif=exif)
    return SIZE if turn < 5 else (SIZE[1], SIZE[0])


def _point(rng: random.Random) -> list[float]:
    return [round(rng.uniform(0, SIZE[1]), 1), round(rng.uniform(0, SIZE[0]), 1)]


def _shape(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(("polygon", "polygon", "rectangle", "circle", "mask", "line", "points", None))
    points = [_point(rng) for _ in range(2 if kind in ("rectangle", "circle", "line") else 5)]
    shape: dict[str, Any] = {
        "label": rng.choice(("cat", "dög")), "points": points, "shape_type": kind,
        "group_id": rng.choice((None, None, 1, "1")), "flags": {"far": rng.random() < 0.5},
        "description": rng.choice(("", "old")),
    }  # fmt: skip
    if kind == "mask":
        x, y, height, width = rng.randrange(8), rng.randrange(5), 4, 6
        bits = np.random.default_rng(rng.randrange(99)).random((height, width)) < 0.6
        out = io.BytesIO()
        Image.fromarray(bits).convert(rng.choice(("1", "L"))).save(out, "PNG")
        shape["points"] = [[x, y], [x + width - 1, y + height - 1]]
        data = out.getvalue() if rng.random() < 0.7 else damaged(out.getvalue(), rng)
        shape["mask"] = base64.b64encode(data).decode()
    if rng.random() < 0.2:
        shape["points"][rng.randrange(len(shape["points"]))][rng.randrange(2)] = rng.choice(FAR)
    return shape


def labelme(rng: random.Random, folder: Path) -> Judge:
    """A picture and its JSON of a few shapes, forged or damaged."""
    height, width = _picture(folder, rng)
    said = rng.choice(((height, width), (height, width), (width, height)))
    document = {
        "version": "5.0", "flags": {}, "imagePath": "a.jpg", "imageData": None,
        "imageHeight": said[0], "imageWidth": said[1],
        "shapes": [_shape(rng) for _ in range(rng.randrange(1, 4))],
    }  # fmt: skip
    data = json.dumps(document).encode() if rng.random() < 0.3 else forged_json(document, rng)
    (folder / "a.json").write_bytes(data)

    def judge() -> Verify:
        reader = Labelme(str(folder), site=Site(datasets=folder))
        reader.fingerprint()
        reader.oddities()
        sample = reader.read("a")
        return lambda: verify(sample)

    def verify(sample: Sample) -> None:
        content = json.loads(data, object_pairs_hook=without_twins)
        if sample.image.shape[:2] != (height, width):
            raise WrongError(f"the picture is read as {sample.image.shape}")
        for side, here in (("imageHeight", height), ("imageWidth", width)):
            if content.get(side) not in (None, 0, "", False, [], {}, here):
                raise WrongError(f"{side} {content[side]!r} was read as {here}")
        objects: dict[Any, list[Any]] = {}
        for place, shape in enumerate(content["shapes"]):
            group = shape.get("group_id")
            key = place if group is None else (shape["label"], repr(group))
            objects.setdefault(key, []).append((place, shape))
        if len(sample.targets) != len(objects):
            raise WrongError(f"{len(sample.targets)} objects of {len(objects)}")
        for target, shapes in zip(sample.targets, objects.values(), strict=True):
            wanted = np.zeros((height, width), bool)
            for _, shape in shapes:
                wanted |= _labelme_mask(shape, height, width)
            place, first = shapes[0]
            if (target.mask_id, target.category) != (f"a/{place}", first["label"]):
                raise WrongError(f"another object: {target.mask_id} {target.category!r}")
            if not np.array_equal(target.mask.dense(), wanted):
                raise WrongError(f"another mask was read: {str(shapes)[:120]}")

    return judge


def _labelme_mask(shape: dict[str, Any], height: int, width: int) -> Array:
    """The mask of a shape as ``labelme.utils.shape_to_mask`` draws it, in the whole picture."""
    kind, points = shape.get("shape_type") or "polygon", shape["points"]
    empty = np.zeros((height, width), bool)
    for point in points:
        if len(point) != 2 or any(type(each) not in (int, float) for each in point):
            raise WrongError(f"points of no numbers were read: {str(points)[:90]}")
    if kind in ("point", "points", "line", "linestrip") or (kind == "polygon" and len(points) < 3):
        return empty
    xy: list[tuple[float, float]] = [(x, y) for x, y in points]
    if kind == "mask":
        stored = png_values(base64.b64decode(shape["mask"]))
        if stored is None:
            raise WrongError("a mask was read that an independent decoder refuses")
        (x0, y0), (x1, y1) = [(int(x), int(y)) for x, y in xy]
        bits = stored[0][..., 0] > 0
        if bits.shape != (y1 - y0 + 1, x1 - x0 + 1) or min(x0, y0) < 0:
            raise WrongError("a mask of another size than its points was read")
        empty[y0 : y1 + 1, x0 : x1 + 1] = bits
        return empty
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    if kind == "rectangle":
        (x0, y0), (x1, y1) = xy
        corners = (min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))
        draw.rectangle(corners, outline=1, fill=1)
    elif kind == "circle":
        (x0, y0), (x1, y1) = xy
        radius = math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)
        around = (x0 - radius, y0 - radius), (x0 + radius, y0 + radius)
        draw.ellipse(around, outline=1, fill=1)
    elif kind == "polygon":
        draw.polygon(xy, outline=1, fill=1)
    else:
        raise WrongError(f"the shape {kind!r} was read")
    return np.asarray(canvas) > 0


WORDS = ("nan", "inf", "-0.0", "1e-3", "1e400", "0x1", "1_0", "\u0663", "0,5", "1.2",
         "-0.2", "1.005",
         "", "a", "\x00", "0.5\x850.5", "0.5\u20280.5", "0.5\x0b0.5", "\xa0", "#",
         "1e308")  # fmt: skip
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def yolo(rng: random.Random, folder: Path) -> Judge:
    """A picture and its text of outlines: odd words, twins, boxes, damaged bytes."""
    height, width = _picture(folder, rng)
    lines = []
    for _ in range(rng.randrange(4)):
        corners = [f"{rng.uniform(0, 1):.{rng.choice((2, 6))}f}" for _ in range(2 * 4)]
        lines.append([str(rng.randrange(3)), *corners])
    if lines:
        line = rng.choice(lines)
        place = rng.randrange(len(line))
        match rng.randrange(7):
            case 0 | 1:
                line[place] = rng.choice(WORDS)
            case 2:
                lines.append(list(line))
            case 3:
                del line[-rng.randrange(1, 5) :]
            case 4:
                line[0] = rng.choice(("-1", "1.0", "1.5", "999999999999", "1e2", "no", ""))
    end = rng.choice(("\n", "\r\n", "\r", " \n", "\n\n"))
    data = end.join(" ".join(line) for line in lines).encode()
    data = rng.choice((b"", b"", b"\xef\xbb\xbf")) + data
    if rng.random() < 0.2:
        data = damaged(data, rng)
    (folder / "a.txt").write_bytes(data)
    names = rng.choice((None, {0: "cat", 1: "dög", 2: "eel"}))

    def judge() -> Verify:
        site = Site(datasets=folder)
        reader = Yolo(str(folder), "{id}.jpg", "{id}.txt", site=site, categories=names)
        reader.oddities()
        sample = reader.read("a")
        return lambda: verify(sample)

    def verify(sample: Sample) -> None:
        found = {}
        for line in dict.fromkeys(data.decode("utf-8-sig").splitlines()):
            words = line.split()
            if not words:
                continue
            if not all(map(NUMBER.fullmatch, words)):
                raise WrongError(f"words that are no numbers were read: {line[:90]!r}")
            kind, *numbers = map(float, words)
            if len(numbers) < 6 or len(numbers) % 2 or kind != int(kind) or kind < 0:
                raise WrongError(f"what is no outline was read: {line[:90]!r}")
            outline = np.array(numbers).reshape(-1, 2)
            if outline.min() < -0.01 or outline.max() > 1.01:
                raise WrongError(f"an outline beyond the picture was read: {line[:90]!r}")
            canvas = np.zeros((height, width), np.uint8)
            cv2.fillPoly(canvas, [(outline * (width, height)).astype(np.int32)], 1)
            category = str(int(kind)) if names is None else names.get(int(kind))
            found[tuple(words)] = category, canvas.astype(bool)
        read = [(target.category, target.mask.dense()) for target in sample.targets]
        if [category for category, _ in read] != [category for category, _ in found.values()]:
            raise WrongError(f"other objects: {[category for category, _ in read]}")
        for (_, dense), (_, wanted) in zip(read, found.values(), strict=True):
            if not np.array_equal(dense, wanted):
                raise WrongError("another mask was read")

    return judge
