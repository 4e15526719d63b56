"""The small Segment Anything models that come with the bench."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from bench.demo.network import SIZES, SizeName, build_demo_sam
from bench.files.hashing import sha256_of
from bench.models.numerics import Numerics
from bench.models.sam_embedding import features_bytes
from bench.models.sam_segmenter import SamSegmenter
from bench.models.weights import load_strict, read_state
from bench.types import BenchError, Site
from bench.types.errors import did_you_mean


class DemoSam(SamSegmenter):
    """A demo model: its half-precision weights lie in the package, it computes in float32.

    ``size`` is a key of ``bench.demo.network.SIZES``, ``file`` the weights' name in the package
    folder ``bench/demo/checkpoints``, ``sha256`` the hash of that file. Raises ``BenchError``
    where the file is missing, is another one or does not fit. ``dtype``, ``compiled`` and ``int8``
    are those of ``Numerics``.
    """

    def __init__(
        self,
        size: SizeName,
        file: str,
        sha256: str,
        dtype: str = "float32",
        compiled: bool = False,
        int8: bool = False,
        *,
        site: Site,
    ) -> None:
        _check_size(size)
        path = _find(file, sha256)
        with torch.random.fork_rng(devices=[]):  # random weights, all replaced: spend no one's seed
            sam = build_demo_sam(size)
        load_strict(sam, read_state(path), f"{path} as size {size}")
        super().__init__(
            sam, site, checkpoint_sha256=sha256, numerics=Numerics(dtype, compiled, int8)
        )

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """``size`` and the ``sha256`` of the weights; raises ``BenchError`` where they differ."""
        lacking = [key for key in ("size", "file", "sha256") if key not in args]
        if lacking:
            raise BenchError(f"the model's args lack {', '.join(lacking)}")
        size = str(args["size"])
        _check_size(size)
        _find(str(args["file"]), str(args["sha256"]))
        return {"size": size, "sha256": str(args["sha256"])} | Numerics.of(args).identity()

    @classmethod
    def embedding_bytes(cls, args: Mapping[str, Any]) -> int:
        """See ``KeepsEmbeddings``."""
        with torch.device("meta"):
            return features_bytes(build_demo_sam(args["size"]))


def _check_size(size: str) -> None:
    if size not in SIZES:
        raise BenchError(f"no demo model of size {size!r}; {did_you_mean(size, SIZES)}")


def _find(file: str, sha256: str) -> Path:
    """The path of the weights in the package, checked."""
    folder = Path(str(resources.files("bench.demo"))) / "checkpoints"
    path = folder / file
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in folder.glob("*.safetensors"))) or "none"
        raise BenchError(f"no demo checkpoint {path}; those there: {there}")
    found = sha256_of(path)
    if found != sha256:
        raise BenchError(f"{path}: expected sha256 {sha256}, found {found}")
    return path
