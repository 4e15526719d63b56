"""``sam-bench canary``: records the masks that a checkpoint gives, for later runs to check."""

from __future__ import annotations

import argparse

from bench.cli import console
from bench.cli.arguments import Commands, add_json, add_option, add_overrides, config_words
from bench.files.places import local_path
from bench.types import BenchError


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "canary", help="record known masks of a checkpoint, checked in every run"
    )
    add_option(parser, "output_dir", type=local_path, help="instead of the folder of checkpoints")
    parser.add_argument("--overwrite", action="store_true", help="in the place of a recorded one")
    add_json(parser)
    add_overrides(parser, "model=sam_vit_b")
    parser.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Asks the model the canary's questions and keeps its answers."""
    from bench.config.composing import load_configs
    from bench.models.loading import load_model
    from bench.run import canary
    from bench.tasks.opening import open_protocol

    config = load_configs(options.overrides, options.config_dir)[0]
    protocol = open_protocol(config)
    site = config.runtime.site()
    segmenter = load_model(config.model, site, config.runtime.allow_modules)
    sha256 = segmenter.facts.get("checkpoint_sha256")
    if sha256 is None:
        raise BenchError(f"model {config.model.name} has no checkpoint to record a canary for")
    path = (options.output_dir or site.checkpoints) / "canary" / f"{sha256}.json"
    if path.exists() and not options.overwrite:
        raise BenchError(
            f"{path}: {config.model.name} has a canary already, which tells whether the model is "
            "still the same; --overwrite records another"
        )
    canary.save(canary.record(segmenter, protocol.threshold), path)
    if options.json:
        console.show_json({"model": config.model.name, "canary": str(path)})
    else:
        console.say(f"canary: {path}")
    again = [*config_words(options), *options.overrides]
    console.say_next(options, "sam-bench", "check", "model", *again)
    return 0
