"""Forecasts as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from bench.files.sizes import megabytes
from bench.run.forecast.forecast import Forecast

_HEADS = ("to do", "done", "masks", "answers", "time", "memory", "disk")


def forecast_table(forecasts: Sequence[Forecast], free: int | None) -> Table:
    """A line per run and, of several, their total; below, where the numbers are from.

    ``free`` are the bytes that the disk has, none where nothing tells.
    """
    table = Table(
        title="Plan: what is to do",
        caption=escape(" ".join(_notes(forecasts, free))),
        box=SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        padding=(0, 1, 0, 0),
    )
    for head in ("model", "dataset", "prompt (steps)"):
        table.add_column(head)
    for head in _HEADS:
        table.add_column(head, justify="right")
    for each in forecasts:
        table.add_row(*map(escape, _cells(each)))
    if len(forecasts) > 1:
        table.add_section()
        table.add_row(*map(escape, _total(forecasts)))
    return table


def clock(seconds: float) -> str:
    """A time for people, in minutes from one minute on.

    >>> clock(7.4), clock(200), clock(7300)
    ('7 s', '3.3 min', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def _cells(each: Forecast) -> tuple[str, ...]:
    work, done = each.work, f"{each.done:,} of {each.images:,}"
    if not work.images:
        return (each.model, each.dataset, ", ".join(each.prompts),
                "0", done, "–", "–", "–", "–", "–")  # fmt: skip
    about = "" if work.counted else "≈ "
    seconds = "unknown" if each.seconds is None else f"{clock(each.seconds)}{'*' * each.borrowed}"
    return (
        each.model,
        each.dataset,
        ", ".join(each.prompts),
        f"{work.images:,}",
        done,
        f"{about}{work.masks:,}",
        f"{about}{work.answers:,}",
        seconds,
        str(each.memory),
        megabytes(each.disk),
    )


def _total(forecasts: Sequence[Forecast]) -> tuple[str, ...]:
    known = [each.seconds for each in forecasts if each.seconds is not None]
    unknown = sum(each.seconds is None and each.work.images > 0 for each in forecasts)
    said = [clock(sum(known))] if known else []
    said += [f"{unknown} unknown"] if unknown else []
    about = "" if all(each.work.counted for each in forecasts) else "≈ "
    return (
        "total", "", "", f"{sum(each.work.images for each in forecasts):,}",
        f"{sum(each.done for each in forecasts):,} of {sum(e.images for e in forecasts):,}",
        f"{about}{sum(each.work.masks for each in forecasts):,}",
        f"{about}{sum(each.work.answers for each in forecasts):,}",
        " + ".join(said) or "–", "", megabytes(sum(each.disk for each in forecasts)),
    )  # fmt: skip


def _notes(forecasts: Sequence[Forecast], free: int | None) -> Iterator[str]:
    busy = [each for each in forecasts if each.work.images]
    if not busy:
        yield "Everything is done: the same command only shows the table."
        return
    sources = dict.fromkeys(each.work.source for each in busy)
    yield f"Masks: {'; '.join(sources)}."
    if any(each.limited for each in busy):
        yield "runtime.limit leaves some images for later."
    seen = dict.fromkeys((p.images, p.dataset) for each in busy if (p := each.pace) is not None)
    if seen:
        took = ", ".join(f"{images:,} images of {dataset}" for images, dataset in seen)
        yield f"Time: as {took} took with the same model, device and workers."
    if any(each.borrowed for each in busy):
        yield "* On other data: a rough guess."
    if any(each.pace is None for each in busy):
        yield "Unknown until the first images: a try with runtime.limit=5 tells."
    measured = {each.memory.measured for each in busy if each.memory is not None}
    if measured == {True}:
        yield "Memory: as that run took at most, per worker."
    elif measured:
        yield (
            "Memory over: weights, pictures and answers in hand; a network's own intermediate "
            "values come on top."
        )
    if free is not None:
        yield f"{megabytes(free)} of the disk are free."
