"""What tables and figures call models and datasets, and the steps of their runs.

Models and datasets bear their titles, or names where these clash; steps bear what was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bench.analysis.wording.notes import part
from bench.config.folders import conf_dir
from bench.config.labels import distinct, shown_label
from bench.types import Step


def titles_of(runs: Iterable[tuple[str, Mapping[str, Any]]], kind: str) -> dict[str, str]:
    """Name → label of every ``dataset`` or ``model`` of some runs, sorted, no two alike.

    ``runs`` are the name that a run's rows have, and its header. The label is the title; the name
    where another one has that title, or where runs of one name have several.
    """
    said: dict[str, set[str]] = {}
    marks: dict[str, set[str]] = {}
    labels: dict[tuple[str, str], str] = {}  # a label takes a look at every YAML
    for name, header in runs:
        about = part(header, kind).get("about") or {}
        known = name, str(about.get("title"))
        if known not in labels:
            labels[known] = shown_label(name, about, [conf_dir() / kind])
        said.setdefault(name, set()).add(labels[known])
        marks.setdefault(name, set()).add(badge(header, kind))
    choices = []
    for name in sorted(said):
        mark = _one_badge(marks[name])
        titles = said[name] if len(said[name]) == 1 else ()
        choices.append([f"{label}{mark}" for label in (*titles, name)])
    return dict(zip(sorted(said), distinct(choices), strict=True))


def badge(header: Mapping[str, Any], kind: str) -> str:
    """What is put behind a model's title where it computes otherwise than the reference.

    >>> badge({"model": {"args": {"dtype": "bfloat16", "compiled": True}}}, "model")
    ' [bfloat16, compiled]'
    >>> badge({"model": {"args": {}}}, "model")
    ''
    """
    args = part(header, kind).get("args") or {}
    dtype = args.get("dtype", "float32")
    marks = [str(dtype)] * (dtype != "float32")
    marks += [mode for mode in ("compiled", "int8") if args.get(mode)]
    return f" [{', '.join(marks)}]" if kind == "model" and marks else ""


def _one_badge(badges: set[str]) -> str:
    """The badge of runs of one name; where they compute in several ways, all of them."""
    if len(badges) == 1:
        return min(badges)
    return f" [{'; '.join(sorted(each.strip(' []') or 'float32' for each in badges))}]"


def label_of(said: Any) -> str:
    """What a header calls a step, whichever release wrote it."""
    return str(Step.of_plain(said)) if isinstance(said, Mapping) else str(said)


def _said(header: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """The reported steps of a run, as its header has them."""
    return (header.get("report_steps") or {}).items()


def _label(said: Any, header: Mapping[str, Any]) -> str:
    """What a run's step is called, with the prompt's name where it was recorded."""
    label = label_of(said)
    named = isinstance(said, Mapping) and said.get("name") is None
    if not (named and header.get("recorded")):
        return label
    return f"{label} ({part(header, 'prompt').get('name')})"


def labels_of(headers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[int, str]]:
    """What each run's reported steps are called, by run.

    Where two prompts of a series share a step (``box``, and the first of ``box_and_points``), its
    label bears the prompt's name, but for the one prompt that ends with it. One that was recorded
    always does: nobody is to take it for a simulated one.
    """
    labels = {
        run: {int(at): _label(said, header) for at, said in _said(header)}
        for run, header in headers.items()
    }
    prompts = {run: str(part(header, "prompt").get("name")) for run, header in headers.items()}
    asked: dict[tuple[str, ...], set[str]] = {}
    for run, header in headers.items():
        series = [str(part(header, kind).get("name")) for kind in ("dataset", "model", "protocol")]
        for label in labels[run].values():
            asked.setdefault((*series, label), set()).add(prompts[run])
    shared: dict[str, set[str]] = {}
    for (*_, label), names in asked.items():
        if len(names) > 1:
            shared.setdefault(label, set()).update(names)
    for label, names in shared.items():
        ends = {prompts[run] for run, own in labels.items() if own and own[max(own)] == label}
        if len(ends & names) == 1:
            names -= ends
    return {
        run: {
            step: f"{label} ({prompts[run]})" if prompts[run] in shared.get(label, ()) else label
            for step, label in own.items()
        }
        for run, own in labels.items()
    }


def steps_of(rows: pd.DataFrame, headers: Mapping[str, Mapping[str, Any]]) -> dict[str, Step]:
    """What each label stands for; headers of earlier releases hold its words alone."""
    steps: dict[str, Step] = {}
    for label, found in (
        rows.groupby("label", observed=True)[["has_box", "n_points"]].max().iterrows()
    ):
        bare = Step(int(found["n_points"]), bool(found["has_box"]))
        steps[str(label)] = bare if str(bare) == label else Step(name=str(label))
    plain = {
        label_of(said) for h in headers.values() if not h.get("recorded") for _, said in _said(h)
    }
    for header in headers.values():
        for _, said in _said(header):
            if isinstance(said, Mapping):
                step = Step.of_plain(said)
                # Beside simulated ones, recorded clicks are on no curve of theirs.
                label = _label(said, header)
                if label == str(step) or str(step) not in plain:
                    steps[label] = step
    return steps
