"""Pages of reference made from the code and the YAMLs, so that they can't differ from them.

Before a build each of ``PAGES`` writes ``docs/_generated/<name>.md`` for a page to include.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import house
import yaml
from sphinx.application import Sphinx

from bench import types
from bench.cli import _parser
from bench.config.composing import first_sentence
from bench.config.explained import explained, typed
from bench.config.folders import conf_dir
from bench.scoring import metrics as shelf
from bench.types import Mask

HERE = Path(__file__).resolve().parent


def commands() -> str:
    """Every command of ``sam-bench`` with its options, from its parser."""
    found = _commands_of(_parser())
    return "\n\n".join(_command(parser, about) for parser, about in found)


def settings() -> str:
    """Every setting of ``runtime:``, its type, its default, and what the class says of it."""
    lines = ["| setting | type | default | means |", "|---|---|---|---|"]
    for each in explained():
        default = each.default if " " in each.default else f"`{each.default}`"
        default += f", or what `{each.variable}` says" if each.variable else ""
        cells = f"`{each.key}`", f"`{each.type}`", default, each.means
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines)


def choices() -> str:
    """Every choice of a protocol: the values there are, what each means, and who takes it."""
    from bench import protocol as rules
    from bench.prompts import grids, placement

    named: Mapping[str, Mapping[str, Any]] = {
        "first_click": placement.FIRST,
        "next_click": placement.NEXT,
        "multimask": rules.MULTIMASK,
        "select": rules.SELECT,
        "box": rules.BOX,
        "area": rules.AREA,
        "first_grid": grids.GRIDS,
        "next_grid": grids.GRIDS,
    }
    offered: Mapping[str, Mapping[str, Any]] = {
        **named,
        "feedback": rules.FEEDBACK,
        "average": rules.AVERAGE,
        "text": rules.TEXT,
    }
    found = _protocols()
    parts = []
    for choice in found["sam"]["args"]:
        values: dict[Any, list[str]] = {name: [] for name in offered.get(choice, {})}
        for name, each in found.items():
            value = each["args"][choice]
            values[value] = [*values.get(value, []), f"[`{name}`](#protocol-{_slug(name)})"]
        if choice not in DECIDES:
            raise ValueError(f"nothing says what the choice {choice} decides")
        lines = [f"### Choice `{choice}`", "", DECIDES[choice], ""]
        lines += (
            ["| value | means | protocols |", "|---|---|---|"]
            if choice in named
            else ["| value | protocols |", "|---|---|"]
        )
        for value, names in values.items():
            cells = [f"`{typed(value)}`", ", ".join(names) or "–"]
            if choice in named:
                cells.insert(1, _cell(_markdown(_first_line(named[choice][value]))))
            lines.append(f"| {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


DECIDES: Mapping[str, str] = {
    "first_click": "Where the first click goes.",
    "next_click": "Where each later click goes.",
    "feedback": "Whether the last mask's logits come along with the next prompt.",
    "multimask": "When the model is asked for several candidates.",
    "select": "Which candidate counts.",
    "threshold": "A pixel is foreground where its logit lies above it.",
    "box_noise_std": "Gaussian noise that loosens a box: its standard deviation, as a share of the "
    "box's side. 0 is a tight box.",
    "box_noise_cap": "Where that noise is cut, in pixels.",
    "crowd": "Whether regions of several objects (COCO's `iscrowd`) count.",
    "empty_target": "What happens to an empty target. `skip` leaves it out and counts it.",
    "min_area": "The smallest target that counts, in pixels.",
    "average": "How the mean is taken. `mask_dataset`: over the masks of a dataset, then over "
    "datasets. `image`: over the masks of each image, over its images, then over datasets.",
    "box": "Whose box a box prompt is, before any noise.",
    "area": "Whose area the smallest area is compared with.",
    "first_grid": "On which pixels the first click is placed.",
    "next_grid": "On which pixels each later click is placed.",
    "min_error": "How many pixels of that grid must be wrong for a click.",
    "no_error": "What happens where no error is left to click. `stop` makes no click, and the step "
    "keeps its mask; `corner` clicks pixel (0, 0), negative, as RITM's clicker does.",
    "text": "What becomes of all the instances that a text finds. `best_instance`: the one nearest "
    "to the target counts, by IoU. `union`: all of them are one mask, held against all targets of "
    "the category in the image as one.",
}
"""What each choice of a protocol decides."""


def protocols() -> str:
    """Every protocol: its source, and where each of its choices comes from."""
    parts = []
    for name, each in _protocols().items():
        about = each["about"]
        lines = [
            f"### Protocol `{name}`", "",
            f"{about['title']}. Version {each['version']}. Source: {about['cite']}.", "",
            "| choice | value | where it comes from |", "|---|---|---|",
        ]  # fmt: skip
        for choice, value in each["args"].items():
            why = _cell(str(about["choices"][choice]))
            lines.append(f"| `{choice}` | `{typed(value)}` | {why} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def sources() -> str:
    """For each protocol where its source says what we choose, and what it does that we don't."""
    parts = []
    for name, each in _protocols().items():
        about = each["about"]
        source = about.get("source")
        said = f"[`{source['repository']}`]({_repository(source)})" if source else about["cite"]
        lines = [f"## Source of `{name}`", "", f"{said}.", ""]
        lines += ["| source | our choice | value |", "|---|---|---|"]
        for choice, value in each["args"].items():
            where = _where(about["where"][choice], source)
            lines.append(f"| {where} | `{choice}` | `{typed(value)}` |")
        if about.get("differs"):
            lines += ["", "What differs:", "", "| source | what | worth |", "|---|---|---|"]
            lines += [
                f"| {_where(one['where'], source)} | {_cell(one['what'])} | {_cell(one['worth'])} |"
                for one in about["differs"]
            ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _repository(source: Mapping[str, str]) -> str:
    return f"https://github.com/{source['repository']}/tree/{source['commit']}"


def _where(said: str, source: Mapping[str, str] | None) -> str:
    """Places of a source, each file with a link to its first line.

    >>> _where("a/b.py:3,9 f", {"repository": "me/it", "commit": "12"})
    '[`a/b.py:3,9`](https://github.com/me/it/blob/12/a/b.py#L3) f'
    """
    if source is None:
        return _cell(said)

    def link(found: re.Match[str]) -> str:
        path, lines = found[1], found[2]
        first = re.split("[-,]", lines)[0]
        url = f"https://github.com/{source['repository']}/blob/{source['commit']}/{path}#L{first}"
        return f"[`{path}:{lines}`]({url})"

    return _cell(re.sub(r"([\w./]+\.\w+):(\d+(?:[-,]\d+)*)", link, said))


def names() -> str:
    """What there is to choose from by name: every group of ``conf/`` without a page of its own."""
    parts = []
    found = {path.parent.name for path in conf_dir().glob("*/*.yaml")}
    for group in sorted(found - OWN_PAGE, key=lambda name: ("experiment" in name, name)):
        lines = [f"## {group.capitalize()}s", "", f"| `{group}=` | what | sets |", "|---|---|---|"]
        for path in sorted((conf_dir() / group).glob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            component = yaml.safe_load(text)
            about = component.get("about", {})
            title = about.get("title") or first_sentence(text)
            if about.get("licence"):
                title = f"{title} ({about['licence']})"
            given = component.get("args") or component.get("sweep") or component.get("ray") or {}
            args = ", ".join(f"`{key}={_short(typed(value))}`" for key, value in given.items())
            lines.append(f"| `{path.stem}` | {_cell(title)} | {_cell(args) or '–'} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


OWN_PAGE = frozenset({"dataset", "protocol"})
"""Groups of ``conf/`` that a page of their own shows."""


def metrics() -> str:
    """Every metric of the shelf: its column, what tables call it, its unit, what it measures."""
    lines = ["| `metrics=` | in tables | shown as | better | measures |", "|---|---|---|---|---|"]
    for name in shelf.names():
        measure = shelf.metric(name).measure
        if not measure.definition:
            raise ValueError(f"nothing says what the metric {name} measures")
        cells = (f"`{name}`", measure.title, UNITS[measure.unit], measure.better,
                 _cell(_markdown(measure.definition)))  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


UNITS: Mapping[str, str] = {
    "points": "points, ×100",
    "share": "per cent of masks",
    "pixels": "pixels",
    "plain": "as it is",
}
"""How a measure's unit is shown."""


def values() -> str:
    """The values that flow through the bench, in the order of their module."""
    return _documented(lambda found: is_dataclass(found) or found is Mask)


def words() -> str:
    """The constants and the names of types of ``bench.types``, as their modules write them."""
    lines = ["| name | is | |", "|---|---|---|"]
    for name in types.__all__:
        if not isinstance(getattr(types, name), type):
            value, about = _written(name)
            lines.append(f"| `{name}` | `{_cell(value)}` | {_cell(_markdown(about))} |")
    return "\n".join(lines)


def contracts() -> str:
    """What a class must offer to be a reader, a model, a prompt strategy, a cue."""
    return _documented(lambda found: getattr(found, "_is_protocol", False))


def measurements() -> str:
    """What the benchmarks wrote, each file under its name."""
    parts = []
    for path in sorted((HERE.parent / "benchmarks" / "results").glob("*.md")):
        text = path.read_text(encoding="utf-8").strip()
        parts.append(f"## {path.name}\n\n{re.sub('^#', '###', text, flags=re.MULTILINE)}")
    return "\n\n".join(parts)


def rooms() -> str:
    """The rooms of the house as a table."""
    return house.table(house.rooms())


PAGES: Mapping[str, Callable[[], str]] = {
    each.__name__: each
    for each in (
        commands,
        settings,
        choices,
        protocols,
        sources,
        names,
        metrics,
        values,
        words,
        contracts,
        measurements,
        rooms,
    )
}


def write(folder: Path = HERE / "_generated") -> None:
    """Writes every page, and the drawing of the house; files that wouldn't change are left."""
    folder.mkdir(exist_ok=True)
    _write(folder / "house.svg", house.drawing(house.rooms()))
    for name, made in PAGES.items():
        _write(folder / f"{name}.md", f"{made()}\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Makes it known to Sphinx."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "_generated"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _documented(wanted: Callable[[Any], bool]) -> str:
    """The classes of ``bench.types`` that are wanted, for autodoc."""
    found = [
        each
        for name, each in vars(types).items()
        if isinstance(each, type) and each.__module__.startswith("bench.types") and name[0] != "_"
    ]
    lines = [f".. autoclass:: bench.types.{each.__name__}" for each in found if wanted(each)]
    return "\n".join(["```{eval-rst}", *dict.fromkeys(lines), "```"])


def _written(name: str) -> tuple[str, str]:
    """The value that a module of ``bench.types`` gives a name, and what it says of it.

    >>> _written("MAX_PIXELS")
    ('89478485', "Of a picture, unless told otherwise: Pillow's own first limit.")
    """
    for path in Path(types.__file__).parent.glob("*.py"):
        statements = ast.parse(path.read_text(encoding="utf-8")).body
        for each, behind in zip_longest(statements, statements[1:]):
            if isinstance(each, ast.Assign | ast.AnnAssign) and each.value is not None:
                [target] = each.targets if isinstance(each, ast.Assign) else [each.target]
                if ast.unparse(target) == name:
                    said = behind.value if isinstance(behind, ast.Expr) else None
                    about = str(said.value) if isinstance(said, ast.Constant) else ""
                    return ast.unparse(each.value), " ".join(about.split())
    raise ValueError(f"no module of bench.types gives {name} a value")


def _commands_of(
    parser: argparse.ArgumentParser, about: str = ""
) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Every parser below this one that has options of its own, with its line of help."""
    inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not inner:
        yield parser, about
    for action in inner:
        lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, below in action.choices.items():
            yield from _commands_of(below, lines.get(name, ""))


def _command(parser: argparse.ArgumentParser, about: str) -> str:
    formatter = argparse.HelpFormatter(parser.prog, width=96)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    usage = formatter.format_help().strip()
    lines = [
        f"## {parser.prog}", "",
        f"{about[:1].upper()}{about[1:]}{'' if about.endswith('?') else '.'}", "",
        "```text", usage, "```", "",
        *_description(parser.description or ""),
        "", "| word or option | means |", "|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {_option(action)} | {_cell(_help(action))} |"
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    return "\n".join(lines)


def _description(text: str) -> Iterator[str]:
    """The paragraphs of a description; indented ones are commands."""
    for paragraph in filter(None, text.strip("\n").split("\n\n")):
        if paragraph.startswith("  "):
            yield from ("```sh", inspect.cleandoc(paragraph), "```", "")
        else:
            yield from (re.sub(r"(--[a-z]\w*)", r"`\1`", paragraph).replace("``", "`"), "")


def _option(action: argparse.Action) -> str:
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if isinstance(action, argparse.BooleanOptionalAction):
        value = ""
    if action.option_strings:
        names = [name for name in action.option_strings if "-" not in name[2:]] or (
            action.option_strings
        )
        if isinstance(action, argparse.BooleanOptionalAction):
            names = action.option_strings
        return ", ".join(f"`{name} {value}`".replace(" `", "`") for name in names)
    if action.choices and action.metavar is None:
        return " ".join(f"`{choice}`" for choice in action.choices)
    return f"`{action.metavar or action.dest.upper()}`"


def _help(action: argparse.Action) -> str:
    text = (action.help or "").strip()
    if not text:
        return "–"
    text = f"{text[:1].upper()}{text[1:]}."
    if action.default not in (None, False, [], argparse.SUPPRESS) and f"{action.default}" not in (
        text
    ):
        text += f" Default: `{action.default}`."
    return text


def _protocols() -> dict[str, Mapping[str, Any]]:
    """Every protocol by name, the default one first."""
    paths = sorted(
        (conf_dir() / "protocol").glob("*.yaml"), key=lambda path: (path.stem != "sam", path.stem)
    )
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths}


def _first_line(rule: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(rule) or "").partition("\n\n")[0].split())


def _short(text: str, most: int = 48) -> str:
    """A value without the rest of what is long, such as a hash or an address."""
    return text if len(text) <= most else f"{text[:12]}…"


def _markdown(text: str) -> str:
    """Double backticks of docstrings as single ones."""
    return text.replace("``", "`")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _slug(name: str) -> str:
    return name.lower()


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
