"""What models and datasets are called in tables and figures: titles, or names where these clash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.analysis.notes import part
from bench.config.composing import conf_dir
from bench.config.labels import distinct, shown_label


def titles_of(runs: Iterable[tuple[str, Mapping[str, Any]]], kind: str) -> dict[str, str]:
    """Name → label of every ``dataset`` or ``model`` of some runs, sorted, no two alike.

    ``runs`` are the name that a run's rows have, and its header. The label is the title; the name
    where another one has that title, or where runs of one name have several.
    """
    said: dict[str, set[str]] = {}
    marks: dict[str, set[str]] = {}
    for name, header in runs:
        about = part(header, kind).get("about") or {}
        said.setdefault(name, set()).add(shown_label(name, about, [conf_dir() / kind]))
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
