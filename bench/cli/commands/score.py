"""``sam-bench score``: masks of other tools against a dataset's truth."""

from __future__ import annotations

import argparse

from bench.cli.arguments import Commands, add_json, add_overrides, groups_in, report_name
from bench.cli.scoring import add_categories, named_categories, score_given
from bench.cli.trackers import add_trackers
from bench.files.places import local_path
from bench.types import BenchError
from bench.types.errors import did_you_mean

_HELP = """\
Scores masks that another tool predicted and keeps them as a run, for report and compare.
PREDICTIONS is a COCO results file (entries with image_id, segmentation, mask_id, score), or a
folder of PNG files: --format masks (<mask_id>.png or <image_id>/<mask_id>.png) or --format labels
(<image_id>.png, a value per mask).

  sam-bench score --predictions theirs.json --model-name theirs dataset=photos
  sam-bench score --predictions maps --format labels --match best dataset=shapes
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    score = commands.add_parser(
        "score",
        help="score masks of another tool",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    score.add_argument("--predictions", type=local_path, required=True, metavar="FILE_OR_FOLDER")
    score.add_argument("--model-name", metavar="NAME", help="the file's name")
    score.add_argument("--format", metavar="FORMAT", help="coco, labels, semantic or masks")
    score.add_argument(
        "--match",
        default="id",
        metavar="RULE",
        help="by id; index (the v-th target for value v of a label map); best, the mask of highest "
        "IoU for each target, which captions mark as oracle matching; largest_overlap, the mask "
        "that shares most pixels with it; same_category, the best of its own category; or "
        "whole_category, all of a category as one",
    )
    add_categories(score)
    score.add_argument(
        "--threshold",
        type=int,
        metavar="LEVEL",
        help="of masks with levels between nothing and all: in the mask is what is above it, 127 "
        "for half of 8 bits; without it they are refused",
    )
    score.add_argument(
        "--report", metavar="NAME", type=report_name, help="also write results/reports/NAME/"
    )
    # What it was called before it was called as that of `run` is.
    score.add_argument("--name", dest="report", type=report_name, help=argparse.SUPPRESS)
    add_json(score)
    add_trackers(score)
    add_overrides(score, "dataset=photos")
    score.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Scores the predictions and prints their table."""
    from bench.config.words import quoted
    from bench.tasks.given_masks.predictions import formats

    given = groups_in(options.overrides)
    if idle := {"model", "prompt", "prompts", "sweep", "task"} & given:
        raise BenchError(
            f"score asks no model, so {min(idle)} says nothing; name the masks with --model-name"
        )
    if "dataset" not in given:
        raise BenchError("say which dataset the masks belong to: dataset=NAME")
    if options.format is not None and options.format not in formats():
        raise BenchError(
            f"unknown format {options.format!r}; {did_you_mean(options.format, formats())}"
        )
    task = {
        "predictions": options.predictions,
        "model": options.model_name or options.predictions.stem,
        "match": options.match,
        **({"format": options.format} if options.format else {}),
        **({} if options.threshold is None else {"threshold": options.threshold}),
    }
    asked = [
        f"task.args.{name}={value if isinstance(value, int) else quoted(value)}"
        for name, value in task.items()
    ]
    asked += named_categories(options)
    return score_given(["task=given_masks", *asked, *options.overrides], options)
