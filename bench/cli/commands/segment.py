"""``sam-bench segment``: one picture, one prompt, masks as PNGs."""

from __future__ import annotations

import argparse
import logging
from math import isfinite
from pathlib import Path

from bench.cli import console
from bench.cli.arguments import Commands, add_json, add_option, add_overrides
from bench.files.places import local_path
from bench.types import BenchError

log = logging.getLogger(__name__)


def add(commands: Commands) -> None:
    """Adds the command."""
    segment = commands.add_parser("segment", help="segment one picture by hand", allow_abbrev=False)
    add_option(segment, "image_path", type=local_path, required=True, help="the picture")
    add_option(segment, "input_point", help="x,y;x,y;… pixel indices")
    add_option(segment, "input_label", help="1,0,… foreground or background (all 1)")
    add_option(segment, "input_box", help="x0,y0,x1,y1 pixel indices, both corners included")
    add_option(segment, "input_text", help="words, for a model that takes them")
    add_option(
        segment,
        "output_dir",
        type=local_path,
        default=Path("results/segment"),
        help="where to write",
    )
    segment.add_argument(
        "--exif",
        choices=("ignore", "apply"),
        help="apply turns the picture by its EXIF orientation, as viewers show it, and then takes "
        "the prompt (ignore: on the pixels as stored)",
    )
    segment.add_argument(
        "--multimask",
        action=argparse.BooleanOptionalAction,
        help="several candidates (default: as the protocol asks, for a single point)",
    )
    add_json(segment)
    add_overrides(segment, "model=sam_vit_b")
    segment.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Answers the prompt and writes each mask with an overlay."""
    from bench.cli.segment import parse_prompt, segment
    from bench.config.composing import load_configs
    from bench.data.formats.pictures import Exif, read_picture
    from bench.files.there import check_folder
    from bench.models.loading import load_model, model_class
    from bench.tasks.opening import open_protocol

    config = load_configs(options.overrides, options.config_dir)[0]
    most = config.runtime.max_pixels
    exif: Exif = options.exif or "ignore"
    shape = read_picture(options.image_path, exif=exif, pixel_limit=most).shape[:2]
    words = (options.input_point, options.input_label, options.input_box)
    hint = _hint(options.image_path, shape) if options.exif is None else ""
    prompt = parse_prompt(
        *words, shape=shape, hint=f"; {hint}" if hint else "", text=options.input_text
    )
    if hint:
        log.warning("%s: %s", options.image_path, hint)
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
    check_folder(options.output_dir, "--output_dir")
    segmenter = load_model(config.model, site, config.runtime.allow_modules)
    masks = segment(
        segmenter,
        options.image_path,
        prompt,
        multimask,
        options.output_dir,
        threshold=protocol.threshold,
        exif=exif,
        pixel_limit=most,
    )
    if options.json:
        console.show_json(
            [
                {
                    "predicted_iou": one.predicted_iou if isfinite(one.predicted_iou) else None,
                    "pixels": int(one.mask.sum()),
                    "mask": str(one.mask_file),
                    "overlay": str(one.overlay_file),
                }
                for one in masks
            ]
        )
        return 0
    for one in masks:
        console.say(
            f"predicted IoU {one.predicted_iou:.3f}, {int(one.mask.sum())} pixels: "
            f"{one.mask_file}, {one.overlay_file}"
        )
    return 0


def _hint(path: Path, shape: tuple[int, int]) -> str:
    """What is to be said of a picture that viewers show turned, its stored size being (H, W)."""
    from bench.data.formats.pictures import look_at

    orientation = look_at(path).orientation
    if orientation == 1:
        return ""
    return (
        f"the picture has the EXIF orientation {orientation}, and places are on its pixels as "
        f"stored, {shape[1]} wide and {shape[0]} high; --exif apply takes them on the picture as "
        "it is shown, --exif ignore is silent"
    )
