"""``sam-bench rescore``: a further metric of finished runs, from their stored masks."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import Commands, add_data, add_json, add_results
from bench.cli.following import named, results_words

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from bench.types.measure import Measure

log = logging.getLogger(__name__)

_HELP = """\
Adds a metric to finished runs: the stored masks against the truth, read again, without a model.
It is kept in the run's folder, metrics/METRIC.parquet, one value per mask and step.

  sam-bench rescore 'photos-demo-*' --metric dice --metric nsd_3
  sam-bench rescore 'photos-demo-*' --metric mine.metrics.HOLES --allow-module mine

Metrics are the files of bench/scoring/metrics; nsd_N is the normalised surface distance at N
pixels, solved_N the share of masks whose IoU is at least N %. A metric of your own is a
bench.scoring.metrics.Metric in a module that you allow.
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
        help="such as dice, precision, recall, nsd_2 or solved_85; may be given several times",
    )
    add_results(rescore)
    add_data(rescore)
    rescore.add_argument("--allow-partial", action="store_true", help="unfinished runs too")
    add_json(rescore)
    rescore.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Adds the metrics to each run and prints their means."""
    from bench.analysis.rescoring import chosen_metrics, metric_means, rescore
    from bench.analysis.selection import select, shown_titles
    from bench.data.opening import samples_of_runs
    from bench.report.pages.folder import records
    from bench.run.progress import RunProgress
    from bench.store.runs import find_runs

    stores = find_runs(options.results, options.runs)
    empty = [store for store in stores if store.is_empty()]
    if len(empty) < len(stores):
        stores = [store for store in stores if store not in empty]
        for store in empty:
            log.warning("%s is left out: it has no row", store.folder.name)
    chosen = chosen_metrics(stores, options.metric, options.allow_module)
    # Refuses before anything is computed.
    selections = [select([store], allow_partial=options.allow_partial) for store in stores]
    titles = {kind: shown_titles(selections, kind) for kind in ("dataset", "model")}
    read_sample = samples_of_runs(options.datasets, options.allow_module)
    for store in stores:
        images = len(store.content().images)
        screen = console.progress(options)
        with RunProgress(store.folder.name, images, screen) as progress:
            rescore(
                store,
                options.metric,
                read_sample,
                allow_modules=options.allow_module,
                image_done=lambda: progress.image_done({}),
            )
    measures = {each.name: each.measure for each in chosen}
    means = metric_means(stores, list(measures), allow_partial=options.allow_partial)
    if options.json:
        console.show_json(records(means))
    else:
        console.show(_table(means, measures, titles), console.output())
    words = [*named(stores), *results_words(options.results)]
    console.say_next(options, "sam-bench", "report", *words)
    return 0


def _table(
    means: pd.DataFrame, measures: Mapping[str, Measure], titles: Mapping[str, Mapping[str, str]]
) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from bench.analysis.wording.words import few_said, interval_said, with_bounds

    table = Table(box=None, header_style="bold")
    spans = interval_said(means[means["masks"] > 0].drop(columns="dataset"), "low")
    table.caption = f"Means over masks, shares ×100, {spans}.{few_said(means, 'low')}"
    table.caption_justify = "left"
    several = ["protocol"] if means["protocol"].nunique() > 1 else []
    names = ["dataset", "prompt", "model", *several, "metric"]
    for name in names:
        table.add_column(name)
    for name in ("masks", "images", "mean"):
        table.add_column(name, justify="right")
    for line in means.to_dict("records"):
        shown = measures[str(line["metric"])].shown
        ends = shown(line["low"]), shown(line["high"])
        mean = with_bounds(shown(line["mean"]), *ends, line["few"])
        said = [titles.get(name, {}).get(line[name], str(line[name])) for name in names]
        table.add_row(*map(escape, said), f"{line['masks']:,}", f"{line['images']:,}", mean)
    return table
