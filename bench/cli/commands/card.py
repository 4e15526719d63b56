"""``sam-bench card``: what of a run is worth sharing, in a small file; and checks such files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from bench.cli import console
from bench.cli.arguments import Commands, add_json, add_results
from bench.files.places import Place, local_path, local_side, place
from bench.types import BenchError

_HELP = """\
Writes a card of each run: identity, versions, hashes, numbers with intervals, and sums that allow a
paired comparison; a few kB of JSON without a picture, a path or the name of a machine. With --check
the words are cards, or folders of cards: says of each whether it is as it was written.

  sam-bench card 'photos-*' --out cards
  sam-bench card --check cards
"""


def add(commands: Commands) -> None:
    """Adds the command."""
    card = commands.add_parser(
        "card",
        help="what of a run is worth sharing, in a small file",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    card.add_argument("runs", nargs="+", metavar="RUN", help="folders, globs, keys; or cards")
    card.add_argument("--check", action="store_true", help="checks cards instead of writing them")
    card.add_argument("--out", type=local_path, help="folder of cards (RESULTS/cards)")
    add_results(card)
    add_json(card)
    card.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Writes or checks the cards; 1 where a card is not as it was written."""
    if options.check:
        return _check(options)
    from bench.analysis.overview.cards import card_of
    from bench.files.there import make_folder
    from bench.store.cards import write_card
    from bench.store.runs import find_runs

    out = options.out or local_side(options.results) / "cards"
    cards = [card_of(store) for store in find_runs(options.results, options.runs)]
    make_folder(out)
    paths = [out / f"{card.name}.json" for card in cards]
    for card, path in zip(cards, paths, strict=True):
        write_card(card, path)
    if options.json:
        console.show_json({"cards": [str(path) for path in paths]})
    else:
        for path in paths:
            console.say(str(path))
    console.say_next(options, "sam-bench", "card", "--check", str(out))
    return 0


def _check(options: argparse.Namespace) -> int:
    from bench.analysis.overview.cards import checked_card

    lines: list[dict[str, object]] = []
    for path in _files(options.runs):
        line: dict[str, object] = {"card": str(path), "holds": True, "sums": None, "error": None}
        try:
            line["sums"] = "cluster" if checked_card(path).exact else "bucket"
        except BenchError as error:
            line |= {"holds": False, "error": str(error)}
            console.complain(str(error))
        else:
            if not options.json:
                console.say(f"{path}: as it was written, sums by {line['sums']}")
        lines.append(line)
    if options.json:
        console.show_json(lines)
    if not all(line["holds"] for line in lines):
        return 1
    folders = [word for word in options.runs if place(word).is_dir()]
    if folders:
        console.say_next(options, "sam-bench", "board", *folders)
    return 0


def _files(words: Sequence[str]) -> Iterator[Place]:
    for word in words:
        given = place(word)
        if given.is_dir():
            files: list[Place] = [*given.glob("*.json")]
            if not files:
                raise BenchError(f"{given}: no card lies in this folder; cards are called *.json")
            yield from sorted(files, key=lambda path: path.name)
        else:
            yield given
