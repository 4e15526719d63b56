"""What a report speaks of: the reported steps of several runs, as one frame of rows.

Runs that would make a number misleading are refused here, before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench.config.composing import conf_dir
from bench.config.labels import shown_label
from bench.store.row_table import same_as_next
from bench.store.runs import RunStore, read_rows
from bench.types import BenchError

_COLUMNS = [
    "dataset", "model", "prompt", "protocol", "n_points", "box", "iou", "iou_oracle",
    "predicted_ious", "selected", "multimask", "boundary_iou",
]  # fmt: skip

_NAMES = frozenset({"run", "dataset", "model", "prompt", "protocol", "label"})
"""Columns that say the same in many rows: as texts they would take most of the memory."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows of a report: one per run, mask and reported step.

    ``rows`` has the columns ``run, dataset, model, protocol, prompt`` (the strategy), ``label``
    (the reported step, such as "3 points"), ``n_points, has_box, image_id, mask_id, iou,
    iou_oracle, multimask, predicted_iou, boundary_iou, carried``. IoUs are in [0, 1]. A mask that
    needed no further prompt keeps the row of its last step, ``carried``. Names that many rows share
    (``run`` to ``label``) are categories, sorted. ``labels`` are in
    reading order: points by number, then what holds a box. ``stores`` and ``headers`` go by the
    run's folder name; ``notes`` are sentences that must stand in every caption.
    """

    rows: pd.DataFrame
    labels: tuple[str, ...]
    stores: Mapping[str, RunStore]
    headers: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]

    def titles(self, kind: str) -> dict[str, str]:
        """Name → label of every ``dataset`` or ``model``; its name where labels are not unique."""
        titles: dict[str, str] = {}
        marks: dict[str, str] = {}
        for run, rows in self.rows.groupby("run", sort=False):
            header, name = self.headers[str(run)], str(rows[kind].iloc[0])
            marks[name] = badge(header, kind)
            titles[name] = shown_label(
                name, part(header, kind).get("about") or {}, [conf_dir() / kind]
            )
        shown = [titles[name] + marks[name] for name in titles]
        return {
            name: (title if shown.count(title + marks[name]) == 1 else name) + marks[name]
            for name, title in sorted(titles.items())
        }


def part(header: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The header's dataset, model, prompt or protocol; empty where it names none."""
    found = header.get(kind)
    return found if isinstance(found, Mapping) else {}


def badge(header: Mapping[str, Any], kind: str) -> str:
    """What is put behind a model's title where it computes otherwise than the reference.

    >>> badge({"model": {"args": {"dtype": "bfloat16", "compiled": True}}}, "model")
    ' [bfloat16, compiled]'
    >>> badge({"model": {"args": {}}}, "model")
    ''
    """
    args = part(header, kind).get("args") or {}
    dtype = args.get("dtype", "float32")
    marks = [str(dtype)] * (dtype != "float32") + ["compiled"] * bool(args.get("compiled"))
    return f" [{', '.join(marks)}]" if kind == "model" and marks else ""


def select(stores: Sequence[RunStore], *, allow_partial: bool = False) -> Selection:
    """The reported steps of the runs.

    Raises ``BenchError`` for no run, a run without a row, an unfinished run, the same (dataset,
    model, prompt label, protocol) in two runs, and runs that saw different data under one name.
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
    notes = [*_unfinished(named, headers, allow_partial)]
    rows = _frame([_reported(named[n], headers[n]) for n in named])
    _refuse_duplicates(rows, named)
    notes += _different_data(rows, named, headers, allow_partial)
    notes += [*_subsets(headers), *_failed(headers), *_skipped(rows, headers), *_carried(rows)]
    notes += [str(note) for header in headers.values() for note in header.get("notes") or ()]
    return Selection(rows, _reading_order(rows), named, headers, tuple(notes))


def _reported(store: RunStore, header: Mapping[str, Any]) -> pa.Table:
    """The rows of one run at its reported steps, each under the label of its step."""
    rows = _plain(read_rows(store, _COLUMNS))
    if not len(rows):
        raise BenchError(f"{store.folder}: no mask is scored in this run")
    rows = rows.add_column(0, "run", _everywhere(store.folder.name, rows))
    taken, same_mask = rows["step"].to_numpy(), same_as_next(rows, ["image_id", "mask_id"])
    number = np.concatenate([[0], np.cumsum(~same_mask)[:-1]])
    steps = header.get("report_steps") or {taken.max(): rows["prompt"][0]}
    tables: list[pa.Table] = []
    for step, label in sorted((int(step), str(label)) for step, label in steps.items()):
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


def _frame(tables: Sequence[pa.Table]) -> pd.DataFrame:
    """The rows of all runs; names that many rows share are categories, in order of the alphabet."""
    rows: pd.DataFrame = pa.concat_tables(tables).unify_dictionaries().to_pandas()
    for name in _NAMES:
        rows[name] = rows[name].cat.set_categories(sorted(rows[name].cat.categories))
    return rows


def _plain(rows: pa.Table) -> pa.Table:
    """The rows without lists: ``has_box`` for the box, ``predicted_iou`` for all candidates'."""
    has_box = pc.is_valid(rows["box"])
    predicted = _chosen(rows["predicted_ious"], rows["selected"])
    rows = rows.drop_columns(["box", "predicted_ious", "selected"])
    for name in _NAMES & set(rows.column_names):
        place = rows.column_names.index(name)
        rows = rows.set_column(place, name, rows[name].dictionary_encode())
    return rows.append_column("has_box", has_box).append_column("predicted_iou", predicted)


