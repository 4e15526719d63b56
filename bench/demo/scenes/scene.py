"""Deterministic pictures with exact masks: the data the demo model learns from.

    render_scene(seed, bank="train", size=(H, W)) -> Scene

The same arguments give the same bytes. The banks "train" and "test" share no shape family
(`shapes.py`), no texture family and no texture seed (`textures.py`), and no scene seed; they do
share the compositions, the materials' colour statistics and the camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.demo.scenes.camera import photograph
from bench.demo.scenes.canvas import BoolMask, Canvas, FloatImage, Region, clipped, rasterise, shade
from bench.demo.scenes.compositions import crowd, mixed, nested
from bench.demo.scenes.parts import Level, Surface
from bench.demo.scenes.style import Pose, Stylist
from bench.demo.scenes.textures import BankName
from bench.demo.scenes.visibility import in_colour_space, stands_out

MIN_VISIBLE_PIXELS = 64
MIN_VISIBLE_SHARE = 0.25
MAX_SHARE_OF_PARENT = 0.92

_SEED_OF_BANK: Mapping[BankName, int] = {"train": 1_009, "test": 2_003}


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One thing that can be asked for.

    `mask` (H, W) bool, its visible pixels, parts included; `level` its place in the hierarchy;
    `kind` the shape family, or how the part was cut; `parent` the index in `Scene.objects` of
    what it is a part of, None for a whole.
    """

    mask: BoolMask
    level: Level
    kind: str
    parent: int | None


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture (H, W, 3) uint8 RGB and its objects; parents come before their parts."""

    image: NDArray[np.uint8]
    objects: tuple[SceneObject, ...]


def _background(style: Stylist, height: int, width: int) -> tuple[FloatImage, FloatImage]:
    """Return the empty picture (H, W, 3) and its main colour (3,)."""
    rng = style.rng
    colour = style.colour()
    if rng.random() < 0.25:
        colour = colour * np.float32(rng.uniform(0.05, 0.5))
    base = style.material(colour, relief=1.5)
    canvas = Canvas(np.broadcast_to(shade(base, height, width), (height, width, 3)))
    reach = float(np.hypot(height, width))
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 3))):
            unit = np.array([[-1.0, 0.0], [1.0, 0.0], [1.0, 2.0], [-1.0, 2.0]])
            x, y, angle = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, 2 * np.pi)
            zone = Pose(float(x), float(y), reach, float(angle)).place((unit,))
            _paint_unowned(canvas, style, zone, style.colour())
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(10, 50))):
            _, unit_outline = style.shape()
            radius = np.exp(rng.uniform(np.log(0.006), np.log(0.05))) * reach
            x, y, angle = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, 2 * np.pi)
            mark = Pose(float(x), float(y), float(radius), float(angle)).place(unit_outline)
            faint = colour + rng.normal(0, 18, 3).astype(np.float32)
            _paint_unowned(canvas, style, mark, np.clip(faint, 0, 255))
    return canvas.colours, colour


def _paint_unowned(
    canvas: Canvas, style: Stylist, outline: tuple[NDArray[np.float64], ...], colour: FloatImage
) -> None:
    region = rasterise(outline, canvas.height, canvas.width)
    if region is not None:
        canvas.paint(region, style.material(colour), None, soft=0.7)


def paint_surfaces(canvas: Canvas, surfaces: list[Surface], soft: float) -> list[Region | None]:
    """Paint in order; return each surface's full region (parts clipped to their parents)."""
    regions: list[Region | None] = []
    for index, surface in enumerate(surfaces):
        region = rasterise(surface.outline, canvas.height, canvas.width)
        if region is not None and surface.parent is not None:
            parent = regions[surface.parent]
            region = None if parent is None else clipped(region, parent)
        regions.append(region)
        if region is None:
            continue
        if surface.shadow is not None:
            canvas.cast_shadow(region, surface.shadow)
        canvas.paint(region, surface.material, index, soft if surface.parent is None else soft / 2)
    return regions


