"""The mIoU table: a line per dataset, model and prompt label, and the mean over datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pandas as pd

from bench.analysis.leading import BOLD, Key, is_shown, key_of, p_of_best
from bench.analysis.selection import BOUNDARY, Selection
from bench.analysis.stats import Averages, averages, mean_averages
from bench.analysis.stats.intervals import Interval
from bench.analysis.wording.words import FEW_NOTE, MARK, SIZES, definitions, interval_said
from bench.types import ORACLE, BenchError, Measure

SERIES = ["model", "protocol"]
"""What a curve, a bar or a line of the table stands for, next to its dataset and label."""


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a table with its caption.

    ``lines`` has one row per line: ``dataset`` (null for a mean over datasets), ``model,
    protocol, prompt`` (the label), ``n_points, datasets`` (how many are averaged)``, masks,
    images``, how many ``clusters`` the images belong to (themselves, or videos), how many of one
    size would carry as much (``effective``) and the share of the masks in the ``largest``; then the
    mean of what ``leads`` with its bounds (``miou, miou_low, miou_high``), taken as the protocol
    says, whether its interval is marked (``few``), the same as a mean over images
    (``miou_images, miou_images_low, miou_images_high, few_images``) and whether that is what to
    look at first (``over_images``); the means of the ``further`` measures (``miou_oracle,
    boundary_iou``) with the number of masks that each metric applies to (``boundary_iou_masks``),
    and ``run``. IoUs are in [0, 1]; null where they don't apply: no interval for fewer than three
    clusters, no oracle where the model gave one mask, no mean of a metric that was not computed of
    every mask, or applies to none; a measure of which no line has a mean is none of ``further``.
    ``datasets`` and ``models`` map a name to the title that is
    shown; ``items`` is what ``masks`` counts, where rows are no masks. ``best`` has, by prompt
    label, the best line of each dataset with its p, see ``p_of_best``.
    """

    lines: pd.DataFrame
    caption: str
    leads: Measure
    further: tuple[Measure, ...]
    datasets: Mapping[str, str]
    models: Mapping[str, str]
    items: str = "masks"
    best: Mapping[str, Mapping[Key, float | None]] = field(default_factory=dict)

    def is_best(self, line: Mapping[Any, Any]) -> bool:
        """Whether a line is shown to be the best of its dataset and prompt."""
        return is_shown(self.best.get(str(line["prompt"]), {}).get(key_of(line)))

    @property
    def means(self) -> pd.DataFrame:
        """The lines that average over datasets."""
        means: pd.DataFrame = self.lines[self.lines["dataset"].isna()]
        return means

    def series(self, model: str, protocol: str) -> str:
        """How a curve is called: the model's title, and the protocol where there are several."""
        title = self.models[model]
        return title if self.lines["protocol"].nunique() == 1 else f"{title}, {protocol}"


