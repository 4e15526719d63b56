"""``sam-bench edges``: edge maps of other tools, or a filter's, scored as BSDS500 is."""

from __future__ import annotations

import argparse

from bench.cli.arguments import Commands, add_json, add_overrides, groups_in, report_name
from bench.cli.scoring import score_given
from bench.cli.trackers import add_trackers
from bench.files.places import local_path
from bench.types import BenchError

_HELP = """\
Scores edge maps that another tool drew, or a filter, against people's boundaries, and keeps them
as a run, for report and compare: ODS, OIS, AP, R50 and the curve of precision against recall. MAPS
is a folder with a file for each image: <image_id>.png (8 or 16 bits, white is an edge),
<image_id>.npy ([0, 1]) or <image_id>.mat (a UCM). A model's own edges: sam-bench run task=edges.

  sam-bench edges --maps hed --model-name HED dataset=bsds500
  sam-bench edges --filter canny dataset=photos
  sam-bench edges --people dataset=bsds500
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    edges = commands.add_parser(
        "edges",
        help="score edge maps",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    edges.add_argument("--maps", type=local_path, metavar="FOLDER", help="maps made elsewhere")
    edges.add_argument("--filter", metavar="FILTER", help="or a filter's: canny or sobel")
    edges.add_argument(
        "--people",
        action="store_true",
        help="or what each person drew, held against the others: the ceiling of every map",
    )
    edges.add_argument("--model-name", metavar="NAME", help="the folder's name, or the filter's")
    edges.add_argument(
        "--report", metavar="NAME", type=report_name, help="also write results/reports/NAME/"
    )
    add_json(edges)
    add_trackers(edges)
    add_overrides(edges, "dataset=bsds500")
    edges.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Scores the maps and prints their tables."""
    from bench.config.words import quoted

    given = groups_in(options.overrides)
    if idle := {"model", "prompt", "prompts", "sweep", "task"} & given:
        raise BenchError(
            f"edges asks no model, so {min(idle)} says nothing; a model's own edges are "
            "`sam-bench run task=edges model=NAME`"
        )
    if "dataset" not in given:
        raise BenchError("say whose boundaries the edges are held against: dataset=NAME")
    said = {"maps": options.maps, "filter": options.filter, "model": options.model_name}
    asked = [f"task.args.{name}={quoted(value)}" for name, value in said.items() if value]
    asked += ["task.args.people=true"] if options.people else []
    return score_given(["task=edge_maps", *asked, *options.overrides], options)
