"""What stands where in a scene: mixed objects, crowds of similar things, nested close-ups.

A composition is a list of surfaces in painting order. A part follows its parent at once, so that
later objects hide both.
"""

from __future__ import annotations

import numpy as np

from bench.demo.scenes.canvas import FloatImage, Material
from bench.demo.scenes.parts import Surface, add_parts, middle_of
from bench.demo.scenes.style import Pose, Stylist

_MOST_IN_A_CROWD = 70


def mixed(style: Stylist, height: int, width: int, ground: FloatImage) -> list[Surface]:
    """Return 3 to 12 different things of very different sizes, overlapping, some with parts."""
    rng = style.rng
    scale = float(np.sqrt(height * width))
    count = int(rng.integers(3, 13))
    radii = np.sort(np.exp(rng.uniform(np.log(0.04), np.log(0.36), count)) * scale)[::-1]
    shadows = rng.random() < 0.4
    surfaces: list[Surface] = []
    for radius in radii:
        name, unit = style.shape()
        pose = Pose(
            float(rng.uniform(0, width)),
            float(rng.uniform(0, height)),
            float(radius),
            float(rng.uniform(0, 2 * np.pi)),
            float(rng.uniform(0.6, 1.0)),
        )
        material = style.material(style.colour(ground))
        shadow = style.shadow(float(radius)) if shadows else None
        surfaces.append(Surface(pose.place(unit), material, "whole", name, None, shadow))
        if radius > 14 and rng.random() < 0.55:
            add_parts(style, surfaces, len(surfaces) - 1, 2)
    return surfaces


def nested(style: Stylist, height: int, width: int, ground: FloatImage) -> list[Surface]:
    """Return one to three large things that fill the frame, each with parts and sub-parts."""
    rng = style.rng
    surfaces: list[Surface] = []
    for _ in range(int(rng.integers(1, 4))):
        name, unit = style.shape()
        radius = float(rng.uniform(0.25, 0.6) * min(height, width))
        x, y = rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height
        pose = Pose(float(x), float(y), radius, float(rng.uniform(0, 2 * np.pi)))
        material = style.material(style.colour(ground))
        shadow = style.shadow(radius) if rng.random() < 0.4 else None
        surfaces.append(Surface(pose.place(unit), material, "whole", name, None, shadow))
        whole = len(surfaces) - 1
        for _ in range(int(rng.integers(1, 3))):
            add_parts(style, surfaces, whole, 2)
    return surfaces


def crowd(style: Stylist, height: int, width: int, ground: FloatImage) -> list[Surface]:
    """Return many similar round things: coins, nuts or cells; apart, touching or in clumps.

    They are brighter or darker than the ground, or just of another colour, and vary in brightness.
    """
    rng = style.rng
    scale = float(np.sqrt(height * width))
    radius = float(np.exp(rng.uniform(np.log(0.024), np.log(0.14))) * scale)
    pitch = radius * rng.uniform(1.7, 2.8)
    columns, rows = int(width / pitch) + 2, int(height / pitch) + 2
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    spots = grid + 0.5 * (grid[:, 1:] % 2) * np.array([1, 0]) - 0.5
    spots = (spots + rng.uniform(-1, 1, grid.shape) * rng.uniform(0.02, 0.45)) * pitch
    if rng.random() < 0.5:
        heart = rng.uniform(0.1, 0.9, 2) * (width, height)
        order = np.argsort(np.linalg.norm(spots - heart, axis=1))
    else:
        order = rng.permutation(len(spots))
    kept = order[: min(int(len(spots) * rng.uniform(0.25, 1.0)) + 3, _MOST_IN_A_CROWD)]

    names = style.round_names()
    name, unit = style.shape(*names)
    one_shape = rng.random() < 0.3
    base = style.material(_crowd_colour(style, ground), relief=float(rng.uniform(0.3, 1.5)))
    shadow = style.shadow(radius) if rng.random() < 0.3 else None
    spread, size_spread = rng.uniform(0.0, 0.35), rng.uniform(0.0, 0.3)
    inner = style.material(style.colour(base.colour)) if rng.random() < 0.3 else None
    inner_scale = rng.uniform(0.35, 0.75)
    aligned = rng.random() < 0.3
    surfaces: list[Surface] = []
    for index in rng.permutation(kept):
        if not one_shape:
            name, unit = style.shape(name)
        pose = Pose(
            float(spots[index, 0]),
            float(spots[index, 1]),
            float(radius * np.exp(size_spread * rng.normal())),
            0.0 if aligned else float(rng.uniform(0, 2 * np.pi)),
        )
        outline = pose.place(unit)
        gain = np.float32(np.exp(spread * rng.normal()))
        material = _with_gain(base, ground, gain, rng)
        surfaces.append(Surface(outline, material, "whole", name, None, shadow))
        if inner is not None:
            middle, _ = middle_of(outline)
            core = tuple((contour - middle) * inner_scale + middle for contour in outline[:1])
            surfaces.append(Surface(core, inner, "part", "inset", len(surfaces) - 1))
    return surfaces


def _levels(colour: FloatImage) -> FloatImage:
    return np.asarray(np.clip(colour, 0, 255), np.float32)


def _crowd_colour(style: Stylist, ground: FloatImage) -> FloatImage:
    """Return the crowd's colour: brighter, darker or merely different from the ground."""
    rng = style.rng
    choice = rng.random()
    if choice < 0.4 and float(ground.mean()) < 170:
        return _levels(ground + np.float32(rng.uniform(25, 150)))
    if choice < 0.75 and float(ground.mean()) > 80:
        return _levels(ground - np.float32(rng.uniform(25, 130)))
    return style.colour(ground)


def _with_gain(
    base: Material, ground: FloatImage, gain: np.float32, rng: np.random.Generator
) -> Material:
    """Return a material whose difference from the ground is `gain` times that of `base`."""
    return Material(
        colour=np.clip(ground + gain * (base.colour - ground), 0, 255),
        tint=base.tint,
        pattern=base.pattern,
        origin=(int(rng.integers(10_000)), int(rng.integers(10_000))),
        contrast=base.contrast,
        slope=base.slope,
        dome=base.dome,
    )