def _chosen(scores: pa.ChunkedArray, selected: pa.ChunkedArray) -> pa.Array:
    """Of each row's list the value at its index, NaN where the list is null or shorter."""
    lists, index = scores.combine_chunks(), selected.to_numpy()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    there = (index >= 0) & (index < lengths)
    found = np.full(len(index), np.nan)
    found[there] = lists.values.to_numpy()[(lists.offsets.to_numpy()[:-1] + index)[there]]
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


def _unfinished(
    stores: Mapping[str, RunStore], headers: Mapping[str, Mapping[str, Any]], allowed: bool
) -> Iterable[str]:
    """One sentence per dataset, model and progress: its prompts mostly got equally far."""
    partial: dict[tuple[str, str], list[str]] = {}
    for name, header in headers.items():
        if header.get("status") == "complete":
            continue
        progress = f"{header.get('images_done', '?')} of {header.get('images', '?')} images"
        if not allowed:
            raise BenchError(
                f"{stores[name].folder}: unfinished run ({progress}); run the same command again "
                "to finish it, or give --allow-partial"
            )
        run, _, prompt = _short(name, header).rpartition(" · ")
        partial.setdefault((run, progress), []).append(prompt)
    for (run, progress), prompts in partial.items():
        named = " · ".join(filter(None, (run, ", ".join(prompts))))
        yield f"{named} {'is' if len(prompts) == 1 else 'are'} partial: {progress}."


def _different_data(
    rows: pd.DataFrame,
    stores: Mapping[str, RunStore],
    headers: Mapping[str, Mapping[str, Any]],
    allowed: bool,
) -> Iterable[str]:
    for dataset, runs in rows.groupby("dataset")["run"].unique().items():
        prints = {run: headers[run].get("dataset_fingerprint") for run in runs}
        known = {run: mark for run, mark in prints.items() if mark is not None}
        if len(set(known.values())) < 2:
            continue
        first = next(iter(known))
        other = next(run for run in known if known[run] != known[first])
        if not allowed:
            raise BenchError(
                f"{dataset}: {stores[first].folder} saw data of fingerprint {known[first]}, "
                f"{stores[other].folder} of {known[other]}; run both on the same data"
            )
        marks = ", ".join(sorted(str(mark) for mark in set(known.values())))
        yield f"The runs on {dataset} saw different data (fingerprints {marks})."


def _subsets(headers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """One sentence per dataset of which not all images may be meant."""
    seen: dict[str, None] = {}
    for header in headers.values():
        dataset = part(header, "dataset")
        args = dataset.get("args") or {}
        which = f"{dataset.get('name')}: {header.get('images', '?')} images"
        if rule := args.get("subsample"):
            seen[
                f"{which}, drawn at random (seed {rule['seed']}) until {rule['masks']:,} masks "
                f"where there are more than {rule['above']:,}."
            ] = None
        if manifest := args.get("manifest"):
            seen[f"{which}, those of the manifest {manifest['sha256'][:12]}."] = None
    return seen


def _failed(headers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for name, header in headers.items():
        if count := int(header.get("images_failed") or 0):
            yield f"{_short(name, header)}: {count} image{'s' * (count > 1)} could not be scored."


def _skipped(rows: pd.DataFrame, headers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """One sentence per dataset and set of counts: its runs mostly leave out the same masks."""
    seen: dict[str, None] = {}
    for dataset, runs in rows.groupby("dataset")["run"].unique().items():
        for run in runs:
            counts = {k: n for k, n in (headers[run].get("skipped") or {}).items() if n}
            if counts:
                what = ", ".join(f"{n} {str(k).replace('_', ' ')}" for k, n in counts.items())
                seen[f"Masks of {dataset} that the protocol leaves out: {what}."] = None
    return seen


def _carried(rows: pd.DataFrame) -> Iterable[str]:
    if share := float(np.mean(rows["carried"])):
        yield (
            f"{100 * share:.1f} % of the scores are carried over from an earlier step, where no "
            "error was left to click on."
        )


def _short(name: str, header: Mapping[str, Any]) -> str:
    names = [str(part(header, k).get("name", "")) for k in ("dataset", "model", "prompt")]
    return " · ".join(names) if all(names) else name
