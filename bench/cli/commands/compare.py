"""``sam-bench compare``: two or more sets of runs on the masks that they share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import (
    Commands,
    add_data,
    add_figures,
    add_json,
    add_look,
    add_pictures,
    add_results,
    report_name,
)
from bench.cli.following import results_words
from bench.files.places import Place, local_side, place
from bench.files.text import visible_line
from bench.types import BenchError
from bench.types.errors import did_you_mean

if TYPE_CHECKING:
    from bench.analysis.comparing.comparison import Comparison
    from bench.analysis.comparing.gate import Gate, Judgement
    from bench.store.runs import RunStore

_HELP = """\
Compares the first side with each of the others, mask by mask. A side is a run's folder or key, a
glob over the names in results/runs, or a model's name, which means all its runs. A side may also be
a card, or a folder of cards: then what their sums tell is compared, and what they can't is said.

  sam-bench compare demo grabcut
  sam-bench compare my_quantised sam_vit_b --gate 'delta_miou>-0.2'
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    compare = commands.add_parser(
        "compare",
        help="which of two models is better, and by how much",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    compare.add_argument("sides", nargs="+", metavar="SIDE", help="two or more sets of runs")
    compare.add_argument(
        "--name", type=report_name, default="compare", help="the report's folder name"
    )
    compare.add_argument("--gate", help="exit 1 unless it holds, such as 'delta_miou>-0.2'")
    compare.add_argument(
        "--gate-each", action="store_true", help="the gate on each dataset, too, not the mean alone"
    )
    add_json(compare)
    compare.add_argument("--allow-mixed", action="store_true", help="other data or protocols too")
    compare.add_argument("--allow-partial", action="store_true", help="unfinished runs too")
    add_results(compare)
    add_data(compare)
    add_look(compare)
    add_pictures(compare)
    add_figures(compare)
    compare.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Prints the tables and the answer, writes the report, and judges the gate."""
    from bench.analysis.comparing.comparison import compare_all
    from bench.analysis.comparing.gate import Gate, Judgement, judged
    from bench.data.opening import samples_of_runs
    from bench.report.pages.comparison import write_comparison

    if options.gate_each and options.gate is None:
        raise BenchError("--gate-each says where a gate counts: give --gate too")
    gate = None if options.gate is None else Gate.parse(options.gate)
    if len(options.sides) < 2:
        raise BenchError("a comparison needs two sides: sam-bench compare A B")
    if any(map(_is_cards, options.sides)):
        return _of_cards(options, gate)
    comparisons = compare_all(
        [_side(options.results, side) for side in options.sides],
        allow_mixed=options.allow_mixed,
        allow_partial=options.allow_partial,
        labels=dict(options.label),
        digits=options.digits,
    )
    judgement = None
    if gate is not None:
        verdicts = [v for found in comparisons for v in judged(found, gate, each=options.gate_each)]
        judgement = Judgement(gate, tuple(verdicts))
    out = local_side(options.results) / "reports" / options.name
    read_sample = samples_of_runs(options.datasets, options.allow_module)
    write_comparison(
        comparisons,
        out,
        read_sample=read_sample,
        judgement=judgement,
        masks_pictured=options.pictures,
        figures=options.figures,
        width=options.width,
    )
    if options.json:
        console.show_json(json.loads((out / "report.json").read_text(encoding="utf-8")))
    else:
        _show(comparisons, judgement, out)
    console.say_next(options, "sam-bench", "board", *results_words(options.results))
    return 0 if judgement is None or judgement.holds else 1


def _is_cards(word: str) -> bool:
    """Whether a side is a file of a card, or a folder of cards and of nothing else."""
    given = place(word)
    try:
        if given.is_dir():
            return not (given / "run.json").is_file() and any(given.glob("*.json"))
        return word.endswith(".json") and given.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _of_cards(options: argparse.Namespace, gate: Gate | None) -> int:
    """Compares two sides, one without rows: says what its cards tell, and what they can't."""
    from bench.analysis.comparing.card_comparison import compare_cards, judged_cards
    from bench.analysis.comparing.gate import Judgement
    from bench.analysis.overview.cards import card_of
    from bench.analysis.overview.gathering import cards_of
    from bench.report.pages.cards import write_card_comparison

    if len(options.sides) > 2:
        raise BenchError("of cards two sides at a time are compared")
    unmade = {
        "--label": options.label, "--digits": options.digits, "--width": options.width,
        "--pictures": options.pictures, "--figures": options.figures,
    }  # fmt: skip
    if asked := [word for word, value in unmade.items() if value not in (None, [])]:
        raise BenchError(f"of cards no page is made: leave out {', '.join(asked)}")
    sides = [
        cards_of([side], options.results)
        if _is_cards(side)
        else [card_of(store) for store in _side(options.results, side)]
        for side in options.sides
    ]
    found = compare_cards(sides, allow_mixed=options.allow_mixed)
    judgement = None
    if gate is not None:
        judgement = Judgement(gate, tuple(judged_cards(found, gate, each=options.gate_each)))
    out = local_side(options.results) / "reports" / options.name
    content = write_card_comparison(found, judgement, out)
    if options.json:
        console.show_json(content)
    else:
        console.show(console.table_of(found.section), console.output())
        for sentence in found.answer:
            console.say(sentence)
        console.say(f"report: {out / 'summary.md'}")
        for verdict in () if judgement is None else judgement.verdicts:
            console.say(verdict.sentence)
    console.say_next(options, "sam-bench", "board", *results_words(options.results))
    return 0 if judgement is None or judgement.holds else 1


def _show(comparisons: Sequence[Comparison], judgement: Judgement | None, out: Path) -> None:
    from bench.report.pages.comparison import further_section, section

    screen = console.output()
    for number, found in enumerate(comparisons):
        console.show(console.table_of(section(found, number)), screen)
        for further in further_section(found, number):
            console.show(console.table_of(further), screen)
        for sentence in found.answer:
            screen.print(sentence, highlight=False, markup=False)
    screen.print(f"report: {out / 'index.html'}", highlight=False, markup=False, soft_wrap=True)
    for verdict in () if judgement is None else judgement.verdicts:
        sys.stdout.write(f"{visible_line(verdict.sentence)}\n")


def _side(results: Place, name: str) -> list[RunStore]:
    """The runs that a word names: those of the model of that name, else by folder, glob or key."""
    from bench.store.runs import find_runs

    runs = results / "runs"
    there = find_runs(results) if runs.is_dir() else []
    models = [store.header().get("model", {}).get("name") for store in there]
    of_model = [store for store, model in zip(there, models, strict=True) if model == name]
    try:
        return of_model or find_runs(results, [name])
    except BenchError as error:
        hint = did_you_mean(name, (str(model) for model in models if model))
        raise BenchError(f"{error}; of models, {hint}" if there else str(error)) from None
