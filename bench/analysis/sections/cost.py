"""What an answer costs: parameters, time and memory of each model, as its runs measured them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pandas as pd

from bench.analysis.section import Section
from bench.analysis.selection import Selection, part
from bench.analysis.wording.words import DASH

_COLUMNS = (
    "model", "device", "dtype", "workers", "image_batch", "licence", "parameters", "images",
    "answers", "embed_ms", "predict_ms", "host_bytes", "device_bytes",
)  # fmt: skip


def costs(headers: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A line per model and place where it ran, sorted; empty where no run tells its times.

    ``model`` (its name), ``device``, ``dtype``, ``workers`` (models at work side by side) and
    ``image_batch`` say how it ran; ``licence`` is what the model's YAML says, and ``parameters``
    what the model tells, None where they don't.
    ``embed_ms`` is the wall time of embedding an image and ``predict_ms`` that of an answer (a
    row), each the mean over the ``images`` and ``answers`` of the commands that last worked on the
    runs; a command that worked on several runs counts once. ``embed_ms`` is None where embeddings
    came from a cache. ``host_bytes`` and ``device_bytes`` are the most that one worker took.
    """
    commands: dict[tuple[str, str], Mapping[str, Any]] = {}
    for header in headers:
        if (header.get("latest") or {}).get("images"):
            said = json.dumps(header["latest"], sort_keys=True)
            commands.setdefault((_name(header), said), header)
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for header in commands.values():
        groups.setdefault(_place(header), []).append(header)
    lines = [_line(place, those) for place, those in groups.items()]
    frame = pd.DataFrame(lines, columns=list(_COLUMNS))
    order = ["model", "device", "dtype", "workers", "image_batch"]
    ordered: pd.DataFrame = frame.sort_values(order, kind="stable")
    return ordered


def cost_section(selection: Selection) -> Iterator[Section]:
    """The table of costs; nothing where no run tells its times."""
    frame = costs(selection.headers.values())
    if frame.empty:
        return
    titles = selection.titles("model")
    heads = (
        "model", "licence", "device", "workers", "parameters", "embed, ms an image",
        "predict, ms an answer", "memory, GB", "of the device, GB",
    )  # fmt: skip
    rows = tuple(
        (
            titles[line["model"]],
            DASH if pd.isna(line["licence"]) else line["licence"],
            f"{line['device']}, {line['dtype']}",
            str(line["workers"]),
            _millions(line["parameters"]),
            _shown(line["embed_ms"], 1, 1),
            _shown(line["predict_ms"], 1, 2),
            _shown(line["host_bytes"], 1e-9, 2),
            _shown(line["device_bytes"], 1e-9, 2),
        )
        for line in frame.to_dict("records")
    )
    note = (
        "As the runs themselves measured it: wall time of the model's own calls, embedding an "
        "image and answering a prompt, the mean of the command that worked last on each run; "
        "workers are side by side on one machine and slow each other. Memory: the most that one "
        "worker took. Times of different devices or numbers of workers don't compare. The licence "
        "is what the model's YAML says of code and weights."
    )
    yield Section("cost", "Cost", note, heads, rows, frame, names=3)


def _name(header: Mapping[str, Any]) -> str:
    return str(part(header, "model").get("name"))


def _place(header: Mapping[str, Any]) -> tuple[Any, ...]:
    """Model, device, dtype, workers, images at once: what must agree for times to be added up."""
    latest, facts = header["latest"], header.get("facts") or {}
    place = latest.get("place") or {}
    device = str(place.get("device_name") or place.get("device") or header.get("device") or DASH)
    workers = latest.get("workers") or 1
    dtype = str(facts.get("dtype", "float32"))
    modes = "".join(f", {mode}" for mode in ("compiled", "int8") if facts.get(mode) == "yes")
    return _name(header), device, dtype + modes, workers, place.get("image_batch") or 1


def _line(place: tuple[Any, ...], headers: list[Mapping[str, Any]]) -> dict[str, Any]:
    latest = [header["latest"] for header in headers]
    images = sum(each["images"] for each in latest)
    answers = sum(each.get("answers", 0) for each in latest)
    seconds = [each.get("seconds") or {} for each in latest]
    memory = [each.get("memory") or {} for each in latest]
    cached = any(each.get("cache") for each in seconds)
    values = {
        "licence": _licence(headers),
        "parameters": _parameters(headers),
        "images": images,
        "answers": answers,
        "embed_ms": None if cached else _each(seconds, "embed", images),
        "predict_ms": _each(seconds, "predict", answers),
        "host_bytes": _most(memory, "host"),
        "device_bytes": _most(memory, "device"),
    }
    return dict(zip(_COLUMNS[:5], place, strict=True)) | values


def _licence(headers: list[Mapping[str, Any]]) -> str | None:
    """That of the model, all of them where runs of one name say several.

    A YAML knows nothing of a user's own weights.
    """
    abouts = [
        part(header, "model").get("about") or {}
        for header in headers
        if not str((header.get("facts") or {}).get("weights", "")).startswith("own")
    ]
    said = dict.fromkeys(str(about["licence"]) for about in abouts if about.get("licence"))
    return "; ".join(said) or None


def _parameters(headers: list[Mapping[str, Any]]) -> int | None:
    for header in headers:
        with suppress(KeyError, TypeError, ValueError):
            return int((header.get("facts") or {})["parameters"])
    return None


def _each(seconds: list[Mapping[str, Any]], phase: str, count: int) -> float | None:
    """Milliseconds of a phase for one of ``count``; None where a command doesn't tell it."""
    if not count or any(phase not in each for each in seconds):
        return None
    return 1e3 * sum(float(each[phase]) for each in seconds) / count


def _most(memory: list[Mapping[str, Any]], key: str) -> int | None:
    return max((each[key] for each in memory if each.get(key) is not None), default=None)


def _shown(value: float | None, scale: float, digits: int) -> str:
    return DASH if value is None or pd.isna(value) else f"{value * scale:,.{digits}f}"


def _millions(count: float | None) -> str:
    return DASH if count is None or pd.isna(count) else f"{count / 1e6:,.1f} M"