def miou_table(selection: Selection, *, allow_partial: bool = False) -> Table:
    """The table of a selection; every number is a group-by over its rows.

    mIoU is the mean over masks, or over images where the protocol says so, with its 95 % interval
    (``bench.analysis.stats.intervals``); a mean over datasets weighs each dataset the same. Raises
    ``BenchError`` where the series cover different sets of datasets, which would make their means
    incomparable, unless ``allow_partial``.
    """
    rows = selection.rows
    lines: list[dict[str, Any]] = []
    means: list[dict[str, Any]] = []
    notes = _missing_datasets(rows, allow_partial)
    order = {label: i for i, label in enumerate(selection.labels)}
    for (label, model, protocol), group in _groups(rows):
        scored = [
            _scored(str(dataset), part, selection) for dataset, part in group.groupby("dataset")
        ]
        identity = {
            "model": model,
            "protocol": protocol,
            "prompt": label,
            "n_points": int(group["n_points"].max()),
        }
        lines += [identity | line for line, _ in scored]
        if len(scored) > 1:
            over_images = selection.over_images(group)
            means.append(identity | _mean(scored, selection, over_images))
    further = ((ORACLE,) if selection.of_masks else ()) + selection.further
    mean = selection.leads.mean
    both = [f"{mean}{which}{end}" for which in ("", "_images") for end in ("", "_low", "_high")]
    counts = [measure.count for measure in selection.further]
    columns = [
        *_NAMES,
        *both,
        "few",
        "few_images",
        "over_images",
        *(m.mean for m in further),
        *counts,
        "run",
    ]
    frame = pd.DataFrame(lines + means, columns=columns)
    frame = frame.astype(dict.fromkeys(counts, "Int64"))
    frame["order"] = frame["prompt"].map(order)
    keys = ["dataset", "order", "model", "protocol"]
    frame = frame.sort_values(keys, na_position="last", ignore_index=True).drop(columns="order")
    shown = tuple(measure for measure in further if frame[measure.mean].notna().any())
    said = _caption(frame, selection, shown)
    titles = selection.titles("dataset"), selection.titles("model")
    items = "masks" if selection.of_masks else "items"
    partly = [
        m.title for m in selection.further if m in shown and (frame[m.count] < frame["masks"]).any()
    ]
    if partly:
        notes.append(
            f"{', '.join(partly)}: the mean over what it applies to, and in brackets how many that "
            "are, where it is not all."
        )
    if none := [m.title for m in selection.further if (frame[m.count].fillna(0) == 0).all()]:
        notes.append(f"{', '.join(none)}: left out, as none of the {items} has a value.")
    best = {label: _best(frame, rows, label, selection.leads) for label in selection.labels}
    tested = [p for own in best.values() for p in own.values() if p is not None]
    if tested:
        said += f" {_BOLD}" + ("" if any(map(is_shown, tested)) else " None is.")
    caption = " ".join([said, *selection.notes, *notes])
    return Table(frame, caption, selection.leads, shown, *titles, items, best)


_BOLD = BOLD.format(beside=" and prompt", tests="prompts")


def _best(
    frame: pd.DataFrame, rows: pd.DataFrame, label: str, leads: Measure
) -> dict[Key, float | None]:
    """The best line of each dataset at a prompt label, with its p."""
    of_label = frame[frame["prompt"] == label].to_dict("records")
    means: dict[Key, float] = {key_of(line): line[leads.mean] for line in of_label}
    return p_of_best(means, rows, label, leads)


_NAMES = ("dataset", "model", "protocol", "prompt", "n_points", "datasets", "masks", "images",
          "clusters", "effective", "largest")  # fmt: skip

Scored = tuple[dict[str, Any], Averages]


def _scored(dataset: str, rows: pd.DataFrame, selection: Selection) -> Scored:
    """One line of the table, with the averages behind it."""
    leads, over_images = selection.leads, selection.over_images(rows)
    found = averages(rows[leads.name], rows["image_id"], rows["cluster"], reach=leads.reach)
    run = str(rows["run"].iloc[0])
    means: dict[str, Any] = {}
    for measure in selection.further:
        known = measure.name in selection.measured[run]
        applies = rows.dropna(subset=[measure.name])
        mean = mean_of(applies, measure.name, over_images) if known and len(applies) else None
        means[measure.mean] = mean
        means[measure.count] = len(applies) if known else None
    line = numbers(found, leads, over_images) | means
    if selection.of_masks:
        line[ORACLE.mean] = oracle(rows, over_images)
    line |= {"dataset": dataset, "datasets": 1, "run": run}
    return line, found


def mean_of(rows: pd.DataFrame, column: str, over_images: bool) -> float:
    """The mean of a column over the rows, or over the images' own means."""
    values = rows.groupby("image_id")[column].mean() if over_images else rows[column]
    return float(values.mean())


def oracle(rows: pd.DataFrame, over_images: bool) -> float | None:
    """The mean IoU of each mask's best candidate; none unless several were given for every mask.

    Rows carried over from an earlier step don't decide it: nothing was predicted for them.
    """
    predicted = rows[~rows["carried"]]
    return mean_of(rows, "iou_oracle", over_images) if predicted["multimask"].all() else None


def overall(lines: pd.DataFrame) -> pd.Series[Any]:
    """Of the lines of one series and label the mean over datasets; of one dataset its own line."""
    means = lines[lines["dataset"].isna()]
    (index,) = (lines if means.empty else means).index
    line: pd.Series[Any] = lines.loc[index]
    return line


