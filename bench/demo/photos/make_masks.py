"""Draws the masks of the photo set from the hand-made seeds and writes ``annotations.json``.

``seeds.json`` holds, per picture, what a person saw: outlines worked out by looking at enlarged
pictures. This script turns them into masks and needs no model and no random number, so it gives
the same masks every time::

    python -m bench.demo.photos.make_masks                 # rewrites annotations.json
    python -m bench.demo.photos.make_masks --overlay DIR   # draws the outlines, to look at

An outline is one of ``ellipse`` [x, y, rx, ry, degrees], ``polygon`` "x,y x,y …" (straight sides),
``curve`` "x,y x,y …" (a closed smooth curve through the points) or ``mask`` (the name of a mask
made earlier in the same picture). ``snap`` lets a closed outline move that many pixels along its
normal to the strongest edge nearby; ``side`` says whether the "bright" or the "dark" side of the
edge is inside. A mask is the union of its ``add`` outlines without its ``cut`` outlines; a
``hidden`` one only serves to make others. (0, 0) is the centre of the top left pixel.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as coco_mask

from bench.demo.photos import ANNOTATIONS, installed_pictures

Bool = npt.NDArray[np.bool_]
Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]

SEEDS = Path(__file__).with_name("seeds.json")
SUBPIXEL = 2  # positions per pixel that a snapped point may take
STRAIGHTEN = 0.7  # pixels by which a snapped outline is smoothed
SIDES = {"bright": -1.0, "dark": 1.0, "any": 0.0}  # sign of the step from inside to outside


def read_seeds() -> dict[str, Any]:
    """The hand-made seeds: ``info``, and ``pictures`` by file name."""
    seeds: dict[str, Any] = json.loads(SEEDS.read_text(encoding="utf-8"))
    return seeds


def read_picture(path: Path) -> UInt8:
    """The (H, W, 3) RGB picture."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def parse_points(text: str) -> Float:
    """(N, 2) float64 points (x, y) from "x,y x,y …"."""
    return np.array([[float(v) for v in pair.split(",")] for pair in text.split()])


def smooth_curve(points: Float, per_side: int = 16) -> Float:
    """A closed centripetal Catmull-Rom curve through (N, 2) points, as (N * per_side, 2)."""
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    steps = np.sqrt(np.maximum(np.linalg.norm(after - points, axis=1), 1e-9))[:, None]
    steps_before, steps_after = np.roll(steps, 1, axis=0), np.roll(steps, -1, axis=0)
    two_on = np.roll(points, -2, axis=0)
    # tangents of the centripetal form (Yuksel et al. 2011), for the cubic Hermite basis
    leave = (points - before) / steps_before - (after - before) / (steps_before + steps)
    leave = steps * (leave + (after - points) / steps)
    arrive = (after - points) / steps - (two_on - points) / (steps + steps_after)
    arrive = steps * (arrive + (two_on - after) / steps_after)
    t = (np.arange(per_side) / per_side)[None, :, None]
    start, end = points[:, None], after[:, None]
    curve = (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * leave[:, None]
        + (3 * t**2 - 2 * t**3) * end
        + (t**3 - t**2) * arrive[:, None]
    )
    return np.asarray(curve.reshape(-1, 2), dtype=np.float64)


def ellipse_points(x: float, y: float, rx: float, ry: float, degrees: float) -> Float:
    """180 points on an ellipse; ``degrees`` turns its first axis from x towards y."""
    turn, angle = np.deg2rad(degrees), np.linspace(0, 2 * np.pi, 180, endpoint=False)
    across, along = rx * np.cos(angle), ry * np.sin(angle)
    points = [
        x + across * np.cos(turn) - along * np.sin(turn),
        y + across * np.sin(turn) + along * np.cos(turn),
    ]
    return np.stack(points, axis=1)


def even_points(points: Float, spacing: float = 1.0) -> Float:
    """The closed outline walked at equal steps of about ``spacing`` pixels."""
    closed = np.vstack([points, points[:1]])
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, walked[-1], max(8, round(walked[-1] / spacing)), endpoint=False)
    return np.stack([np.interp(at, walked, closed[:, axis]) for axis in (0, 1)], axis=1)


def sample(channel: Float, points: Float) -> Float:
    """Bilinear values of an (H, W) channel at (..., 2) points (x, y), clamped to the border."""
    height, width = channel.shape
    x, y = np.clip(points[..., 0], 0, width - 1), np.clip(points[..., 1], 0, height - 1)
    left = np.minimum(x.astype(int), width - 2)
    top = np.minimum(y.astype(int), height - 2)
    fx, fy = x - left, y - top
    upper = channel[top, left] * (1 - fx) + channel[top, left + 1] * fx
    lower = channel[top + 1, left] * (1 - fx) + channel[top + 1, left + 1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy, dtype=np.float64)


