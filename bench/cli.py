"""The command line: ``sam-bench run | report | segment | ls``.

Exit codes: 0 all well, 2 a mistake that one line explains, 3 a run in which images failed,
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from bench import __version__
from bench.types import BenchError

if TYPE_CHECKING:
    from bench.plan import Plan
    from bench.store import ImageError, RunStore
    from bench.types import Reader, Sample

GROUPS = {"models": "model", "datasets": "dataset", "prompts": "prompt", "protocols": "protocol"}

_RUN_HELP = """\
Runs what is missing and prints the mIoU table. The words after `run` are overrides of the
configuration: a group's file by name (model=demo dataset=shapes prompt=[point_1,box]), any value
(runtime.limit=20), or several in turn (model=demo,grabcut). The same command again does only what
is missing.

  sam-bench run model=demo dataset=shapes prompt=[point_1,point_3,box]
  sam-bench run model=sam_vit_b dataset=bbbc038 runtime.datasets=PATH --report nuclei
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and gives its exit code."""
    options = _parser().parse(argv)
    _log_to(_errors())
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except BenchError as error:
        sys.stderr.write(f"sam-bench: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("sam-bench: stopped; the same command again goes on where it stopped\n")
        return 130


def run_command(options: argparse.Namespace) -> int:
    """``sam-bench run``: every run that the overrides ask for, then their table."""
    from bench.config import load_configs
    from bench.plan import make_plan

    configs = load_configs(options.overrides, options.config_dir)
    plans = [make_plan(config) for config in configs]
    failed = [error for plan in plans for error in _run(plan)]
    stores = [run.store for plan in plans for run in plan.runs.values()]
    stores = list({store.folder: store for store in stores}.values())
    readers = {plan.config.dataset.name: plan.reader for plan in plans}
    limited = any(config.runtime.limit is not None for config in configs)
    reports = Path(configs[0].runtime.results).expanduser() / "reports"
    out = reports / options.report if options.report else None
    _show(stores, out, lambda store, i: _reader_of(store, readers).read(i), limited)
    if failed:
        sys.stderr.write(
            f"sam-bench: {len(failed)} images failed; errors.jsonl in the run says why\n"
        )
        return 3
    return 0


def report_command(options: argparse.Namespace) -> int:
    """``sam-bench report``: table, figures and page of finished runs."""
    from bench.config import Runtime
    from bench.parts import Part, load_class
    from bench.store import find_runs

    site = Runtime(datasets=str(options.datasets), device="cpu").site()
    readers: dict[str, Reader] = {}

    def read_sample(store: RunStore, image_id: str) -> Sample:
        header = store.header()
        if header["key"] not in readers:
            dataset = Part(**header["dataset"])
            target = load_class(dataset, options.allow_module)
            readers[header["key"]] = target(**dataset.args, site=site)
        return readers[header["key"]].read(image_id)

    stores = find_runs(options.results, options.runs or ["*"])
    out = options.results / "reports" / options.name
    _show(stores, out, read_sample, options.allow_partial)
    return 0


def segment_command(options: argparse.Namespace) -> int:
    """``sam-bench segment``: one picture, one prompt, masks as PNGs."""
    from bench.config import load_configs
    from bench.parts import load_class
    from bench.readers.pictures import read_picture
    from bench.segment import parse_prompt, segment

    shape = read_picture(options.image_path).shape[:2]
    words = (options.input_point, options.input_label, options.input_box)
    prompt = parse_prompt(*words, shape=shape)
    config = load_configs(options.overrides, options.config_dir)[0]
    site = config.runtime.site()
    model = load_class(config.model, config.runtime.allow_modules)
    if beyond := prompt.kinds - model.prompt_kinds:
        raise BenchError(
            f"model {config.model.name} understands {', '.join(sorted(model.prompt_kinds))}, "
            f"not {', '.join(sorted(beyond))}"
        )
    model.pin(config.model.args, site)
    multimask = options.multimask
    if multimask is None:
        multimask = prompt.n_points == 1 and prompt.box is None
    segmenter = model(**config.model.args, site=site)
    masks = segment(segmenter, options.image_path, prompt, multimask, options.output_dir)
    for one in masks:
        sys.stdout.write(
            f"predicted IoU {one.predicted_iou:.3f}, {int(one.mask.sum())} pixels: "
            f"{one.mask_file}, {one.overlay_file}\n"
        )
    return 0


def ls_command(options: argparse.Namespace) -> int:
    """``sam-bench ls``: what there is to choose from, or the runs that there are."""
    console = _output()
    if options.what == "runs":
        console.print(_runs_table(options.results))
        return 0
    from bench.config import group_names, part_about

    group = GROUPS[options.what]
    table = Table("name", "what", box=None, header_style="bold")
    for name in group_names(group, options.config_dir):
        table.add_row(name, part_about(group, name, options.config_dir))
    console.print(table)
    return 0


def _run(plan: Plan) -> list[ImageError]:
    from bench.progress import RunProgress
    from bench.run import run

    config = plan.config
    title = f"{config.model.name} on {config.dataset.name}"
    with RunProgress(title, len(plan.todo), _errors()) as progress:
        return run(plan, progress)


def _reader_of(store: RunStore, readers: dict[str, Reader]) -> Reader:
    return readers[store.header()["dataset"]["name"]]


def _show(
    stores: Sequence[RunStore],
    out: Path | None,
    read_sample: Callable[[RunStore, str], Sample],
    allow_partial: bool,
) -> None:
    """Prints the table, and writes the whole report where a folder is given for it."""
    from bench.report import write_report
    from bench.report.formats import to_rich
    from bench.report.selection import select
    from bench.report.table import miou_table

    console = _output()
    if out is None:
        chosen = select(stores, allow_partial=allow_partial)
        console.print(to_rich(miou_table(chosen, allow_partial=allow_partial)))
        return
    report = write_report(stores, out, read_sample=read_sample, allow_partial=allow_partial)
    console.print(to_rich(report.table))
    for sentence in report.answer:
        console.print(sentence, highlight=False, markup=False)
    console.print(f"report: {report.page}", highlight=False, markup=False, soft_wrap=True)


def _runs_table(results: Path) -> Table:
    from bench.store import find_runs

    table = Table("run", "status", "images", "masks", box=None, header_style="bold")
    for store in find_runs(results):
        header = store.header()
        done = f"{header.get('images_done', 0)}/{header.get('images', '?')}"
        masks = str(header.get("masks", 0))
        table.add_row(store.folder.name, str(header.get("status", "?")), done, masks)
    return table


def _output() -> Console:
    """Standard output; wide enough for a table where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def _errors() -> Console:
    return Console(stderr=True)