def _mean(scored: list[Scored], selection: Selection, over_images: bool) -> dict[str, Any]:
    line = numbers(mean_averages([found for _, found in scored]), selection.leads, over_images)
    counts = {measure.count for measure in selection.further}
    means = {}
    for column in scored[0][0].keys() - line.keys() - {"dataset", "datasets", "run"}:
        values = [line[column] for line, _ in scored]
        known = all(value is not None for value in values)
        parts = 1 if column in counts else len(values)
        means[column] = sum(values) / parts if known else None
    return line | means | {"dataset": None, "datasets": len(scored), "run": None}


def numbers(found: Averages, leads: Measure, over_images: bool) -> dict[str, Any]:
    """What a line says of a measure's averages, ``over_images`` where the protocol takes those."""
    masks, images, chosen = found.masks, found.images, found.of(over_images)
    return {
        "masks": masks.n,
        "images": images.n,
        "clusters": masks.clusters,
        "effective": masks.effective,
        "largest": masks.largest,
        **bounds(leads.mean, chosen),
        **bounds(f"{leads.mean}_images", images),
        "few": chosen.few,
        "few_images": images.few,
        "over_images": over_images or (found.unequal and images.low is not None),
    }


def bounds(name: str, found: Interval) -> dict[str, float | None]:
    """A mean and its bounds, under a name."""
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}


def _groups(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    """The rows of each (label, model, protocol)."""
    for key, group in rows.groupby(["label", *SERIES]):
        label, model, protocol = (str(name) for name in cast("tuple[Any, ...]", key))
        yield (label, model, protocol), group


def _missing_datasets(rows: pd.DataFrame, allowed: bool) -> list[str]:
    """Which series lack a dataset that others have; refused unless allowed."""
    everything = set(rows["dataset"])
    notes = []
    for (label, model, protocol), group in _groups(rows):
        if missing := sorted(everything - set(group["dataset"])):
            notes.append(f"{model} with {label} (protocol {protocol}) lacks {', '.join(missing)}")
    if notes and not allowed:
        raise BenchError(
            f"means over different sets of datasets can't be compared: {'; '.join(notes)}; run "
            "what is missing, or allow a partial report"
        )
    return [f"Means are over different sets of datasets: {'; '.join(notes)}."] if notes else []


def _caption(lines: pd.DataFrame, selection: Selection, further: Sequence[Measure]) -> str:
    leads = selection.leads
    protocols = sorted(lines["protocol"].unique())
    over = [selection.over_images(rows) for _, rows in selection.rows.groupby("run", observed=True)]
    items = "masks" if selection.of_masks else "items"
    average = f"over {items}" if not any(over) else "over images' means" if all(over) else (
        f"over {items}, or over images' means where the protocol says so"
    )  # fmt: skip
    lows = f"{leads.mean}_low", f"{leads.mean}_images_low"
    span = interval_said(lines, *lows)
    shown = [m for m in further if m.name not in (ORACLE.name, BOUNDARY.name)]
    family = [m for m in shown if leads.definition and m.definition == leads.definition]
    if leads.is_iou:
        sentences = [f"mIoU: mean IoU {average}, in points (×100), {span}."]
    else:
        what = f" {leads.definition}" if leads.definition else ""
        called = ", ".join(each.title for each in (leads, *family))
        sentences = [f"{called}:{what} Means {average}, {span}."]
    # With the mark whatever is marked over images.
    if lines["few"].any() and lines[list(lows)].notna().any(axis=None):
        sentences.append(f"{MARK} {FEW_NOTE}")
    sentences += [SIZES.replace("masks", items), "Over images: the mean of the images' own means."]
    if lines["dataset"].isna().any():
        sentences.append("The mean over datasets weighs each dataset the same.")
    if ORACLE in further:
        sentences.append(
            "Oracle: the best of several candidate masks instead of the most confident one."
        )
    sentences += definitions(each for each in shown if each not in family)
    sentences.append(f"Protocol{'s' * (len(protocols) > 1)} {', '.join(protocols)}.")
    return " ".join(sentences)
