"""Opens datasets: for a run as the configuration says, and again for the pictures of finished runs.

Every reader is opened here, so that what holds for all of them stands in one place: a subset of
the images (``subsample``, ``manifest``) is asked for with two arguments that no reader knows of,
and what would change a number without a word is refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from os.path import isfile
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from bench.config.component import Component, load_class
from bench.data import readers
from bench.data.abilities import NamesPictures
from bench.data.manifest import Manifest, load_manifest, save_manifest
from bench.data.subset import Subsample, Subset, check_manifest, draw
from bench.files.places import local_path
from bench.files.there import kind_of
from bench.types import BenchError, Reader, Sample, Site
from bench.types.errors import disk_complaint, fault_of_theirs


class Run(Protocol):
    """A run as far as its data can be opened again: its folder, and what its header says."""

    @property
    def folder(self) -> object:
        """Where it lies."""

    def header(self) -> Mapping[str, Any]:
        """What ``run.json`` says."""


ReadSample: TypeAlias = Callable[[Run, str], Sample]

log = logging.getLogger(__name__)

_SUBSET = ("subsample", "manifest")
"""The arguments of a dataset that are no reader's."""


def open_dataset(
    dataset: Component,
    site: Site,
    allow_modules: Sequence[str] = (),
    *,
    manifests: Path | None = None,
) -> Reader:
    """The dataset's reader, of the subset that its arguments ask for.

    Beside the reader's own arguments there may be ``subsample`` (``bench.data.subset``) or
    ``manifest``, a file (``bench.data.manifest``). What a draw chose is kept in the folder
    ``manifests``, where it is found again by the next run on the same data.

    Raises ``BenchError`` where data is missing: also where a picture isn't there that annotations
    name, where there are not as many images as ``about.expected`` says, and where the data isn't
    that of the manifest.
    """
    _subset(dataset, site)  # what is wrong in the words is said before anything is opened
    whole = open_whole(dataset, site, allow_modules)
    return chosen_images(dataset, whole, site, manifests=manifests)


def chosen_images(
    dataset: Component, whole: Reader, site: Site, *, manifests: Path | None = None
) -> Reader:
    """What ``open_dataset`` gives, where ``whole`` is open already."""
    rule, path = _subset(dataset, site)
    if path is not None:
        reader: Reader = _named(path, load_manifest(path), dataset, whole)
    else:
        _refuse_other_number(dataset, whole)
        reader = whole if rule is None else _drawn(dataset, whole, rule, manifests)
    _refuse_missing(dataset, reader)
    return reader


def open_whole(dataset: Component, site: Site, allow_modules: Sequence[str] = ()) -> Reader:
    """The dataset's reader, of all images, whatever subset is asked for.

    Raises ``BenchError`` where the data is missing, or the class lies outside the bench and its
    module isn't among ``allow_modules``.
    """
    part = replace(dataset, args=reader_args(dataset))
    made = load_class(part, readers, allow_modules, Reader)
    try:
        reader: Reader = made(**part.args, site=site)
    except OSError as error:
        if fault_of_theirs(error) is not None:
            raise
        raise BenchError(f"{dataset.name}: {disk_complaint(error)}") from error
    return reader


def reader_args(dataset: Component) -> dict[str, Any]:
    """The dataset's arguments that are its reader's: those of a subset left out."""
    return {name: value for name, value in dataset.args.items() if name not in _SUBSET}


def pin_dataset(dataset: Component, site: Site) -> Component:
    """The dataset as it enters the run key: the manifest replaced by the hash of what it names.

    A rule is written out, an argument that asks for nothing left out. Raises ``BenchError`` for a
    missing manifest and a rule that is none.
    """
    rule, path = _subset(dataset, site)
    args = reader_args(dataset)
    if rule is not None:
        args["subsample"] = asdict(rule)
    if path is not None:
        args["manifest"] = {"sha256": load_manifest(path).sha256()}
    return replace(dataset, args=args)


def reader_of_run(run: Run, datasets: Path, allow_modules: Sequence[str] = ()) -> Reader:
    """The reader of a run's dataset, its relative paths in the folder ``datasets``.

    It reads all images: a run names its own. Raises ``BenchError`` as ``open_whole`` does.
    """
    header = run.header()
    if "dataset" not in header:
        raise BenchError(f"{run.folder}: its run.json names no dataset to read pictures from")
    dataset = Component(**header["dataset"])
    return open_whole(dataset, Site(datasets=local_path(datasets)), allow_modules)


