"""A small Sam whose weights lie in a file, so that its embeddings can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from small_sam import build_small_sam

from bench.files.hashing import sha256_of
from bench.models.numerics import Numerics
from bench.models.sam_embedding import features_bytes
from bench.models.sam_segmenter import SamSegmenter
from bench.models.weights import load_strict, read_state
from bench.types import Site


class KeptSam(SamSegmenter):
    """The same as a model of the bench."""

    def __init__(
        self, weights: str, dtype: str = "float32", compiled: bool = False, *, site: Site
    ) -> None:
        sam = build_small_sam()
        load_strict(sam, read_state(Path(weights)), weights)
        numerics = Numerics(dtype, compiled)
        super().__init__(sam, site, sha256_of(Path(weights)), numerics)

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        return {"sha256": sha256_of(Path(args["weights"]))} | Numerics.of(args).identity()

    @classmethod
    def embedding_bytes(cls, args: Mapping[str, Any]) -> int:
        return features_bytes(build_small_sam())


class Nameless(KeptSam):
    """One that could keep its embeddings if it knew whose they are."""

    def __init__(self, weights: str, *, site: Site) -> None:
        super().__init__(weights, site=site)
        self._checkpoint_sha256 = None


def write_weights(path: Path, seed: int) -> None:
    """Weights of the small Sam, others for another seed."""
    state = build_small_sam().state_dict()
    generator = torch.Generator().manual_seed(seed)
    moved = {
        name: value + 0.05 * torch.randn(value.shape, generator=generator)
        for name, value in state.items()
    }
    save_file(moved, path)
