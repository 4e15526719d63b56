"""Normalised surface distance (surface Dice) at a tolerance of some pixels: ``nsd_N``."""

from __future__ import annotations

from functools import partial

from bench.scoring.metrics import Metric
from bench.scoring.overlap import check_sizes
from bench.scoring.rims import pixels_within, surface
from bench.types import Mask
from bench.types.measure import Measure

DEFAULT = 2
"""Pixels of tolerance where none are named."""


def nsd(prediction: Mask, target: Mask, tolerance: int = DEFAULT) -> float | None:
    """The share of both surfaces that lies within ``tolerance`` pixels of the other, in [0, 1].

    A mask's surface is its pixels that have one of their four neighbours outside the mask, the
    image's border being outside (``bench.scoring.rims.surface``). Each such pixel counts one, and
    it is met where a pixel of the other surface lies at most ``tolerance`` from it, Euclidean and
    from middle to middle; met pixels of both masks over all of both. None for two empty masks,
    which have no surface; 0 where only one is empty. ``tolerance`` is at least 0: at 0 it is the
    Dice coefficient of the two surfaces.

    This is the surface Dice of Nikolov et al. (arXiv 1809.04430) with a surface of pixels, each
    counting one, where their code has segments of a line between pixels and counts their lengths;
    on blobs that differ by a few pixels the two are 0.02 apart on average.

    >>> import numpy as np
    >>> a = Mask.from_dense(np.array([[1, 1, 0, 0, 0, 0]], dtype=bool))
    >>> b = Mask.from_dense(np.array([[0, 0, 1, 1, 1, 1]], dtype=bool))
    >>> nsd(a, b, 0), nsd(a, b, 1), nsd(a, b, 2)
    (0.0, 0.3333333333333333, 0.6666666666666666)
    """
    check_sizes(prediction, target)
    found, truth = surface(prediction), surface(target)
    whole = found.area + truth.area
    if whole == 0:
        return None
    met = pixels_within(found, tolerance, truth) + pixels_within(truth, tolerance, found)
    return met / whole


def member(number: int) -> Metric:
    """NSD at a tolerance of ``number`` pixels, at least 0."""
    name = f"nsd_{number}"
    return Metric(
        Measure(
            name,
            name,
            f"NSD@{number}",
            definition="Normalised surface distance at N pixels: the share of both masks' edge "
            "pixels within N pixels of the other's (surface Dice: Nikolov et al., Deep Learning to "
            "Achieve Clinically Applicable Segmentation of Head and Neck Anatomy for Radiotherapy, "
            "arXiv 1809.04430, 2018; JMIR 2021). "
            "An edge pixel has one of its four neighbours outside the mask or the image. None for "
            "two empty masks, 0 where one is.",
        ),
        partial(nsd, tolerance=number),
    )
