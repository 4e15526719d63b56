"""The rows of a report: the reported steps of several runs, in one frame.

Runs that would make a number misleading are refused here, before anything is computed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench.analysis.every_row import EveryRow
from bench.analysis.wording import notes
from bench.analysis.wording.notes import part as part
from bench.analysis.wording.titles import labels_of, steps_of, titles_of
from bench.config.labels import distinct
from bench.protocol import AVERAGE, why_left_out
from bench.scoring.metrics import boundary_iou
from bench.store.added_metrics import added_measure, added_names
from bench.store.row_table import KEY as _KEY
from bench.store.row_table import same_as_next
from bench.store.runs import RunStore, read_rows
from bench.store.schema import COLUMNS
from bench.types import IOU, ORACLE, BenchError, Measure, Step

_CORE = ["dataset", "model", "prompt", "protocol", "cluster"]
_OF_MASKS = ["n_points", "box", "iou_oracle", "predicted_ious", "selected", "multimask"]

_NAMES = frozenset({"run", "dataset", "model", "prompt", "protocol", "label", "cluster"})
"""Columns that say the same in many rows: as texts they would take most of the memory."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows of a report: one per run, mask and reported step.

    ``rows`` has the columns ``run, dataset, model, protocol, prompt`` (the strategy), ``label``
    (the reported step, such as "3 points"; with the prompt's name where two prompts share it),
    ``n_points, has_box, image_id, mask_id``, the ``cluster`` that the image belongs to, itself
    where the rows name none, what ``leads`` (``iou``), ``iou_oracle, multimask, predicted_iou``
    (NaN where the model gives none, or one number for all masks), ``carried``, and the ``further``
    measures' columns, NaN where one doesn't apply or was never computed. ``measured`` names, by
    run, those that were computed of all its rows: they have a mean. Rows to which what leads
    doesn't apply are left out, as a note says. IoUs are in [0, 1]. A mask that needed no further
    prompt keeps the row of its last step, ``carried``. Names that many rows share (``run`` to
    ``label``, ``cluster``) are categories, sorted. ``labels`` are in reading order: points by
    number, then what holds a box; ``steps`` says what each is. ``of_masks`` says whether the rows
    are masks', with prompts and candidates. ``stores`` and ``headers`` go by the run's folder name;
    ``notes`` are sentences that must stand in every caption. ``every`` has the rows of all steps.
    ``shown`` says what a model, a dataset or a label is called instead, by its name.
    """

    rows: pd.DataFrame
    labels: tuple[str, ...]
    steps: Mapping[str, Step]
    leads: Measure
    further: tuple[Measure, ...]
    measured: Mapping[str, frozenset[str]]
    of_masks: bool
    stores: Mapping[str, RunStore]
    headers: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]
    every: EveryRow
    shown: Mapping[str, str] = field(default_factory=dict)

    def over_images(self, rows: pd.DataFrame) -> bool:
        """Whether the protocol of a run's rows counts each image once (``average: image``)."""
        return over_images(self.headers[str(rows["run"].iloc[0])])

    def has_estimates(self, run: str) -> bool:
        """Whether the model of a run predicts the IoU of its masks."""
        return bool(self.rows.loc[self.rows["run"] == run, "predicted_iou"].notna().any())

    def pictured(self, run: str, columns: Sequence[str], among: pd.DataFrame) -> pd.DataFrame:
        """``every.of`` with ``predicted_ious`` null where ``has_estimates`` says that none are."""
        rows = self.every.of(run, columns, among)
        return rows if self.has_estimates(run) else rows.assign(predicted_ious=None)

    def titles(self, kind: str) -> dict[str, str]:
        """Name → label of every ``dataset`` or ``model``, see ``shown_titles``."""
        return shown_titles([self], kind)


def over_images(header: Mapping[str, Any]) -> bool:
    """Whether the protocol of a run's header counts each image once (``average: image``)."""
    said = (part(header, "protocol").get("args") or {}).get("average")
    return AVERAGE.get(str(said), False)


def shown_titles(selections: Collection[Selection], kind: str) -> dict[str, str]:
    """Name → label of every ``dataset`` or ``model`` of the selections, sorted, no two alike."""
    named = [
        (str(name), selection.headers[str(run)])
        for selection in selections
        for run, name in selection.rows[["run", kind]].drop_duplicates().itertuples(index=False)
    ]
    asked = {name: called for selection in selections for name, called in selection.shown.items()}
    titles = {name: asked.get(name, title) for name, title in titles_of(named, kind).items()}
    if twice := next((t for t, n in Counter(titles.values()).items() if n > 1), None):
        raise BenchError(f"--label: two {kind}s would be called {twice!r}; choose another label")
    return titles


KEY = list(_KEY)
"""What a row of a run is known by."""

BOUNDARY = boundary_iou.METRIC.measure
"""What runs of releases before metrics had headers of their own hold beside the IoU."""


def select(stores: Sequence[RunStore], *, allow_partial: bool = False) -> Selection:
    """The reported steps of the runs; one of several without a row is left out, as a note says.

    Raises ``BenchError`` for no run, a run without a row or without one that is measured, an
    unfinished run, the same (dataset, model, prompt, protocol) in two runs, runs of tasks that
    measure different things, and runs that saw different data under one name.
    ``allow_partial`` lets unfinished runs and different data through, and notes them.
    """
    unique = {store.folder.resolve(): store for store in stores}
    ordered = sorted(unique.values(), key=lambda store: store.folder.name)
    named: dict[str, RunStore] = {}
    for store in ordered:
        if (other := named.setdefault(store.folder.name, store)) is not store:
            raise BenchError(f"the same run stands in {other.folder} and {store.folder}")
    if not named:
        raise BenchError("no run to report")
    headers = {name: store.header() for name, store in named.items()}
    empty = {name: header for name, header in headers.items() if named[name].is_empty()}
    if len(empty) == len(named):
        empty = {}  # what is wrong with the first is the error
    named = {name: store for name, store in named.items() if name not in empty}
    headers = {name: header for name, header in headers.items() if name in named}
    said = [*notes.empty(empty), *notes.unfinished(named, headers, allow_partial)]
    found = {n: measures_of(named[n], headers[n]) for n in named}
    leads = _leading(found)
    further = _further(leads, found)
    labels = labels_of(headers)
    tables = [_reported(named[n], labels[n], found[n]) for n in named]
    rows = _frame(tables, [leads.name, *(m.name for m in further)])
    lacking = {n: _lacking(rows[rows["run"] == n], named[n], further) for n in named}
    _refuse_duplicates(rows, named)
    rows, left_out = _measured(rows, leads, named)
    said += notes.different_data(rows, named, headers, allow_partial)
    said += [
        *notes.several_versions(rows, headers),
        *notes.subsets(headers),
        *notes.failed(headers),
        *notes.skipped(rows, headers),
        *notes.carried(rows),
        *left_out,
    ]
    own = (str(note) for header in headers.values() for note in header.get("notes") or ())
    said += dict.fromkeys(own)
    said += notes.not_everywhere(rows, named, further, lacking)
    return Selection(
        rows,
        _reading_order(rows),
        steps_of(rows, headers),
        leads,
        further,
        {n: frozenset(m for m, rows in lacking[n].items() if not rows) for n in named},
        all(each.of_masks for each in found.values()),
        named,
        headers,
        tuple(said),
        EveryRow(named),
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rows of a run hold: what leads its tables, and the further measures."""

    leads: Measure
    further: tuple[Measure, ...]
    of_masks: bool


def measures_of(store: RunStore, header: Mapping[str, Any]) -> Measured:
    """What a run measured, by its header; runs of earlier releases measured IoUs."""
    columns = store.columns()
    if not columns:
        store.whole()  # a run whose parts are lost says that
        raise BenchError(none_scored(store, header))
    of_masks = "mask_rle" in columns or "measures" not in header
    said = header.get("measures") or [IOU.plain()]
    plain = header.get("metrics", {"boundary_iou": BOUNDARY.plain()})
    stored = [Measure.of_plain(each) for each in plain.values() if each["name"] in columns]
    known = {each.name for each in stored}
    task = [Measure.of_plain(each) for each in said]
    own = [m for m in task[1:] if m.name not in known | {"iou_oracle"} and m.name in columns]
    names = added_names(store.folder)
    added = {name: added_measure(store.folder, name, store.key) for name in names}
    further = {each.name: each for each in (*own, *stored)} | added
    return Measured(task[0], tuple(further.values()), of_masks)


def _leading(found: Mapping[str, Measured]) -> Measure:
    first, *others = found.items()
    for name, each in others:
        if (each.leads.name, each.of_masks) != (first[1].leads.name, first[1].of_masks):
            raise BenchError(
                f"{first[0]} measures {first[1].leads.title}, {name} {each.leads.title}: report "
                "the runs of each task by themselves"
            )
    return first[1].leads


def _further(leads: Measure, found: Mapping[str, Measured]) -> tuple[Measure, ...]:
    """Every further measure of any run, a column each; no two titles are alike.

    Raises ``BenchError`` where a column of two runs, or a mean of the table, is two measures.
    """
    seen: dict[str, tuple[str, Measure]] = {}
    for run, each in found.items():
        for measure in each.further:
            for of, earlier in seen.values():
                same = earlier.name == measure.name
                if measure.other_than(earlier) if same else measure.mean == earlier.mean:
                    raise BenchError(
                        f"{of} holds {earlier.origin} and {run} {measure.origin} under one name, "
                        f"{measure.mean}; report them apart, or add one to both: sam-bench rescore"
                    )
            seen.setdefault(measure.name, (run, measure))
    further = [measure for _, measure in seen.values()]
    choices = [(m.title, f"{m.title} ({m.name})") for m in further]
    titles = distinct([*choices, (leads.title,), (ORACLE.title,)])[: len(further)]
    return tuple(replace(m, title=title) for m, title in zip(further, titles, strict=True))


def _lacking(rows: pd.DataFrame, store: RunStore, further: Sequence[Measure]) -> dict[str, int]:
    """Of how many of a run's rows each measure was never computed."""
    images = rows["image_id"]
    return {m.name: int(images.isin(store.unmeasured(m.name)).sum()) for m in further}


def none_scored(store: RunStore, header: Mapping[str, Any]) -> str:
    """What to say of a run without rows: which masks were left out, or why its images failed."""
    columns, task = store.columns(), part(header, "task").get("name")
    if task and columns and "mask_rle" not in columns:
        return f"{store.folder}: rows of {task} hold no masks, which is what this is about"
    said = f"{store.folder}: no mask is scored in this run"
    if why := why_left_out(header.get("skipped") or {}):
        said += f"; left out: {why}"
    if failed := store.errors():
        count = f"{len(failed):,} image{'s' * (len(failed) > 1)}"
        said += f"; {count} failed, image {failed[0].image_id} with: {failed[0].reason}"
    return said


def _reported(store: RunStore, labels: Mapping[int, str], found: Measured) -> pa.Table:
    """The rows of one run at its reported steps, each under the label of its step."""
    measured = [found.leads.name, *(measure.name for measure in found.further)]
    wanted = [*_CORE, *measured, *(_OF_MASKS if found.of_masks else [])]
    rows = _plain(read_rows(store, wanted), found.of_masks)
    if not len(rows):
        raise BenchError(none_scored(store, store.header()))
    rows = rows.add_column(0, "run", _everywhere(store.folder.name, rows))
    taken, same_mask = rows["step"].to_numpy(), same_as_next(rows, ["image_id", "mask_id"])
    number = np.concatenate([[0], np.cumsum(~same_mask)[:-1]])
    tables: list[pa.Table] = []
    for step, label in sorted((labels or {int(taken.max()): str(rows["prompt"][0])}).items()):
        reached = rows.filter(taken == step)
        if not len(reached):
            raise BenchError(f"{store.folder}: no row at step {step}, reported as {label!r}")
        so_far = np.flatnonzero(taken <= step)
        last = so_far[np.append(np.diff(number[so_far]) > 0, True)]
        latest = rows if len(last) == len(rows) else rows.take(last)
        facts = {
            "label": _everywhere(label, latest),
            "carried": pa.array(latest["step"].to_numpy() < step),
            "n_points": _everywhere(pc.max(reached["n_points"]), latest),
            "has_box": _everywhere(pc.any(reached["has_box"]), latest),
        }
        latest = latest.drop_columns(["n_points", "has_box"])
        for name, values in facts.items():
            latest = latest.append_column(name, values)
        tables.append(latest)
    return pa.concat_tables(tables)


def _frame(tables: Sequence[pa.Table], measured: Sequence[str]) -> pd.DataFrame:
    """The rows of all runs; names that many rows share are categories, in order of the alphabet."""
    together = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    rows: pd.DataFrame = together.to_pandas()
    rows[[name for name in measured if name not in rows]] = np.nan
    rows = rows.astype(dict.fromkeys(measured, np.float64))
    for name in _NAMES:
        rows[name] = rows[name].cat.set_categories(sorted(rows[name].cat.categories))
    return rows


def _measured(
    rows: pd.DataFrame, leads: Measure, stores: Mapping[str, RunStore]
) -> tuple[pd.DataFrame, list[str]]:
    """The rows to which what leads applies, and a sentence for each run that has others too."""
    applies = rows[leads.name].notna()
    said = []
    for run in sorted(map(str, rows.loc[~applies, "run"].unique())):
        of_run = applies[rows["run"] == run]
        if not of_run.any():
            raise BenchError(f"{stores[run].folder}: {leads.title} applies to none of its rows")
        said.append(
            f"{run}: {leads.title} is over {int(of_run.sum()):,} of {len(of_run):,} rows; to the "
            "others it doesn't apply."
        )
    return (rows[applies].reset_index(drop=True) if said else rows), said


def _plain(rows: pa.Table, of_masks: bool) -> pa.Table:
    """The rows without lists: ``has_box`` for the box, ``predicted_iou`` for all candidates'."""
    if not of_masks:
        nothing: dict[str, Any] = {"n_points": 0, "box": None, "iou_oracle": None}
        nothing |= {"predicted_ious": None, "selected": None, "multimask": False}
        for name, value in nothing.items():
            kind = COLUMNS[name]
            rows = rows.append_column(name, pa.array([value] * len(rows), kind))
    place = rows.column_names.index("cluster")
    known = pc.coalesce(rows["cluster"], rows["image_id"].cast(pa.string()))
    rows = rows.set_column(place, "cluster", known)
    has_box = pc.is_valid(rows["box"])
    predicted = _chosen(rows["predicted_ious"], rows["selected"])
    rows = rows.drop_columns(["box", "predicted_ious", "selected"])
    for name in _NAMES & set(rows.column_names):
        place = rows.column_names.index(name)
        rows = rows.set_column(place, name, rows[name].dictionary_encode())
    return rows.append_column("has_box", has_box).append_column("predicted_iou", predicted)


def _chosen(scores: pa.ChunkedArray, selected: pa.ChunkedArray) -> pa.Array:
    """Of each row's list the value at its index, NaN where the list is null or shorter.

    One number for all rows of a run is no estimate: then it is NaN for each.
    """
    lists, index = scores.combine_chunks(), pc.fill_null(selected, -1).to_numpy()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    there = (index >= 0) & (index < lengths)
    found = np.full(len(index), np.nan)
    if there.any():
        found[there] = lists.values.to_numpy()[(lists.offsets.to_numpy()[:-1] + index)[there]]
    if len(found) > 1 and (found == found[0]).all():
        found[:] = np.nan
    return pa.array(found)


def _everywhere(value: Any, rows: pa.Table) -> pa.Array:
    if isinstance(value, str):
        return pa.DictionaryArray.from_arrays(np.zeros(len(rows), dtype=np.int32), [value])
    return pa.repeat(value, len(rows))


def _reading_order(rows: pd.DataFrame) -> tuple[str, ...]:
    order = rows.groupby("label")[["has_box", "n_points"]].max().reset_index()
    return tuple(order.sort_values(["has_box", "n_points", "label"])["label"])


def _refuse_duplicates(rows: pd.DataFrame, stores: Mapping[str, RunStore]) -> None:
    key = ["dataset", "model", "label", "protocol"]
    lines = rows[[*key, "run"]].drop_duplicates()
    twice = lines[lines.duplicated(key, keep=False)]
    if twice.empty:
        return
    dataset, model, label, protocol = twice.iloc[0][key]
    same = twice[(twice[key] == twice.iloc[0][key]).all(axis=1)]
    paths = " and ".join(str(stores[run].folder) for run in same["run"])
    raise BenchError(
        f"{model} on {dataset} with {label} (protocol {protocol}) stands in {paths}; "
        "report one of them"
    )
