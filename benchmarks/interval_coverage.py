"""How often the 95 % intervals hold what they should: simulated experiments with a known truth.

    python benchmarks/interval_coverage.py --experiments 2000

Each experiment draws images with 1 to 40 masks (most few). Masks of one image are alike: the IoU
of a mask is a beta variable whose mean is its image's, and that varies between images. Two models
see the same masks; the second is a little worse, and both follow the image. An interval "covers"
where it holds the true mean over masks, found with 400,000 images. The interval that takes masks
for independent stands beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.analysis.stats import clustered_draws_together, percentile_bounds

IMAGES = (10, 30, 100, 400)
_MANY = 400_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Experiment:
    """The IoUs of two models on the same masks (N,), and the image of each mask (N,)."""

    a: Floats
    b: Floats
    images: npt.NDArray[np.int64]


def simulate(rng: np.random.Generator, images: int) -> Experiment:
    """Draw one experiment; skewed and bounded IoUs, correlated within images and between models."""
    sizes = np.minimum(40, 1 + rng.negative_binomial(0.8, 0.12, images))
    of_mask = np.repeat(np.arange(images), sizes)
    # Images with many masks hold small ones, which score lower: size and quality go together.
    centre = 1.3 - 0.25 * np.log(sizes) + rng.normal(0, 0.7, images)
    mean = 1 / (1 + np.exp(-centre[of_mask] + rng.normal(0, 0.8, len(of_mask))))
    a = rng.beta(8 * mean, 8 * (1 - mean))
    worse = np.clip(mean - 0.02 - rng.normal(0, 0.03, images)[of_mask], 0.01, 0.99)
    b = 0.6 * a + 0.4 * rng.beta(8 * worse, 8 * (1 - worse))
    return Experiment(a, b, of_mask)


def covered(
    images: int, experiments: int, *, samples: int = 1_000, seed: int = 0
) -> dict[str, float]:
    """Return the share of experiments whose interval holds the truth, by kind of interval."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, images]))
    many = simulate(np.random.default_rng(np.random.SeedSequence([seed, 1])), _MANY)
    truth = {"mean": float(many.a.mean()), "difference": float((many.a - many.b).mean())}
    hits = dict.fromkeys(["mean", "difference", "mean, masks as if independent"], 0)
    for number in range(experiments):
        one = simulate(rng, images)
        columns = np.stack([one.a, one.a - one.b], axis=1)
        draws = clustered_draws_together(columns, one.images, samples=samples, seed=number)
        for name, column in zip(truth, draws.T, strict=True):
            hits[name] += _holds(percentile_bounds(column), truth[name])
        alone = one.a.std(ddof=1) / np.sqrt(len(one.a)) * 1.96
        bounds = (one.a.mean() - alone, one.a.mean() + alone)
        hits["mean, masks as if independent"] += _holds(bounds, truth["mean"])
    return {name: count / experiments for name, count in hits.items()}


def _holds(bounds: tuple[float, float] | tuple[None, None], value: float) -> bool:
    low, high = bounds
    return low is not None and high is not None and low <= value <= high


def table(experiments: int, images: Sequence[int] = IMAGES) -> str:
    """Return the coverage in percent as a Markdown table, with its Monte-Carlo error."""
    found = {number: covered(number, experiments) for number in images}
    names = list(next(iter(found.values())))
    lines = [f"| images | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for number, shares in found.items():
        cells = [
            f"{100 * p:.1f} ± {196 * np.sqrt(p * (1 - p) / experiments):.1f}"
            for p in shares.values()
        ]
        lines.append(f"| {number} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--experiments", type=int, default=2_000)
    chosen = parser.parse_args(arguments)
    print(table(chosen.experiments))  # noqa: T201


if __name__ == "__main__":
    main()
