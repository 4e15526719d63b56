"""``sam-bench fetch``: a model's weights, downloaded and checked without a run."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import Commands, add_overrides
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
    add_overrides(parser, "model=sam_vit_b")
    parser.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Fetches what isn't here, checks all of it, and says where it lies."""
    from bench.cli.arguments import groups_in
    from bench.config.composing import load_configs

    if "model" not in groups_in(options.overrides):
        raise BenchError("fetch what? model=NAME; `sam-bench ls models` lists them")
    for config in load_configs(options.overrides, options.config_dir):
        _fetch(config)
    return 0


def _fetch(config: RunConfig) -> None:
    from bench.models.availability import availability
    from bench.models.loading import model_class

    model, screen = config.model, console.output()
    site = config.runtime.site()
    before = availability(model, site)
    if licence := model.about.get("licence"):
        said = f"{model.name}: licence {licence}"
        screen.print(said, markup=False, highlight=False, soft_wrap=True)
    model_class(model, config.runtime.allow_modules).pin(model.args, site)
    after = availability(model, site)
    here = "here already" if before.state == "ready" else "fetched"
    lines = [f"{model.name}: {here} and right, {after.how}"]
    if after.state != "ready":  # a class that finds its files in a way of its own
        lines = [f"{model.name}: {shlex.join(['sam-bench', 'run', f'model={model.name}'])} works"]
    for line in lines:
        screen.print(line, markup=False, highlight=False, soft_wrap=True)
