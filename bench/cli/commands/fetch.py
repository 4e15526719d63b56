"""``sam-bench fetch``: a model's weights, downloaded and checked without a run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import Commands, add_json, add_overrides, config_words
from bench.types import BenchError

if TYPE_CHECKING:
    from bench.config.composing import RunConfig

_HELP = """\
Downloads the weights of a model, or of several, and checks them, as the first run with it would:
for a machine that computes without a network. `sam-bench ls models` says which are to be fetched.

  sam-bench fetch model=sam_vit_b
  sam-bench fetch model=sam_vit_b,sam2_1_hiera_tiny
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "fetch",
        help="download a model's weights before a run",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_json(parser)
    add_overrides(parser, "model=sam_vit_b")
    parser.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Fetches what isn't here, checks all of it, and says where it lies."""
    from bench.cli.arguments import groups_in
    from bench.config.composing import load_configs

    if "model" not in groups_in(options.overrides):
        raise BenchError("fetch what? model=NAME; `sam-bench ls models` lists them")
    configs = load_configs(options.overrides, options.config_dir)
    lines = [_fetch(config, options) for config in configs]
    if options.json:
        console.show_json(lines)
    dataset = [] if "dataset" in groups_in(options.overrides) else ["dataset=photos"]
    words = [*config_words(options), *options.overrides, *dataset]
    console.say_next(options, "sam-bench", "run", *words)
    return 0


def _fetch(config: RunConfig, options: argparse.Namespace) -> dict[str, str | None]:
    """Fetches a model's weights and says so; what is to be said for machines."""
    from bench.models.availability import availability
    from bench.models.loading import model_class

    model = config.model
    site = config.runtime.site()
    before = availability(model, site)
    licence = model.about.get("licence")
    if licence and not options.json:
        console.say(f"{model.name}: licence {licence}")
    model_class(model, config.runtime.allow_modules).pin(model.args, site)
    after = availability(model, site)
    here = "here already" if before.state == "ready" else "fetched"
    if not options.json:
        # A class that finds its files in a way of its own can't be asked.
        known = after.state == "ready"
        how = f"{here} and right, {after.how}" if known else "everything that it needs is here"
        console.say(f"{model.name}: {how}")
    return {"model": model.name, "licence": licence, "before": before.state, "state": after.state}