def samples_of_runs(datasets: Path, allow_modules: Sequence[str] = ()) -> ReadSample:
    """A function that reads image ``image_id`` of a run.

    The reader is opened once for all runs of the same dataset, and an image that is asked for again
    and again is read once: whoever asks for many goes image by image, not run by run.
    """
    keys: dict[str, str] = {}
    readers: dict[str, Reader] = {}
    last: dict[str, tuple[str, Sample]] = {}

    def read_sample(run: Run, image_id: str) -> Sample:
        folder = str(run.folder)
        if folder not in keys:
            keys[folder] = json.dumps(run.header().get("dataset", folder), sort_keys=True)
        key = keys[folder]
        if key not in readers:
            readers[key] = reader_of_run(run, datasets, allow_modules)
        if key not in last or last[key][0] != image_id:
            last[key] = image_id, readers[key].read(image_id)
        return last[key][1]

    return read_sample


def missing_pictures(reader: Reader, image_ids: Sequence[str]) -> list[Path]:
    """The images' picture files that are not there; empty where the reader doesn't name them."""
    if not isinstance(reader, NamesPictures):
        return []
    return [path for path in map(reader.path, image_ids) if not path.is_file()]


def subset_rule(dataset: Component, site: Site) -> Subsample | None:
    """The rule of the draw that the dataset's arguments ask for; raises ``BenchError`` if bad."""
    return _subset(dataset, site)[0]


def _subset(dataset: Component, site: Site) -> tuple[Subsample | None, Path | None]:
    """The rule or the manifest's path that the arguments ask for, at most one of them."""
    rule, manifest = (dataset.args.get(name) for name in _SUBSET)
    if rule is not None and manifest is not None:
        raise BenchError(
            f"{dataset.name}: subsample and manifest both choose images; set one of them to null, "
            "as in dataset.args.subsample=null"
        )
    if rule is not None:
        try:
            return Subsample.of(rule), None
        except BenchError as error:
            raise BenchError(f"{dataset.name}: {error}") from None
    if manifest is None:
        return None, None
    given = local_path(str(manifest))
    places = [given] if given.is_absolute() else [given, Path(site.datasets) / given]
    for place in places:
        if isfile(place):
            return None, place
    looked = " and ".join(f"{place.absolute()} ({kind_of(place)})" for place in places)
    raise BenchError(f"{dataset.name}: no manifest {manifest}: looked for {looked}")


def _named(path: Path, manifest: Manifest, dataset: Component, whole: Reader) -> Subset:
    try:
        return check_manifest(manifest, dataset.name, dataset.version, whole)
    except BenchError as error:
        raise BenchError(f"{path}: {error}") from None


def _drawn(dataset: Component, whole: Reader, rule: Subsample, manifests: Path | None) -> Subset:
    """The images that the rule takes, from the manifest of an earlier draw on the same data."""
    path = None if manifests is None else manifests / _manifest_name(dataset, whole, rule)
    if path is not None and path.is_file():
        return _named(path, load_manifest(path), dataset, whole)
    log.info("%s: counting masks to draw a subset", dataset.name)
    try:
        counts = draw(whole, rule)
    except BenchError as error:
        raise BenchError(
            f"{dataset.name}: a subset can't be drawn, its masks can't be counted: {error}"
        ) from error
    subset = Subset(whole, counts)
    fingerprint = subset.fingerprint()
    made = Manifest(dataset.name, dataset.version, counts, fingerprint, rule.words)
    kept = ""
    if path is not None:
        save_manifest(made, path)
        kept = f"; manifest: {path}"
    images = len(whole.ids())
    log.info(
        "%s: %d of %d images drawn, %d masks%s", dataset.name, len(counts), images, made.masks, kept
    )
    return subset


def _manifest_name(dataset: Component, whole: Reader, rule: Subsample) -> str:
    """A file name that tells apart what a draw depends on: the data and the rule."""
    depends = [
        dataset.name,
        dataset.version,
        reader_args(dataset),
        asdict(rule),
        whole.fingerprint(),
    ]
    text = json.dumps(json.loads(json.dumps(depends)), sort_keys=True)
    return f"{dataset.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def _refuse_other_number(dataset: Component, whole: Reader) -> None:
    """Half a download, or another split, must not run under the dataset's name."""
    expected = (dataset.about.get("expected") or {}).get("images")
    found = len(whole.ids())
    if isinstance(expected, int) and found != expected:
        raise BenchError(
            f"{dataset.name}: {found} images, expected {expected}: "
            f"{'is a part missing' if found < expected else 'is this the right split'}? "
            "`sam-bench check`, with the same words for the dataset, says what is there, and with "
            "--manifest FILE writes a manifest to measure these images alone: "
            "dataset.args.manifest=FILE"
        )


def _refuse_missing(dataset: Component, reader: Reader) -> None:
    """Annotations without their pictures are half a download."""
    ids = reader.ids()
    whole = reader.whole if isinstance(reader, Subset) else reader
    if missing := missing_pictures(whole, ids):
        found = kind_of(missing[0], "picture")
        raise BenchError(
            f"{missing[0]}: {found} ({len(missing)} of the {len(ids)} images of "
            f"{dataset.name} have none); complete the download, or let `sam-bench check`, with "
            "the same words for the dataset and --manifest FILE, write a manifest of the others"
        )
