"""Sentences that must stand in every caption: what a reader has to know of the runs behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.store.remedy import how_to_add
from bench.store.runs import RunStore
from bench.types import BenchError, Measure


def part(header: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The header's dataset, model, prompt or protocol; empty where it names none."""
    found = header.get(kind)
    return found if isinstance(found, Mapping) else {}


def unfinished(
    stores: Mapping[str, RunStore],
    headers: Mapping[str, Mapping[str, Any]],
    allowed: bool,
    *,
    may_be: bool = True,
) -> Iterable[str]:
    """One sentence per dataset, model and progress: its prompts mostly got equally far.

    Raises ``BenchError`` where they aren't ``allowed``; ``may_be`` says whether the user may.
    """
    partial: dict[tuple[str, str], list[str]] = {}
    for name, header in headers.items():
        if header.get("status") == "complete":
            continue
        progress = f"{header.get('images_done', '?')} of {header.get('images', '?')} images"
        if not allowed:
            raise BenchError(
                f"{stores[name].folder}: unfinished run ({progress}); run the same command again "
                f"to finish it{', or give --allow-partial' if may_be else ''}"
            )
        run, _, prompt = short(name, header).rpartition(" · ")
        partial.setdefault((run, progress), []).append(prompt)
    for (run, progress), prompts in partial.items():
        named = " · ".join(filter(None, (run, ", ".join(prompts))))
        yield f"{named} {'is' if len(prompts) == 1 else 'are'} partial: {progress}."


def empty(headers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """One sentence per run that is left out, since there is no row of it."""
    for name, header in headers.items():
        done, failing = header.get("images_done") or 0, header.get("images_failed") or 0
        why = "its images have no mask to score" if done else "none of its images is done"
        many = f"{failing} image{'s' * (failing > 1)}"
        yield f"{name} is left out: {why}{f', {many} could not be scored' if failing else ''}."


def different_data(
    rows: pd.DataFrame,
    stores: Mapping[str, RunStore],
    headers: Mapping[str, Mapping[str, Any]],
    allowed: bool,
) -> Iterable[str]:
    """One sentence per dataset of which runs saw different data; refused unless allowed."""
    for dataset, runs in rows.groupby("dataset")["run"].unique().items():
        prints = {run: headers[run].get("dataset_fingerprint") for run in runs}
        known = {run: mark for run, mark in prints.items() if mark is not None}
        if len(set(known.values())) < 2:
            if said := other_content({str(run): stores[run] for run in runs}):
                if not allowed:
                    raise BenchError(f"{dataset}: {said}; run both on the same data")
                yield f"The runs on {dataset} saw different data: {said}."
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


def several_versions(rows: pd.DataFrame, headers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """One sentence per dataset whose runs name several versions of it, though of one content."""
    for dataset, runs in rows.groupby("dataset")["run"].unique().items():
        versions = {str(part(headers[run], "dataset").get("version")) for run in runs}
        if len(versions) > 1:
            yield f"{dataset}: runs on versions {', '.join(sorted(versions))} of it stand together."


def other_content(stores: Mapping[str, RunStore]) -> str:
    """An image whose files held other content for one run than for another, in words, or nothing.

    Of runs on data of one fingerprint: that is of names and sizes.
    """
    seen: dict[str, tuple[str, str]] = {}
    for name, store in stores.items():
        for image_id, content in store.origins().items():
            first, known = seen.setdefault(image_id, (name, content))
            if known != content:
                return (
                    f"the files of image {image_id} held other content for {stores[first].folder} "
                    f"than for {store.folder}"
                )
    return ""


def subsets(headers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
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


def failed(headers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """One sentence per run of which images could not be scored."""
    for name, header in headers.items():
        if count := int(header.get("images_failed") or 0):
            yield f"{short(name, header)}: {count} image{'s' * (count > 1)} could not be scored."


def skipped(rows: pd.DataFrame, headers: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """One sentence per dataset and set of counts: its runs mostly leave out the same masks."""
    seen: dict[str, None] = {}
    for dataset, runs in rows.groupby("dataset")["run"].unique().items():
        for run in runs:
            counts = {k: n for k, n in (headers[run].get("skipped") or {}).items() if n}
            if counts:
                what = ", ".join(f"{n} {str(k).replace('_', ' ')}" for k, n in counts.items())
                seen[f"Masks of {dataset} that the protocol leaves out: {what}."] = None
    return seen


def carried(rows: pd.DataFrame) -> Iterable[str]:
    """How many scores are those of an earlier step."""
    if share := float(np.mean(rows["carried"])):
        yield (
            f"{100 * share:.1f} % of the scores are carried over from an earlier step, where no "
            "error was left to click on."
        )


def not_everywhere(
    rows: pd.DataFrame,
    stores: Mapping[str, RunStore],
    further: Sequence[Measure],
    lacking: Mapping[str, Mapping[str, int]],
) -> Iterable[str]:
    """A sentence for each measure that was computed of some of a run's rows only.

    ``lacking`` counts the rows that lack a measure, by run and measure.
    """
    sizes = rows["run"].value_counts()
    for measure in further:
        for run, store in stores.items():
            if 0 < lacking[run][measure.name] < sizes[run]:
                yield (
                    f"{run}: {measure.title} is known of "
                    f"{sizes[run] - lacking[run][measure.name]:,} of {sizes[run]:,} rows; "
                    f"{how_to_add(store, measure)}."
                )


def short(name: str, header: Mapping[str, Any]) -> str:
    """A run by its dataset, model and prompt; by its folder's name where it lacks one."""
    names = [str(part(header, k).get("name", "")) for k in ("dataset", "model", "prompt")]
    return " · ".join(names) if all(names) else name
