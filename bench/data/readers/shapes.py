"""Rendered scenes with exact masks, made while they are read: nothing lies on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from bench.demo.scenes.scene import Scene, render_scene
from bench.types import BenchError, Mask, Sample, Site, Target

SIZES = ((256, 256), (192, 256), (256, 192))
MOST = 100_000
"""The most scenes: an id has five digits, so that ids sort by number."""


class Shapes:
    """Renders ``count`` scenes of the demo renderer; ``site`` is not needed.

    Scene i has the id "scene_<i, five digits>", its own seed ``scene_seed(seed, i)``, and the
    size ``sizes[i % len(sizes)]``, (H, W) in pixels: a larger count leaves the first scenes as
    they are. The model of the demo has seen the bank "train"; "test" shares no shape family and
    no texture with it. Objects are targets with the attribute ``level`` (whole, part or subpart)
    and their kind as category; parts lie inside their wholes, so targets overlap. At most
    ``objects`` of a scene count, drawn at random by its seed, so that a pile of a hundred alike
    does not outweigh the other scenes.

    Raises ``BenchError`` where the count isn't in 1–100000, no object may count, or a bank or
    size doesn't exist.
    """

    def __init__(
        self,
        count: int = 200,
        seed: int = 20260101,
        bank: Literal["train", "test"] = "test",
        sizes: Sequence[Sequence[int]] = SIZES,
        objects: int = 12,
        *,
        site: Site,
    ) -> None:
        if not 1 <= count <= MOST:
            raise BenchError(f"shapes: count must be in 1–{MOST}, found {count}")
        if seed < 0:
            raise BenchError(f"shapes: seed must not be negative, found {seed}")
        if bank not in ("train", "test"):
            raise BenchError(f"shapes: bank must be 'train' or 'test', found {bank!r}")
        if objects < 1:
            raise BenchError(f"shapes: objects must be at least 1, found {objects}")
        if not sizes or any(len(size) != 2 or min(size) < 32 for size in sizes):
            raise BenchError(f"shapes: sizes are [H, W] of at least 32 pixels, found {sizes!r}")
        self._count = count
        self._seed = seed
        self._bank: Literal["train", "test"] = bank
        self._objects = objects
        self._sizes = [(int(height), int(width)) for height, width in sizes]

    def ids(self) -> Sequence[str]:
        """``scene_00000`` and so on."""
        return [f"scene_{index:05d}" for index in range(self._count)]

    def read(self, image_id: str) -> Sample:
        """The scene and its objects; ``mask_id`` is "<image_id>/<place in the scene>"."""
        digits = image_id.removeprefix("scene_")
        index = int(digits) if digits.isascii() and digits.isdigit() else -1
        if not 0 <= index < self._count or image_id != f"scene_{index:05d}":
            raise BenchError(f"shapes: there is no image with the id {image_id!r}")
        scene = self._scene(index)
        targets = [
            Target(
                f"{image_id}/{place:03d}",
                Mask.from_dense(scene.objects[place].mask),
                category=scene.objects[place].kind,
                attributes={"level": scene.objects[place].level},
            )
            for place in self._counted(index, len(scene.objects))
        ]
        return Sample(image_id, scene.image, targets)

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A hash of the arguments and of the first scene's pixels and masks, for any images.

        The scene is in it so that a change of the renderer, or of a library below it, is noticed.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        scene = self._scene(0)
        arguments = (self._count, self._seed, self._bank, self._sizes, self._objects)
        digest = hashlib.sha256(repr(arguments).encode())
        digest.update(scene.image.tobytes())
        for thing in scene.objects:
            digest.update(np.packbits(thing.mask).tobytes())
        return digest.hexdigest()[:16]

    def _counted(self, index: int, number: int) -> list[int]:
        """The places of the objects that count, of all that the scene has, in order."""
        if number <= self._objects:
            return list(range(number))
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, index, 1]))
        drawn = rng.choice(number, self._objects, replace=False)
        return sorted(int(place) for place in drawn)

    def _scene(self, index: int) -> Scene:
        size = self._sizes[index % len(self._sizes)]
        return render_scene(scene_seed(self._seed, index), bank=self._bank, size=size)


def scene_seed(seed: int, index: int) -> int:
    """The 32-bit seed of one scene: the first word of numpy's ``SeedSequence([seed, index])``.

    >>> scene_seed(0, 0) == scene_seed(0, 0) != scene_seed(0, 1)
    True
    """
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
