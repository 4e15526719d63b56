"""Puts a report together: the table, the sentences, figures, pictures, the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import bench
from bench.analysis import reasons
from bench.analysis.comparing.differences import Difference, answer, differences
from bench.analysis.reasons import Codes
from bench.analysis.section import Section
from bench.analysis.selection import Selection, part
from bench.analysis.table import Table
from bench.report.figures.figures import drawn, figures, own_figure
from bench.report.figures.kinds import kinds_asked
from bench.report.figures.paper_figures import check_figure, paper_figure
from bench.report.figures.style import check_page, on_page
from bench.report.masks.page import MaskPage, mask_page
from bench.report.masks.views import report_views
from bench.report.pages import html
from bench.report.pages.folder import records, report_folder
from bench.report.pictures import outlines
from bench.report.pictures.gallery import RANKS, Group, gallery
from bench.report.request import Report, Request
from bench.report.shown import chosen
from bench.report.tables import formats
from bench.report.tables.further import further_tables
from bench.report.tables.section_text import section_files, summary, to_markdown

REPORT_VERSION = 1


def write(request: Request, out: Path) -> Report:
    """What ``bench.report.write_report`` promises."""
    read_sample = request.read_sample
    check_figure(request.figure, request.allow_modules)
    kinds = kinds_asked(request.figures)  # what is wrong with the words is said before the work
    check_page(request.width)
    selection, table = chosen(request)
    if selection.of_masks:
        of_pictures = () if read_sample is None else outlines.COLUMNS
        selection.every.expect(dict.fromkeys((*reasons.COLUMNS, *of_pictures)))
    codes = reasons.reasons(selection) if selection.of_masks else None
    sections = tuple(further_tables(selection, table, request, codes))
    compared = differences(selection, table)
    sentences = answer(selection, table, compared)
    pictured = read_sample if selection.of_masks else None
    groups = None if pictured is None else gallery(selection, pictured)
    masks = None if codes is None else _masks(request, selection, table, groups or (), codes)
    named = request.figure or ""
    own = [own_figure(named, request.allow_modules)] if "." in named else []
    taken: set[str] = set()
    papers = partial(paper_figure, request.figure, selection, table)
    with on_page(request.width):
        drawings = [
            *drawn(named, papers, taken),
            *figures(selection, table, compared, own, taken),
        ]
    with report_folder(out, kinds) as folder:
        plates, failed = folder.draw(drawings)
        page = html.render(
            title=title(table, selection),
            answer=sentences,
            table=table,
            selection=selection,
            plates=plates,
            groups=groups,
            masks=None if masks is None else masks.plain,
            sections=sections,
            version=bench.__version__,
        )
        markdown = {"Results": formats.to_markdown(table)}
        markdown |= {section.title: to_markdown(section) for section in sections}
        texts = {
            "summary.md": summary(title(table, selection), sentences, markdown),
            "table.csv": formats.to_csv(table),
            "table.md": formats.to_markdown(table),
            "table.tex": formats.to_latex(table),
            **{name: text for section in sections for name, text in section_files(section).items()},
            **({} if masks is None else masks.files),
            "index.html": page,
        }
        for name, text in texts.items():
            folder.write(name, text)
        files = folder.publish(_json(table, sentences, selection, compared, groups, sections))
    said = tuple(map(str, failed))
    return Report(out, out / "index.html", files, table, tuple(sentences), sections, said)


def _masks(
    request: Request, selection: Selection, table: Table, groups: Sequence[Group], codes: Codes
) -> MaskPage:
    """The mask page of a report of masks; those of the gallery have pictures before others."""
    ranks = [shown for group in groups for shown in group.pictures.items()]
    ordered = sorted(ranks, key=lambda item: RANKS.index(item[0]))
    named = selection.rows[["run", "dataset"]].drop_duplicates().astype(str)
    datasets = dict(named.itertuples(index=False, name=None))
    views = report_views(selection, table, codes)
    return mask_page(
        views,
        table.datasets,
        request.read_sample,
        pictures=request.pictures,
        first=[(datasets[p.run], p.image_id, p.mask_id) for _, shown in ordered for p in shown],
        start={"prompt": views[0].label, "model": views[0].series},
    )


def title(table: Table, selection: Selection) -> str:
    """The page's heading: what the task calls itself, and the datasets, or how many there are."""
    about = part(next(iter(selection.headers.values())), "task").get("about") or {}
    heading, names = about.get("heading") or _HEADING, sorted(table.datasets.values())
    if len(names) > 3:
        return f"{heading} on {len(names)} datasets"
    return f"{heading} on " + " and ".join(
        [", ".join(names[:-1]), names[-1]] if len(names) > 1 else names
    )


_HEADING = "Zero-shot segmentation"
"""Of a task that names none, and of runs that don't tell their task's."""

_RUN = ("key", "name", "seed", "status", "images", "images_done", "images_failed", "masks",
        "skipped", "dataset_fingerprint", "versions", "git", "device", "facts")  # fmt: skip


def _json(
    table: Table,
    sentences: Sequence[str],
    selection: Selection,
    compared: Sequence[Difference],
    groups: Sequence[Group] | None,
    sections: Sequence[Section],
) -> dict[str, Any]:
    """The report for machines: nothing in it depends on when it was written."""
    return {
        "report_version": REPORT_VERSION,
        "bench": bench.__version__,
        "title": title(table, selection),
        "answer": list(sentences),
        **numbers(table, sections),
        "differences": [
            {
                "a": [*found.a.series, found.a.label],
                "b": [*found.b.series, found.b.label],
                "left_out": found.left_out,
                "datasets": records(found.datasets),
            }
            for found in compared
        ],
        "runs": {name: _run(header) for name, header in sorted(selection.headers.items())},
        "gallery": None if groups is None else [_gallery(group) for group in groups],
    }


def numbers(table: Table, sections: Sequence[Section]) -> dict[str, Any]:
    """The tables for machines, at full precision: IoUs in [0, 1], null where nothing applies."""
    return {
        "caption": table.caption,
        "lines": records(table.lines),
        "sections": {section.name: records(section.lines) for section in sections},
    }


def _run(header: Mapping[str, Any]) -> dict[str, Any]:
    kinds = ("task", "dataset", "model", "prompt", "protocol")
    return {kind: dict(part(header, kind)) for kind in kinds} | {
        name: header[name] for name in _RUN if name in header
    }


def _gallery(group: Group) -> dict[str, Any]:
    return {
        "dataset": group.dataset,
        "model": group.model,
        "protocol": group.protocol,
        "prompt": group.label,
        "masks": {rank: [p.mask_id for p in shown] for rank, shown in group.pictures.items()},
        "notes": list(group.notes),
    }
