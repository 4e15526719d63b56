"""``sam-bench ls``: what there is to choose from, or the runs that there are."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from bench.cli import console
from bench.cli.arguments import Commands, add_config_dir, add_json, add_results
from bench.config.settings import usual
from bench.files.places import local_path
from bench.types import BenchError


def _said_by_component(group: str, name: str, extra_dir: Path | None) -> str:
    from bench.config.composing import component_about

    return component_about(group, name, extra_dir)


def _said_by_head(group: str, name: str, extra_dir: Path | None) -> str:
    """Of YAMLs that are no components: the comment in their head says what they are."""
    from bench.config.composing import head_sentence

    return head_sentence(group, name, extra_dir)


def _said_by_suite(group: str, name: str, extra_dir: Path | None) -> str:
    from bench.config.suites import suite_about

    return suite_about(name, extra_dir)


_GROUPS: Mapping[str, tuple[str, Callable[[str, str, Path | None], str]]] = {
    "datasets": ("dataset", _said_by_component),
    "prompts": ("prompt", _said_by_component),
    "protocols": ("protocol", _said_by_component),
    "tasks": ("task", _said_by_component),
    "suites": ("suite", _said_by_suite),
    "experiments": ("experiment", _said_by_head),
    "runtimes": ("runtime", _said_by_head),
}
"""Of what is listed by its names the folder of YAMLs, and who says what each of them is."""

Line = Mapping[str, Any]
"""What is told of one thing, by the name of its column; what isn't known is none."""


def add(commands: Commands) -> None:
    """Adds the command."""
    ls = commands.add_parser("ls", help="what there is to choose from")
    ls.add_argument("what", choices=["models", *_GROUPS, "runs"])
    add_config_dir(ls)
    add_results(ls)
    ls.add_argument("names", nargs="*", metavar="NAME", help="of runs: globs, keys; by default all")
    ls.add_argument("--sort", choices=_RUN_HEADS, help="runs by a column: scores from the best on")
    ls.add_argument("--status", choices=_STATUS, help="runs of one status only")
    ls.add_argument("--checkpoints", type=local_path, help="folder of checkpoints")
    add_json(ls)
    ls.set_defaults(command=main)


def main(options: argparse.Namespace) -> int:
    """Lists a group's YAMLs, or the runs."""
    if options.what != "runs" and (options.names or options.sort or options.status):
        raise BenchError(f"names, --sort and --status are of runs: ls {options.what} takes none")
    heads: tuple[str, ...] = ("name", "what")
    if options.what == "models":
        heads, lines = _MODEL_HEADS, list(_models(options))
    elif options.what == "runs":
        heads, lines = _RUN_HEADS, _chosen(_runs(options), options)
    else:
        lines = list(_named(options))
    if options.json:
        console.show_json(lines)
        return 0
    ways = options.what == "models"
    console.show(_table([head for head in heads if not (ways and head == "next")], lines),
                 console.output())  # fmt: skip
    for line in lines if ways else ():
        if line["next"] is not None:  # in lines of any length: an address is there to be copied
            console.say(f"{line['name']}: {line['next']}")
    return 0


def _table(heads: Sequence[str], lines: Sequence[Line]) -> Table:
    table = Table(*heads, box=None, header_style="bold")
    table.columns[0].no_wrap = True  # a name is there to be copied
    for line in lines:
        cells = (_words(head, line[head]) for head in heads)
        table.add_row(*(escape("–" if cell is None else str(cell)) for cell in cells))
    return table


def _named(options: argparse.Namespace) -> Iterator[Line]:
    from bench.config.folders import group_names

    group, said = _GROUPS[options.what]
    for name in group_names(group, options.config_dir):
        try:
            about = said(group, name, options.config_dir)
        except BenchError as error:  # one file that is wrong hides no other
            about = f"cannot be read: {error}"
        yield {"name": name, "what": about}


_MODEL_HEADS = ("name", "what", "state", "licence", "size", "parameters", "next")


