"""``sam-bench export``: a run's prompts and masks for other tools."""

from __future__ import annotations

import argparse

from bench.cli import console
from bench.cli.arguments import Commands, add_json, add_results
from bench.files.places import local_path
from bench.types import BenchError

_HELP = """\
Writes a run's prompts, so that any tool can be asked exactly the same, or its masks as COCO
results.

  sam-bench export RUN --prompts prompts.csv
  sam-bench export RUN --coco results.json --step 1
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    export = commands.add_parser(
        "export",
        help="a run's prompts and masks for other tools",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.add_argument("run", metavar="RUN", help="a folder, a glob that fits one run, or a key")
    export.add_argument(
        "--prompts", type=local_path, metavar="FILE.csv", help="a row per mask and step"
    )
    export.add_argument(
        "--coco", type=local_path, metavar="FILE.json", help="masks as COCO results"
    )
    export.add_argument("--step", type=int, help="of --coco; the last reported one")
    add_results(export)
    add_json(export)
    export.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Writes the files that are asked for."""
    from bench.report.export import export_coco, export_prompts
    from bench.store.runs import find_runs

    if options.prompts is None and options.coco is None:
        raise BenchError("nothing to export: give --prompts FILE.csv or --coco FILE.json")
    if options.step is not None and options.coco is None:
        raise BenchError("--step chooses the masks of --coco; --prompts holds every step")
    if None not in (options.prompts, options.coco) and (
        options.prompts.resolve() == options.coco.resolve()
    ):
        raise BenchError(f"{options.coco}: --prompts and --coco name one file; give each its own")
    stores = find_runs(options.results, [options.run])
    if len(stores) > 1:
        names = ", ".join(store.folder.name for store in stores[:4])
        raise BenchError(f"{options.run!r} fits {len(stores)} runs ({names}); name one")
    written = {}
    if options.prompts is not None:
        count = export_prompts(stores[0], options.prompts)
        written["prompts"] = {"count": count, "file": str(options.prompts)}
    if options.coco is not None:
        count = export_coco(stores[0], options.coco, options.step)
        written["masks"] = {"count": count, "file": str(options.coco)}
    if options.json:
        console.show_json(written)
        return 0
    for what, each in written.items():
        console.say(f"{each['count']} {what}: {each['file']}")
    return 0
