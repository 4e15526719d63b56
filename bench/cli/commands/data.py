"""``sam-bench data ls | show | fetch | new``: which datasets there are, and how to get them."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import Commands, Parser, add_config_dir, add_data, add_json, config_words
from bench.config.settings import usual
from bench.files.places import local_path
from bench.files.text import lines_of
from bench.types import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from bench.data.catalogue import Entry
    from bench.data.fetching import Source

_NEW = """\
Looks at a folder of pictures and masks and writes the YAML with which it can be run: a COCO file
beside pictures (or one of COCO panoptic, YouTube-VIS or VIA), labelme's or YOLO's files, one mask
file per object, or one label image per picture.

  sam-bench data new beans --folder ~/beans
  sam-bench run --config-dir my_conf dataset=beans model=demo
"""


def add(commands: Commands) -> None:
    """Adds the command and its verbs."""
    data = commands.add_parser("data", help="datasets: what there is, where to get it, your own")
    verbs = data.add_subparsers(required=True, metavar="ls|show|fetch|new")
    ls = verbs.add_parser("ls", help="every dataset, and whether it is here")
    _add_common(ls)
    ls.set_defaults(command=list_datasets)
    show = verbs.add_parser("show", help="what a dataset is, where to get it, what goes where")
    show.add_argument("name")
    _add_common(show)
    show.set_defaults(command=show_dataset)
    fetch = verbs.add_parser("fetch", help="download a dataset whose licence and host allow it")
    fetch.add_argument("name")
    _add_common(fetch)
    fetch.set_defaults(command=fetch_data)
    new = verbs.add_parser(
        "new",
        help="write the YAML of your own pictures and masks",
        description=_NEW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    new.add_argument("name", help="what the dataset is to be called")
    new.add_argument(
        "--folder", type=local_path, required=True, help="where pictures and masks lie"
    )
    new.add_argument("--format", metavar="FORMAT", help="coco, labelme, mask_folder, …")
    new.add_argument(
        "--config-dir",
        type=local_path,
        default=Path("my_conf"),
        help="where the YAML goes (my_conf)",
    )
    add_json(new)
    new.set_defaults(command=new_dataset)


def _add_common(parser: Parser) -> None:
    add_config_dir(parser)
    add_data(parser)
    add_json(parser)


def list_datasets(options: argparse.Namespace) -> int:
    """``sam-bench data ls``: a line per dataset."""
    from rich.markup import escape
    from rich.table import Table

    from bench.config.folders import group_names
    from bench.data.catalogue import entry, state_of

    lines: list[dict[str, Any]] = []
    for name in group_names("dataset", options.config_dir):
        try:
            each = entry(name, options.config_dir)
        except BenchError as error:  # one file that is wrong hides no other
            unknown = dict.fromkeys(("gate", "size", "masks"))
            lines.append({"name": name, "title": str(error), "state": "unreadable", **unknown})
            continue
        about = each.component.about
        state = state_of(each.component, options.datasets, options.allow_module)
        lines.append(
            {
                "name": each.component.name,
                "title": about.get("title") or about.get("what"),
                "state": state.name,
                "gate": about.get("gate"),
                "size": about.get("size"),
                "masks": (about.get("expected") or {}).get("masks"),
            }
        )
    if options.json:
        console.show_json(lines)
        return 0
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for head in ("name", "title", "state", "licence gate", "size"):
        table.add_column(head)
    table.add_column("masks", justify="right")
    for line in lines:
        cells = {**line, "masks": _number(line["masks"])}.values()
        table.add_row(*(escape("–" if cell is None else str(cell)) for cell in cells))
    console.show(table, console.output())
    console.say(f"in {options.datasets.absolute()}")
    console.say_next(options, *_data("show", "NAME", options))
    return 0


def show_dataset(options: argparse.Namespace) -> int:
    """``sam-bench data show``: all that the YAML says, and whether the dataset is here."""
    from bench.data.catalogue import entry, state_of
    from bench.data.fetching import sources_of

    found = entry(options.name, options.config_dir)
    state = state_of(found.component, options.datasets, options.allow_module)
    component, about = found.component, found.component.about
    facts = {name: value for name, value in _facts(found) if value not in (None, "", {}, [])}
    if options.json:
        said = {"name": component.name, "version": component.version, "title": about.get("title")}
        ways = {"get": _ways(found, options), "layout": lines_of(found.head)}
        facts = {
            name: value if isinstance(value, str) else str(value) for name, value in facts.items()
        }
        console.show_json(said | facts | ways | {"state": state.name, "why": state.why})
        return 0
    lines = [
        f"{about.get('title') or component.name} ({component.name}, version {component.version})"
    ]
    wide = max(map(len, facts), default=0)
    lines += ["", *(f"{name:<{wide}}  {value}" for name, value in facts.items())]
    lines += ["", "where to get it", *(f"  {line}" for line in _ways(found, options))]
    lines += ["", "what goes where", *(f"  {line}".rstrip() for line in lines_of(found.head))]
    lines += ["", f"here: {state.name}{f', {state.why}' if state.why else ''}"]
    for line in lines:
        console.say(line)
    if state.name == "ready":
        console.say_next(options, *_check(options))
    elif sources_of(about):
        console.say_next(options, *_data("fetch", options.name, options))
    return 0


def fetch_data(options: argparse.Namespace) -> int:
    """``sam-bench data fetch``: downloads and unpacks; says what to do where that may not be."""
    from bench.data.catalogue import entry, state_of
    from bench.data.fetching import fetch_dataset, is_unfinished, sources_of

    found = entry(options.name, options.config_dir)
    component = found.component
    before = state_of(component, options.datasets, options.allow_module)
    sources = sources_of(component.about)
    if before.name == "ready" and not is_unfinished(component.name, sources, options.datasets):
        return _fetched(options, component.name, [])
    if not sources:
        raise BenchError(f"{component.name} can't be fetched: {_reason(found, options)}")
    licence = component.about.get("licence", "see its homepage")
    if not options.json:
        console.say(f"licence: {licence}")
    files = []
    for record in fetch_dataset(component.name, sources, options.datasets):
        files.append(dict(record))
        if not options.json:
            size = f"{record['size']:,} bytes"
            console.say(f"{record['url']}: {size}, sha256 {record['sha256']}")
    after = state_of(component, options.datasets, options.allow_module)
    if after.name != "ready":
        raise BenchError(
            f"{component.name} was fetched and is {after.name} all the same: {after.why}"
        )
    return _fetched(options, component.name, files)


def _fetched(options: argparse.Namespace, name: str, files: Sequence[Mapping[str, Any]]) -> int:
    """Says that the dataset is here, and what was downloaded for it; exit code 0."""
    if options.json:
        console.show_json({"name": name, "state": "ready", "files": list(files)})
    else:
        console.say(f"{name} is ready" if files else f"{name} is here already")
    console.say_next(options, *_check(options))
    return 0


def _check(options: argparse.Namespace) -> list[str]:
    """The command that looks at the dataset."""
    where = [] if _is_usual(options) else ["--datasets", str(options.datasets)]
    return ["sam-bench", "check", *config_words(options), f"dataset={options.name}", *where]


def new_dataset(options: argparse.Namespace) -> int:
    """``sam-bench data new``: recognises a folder and writes its YAML."""
    from bench.data.recognise import recognise
    from bench.data.recognise.writing import check_name, write_yaml

    check_name(options.name)
    found = recognise(options.folder, options.format)
    path = write_yaml(options.name, found, options.config_dir)
    if options.json:
        said = {"format": found.format, "seen": found.seen, "yaml": str(path)}
        console.show_json(said | {"assumed": list(found.assumed), "look": list(found.doubts)})
        return 0
    lines = [
        f"recognised {found.format}: {found.seen}",
        *(f"assumed: {sentence}" for sentence in found.assumed),
        *(f"look: {sentence}" for sentence in found.doubts),
        f"wrote {path}",
    ]
    for line in lines:
        console.say(line)
    asked = [*config_words(options), f"dataset={options.name}"]
    console.say_next(options, "sam-bench", "check", *asked)
    return 0


def _data(verb: str, name: str, options: argparse.Namespace) -> list[str]:
    """A command about a dataset, with the folders that were given here."""
    datasets = [] if _is_usual(options) else ["--datasets", str(options.datasets)]
    return ["sam-bench", "data", verb, name, *config_words(options), *datasets]


def _is_usual(options: argparse.Namespace) -> bool:
    """Whether data lies where it would if no command said so."""
    return bool(options.datasets == local_path(usual("datasets")))


def _facts(found: Entry) -> Iterator[tuple[str, Any]]:
    about = found.component.about
    for name in ("what", "split", "licence", "gate", "size"):
        yield name, about.get(name)
    yield "expected", _counts(about.get("expected"))
    yield "in the paper", _counts(about.get("paper"))
    for name in ("citation", "homepage", "requires", "sure", "unknown"):
        yield name, about.get(name)
    yield "reader", found.component.target
    yield "defined in", found.path


def _ways(found: Entry, options: argparse.Namespace) -> list[str]:
    """How to get the dataset, in sentences."""
    from bench.data.fetching import sources_of

    about = found.component.about
    said = _sentences(about.get("get"))
    sources: list[Source] = sources_of(about)
    if sources:
        fetch = shlex.join(_data("fetch", options.name, options))
        said.append(f"`{fetch}` downloads:")
        said += [f"  {source.url} → {source.to}" for source in sources]
    if not said and about.get("homepage"):
        said.append(f"see {about['homepage']}")
    return said or ["nothing is to be got"]


def _reason(found: Entry, options: argparse.Namespace) -> str:
    """Why a dataset isn't fetched, and what to do instead, in one line."""
    about = found.component.about
    gate = about.get("gate")
    why = f"it asks for {gate}" if gate else "no address is known that allows a plain download"
    ways = " ".join(_sentences(about.get("get"))) or f"see {about.get('homepage')}"
    show = shlex.join(_data("show", options.name, options))
    return f"{why}; {ways} (`{show}` says what goes where)"


def _sentences(written: object) -> list[str]:
    if written is None:
        return []
    return [str(one) for one in written] if isinstance(written, list) else [str(written)]


def _counts(counts: object) -> str | None:
    if not isinstance(counts, dict):
        return None
    said = [f"{_number(counts[name])} {name}" for name in ("images", "masks") if counts.get(name)]
    return ", ".join(said)


def _number(value: object) -> str | None:
    return f"{value:,}" if isinstance(value, int) else None if value is None else str(value)
