"""How often the 95 % intervals hold what they should: simulated experiments with a known truth.

    python benchmarks/interval_coverage.py --experiments 2000

A population is a pool of images with masks; an experiment draws some of its images, with
replacement, and makes the intervals of the bench from them. They cover where they hold the pool's
own mean, which is known exactly. Masks of an image are alike (``alike``, their correlation), IoUs
are skewed or two-humped, images differ in their number of masks, and where big images are worse the
numbers hang together as they do on nuclei. Two models share masks and images, and each has its own
idea of an image.

Written into ``benchmarks/results/interval_coverage.md``: coverage and width by number of images;
coverage by how unequal the drawn images are; how often a verdict is given where both models are the
same; coverage of means of datasets; how often the planned number of images shows the difference.
Beside the interval over masks stands that of the earlier releases, a studentised bootstrap.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import result_files
from scipy.special import ndtr
from scipy.stats import beta

from bench.analysis.stats import (
    Averages,
    averages,
    clusters_needed,
    mean_averages,
    paired_averages,
)
from bench.analysis.stats.intervals import Interval

Floats: TypeAlias = npt.NDArray[np.float64]
Numbers: TypeAlias = npt.NDArray[np.int64]

IMAGES = (3, 5, 8, 12, 20, 30, 50, 100, 200)
POOL = 20_000
VERDICTS = (6, 8, 12, 30, 100)
SAMPLES = 499
"""Resamples of the earlier releases' bootstrap; they took 10,000."""


def equal(rng: np.random.Generator) -> Numbers:
    """10 masks in every image."""
    return np.full(POOL, 10)


def poisson(rng: np.random.Generator) -> Numbers:
    """10 masks or about as many."""
    return 1 + rng.poisson(9, POOL)


def geometric(rng: np.random.Generator) -> Numbers:
    """10 masks on average, most often few."""
    return rng.geometric(0.1, POOL)


def log_normal(spread: float) -> Callable[[np.random.Generator], Numbers]:
    """12 masks in the median, up to 300."""

    def draw(rng: np.random.Generator) -> Numbers:
        sizes = np.round(12 * np.exp(spread * rng.normal(size=POOL)))
        return np.clip(sizes, 1, 300).astype(np.int64)

    return draw


def giants(rng: np.random.Generator) -> Numbers:
    """3 % of the images hold 150 to 400 masks, the others 2 to 14."""
    return np.where(
        rng.random(POOL) < 0.03, rng.integers(150, 401, POOL), rng.integers(2, 15, POOL)
    )


@dataclass(frozen=True)
class Kind:
    """What a population is like."""

    sizes: Callable[[np.random.Generator], Numbers]
    alike: float = 0.4
    two_humped: bool = False
    big_worse: bool = False


KINDS: Mapping[str, Kind] = {
    "equal": Kind(equal),
    "equal, two-humped": Kind(equal, two_humped=True),
    "poisson": Kind(poisson, 0.1),
    "geometric": Kind(geometric),
    "geometric, big worse": Kind(geometric, big_worse=True),
    "log-normal 1": Kind(log_normal(1.0)),
    "log-normal 1, big worse": Kind(log_normal(1.0), big_worse=True),
    "log-normal 1.5": Kind(log_normal(1.5)),
    "log-normal 1.5, big worse": Kind(log_normal(1.5), big_worse=True),
    "log-normal 1.5, two-humped, big worse": Kind(log_normal(1.5), 0.4, True, True),
    "3 % giants": Kind(giants),
    "3 % giants, big worse": Kind(giants, big_worse=True),
}


@dataclass(frozen=True)
class Pool:
    """A population: the masks of its images one after the other.

    ``a`` and ``b`` are two models' IoUs, ``same`` is a model that is as good as ``a`` in every
    image: in each the two have changed places or not. ``sizes`` and ``starts`` say which masks are
    an image's.
    """

    a: Floats
    b: Floats
    same: Floats
    sizes: Numbers
    starts: Numbers = field(repr=False)

    def masks(self, images: Numbers) -> tuple[Numbers, Numbers]:
        """The masks of some images, and the place among them of each one's image."""
        sizes = self.sizes[images]
        of_mask = np.repeat(np.arange(len(images)), sizes)
        first = np.repeat(self.starts[images] - np.cumsum(sizes) + sizes, sizes)
        return first + np.arange(len(of_mask)), of_mask


