"""Normalised surface distance against a published implementation, a plain one and by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import pytest
from oddities import odd_masks, random_blob

from bench.scoring.metrics import metric
from bench.scoring.metrics.nsd import nsd
from bench.types import BoolArray, Mask

# MONAI 1.6 warns of itself, and wraps tensors in a way that numpy 2 warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:monai:FutureWarning"),
    pytest.mark.filterwarnings("ignore:the (ground truth|prediction) of class:UserWarning"),
]

TOLERANCES = (0, 1, 2, 3, 5, 8, 40, 10**6)


@cache
def pairs() -> list[tuple[BoolArray, BoolArray]]:
    """Blobs of three sizes, none square, and every two of the odd masks."""
    rng = np.random.default_rng(5)
    found = []
    for size in ((23, 37), (41, 19), (90, 160)):
        found += [(random_blob(rng, *size), random_blob(rng, *size)) for _ in range(10)]
    found += combinations_with_replacement(odd_masks().values(), 2)
    mask = random_blob(rng, 50, 70)
    return [*found, (mask, np.roll(mask, 3, axis=1)), (mask, mask)]


def ours(a: BoolArray, b: BoolArray, tolerance: int) -> float | None:
    return nsd(Mask.from_dense(a), Mask.from_dense(b), tolerance)


def surface_points(mask: BoolArray) -> np.ndarray:
    """(N, 2) pixels of the mask that touch, by a side, one outside the mask or the image."""
    height, width = mask.shape
    return np.array(
        [
            (y, x)
            for y, x in np.argwhere(mask)
            if not all(
                0 <= ny < height and 0 <= nx < width and mask[ny, nx]
                for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
            )
        ]
    ).reshape(-1, 2)


def plain(a: BoolArray, b: BoolArray, tolerances: Sequence[int]) -> list[float | None]:
    """Every pixel of one surface with every one of the other, in whole numbers."""
    p, q = surface_points(a), surface_points(b)
    if len(p) + len(q) == 0:
        return [None] * len(tolerances)
    squares = ((p[:, None] - q[None]) ** 2).sum(axis=2)
    met = [squares <= tolerance**2 for tolerance in tolerances]
    return [float(m.any(axis=1).sum() + m.any(axis=0).sum()) / (len(p) + len(q)) for m in met]


@pytest.mark.parametrize("tolerance", [0, 2, 5])
def test_nsd_equals_monai(tolerance: int) -> None:
    import torch
    from monai.metrics import compute_surface_dice

    nothing = 0
    for a, b in pairs():
        tensors = [torch.from_numpy(mask)[None, None] for mask in (a, b)]
        theirs = compute_surface_dice(*tensors, [float(tolerance)], include_background=True).item()
        if np.isnan(theirs):
            nothing += 1
            assert ours(a, b, tolerance) is None
            assert not (a | b).any()
        else:
            assert ours(a, b, tolerance) == pytest.approx(theirs, abs=1e-6)
    assert nothing == 1


def test_nsd_equals_the_definition_to_the_last_bit() -> None:
    for a, b in pairs():
        expected = plain(a, b, TOLERANCES)
        assert [ours(a, b, tolerance) for tolerance in TOLERANCES] == expected
        assert [ours(b, a, tolerance) for tolerance in TOLERANCES] == expected


def test_how_far_a_surface_of_segments_is() -> None:
    """Nikolov et al. measure a line between the pixels; ours counts pixels: near, not equal."""
    import torch
    from monai.metrics import compute_surface_dice

    rng = np.random.default_rng(6)
    differences = []
    for _ in range(40):
        a = random_blob(rng, 90, 160)
        b = np.roll(a, rng.integers(-3, 4, 2), axis=(0, 1)) | random_blob(rng, 90, 160) & a
        tensors = [torch.from_numpy(mask)[None, None] for mask in (a, b)]
        segments = compute_surface_dice(
            *tensors, [2.0], include_background=True, use_subvoxels=True
        ).item()
        differences.append(ours(a, b, 2) - segments)
    assert 0.001 < np.abs(differences).mean() < 0.05
    assert np.abs(differences).max() < 0.25


def test_by_hand() -> None:
    """A 4×5 rectangle has 14 edge pixels; two columns to the right, each side's are counted."""
    a, b = np.zeros((2, 10, 16), dtype=bool)
    a[3:7, 4:9] = b[3:7, 6:11] = True
    # Within 0: of both rows of edges the 3 shared columns, 6 pixels a side.
    assert ours(a, b, 0) == 12 / 28
    # Within 1: column 5 of a's rows beside b's corners, two pixels; the inner ones of a's right
    # edge (2) lie one from b's rows of edges; the same for b.
    assert ours(a, b, 1) == (6 + 2 + 2) * 2 / 28
    assert ours(a, b, 2) == 1
    assert ours(a, a, 0) == 1


def test_nothing_and_one_of_two() -> None:
    none, some = odd_masks()["none"], odd_masks()["hole"]
    assert ours(none, none, 2) is None
    assert ours(none, some, 2) == ours(some, none, 2) == 0


def test_a_familys_member_has_its_number() -> None:
    a, b = pairs()[0]
    masks = Mask.from_dense(a), Mask.from_dense(b)
    for tolerance in (0, 2, 7):
        assert metric(f"nsd_{tolerance}").of(*masks) == nsd(*masks, tolerance)
    seven, one = metric("nsd_7").measure, metric("nsd_1").measure
    assert (seven.name, seven.title, one.title) == ("nsd_7", "NSD@7", "NSD@1")
    assert seven.definition == one.definition, "what a table says once for the family"


def test_distances_on_a_large_image_are_exact() -> None:
    """Two pixels, a whole distance or just more apart, far along an image of 1500 × 2000."""
    for down, right, tolerance in ((300, 400, 500), (1200, 1600, 2000), (0, 1999, 1999)):
        a, b = np.zeros((2, 1500, 2000), dtype=bool)
        a[0, 0] = b[down, right] = True
        masks = Mask.from_dense(a), Mask.from_dense(b)
        assert nsd(*masks, tolerance) == 1
        assert nsd(*masks, tolerance - 1) == 0
