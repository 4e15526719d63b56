"""A run's card: its numbers with intervals, and the sums by cluster that they follow from."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench.analysis.selection import measures_of, none_scored
from bench.analysis.stats import Averages, averages, averages_of_sums
from bench.analysis.stats.intervals import Interval, apart
from bench.analysis.wording.notes import part, unfinished
from bench.analysis.wording.titles import labels_of
from bench.files.places import Place
from bench.store.cards import BUCKETS, DIGITS, Card, CardStep, Number, Sums, agree, read_card
from bench.store.runs import RunStore, read_rows
from bench.types import BenchError

Float64Array: TypeAlias = npt.NDArray[np.float64]
Int64Array: TypeAlias = npt.NDArray[np.int64]


def card_of(store: RunStore) -> Card:
    """The card of a complete run; its numbers are those of the run's own table.

    Raises ``BenchError`` for a run that is unfinished, damaged, or without a row that is measured.
    """
    header, run = store.header(), store.folder.name
    list(unfinished({run: store}, {run: header}, allowed=False, may_be=False))
    leads = measures_of(store, header).leads
    rows = _Rows.of(read_rows(store, [leads.name, "cluster"]), leads.name)
    if not len(rows.values):
        raise BenchError(none_scored(store, header))
    dataset = str(part(header, "dataset").get("name"))
    codes = [_hashed(dataset, name) for name in rows.names]
    by_cluster = len(codes) <= BUCKETS and len(set(codes)) == len(codes)
    clusters = sorted(codes) if by_cluster else None
    at = [int(code, 16) % BUCKETS if clusters is None else clusters.index(code) for code in codes]
    number = BUCKETS if clusters is None else len(clusters)
    last = int(rows.steps.max())
    steps = []
    for step in sorted(labels_of({run: header})[run]) or [last]:
        if not (rows.steps == step).any():
            raise BenchError(f"{store.folder}: no row at step {step}, which it reports")
        there = rows.at(step)
        if len(there.values):
            found = averages(there.values, there.images, there.clusters, reach=leads.reach)
            sums = there.sums(np.array(at), number)
            steps.append(CardStep(step, _number(found.masks), _number(found.images), sums))
    if not steps:
        raise BenchError(f"{store.folder}: {leads.title} applies to none of its rows")
    shared_header = shared(header) | {"name": run}
    return Card(shared_header, None if clusters is None else tuple(clusters), tuple(steps))


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


def _same(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else agree(one, other)


def _number(found: Interval) -> Number:
    return Number(found.mean, found.low, found.high, found.few)


def _hashed(dataset: str, cluster: object) -> str:
    """8 hexadecimal digits of a cluster's name: equal names give equal ones, none is told."""
    return hashlib.sha256(f"{dataset}\0{cluster}".encode("utf-8", "surrogatepass")).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows by image, mask and step: ids, a number of the image and of its cluster, what leads.

    All are (N,) but ``names``, the clusters' by their number, sorted.
    """

    ids: list[tuple[str, str]]
    steps: Int64Array
    values: Float64Array
    images: Int64Array
    clusters: Int64Array
    names: list[str]

    @classmethod
    def of(cls, rows: pa.Table, column: str) -> _Rows:
        known = pc.coalesce(rows["cluster"], rows["image_id"].cast(pa.string())).to_pylist()
        images = [str(each) for each in rows["image_id"].to_pylist()]
        masks = [str(each) for each in rows["mask_id"].to_pylist()]
        clusters, names = pd.factorize(np.array(known, dtype=object), sort=True)
        return cls(
            list(zip(images, masks, strict=True)),
            rows["step"].to_numpy().astype(np.int64),
            rows[column].to_numpy().astype(np.float64),
            pd.factorize(np.array(images, dtype=object))[0].astype(np.int64),
            clusters.astype(np.int64),
            [str(name) for name in names],
        )

    def at(self, step: int) -> _Rows:
        """Each mask's last row up to a step, where it is measured: an earlier one is carried on."""
        so_far = np.flatnonzero(self.steps <= step)
        last = [
            int(here)
            for here, following in itertools.zip_longest(so_far, so_far[1:])
            if following is None or self.ids[here] != self.ids[following]
        ]
        kept = np.array([at for at in last if np.isfinite(self.values[at])], dtype=np.int64)
        ids = [self.ids[at] for at in kept]
        numbers = self.images[kept], self.clusters[kept]
        return _Rows(ids, self.steps[kept], self.values[kept], *numbers, self.names)

    def sums(self, at: Int64Array, number: int) -> Sums:
        """What the rows add up to at each of ``number`` places, the clusters' by ``at``."""
        _, first, images = np.unique(self.images, return_index=True, return_inverse=True)
        own = np.bincount(images, weights=self.values) / np.bincount(images)
        codes = at[self.clusters]
        of_image = codes[first]
        text = "\0".join(f"{image}\0{mask}" for image, mask in self.ids)
        items = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return Sums(
            items,
            tuple(np.bincount(of_image, minlength=number).tolist()),
            tuple(np.bincount(codes, minlength=number).tolist()),
            tuple(np.bincount(codes, self.values, number).round(DIGITS).tolist()),
            tuple(np.bincount(of_image, own, number).round(DIGITS).tolist()),
        )


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
_ABOUT = ("title", "licence", "license", "pipeline")


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
    return {key: without_paths(value) for key, value in found.items()}


_PATH = re.compile(
    r"(?<![\w}\])./\\*?<-])(?:\w[\w+.-]*://|~\w*[/\\]|[A-Za-z]:[/\\]|\\\\|/(?=[^\s/]))[^\s'\",;:]*?([^\s'\",;:/\\]*)"
    r"(?=[/\\]*(?:[\s'\",;:]|$))"
)
"""A path from a disk's root or a home folder, or a URL; what it ends in is its group."""


def without_paths(value: Any) -> Any:
    r"""Plain values, paths and URLs in their texts cut to what they end in.

    >>> without_paths(["/home/me/data/cells", r"C:\me\w.pth", "own: ~/w.pth", "s3://mine/a/b"])
    ['cells', 'w.pth', 'own: w.pth', 'b']
    >>> without_paths(["im/{id}.jpg", "{split}/a/b", "1/2", "**/gt", "a / b"])
    ['im/{id}.jpg', '{split}/a/b', '1/2', '**/gt', 'a / b']
    """
    if isinstance(value, str):
        return _PATH.sub(lambda found: found[1], value)
    if isinstance(value, Mapping):
        return {key: without_paths(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(each) for each in value]
    return value
