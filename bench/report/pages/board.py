"""The board as one page: models × datasets per prompt and protocol, suites, costs, every cell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

import bench
from bench.analysis.overview.board import Board, Cell, Panel, identity
from bench.analysis.overview.history import histories, history_section
from bench.analysis.overview.progress import Progress, plain, progress_section
from bench.analysis.overview.suites import SuiteLine
from bench.analysis.section import Section
from bench.analysis.sections.cost import costs
from bench.analysis.wording.notes import part
from bench.analysis.wording.words import DASH, MARK
from bench.files.places import Place
from bench.report.pages.folder import PAGE, records, report_folder
from bench.report.pages.html import template
from bench.report.pages.watching import Drawn
from bench.report.tables.section_text import spans
from bench.store.cards import Number
from bench.types import Measure


@dataclass(frozen=True, slots=True)
class _Shown:
    """A cell as the matrix shows it: text, what it is sorted by, its page, more on pointing."""

    text: str
    sort: float | str
    state: str
    link: str | None
    more: str


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A panel as it is shown."""

    name: str
    title: str
    note: str
    datasets: tuple[tuple[str, bool], ...]
    lines: tuple[tuple[str, tuple[str, ...], tuple[_Shown | None, ...], tuple[str, ...]], ...]


def write_board(
    board: Board, suites: Sequence[SuiteLine], out: Path, running: Sequence[Progress] = ()
) -> tuple[Path, ...]:
    """Writes ``index.html`` and ``report.json`` into a folder, all or nothing; gives the paths.

    ``running`` are runs that are not done. Raises ``BenchError`` where ``out`` can't be written.
    """
    drawn = draw_board(board, suites, out, running)
    with report_folder(out) as folder:
        folder.write(PAGE, drawn.page)
        return folder.publish(drawn.content)


def draw_board(
    board: Board,
    suites: Sequence[SuiteLine],
    out: Path | None = None,
    running: Sequence[Progress] = (),
) -> Drawn:
    """The page and its ``report.json``; cells lead to reports where ``out`` is its folder."""
    times = _costs(board)
    matrices = [
        _matrix(panel, number, board, times, out) for number, panel in enumerate(board.panels)
    ]
    cells = _cells(board)
    past = list(history_section(histories(board.entries), board.titles))
    sections = [
        *progress_section(running), *_suites(suites, board), *_cost_section(times, board), *past,
        cells,
    ]  # fmt: skip
    page = template("board.html.jinja").render(
        title=_title(board),
        answer=" ".join(_answer(board)),
        matrices=matrices,
        sections=sections,
        spans=spans,
        notes=board.notes,
        version=bench.__version__,
    )
    return Drawn(
        page,
        {
            "bench": bench.__version__,
            "panels": [_plain(panel, board) for panel in board.panels],
            "cells": records(cells.lines),
            "suites": [_plain_suite(line, board) for line in suites],
            "history": [line for section in past for line in records(section.lines)],
            "running": [plain(each) for each in running],
            "notes": list(board.notes),
        },
    )


def _title(board: Board) -> str:
    models, datasets = (
        len({identity(entry.header, kind) for entry in board.entries})
        for kind in ("model", "dataset")
    )
    return f"{models} model{'s' * (models != 1)} on {datasets} dataset{'s' * (datasets != 1)}"


def _answer(board: Board) -> Iterator[str]:
    for panel in board.panels:
        if (ranking := panel.ranking) is not None:
            best, number = ranking.models[0], len(ranking.datasets)
            where = f"the same {number} datasets" if number > 1 else "one dataset"
            rank = _bounded(*_rank(ranking.standings[best]), digits=1)
            yield (
                f"With {panel.label}, {board.titles[best]} ranks best of {len(ranking.models)} "
                f"models on {where}: mean rank {rank}."
            )
            group = next((group for group in ranking.alike if best in group), ())
            if others := [board.titles[model] for model in group if model != best]:
                yield f"Not shown to differ from it: {', '.join(others)}."
            return
    yield "No two models have a complete run on the same dataset, so nothing is ranked."


