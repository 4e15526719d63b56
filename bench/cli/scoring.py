"""Scoring what is there already: a run without a model, its table printed, its report written."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from bench.cli import console
from bench.cli.arguments import groups_in
from bench.cli.following import after_run
from bench.cli.trackers import check_trackers, log_runs
from bench.files.places import local_path, local_side, place
from bench.types import BenchError


def score_given(words: Sequence[str], options: argparse.Namespace) -> int:
    """Scores what the overrides ``words`` name, and shows it; the command's exit status.

    ``options`` has ``config_dir``, and the name of a ``report``, if one is wanted. Raises
    ``BenchError`` for several datasets or protocols, and for a part of a dataset.
    """
    from bench.config.composing import load_configs
    from bench.data.opening import samples_of_runs
    from bench.report import Request
    from bench.run.plan import make_plan
    from bench.run.progress import run_plan

    check_trackers(options)
    configs = load_configs(list(words), options.config_dir)
    (config, *others) = configs
    name = config.task.name
    if others:
        raise BenchError(f"{name} takes one dataset and one protocol at a time")
    if config.runtime.limit is not None:
        raise BenchError(f"{name} takes the whole dataset: leave runtime.limit out")
    plan = make_plan(config)
    failed = run_plan(plan, console.progress(options))
    read_sample = samples_of_runs(Path(config.runtime.datasets), config.runtime.allow_modules)
    reports = local_side(place(config.runtime.results)) / "reports"
    out = reports / options.report if options.report else None
    stores = [run.store for run in plan.work.runs.values()]
    request = Request(tuple(stores), read_sample)
    shown = console.show_runs(request, out, as_json=options.json)
    log_runs(options, request)
    console.say_next(options, *after_run(options, stores, config.runtime.results))
    return console.say_failed(failed) or shown


def refuse_model(overrides: Sequence[str], command: str, instead: str) -> None:
    """Raises ``BenchError`` for overrides of what isn't asked, and where no dataset is named."""
    given = groups_in(overrides)
    if idle := {"model", "prompt", "prompts", "sweep", "task"} & given:
        raise BenchError(
            f"{command} asks no model, so {min(idle)} says nothing; a model's own are `{instead}`"
        )
    if "dataset" not in given:
        raise BenchError("say what it is held against: dataset=NAME")


def add_categories(parser: argparse.ArgumentParser) -> None:
    """Adds the option that names the numbers of categories."""
    parser.add_argument(
        "--categories",
        type=local_path,
        metavar="FILE",
        help='what the numbers of categories in the file are called: JSON, {"1": "person"}',
    )


def named_categories(options: argparse.Namespace) -> list[str]:
    """What the option says as overrides; raises ``BenchError`` where its file says nothing."""
    from bench.config.words import quoted
    from bench.files.documents import parse_json

    if (file := options.categories) is None:
        return []
    expected = f'--categories {file}: expected {{"NUMBER": "NAME", …}} as JSON'
    try:
        said = parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise BenchError(f"{expected} ({error})") from None
    if not isinstance(said, dict):
        raise BenchError(f"{expected}, found {repr(said)[:40]}")
    for number in said:
        if re.fullmatch(r"-?[0-9]+", number, re.ASCII) is None:
            raise BenchError(f"{expected}; {number[:40]!r} is no number")
    named = ",".join(f"{int(number)}:{quoted(str(name))}" for number, name in said.items())
    return [f"task.args.categories={{{named}}}"]