def best_offsets(score: Int, stiffness: int) -> Int:
    """Per point of a closed outline the offset index with the largest total score.

    ``score`` is (N, K). Neighbouring points may differ by one index, which costs ``stiffness``.
    The outline is walked twice and the second lap kept, so that its two ends meet.
    """
    laps = np.concatenate([score, score, score])
    total, back = laps[0].copy(), np.zeros(laps.shape, dtype=np.int64)
    worst = np.iinfo(np.int64).min // 4
    for i in range(1, len(laps)):
        padded = np.concatenate([[worst], total, [worst]])
        choices = np.stack([padded[1:-1], padded[:-2] - stiffness, padded[2:] - stiffness])
        pick = np.argmax(choices, axis=0)
        back[i] = np.arange(total.size) + np.array([0, -1, 1])[pick]
        total = np.take_along_axis(choices, pick[None], axis=0)[0] + laps[i]
    path = np.zeros(len(laps), dtype=np.int64)
    path[-1] = int(np.argmax(total))
    for i in range(len(laps) - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path[len(score) : 2 * len(score)]


def snap_outline(picture: UInt8, points: Float, band: float, side: str) -> Float:
    """The outline moved along its normals, by at most ``band`` pixels, onto the best edge.

    ``side`` says whether the inside is the "bright" or the "dark" one, or "any".
    """
    points = even_points(points)
    ahead, behind = np.roll(points, -2, axis=0), np.roll(points, 2, axis=0)
    tangent = (ahead - behind) / np.maximum(np.linalg.norm(ahead - behind, axis=1), 1e-9)[:, None]
    edges = np.diff(np.vstack([points, points[:1]]), axis=0)
    clockwise = np.sign(np.sum(points[:, 0] * edges[:, 1] - points[:, 1] * edges[:, 0])) or 1.0
    outward = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1) * clockwise
    reach = round(band * SUBPIXEL)
    shifts = np.arange(-reach, reach + 1) / SUBPIXEL
    at = points[:, None] + shifts[None, :, None] * outward[:, None]
    strength = np.zeros(at.shape[:2])
    lab = cv2.cvtColor(cv2.GaussianBlur(picture, (3, 3), 0), cv2.COLOR_RGB2LAB).astype(np.float64)
    for channel in range(3):
        outside = sample(lab[..., channel], at + outward[:, None])
        inside = sample(lab[..., channel], at - outward[:, None])
        step = outside - inside
        if SIDES[side] and channel == 0:
            step = np.maximum(step * SIDES[side], 0)
        elif SIDES[side]:
            step = step * 0.5
        strength += step**2
    score = np.rint(np.sqrt(strength) * 16).astype(np.int64)
    score -= np.rint(np.abs(shifts) * 8).astype(np.int64)  # of two equal edges, the seed's own
    offsets = shifts[best_offsets(score, stiffness=48)]
    weights = np.exp(-0.5 * (np.arange(-3, 4) / (2 * STRAIGHTEN)) ** 2)
    padded = np.concatenate([offsets[-3:], offsets, offsets[:3]])
    offsets = np.convolve(padded, weights / weights.sum(), mode="valid")
    return np.asarray(points + offsets[:, None] * outward, dtype=np.float64)


def fill(points: Float, size: tuple[int, int]) -> Bool:
    """The (H, W) pixels whose centres lie inside a closed outline (even-odd rule)."""
    height, width = size
    inside = np.zeros(size, dtype=bool)
    columns = np.arange(width)
    # moved by less than any drawing accuracy, so that no pixel centre is exactly on a corner
    x, y = points[:, 0] + 1e-6, points[:, 1] + 1e-6
    for x0, y0, x1, y1 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        low, high = (y0, y1) if y0 < y1 else (y1, y0)
        for row in range(max(0, int(np.ceil(low))), min(height, int(np.ceil(high)))):
            crossing = x0 + (row - y0) * (x1 - x0) / (y1 - y0)
            inside[row] ^= columns >= crossing
    return inside


