"""The folder of a comparison: tables, figures, and a page with the masks that differ most."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import bench
from bench.analysis.comparing.comparison import Comparison
from bench.analysis.comparing.gate import Judgement
from bench.analysis.section import Section
from bench.analysis.words import DASH, MARK, counted, definitions, points
from bench.report.figures import plots, plots_compare, style
from bench.report.figures.figures import Drawing, listed
from bench.report.pages.folder import PAGE, records, report_folder
from bench.report.pages.html import hex_colour, inline, template
from bench.report.pictures import overlay
from bench.report.pictures.gallery import (
    Key,
    Picture,
    Row,
    pictures,
    unavailable,
    whole_rows,
)
from bench.report.tables.section_text import section_files, spans, summary, to_markdown
from bench.store.runs import RunStore
from bench.types import BenchError, Measure, Sample

log = logging.getLogger(__name__)

PAIRS_SHOWN = 8
"""How many pairs of pictures a prompt label shows on either side."""


@dataclass(frozen=True, slots=True)
class PicturePair:
    """One mask under both models."""

    a: Picture
    b: Picture


@dataclass(frozen=True, slots=True)
class PairGroup:
    """The masks on which one side is ahead most, under one prompt label."""

    label: str
    title: str
    names: tuple[str, str]
    pairs: tuple[PicturePair, ...]
    notes: tuple[str, ...]


_OVER_IMAGES = ("delta_images", "delta_images_low", "delta_images_high", "few_images")
_HEADS = ("difference", "over images", "p", "wins of the first", "masks", "images")


def section(found: Comparison, number: int) -> Section:
    """The table of a comparison as it is shown."""
    heads = ("prompt", "dataset", found.a, found.b, *_HEADS)
    lines = found.table.to_dict("records")
    rows = tuple(_cells(line, found.leads, found.datasets) for line in lines)
    name = "comparison" if number == 0 else f"comparison_{number + 1}"
    return Section(
        name, f"{found.a} against {found.b}", found.caption, heads, rows, found.table, names=2
    )


def further_section(found: Comparison, number: int) -> Iterator[Section]:
    """The table of the further measures that both sides have, where there are any."""
    heads = ("measure", "prompt", "dataset", found.a, found.b, *_HEADS)
    rows = [
        (measure.title, *_cells(line, measure, found.datasets))
        for measure, table in found.further
        for line in table.to_dict("records")
    ]
    lines = [
        table.rename(columns={f"{m.mean}_a": "mean_a", f"{m.mean}_b": "mean_b"}).assign(
            measure=m.name
        )
        for m, table in found.further
    ]
    if rows:
        note = (
            f"{' '.join(definitions(measure for measure, _ in found.further))} The same masks and "
            "intervals as above, as far as a measure applies to them on both sides."
        ).strip()
        name = "measures" if number == 0 else f"measures_{number + 1}"
        frame = pd.concat(lines, ignore_index=True)
        yield Section(name, f"{found.a} against {found.b}, further measures",
                      note, heads, tuple(rows), frame, names=3)  # fmt: skip


def _cells(line: Mapping[Any, Any], measure: Measure, titles: Mapping[str, str]) -> tuple[str, ...]:
    corrected = line["p"] if pd.isna(line["p_holm"]) else line["p_holm"]
    return (
        str(line["prompt"]),
        "mean over datasets" if pd.isna(line["dataset"]) else titles[line["dataset"]],
        measure.shown(line[f"{measure.mean}_a"]),
        measure.shown(line[f"{measure.mean}_b"]),
        _bounded(measure.signed, line, "delta", "low", "high"),
        _bounded(measure.signed, line, *_OVER_IMAGES),
        DASH if pd.isna(corrected) else _p(corrected),
        _bounded(points, line, "win_rate", "win_low", "win_high"),
        f"{line['masks']:,}",
        counted(*(line[name] for name in ("images", "clusters", "effective", "largest"))),
    )


def _p(value: float) -> str:
    """A p in a cell, with more decimals where it is small.

    >>> [_p(value) for value in (0.00009, 0.0001, 0.00123, 0.01, 0.5)]
    ['<0.0001', '0.0001', '0.0012', '0.01', '0.50']
    """
    if value < 0.0001:
        return "<0.0001"
    return f"{value:.{4 if value < 0.01 else 2}f}"


def _bounded(
    show: Callable[[float], str],
    line: Mapping[Any, Any],
    name: str,
    low: str,
    high: str,
    few: str = "few",
) -> str:
    """A number with its interval, where there is one, marked; "to" stays clear beside a minus."""
    value, ends = show(line[name]), (line[low], line[high])
    if pd.isna(ends[0]):
        return value
    return f"{value} ({show(ends[0])} to {show(ends[1])}){MARK * bool(line[few])}"


def write_comparison(
    comparisons: Sequence[Comparison],
    out: Path,
    *,
    read_sample: Callable[[RunStore, str], Sample] | None = None,
    judgement: Judgement | None = None,
) -> tuple[Path, ...]:
    """Writes the report of one or several comparisons with the same first side, all or nothing.

    ``comparison.csv, .md, .tex`` (``comparison_2`` and so on for further ones), ``index.html``,
    ``report.json``, ``summary.md`` for a pipeline's page, and the figures; gives the paths. A
    ``judgement`` stands first. Raises ``BenchError`` where ``out`` can't be written.
    """
    sections = [] if judgement is None else [judgement.section()]
    sections += [section(found, number) for number, found in enumerate(comparisons)]
    for number, found in enumerate(comparisons):
        sections += further_section(found, number)
    groups = [
        group
        for found in comparisons
        if read_sample is not None and found.sides[0].of_masks
        for group in differing(found, read_sample)
    ]
    title = f"{comparisons[0].a} against {' and '.join(found.b for found in comparisons)}"
    answer = [sentence for found in comparisons for sentence in found.answer]
    with style.figure_style():
        drawings = list(_drawings(comparisons))
    tables = {each.title: to_markdown(each) for each in sections}
    with report_folder(out) as folder:
        plates, failed = folder.draw(drawings)
        for failure in failed:
            log.warning("%s", failure)
        page = template("comparison.html.jinja").render(
            title=title,
            answer=" ".join(answer),
            sections=sections,
            spans=spans,
            plates=[(plate, inline(plate)) for plate in plates],
            groups=groups,
            points=points,
            picture_uri=overlay.picture_uri,
            colours={name: hex_colour(getattr(overlay, name)) for name in _LEGEND},
            version=bench.__version__,
        )
        for each in sections:
            for name, text in section_files(each).items():
                folder.write(name, text)
        folder.write(PAGE, page)
        folder.write("summary.md", summary(title, answer, tables))
        return folder.publish(
            {
                "bench": bench.__version__,
                "gate": None if judgement is None else judgement.plain(),
                "comparisons": [
                    {
                        "a": found.a,
                        "b": found.b,
                        "answer": list(found.answer),
                        "caption": found.caption,
                        "runs": [sorted(side.headers) for side in found.sides],
                        "lines": records(found.table),
                        "further": {m.name: records(table) for m, table in found.further},
                    }
                    for found in comparisons
                ],
            }
        )


_LEGEND = ("TARGET", "PREDICTION", "POSITIVE", "NEGATIVE")


def _drawings(comparisons: Sequence[Comparison]) -> Iterator[Drawing]:
    looks = plots.looks(name for found in comparisons for name in (found.a, found.b))
    yield from _curves(comparisons, looks)
    for number, found in enumerate(comparisons):
        suffix = "" if number == 0 else f"_{number + 1}"
        title = f"{found.a} against {found.b}"
        colours = (looks[found.a].colour, looks[found.b].colour)
        labels = list(dict.fromkeys(found.table["prompt"]))
        for i, label in enumerate(labels):
            lines = found.table[
                (found.table["prompt"] == label) & found.table["dataset"].notna()
            ].assign(oracle_delta=float("nan"))
            lines["dataset"] = lines["dataset"].map(dict(found.datasets))
            if len(lines) > 1 and found.leads.unit == "points":
                deltas = zip(lines["dataset"], lines["delta"], strict=True)
                show, what = found.leads.signed, found.leads.title
                bars = "; ".join(f"{dataset} {show(delta)}" for dataset, delta in deltas)
                numbers = lines.astype({"low": float, "high": float})
                yield Drawing(
                    f"difference{suffix}" + (f"_{i + 1}" if i or number else ""),
                    f"{title}, {label}",
                    f"Bars of the difference in {what}, in points, by dataset: {bars}.",
                    plots.difference_bars(
                        numbers,
                        a=found.a,
                        b=found.b,
                        prompt=label,
                        colours=colours,
                        what=what,
                    ),
                )
        if not found.leads.is_iou:
            continue
        yield Drawing(
            f"scatter{suffix}",
            f"{title}, mask by mask",
            f"Density of the masks' IoU under {found.a} (upwards) and {found.b} (to the right); "
            "on the diagonal they are alike.",
            plots_compare.iou_against_iou(found.pairs, labels, found.a, found.b),
        )
        yield Drawing(
            f"spread{suffix}",
            f"{title}, how the differences are spread",
            f"Histograms of the masks' difference in IoU, {found.a} minus {found.b}; the scale is "
            "logarithmic above one percent.",
            plots_compare.delta_histogram(found.pairs, labels, found.a, found.b, colours),
        )


def _curves(comparisons: Sequence[Comparison], looks: plots.Looks) -> Iterator[Drawing]:
    """The mIoU against the number of points (Fig. 9c, d).

    All models in one figure; one for each comparison where these have different masks in common,
    and the first side therefore several curves.
    """
    each = [_points(found) for found in comparisons if found.leads.is_iou]
    if not each:
        return
    together = pd.concat(each).drop_duplicates()
    if not together.duplicated(["panel", "series", "n_points"]).any():
        each = [together]
    for number, curves in enumerate(each):
        if curves["n_points"].nunique() > 1:
            yield Drawing(
                "points" if number == 0 else f"points_{number + 1}",
                "mIoU against the number of points"
                + (f": {listed(curves['series'])}" if len(each) > 1 else ""),
                "Curves of mIoU against the number of points on the common masks; the numbers and "
                "the intervals of the differences stand in the table.",
                plots.iou_over_points(curves, looks),
            )


def _points(found: Comparison) -> pd.DataFrame:
    """The curves of both sides of a comparison, as ``plots.iou_over_points`` draws them."""
    steps = found.sides[0].steps
    clicks = found.table["prompt"].map(lambda label: steps[label].only_clicks).astype(bool)
    lines = found.table[found.table["dataset"].notna() & clicks]
    same = {
        "panel": lines["dataset"].map(dict(found.datasets)),
        "n_points": [steps[label].points for label in lines["prompt"]],
        "low": float("nan"),
        "high": float("nan"),
    }
    sides = ((found.a, "miou_a"), (found.b, "miou_b"))
    frames = [pd.DataFrame({**same, "series": name, "miou": lines[mean]}) for name, mean in sides]
    curves: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return curves


def differing(
    found: Comparison, read_sample: Callable[[RunStore, str], Sample], count: int = PAIRS_SHOWN
) -> Iterator[PairGroup]:
    """The masks on which A is ahead most, and those on which B is, per prompt label.

    At most ``count`` each, one of an image as long as there are images, largest gap first.
    """
    for label, pairs in found.pairs.groupby("label", sort=False):
        gap = pairs["iou_a"] - pairs["iou_b"]
        for title, ordered in (
            (f"{found.a} is ahead of {found.b}", pairs.assign(gap=gap)),
            (f"{found.b} is ahead of {found.a}", pairs.assign(gap=-gap)),
        ):
            ahead = ordered[ordered["gap"] > 0].sort_values(
                ["gap", "image_id", "mask_id"], ascending=[False, True, True]
            )
            again = ahead.groupby(["dataset", "image_id"]).cumcount()
            chosen = ahead.loc[again.sort_values(kind="stable").index[:count]]
            yield _drawn(found, str(label), title, chosen, read_sample)


def _drawn(
    found: Comparison,
    label: str,
    title: str,
    chosen: pd.DataFrame,
    read_sample: Callable[[RunStore, str], Sample],
) -> PairGroup:
    rows: list[dict[Key, Row]] = []  # by side: runs of one name may lie in different folders
    for side, selection in zip("ab", found.sides, strict=True):
        named = chosen.rename(columns={f"run_{side}": "run", f"step_{side}": "step"})
        parts = named.groupby("run", observed=True)
        rows.append({})
        for run, part in parts:
            rows[-1] |= whole_rows(selection, str(run), part)
    drawn: dict[Any, tuple[Picture, ...] | str] = {}
    keys = ["run_a", "run_b", "image_id"]
    for (run_a, run_b, image_id), part in chosen.groupby(keys, observed=True):
        stores = found.sides[0].stores[str(run_a)], found.sides[1].stores[str(run_b)]
        try:
            samples = [read_sample(store, str(image_id)) for store in stores]
        except BenchError as error:
            drawn |= dict.fromkeys(part.index, unavailable(error))
            continue
        for index, row in part.iterrows():
            mask_id = str(row["mask_id"])
            steps = int(row["step_a"]), int(row["step_b"])
            both = [
                rows[0][str(run_a), str(image_id), mask_id, steps[0]],
                rows[1][str(run_b), str(image_id), mask_id, steps[1]],
            ]
            drawn[index] = pictures(samples, both)
    ordered = [drawn[index] for index in chosen.sort_values("gap", ascending=False).index]
    return PairGroup(
        label,
        title,
        (found.a, found.b),
        tuple(PicturePair(*both) for both in ordered if not isinstance(both, str)),
        tuple(dict.fromkeys(said for said in ordered if isinstance(said, str))),
    )
