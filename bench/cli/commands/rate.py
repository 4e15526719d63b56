"""``sam-bench rate``: masks of several models and the ground truth, rated blind by people."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import console
from bench.cli.arguments import Commands, Parser, add_data, add_json, add_results, report_name
from bench.cli.following import results_words
from bench.files.places import Place, local_side
from bench.types import BenchError

if TYPE_CHECKING:
    from bench.report.rating.plan import Choices
    from bench.store.ratings import Ratings, StudyTarget
    from bench.types import Sample

_HELP = """\
Serves a page on this machine where people rate masks from 1 to 10, as in the human study of the
Segment Anything paper (appendix E): those of several models and the ground truth, in random order,
without a word on whose they are. Each rater has a link. Ctrl-C stops it; the same command goes on.

  sam-bench rate 'photos-*-box-*' --rater ann --rater bo
  sam-bench rate                  # goes on
  sam-bench rate report           # means, differences, agreement, the paper's figure and table
"""

PORT = 8317


def add(commands: Commands) -> None:
    """Adds the command."""
    rate = commands.add_parser(
        "rate",
        help="have people rate masks",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rate.add_argument(
        "runs", nargs="*", metavar="RUN", help="folders, globs or keys; or `report`; none: go on"
    )
    rate.add_argument("--name", type=report_name, default="rating", help="the study's name")
    rate.add_argument(
        "--rater",
        action="append",
        default=[],
        metavar="NAME[=TOKEN]",
        help="somebody who rates, with a token of your own if you like (one rater)",
    )
    _add_choices(rate)
    rate.add_argument("--host", default="127.0.0.1", help="the address that answers (this machine)")
    rate.add_argument("--port", type=int, default=PORT, help=f"its port ({PORT}); 0: any free one")
    add_results(rate)
    add_data(rate)
    add_json(rate)
    rate.set_defaults(command=main)


def _add_choices(rate: Parser) -> None:
    """The options of a new study; none where they are not said."""
    for name, help_text in (
        ("masks", "how many masks of each dataset, drawn by lot (1000, as the paper)"),
        ("min-area", "masks of fewer pixels are left out (576, as the paper)"),
        ("seed", "of the masks that are drawn, and of the order (0)"),
        ("each", "how many raters a mask has (all of them)"),
        ("largest", "the longer side that pictures are brought down to (2000, as the paper)"),
    ):
        rate.add_argument(f"--{name}", type=int, metavar="N", help=help_text)


def main(options: argparse.Namespace) -> int:
    """Serves the page, or writes the report where the first word asks for it."""
    if options.runs == ["report"]:
        return write_report(options)
    if options.json:
        raise BenchError("--json is of rate report: a page is served for people")
    from bench.report.rating.pages import Pages
    from bench.report.rating.serving import listen, need_server, serve

    need_server()
    raters = [_rater(word) for word in options.rater]
    ratings = _study(options)
    for name, token in raters:
        ratings.add_rater(name, token)
    if not ratings.raters():
        ratings.add_rater("rater")
    pages = Pages(ratings, _pictures(options))
    # Ctrl-C is how it ends.
    with listen(options.host, options.port) as listening, suppress(KeyboardInterrupt):
        _say_links(ratings, options.host, listening.getsockname()[1])
        serve(pages, listening)
    _say("stopped; the same command goes on")
    report = ["--name", options.name, *results_words(options.results)]
    console.say_next(options, "sam-bench", "rate", "report", *report)
    return 0


def write_report(options: argparse.Namespace) -> int:
    """Prints what the ratings say, and writes the report."""
    from bench.report.pages.folder import records
    from bench.report.rating.write import write_ratings
    from bench.store.ratings import Ratings

    out = local_side(options.results) / "reports" / options.name
    sections, page = write_ratings(Ratings.open(_path(options)), out)
    if options.json:
        console.show_json({each.name: records(each.lines) for each in sections})
        return 0
    for section in sections:
        console.show(console.table_of(section), console.output())
    _say(f"report: {page}")
    return 0


def _path(options: argparse.Namespace) -> Path:
    return local_side(options.results) / "ratings" / f"{options.name}.sqlite"


def _say(*sentences: str) -> None:
    screen = console.output()
    for sentence in sentences:
        screen.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _rater(word: str) -> tuple[str, str | None]:
    """A rater's name, and the token if one is said.

    >>> _rater("ann"), _rater("bo=a-token-of-mine")
    (('ann', None), ('bo', 'a-token-of-mine'))
    """
    name, said, token = word.partition("=")
    if not name.strip():
        raise BenchError(f"--rater {word!r}: a rater has a name")
    if said and not re.fullmatch(r"[A-Za-z0-9_-]{12,}", token):
        raise BenchError(
            f"--rater {name}: a token is at least 12 letters, digits, - or _; it alone keeps "
            "others out"
        )
    return name, token or None


def _study(options: argparse.Namespace) -> Ratings:
    """The study of that name; a new one is planned where there is none."""
    from bench.store.ratings import Ratings

    path = _path(options)
    there = Ratings(path)
    names = ("masks", "min_area", "seed", "each", "largest")
    said = {name: found for name in names if (found := getattr(options, name)) is not None}
    if there.exists():
        there = Ratings.open(path)
        _refuse_another(there, options, said)
        return there
    if not options.runs:
        raise BenchError(
            f"no study {options.name!r} to go on with; begin with: sam-bench rate RUN …"
        )
    from bench.report.rating.plan import Choices

    return _planned(options, path, Choices(**said))


def _planned(options: argparse.Namespace, path: Path, choices: Choices) -> Ratings:
    from bench.data.opening import samples_of_runs
    from bench.report.rating.plan import plan
    from bench.store.ratings import Ratings
    from bench.store.runs import find_runs

    stores = find_runs(options.results, options.runs)
    planned = plan(stores, samples_of_runs(options.datasets, options.allow_module), choices)
    study = planned.study
    _say(f"{len(study.jobs):,} masks to rate, of {len(study.targets):,} targets.")
    for why, number in planned.left_out.items():
        if number:
            _say(f"{number:,} targets left out: {why}.")
    return Ratings.create(path, study)


def _refuse_another(there: Ratings, options: argparse.Namespace, said: dict[str, Any]) -> None:
    """A study is of the runs and choices that it began with."""
    from bench.store.runs import find_runs

    known = there.choices()
    if options.runs:
        said = {"runs": [s.folder.name for s in find_runs(options.results, options.runs)], **said}
    for name, value in said.items():
        if known[name] != value:
            raise BenchError(
                f"study {options.name!r} has {name.replace('_', '-')} {known[name]}, not {value}; "
                "choose another --name, or leave it out to go on"
            )


def _pictures(options: argparse.Namespace) -> Callable[[StudyTarget], Sample]:
    """Reads a target's picture through the run that saw it."""
    from bench.data.opening import samples_of_runs
    from bench.store.runs import RunStore

    read_sample = samples_of_runs(options.datasets, options.allow_module)

    def read(target: StudyTarget) -> Sample:
        return read_sample(RunStore(_folder(options.results, target.run)), target.image_id)

    return read


def _folder(results: Place, run: str) -> Place:
    """Where a run lies: where it lay, or among the results if these have moved."""
    from bench.files.places import place

    was = place(run)
    return was if (was / "run.json").is_file() else results / "runs" / was.name


def _say_links(ratings: Ratings, host: str, port: int) -> None:
    """Each rater's link and how far the rater is."""
    import socket

    everywhere = host in ("0.0.0.0", "::", "")
    name = socket.gethostname() if everywhere else f"[{host}]" if ":" in host else host
    jobs = len(ratings.jobs())
    for rater in ratings.raters():
        rated = sum(each.value is not None for each in ratings.answers(rater.id).values())
        _say(f"{rater.name}: http://{name}:{port}/{rater.token}  ({rated} of {jobs} rated)")
    if host not in ("127.0.0.1", "localhost", "::1"):
        _say("Other machines can reach this page; what is sent is not encrypted.")
    _say("Ctrl-C stops; nothing that was rated is lost.")
