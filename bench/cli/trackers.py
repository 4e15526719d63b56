"""``--log-to``: a command's runs handed to trackers of experiments, in the way of nothing."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from typing import TYPE_CHECKING

from bench.types import BenchError
from bench.types.errors import told

if TYPE_CHECKING:
    from bench.report import Request

log = logging.getLogger(__name__)


def add_trackers(parser: argparse.ArgumentParser) -> None:
    """The options that say which trackers are told of the runs, and what."""
    parser.add_argument(
        "--log-to",
        action="append",
        default=[],
        metavar="TRACKER",
        help="hand each run to wandb, mlflow or trackio; a failure there is a warning",
    )
    parser.add_argument(
        "--log-project", default="sam-bench", metavar="NAME", help="of the tracker (sam-bench)"
    )
    parser.add_argument(
        "--log-worst", type=int, default=6, metavar="N", help="pictures of the worst masks (6)"
    )


def check_trackers(options: argparse.Namespace) -> None:
    """Says at once which tracker isn't installed; those stay out.

    Raises ``BenchError`` for no such tracker, and options that say nothing.
    """
    from bench.report.trackers import check_tracker

    if options.log_worst < 0:
        raise BenchError(f"--log-worst is a number of pictures from 0, found {options.log_worst}")
    there = []
    for name in dict.fromkeys(options.log_to):
        if check_tracker(name):
            there.append(name)
        else:
            log.warning(
                "%s is not installed, so nothing is logged to it: pip install 'sam-bench[%s]'; "
                "`sam-bench report RUN --log-to %s` does it later", name, name, name,
            )  # fmt: skip
    options.log_to = there


def log_runs(options: argparse.Namespace, request: Request) -> None:
    """Hands the runs over; whatever goes wrong is a warning."""
    if not options.log_to:
        return
    from bench.report.trackers import load_tracker
    from bench.report.trackers.record import records_of

    with contextlib.redirect_stdout(sys.stderr):  # a tracker's words are no result
        try:
            records = list(records_of(request, options.log_worst))
        except Exception as error:
            log.warning("nothing is logged: %s", told(error))
            return
        for name in options.log_to:
            for record in records:
                try:
                    where = load_tracker(name).send(record, options.log_project)
                except (Exception, SystemExit) as error:
                    log.warning(
                        "%s: %s is not logged: %s; the run itself is whole", name, record.name,
                        told(error),
                    )  # fmt: skip
                else:
                    log.info("%s: %s is logged: %s", name, record.name, where)