def draw_outline(outline: Mapping[str, Any], picture: UInt8, done: Mapping[str, Bool]) -> Bool:
    """One outline of ``seeds.json`` as an (H, W) mask."""
    if "mask" in outline:
        return done[outline["mask"]]
    if "ellipse" in outline:
        points = ellipse_points(*outline["ellipse"])
    elif "curve" in outline:
        points = smooth_curve(parse_points(outline["curve"]))
    else:
        points = parse_points(outline["polygon"])
    if outline.get("snap"):
        points = snap_outline(picture, points, outline["snap"], outline.get("side", "any"))
    return fill(points, picture.shape[:2])


def draw_masks(picture: UInt8, shapes: Mapping[str, Any]) -> dict[str, Bool]:
    """The masks of one picture, name → (H, W) bool, in the order of the seeds."""
    done: dict[str, Bool] = {}
    for name, shape in shapes.items():
        mask = np.zeros(picture.shape[:2], dtype=bool)
        for outline in shape["add"]:
            mask |= draw_outline(outline, picture, done)
        for outline in shape.get("cut", []):
            mask &= ~draw_outline(outline, picture, done)
        done[name] = mask
    return {name: mask for name, mask in done.items() if not shapes[name].get("hidden")}


def annotate(mask: Bool) -> dict[str, Any]:
    """Area, box [x, y, width, height] and compressed RLE of an (H, W) mask, as COCO writes them."""
    rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    counts = rle["counts"]
    return {
        "area": int(mask.sum()),
        "bbox": [float(value) for value in coco_mask.toBbox(rle)],
        "segmentation": {
            "size": list(mask.shape),
            "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts,
        },
    }


def build_annotations(seeds: Mapping[str, Any], pictures: Path) -> dict[str, Any]:
    """The whole COCO file, from the seeds and the folder of pictures.

    An annotation's id is its picture's id times 1000 plus its place, so that a mask added to one
    picture leaves the others' ids alone.
    """
    shapes = [shape for seed in seeds["pictures"].values() for shape in seed["masks"].values()]
    names = sorted({shape["category"] for shape in shapes if not shape.get("hidden")})
    category_ids = {name: number for number, name in enumerate(names, start=1)}
    images, annotations = [], []
    for file_name, seed in seeds["pictures"].items():
        path = pictures / file_name
        picture = read_picture(path)
        height, width = picture.shape[:2]
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        image = {"id": seed["id"], "file_name": file_name, "width": width, "height": height}
        stated = {key: seed[key] for key in ("title", "credit", "licence")}
        images.append({**image, "sha256": sha256, **stated})
        masks = draw_masks(picture, seed["masks"])
        for place, (name, mask) in enumerate(masks.items(), start=1):
            annotations.append(
                {
                    "id": seed["id"] * 1000 + place,
                    "image_id": seed["id"],
                    "category_id": category_ids[seed["masks"][name]["category"]],
                    "iscrowd": 0,
                    **annotate(mask),
                    "attributes": {"name": name},
                }
            )
    return {
        "info": seeds["info"],
        "images": images,
        "categories": [{"id": number, "name": name} for name, number in category_ids.items()],
        "annotations": annotations,
    }


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """One line per image, category and annotation, so that a changed mask is a changed line."""
    blocks = []
    for key, value in content.items():
        if isinstance(value, list):
            lines = ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in value)
            blocks.append(f"{json.dumps(key)}: [\n{lines}\n ]")
        else:
            blocks.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    path.write_text("{\n " + ",\n ".join(blocks) + "\n}\n", encoding="utf-8")


def write_overlays(seeds: Mapping[str, Any], pictures: Path, folder: Path, scale: int = 3) -> None:
    """Each picture, enlarged, with the outline of every mask, as PNG in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = [(0, 255, 0), (255, 0, 255), (0, 255, 255), (255, 128, 0), (255, 255, 0)]
    for file_name, seed in seeds["pictures"].items():
        picture = read_picture(pictures / file_name)
        size = (picture.shape[1] * scale, picture.shape[0] * scale)
        canvas = cv2.resize(picture[..., ::-1], size, interpolation=cv2.INTER_CUBIC)
        for number, mask in enumerate(draw_masks(picture, seed["masks"]).values()):
            large = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            lines, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(canvas, lines, -1, colours[number % len(colours)], 1)
        cv2.imwrite(str(folder / Path(file_name).with_suffix(".png").name), canvas)


def main() -> None:
    """Rewrites ``annotations.json``, or draws the overlays."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--overlay", type=Path, metavar="DIR", help="write pictures to look at")
    folder: Path | None = parser.parse_args().overlay
    if folder:
        write_overlays(read_seeds(), installed_pictures(), folder)
    else:
        write_json(build_annotations(read_seeds(), installed_pictures()), ANNOTATIONS)


if __name__ == "__main__":
    main()
