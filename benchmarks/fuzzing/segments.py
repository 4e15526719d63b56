"""Fuzzed files of COCO's panoptic format against an own PNG decoder and the JSON as it stands."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.data.readers.coco_panoptic import CocoPanoptic
from bench.types import BenchError, Sample, Site
from fuzzing.annotations import read_all, without_twins
from fuzzing.mutations import damaged, forged_json, forged_png
from fuzzing.pictures import Judge, Verify, WrongError
from fuzzing.truth import png_values

SIZE = (12, 18)


def panoptic(rng: random.Random, folder: Path) -> Judge:
    """Two pictures, their PNGs of segments and the JSON; one of them forged or damaged."""
    document: dict[str, Any] = {
        "images": [], "annotations": [],
        "categories": [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "sky",
                                                               "isthing": 0}],
    }  # fmt: skip
    for name in ("images", "segments"):
        (folder / name).mkdir()
    for number in range(2):
        own = rng.sample((1, 2, 255, 256, 65_536, 2**24 - 1, 70_000), 3)
        ids = np.zeros(SIZE, np.int64)
        for one in own:
            y, x = rng.randrange(SIZE[0]), rng.randrange(SIZE[1])
            ids[y : y + 6, x : x + 7] = one
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65_536], -1).astype(np.uint8)
        mode = rng.choice(("RGB", "RGB", "RGBA", "P", "L", "I;16"))
        out = io.BytesIO()
        _as(colours, mode).save(out, "PNG")
        data = out.getvalue()
        match rng.randrange(6):
            case 0:
                data = damaged(data, rng)
            case 1:
                data = forged_png(data, rng)
        (folder / "segments" / f"{number}.png").write_bytes(data)
        pixels = np.full((*SIZE, 3), 60 * number, np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.jpg")
        document["images"].append({"id": number, "file_name": f"{number}.jpg"})
        infos = [{"id": one, "category_id": rng.choice((1, 2)), "area": 9, "iscrowd": 0}
                 for one in own]  # fmt: skip
        document["annotations"].append(
            {"image_id": number, "file_name": f"{number}.png", "segments_info": infos}
        )
    text = json.dumps(document).encode() if rng.random() < 0.4 else forged_json(document, rng)
    (folder / "a.json").write_bytes(text)
    void = rng.choice(("ignore", "background"))

    def judge() -> Verify:
        reader = CocoPanoptic("a.json", "images", "segments", site=Site(datasets=folder), void=void)
        reader.oddities()
        read, refusals = read_all(reader)
        return lambda: verify(read, refusals)

    def verify(read: dict[str, Sample], refusals: list[BenchError]) -> None:
        content = json.loads(text, object_pairs_hook=without_twins)
        for image_id, sample in read.items():
            _judge_sample(folder, content, image_id, sample, void)
        if refusals:
            raise refusals[0]

    return judge


def _as(colours: Any, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(colours[..., 0].astype(np.uint16))
    image = Image.fromarray(colours)
    return image.quantize(8) if mode == "P" else image.convert(mode)


def _judge_sample(folder: Path, content: Any, image_id: str, sample: Sample, void: str) -> None:
    """The picture has exactly the segments that its PNG and the JSON state."""
    (entry,) = [one for one in content["annotations"] if str(one["image_id"]) == image_id]
    (image,) = [one for one in content["images"] if str(one["id"]) == image_id]
    for name in (entry["file_name"], image["file_name"]):
        if ".." in Path(name).parts or name.startswith("/"):
            raise WrongError("a file outside the folder was read")
    if abs(int(sample.image.mean()) - 60 * int(image["file_name"].split(".")[0])) > 3:
        raise WrongError("another picture was read")
    stored = png_values((folder / "segments" / entry["file_name"]).read_bytes())
    if stored is None or stored[1] not in (2, 6) or stored[0].max(initial=0) > 255:
        raise WrongError("segments were read that an independent decoder refuses")
    red, green, blue = np.moveaxis(stored[0][..., :3], -1, 0)
    ids = red + 256 * green + 65_536 * blue
    kinds = {one["id"]: one for one in content["categories"]}
    infos = entry["segments_info"]
    if [t.mask_id for t in sample.targets] != [f"{image_id}/{one['id']}" for one in infos]:
        raise WrongError(f"other segments: {[t.mask_id for t in sample.targets]}")
    if missing := set(np.unique(ids).tolist()) - {0} - {one["id"] for one in infos}:
        raise WrongError(f"segments {missing} of the PNG are left out")
    for target, info in zip(sample.targets, infos, strict=True):
        category = kinds[info["category_id"]]
        thing = "thing" if category["isthing"] == 1 else "stuff"
        if (target.category, target.attributes["kind"]) != (str(category["name"]), thing):
            raise WrongError(f"another category: {target.category!r}")
        if isinstance(category["isthing"], str) or target.crowd != bool(info.get("iscrowd", 0)):
            raise WrongError(f"another kind of segment: {str(info)[:90]}")
        if not np.array_equal(target.mask.dense(), ids == info["id"]):
            raise WrongError(f"another mask: {info['id']}")
    left = None if sample.ignore is None else np.asarray(sample.ignore)
    if void == "ignore" and not np.array_equal(left, ids == 0):
        raise WrongError("pixels of no segment are not left out")
