"""The Segment Anything models of Meta AI, from their published checkpoints or a user's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import Sam

from bench.files.hashing import sha256_of
from bench.models.checkpoints import find_weights
from bench.models.lora import adapter_sha256, merge_adapter
from bench.models.numerics import Numerics
from bench.models.sam_embedding import features_bytes
from bench.models.sam_segmenter import SamSegmenter
from bench.models.weights import fitting, load_strict, read_saved
from bench.models.weights_folder import find_folder
from bench.types import BenchError, Site
from bench.types.errors import did_you_mean

__all__ = ["SamSegmenter", "SegmentAnything"]

log = logging.getLogger(__name__)


class SegmentAnything(SamSegmenter):
    """SAM ViT-B, ViT-L or ViT-H.

    ``arch`` is ``vit_b``, ``vit_l`` or ``vit_h``. ``file``, ``url``, ``size`` (bytes) and
    ``sha256`` are those of the published checkpoint; without a hash it is not fetched.
    ``checkpoint`` names a user's own file for the same architecture instead: a path, absolute or
    relative to the working folder or to ``site.checkpoints``; it holds a state dict, bare or under
    other keys, its names as they are or as a wrapper made them (``bench.models.weights``).
    ``adapter`` is a folder of LoRA weights as peft writes it, which are merged into them.
    ``dtype``, ``compiled`` and ``int8`` are those of ``Numerics``.

    A Sam with another image encoder is the same class with other ``architectures``.

    Raises ``BenchError`` where the file is missing, is not the published one or does not fit.
    """

    def __init__(
        self,
        arch: str,
        sha256: str | None,
        file: str,
        url: str,
        size: int | None,
        checkpoint: str | None = None,
        adapter: str | None = None,
        dtype: str = "float32",
        compiled: bool = False,
        int8: bool = False,
        *,
        site: Site,
    ) -> None:
        build = self._builder(arch)
        published = {"file": file, "url": url, "size": size, "sha256": sha256}
        path = find_weights(published | {"checkpoint": checkpoint}, site)
        saved = read_saved(path)
        with torch.random.fork_rng(devices=[]):  # random weights, all replaced: spend no one's seed
            sam = build()
        self._taken_off = load_strict(sam, saved, f"{path} as {arch}", self._others(arch))
        self._adapter = _adapter(adapter, site)
        if self._adapter:
            sam = merge_adapter(sam, self._adapter[0])
        numerics = Numerics(dtype, compiled, int8)
        super().__init__(sam, site, checkpoint_sha256=sha256_of(path), numerics=numerics)
        self._weights = "published" if checkpoint is None else "own file"

    @property
    def facts(self) -> Mapping[str, str]:
        """What every Sam tells; ``weights`` are ``published`` or a user's ``own file``.

        ``weights_read`` says what was taken off of a file that holds more than the bare weights, or
        in what other precision they were saved.
        """
        facts = {**super().facts, "weights": self._weights}
        if self._taken_off:
            facts["weights_read"] = self._taken_off
        if self._adapter:
            facts["adapter_sha256"] = self._adapter[1]
        return facts

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """``arch``, ``sha256`` of the weights, that of an adapter, and a mode but the reference.

        Finds the checkpoint, fetches it where ``site.download`` allows, and checks it. A user's
        own file is recorded with its own hash. Raises ``BenchError``.
        """
        arch = str(args.get("arch"))
        cls._builder(arch)
        path = find_weights(args, site)
        merged = _adapter(args.get("adapter"), site)
        more = {"adapter": merged[1]} if merged else {}
        return {"arch": arch, "sha256": sha256_of(path)} | more | Numerics.of(args).identity()

    @classmethod
    def check_files(cls, args: Mapping[str, Any], site: Site) -> None:
        """Whether a user's own file fits the architecture; see ``ChecksFiles``.

        What is taken off of its names is logged. The published ones are known by their hash.
        """
        arch, path = str(args.get("arch")), find_weights(args, site)
        if sha256_of(path) == args["sha256"]:
            return
        with torch.device("meta"):  # names and shapes alone
            network = cls._builder(arch)()
        saved = read_saved(path, names_only=True)
        found = fitting(network, saved, f"{path} as {arch}", cls._others(arch))
        if found.account:
            log.info("%s: %s", path, found.account)

    @classmethod
    def embedding_bytes(cls, args: Mapping[str, Any]) -> int:
        """4.2 MB, whatever the architecture; see ``KeepsEmbeddings``."""
        with torch.device("meta"):
            return features_bytes(cls._builder(str(args.get("arch")))())

    @classmethod
    def architectures(cls) -> Mapping[str, Callable[[], Sam]]:
        """What ``arch`` may be, and what builds it, its weights at random.

        Those of ``segment_anything``'s registry, without its alias ``default``.
        """
        return {name: make for name, make in sam_model_registry.items() if name != "default"}

    @classmethod
    def _builder(cls, arch: str) -> Callable[[], Sam]:
        known = cls.architectures()
        if arch not in known:
            raise BenchError(f"no architecture {arch!r}; {did_you_mean(arch, known)}")
        return known[arch]

    @classmethod
    def _others(cls, arch: str) -> dict[str, Callable[[], Sam]]:
        return {name: make for name, make in cls.architectures().items() if name != arch}


def _adapter(adapter: str | None, site: Site) -> tuple[Path, str] | None:
    """The adapter's folder and its hash, where one is named."""
    if adapter is None:
        return None
    folder = find_folder(adapter, site.checkpoints)
    return folder, adapter_sha256(folder)
