"""A model that ends its process, as a bug in a library below would."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.models.disk import Disk
from bench.types import ImageArray, Site


class Deadly(Disk):
    """Answers with discs; is killed at each image ``always`` (H), and once at each ``once`` (H).

    Images are told apart by their height in pixels. ``folder`` remembers what killed once.
    """

    def __init__(
        self, folder: str, always: Sequence[int], once: Sequence[int], *, site: Site
    ) -> None:
        super().__init__(site=site)
        self._folder, self._always, self._once = Path(folder), always, once

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        return {}

    def embed(self, images: Sequence[ImageArray]) -> list[tuple[int, int]]:
        for height in (image.shape[0] for image in images):
            seen = self._folder / f"killed at {height}"
            if height in self._always or (height in self._once and not seen.exists()):
                seen.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().embed(images)
