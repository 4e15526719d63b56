"""What a command says: its output, messages beside it, and the table of some runs."""

from __future__ import annotations

import codecs
import io
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from bench.cli.tables import fitted, least_width
from bench.files.text import escaped, visible, visible_line

if TYPE_CHECKING:
    from argparse import Namespace

    from bench.analysis.section import Section
    from bench.report import Request
    from bench.run.plan import Plan
    from bench.store.runs import ImageError


class _Screen(Console):
    """A console that no text can steer: what it is given is shown, escapes are its own alone."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """The segments, see ``rich.console.Console``."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)


def output() -> Console:
    """Standard output; wide enough for a table where it is no terminal."""
    console = _Screen(emoji=False)
    return console if console.is_terminal else _Screen(width=120, emoji=False)


def errors() -> Console:
    """Standard error, for progress and messages; as wide as the output."""
    console = _Screen(stderr=True, emoji=False)
    return console if console.is_terminal else _Screen(stderr=True, width=120, emoji=False)


def complain(words: str) -> None:
    """Says in one line on standard error what is wrong."""
    sys.stderr.write(f"sam-bench: {visible_line(words)}\n")


def take_every_text() -> None:
    """Has standard output and error take characters that their encoding lacks, as ASCII or not."""
    codecs.register_error(_NEAREST, _nearest)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NEAREST)


_NEAREST = "sam-bench-nearest"
_ASCII = {"–": "-", "—": "-", "−": "-", "…": "...", "×": "x", "·": "-", "±": "+-", "≈": "~",
          "≥": ">=", "≤": "<=", "→": "->", "’": "'", "\u00a0": " ", "█": "#"}  # fmt: skip


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """The nearest text in ASCII, or an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    told = [_ASCII.get(c) or c.encode("unicode_escape").decode("ascii") for c in lacking]
    return "".join(told), error.end


def say(line: str) -> None:
    """Prints one line of a command's output, however long, whatever names it quotes."""
    output().print(visible_line(line), markup=False, highlight=False, soft_wrap=True)


def say_next(options: Namespace, *words: str) -> None:
    """Prints the command that usually comes next, ready to be copied: ``next: …``.

    Not under ``-q``, nor beside a result for machines, nor where there is none.
    """
    if words and not (options.quiet or getattr(options, "json", False)):
        say(f"next: {shlex.join(words)}")


def progress(options: Namespace) -> Console:
    """Standard error for what passes: bars and forecasts; silent under ``-q``."""
    screen = errors()
    screen.quiet = options.quiet
    return screen


def show(table: Table, screen: Console) -> None:
    """Prints a table without cutting a number, see ``fitted``; a file takes lines of any length."""
    usual = screen.width
    if not screen.is_terminal:
        screen.width = max(usual, least_width(table))
    screen.print(fitted(table, screen.width))
    screen.width = usual


def table_of(section: Section) -> Table:
    """A report's further table for the terminal, its note as the caption."""
    table = Table(
        title=escape(section.title),
        caption=escape(section.note),
        box=SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        padding=(0, 1, 0, 0),
    )
    for i, head in enumerate(section.heads):
        table.add_column(escape(head), justify="left" if i < section.names else "right")
    for row in section.rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def show_plans(plans: Sequence[Plan], screen: Console) -> None:
    """Prints what the plans of one command will take."""
    from bench.files.places import place
    from bench.run.forecast.disk_space import free_bytes
    from bench.run.forecast.forecast import forecast
    from bench.run.forecast.table import forecast_table

    results = place(plans[0].setting.runtime.results)
    show(forecast_table([forecast(plan) for plan in plans], free_bytes(results)), screen)


def plain_plans(plans: Sequence[Plan]) -> list[dict[str, Any]]:
    """The same for machines: a line per model and dataset, seconds and bytes null if not known."""
    from bench.run.forecast.forecast import forecast

    lines = []
    for plan in plans:
        each = forecast(plan)
        memory = None if each.memory is None else each.memory.memory
        lines.append(
            {
                "model": each.model,
                "dataset": each.dataset,
                "prompts": list(plan.question.prompts),
                "images": each.images,
                "done": each.done,
                "to_do": each.work.images,
                "masks": each.work.masks,
                "answers": each.work.answers,
                "seconds": each.seconds,
                "host_bytes": None if memory is None else memory.host,
                "device_bytes": None if memory is None else memory.device,
                "disk_bytes": each.disk,
            }
        )
    return lines


def show_json(value: object) -> None:
    """Prints a value for machines; characters that a terminal would obey stand as escapes."""
    sys.stdout.write(escaped(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


def show_runs(request: Request, out: Path | None, *, as_json: bool = False) -> int:
    """Prints the table, and writes the whole report where a folder is given for it.

    ``as_json`` prints what ``report.json`` holds of both instead, and nothing else. Gives the exit
    code: 2 and a line on standard error where a figure of the report failed.
    """
    from bench.report.pages.write import numbers, write
    from bench.report.shown import chosen
    from bench.report.tables.formats import to_rich
    from bench.report.tables.further import further_tables

    screen = output()
    if out is None:
        selection, table = chosen(request)
        sections = tuple(further_tables(selection, table, request))
        if as_json:
            show_json(numbers(table, sections))
            return 0
        show(to_rich(table), screen)
        for section in sections:
            if section.printed:
                show(table_of(section), screen)
        return 0
    report = write(request, out)
    if as_json:
        show_json(json.loads((out / "report.json").read_text(encoding="utf-8")))
    else:
        show(to_rich(report.table), screen)
        for section in report.sections:
            if section.printed:
                show(table_of(section), screen)
        for sentence in report.answer:
            screen.print(sentence, highlight=False, markup=False)
        screen.print(f"report: {report.page}", highlight=False, markup=False, soft_wrap=True)
    for sentence in report.failed:
        complain(f"{sentence}; the rest of the report is written")
    return 2 if report.failed else 0


def say_failed(failed: Sequence[ImageError]) -> int:
    """The exit code: 3 and a line on standard error where images failed."""
    if not failed:
        return 0
    count = f"{len(failed)} image{'s' * (len(failed) > 1)}"
    complain(f"{count} failed; errors.jsonl in the run says why")
    return 3
