"""Every run of some folders as a card: results folders, also behind URLs, and folders of cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.overview.cards import card_of, checked_card, shared
from bench.files.documents import parse_json
from bench.files.places import Place, place
from bench.files.remote import RemotePath
from bench.store.cards import Card
from bench.store.runs import RunStore, find_runs
from bench.types import BenchError


@dataclass(frozen=True, slots=True)
class Entry:
    """A run, from its rows or from a card.

    ``card`` is none for a run that isn't complete; ``header`` is what is shared of ``run.json``.
    ``place`` is where it lies; ``report`` the page of a report that it stands in, if one is near.
    """

    header: Mapping[str, Any]
    card: Card | None
    place: Place
    report: Place | None = None


def gathered(
    folders: Sequence[Place], known: Sequence[Entry] = ()
) -> tuple[list[Entry], list[str]]:
    """The runs of all folders, and a sentence for each that is left out, by name.

    ``known`` are what an earlier time found: a complete run of the same header isn't read again.
    Raises ``BenchError`` for a folder that holds neither runs nor cards.
    """
    entries: list[Entry] = []
    notes: list[str] = []
    for folder in folders:
        if not folder.is_dir():
            raise BenchError(f"{folder}: no such folder; name a folder of results or of cards")
        runs = (folder / "runs").is_dir()
        cards: list[Place] = [*folder.glob("*.json")]
        if not runs and not cards:
            raise BenchError(
                f"{folder}: neither runs (FOLDER/runs) nor cards (*.json) lie in this folder"
            )
        found = _of_runs(folder, known) if runs else _of_cards(cards)
        for each in found:
            if isinstance(each, str):
                notes.append(each)
            else:
                entries.append(each)
    return entries, notes


def cards_of(words: Sequence[str], results: Place) -> list[Card]:
    """The cards that words name: files of cards, folders of them, or runs as ``find_runs`` has it.

    Raises ``BenchError`` for a card that was edited, a run that isn't complete, and a word that
    names neither.
    """
    found: dict[str, Card] = {}
    for word in words:
        for card in _cards_of_word(word, results):
            found.setdefault(card.name, card)
    return list(found.values())


def _cards_of_word(word: str, results: Place) -> Iterator[Card]:
    given = place(word)
    if _is(given.is_file):
        yield checked_card(given)
    elif _is(given.is_dir) and not _is((given / "run.json").is_file):
        cards: list[Place] = [*given.glob("*.json")]
        if not cards:
            raise BenchError(f"{given}: no card lies in this folder; cards are called *.json")
        yield from (checked_card(path) for path in sorted(cards, key=lambda path: path.name))
    else:
        yield from (card_of(store) for store in find_runs(results, [word]))


def _is(asked: Callable[[], bool]) -> bool:
    """The answer; no for a name that no file can have."""
    try:
        return asked()
    except (OSError, ValueError):
        return False


def _of_runs(folder: Place, known: Sequence[Entry]) -> Iterator[Entry | str]:
    pages = _reports(folder)
    before = {each.place: each for each in known if each.card is not None}
    for store in find_runs(folder):
        try:
            yield _of_run(store, pages.get(store.folder.name), before.get(store.folder))
        except BenchError as error:  # what is wrong with one run hides no other
            yield f"Left out: {error}."


def _of_run(store: RunStore, report: Place | None, before: Entry | None) -> Entry:
    header = store.header()
    if header.get("status") != "complete":
        return Entry(shared(header), None, store.folder, report)
    if before is not None and before.header == shared(header):
        return replace(before, report=report)
    card = card_of(store)
    return Entry(card.header, card, store.folder, report)


def _of_cards(paths: Sequence[Place]) -> Iterator[Entry | str]:
    for path in sorted(paths, key=lambda path: path.name):
        try:
            card = checked_card(path)
        except BenchError as error:
            yield f"Left out: {error}."
            continue
        yield Entry(card.header, card, path)


def _reports(folder: Place) -> dict[str, Place]:
    """The page of the last report, by name, that each run stands in; none behind a URL."""
    if isinstance(folder, RemotePath):
        return {}
    pages: dict[str, Place] = {}
    for path in sorted((folder / "reports").glob("*/report.json")):
        try:
            runs = parse_json(path.read_bytes()).get("runs")
        except (OSError, ValueError, AttributeError):
            continue  # a report that can't be read is linked to by nothing
        page = path.parent / "index.html"
        if isinstance(runs, Mapping) and page.is_file():
            pages |= dict.fromkeys(map(str, runs), page)
    return pages
