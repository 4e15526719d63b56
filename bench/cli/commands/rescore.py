"""``sam-bench rescore``: a further metric of finished runs, from their stored masks."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import Commands, add_data, add_results

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_HELP = """\
Adds a metric to finished runs: the stored masks against the truth, read again, without a model.
It is kept in the run's folder, metrics/METRIC.parquet, one value per mask and step.

  sam-bench rescore 'photos-demo-*' --metric dice --metric precision
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    rescore = commands.add_parser(
        "rescore",
        help="add a metric to finished runs, without a model",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rescore.add_argument("runs", nargs="+", metavar="RUN", help="folders, globs or keys")
    rescore.add_argument(
        "--metric",
        action="append",
        required=True,
        metavar="METRIC",
        help="iou, boundary_iou, dice, precision or recall; may be given several times",
    )
    add_results(rescore)
    add_data(rescore)
    rescore.add_argument("--allow-partial", action="store_true", help="unfinished runs too")
    rescore.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Adds the metrics to each run and prints their means."""
    from bench.analysis.rescoring import metric_means, rescore
    from bench.analysis.selection import select
    from bench.data.opening import samples_of_runs
    from bench.run.progress import RunProgress
    from bench.store.runs import find_runs

    stores = find_runs(options.results, options.runs)
    metrics = list(dict.fromkeys(options.metric))
    for store in stores:
        select([store], allow_partial=options.allow_partial)  # refuses before anything is computed
    read_sample = samples_of_runs(options.datasets, options.allow_module)
    for store in stores:
        images = len(store.content().images)
        with RunProgress(store.folder.name, images, console.errors()) as progress:
            rescore(store, metrics, read_sample, image_done=lambda: progress.image_done({}))
    means = metric_means(stores, metrics, allow_partial=options.allow_partial)
    console.output().print(_table(means))
    return 0


def _table(means: pd.DataFrame) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from bench.analysis.words import points

    table = Table(box=None, header_style="bold")
    table.caption = "Means over masks, in points (×100), with 95 % intervals over images."
    table.caption_justify = "left"
    for name in ("dataset", "prompt", "model", "metric"):
        table.add_column(name)
    for name in ("masks", "images", "mean"):
        table.add_column(name, justify="right")
    for line in means.to_dict("records"):
        interval = f" ({points(line['low'])}–{points(line['high'])})"
        mean = points(line["mean"]) + (interval if line["images"] > 1 else "")
        names = [escape(str(line[name])) for name in ("dataset", "prompt", "model", "metric")]
        table.add_row(*names, f"{line['masks']:,}", f"{line['images']:,}", mean)
    return table
