"""``sam-bench check``: whether a dataset, a model and its faster modes are what they should be."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import (
    Commands,
    add_json,
    add_overrides,
    config_words,
    groups_in,
    report_name,
)
from bench.files.places import local_path, local_side, place
from bench.types import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.config.composing import RunConfig
    from bench.data.manifest import Manifest
    from bench.report.check.dataset import Check
    from bench.types import Reader, Site

_HELP = """\
Reads every image and mask of a dataset and counts: against what the YAML expects, empty, tiny,
overlapping masks, pictures that can't be read, and more. The words are overrides, as those of
`run`. The exit code is 1 where a count differs from an exact expectation or a file can't be read.

  sam-bench check dataset=bbbc038 --report nuclei
  sam-bench check dataset=coco dataset.args.annotations=mine.json dataset.args.images=pictures

`check parity` runs a model as it is and in another mode, and compares them mask by mask. The exit
code is 1 unless the mode is shown to be safe.

  sam-bench check parity model=sam_vit_b dataset=bbbc038 --mode dtype=bfloat16 runtime.limit=50

`check model` tries what every model promises (a batch equals one by one, a click is answered where
it is, …), asks its canary, and measures parameters, operations, milliseconds and memory. The exit
code is 1 where a promise is broken.

  sam-bench check model model=sam_vit_b runtime.device=cuda
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    check = commands.add_parser(
        "check",
        help="is a dataset what it should be, a model, a faster mode?",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument(
        "--report", metavar="NAME", type=report_name, help="also a page, results/reports/NAME/"
    )
    check.add_argument(
        "--manifest",
        type=local_path,
        metavar="FILE",
        help="write which images there are, or which dataset.args.subsample takes of them",
    )
    check.add_argument(
        "--mode",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="of check parity: what differs in model.args, such as dtype=bfloat16",
    )
    add_json(check)
    add_overrides(check, "dataset=bbbc038")
    check.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Does the check that the first word names; without such a word it is that of a dataset."""
    if "parity" in options.overrides:
        options.overrides.remove("parity")
        return check_parity(options)
    if "model" in options.overrides:
        options.overrides.remove("model")
        return check_model(options)
    if words := [word for word in options.overrides if "=" not in word]:
        raise BenchError(
            f"check takes dataset=NAME and other overrides, or parity, or model; found {words[0]!r}"
        )
    return check_data(options)


def _one(options: argparse.Namespace, group: str, how: str) -> RunConfig:
    """What the words choose; raises ``BenchError`` for none or several of the group."""
    from bench.config.composing import load_configs

    if group not in groups_in(options.overrides):
        raise BenchError(f"say which {group} is to be checked: {how}")
    configs = load_configs(options.overrides, options.config_dir)
    if len(configs) > 1:
        raise BenchError(f"check takes one {group} at a time")
    return configs[0]


def check_model(options: argparse.Namespace) -> int:
    """Tries what the model promises and measures what it costs; 1 unless every promise holds."""
    from bench.cli.model_check.measuring import measure
    from bench.cli.model_check.promises import ask_canary, try_promises
    from bench.cli.model_check.tables import cost_table, promises_table
    from bench.config.folders import conf_dir
    from bench.models.loading import load_model

    config = _one(options, "model", "check model model=NAME")
    runtime, model = config.runtime, config.model
    site = runtime.site()
    segmenter = load_model(model, site, runtime.allow_modules)
    tried = [*try_promises(segmenter), ask_canary(segmenter, [site.checkpoints, conf_dir()])]
    cost = measure(segmenter, site.device)
    broken = [one.name for one in tried if one.holds is False]
    if options.json:
        promises = [asdict(one) for one in tried]
        said = {"model": model.name, "holds": not broken, "promises": promises}
        console.show_json({**said, "cost": asdict(cost)})
    else:
        screen = console.output()
        console.show(promises_table(tried), screen)
        console.show(cost_table(cost), screen)
        kept = f"{model.name} keeps what a model promises."
        count = f"{len(broken)} of {len(tried)} promises: {', '.join(broken)}."
        console.say(f"{model.name} breaks {count}" if broken else kept)
    if broken:
        return 1
    words = [*options.overrides, *_usual_dataset(options)]
    console.say_next(options, "sam-bench", "run", *config_words(options), *words, "--plan")
    return 0


def _usual_dataset(options: argparse.Namespace) -> list[str]:
    """The embedded dataset, where none is named."""
    return [] if "dataset" in groups_in(options.overrides) else ["dataset=photos"]


def check_parity(options: argparse.Namespace) -> int:
    """Runs the model as it is and in the mode, and shows how they differ; 1 unless it is safe."""
    from bench.analysis.comparing.parity import parity
    from bench.config.composing import load_configs
    from bench.report.pages.folder import records
    from bench.run.forecast.disk_space import check_disk_space
    from bench.run.plan import make_plan
    from bench.run.progress import run_plan

    if not options.mode:
        raise BenchError("say which mode is to be checked: --mode dtype=bfloat16")
    changes = [f"model.args.{word}" for word in options.mode]
    both = [
        load_configs([*options.overrides, *words], options.config_dir) for words in ([], changes)
    ]
    plans = [[make_plan(config) for config in configs] for configs in both]
    if all(a.question.model.args == b.question.model.args for a, b in zip(*plans, strict=True)):
        raise BenchError(f"--mode {' '.join(options.mode)} is what the model does anyway")
    check_disk_space([plan for side in plans for plan in side])
    for plan in (plan for side in plans for plan in side):
        if failed := run_plan(plan, console.progress(options)):
            raise BenchError(f"image {failed[0].image_id}: {failed[0].reason}")
    sides = [[run.store for plan in side for run in plan.work.runs.values()] for side in plans]
    limited = any(config.runtime.limit is not None for config in both[0])
    names = ", ".join(dict.fromkeys(plan.question.model.name for plan in plans[0]))
    named = f"{names} with {', '.join(options.mode)}"
    found = parity(sides[0], sides[1], named, allow_partial=limited)
    if options.json:
        said = {"verdict": found.verdict, "safe": found.safe, "sentences": list(found.sentences)}
        console.show_json({**said, "lines": records(found.section.lines)})
    else:
        screen = console.output()
        console.show(console.table_of(found.section), screen)
        for sentence in found.sentences:
            screen.print(sentence, highlight=False, markup=False)
    if not found.safe:
        return 1
    words = [*options.overrides, *changes]
    console.say_next(options, "sam-bench", "run", *config_words(options), *words, "--plan")
    return 0


def check_data(options: argparse.Namespace) -> int:
    """Reads the dataset and shows what is in it; 1 unless it is what it should be."""
    from bench.data.opening import open_whole
    from bench.report.check.dataset import check_dataset
    from bench.report.check.tables import as_json, sections, sentences
    from bench.run.progress import RunProgress

    config = _one(options, "dataset", "dataset=NAME")
    runtime, dataset = config.runtime, config.dataset
    site = runtime.reading_site()
    reader = open_whole(dataset, site, runtime.allow_modules)
    number = min(len(reader.ids()), runtime.limit or len(reader.ids()))
    screen = console.progress(options)
    with RunProgress(f"check of {dataset.name}", number, screen) as progress:
        check = check_dataset(
            dataset,
            reader,
            limit=runtime.limit,
            threads=runtime.workers,
            pictures=options.report is not None,
            image_done=lambda: progress.image_done({}),
        )
    results = local_side(place(runtime.results))
    written = _write(options, check, reader, site, results)
    if options.json:
        console.show_json(as_json(check))
    else:
        for section in sections(check):
            console.show(console.table_of(section), console.output())
        for sentence in (*sentences(check), *written):
            console.say(sentence)
    if not check.holds:
        return 1
    asked = [*options.overrides, *([] if _asks_model(options) else ["model=demo"])]
    console.say_next(options, "sam-bench", "run", *config_words(options), *asked, "--plan")
    return 0


def _asks_model(options: argparse.Namespace) -> bool:
    return "model" in groups_in(options.overrides)


def _write(
    options: argparse.Namespace, check: Check, reader: Reader, site: Site, results: Path
) -> list[str]:
    """Says what a subset takes, writes the manifest and the page that are asked for."""
    from bench.data.manifest import save_manifest
    from bench.data.opening import subset_rule
    from bench.data.subset import draw

    said = []
    counts = check.mask_counts
    words = f"the images that could be read, {len(counts)} of {check.images}"
    if rule := subset_rule(check.dataset, site):
        counts, words = draw(reader, rule, counts), rule.words
        said.append(f"subsample takes {len(counts):,} images, {sum(counts.values()):,} masks.")
    if options.manifest is not None:
        save_manifest(_manifest(check, reader, counts, words), options.manifest)
        said.append(f"manifest: {options.manifest}")
    if options.report is not None:
        from bench.report.check.page import write_check

        out = results / "reports" / options.report
        said.append(f"report: {write_check(check, out)}")
    return said


def _manifest(check: Check, reader: Reader, counts: Mapping[str, int], words: str) -> Manifest:
    from bench.data.manifest import Manifest

    component = check.dataset
    if not counts:
        raise BenchError(f"{component.name}: no image could be read, a manifest would be empty")
    fingerprint = reader.fingerprint(list(counts))
    return Manifest(component.name, component.version, counts, fingerprint, words)
