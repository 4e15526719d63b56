"""The image encoder behind a cache on the disk: what was embedded once is not embedded again.

An embedding's identity is everything that it depends on down to the last bit: the model's class,
its code, version and arguments with its files' hashes, what the model itself names
(``KeepsEmbeddings.embedding_identity``: the weights' hash, preprocessing, precision, device,
libraries), the bench's version, and the image's pixels. No name of a file or an image is in it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from bench import __version__
from bench.config.component import Component
from bench.config.settings import Runtime
from bench.files.places import local_path
from bench.files.sizes import megabytes
from bench.models.abilities import KeepsEmbeddings, check_keeps_embeddings
from bench.models.loading import model_class
from bench.run.embeddings.files import LEFT_FREE, EmbeddingFiles
from bench.run.plan import Plan
from bench.scoring.finite import all_finite
from bench.types import ImageArray, Segmenter
from bench.types.stopwatch import Stopwatch

IDENTITY_VERSION = 1
"""Raised when the same identity would mean another embedding."""

_ROOMS = ("models", "demo")
"""Where the bench's own code of models is: they import no other but its values."""


class Encoder:
    """A segmenter's ``embed``, behind the run's cache where there is one; stands for threads.

    The seconds of the model's own encoder go to ``embed``, those of the cache to ``cache``. Raises
    ``BenchError`` for a model whose embeddings can't be kept.
    """

    def __init__(
        self, segmenter: Segmenter, model: Component, settings: Runtime, watch: Stopwatch
    ) -> None:
        self._segmenter, self._watch = segmenter, watch
        self._kept = _Kept.of(segmenter, model, settings)

    def embed(self, images: Sequence[ImageArray]) -> Sequence[Any]:
        """One embedding per (H, W, 3) uint8 RGB image, see ``Segmenter.embed``."""
        if self._kept is None:
            with self._watch("embed"):
                return self._segmenter.embed(images)
        with self._watch("cache"):
            identities = self._kept.identities(images)
            found = {name: self._kept.find(name) for name in identities}
        # Pictures that are equal to the pixel are embedded once.
        lacking = {
            name: image
            for name, image in zip(identities, images, strict=True)
            if found[name] is None
        }
        if lacking:
            with self._watch("embed"):
                made = self._segmenter.embed(list(lacking.values()))
            with self._watch("cache"):
                for name, embedding in zip(lacking, made, strict=True):
                    self._kept.keep(name, embedding)
                    found[name] = embedding
        return [found[name] for name in identities]


@dataclass(frozen=True, slots=True)
class _Kept:
    """The embeddings of one model in a folder."""

    model: KeepsEmbeddings
    part: Component
    files: EmbeddingFiles

    @classmethod
    def of(cls, segmenter: Segmenter, part: Component, settings: Runtime) -> _Kept | None:
        """None where the settings name no folder; raises ``BenchError``."""
        files = _files(settings)
        if files is None:
            return None
        check_keeps_embeddings(type(segmenter), part.name)
        assert isinstance(segmenter, KeepsEmbeddings)
        segmenter.embedding_identity()  # raises where it is not known: before the first image
        return cls(segmenter, part, files)

    def identities(self, images: Sequence[ImageArray]) -> list[str]:
        """What each image's embedding depends on, as canonical JSON."""
        model = {
            "identity_version": IDENTITY_VERSION,
            "bench": __version__,
            "class": f"{type(self.model).__module__}.{type(self.model).__qualname__}",
            "code": _code(type(self.model)),
            "version": self.part.version,
            "args": self.part.args,
            "model": dict(self.model.embedding_identity()),
        }
        known = json.loads(json.dumps(model))  # numbers as keys become text before the sorting
        return [
            json.dumps({**known, "image": _image_identity(image)}, sort_keys=True)
            for image in images
        ]

    def find(self, identity: str) -> Any | None:
        """The embedding, where it lies there and is sound."""
        tensors = self.files.read(identity)
        if tensors is None:
            return None
        try:
            if not _are_numbers(tensors):
                raise ValueError("it holds NaN or infinite numbers")
            return self.model.unpack(tensors)
        except ValueError as error:
            self.files.refuse(identity, error)
            return None

    def keep(self, identity: str, embedding: Any) -> None:
        """Writes the embedding where there is room, unless it is none: it is made again then."""
        tensors = self.model.pack(embedding)
        if _are_numbers(tensors):
            self.files.write(identity, tensors)


@dataclass(frozen=True, slots=True)
class CacheSize:
    """What lies in the folder of the cache, and what a plan's images may add; sizes in bytes.

    How many of the ``images`` are in it already is known only once their pixels are read.
    """

    folder: Path
    files: int
    size: int
    images: int
    image_size: int
    bound: int
    free: int | None

    @property
    def most_added(self) -> int:
        """Bytes where no image is in it yet and nothing stops it."""
        return self.images * self.image_size

    def words(self) -> str:
        """A line for people."""
        beyond = ""
        if self.most_added > self.bound:
            beyond = "; not all of them fit, the first do"
        elif self.free is not None and self.most_added > self.free - LEFT_FREE:
            beyond = f"; its disk has only {megabytes(self.free)} free"
        return (
            f"embedding cache: {self.folder} holds {self.files:,} embeddings "
            f"({megabytes(self.size)}) of any model; {self.images:,} images to do of "
            f"{self.image_size / 1e6:.1f} MB each, those in it are not embedded again, the others "
            f"add at most {megabytes(self.most_added)}; bound {self.bound / 1e9:g} GB{beyond}"
        )


def cache_size(plan: Plan) -> CacheSize | None:
    """The size of the plan's cache before its run; none where it has none.

    Makes the folder. Raises ``BenchError`` for a folder that can't be made, and a model that can't
    keep its embeddings.
    """
    settings, given = plan.setting.runtime, plan.setting.config.model
    files = _files(settings)
    if files is None:
        return None
    model = model_class(given, settings.allow_modules)
    check_keeps_embeddings(model, given.name)
    held = files.survey()
    free = None
    with suppress(OSError):
        free = shutil.disk_usage(files.folder).free
    return CacheSize(
        folder=files.folder,
        files=len(held),
        size=sum(file.size for file in held),
        images=len(plan.work.todo),
        image_size=model.embedding_bytes(given.args),
        bound=files.bound,
        free=free,
    )


def _are_numbers(tensors: Mapping[str, torch.Tensor]) -> bool:
    """Whether no tensor of an embedding holds NaN or infinity."""
    return all(all_finite(t) for t in tensors.values() if t.is_floating_point())


def _files(settings: Runtime) -> EmbeddingFiles | None:
    if settings.embedding_cache is None:
        return None
    folder = local_path(settings.embedding_cache)
    return EmbeddingFiles(folder, round(settings.embedding_cache_gb * 1e9))


@lru_cache
def _code(model: type[Any]) -> str:
    """A hash of the rooms of models, and of the modules of a class and what it inherits from."""
    package = Path(__file__).parents[2]
    files = {path for room in _ROOMS for path in (package / room).rglob("*.py")}
    for one in model.__mro__:
        file = getattr(sys.modules.get(one.__module__), "__file__", None)
        files |= {Path(file)} if file else set()
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(files, key=lambda path: (path.name, str(path))):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _image_identity(image: ImageArray) -> list[Any]:
    """(H, W, 3) and a hash of the pixels."""
    return [list(image.shape), hashlib.blake2b(image.tobytes(), digest_size=32).hexdigest()]