def make(kind: Kind, rng: np.random.Generator) -> Pool:
    """A population of that kind."""
    sizes = kind.sizes(rng)
    logs = np.log(sizes)
    spread = logs.std()
    size = (logs - logs.mean()) / spread if spread else np.zeros(POOL)

    def image_effect() -> Floats:
        own = rng.normal(size=POOL)
        return -0.6 * size + 0.8 * own if kind.big_worse else own

    of_mask = np.repeat(np.arange(POOL), sizes)
    shared, apart = image_effect(), image_effect()
    noise, other = rng.normal(size=(2, len(of_mask)))
    between, within = np.sqrt(kind.alike), np.sqrt(1 - kind.alike)
    first = between * shared[of_mask] + within * noise
    second = between * (0.9 * shared + 0.435 * apart)[of_mask] + within * (
        0.8 * noise + 0.6 * other
    )
    a, b = _iou(first, kind.two_humped), _iou(second - 0.15, kind.two_humped)
    turned = rng.random(POOL)[of_mask] < 0.5
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    # ``same`` differs from ``a`` by the two models' difference, with a sign drawn for each image.
    apart_by = np.where(turned, b - a, a - b)
    return Pool(a, b, a - apart_by, sizes, starts)


def _iou(latent: Floats, two_humped: bool) -> Floats:
    """IoUs of a skewed beta (mean .75, s.d. .22), or near 0.03 and 0.9, from normal numbers."""
    rank = ndtr(latent)
    grid = np.linspace(0, 1, 2001)
    if two_humped:
        low, high = beta(1, 32), beta(27, 3)
        values = np.linspace(0, 1, 4001)
        return np.interp(rank, 0.2 * low.cdf(values) + 0.8 * high.cdf(values), values)
    return np.interp(rank, grid, beta(2.156, 0.719).ppf(grid))


@dataclass
class Count:
    """How often something held, and how wide it was; widths are in points."""

    held: int = 0
    of: int = 0
    width: float = 0.0

    def add(self, found: Interval, truth: float) -> None:
        """One experiment's interval; one without bounds isn't counted."""
        if found.low is not None and found.high is not None:
            self.add_bounds(found.low, found.high, truth)

    def add_bounds(self, low: float, high: float, truth: float) -> None:
        """One experiment's bounds."""
        self.held += low <= truth <= high
        self.of += 1
        self.width += 100 * (high - low)

    def shown(self) -> str:
        """Coverage in percent and mean width."""
        if not self.of:
            return "–"
        return f"{100 * self.held / self.of:.0f} · {self.width / self.of:.3g}"


WHAT = ("mean over masks", "difference over masks", "mean over images", "difference over images")


def truths(pool: Pool) -> dict[str, float]:
    """What the intervals should hold."""
    of_image = np.add.reduceat(pool.a, pool.starts) / pool.sizes
    of_other = np.add.reduceat(pool.b, pool.starts) / pool.sizes
    values = (
        pool.a.mean(), (pool.a - pool.b).mean(), of_image.mean(), (of_image - of_other).mean()
    )  # fmt: skip
    return dict(zip(WHAT, map(float, values), strict=True))


def experiments(pool: Pool, images: int, number: int, rng: np.random.Generator) -> Iterator[
    tuple[Averages, Averages, Numbers, Numbers]
]:  # fmt: skip
    """The means and differences of so many draws, and which masks of which images they are of."""
    for _ in range(number):
        masks, of_mask = pool.masks(rng.integers(POOL, size=images))
        mean = averages(pool.a[masks], of_mask)
        difference = paired_averages(pool.a[masks], pool.b[masks], of_mask)
        yield mean, difference, masks, of_mask


