"""COCO results: a JSON list of ``{"image_id", "segmentation", "mask_id", "score", "category"}``.

``segmentation`` is an RLE or polygons; ``mask_id`` names the target. ``id`` is the entry's own
number, which COCO's tools give anew from 1, and names nothing. ``category`` is a name; a number,
``category_id``, is called as ``task.args.categories`` says.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.data.astray import lies_astray
from bench.data.formats.coco_file import box_of
from bench.data.formats.segmentation import decode_segmentation
from bench.data.formats.spellings import Known
from bench.files.documents import parse_json
from bench.tasks.given_masks.predictions import Categories, Given, Predictions, refuse_threshold
from bench.types import BenchError

log = logging.getLogger(__name__)

_LOOKED_AT = 50


def read(
    path: Path,
    image_ids: Sequence[str],
    threshold: int | None = None,
    categories: Categories | None = None,
) -> Predictions:
    """The results of each image; an image without a result is left out.

    Raises ``BenchError`` for the first entry that can't be taken, and says how many there are.
    """
    refuse_threshold(threshold, "coco")
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: not a readable JSON file ({error})") from error
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        content = content["annotations"]
    if not isinstance(content, list):
        raise BenchError(f"{path}: COCO results are a list, found {type(content).__name__}")
    known, found = Known(image_ids), dict[str, list[Given]]()
    wrong: list[BenchError] = []
    for number, entry in enumerate(content):
        try:
            image_id, given = _given(entry, f"{path}: entry {number}", known, categories or {})
        except BenchError as error:
            wrong.append(error)
        else:
            found.setdefault(image_id, []).append(given)
    if len(wrong) > 1:
        raise BenchError(
            f"{wrong[0]}; {len(wrong) - 1} more of {len(content)} entries can't be taken either"
        )
    if wrong:
        raise wrong[0]
    known.say(path)
    _say_astray(path, content)
    return found


def _given(entry: Any, where: str, known: Known, categories: Categories) -> tuple[str, Given]:
    """An entry's image and mask; raises ``BenchError`` for one that can't be taken."""
    if not isinstance(entry, Mapping) or "segmentation" not in entry:
        raise BenchError(f"{where} is no object with a 'segmentation'")
    own_id = _id(entry, "image_id", where)
    image_id = None if own_id is None else known.meant(own_id)
    if image_id is None:
        raise BenchError(
            f"{where}: no image {own_id!r} in the dataset ('image_id'); its ids are such as "
            f"{known.some()}"
        )
    mask_id = _id(entry, "mask_id", where)
    where += f" (image {image_id}{f', mask {mask_id}' if mask_id else ''})"
    return image_id, Given(
        where=where,
        mask=partial(decode_segmentation, entry["segmentation"]),
        names=(mask_id,) if mask_id else (),
        own_number="id" in entry,
        score=_score(entry.get("score"), where),
        **_category(entry, categories, where),
    )


def _say_astray(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Warns where most of the first masks lie elsewhere than the box that their entry gives."""
    seen, astray = 0, []
    for number, entry in enumerate(entries):
        rle, box = entry["segmentation"], box_of(entry.get("bbox"))
        if box is None or not isinstance(rle, Mapping):
            continue
        try:
            mask = decode_segmentation(rle, *rle["size"])
        except (ValueError, KeyError, TypeError):
            continue  # whoever scores it says so
        seen += 1
        astray += [number] if lies_astray(mask, box) else []
        if seen == _LOOKED_AT:
            break
    if 2 * len(astray) > seen:
        log.warning(
            "%s: of the first %d masks %d lie elsewhere than the 'bbox' of their entry, such as "
            "entry %d; run lengths go by columns, and a box is [x, y, width, height]",
            path, seen, len(astray), astray[0],
        )  # fmt: skip


def _id(entry: Mapping[str, Any], key: str, where: str) -> str | None:
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BenchError(f"{where}: {key!r} is a whole number or a text, found {repr(value)[:40]}")
    return str(value)


def _category(entry: Mapping[str, Any], names: Categories, where: str) -> dict[str, Any]:
    name, number = entry.get("category"), entry.get("category_id")
    if name is not None and not isinstance(name, str):
        raise BenchError(f"{where}: 'category' is a name, found {repr(name)[:40]}")
    if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
        raise BenchError(f"{where}: 'category_id' is a whole number, found {repr(number)[:40]}")
    known = names.get(number) if isinstance(number, int) else None
    return {"category": name or known, "value": number}


def _score(value: object, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BenchError(f"{where}: 'score' is a finite number, found {repr(value)[:40]}")
    return float(value)
