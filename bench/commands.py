"""What each ``sam-bench`` command does, from its parsed options to its exit code.

Imports that take time stand inside the functions, so that ``--help`` is instant.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.types import BenchError

if TYPE_CHECKING:
    from bench.parts import Part
    from bench.plan import Plan
    from bench.store import ImageError, RunStore
    from bench.types import Reader, Sample, Segmenter, Site

GROUPS = {"models": "model", "datasets": "dataset", "prompts": "prompt", "protocols": "protocol"}


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
    from bench.protocol import first_click_only
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
    multimask = options.multimask
    if multimask is None:
        multimask = first_click_only(prompt)
    segmenter = _loaded(model, config.model, site)
    masks = segment(segmenter, options.image_path, prompt, multimask, options.output_dir)
    for one in masks:
        sys.stdout.write(
            f"predicted IoU {one.predicted_iou:.3f}, {int(one.mask.sum())} pixels: "
            f"{one.mask_file}, {one.overlay_file}\n"
        )
    return 0


def canary_command(options: argparse.Namespace) -> int:
    """``sam-bench canary``: records the masks that a checkpoint gives, for later runs to check."""
    from bench import canary
    from bench.config import load_configs
    from bench.parts import load_class

    config = load_configs(options.overrides, options.config_dir)[0]
    site = config.runtime.site()
    model = load_class(config.model, config.runtime.allow_modules)
    segmenter = _loaded(model, config.model, site)
    sha256 = segmenter.facts.get("checkpoint_sha256")
    if sha256 is None:
        raise BenchError(f"model {config.model.name} has no checkpoint to record a canary for")
    path = (options.output_dir or site.checkpoints) / "canary" / f"{sha256}.json"
    canary.save(canary.record(segmenter), path)
    sys.stdout.write(f"canary: {path}\n")
    return 0


def protocol_show_command(options: argparse.Namespace) -> int:
    """``sam-bench protocol show``: every choice of a protocol and where it comes from."""
    part = _protocol(options.name, options)
    console = _output()
    console.print(f"{part.about['title']} ({part.name}, version {part.version})", highlight=False)
    console.print(part.about["cite"], style="dim", highlight=False)
    table = Table("choice", "value", "why", box=None, header_style="bold")
    for choice, value in part.args.items():
        table.add_row(choice, str(value), str(part.about["choices"][choice]))
    console.print(table)
    return 0


def protocol_diff_command(options: argparse.Namespace) -> int:
    """``sam-bench protocol diff``: the choices in which two protocols differ."""
    a, b = (_protocol(name, options) for name in (options.a, options.b))
    differing = [choice for choice in a.args if a.args[choice] != b.args.get(choice)]
    table = Table("choice", a.name, b.name, box=None, header_style="bold")
    for choice in differing:
        values = [
            f"{part.args[choice]}\n[dim]{escape(str(part.about['choices'][choice]))}[/dim]"
            for part in (a, b)
        ]
        table.add_row(choice, *values)
    _output().print(table if differing else f"{a.name} and {b.name} make the same choices")
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


def _loaded(model: type[Any], part: Part, site: Site) -> Segmenter:
    """The model, its files found, fetched and checked before anything is loaded."""
    model.pin(part.args, site)
    segmenter: Segmenter = model(**part.args, site=site)
    return segmenter


def _protocol(name: str, options: argparse.Namespace) -> Part:
    from bench.config import load_configs
    from bench.parts import load_class

    part = load_configs([f"protocol={name}"], options.config_dir)[0].protocol
    load_class(part)(**part.args)  # an unknown choice is refused here
    return part


def _run(plan: Plan) -> list[ImageError]:
    from bench.progress import RunProgress
    from bench.run import run

    config = plan.config
    title = f"{config.model.name} on {config.dataset.name}"
    with RunProgress(title, len(plan.todo), errors_console()) as progress:
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


def errors_console() -> Console:
    """Standard error, for progress and messages."""
    return Console(stderr=True)
