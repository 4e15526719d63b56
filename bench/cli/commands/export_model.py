"""``sam-bench export-model``: a Sam as a pair of graphs, and the YAML that measures them."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.cli import console
from bench.cli.arguments import OWN_CONF, Commands, add_json, add_option, add_overrides
from bench.files.places import local_path
from bench.types import BenchError

_HELP = """\
Writes a Segment Anything model's encoder and decoder, and the YAML that describes them, so that
the export is measured like any other model:

  sam-bench export-model model=demo --format onnx --output-dir my_conf
  sam-bench run model=demo_onnx dataset=photos
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "export-model",
        help="a Sam as ONNX, TorchScript or torch.export, ready to be measured",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--format",
        required=True,
        choices=("onnx", "torchscript", "torch_export"),
        help="what is written",
    )
    add_option(
        parser,
        "output_dir",
        type=local_path,
        default=Path("exports"),
        help="a folder of YAMLs, as conf/; the graphs lie in it beside them",
    )
    parser.add_argument("--overwrite", action="store_true", help="in the place of an earlier one")
    add_json(parser)
    add_overrides(parser, "model=sam_vit_b")
    parser.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Writes the graphs and their YAML."""
    import yaml

    from bench.config.composing import load_configs
    from bench.models.exporting import export_sam
    from bench.models.loading import load_model
    from bench.models.sam_segmenter import SamSegmenter

    config = load_configs(options.overrides, options.config_dir)[0]
    name = f"{config.model.name}_{options.format}"
    described = options.output_dir / "model" / f"{name}.yaml"
    if described.exists() and not options.overwrite:
        raise BenchError(f"{described} is there already; --overwrite writes another")
    segmenter = load_model(config.model, config.runtime.site(), config.runtime.allow_modules)
    if not isinstance(segmenter, SamSegmenter):
        raise BenchError(
            f"model {config.model.name} ({type(segmenter).__name__}) is no Segment Anything model: "
            "export it with its own code and describe the files in a YAML"
        )
    args = export_sam(segmenter.sam, options.output_dir / "graphs" / name, options.format)
    document = {
        "name": name,
        "version": "1",
        "target": "bench.models.exported.Exported",
        "args": args,
        "about": {
            "title": f"{config.model.about.get('title', config.model.name)}, {options.format}",
            "source": config.model.name,
            "licence": config.model.about.get("licence", "that of the model"),
        },
    }
    described.parent.mkdir(parents=True, exist_ok=True)
    described.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    if options.json:
        console.show_json({"model": name, "yaml": str(described)})
    else:
        console.say(str(described))
    beside = options.output_dir.resolve() == OWN_CONF.resolve()
    where = [] if beside else ["--config-dir", str(options.output_dir)]
    datasets = sorted(path.stem for path in (options.output_dir / "dataset").glob("*.yaml"))
    dataset = next(iter(datasets), "photos")
    console.say_next(options, "sam-bench", "run", *where, f"model={name}", f"dataset={dataset}")
    return 0