def _models(options: argparse.Namespace) -> Iterator[Line]:
    """Whether each can be run, and what to do first where it can't; nothing of it is loaded."""
    from bench.config.composing import component_about, load_component
    from bench.config.folders import group_names
    from bench.models.availability import availability
    from bench.types import Site

    checkpoints = options.checkpoints or local_path(usual("checkpoints"))
    site = Site(checkpoints=checkpoints, download=False)
    for name in group_names("model", options.config_dir):
        unknown = dict.fromkeys(_MODEL_HEADS)
        try:
            component = load_component("model", name, options.config_dir)
            what = component_about("model", name, options.config_dir)
        except BenchError as error:
            yield {**unknown, "name": name, "what": f"cannot be read: {error}", "state": "broken"}
            continue
        found, about = availability(component, site), component.about
        to_do = None if found.state == "ready" else found.how
        if found.fetchable:
            asked = f"{found.how}; then " if found.state == "on request" else ""
            to_do = f"{asked}{_fetch(name, options)}"
        yield {
            "name": name,
            "what": what,
            "state": found.state,
            "licence": about.get("licence"),
            "size": found.size or about.get("size"),
            "parameters": _count(about.get("parameters")),
            "next": to_do,
        }


def _fetch(name: str, options: argparse.Namespace) -> str:
    """The command that fetches a model, with the folders that were given here."""
    words = ["sam-bench", "fetch"]
    if options.config_dir is not None:
        words += ["--config-dir", str(options.config_dir)]
    words.append(f"model={name}")
    if options.checkpoints is not None:
        words.append(f"runtime.checkpoints={options.checkpoints}")
    return shlex.join(words)


_RUN_HEADS = ("run", "status", "images", "masks", "score", "finished", "machine")
_STATUS = ("running", "stopped", "partial", "complete")


def _runs(options: argparse.Namespace) -> Iterator[Line]:
    """Each run with its headline; what is wrong with one hides no other."""
    from bench.analysis.overview.headline import headline
    from bench.store.lock import is_held
    from bench.store.runs import find_runs

    for store in find_runs(options.results, *([options.names] if options.names else [])):
        header = store.header()
        status = str(header.get("status", "?"))
        if status == "running" and not is_held(store.folder):
            status = "stopped"  # killed before it could say so; the same command again goes on
        if options.status not in (None, status):
            continue
        try:
            found = headline(store)
            score = None if found is None else found.said
        except BenchError as error:
            found, score = None, f"cannot be read: {error}"
        yield {
            "run": store.folder.name,
            "status": status,
            "images": f"{header.get('images_done', 0)}/{header.get('images', '?')}",
            "masks": header.get("masks", 0),
            "score": score,
            "mean": None if found is None else found.mean,
            "measure": None if found is None else found.measure.name,
            "finished": header.get("finished"),
            "machine": _machine(header),
        }


def _machine(header: Mapping[str, Any]) -> str | None:
    """What a run was made on: the kind of machine, never its name, and the device."""
    kind, place = header.get("machine") or {}, (header.get("latest") or {}).get("place") or {}
    cores = f"{place['cores']} cores" if place.get("cores") else None
    device = place.get("device_name") or header.get("device")
    known = [" ".join(map(str, kind.values())), cores, device]
    return ", ".join(str(each) for each in known if each) or None


def _chosen(lines: Iterable[Line], options: argparse.Namespace) -> list[Line]:
    """The lines in the order that is asked for; what isn't known comes last."""
    if options.sort is None:
        return list(lines)
    column = "mean" if options.sort == "score" else options.sort
    there = list(lines)
    known = [line for line in there if line[column] is not None]
    known.sort(key=lambda line: line[column], reverse=column == "mean")
    return known + [line for line in there if line[column] is None]


def _count(said: object) -> object:
    """A number that a YAML writes as a text, with spaces between its groups of digits."""
    digits = str(said).replace(" ", "")
    return int(digits) if digits.isdecimal() else said


def _words(head: str, cell: object) -> object:
    """A cell for people: bytes and parameters in millions, unless a YAML has words for them."""
    if head == "size" and isinstance(cell, int):
        return f"{max(cell / 1e6, 0.1):,.1f} MB" if cell < 1e9 else f"{cell / 1e9:,.2f} GB"
    if head == "finished" and cell is not None:
        return str(cell)[:16].replace("T", " ")
    if head == "parameters" and isinstance(cell, int):
        return f"{cell / 1e6:,.1f} M" if cell else "none"
    return cell