def visible_objects(
    owner: NDArray[np.int16], surfaces: list[Surface], regions: list[Region | None]
) -> tuple[SceneObject, ...]:
    """Return the objects worth asking for, from the map of what shows where.

    A thing is dropped, with its parts, if fewer than `MIN_VISIBLE_PIXELS` or less than
    `MIN_VISIBLE_SHARE` of it shows; a part also if it is nearly all of its parent
    (`MAX_SHARE_OF_PARENT`), as the two could not be told apart.
    """
    masks: list[BoolMask] = [owner == index for index in range(len(surfaces))]
    for index in range(len(surfaces) - 1, -1, -1):
        parent = surfaces[index].parent
        if parent is not None:
            masks[parent] |= masks[index]
    areas = [int(np.count_nonzero(mask)) for mask in masks]
    position: dict[int, int] = {}
    objects: list[SceneObject] = []
    for index, (surface, region) in enumerate(zip(surfaces, regions, strict=True)):
        if region is None or areas[index] < MIN_VISIBLE_PIXELS:
            continue
        if areas[index] < MIN_VISIBLE_SHARE * region.area():
            continue
        parent = surface.parent
        if parent is not None and (
            parent not in position or areas[index] > MAX_SHARE_OF_PARENT * areas[parent]
        ):
            continue
        position[index] = len(objects)
        mask = masks[index]
        mask.flags.writeable = False
        above = None if parent is None else position[parent]
        objects.append(SceneObject(mask, surface.level, surface.kind, above))
    return tuple(objects)


def render_scene(seed: int, *, bank: BankName, size: tuple[int, int]) -> Scene:
    """Render one scene.

    seed: any int >= 0. bank: which shapes and textures. size: (H, W) in pixels, each >= 32.
    A scene has at least one object; about half the scenes are mixed objects, a third crowds of
    similar round things, the rest close-ups of nested things.
    """
    height, width = size
    if min(height, width) < 32:
        raise ValueError(f"size must be at least 32 x 32 pixels, got {height} x {width}")
    for attempt in range(100):
        entropy = [_SEED_OF_BANK[bank], seed, height, width, attempt]
        rng = np.random.default_rng(np.random.SeedSequence(entropy))
        scene = _attempt(rng, bank, height, width)
        if scene.objects:
            return scene
    raise RuntimeError(f"no scene with a visible object for seed {seed}, bank {bank}, size {size}")


def _attempt(rng: np.random.Generator, bank: BankName, height: int, width: int) -> Scene:
    style = Stylist(rng, bank)
    background, ground = _background(style, height, width)
    choice = rng.random()
    compose = mixed if choice < 0.52 else crowd if choice < 0.82 else nested
    surfaces = compose(style, height, width, ground)
    canvas = Canvas(background)
    regions = paint_surfaces(canvas, surfaces, soft=float(rng.uniform(0.5, 1.2)))
    objects = visible_objects(canvas.owner, surfaces, regions)
    image = photograph(rng, canvas.colours)
    return Scene(image, _seen(image, objects))


def _seen(image: NDArray[np.uint8], objects: tuple[SceneObject, ...]) -> tuple[SceneObject, ...]:
    """Return the objects that stand out in the photograph; parts go with their whole."""
    lab = in_colour_space(image)
    position: dict[int, int] = {}
    seen: list[SceneObject] = []
    for index, thing in enumerate(objects):
        if thing.parent is not None and thing.parent not in position:
            continue
        if stands_out(lab, thing.mask):
            position[index] = len(seen)
            above = None if thing.parent is None else position[thing.parent]
            seen.append(replace(thing, parent=above))
    return tuple(seen)


def contact_sheet(seeds: range, *, bank: BankName, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return scenes above their outlined objects, side by side: (2H, n*W, 3) uint8 RGB."""
    columns = []
    for seed in seeds:
        scene = render_scene(seed, bank=bank, size=size)
        overlay = scene.image.copy()
        shades = {"whole": (255, 60, 60), "part": (60, 255, 60), "subpart": (80, 120, 255)}
        for thing in scene.objects:
            found, _ = cv2.findContours(
                thing.mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(overlay, found, -1, shades[thing.level], 1)
        columns.append(np.concatenate([scene.image, overlay]))
    return np.concatenate(columns, axis=1)
