"""``sam-bench hub model | rows``: numbers and rows as files of a Hugging Face Hub repository."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from bench.cli import console
from bench.cli.arguments import Commands, Parser, add_json, add_results
from bench.files.places import local_path, local_side

_MODEL = """\
Writes a model's numbers for its repository on the Hub: .eval_results/*.yaml, a file per number of
the datasets that --benchmark names; model-index.yaml, for the head of the model's README.md; and
evaluation.md, a section of it for people. RUN is a run, a card, or a folder of cards. Nothing is
uploaded: the last line is the command that does it.

  sam-bench hub model 'photos-demo-*'
  sam-bench hub model cards --benchmark photos=OWNER/photos:points --repository OWNER/demo
"""

_ROWS = """\
Writes the rows of runs as a dataset of the Hub: Parquet, cards, and a README.md that says which
files are which. Nothing is uploaded: the last line is the command that does it.

  sam-bench hub rows 'photos-*' --licence cc-by-4.0 --repository OWNER/photos-rows
"""


def add(commands: Commands) -> None:
    """Adds the command and its verbs."""
    hub = commands.add_parser("hub", help="numbers and rows for the Hugging Face Hub, as files")
    verbs = hub.add_subparsers(required=True, metavar="model|rows")
    model = _verb(verbs, "model", "a model's evaluation results, and a section of its card", _MODEL)
    model.add_argument("runs", nargs="+", metavar="RUN", help="runs, cards or folders of cards")
    model.add_argument(
        "--benchmark",
        action="append",
        default=[],
        metavar="NAME=OWNER/ID[:TASK][@COMMIT]",
        help="which dataset of the Hub, a benchmark there, a dataset of the bench is",
    )
    model.add_argument("--source", metavar="URL", help="where the rows behind the numbers lie")
    _add_target(model, "model")
    model.set_defaults(command=write_model)
    rows = _verb(verbs, "rows", "the rows of runs, as a dataset", _ROWS)
    rows.add_argument("runs", nargs="+", metavar="RUN", help="folders, globs or keys")
    rows.add_argument("--licence", metavar="ID", help="as the Hub spells it, such as cc-by-4.0")
    _add_target(rows, "rows")
    rows.set_defaults(command=write_rows)


def _verb(verbs: Commands, name: str, said: str, description: str) -> Parser:
    return verbs.add_parser(
        name,
        help=said,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_target(parser: Parser, kind: str) -> None:
    parser.add_argument("--out", type=local_path, help=f"folder of files (RESULTS/hub/{kind})")
    parser.add_argument(
        "--repository", metavar="OWNER/NAME", help="what the repository is or will be called"
    )
    add_results(parser)
    add_json(parser)


def write_model(options: argparse.Namespace) -> int:
    """``sam-bench hub model``: writes the numbers of one model."""
    from bench.analysis.overview.gathering import cards_of
    from bench.report.hub.benchmark import check_source, read_benchmarks
    from bench.report.hub.folder import put_files
    from bench.report.hub.results import OWN, model_files

    repository = _repository(options)
    benchmarks = read_benchmarks(options.benchmark)
    source = None if options.source is None else check_source(options.source)
    cards = cards_of(options.runs, options.results)
    files = model_files(cards, benchmarks, source)
    out = _out(options, "model")
    put_files(out, files, OWN)
    if options.json:
        return _show_names(out, files)
    for name in files:
        console.say(str(out / name))
    if not benchmarks:
        console.say(
            "no .eval_results: the Hub holds them under its own datasets; --benchmark says which"
        )
        return 0
    folder = str(out / ".eval_results")
    console.say_next(options, "hf", "upload", repository, folder, ".eval_results", "--create-pr")
    return 0


def write_rows(options: argparse.Namespace) -> int:
    """``sam-bench hub rows``: writes the rows of runs."""
    from bench.report.hub.benchmark import check_licence
    from bench.report.hub.folder import put_files
    from bench.report.hub.rows import OWN, row_files
    from bench.store.runs import find_runs

    repository = _repository(options)
    licence = None if options.licence is None else check_licence(options.licence)
    stores = find_runs(options.results, options.runs)
    files = row_files(stores, repository, licence)
    out = _out(options, "rows")
    put_files(out, files, OWN)
    if options.json:
        return _show_names(out, files)
    size = sum(map(len, files.values())) / 1e6
    console.say(f"{len(stores)} runs in {len(files)} files, {size:,.1f} MB: {out}")
    console.say_next(options, "hf", "upload", repository, str(out), ".", "--repo-type", "dataset")
    return 0


def _show_names(out: Path, files: Iterable[str]) -> int:
    console.show_json({"files": [str(out / name) for name in files]})
    return 0


def _repository(options: argparse.Namespace) -> str:
    from bench.report.hub.benchmark import check_repository

    if options.repository is None:
        return "OWNER/NAME"
    return check_repository(options.repository, "--repository")


def _out(options: argparse.Namespace, kind: str) -> Path:
    out: Path = options.out or local_side(options.results) / "hub" / kind
    return out
