"""The embedded photos: masks that were drawn for them, and where scikit-image has the pictures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from bench.types import BenchError

ANNOTATIONS = Path(__file__).with_name("annotations.json")
"""COCO; ``images[].sha256`` is the picture file's."""


def installed_pictures() -> Path:
    """scikit-image's folder of pictures, found without importing it."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise BenchError(
            "dataset photos: its pictures come with scikit-image, which is not installed; "
            "install it with: pip install 'sam-bench[demo]'"
        )
    return Path(spec.origin).parent / "data"
