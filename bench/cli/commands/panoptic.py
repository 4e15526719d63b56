"""``sam-bench panoptic``: panoptic segmentation by other tools, scored as panopticapi does."""

from __future__ import annotations

import argparse

from bench.cli.arguments import Commands, add_json, add_overrides, report_name
from bench.cli.scoring import refuse_model, score_given
from bench.cli.trackers import add_trackers
from bench.files.places import local_path

_HELP = """\
Scores segments of things and stuff that another tool predicted, and keeps them as a run, for report
and compare: PQ, SQ and RQ, of all categories, of things and of stuff, with intervals. PREDICTIONS
is a JSON in COCO's panoptic format beside a folder of PNGs, whose colours are segments.

  sam-bench panoptic --predictions theirs.json --model-name theirs dataset=coco_panoptic \\
    dataset.args.images=coco/val2017 \\
    dataset.args.annotations=coco/annotations/panoptic_val2017.json \\
    dataset.args.segments=coco/annotations/panoptic_val2017
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    panoptic = commands.add_parser(
        "panoptic",
        help="score panoptic segmentation",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    panoptic.add_argument("--predictions", type=local_path, required=True, metavar="FILE")
    panoptic.add_argument(
        "--segments",
        type=local_path,
        metavar="FOLDER",
        help="its PNGs; by default the file's name without .json",
    )
    panoptic.add_argument("--model-name", metavar="NAME", help="the file's name")
    panoptic.add_argument(
        "--report", metavar="NAME", type=report_name, help="also write results/reports/NAME/"
    )
    add_json(panoptic)
    add_trackers(panoptic)
    add_overrides(panoptic, "dataset=coco_panoptic")
    panoptic.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Scores the segments and prints their tables."""
    from bench.config.words import quoted

    refuse_model(options.overrides, "panoptic", "sam-bench run model=NAME prompt=[box]")
    said = {
        "predictions": options.predictions,
        "segments": options.segments,
        "model": options.model_name,
    }
    asked = [f"task.args.{name}={quoted(value)}" for name, value in said.items() if value]
    return score_given(["task=panoptic", *asked, *options.overrides], options)
