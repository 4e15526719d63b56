"""``sam-bench data ls | show | fetch | new``: which datasets there are, and how to get them."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import console
from bench.cli.arguments import Commands, Parser, add_config_dir, add_data
from bench.config.settings import usual
from bench.files.places import local_path
from bench.files.text import lines_of
from bench.types import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    new.set_defaults(command=new_dataset)


def _add_common(parser: Parser) -> None:
    add_config_dir(parser)
    add_data(parser)


def list_datasets(options: argparse.Namespace) -> int:
    """``sam-bench data ls``: a line per dataset."""
    from rich.markup import escape
    from rich.table import Table

    from bench.config.composing import group_names
    from bench.data.catalogue import entry, state_of

    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for head in ("name", "title", "state", "licence gate", "size"):
        table.add_column(head)
    table.add_column("masks", justify="right")
    for name in group_names("dataset", options.config_dir):
        try:
            each = entry(name, options.config_dir)
        except BenchError as error:  # one file that is wrong hides no other
            table.add_row(escape(name), escape(str(error)), "unreadable", "–", "–", "–")
            continue
        about = each.component.about
        state = state_of(each.component, options.datasets, options.allow_module)
        cells = [
            each.component.name,
            about.get("title") or about.get("what"),
            state.name,
            about.get("gate"),
            about.get("size"),
            _number((about.get("expected") or {}).get("masks")),
        ]
        table.add_row(*(escape("–" if cell is None else str(cell)) for cell in cells))
    screen = console.output()
    console.show(table, screen)
    show = _data("show", "NAME", options)
    screen.print(
        f"in {options.datasets.absolute()}; `{show}` says where to get one",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return 0


def show_dataset(options: argparse.Namespace) -> int:
    """``sam-bench data show``: all that the YAML says, and whether the dataset is here."""
    from bench.data.catalogue import entry, state_of

    found = entry(options.name, options.config_dir)
    state = state_of(found.component, options.datasets, options.allow_module)
    component, about = found.component, found.component.about
    lines = [
        f"{about.get('title') or component.name} ({component.name}, version {component.version})"
    ]
    facts = {name: value for name, value in _facts(found) if value not in (None, "", {}, [])}
    wide = max(map(len, facts), default=0)
    lines += ["", *(f"{name:<{wide}}  {value}" for name, value in facts.items())]
    lines += ["", "where to get it", *(f"  {line}" for line in _ways(found, options))]
    lines += ["", "what goes where", *(f"  {line}".rstrip() for line in lines_of(found.head))]
    lines += ["", f"here: {state.name}{f', {state.why}' if state.why else ''}"]
    for line in lines:
        console.output().print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def fetch_data(options: argparse.Namespace) -> int:
    """``sam-bench data fetch``: downloads and unpacks; says what to do where that may not be."""
    from bench.data.catalogue import entry, state_of
    from bench.data.fetching import fetch_dataset, is_unfinished, sources_of

    found = entry(options.name, options.config_dir)
    component, screen = found.component, console.output()
    before = state_of(component, options.datasets, options.allow_module)
    sources = sources_of(component.about)
    if before.name == "ready" and not is_unfinished(component.name, sources, options.datasets):
        screen.print(f"{component.name} is here already", highlight=False, markup=False)
        return 0
    if not sources:
        raise BenchError(f"{component.name} can't be fetched: {_reason(found, options)}")
    licence = component.about.get("licence", "see its homepage")
    screen.print(f"licence: {licence}", highlight=False, markup=False, soft_wrap=True)
    for record in fetch_dataset(component.name, sources, options.datasets):
        said = f"{record['url']}: {record['size']:,} bytes, sha256 {record['sha256']}"
        screen.print(said, highlight=False, markup=False, soft_wrap=True)
    after = state_of(component, options.datasets, options.allow_module)
    if after.name != "ready":
        raise BenchError(
            f"{component.name} was fetched and is {after.name} all the same: {after.why}"
        )
    where = [] if _is_usual(options) else [f"runtime.datasets={options.datasets}"]
    check = shlex.join(
        ["sam-bench", "check", *_config_dir(options), f"dataset={options.name}", *where]
    )
    screen.print(
        f"{component.name} is ready: `{check}` looks at it",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return 0


def new_dataset(options: argparse.Namespace) -> int:
    """``sam-bench data new``: recognises a folder and writes its YAML."""
    from bench.data.recognise import recognise
    from bench.data.recognise.writing import check_name, write_yaml

    check_name(options.name)
    found = recognise(options.folder, options.format)
    path = write_yaml(options.name, found, options.config_dir)
    screen = console.output()
    check = ["sam-bench", "check", *_config_dir(options), f"dataset={options.name}"]
    lines = [
        f"recognised {found.format}: {found.seen}",
        *(f"assumed: {sentence}" for sentence in found.assumed),
        *(f"look: {sentence}" for sentence in found.doubts),
        f"wrote {path}",
        f"next: {shlex.join(check)}",
    ]
    for line in lines:
        screen.print(line, highlight=False, markup=False, soft_wrap=True)
    return 0


def _data(verb: str, name: str, options: argparse.Namespace) -> str:
    """A command about a dataset as it is to be typed, with the folders that were given here."""
    datasets = [] if _is_usual(options) else ["--datasets", str(options.datasets)]
    return shlex.join(["sam-bench", "data", verb, name, *_config_dir(options), *datasets])


def _is_usual(options: argparse.Namespace) -> bool:
    """Whether data lies where it would if no command said so."""
    return bool(options.datasets == local_path(usual("datasets")))


def _config_dir(options: argparse.Namespace) -> list[str]:
    return [] if options.config_dir is None else ["--config-dir", str(options.config_dir)]


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
        said.append(f"`{_data('fetch', options.name, options)}` downloads:")
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
    show = _data("show", options.name, options)
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
