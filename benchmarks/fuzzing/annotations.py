"""Fuzzed COCO files and segmentations against the standard parser and a slow RLE decoder."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from bench.data.readers.coco import Coco
from bench.tasks.given_masks.predictions import coco as results
from bench.types import BenchError, Reader, Sample, Site
from fuzzing.mutations import ODD, forged_document, forged_json
from fuzzing.pictures import Judge, Verify, WrongError
from fuzzing.truth import rle_mask

SIZES = ((9, 14), (12, 7))


def _segmentation(rng: random.Random, height: int, width: int) -> Any:
    dense = np.random.default_rng(rng.randrange(2**32)).random((height, width)) < 0.4
    match rng.randrange(3):
        case 0:
            encoded: Any = coco_mask.encode(np.asfortranarray(dense.astype(np.uint8)))
            return {"size": [height, width], "counts": encoded["counts"].decode()}
        case 1:
            flat, counts, value = dense.T.ravel().tolist(), [0], False
            for bit in flat:
                if bit != value:
                    counts, value = [*counts, 0], bit
                counts[-1] += 1
            return {"size": [height, width], "counts": counts}
        case _:
            return [[1, 1, width - 1.5, 2, 3, height - 1], [0, 0, 4, 0, 4, 4, 0, 4.5]]


def coco(rng: random.Random, folder: Path) -> Judge:
    """A COCO file of two pictures, forged or damaged."""
    document: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    document["categories"] = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dög"}]
    for number, (height, width) in enumerate(SIZES):
        file = folder / "images" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((height, width, 3), 40 * number, np.uint8)).save(file)
        document["images"].append(
            {"id": number, "file_name": file.name, "height": height, "width": width}
        )
        for _ in range(2):
            own = {"id": len(document["annotations"]) + 1, "image_id": number, "iscrowd": 0}
            segmentation = _segmentation(rng, height, width)
            more = {"category_id": rng.choice((1, 2)), "segmentation": segmentation}
            document["annotations"].append(own | more | {"attributes": {"age": 3, "kind": "x"}})
    data = forged_json(document, rng)
    (folder / "a.json").write_bytes(data)

    def judge() -> Verify:
        reader = Coco("a.json", "images", site=Site(datasets=folder))
        read, refusals = read_all(reader)
        return lambda: verify(read, refusals)

    def verify(read: dict[str, Sample], refusals: list[BenchError]) -> None:
        try:
            document = json.loads(data, object_pairs_hook=without_twins)
        except json.JSONDecodeError:
            # Numbers of a polygon are parsed when they are used: they refuse their image alone.
            if not refusals:
                raise WrongError("what is no JSON was read") from None
            raise refusals[0] from None
        _judge_rows(document, read)
        if refusals:
            raise refusals[0]

    return judge


def read_all(reader: Reader) -> tuple[dict[str, Sample], list[BenchError]]:
    """The images that can be read, and why the others can't; each has a fingerprint."""
    read: dict[str, Sample] = {}
    refusals = []
    for image_id in reader.ids():
        reader.fingerprint([image_id])
        try:
            read[image_id] = reader.read(image_id)
        except BenchError as error:
            refusals.append(error)
    return read, refusals


def without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON text that was read; raises ``WrongError`` where a key stands twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise WrongError("a key stands twice and one of them was silently taken")
    return found


def _judge_rows(document: dict[str, Any], read: dict[str, Any]) -> None:
    """Each picture that was read has exactly the rows that the document states, rightly typed."""
    names = {c["id"]: c["name"] for c in document.get("categories") or []}
    for image_id, sample in read.items():
        said = [a for a in document["annotations"] if str(a["image_id"]) == image_id]
        if [t.mask_id for t in sample.targets] != [str(a["id"]) for a in said]:
            raise WrongError(f"image {image_id} has other masks than the file says")
        entry = next(i for i in document["images"] if str(i["id"]) == image_id)
        if ".." in entry["file_name"] or entry["file_name"].startswith("/"):
            raise WrongError("a picture outside the folder was read")
        if sample.image.max() != 40 * int(entry["file_name"].split(".")[0]):
            raise WrongError("another picture was read")
        for target, one in zip(sample.targets, said, strict=True):
            for text in (target.mask_id, target.category or "", *target.attributes.values()):
                text.encode()
            crowd = one.get("iscrowd", 0)
            if crowd not in (0, 1) or type(crowd) not in (int, bool) or target.crowd != bool(crowd):
                raise WrongError(f"'iscrowd' {crowd!r} was read as {target.crowd}")
            if names and one.get("category_id") is not None:
                category = str(names[one["category_id"]])  # a number for a name is its text
                if target.category != category or isinstance(one["category_id"], bool | float):
                    raise WrongError(f"category {category!r} was read as {target.category!r}")
            judge_mask(one["segmentation"], target.mask.dense())


def judge_mask(segmentation: Any, found: Any) -> None:
    """Raises ``WrongError`` unless the mask is the segmentation's."""
    height, width = found.shape
    if isinstance(segmentation, dict):
        truth = rle_mask(segmentation["size"], segmentation["counts"])
        if truth is None or truth.shape != found.shape:
            raise WrongError(f"a wrong RLE was read: {str(segmentation)[:90]}")
    elif not segmentation:
        truth = np.zeros(found.shape, bool)
    else:
        for polygon in segmentation:
            if any(type(number) not in (int, float) for number in polygon):
                raise WrongError(f"a polygon of no numbers was read: {str(polygon)[:90]}")
        drawn = [polygon for polygon in segmentation if len(polygon) >= 6]
        truth = np.zeros(found.shape, bool)
        for part in coco_mask.frPyObjects(drawn, height, width) if drawn else []:
            truth |= coco_mask.decode(part).astype(bool)
    if not np.array_equal(truth, found):
        raise WrongError(f"another mask was read: {str(segmentation)[:90]}")


def rle(rng: random.Random, folder: Path) -> Judge:
    """A COCO results file of one segmentation, forged."""
    height, width = rng.choice(SIZES)
    segmentation = _segmentation(rng, height, width)
    match rng.randrange(5):
        case 0 if isinstance(segmentation, dict) and isinstance(segmentation["counts"], str):
            text = list(segmentation["counts"])
            for _ in range(rng.choice((1, 2, 5))):
                place = rng.randrange(len(text))
                text[place : place + rng.randrange(2)] = chr(rng.choice((*range(40, 130), 0, 300)))
            segmentation["counts"] = "".join(text)
        case 1 if isinstance(segmentation, dict):
            wrap = [2**62, 2**62, 2**62, 2**62, height * width]
            segmentation["counts"] = rng.choice(
                (wrap, [0, -1, height * width + 1], [height * width - 5, 5.0], [[height * width]],
                 [True, height * width - 1], "o" * 5_000, "0" * 300_000, ["1"], rng.choice(ODD))
            )  # fmt: skip
        case 2 if isinstance(segmentation, list):
            far = rng.choice((900_000, 1e6, -1e6, 1e300, 5_000))
            segmentation = [[rng.choice((0, 1, far)) for _ in range(rng.choice((6, 60, 4_000)))]]
        case _:
            segmentation = forged_document({"s": segmentation}, rng).get("s")
    (folder / "r.json").write_bytes(
        json.dumps([{"image_id": "a", "segmentation": segmentation}]).encode()
    )

    def judge() -> Verify:
        (given,) = results.read(folder / "r.json", ["a"])["a"]
        try:
            found = given.mask(height, width)
        except ValueError as error:
            raise BenchError(str(error)) from error
        return lambda: judge_mask(segmentation, found.dense())

    return judge