def earlier_bounds(
    values: Floats, of_mask: Numbers, rng: np.random.Generator
) -> tuple[float, float]:
    """The interval of the earlier releases: a studentised bootstrap, cut at the values."""
    sums, sizes = np.bincount(of_mask, weights=values), np.bincount(of_mask).astype(float)
    number, n = len(sums), sizes.sum()
    mean = sums.sum() / n

    def error(weights: Floats, at: Floats) -> Floats:
        residual = sums[None] - at[:, None] * sizes[None]
        return np.sqrt((weights * residual**2).sum(axis=1)) / (weights @ sizes)

    weights = rng.multinomial(number, np.full(number, 1 / number), SAMPLES).astype(float)
    means = weights @ sums / (weights @ sizes)
    own = float(error(np.ones((1, number)), np.array([mean]))[0])
    t = (means - mean) / np.maximum(error(weights, means), 0.4 * own) if own else 0 * means
    draws = np.clip(mean - own * np.sqrt(number / (number - 1)) * t, values.min(), values.max())
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def by_images(kinds: Sequence[str], number: int, seed: int) -> str:
    """Coverage · width by number of images, with that of the earlier releases."""
    text = [
        f"## By number of images\n\nCoverage in percent · mean width in points, {number:,} "
        f"experiments a cell (standard error {100 * np.sqrt(0.05 * 0.95 / number):.1f} at 95 %); "
        f"earlier releases: {max(1, number // 4):,}. Beside each population the effective share of "
        "its images, (Σm)² / (n Σm²).\n",
        f"| population | number | {' | '.join(map(str, IMAGES))} |",
        f"|---|---|{'---|' * len(IMAGES)}",
    ]
    for name in kinds:
        pool = make(KINDS[name], np.random.default_rng([seed, _place(name)]))
        truth = truths(pool)
        share = pool.sizes.sum() ** 2 / (POOL * (pool.sizes.astype(float) ** 2).sum())
        rows: dict[str, list[str]] = {what: [] for what in (*WHAT, *_EARLIER)}
        for images in IMAGES:
            rng = np.random.default_rng([seed, _place(name), images])
            counts = {what: Count() for what in rows}
            found = experiments(pool, images, number, rng)
            for place, (mean, difference, masks, of_mask) in enumerate(found):
                four = (mean.masks, difference.masks, mean.images, difference.images)
                for what, interval in zip(WHAT, four, strict=True):
                    counts[what].add(interval, truth[what])
                if place % 4 == 0:
                    both = pool.a[masks], pool.a[masks] - pool.b[masks]
                    for what, values in zip(WHAT[:2], both, strict=True):
                        bounds = earlier_bounds(values, of_mask, rng)
                        counts[f"{what}, earlier"].add_bounds(*bounds, truth[what])
            for what, count in counts.items():
                rows[what].append(count.shown())
        text += [
            f"| {name} ({share:.2f}) | {what} | {' | '.join(rows[what])} |"
            for what in (WHAT[0], _EARLIER[0], WHAT[1], _EARLIER[1], *WHAT[2:])
        ]
    return "\n".join(text)


_EARLIER = tuple(f"{what}, earlier" for what in WHAT[:2])
SHARES = (0, 0.2, 1 / 3, 0.5, 0.7, 0.9, 1.01)


def by_evenness(kinds: Sequence[str], number: int, seed: int) -> str:
    """Coverage of draws of one population, by how unequal the drawn images are."""
    heads = [f"{low:.2f}–{min(1, high):.2f}" for low, high in pairwise(SHARES)]
    text = [
        "## By how unequal the drawn images are\n\nThe same, by the effective share of the images "
        "of each draw, n = 5 to 50 together. A small share is not where intervals fail: they fail "
        "where a draw missed the big images, and such draws look even.\n",
        f"| population | number | {' | '.join(heads)} |",
        f"|---|---|{'---|' * len(heads)}",
    ]
    for name in kinds:
        pool = make(KINDS[name], np.random.default_rng([seed, _place(name)]))
        truth = truths(pool)
        counts = {what: [Count() for _ in heads] for what in WHAT[:2]}
        for images in (5, 8, 12, 20, 30, 50):
            rng = np.random.default_rng([seed, _place(name), images, 1])
            for mean, difference, _, _ in experiments(pool, images, number, rng):
                share = (mean.masks.effective or 0) / images
                place = int(np.searchsorted(SHARES, share, side="right")) - 1
                counts[WHAT[0]][place].add(mean.masks, truth[WHAT[0]])
                counts[WHAT[1]][place].add(difference.masks, truth[WHAT[1]])
        for what, cells in counts.items():
            shown = (f"{c.shown()} ({c.of:,})" if c.of >= 50 else "–" for c in cells)
            text.append(f"| {name} | {what} | {' | '.join(shown)} |")
    return "\n".join(text)


