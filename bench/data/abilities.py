"""What a reader may offer beside its contract, for what can be known without decoding a picture.

Each is one optional method; whoever asks looks with ``isinstance`` and does without where a reader
lacks it. ``oddities()`` is a further one (``bench.data.oddities``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class CountsMasks(Protocol):
    """A reader that knows an image's number of masks from its annotations or names of files."""

    def mask_count(self, image_id: str) -> int:
        """How many targets that are no crowd ``read`` gives, empty ones too."""


@runtime_checkable
class NamesPictures(Protocol):
    """A reader that knows in which file an image's picture lies."""

    def path(self, image_id: str) -> Path:
        """Where the picture should be; it need not be there."""