def _matrix(
    panel: Panel, number: int, board: Board, times: Mapping[str, tuple[str, ...]], out: Path | None
) -> _Matrix:
    ranking = panel.ranking
    over = ranking.datasets if ranking else ()
    letters = {
        model: "".join(chr(ord("a") + at % 26) for at, g in enumerate(ranking.alike) if model in g)
        for model in (ranking.models if ranking else ())
    } if ranking else {}  # fmt: skip
    lines = []
    for model in panel.models:
        standing = ranking.standings.get(model) if ranking else None
        said = (
            (DASH, DASH, DASH)
            if standing is None
            else (
                _bounded(*_rank(standing), digits=1),
                _bounded(*(_hundred(e) for e in _wins(standing)), digits=0),
                letters[model] or DASH,
            )
        )
        cells = tuple(
            _shown(panel.cells.get((model, dataset)), panel.measure, out)
            for dataset in panel.datasets
        )
        lines.append((board.titles[model], said, cells, times.get(model, (DASH, DASH, DASH))))
    return _Matrix(
        f"panel-{number + 1}",
        f"{panel.label}, protocol {panel.protocol}",
        " ".join(_note(panel, board)),
        tuple((board.titles[each], each in over) for each in panel.datasets),
        tuple(lines),
    )


def _note(panel: Panel, board: Board) -> Iterator[str]:
    if panel.measure.definition:
        yield f"{panel.measure.title}: {panel.measure.definition}"
    if panel.ranking is None:
        yield "Nothing is ranked: no two models have a complete run on the same dataset."
        return
    ranking = panel.ranking
    yield (
        f"Ranked are the models with a complete run on each of the datasets marked ●, "
        f"{len(ranking.datasets)} of {len(panel.datasets)}."
    )
    for model in panel.models:
        if model not in ranking.models:
            lacks = [d for d in ranking.datasets if not _complete(panel, model, d)]
            yield f"{board.titles[model]} lacks {', '.join(board.titles[d] for d in lacks)}."
    yield (
        "Mean rank (1 is best) and win rate, in per cent, with 95 % intervals over the "
        "datasets (jackknife, Student's t). Models that share a letter are not shown to differ: "
        "mean over the datasets of the differences on the same masks, p corrected for the number "
        "of pairs (Holm)."
    )


def _complete(panel: Panel, model: str, dataset: str) -> bool:
    cell = panel.cells.get((model, dataset))
    return cell is not None and cell.state == "complete"


def _shown(cell: Cell | None, measure: Measure, out: Path | None) -> _Shown | None:
    if cell is None:
        return None
    header, number = cell.entry.header, cell.number
    more = f"{_when(header)}, {_version(header)}"
    if number is None:
        done = f"{header.get('images_done', 0)} of {header.get('images', '?')} images"
        return _Shown("partial", "", cell.state, _link(cell.entry.report, out), f"{done}, {more}")
    text = measure.shown(number.mean) + (" ≠" if cell.state == "contradicted" else "")
    more = f"{_interval(number, measure)}, {more}".removeprefix(f"{DASH}, ")
    return _Shown(text, number.mean, cell.state, _link(cell.entry.report, out), more)


def _link(page: Place | None, out: Path | None) -> str | None:
    """The way from the board to a report's page, as a browser takes it."""
    if out is None or not isinstance(page, Path):
        return None
    return quote(Path(os.path.relpath(page.resolve(), out.resolve())).as_posix())


def _cells(board: Board) -> Section:
    heads = ("prompt", "protocol", "model", "dataset", "number", "interval", "finished",
             "checkpoint", "version", "run")  # fmt: skip
    rows, lines = [], []
    for panel in board.panels:
        for (model, dataset), cell in panel.cells.items():
            header, number = cell.entry.header, cell.number
            names = (panel.label, panel.protocol, board.titles[model], board.titles[dataset])
            checkpoint = str((header.get("facts") or {}).get("checkpoint_sha256") or "")[:12]
            rest = (_when(header), checkpoint or DASH, _version(header), str(header.get("name")))
            shown = cell.state if number is None else panel.measure.shown(number.mean)
            rows.append((*names, shown, _interval(number, panel.measure), *rest))
            plain = dict(zip(("prompt", "protocol", "model", "dataset"), names, strict=True))
            lines.append(
                plain
                | {"measure": panel.measure.mean, "state": cell.state}
                | {k: getattr(number, k, None) for k in ("mean", "low", "high")}
                | dict(zip(("finished", "checkpoint", "version", "run"), rest, strict=True))
                | {"key": header.get("key")}
            )
    order = sorted(range(len(rows)), key=lambda at: rows[at][:4])
    note = (
        "The newest run of each cell, complete ones first; the checkpoint by the first digits of "
        f"its sha256. {MARK} marks intervals of few images."
    )
    frame = pd.DataFrame([lines[at] for at in order])
    return Section(
        "cells", "Every cell", note, heads, tuple(rows[at] for at in order), frame, names=4
    )


