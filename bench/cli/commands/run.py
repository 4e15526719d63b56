"""``sam-bench run``: every run that the overrides ask for, then their table."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import (
    Commands,
    add_figures,
    add_json,
    add_overrides,
    add_pictures,
    add_slices,
    config_words,
    groups_in,
    override_words,
    report_name,
)
from bench.cli.following import after_run
from bench.cli.trackers import add_trackers, check_trackers, log_runs
from bench.files.places import local_side, place
from bench.types import BenchError

if TYPE_CHECKING:
    from bench.run.plan import Plan
    from bench.store.runs import RunStore
    from bench.types import Sample

log = logging.getLogger(__name__)

_HELP = """\
Runs what is missing and prints the mIoU table. The words after `run` are overrides of the
configuration: a group's file by name (model=demo dataset=shapes prompt=[point_1,box]), any value
(runtime.limit=20), or several in turn (model=demo,grabcut). The same command again does only what
is missing. With --plan it only says what that is: images, masks, minutes, memory and disk; a
checkpoint that isn't here is fetched, nothing is run.

  model=NAME             a model                          sam-bench ls models
  dataset=NAME           a dataset                        sam-bench ls datasets
  prompt=[NAME,…]        how it is prompted               sam-bench ls prompts
  protocol=NAME          every free choice                sam-bench ls protocols
  task=NAME              what is evaluated                sam-bench ls tasks
  suite=NAME             datasets, prompts and protocol   sam-bench ls suites
  experiment=NAME        all of these at once             sam-bench ls experiments
  runtime=NAME           where it runs                    sam-bench ls runtimes
  runtime.SETTING=VALUE  how it runs                      sam-bench settings

  sam-bench run model=demo dataset=shapes prompt=[point_1,point_3,box]
  sam-bench run model=sam_vit_b dataset=bbbc038 runtime.datasets=PATH --report nuclei
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    run = commands.add_parser(
        "run",
        help="run a model on a dataset",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_overrides(run, "model=demo")
    run.add_argument(
        "--plan", action="store_true", help="only say what there is to do, and what it will take"
    )
    run.add_argument(
        "--report", metavar="NAME", type=report_name, help="also write results/reports/NAME/"
    )
    add_figures(run)
    add_pictures(run)
    add_slices(run)
    add_json(run)
    add_trackers(run)
    run.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Runs what is missing, shows the table, and says which images failed."""
    from bench.config.composing import load_configs
    from bench.report import Request
    from bench.report.figures.kinds import kinds_asked
    from bench.run.driver import doubts
    from bench.run.forecast.disk_space import check_disk_space
    from bench.run.forecast.forecast import worth_saying
    from bench.run.plan import make_plan
    from bench.run.progress import run_plan

    if options.by:
        from bench.analysis.sections.slices import check_slice

        for by in options.by:
            check_slice(by)
    if options.report:
        kinds_asked(options.figures)
    check_trackers(options)
    configs = load_configs(options.overrides, options.config_dir)
    figure = configs[0].figure
    if figure is not None:
        from bench.report.figures.paper_figures import check_figure

        check_figure(figure, configs[0].runtime.allow_modules)
    plans = [make_plan(config) for config in configs]
    for plan in plans:
        _refuse_idle(plan, options.overrides)
        for by in options.by:
            _check_slice(plan, by)
    if options.plan:
        if options.json:
            console.show_json(console.plain_plans(plans))
        else:
            console.show_plans(plans, console.output())
        for words in dict.fromkeys(words for plan in plans for words in doubts(plan)):
            log.warning("%s", words)
        console.say_next(options, *_again(options))
        return 0
    check_disk_space(plans)
    if worth_saying(plans):
        console.show_plans(plans, console.progress(options))
    failed = [error for plan in plans for error in run_plan(plan, console.progress(options))]
    stores = [run.store for plan in plans for run in plan.work.runs.values()]
    stores = list({store.folder: store for store in stores}.values())
    readers = {run.store.folder: plan.reader for plan in plans for run in plan.work.runs.values()}
    limited = any(config.runtime.limit is not None for config in configs)
    reports = local_side(place(configs[0].runtime.results)) / "reports"
    out = reports / options.report if options.report else None

    def read_sample(store: RunStore, image_id: str) -> Sample:
        return readers[store.folder].read(image_id)

    request = Request(
        tuple(stores),
        read_sample,
        allow_partial=limited,
        by=tuple(options.by),
        figure=figure,
        allow_modules=tuple(configs[0].runtime.allow_modules),
        pictures=options.pictures,
        figures=options.figures,
    )
    shown = console.show_runs(request, out, as_json=options.json)
    log_runs(options, request)
    if failed:
        console.say_next(options, *_again(options))
    else:
        console.say_next(options, *after_run(options, stores, configs[0].runtime.results))
    return console.say_failed(failed) or shown


def _again(options: argparse.Namespace) -> list[str]:
    """The command itself, without ``--plan``."""
    figures = None if options.figures is None else ",".join(options.figures) or "none"
    asked = {"--report": options.report, "--figures": figures, "--pictures": options.pictures}
    said = [(name, str(value)) for name, value in asked.items() if value is not None]
    words = [word for pair in [*said, *(("--by", each) for each in options.by)] for word in pair]
    return ["sam-bench", "run", *config_words(options), *override_words(options), *words]


def _check_slice(plan: Plan, by: str) -> None:
    """Looks whether masks have what the table is to be sliced by, in the first images to be done.

    Raises ``BenchError`` where they are all there are; where there are more, it is only said.
    """
    from bench.analysis.sections.slices import check_targets
    from bench.data.doubts import FIRST, read_whole

    todo = plan.work.todo[:FIRST]
    samples = [read_whole(plan.reader, image_id) for image_id in todo]
    targets = [target for sample in samples if sample is not None for target in sample.targets]
    if not targets:
        return
    try:
        check_targets(by, targets)
    except BenchError as error:
        if todo == plan.work.ids[: plan.setting.runtime.limit]:
            raise
        log.warning("--by %s: in the first %d images %s", by, len(todo), error)


def _refuse_idle(plan: Plan, overrides: Sequence[str]) -> None:
    """Raises ``BenchError`` for words about what the plan's task doesn't take."""
    config, question = plan.setting.config, plan.question
    idle = set() if plan.task.asks_model else {"model"}
    if not question.prompts.keys() & config.prompts.keys():
        idle |= {"prompt", "prompts"}
    if question.seed != config.seed:
        idle.add("seed")
    if found := sorted(idle & groups_in(overrides)):
        own = ", ".join(f"task.args.{name}" for name in config.task.args)
        raise BenchError(
            f"task {question.task.name} takes no {found[0]}: leave {found[0]} out; what it takes "
            f"is {own or 'nothing of its own'}"
        )
