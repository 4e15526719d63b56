"""``sam-bench report``: table, figures and page of finished runs."""

from __future__ import annotations

import argparse

from bench.cli import console
from bench.cli.arguments import (
    Commands,
    add_columns,
    add_data,
    add_figures,
    add_json,
    add_look,
    add_pictures,
    add_results,
    add_slices,
    report_name,
)
from bench.cli.following import after_report
from bench.cli.trackers import add_trackers, check_trackers, log_runs
from bench.files.places import local_side


def add(commands: Commands) -> None:
    """Adds the command."""
    report = commands.add_parser("report", help="tables, figures and a page from finished runs")
    report.add_argument("runs", nargs="*", metavar="RUN", help="folders, globs or keys (all)")
    report.add_argument(
        "--name", type=report_name, default="report", help="the report's folder name"
    )
    add_results(report)
    add_data(report)
    report.add_argument("--allow-partial", action="store_true", help="unfinished runs too, marked")
    add_slices(report)
    add_json(report)
    report.add_argument("--figure", metavar="NAME", help="also a figure of the paper, as fig9c")
    add_columns(report)
    add_look(report)
    add_pictures(report)
    add_figures(report)
    add_trackers(report)
    report.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Finds the runs and writes their report."""
    from bench.data.opening import samples_of_runs
    from bench.report import Request
    from bench.store.runs import find_runs

    check_trackers(options)
    stores = find_runs(options.results, options.runs or ["*"])
    out = local_side(options.results) / "reports" / options.name
    request = Request(
        tuple(stores),
        samples_of_runs(options.datasets, options.allow_module),
        allow_partial=options.allow_partial,
        by=tuple(options.by),
        figure=options.figure,
        allow_modules=tuple(options.allow_module),
        columns=options.columns,
        labels=dict(options.label),
        digits=options.digits,
        width=options.width,
        pictures=options.pictures,
        figures=options.figures,
    )
    shown = console.show_runs(request, out, as_json=options.json)
    log_runs(options, request)
    console.say_next(options, *after_report(stores, options.results))
    return shown
