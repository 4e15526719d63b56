"""Outlines of the rendered objects: two disjoint sets of shape families.

An outline is a tuple of closed contours, each (N, 2) float64 with columns (x, y), in a unit frame:
centred near the origin, farthest point about 1 away. Contours are filled by the even-odd rule, so
a second contour inside the first one is a hole.

The families of the training bank (`TRAIN_FAMILIES`) and of the test bank (`TEST_FAMILIES`) share
no function: a model that is scored on the test bank has seen none of its shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Contour = NDArray[np.float64]
Outline = tuple[Contour, ...]
Family = Callable[[np.random.Generator], Outline]

_STEPS = 72


def _angles(steps: int = _STEPS) -> NDArray[np.float64]:
    return np.linspace(0.0, 2.0 * np.pi, steps, endpoint=False)


def _polar(angle: NDArray[np.float64], radius: NDArray[np.float64] | float) -> Contour:
    """Return the contour with the given radius at each angle (radians), scaled to radius 1."""
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), angle.shape)
    contour = np.stack([radii * np.cos(angle), radii * np.sin(angle)], axis=1)
    return contour / max(float(np.abs(radii).max()), 1e-9)


def _strip(spine: Contour, half_width: NDArray[np.float64]) -> Contour:
    """Return the closed ribbon around an open line; `half_width` has one value per point."""
    tangent = np.gradient(spine, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * half_width[:, None]
    ribbon = np.concatenate([spine + normal, (spine - normal)[::-1]])
    ribbon -= (ribbon.max(axis=0) + ribbon.min(axis=0)) / 2
    return ribbon / max(float(np.linalg.norm(ribbon, axis=1).max()), 1e-9)


def _smooth(corners: Contour, rounds: int) -> Contour:
    """Cut the corners of a closed polygon `rounds` times (Chaikin)."""
    for _ in range(rounds):
        following = np.roll(corners, -1, axis=0)
        corners = np.stack(
            [0.75 * corners + 0.25 * following, 0.25 * corners + 0.75 * following], axis=1
        ).reshape(-1, 2)
    return corners


# ---------------------------------------------------------------------------- training bank


def ellipse(rng: np.random.Generator) -> Outline:
    """Ellipse, axis ratio 0.5 to 1."""
    return (_polar(_angles(), 1.0) * (1.0, rng.uniform(0.5, 1.0)),)


def superellipse(rng: np.random.Generator) -> Outline:
    """Rounded rectangle |x|^n + |y/b|^n = 1, n 2.3 to 8, axis ratio 0.35 to 1."""
    power = 2.0 / rng.uniform(2.3, 8.0)
    cos, sin = np.cos(_angles()), np.sin(_angles())
    x = np.sign(cos) * np.abs(cos) ** power
    y = np.sign(sin) * np.abs(sin) ** power * rng.uniform(0.35, 1.0)
    contour = np.stack([x, y], axis=1)
    return (contour / np.linalg.norm(contour, axis=1).max(),)


def blob(rng: np.random.Generator) -> Outline:
    """Smooth natural outline: radius with random Fourier harmonics 2 to 6."""
    angle = _angles()
    strength = rng.uniform(0.08, 0.4)
    radius = np.ones_like(angle)
    for harmonic in range(2, 7):
        size = strength * rng.normal() / harmonic
        radius += size * np.cos(harmonic * angle + rng.uniform(0, 2 * np.pi))
    return (_polar(angle, np.maximum(radius, 0.2)) * (1.0, rng.uniform(0.6, 1.0)),)


def leaf(rng: np.random.Generator) -> Outline:
    """Leaf with two tips and a bent midrib."""
    t = np.linspace(0.0, 1.0, _STEPS // 2)
    fat, skew, point = rng.uniform(0.2, 0.55), rng.uniform(0.6, 1.4), rng.uniform(0.7, 1.3)
    width = fat * np.sin(np.pi * t**skew) ** point
    bend = rng.uniform(-0.5, 0.5) * (t - 0.5) ** 2
    upper = np.stack([2 * t - 1, bend + width], axis=1)
    lower = np.stack([2 * t - 1, bend - width], axis=1)
    return (np.concatenate([upper, lower[::-1]]),)


def polygon(rng: np.random.Generator) -> Outline:
    """Irregular polygon with 3 to 7 corners."""
    corners = int(rng.integers(3, 8))
    angle = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners
    return (_polar(angle, rng.uniform(0.6, 1.0, corners)),)


def star(rng: np.random.Generator) -> Outline:
    """Star with 4 to 8 pointed tips."""
    tips = int(rng.integers(4, 9))
    radius = np.where(np.arange(2 * tips) % 2 == 0, 1.0, rng.uniform(0.35, 0.7))
    return (_polar(_angles(2 * tips), radius),)


def ring(rng: np.random.Generator) -> Outline:
    """Elliptical ring with a round hole."""
    outer = _polar(_angles(), 1.0) * (1.0, rng.uniform(0.6, 1.0))
    return (outer, outer * rng.uniform(0.4, 0.8) + rng.uniform(-0.05, 0.05, 2))


def bar(rng: np.random.Generator) -> Outline:
    """Straight bar with square ends, 3 to 16 times as long as wide."""
    half = 1.0 / rng.uniform(3.0, 16.0)
    return (np.array([[-1, -half], [1, -half], [1, half], [-1, half]], dtype=np.float64),)


def curve(rng: np.random.Generator) -> Outline:
    """Thin open line that wanders smoothly."""
    t = np.linspace(0.0, 1.0, 40)
    heading = rng.uniform(-2.5, 2.5) * t + rng.uniform(-1.2, 1.2) * np.sin(2 * np.pi * t)
    spine = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0) / 20.0
    taper = 1.0 - rng.uniform(0.0, 0.7) * t
    return (_strip(spine, rng.uniform(0.03, 0.12) * taper),)


def crescent(rng: np.random.Generator) -> Outline:
    """Moon: a disc without a shifted smaller disc."""
    opening = rng.uniform(0.5, 1.1)
    outer = np.linspace(opening, 2 * np.pi - opening, _STEPS // 2)
    tip = np.array([np.cos(opening), np.sin(opening)])
    depth = rng.uniform(0.1, 0.7)
    inner = np.linspace(-np.pi / 2, np.pi / 2, _STEPS // 2)
    cave = np.stack([tip[0] - depth * np.cos(inner), tip[1] * np.sin(inner)], axis=1)
    return (np.concatenate([np.stack([np.cos(outer), np.sin(outer)], axis=1), cave]),)


def pie(rng: np.random.Generator) -> Outline:
    """Slice of a disc, 90 to 300 degrees."""
    span = rng.uniform(np.pi / 2, 5 * np.pi / 3)
    arc = np.linspace(0.0, span, _STEPS // 2)
    return (np.concatenate([np.zeros((1, 2)), np.stack([np.cos(arc), np.sin(arc)], axis=1)]),)


# -------------------------------------------------------------------------------- test bank


def egg(rng: np.random.Generator) -> Outline:
    """Egg: an ellipse that is blunter at one end."""
    angle = _angles()
    taper = 1.0 + rng.uniform(0.12, 0.35) * np.cos(angle)
    return (np.stack([np.cos(angle), rng.uniform(0.6, 0.78) * np.sin(angle) * taper], axis=1),)


def pebble(rng: np.random.Generator) -> Outline:
    """Stone: a random polygon with its corners rounded off."""
    corners = int(rng.integers(5, 9))
    angle = (np.arange(corners) + rng.uniform(-0.25, 0.25, corners)) * 2 * np.pi / corners
    return (_smooth(_polar(angle, rng.uniform(0.75, 1.0, corners)), 3),)


def bean(rng: np.random.Generator) -> Outline:
    """Bean or kidney: a thick bent strip with round ends."""
    t = np.linspace(0.0, 1.0, 30)
    heading = rng.uniform(0.8, 2.0) * (t - 0.5)
    spine = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0) / 15.0
    return (_strip(spine, rng.uniform(0.4, 0.7) * np.sqrt(np.clip(4 * t * (1 - t), 0, 1))),)


def gear(rng: np.random.Generator) -> Outline:
    """Cog wheel with 7 to 12 flat teeth and a hub hole."""
    teeth = int(rng.integers(7, 13))
    radius = np.where(np.arange(4 * teeth) % 4 < 2, 1.0, rng.uniform(0.72, 0.86))
    return (_polar(_angles(4 * teeth), radius), _polar(_angles(), 1.0) * rng.uniform(0.2, 0.5))


def drop(rng: np.random.Generator) -> Outline:
    """Drop: round below, one tip."""
    angle = _angles()
    width = np.sin(angle) * np.sin(angle / 2) ** rng.uniform(1.0, 2.2)
    return (np.stack([np.cos(angle), rng.uniform(0.6, 1.0) * width], axis=1),)


def cross(rng: np.random.Generator) -> Outline:
    """Plus sign with arms of one width."""
    arm, reach = rng.uniform(0.15, 0.4), rng.uniform(0.6, 1.0)
    quarter = np.array([[arm, reach], [arm, arm], [1.0, arm]])
    signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
    quarters = [(quarter * s)[:: int(s[0] * s[1])] for s in signs]
    return (np.concatenate(quarters),)


def horseshoe(rng: np.random.Generator) -> Outline:
    """Open ring, 200 to 310 degrees."""
    span = np.radians(rng.uniform(200.0, 310.0))
    arc = np.linspace(0.0, span, _STEPS // 2)
    spine = np.stack([np.cos(arc), np.sin(arc)], axis=1)
    return (_strip(spine, np.full(len(arc), rng.uniform(0.1, 0.3))),)


def ribbon(rng: np.random.Generator) -> Outline:
    """Sine wave of 1 to 2.5 periods, thin."""
    t = np.linspace(-1.0, 1.0, 60)
    phase = np.pi * rng.uniform(1.0, 2.5) * t + rng.uniform(0, 2 * np.pi)
    spine = np.stack([t, rng.uniform(0.1, 0.3) * np.sin(phase)], axis=1)
    return (_strip(spine, np.full(60, rng.uniform(0.03, 0.1))),)


def clover(rng: np.random.Generator) -> Outline:
    """Flower with 3 to 6 round lobes."""
    lobes = int(rng.integers(3, 7))
    depth = rng.uniform(0.15, 0.45)
    return (_polar(_angles(), 1.0 - depth + depth * np.abs(np.cos(lobes * _angles() / 2))),)


def frame(rng: np.random.Generator) -> Outline:
    """Rectangular frame around a rectangular opening."""
    corner = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / np.sqrt(2)
    outer = corner * (1.0, rng.uniform(0.5, 1.0))
    return (outer, outer * rng.uniform(0.5, 0.8))


TRAIN_FAMILIES: Mapping[str, Family] = {
    f.__name__: f
    for f in (
        ellipse, superellipse, blob, leaf, polygon, star, ring, bar, curve, crescent, pie,
    )
}  # fmt: skip
TEST_FAMILIES: Mapping[str, Family] = {
    f.__name__: f for f in (egg, pebble, bean, gear, drop, cross, horseshoe, ribbon, clover, frame)
}