def _log_to(console: Console) -> None:
    """Sends the bench's own messages to the console; libraries only speak up from warnings on."""
    handler = RichHandler(console=console, show_time=False, show_path=False)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("bench").setLevel(logging.INFO)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and takes overrides before, between and after options."""

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """The options; overrides that argparse leaves over behind an option go to the others."""
        options, rest = self.parse_known_args(argv)
        if rest and not ("overrides" in options and all(word[0] != "-" for word in rest)):
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        if rest:
            options.overrides += rest
        return options

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` explains\n")


def _parser() -> _Parser:
    parser = _Parser(prog="sam-bench", description="Zero-shot promptable segmentation bench.")
    parser.add_argument("--version", action="version", version=f"sam-bench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = _Parser(add_help=False)
    shared.add_argument("--config-dir", type=Path, help="a folder of your own YAMLs, as conf/")

    run = commands.add_parser(
        "run",
        parents=[shared],
        help="run a model on a dataset",
        description=_RUN_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    run.add_argument("--report", metavar="NAME", help="also write results/reports/NAME/")
    run.set_defaults(command=run_command)

    report = commands.add_parser("report", help="tables, figures and a page from finished runs")
    report.add_argument("runs", nargs="*", metavar="RUN", help="folders, globs or keys (all)")
    report.add_argument("--name", default="report", help="the report's folder name")
    report.add_argument("--results", type=Path, default=Path("results"))
    report.add_argument("--datasets", type=Path, default=Path("datasets"))
    report.add_argument("--allow-partial", action="store_true", help="unfinished runs too, marked")
    report.add_argument("--allow-module", action="append", default=[], metavar="MODULE")
    report.set_defaults(command=report_command)

    segment = commands.add_parser(
        "segment", parents=[shared], help="segment one picture by hand", allow_abbrev=False
    )
    _add(segment, "image_path", type=Path, required=True, help="the picture")
    _add(segment, "input_point", help="x,y;x,y;… pixel indices")
    _add(segment, "input_label", help="1,0,… foreground or background (all 1)")
    _add(segment, "input_box", help="x0,y0,x1,y1 pixel indices, both corners included")
    _add(segment, "output_dir", type=Path, default=Path("results/segment"), help="where to write")
    segment.add_argument(
        "--multimask",
        action=argparse.BooleanOptionalAction,
        help="several candidates (default: for a single point)",
    )
    segment.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="such as model=sam_vit_b"
    )
    segment.set_defaults(command=segment_command)

    ls = commands.add_parser("ls", parents=[shared], help="what there is to choose from")
    ls.add_argument("what", choices=[*GROUPS, "runs"])
    ls.add_argument("--results", type=Path, default=Path("results"))
    ls.set_defaults(command=ls_command)
    return parser


def _add(parser: argparse.ArgumentParser, name: str, **settings: object) -> None:
    """An option that may be written with underscores or dashes."""
    names = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    parser.add_argument(*names, **settings)  # type: ignore[arg-type]
