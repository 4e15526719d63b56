"""``sam-bench segment``: one picture, one prompt, masks as PNGs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.cli.arguments import Commands, add_option, add_overrides
from bench.types import BenchError


def add(commands: Commands) -> None:
    """Adds the command."""
    segment = commands.add_parser("segment", help="segment one picture by hand", allow_abbrev=False)
    add_option(segment, "image_path", type=Path, required=True, help="the picture")
    add_option(segment, "input_point", help="x,y;x,y;… pixel indices")
    add_option(segment, "input_label", help="1,0,… foreground or background (all 1)")
    add_option(segment, "input_box", help="x0,y0,x1,y1 pixel indices, both corners included")
    add_option(
        segment, "output_dir", type=Path, default=Path("results/segment"), help="where to write"
    )
    segment.add_argument(
        "--multimask",
        action=argparse.BooleanOptionalAction,
        help="several candidates (default: as the protocol asks, for a single point)",
    )
    add_overrides(segment, "model=sam_vit_b")
    segment.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Answers the prompt and writes each mask with an overlay."""
    from bench.cli.segment import parse_prompt, segment
    from bench.config.composing import load_configs
    from bench.data.formats.pictures import read_picture
    from bench.models.loading import load_model, model_class
    from bench.tasks.opening import open_protocol

    config = load_configs(options.overrides, options.config_dir)[0]
    most = config.runtime.max_pixels
    shape = read_picture(options.image_path, pixel_limit=most).shape[:2]
    words = (options.input_point, options.input_label, options.input_box)
    prompt = parse_prompt(*words, shape=shape)
    protocol = open_protocol(config)
    site = config.runtime.site()
    model = model_class(config.model, config.runtime.allow_modules)
    if beyond := prompt.kinds - model.prompt_kinds:
        raise BenchError(
            f"model {config.model.name} understands {', '.join(sorted(model.prompt_kinds))}, "
            f"not {', '.join(sorted(beyond))}"
        )
    multimask = options.multimask
    if multimask is None:
        multimask = protocol.asks_multimask(prompt)
    segmenter = load_model(config.model, site, config.runtime.allow_modules)
    masks = segment(
        segmenter,
        options.image_path,
        prompt,
        multimask,
        options.output_dir,
        threshold=protocol.threshold,
        pixel_limit=most,
    )
    for one in masks:
        sys.stdout.write(
            f"predicted IoU {one.predicted_iou:.3f}, {int(one.mask.sum())} pixels: "
            f"{one.mask_file}, {one.overlay_file}\n"
        )
    return 0
