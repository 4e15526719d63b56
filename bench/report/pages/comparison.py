"""The folder of a comparison: tables, figures, and a page with the masks that differ most."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import bench
from bench.analysis.comparing.comparison import Comparison
from bench.analysis.comparing.gate import Judgement
from bench.analysis.reasons import Codes, reasons
from bench.analysis.section import Section
from bench.analysis.sections.reasons import compared_reasons
from bench.analysis.wording.words import DASH, MARK, counted, definitions, points
from bench.report.figures import plots, plots_compare, style
from bench.report.figures.figures import Drawing, listed
from bench.report.figures.kinds import kinds_asked
from bench.report.figures.spots import difference_spots, pair_spots, spread_spots
from bench.report.masks.addresses import mask_address
from bench.report.masks.page import MaskPage, Pictures, mask_page
from bench.report.masks.views import View, comparison_views
from bench.report.pages.folder import PAGE, records, report_folder
from bench.report.pages.html import MASK_SCRIPTS, hex_colour, inline, template
from bench.report.pictures import overlay
from bench.report.pictures.gallery import Picture
from bench.report.pictures.pairs import PairGroup, differing
from bench.report.tables.section_text import section_files, spans, summary, to_markdown
from bench.store.runs import RunStore
from bench.types import Measure, Sample

log = logging.getLogger(__name__)

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
    masks_pictured: Pictures = None,
    figures: Sequence[str] | None = None,
    width: str | None = None,
) -> tuple[Path, ...]:
    """Writes the report of one or several comparisons with the same first side, all or nothing.

    ``comparison.csv, .md, .tex`` (``comparison_2`` and so on for further ones), ``index.html``,
    ``report.json``, ``summary.md`` for a pipeline's page, and the figures; gives the paths. A
    ``judgement`` stands first, ``masks_pictured`` is a report's ``pictures``, and ``figures`` and
    ``width`` are its kinds of figures and their paper. Raises ``BenchError`` where ``out`` can't be
    written, and for kinds, or a paper, that there aren't.
    """
    kinds = kinds_asked(figures)
    style.check_page(width)
    sections = [] if judgement is None else [judgement.section()]
    sections += [section(found, number) for number, found in enumerate(comparisons)]
    for number, found in enumerate(comparisons):
        sections += further_section(found, number)
    codes = _codes(comparisons)
    for number, found in enumerate(comparisons if codes else ()):
        both = [codes[id(side)] for side in found.sides]
        sections += compared_reasons(found, both, number)
    groups = [
        group
        for found in comparisons
        if read_sample is not None and found.sides[0].of_masks
        for group in differing(found, read_sample)
    ]
    views = comparison_views(comparisons, codes) if comparisons[0].sides[0].of_masks else []
    masks = _masks(comparisons, views, groups, read_sample, masks_pictured) if views else None
    title = f"{comparisons[0].a} against {' and '.join(found.b for found in comparisons)}"
    answer = [sentence for found in comparisons for sentence in found.answer]
    with style.figure_style(), style.on_page(width):
        drawings = list(_drawings(comparisons))
    tables = {each.title: to_markdown(each) for each in sections}
    with report_folder(out, kinds) as folder:
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
            masks=None if masks is None else masks.plain,
            mask_scripts=MASK_SCRIPTS,
            address_of=_addresses(views),
            points=points,
            picture_uri=overlay.picture_uri,
            colours={name: hex_colour(getattr(overlay, name)) for name in _LEGEND},
            version=bench.__version__,
        )
        for each in sections:
            for name, text in section_files(each).items():
                folder.write(name, text)
        for name, text in ({} if masks is None else masks.files).items():
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


def _codes(comparisons: Sequence[Comparison]) -> dict[int, Codes]:
    """The reasons of the rows of every side of masks, by the side's identity."""
    sides = {id(side): side for found in comparisons for side in found.sides}
    return {key: reasons(side) for key, side in sides.items() if side.of_masks}


def _masks(
    comparisons: Sequence[Comparison],
    views: Sequence[View],
    groups: Sequence[PairGroup],
    read_sample: Callable[[RunStore, str], Sample] | None,
    asked: Pictures,
) -> MaskPage:
    """The mask page of comparisons; the pairs that are shown have pictures before others."""
    datasets = {(view.series, view.source.run): view.dataset for view in views}
    shown = [(group, pair.a) for group in groups for pair in group.pairs]
    found = comparisons[0]
    return mask_page(
        views,
        {name: title for each in comparisons for name, title in each.datasets.items()},
        read_sample,
        pictures=asked,
        first=[(datasets[group.names[0], p.run], p.image_id, p.mask_id) for group, p in shown],
        start={
            "prompt": str(found.table["prompt"].iloc[0]),
            "model": found.a,
            "beside": found.b,
            "sort": "difference",
        },
    )


def _addresses(views: Sequence[View]) -> Callable[[Picture, str, Picture, str], str]:
    """A function of a picture and its side, and of the other's, that gives the first's address."""
    known = {(view.series, view.source.run): view.source.address for view in views}

    def address(shown: Picture, side: str, beside: Picture, other: str) -> str:
        runs = known[side, shown.run], known[other, beside.run]
        return mask_address(shown.image_id, shown.mask_id, *runs, step=shown.step)

    return address


_LEGEND = ("TARGET", "PREDICTION", "POSITIVE", "NEGATIVE")


def _drawings(comparisons: Sequence[Comparison]) -> Iterator[Drawing]:
    looks = plots.looks(name for found in comparisons for name in (found.a, found.b))
    yield from _curves(comparisons, looks)
    for number, found in enumerate(comparisons):
        suffix = "" if number == 0 else f"_{number + 1}"
        title = f"{found.a} against {found.b}"
        colours = (looks[found.a].colour, looks[found.b].colour)
        labels = list(dict.fromkeys(found.table["prompt"]))
        of_masks = found.sides[0].of_masks
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
                figure = plots.difference_bars(
                    numbers,
                    a=found.a,
                    b=found.b,
                    prompt=label,
                    colours=colours,
                    what=what,
                )
                opened = difference_spots(figure, numbers, a=found.a, b=found.b, prompt=label)
                yield Drawing(
                    f"difference{suffix}" + (f"_{i + 1}" if i or number else ""),
                    f"{title}, {label}",
                    f"Bars of the difference in {what}, in points, by dataset: {bars}.",
                    figure,
                    tuple(opened) if of_masks and found.leads.is_iou else (),
                )
        if not found.leads.is_iou:
            continue
        scatter = plots_compare.iou_against_iou(found.pairs, labels, found.a, found.b)
        spread = plots_compare.delta_histogram(found.pairs, labels, found.a, found.b, colours)
        yield Drawing(
            f"scatter{suffix}",
            f"{title}, mask by mask",
            f"Density of the masks' IoU under {found.a} (upwards) and {found.b} (to the right); "
            "on the diagonal they are alike.",
            scatter,
            tuple(pair_spots(scatter, found.pairs, labels, found.a, found.b)) if of_masks else (),
        )
        yield Drawing(
            f"spread{suffix}",
            f"{title}, how the differences are spread",
            f"Histograms of the masks' difference in IoU, {found.a} minus {found.b}; the scale is "
            "logarithmic above one percent.",
            spread,
            tuple(spread_spots(spread, found.pairs, labels, found.a, found.b)) if of_masks else (),
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
