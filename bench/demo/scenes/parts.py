"""Surfaces, and how a thing is divided into parts and those into sub-parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.demo.scenes.canvas import Material, Shadow
from bench.demo.scenes.shapes import Contour, Outline
from bench.demo.scenes.style import Pose, Stylist

Level = Literal["whole", "part", "subpart"]
Cut = tuple[str, Outline]

_BELOW: Mapping[Level, Level] = {"whole": "part", "part": "subpart"}


@dataclass(frozen=True, slots=True)
class Surface:
    """One thing to paint: outline in pixels (x, y), look, place in the hierarchy."""

    outline: Outline
    material: Material
    level: Level
    kind: str
    parent: int | None
    shadow: Shadow | None = None


def middle_of(outline: Outline) -> tuple[Contour, float]:
    """Return the middle (x, y) of an outline's box and half its shorter side."""
    low, high = outline[0].min(axis=0), outline[0].max(axis=0)
    return (low + high) / 2, float((high - low).min()) / 2


def _inset(style: Stylist, outline: Outline) -> list[Cut]:
    """Return a smaller copy of the parent's outer contour, inside it."""
    rng = style.rng
    middle, half = middle_of(outline)
    scale = rng.uniform(0.35, 0.8)
    shift = rng.uniform(-0.5, 0.5, 2) * (1 - scale) * half
    return [("inset", ((outline[0] - middle) * scale + middle + shift,))]


def _inner(style: Stylist, outline: Outline) -> list[Cut]:
    """Return one to three equal small shapes inside the parent: windows, eyes, dots, labels."""
    rng = style.rng
    middle, half = middle_of(outline)
    count = int(rng.choice([1, 1, 1, 2, 3]))
    name, unit = style.shape()
    radius = half * rng.uniform(0.35, 0.7) / np.sqrt(count)
    turn = rng.uniform(0, 2 * np.pi)
    found: list[Cut] = []
    for k in range(count):
        away = 0.5 * half * (k + rng.uniform(0, 0.3) if count == 1 else 1.0)
        angle = turn + 2 * np.pi * k / count
        x, y = middle + away * np.array([np.cos(angle), np.sin(angle)])
        found.append((name, Pose(float(x), float(y), radius, turn).place(unit)))
    return found


def _split(style: Stylist, outline: Outline) -> list[Cut]:
    """Return both sides of a cut through the parent: together they are the whole."""
    rng = style.rng
    middle, half = middle_of(outline)
    far = 4.0 * float(np.abs(outline[0] - middle).max())
    turn = rng.uniform(0, 2 * np.pi)
    cut = half * rng.uniform(-0.4, 0.4)
    axis = np.array([np.cos(turn), np.sin(turn)])
    across = np.array([-axis[1], axis[0]])
    start = middle + cut * axis
    sides: list[Cut] = []
    for sign in (-1.0, 1.0):
        corners = [start - far * across, start + far * across]
        corners += [corner + sign * far * axis for corner in reversed(corners)]
        sides.append(("side", (np.array(corners),)))
    return sides


def _band(style: Stylist, outline: Outline) -> list[Cut]:
    """Return a straight band across the parent."""
    rng = style.rng
    middle, half = middle_of(outline)
    far = 3.0 * float(np.abs(outline[0] - middle).max())
    thickness = half * rng.uniform(0.1, 0.3)
    unit = np.array([[-far, -1], [far, -1], [far, 1], [-far, 1]]) * (1.0, thickness)
    turn = rng.uniform(0, np.pi)
    c, s = np.cos(turn), np.sin(turn)
    shift = middle + rng.uniform(-0.4, 0.4, 2) * half
    return [("band", (unit @ np.array([[c, s], [-s, c]]) + shift,))]


_PART_MAKERS = (_inset, _inset, _inner, _inner, _split, _band)


def add_parts(style: Stylist, surfaces: list[Surface], parent: int, depth: int) -> None:
    """Append the parts of a surface and, down to `depth` more levels, the parts of those."""
    whole = surfaces[parent]
    make = _PART_MAKERS[int(style.rng.integers(len(_PART_MAKERS)))]
    material = style.material(style.colour(whole.material.colour))
    for kind, outline in make(style, whole.outline):
        if kind == "side":
            material = style.material(style.colour(whole.material.colour, material.colour, gap=12))
        surfaces.append(Surface(outline, material, _BELOW[whole.level], kind, parent))
        if depth > 1 and style.rng.random() < 0.6 and kind != "side":
            add_parts(style, surfaces, len(surfaces) - 1, depth - 1)
