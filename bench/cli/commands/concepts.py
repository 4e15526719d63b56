"""``sam-bench concepts``: detections of noun phrases by other tools, scored as SAM 3 is."""

from __future__ import annotations

import argparse

from bench.cli.arguments import Commands, add_json, add_overrides, report_name
from bench.cli.scoring import add_categories, named_categories, refuse_model, score_given
from bench.cli.trackers import add_trackers
from bench.files.places import local_path

_HELP = """\
Scores what another tool found of noun phrases, and keeps it as a run, for report and compare: cgF1,
positive micro-F1 and image-level MCC, with intervals. DETECTIONS is a COCO results file: a list of
{"image_id", "segmentation", "score"}, where image_id is the phrase's id in SA-Co's files, or else
the image's, with "category" or "category_id" as the phrase. A model's own: sam-bench run
task=concepts.

  sam-bench concepts --detections theirs.json --model-name theirs dataset=saco_gold_metaclip
  sam-bench concepts --detections theirs.json --phrases person,"red car" dataset=coco_val2017
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    concepts = commands.add_parser(
        "concepts",
        help="score detections of noun phrases",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    concepts.add_argument("--detections", type=local_path, required=True, metavar="FILE")
    concepts.add_argument("--model-name", metavar="NAME", help="the file's name")
    concepts.add_argument(
        "--score", type=float, metavar="SCORE", help="from which a detection counts, 0.5"
    )
    concepts.add_argument(
        "--phrases",
        metavar="A,B,…",
        help="what every picture is asked where the dataset names no phrases; by default its own "
        "categories, so that no phrase is of nothing",
    )
    add_categories(concepts)
    concepts.add_argument(
        "--report", metavar="NAME", type=report_name, help="also write results/reports/NAME/"
    )
    add_json(concepts)
    add_trackers(concepts)
    add_overrides(concepts, "dataset=saco_gold_metaclip")
    concepts.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Scores the detections and prints their tables."""
    from bench.config.words import quoted

    refuse_model(options.overrides, "concepts", "sam-bench run task=concepts model=NAME")
    asked = [f"task.args.detections={quoted(options.detections)}"]
    asked += [f"task.args.model={quoted(options.model_name)}"] if options.model_name else []
    asked += [] if options.score is None else [f"task.args.score={options.score}"]
    if options.phrases is not None:
        listed = ",".join(quoted(each.strip()) for each in options.phrases.split(","))
        asked.append(f"task.args.phrases=[{listed}]")
    asked += named_categories(options)
    return score_given(["task=given_concepts", *asked, *options.overrides], options)
