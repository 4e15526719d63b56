"""The folder of a study's ratings: tables, the paper's figure, one page."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

import bench
from bench.analysis.section import Section
from bench.analysis.sections.published_ratings import published_rating_sections
from bench.analysis.sections.ratings import rating_differences, rating_means, rating_sections
from bench.report.figures import plots, plots_ratings, style
from bench.report.figures.figures import Drawing
from bench.report.pages.folder import PAGE, records, report_folder
from bench.report.pages.html import inline, template
from bench.report.tables.formats import csv_text
from bench.report.tables.section_text import section_files, spans
from bench.store.ratings import HIGHEST, LOWEST, Ratings

log = logging.getLogger(__name__)


def write_ratings(ratings: Ratings, out: Path) -> tuple[list[Section], Path]:
    """Writes the report of a study, all or nothing; gives its tables and its page.

    A CSV, Markdown and LaTeX file per table, ``ratings_by_person.csv`` with a row per rating,
    ``index.html``, ``report.json`` and the figure. Raises ``BenchError`` where nothing is rated
    yet, and where ``out`` can't be written.
    """
    frame, planned = ratings.frame(), ratings.planned()
    sections = list(rating_sections(frame, planned))
    means, differences = rating_means(frame, planned), rating_differences(frame)
    sections += published_rating_sections(means, differences)
    answer = list(_answer(means, differences))
    with style.figure_style():
        drawings = [_drawing(means)]
    with report_folder(out) as folder:
        plates, failed = folder.draw(drawings)
        for failure in failed:
            log.warning("%s", failure)
        for section in sections:
            for name, text in section_files(section).items():
                folder.write(name, text)
        folder.write("ratings_by_person.csv", csv_text(frame))
        page = template("ratings.html.jinja").render(
            title="Ratings by people",
            answer=" ".join(answer),
            sections=sections,
            spans=spans,
            plates=[(plate, inline(plate)) for plate in plates],
            choices={name: value for name, value in ratings.choices().items() if value is not None},
            version=bench.__version__,
        )
        folder.write(PAGE, page)
        folder.publish(
            {
                "bench": bench.__version__,
                "answer": answer,
                "choices": ratings.choices(),
                "tables": {section.name: records(section.lines) for section in sections},
            }
        )
    return sections, out / PAGE


def _answer(means: pd.DataFrame, differences: pd.DataFrame) -> Iterator[str]:
    """What the ratings say in sentences: who is rated how, and whether the best two are apart."""
    for (dataset, prompt), lines in means.groupby(["dataset", "prompt"]):
        ranked = [f"{line['title']} {line['rating']:.1f}" for line in lines.to_dict("records")]
        yield f"{dataset}, {prompt}: {', '.join(ranked)} of {HIGHEST}."
        models = lines.loc[~lines["truth"], "model"].tolist()
        if len(models) < 2 or differences.empty:
            continue
        place = (differences["dataset"] == dataset) & (differences["prompt"] == prompt)
        best = differences[place & differences["model_a"].isin(models[:2])
                           & differences["model_b"].isin(models[:2])]  # fmt: skip
        for line in best.to_dict("records"):
            clear = line["enough"] and pd.notna(line["low"]) and line["low"] > 0
            yield (
                f"{line['a']} is ahead of {line['b']} by {line['delta']:.2f} "
                f"({line['low']:.2f} to {line['high']:.2f})."
                if clear
                else f"Which of {line['a']} and {line['b']} is better is not shown."
            )


def _drawing(means: pd.DataFrame) -> Drawing:
    spread = means.melt(
        ["dataset", "prompt", "title", "rating"],
        [f"share_{number}" for number in range(LOWEST, HIGHEST + 1)],
        "value",
        "share",
    )
    spread["value"] = spread["value"].str.removeprefix("share_").astype(int)
    lines = pd.DataFrame(
        {
            "panel": spread["dataset"] + ", " + spread["prompt"],
            "series": spread["title"],
            "value": spread["value"],
            "share": spread["share"],
        }
    )
    said = "; ".join(
        f"{line['dataset']}, {line['prompt']}, {line['title']} {line['rating']:.1f}"
        for line in means.to_dict("records")
    )
    return Drawing(
        "ratings",
        "How the ratings are spread",
        f"Shares of the ratings from {LOWEST} to {HIGHEST} by model; their means: {said}.",
        plots_ratings.rating_shares(lines, plots.looks(sorted(means["title"].unique()))),
    )
