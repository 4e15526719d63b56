"""The look of one scene: a palette, materials and shapes that belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.demo.scenes.canvas import FloatImage, Material, Shadow
from bench.demo.scenes.shapes import TEST_FAMILIES, TRAIN_FAMILIES, Family, Outline
from bench.demo.scenes.textures import BankName, Pattern, texture_bank

_ROUND: Mapping[BankName, tuple[str, ...]] = {
    "train": ("ellipse", "ellipse", "blob", "blob", "superellipse"),
    "test": ("egg", "egg", "pebble", "pebble", "bean", "clover"),
}


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a unit outline goes: centre (x, y) and radius in pixels, angle in radians."""

    x: float
    y: float
    radius: float
    angle: float
    stretch: float = 1.0

    def place(self, outline: Outline) -> Outline:
        """Return the outline in pixel coordinates."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[c, s], [-s, c]]) * self.radius
        return tuple(
            (contour * (1.0, self.stretch)) @ turn + (self.x, self.y) for contour in outline
        )


class Stylist:
    """Draws colours, materials and shapes of one scene, so that its things belong together."""

    def __init__(self, rng: np.random.Generator, bank: BankName) -> None:
        self.rng = rng
        self.bank = bank
        self.families: Mapping[str, Family] = TRAIN_FAMILIES if bank == "train" else TEST_FAMILIES
        hue, spread = rng.uniform(0, 1), rng.uniform(0.03, 0.6)
        self.palette = [self._colour(hue + spread * rng.normal()) for _ in range(5)]
        self.textured = float(rng.choice([0.0, 0.4, 0.8]))

    def _colour(self, hue: float) -> FloatImage:
        """Return RGB (3,) float32 of a hue (turns); greyish colours are as common as vivid ones."""
        wheel = np.clip(np.abs((hue + np.array([0.0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
        saturation = self.rng.uniform(0, 1) ** 1.5
        value = self.rng.uniform(25, 245)
        return np.asarray(value * (1 - saturation * (1 - wheel)), np.float32)

    def colour(self, *avoid: FloatImage, gap: float = 28.0) -> FloatImage:
        """Return a palette colour, varied; differs from each in `avoid` by about `gap` levels."""
        for _ in range(6):
            colour = self.palette[int(self.rng.integers(len(self.palette)))]
            colour = colour + self.rng.normal(0, 14, 3).astype(np.float32)
            if all(float(np.abs(colour - other).max()) >= gap for other in avoid):
                return np.clip(colour, 0, 255)
        return np.clip(255 - avoid[0] + self.rng.normal(0, 14, 3).astype(np.float32), 0, 255)

    def pattern(self) -> Pattern:
        """Return a random pattern of the scene's bank."""
        patterns = texture_bank(self.bank)
        return patterns[int(self.rng.integers(len(patterns)))]

    def material(self, colour: FloatImage, *, relief: float = 1.0) -> Material:
        """Return a surface of a colour, perhaps textured and shaded."""
        rng = self.rng
        tint = np.clip(1 + 0.3 * rng.normal(0, 1, 3), 0.2, 1.8).astype(np.float32)
        pattern = self.pattern() if rng.random() < self.textured else None
        slope = relief * rng.uniform(0, 30) if rng.random() < 0.6 else 0.0
        angle = rng.uniform(0, 2 * np.pi)
        return Material(
            colour=colour,
            tint=tint,
            pattern=pattern,
            origin=(int(rng.integers(10_000)), int(rng.integers(10_000))),
            contrast=float(rng.uniform(4, 32)),
            slope=(float(slope * np.cos(angle)), float(slope * np.sin(angle))),
            dome=float(relief * rng.uniform(-8, 35)) if rng.random() < 0.4 else 0.0,
        )

    def shape(self, *names: str) -> tuple[str, Outline]:
        """Return a random family name (one of `names`, or any) and an outline of it."""
        choices = names or tuple(self.families)
        name = choices[int(self.rng.integers(len(choices)))]
        return name, self.families[name](self.rng)

    def round_names(self) -> tuple[str, ...]:
        """Return the families fit for crowds of round things."""
        return _ROUND[self.bank]

    def shadow(self, radius: float) -> Shadow:
        """Return a shadow for a thing of that size (pixels)."""
        reach = min(radius * self.rng.uniform(0.03, 0.2), 12.0)
        angle = self.rng.uniform(0, 2 * np.pi)
        shift = (float(reach * np.cos(angle)), float(reach * np.sin(angle)))
        return Shadow(shift, float(self.rng.uniform(0.5, 3.0)), float(self.rng.uniform(0.2, 0.7)))
