"""A run's card: its numbers with intervals, and the sums by cluster that they follow from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.selection import select
from bench.analysis.stats import Averages, averages, averages_of_sums
from bench.analysis.stats.intervals import Interval, apart
from bench.files.places import Place
from bench.protocol import AVERAGE
from bench.store.cards import BUCKETS, DIGITS, Card, CardStep, Number, Sums, agree, read_card
from bench.store.runs import RunStore
from bench.types import BenchError


def card_of(store: RunStore) -> Card:
    """The card of a complete run; raises ``BenchError`` for others, and as ``select`` does."""
    selection = select([store])
    (header,) = selection.headers.values()
    rows, leads = selection.rows, selection.leads
    dataset = str((header.get("dataset") or {}).get("name"))
    names = {name: _hashed(dataset, name) for name in rows["cluster"].unique()}
    by_cluster = len(names) <= BUCKETS and len(set(names.values())) == len(names)
    clusters = sorted(names.values()) if by_cluster else None
    place = (
        {name: clusters.index(code) for name, code in names.items()}
        if clusters is not None
        else {name: int(code, 16) % BUCKETS for name, code in names.items()}
    )
    number = BUCKETS if clusters is None else len(clusters)
    at = {label: step for step, label in _labelled(header).items()}
    steps = []
    for label, group in rows.groupby("label", observed=True):
        found = averages(group[leads.name], group["image_id"], group["cluster"], reach=leads.reach)
        codes = group["cluster"].map(place).to_numpy().astype(np.int64)
        sums = _sums(group, leads.name, codes, number)
        step = at.get(str(label), int(group["n_points"].max()) or 1)
        steps.append(CardStep(step, _number(found.masks), _number(found.images), sums))
    return Card(
        shared(header),
        None if clusters is None else tuple(clusters),
        tuple(sorted(steps, key=lambda each: each.step)),
    )


def checked_card(path: Place) -> Card:
    """The card in a file, its intervals too held against its sums where these are by cluster.

    Raises ``BenchError`` naming the file, as ``read_card`` does.
    """
    card = read_card(path)
    for each in card.steps if card.exact else ():
        found = averages_of(card, each)
        for shown, interval in ((each.masks, found.masks), (each.images, found.images)):
            ends = zip((shown.low, shown.high), (interval.low, interval.high), strict=True)
            if not all(_same(one, other) for one, other in ends):
                raise BenchError(
                    f"{path}: this card was changed after it was written: the interval of step "
                    f"{each.step} doesn't follow from its sums; take it from its source again"
                )
    return card


def averages_of(card: Card, step: CardStep) -> Averages:
    """Both averages of a step, from the card's sums: by bucket, where those are by bucket."""
    sums = step.sums
    masks, images = (sums.values, sums.masks), (sums.image_values, sums.images)
    return averages_of_sums(masks, images, reach=card.measure.reach)


def paired(a: Card, step_a: CardStep, b: Card, step_b: CardStep) -> Averages | None:
    """Both averages of ``a`` minus ``b`` on the same masks; none where these aren't the same.

    The means are those of the masks' own differences, exactly. The intervals are, too, where the
    sums are by cluster; by bucket they are those of 100 clusters of images put together by chance.
    """
    left, right = step_a.sums, step_b.sums
    same = left.items == right.items and a.clusters == b.clusters
    if not same or (left.masks, left.images) != (right.masks, right.images):
        return None
    return averages_of_sums(
        (np.subtract(left.values, right.values), left.masks),
        (np.subtract(left.image_values, right.image_values), left.images),
        reach=apart(a.measure.reach),
        lean=False,
    )


def over_images(card: Card) -> bool:
    """Whether the protocol of a card's run counts each image once."""
    said = (card.header.get("protocol") or {}).get("args") or {}
    return AVERAGE.get(str(said.get("average")), False)