def _suites(lines: Sequence[SuiteLine], board: Board) -> Iterator[Section]:
    if not lines:
        return
    rows = tuple(
        (
            line.suite.title,
            line.prompt,
            board.titles[line.model],
            board.titles[line.protocol],
            DASH if line.number is None else line.measure.shown(line.number.mean),
            _missing(line) if line.number is None else _interval(_number(line), line.measure),
        )
        for line in lines
    )
    frame = pd.DataFrame([_plain_suite(line, board) for line in lines])
    note = (
        "The mean over a suite's datasets, each of the same weight, at the prompt's last step; "
        "none where a dataset has no complete run under the protocol, or runs on several data."
    )
    heads = ("suite", "prompt", "model", "protocol", "mean", "interval, or what is missing")
    yield Section("suites", "Suites", note, heads, rows, frame, names=4)


def _number(line: SuiteLine) -> Number:
    assert line.number is not None  # asked only then
    found = line.number
    return Number(found.mean, found.low, found.high, found.few)


def _missing(line: SuiteLine) -> str:
    number = len(line.missing)
    named = ", ".join(line.missing[:_NAMED]) + f" and {number - _NAMED} more" * (number > _NAMED)
    return f"{number} of {len(line.suite.datasets)}: {named}"


_NAMED = 3
"""How many missing datasets the page names; ``report.json`` has all."""


def _plain_suite(line: SuiteLine, board: Board) -> dict[str, Any]:
    number = line.number
    return {
        "suite": line.suite.name,
        "suite_version": line.suite.version,
        "prompt": line.prompt,
        "model": board.titles[line.model],
        "protocol": board.titles[line.protocol],
        "mean": None if number is None else number.mean,
        "low": None if number is None else number.low,
        "high": None if number is None else number.high,
        "missing": ", ".join(line.missing),
    }


def _plain(panel: Panel, board: Board) -> dict[str, Any]:
    ranking = panel.ranking
    return {
        "prompt": panel.label,
        "protocol": panel.protocol,
        "measure": panel.measure.mean,
        "datasets": [board.titles[d] for d in ranking.datasets] if ranking else [],
        "ranking": [
            {
                "model": board.titles[model],
                **{k: getattr(ranking.standings[model], k) for k in _STANDING},
            }
            for model in ranking.models
        ]
        if ranking
        else [],
        "alike": [[board.titles[m] for m in group] for group in ranking.alike] if ranking else [],
    }


_STANDING = ("rank", "rank_low", "rank_high", "wins", "wins_low", "wins_high")

_COST_HEADS = ("embed, ms", "predict, ms", "on")


def _costs(board: Board) -> dict[str, tuple[str, ...]]:
    """By model: milliseconds of embedding and of an answer, and where; of most images."""
    headers = [
        {**entry.header, "model": {**part(entry.header, "model"), "name": _own(entry.header)}}
        for entry in board.entries
    ]
    found: dict[str, tuple[str, ...]] = {}
    for line in costs(headers).sort_values("images").to_dict("records"):
        times = (
            DASH if pd.isna(v) else f"{v:,.1f}" for v in (line["embed_ms"], line["predict_ms"])
        )
        where = f"{line['device']}, {line['dtype']}, {line['workers']} at once"
        found[str(line["model"])] = (*times, where)
    return found


def _own(header: Mapping[str, Any]) -> str:
    return identity(header, "model")


def _cost_section(times: Mapping[str, tuple[str, ...]], board: Board) -> Iterator[Section]:
    if times:
        rows = tuple((board.titles[model], *line) for model, line in times.items())
        heads = ("model", *_COST_HEADS)
        note = (
            "As the runs measured it where they embedded most images: wall time of embedding an "
            "image and of an answer. Times of different devices or workers don't compare."
        )
        yield Section("cost", "Cost", note, heads, rows, pd.DataFrame(rows, columns=heads), names=1)


def _rank(standing: Any) -> tuple[float, float | None, float | None]:
    return standing.rank, standing.rank_low, standing.rank_high


def _wins(standing: Any) -> tuple[float, float | None, float | None]:
    return standing.wins, standing.wins_low, standing.wins_high


def _hundred(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _bounded(value: float | None, low: float | None, high: float | None, *, digits: int) -> str:
    span = "" if low is None else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{value:.{digits}f}{span}"


def _interval(number: Number | None, measure: Measure) -> str:
    if number is None or number.low is None:
        return DASH
    return f"{measure.shown(number.low)} to {measure.shown(number.high)}{MARK * number.few}"


def _when(header: Mapping[str, Any]) -> str:
    return str(header.get("finished") or DASH)[:10]


def _version(header: Mapping[str, Any]) -> str:
    """The release that made a run, with its commit where that is known."""
    release = (header.get("versions") or {}).get("sam-bench")
    git = header.get("git") or {}
    commit = str(git.get("commit") or "")[:7] + "+" * bool(git.get("dirty"))
    return " ".join(filter(None, (str(release or ""), commit))) or DASH
