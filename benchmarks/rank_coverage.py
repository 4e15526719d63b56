"""How often a board's intervals of ranks and win rates hold what they should.

    python benchmarks/rank_coverage.py --experiments 1000

A population is a pool of datasets with the scores of 8 models: each model's skill, how hard the
dataset is, and how well both go together. An experiment draws some datasets; an interval covers
where it holds the pool's own mean rank or win rate. Beside the intervals of
``bench.analysis.overview.ranks`` stand the quantiles of a bootstrap over datasets. No interval,
where a model has the same rank on every dataset, counts as one that doesn't cover.

Written into ``benchmarks/results/rank_coverage.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import result_files

from bench.analysis.overview.ranks import standings

Floats = npt.NDArray[np.float64]

MODELS, POOL, DRAWS = 8, 4_000, 500
DATASETS = (3, 5, 8, 12, 23)
SPREADS = {"close": 0.03, "apart": 0.15}
"""By how much the best model is better than the last, in IoU; models and datasets go together by a
standard deviation of 0.05."""


def pool_of(spread: float, rng: np.random.Generator) -> Floats:
    """Scores (M, POOL)."""
    skill = np.linspace(0, spread, MODELS)[:, None]
    return 0.6 + skill + rng.normal(0, 0.05, (MODELS, POOL)) + rng.normal(0, 0.15, POOL)


def ranks_of(scores: Floats) -> Floats:
    """Each model's rank on each dataset; nothing ties."""
    return (scores[None] > scores[:, None]).sum(axis=1) + 1.0


def bootstrap(ranks: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The quantiles (M,) of the mean ranks of datasets drawn again."""
    picks = rng.integers(0, ranks.shape[1], (DRAWS, ranks.shape[1]))
    low, high = np.quantile(ranks[:, picks].mean(axis=2), (0.025, 0.975), axis=1)
    return low, high


def covered(spread: float, datasets: int, experiments: int, seed: int) -> tuple[Floats, float]:
    """How often (3, M) intervals of rank, of wins and the bootstrap's cover; the ranks' width."""
    rng = np.random.default_rng([seed, datasets, round(1000 * spread)])
    pool = pool_of(spread, rng)
    truth = ranks_of(pool).mean(axis=1)
    wins = (MODELS - truth) / (MODELS - 1)
    hits, widths = np.zeros((3, MODELS)), list[float]()
    for _ in range(experiments):
        drawn = pool[:, rng.integers(0, POOL, datasets)]
        low, high = bootstrap(ranks_of(drawn), rng)
        hits[2] += (low <= truth) & (truth <= high)
        for model, found in enumerate(standings(drawn)):
            for line, ends, true in (
                (0, (found.rank_low, found.rank_high), truth[model]),
                (1, (found.wins_low, found.wins_high), wins[model]),
            ):
                if ends[0] is not None and ends[1] is not None:
                    hits[line, model] += ends[0] <= true <= ends[1]
            if found.rank_low is not None and found.rank_high is not None:
                widths.append(found.rank_high - found.rank_low)
    return hits / experiments, float(np.mean(widths))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--experiments", type=int, default=1_000, help="in a line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="rank_coverage", help="in benchmarks/results")
    chosen = parser.parse_args(arguments)
    lines = [
        f"# Ranks over datasets\n\n{date.today()}, `python benchmarks/rank_coverage.py "
        f"--experiments {chosen.experiments} --seed {chosen.seed}`\n",
        "In 100 experiments so many intervals hold the truth: the mean over 8 models, and the "
        "model of the fewest.\n",
        "| models | datasets | rank | fewest | win rate | fewest | bootstrap, rank | fewest "
        "| width, ranks |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, spread in SPREADS.items():
        for datasets in DATASETS:
            hits, width = covered(spread, datasets, chosen.experiments, chosen.seed)
            cells = [f"{100 * value:.1f}" for each in hits for value in (each.mean(), each.min())]
            lines.append(f"| {name} | {datasets} | {' | '.join(cells)} | {width:.2f} |")
    text = "\n".join(lines) + "\n"
    result_files.write(chosen.name, text, experiments=chosen.experiments, seed=chosen.seed)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