def _same(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else agree(one, other)


def _number(found: Interval) -> Number:
    return Number(found.mean, found.low, found.high, found.few)


def _hashed(dataset: str, cluster: object) -> str:
    """8 hexadecimal digits of a cluster's name: equal names give equal ones, none is told."""
    return hashlib.sha256(f"{dataset}\0{cluster}".encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _sums(
    rows: pd.DataFrame, column: str, codes: np.ndarray[Any, np.dtype[np.int64]], number: int
) -> Sums:
    values = rows[column].to_numpy(dtype=np.float64)
    images, first = pd.factorize(rows["image_id"])
    counts = np.bincount(images)
    own = np.bincount(images, weights=values) / counts
    of_image = np.empty(len(first), dtype=np.int64)
    of_image[images] = codes
    ids = sorted(zip(rows["image_id"].astype(str), rows["mask_id"].astype(str), strict=True))
    items = hashlib.sha256("\0".join(f"{i}\0{m}" for i, m in ids).encode("utf-8", "surrogatepass"))
    return Sums(
        items.hexdigest()[:16],
        tuple(np.bincount(of_image, minlength=number).tolist()),
        tuple(np.bincount(codes, minlength=number).tolist()),
        tuple(np.bincount(codes, weights=values, minlength=number).round(DIGITS).tolist()),
        tuple(np.bincount(of_image, weights=own, minlength=number).round(DIGITS).tolist()),
    )


def _labelled(header: Mapping[str, Any]) -> dict[int, str]:
    from bench.analysis.titles import labels_of

    return labels_of({"run": header})["run"]


_COMPONENTS = ("task", "model", "dataset", "prompt", "protocol")
_PLAIN = (
    "schema_version", "name", "key", "seed", "report_steps", "recorded", "status", "images",
    "images_done", "images_failed", "masks", "skipped", "dataset_fingerprint", "device", "facts",
    "versions", "finished",
)  # fmt: skip
_PARTS: Mapping[str, tuple[str, ...]] = {
    "git": ("commit", "dirty"),
    "machine": ("system", "processor"),
}
_PLACE = ("device", "device_name", "image_batch", "cores")
_LATEST = ("images", "answers", "workers", "seconds", "memory")
_ABOUT = ("title", "licence", "license")


def shared(header: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's header is shared: what is named here, paths cut to what they end in."""
    found: dict[str, Any] = {name: header[name] for name in _PLAIN if name in header}
    for kind in _COMPONENTS:
        if isinstance(said := header.get(kind), Mapping):
            about = said.get("about") or {}
            found[kind] = {
                **{key: said[key] for key in ("name", "version", "args") if key in said},
                "about": {key: about[key] for key in _ABOUT if about.get(key)},
            }
        elif kind in header:
            found[kind] = said
    for key, names in _PARTS.items():
        found[key] = {n: (header.get(key) or {}).get(n) for n in names}
    if latest := header.get("latest"):
        place = latest.get("place") or {}
        found["latest"] = {key: latest[key] for key in _LATEST if key in latest}
        found["latest"]["place"] = {key: place[key] for key in _PLACE if key in place}
    if measures := header.get("measures"):
        found["measures"] = measures[:1]
    return {key: _without_paths(value) for key, value in found.items()}


_PATH = re.compile(
    r"(?<![\w}\])./\\*?-])(?:\w[\w+.-]*://|~\w*[/\\]|[A-Za-z]:[/\\]|\\\\|/)[^\s'\",;:]*?([^\s'\",;:/\\]*)"
    r"(?=[/\\]*(?:[\s'\",;:]|$))"
)
"""A path from a disk's root or a home folder, or a URL; what it ends in is its group."""


def _without_paths(value: Any) -> Any:
    r"""Plain values, paths and URLs in their texts cut to what they end in.

    >>> _without_paths(["/home/me/data/cells", r"C:\me\w.pth", "own: ~/w.pth", "s3://mine/a/b"])
    ['cells', 'w.pth', 'own: w.pth', 'b']
    >>> _without_paths(["im/{id}.jpg", "{split}/a/b", "1/2", "**/gt", "a - b"])
    ['im/{id}.jpg', '{split}/a/b', '1/2', '**/gt', 'a - b']
    """
    if isinstance(value, str):
        return _PATH.sub(lambda found: found[1], value)
    if isinstance(value, Mapping):
        return {key: _without_paths(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(each) for each in value]
    return value