def verdicts(kinds: Sequence[str], number: int, seed: int) -> str:
    """How often a difference is shown where there is none, and where there is one."""
    text = [
        "## Verdicts\n\nPercent of experiments with p < 0.05: of two models that have changed "
        "places in a random half of the images (none should be shown: at most 5), and of the two "
        "models themselves (power).\n",
        f"| population | models | {' | '.join(map(str, VERDICTS))} |",
        f"|---|---|{'---|' * len(VERDICTS)}",
    ]
    for name in kinds:
        pool = make(KINDS[name], np.random.default_rng([seed, _place(name)]))
        shown: dict[str, list[str]] = {"the same": [], "two": []}
        for images in VERDICTS:
            rng = np.random.default_rng([seed, _place(name), images, 2])
            hits = dict.fromkeys(shown, 0)
            for _ in range(number):
                masks, of_mask = pool.masks(rng.integers(POOL, size=images))
                for what, other in (("the same", pool.same), ("two", pool.b)):
                    p = paired_averages(pool.a[masks], other[masks], of_mask).p
                    hits[what] += p is not None and p < 0.05
            for what, count in hits.items():
                shown[what].append(f"{100 * count / number:.1f}")
        text += [f"| {name} | {what} | {' | '.join(row)} |" for what, row in shown.items()]
    return "\n".join(text)


MIXED = ("equal", "geometric", "log-normal 1", "log-normal 1, big worse")
OF_EACH = ((12, 12, 12, 12), (12, 30, 100, 20), (30, 30, 30, 30), (100, 100, 100, 100))


def of_datasets(number: int, seed: int) -> str:
    """Coverage of means of four datasets."""
    text = [
        f"## Means of datasets\n\nFour datasets ({', '.join(MIXED)}), each of the same weight.\n",
        f"| images of each | {' | '.join(WHAT)} |",
        f"|---|{'---|' * len(WHAT)}",
    ]
    pools = [make(KINDS[name], np.random.default_rng([seed, _place(name)])) for name in MIXED]
    truth = {what: float(np.mean([truths(pool)[what] for pool in pools])) for what in WHAT}
    for sizes in OF_EACH:
        rng = np.random.default_rng([seed, *sizes])
        counts = {what: Count() for what in WHAT}
        draws = [
            experiments(pool, size, number, rng) for pool, size in zip(pools, sizes, strict=True)
        ]
        for several in zip(*draws, strict=True):
            mean = mean_averages([each[0] for each in several])
            difference = mean_averages([each[1] for each in several])
            four = (mean.masks, difference.masks, mean.images, difference.images)
            for what, interval in zip(WHAT, four, strict=True):
                counts[what].add(interval, truth[what])
        cells = (counts[what].shown() for what in WHAT)
        text.append(f"| {', '.join(map(str, sizes))} | {' | '.join(cells)} |")
    return "\n".join(text)


def planned(kinds: Sequence[str], number: int, seed: int) -> str:
    """Whether the planned number of images shows the difference as often as planned, 80 %."""
    text = [
        "## Images needed\n\nA first try of 60 images says how many are needed to see the true "
        "difference over masks four times in five; the median of 50 tries, and how often so many "
        "show it.\n",
        "| population | images needed | shown, % |",
        "|---|---|---|",
    ]
    for name in kinds:
        pool = make(KINDS[name], np.random.default_rng([seed, _place(name)]))
        rng = np.random.default_rng([seed, _place(name), 3])
        effect = abs(truths(pool)[WHAT[1]])
        tries = [clusters_needed(found[1], effect) or 0 for found in experiments(pool, 60, 50, rng)]
        needed = int(np.median(tries))
        drawn = list(experiments(pool, needed, number, rng))
        hits = sum(found[1].p is not None and found[1].p < 0.05 for found in drawn)
        text.append(f"| {name} | {needed} | {100 * hits / len(drawn):.0f} |")
    return "\n".join(text)


def _place(name: str) -> int:
    return list(KINDS).index(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--experiments", type=int, default=2_000, help="in a cell")
    parser.add_argument("--populations", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="interval_coverage", help="in benchmarks/results")
    chosen = parser.parse_args(arguments)
    several = chosen.populations, chosen.experiments, chosen.seed
    parts = [
        f"# Intervals\n\n{date.today()}, `python benchmarks/interval_coverage.py --experiments "
        f"{chosen.experiments} --seed {chosen.seed}`",
        by_images(*several),
        by_evenness(*several),
        verdicts(*several),
        of_datasets(chosen.experiments, chosen.seed),
        planned(*several),
    ]
    text = "\n\n".join(parts) + "\n"
    result_files.write(chosen.name, text, experiments=chosen.experiments, seed=chosen.seed)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
