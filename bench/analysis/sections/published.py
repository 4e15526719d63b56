"""Published numbers beside a report's own: the difference, a verdict, and what could explain it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.reference import published
from bench.analysis.section import Section
from bench.analysis.selection import Selection
from bench.analysis.stats.intervals import VERDICT
from bench.analysis.wording.words import DASH
from bench.config.composing import load_component
from bench.protocol import all_choices

NEAR = 1.0
"""How far from a published number, in points, one still counts as near it."""

CLOSE = 2.0
"""How far from a published number, in points, all of our interval lies where it is reproduced."""

PRINTED = 0.05
"""Half a unit of the last digit that papers print, in points."""

COLUMNS = (
    "dataset", "model", "protocol", "prompt", "run", "metric", "ours", "low", "high", "published",
    "difference", "verdict", "same_protocol", "published_protocol", "source", "locator",
    "how_read", "choices", "note",
)  # fmt: skip

_NUMBERS = ("ours", "low", "high", "published", "difference")


@dataclass(frozen=True, slots=True)
class Measure:
    """How a published metric and a table's column are set side by side.

    ``column`` holds ours; times ``scale`` it is in the published ``unit``. ``near`` is how far
    from a published number one still counts as near it, ``close`` how far from it our whole
    interval may reach where it is reproduced, ``printed`` half a unit of the last digit that papers
    print, ``digits`` how many are shown, all in that unit.
    """

    column: str
    unit: str = "points"
    scale: float = 100.0
    near: float = NEAR
    close: float = CLOSE
    printed: float = PRINTED
    digits: int = 1


MEASURES: Mapping[str, Measure] = {
    "miou": Measure("miou"),
    "miou_at_k": Measure("miou"),
    "mboundary_iou": Measure("boundary_iou"),
    **{
        f"noc{mark}": Measure(
            f"noc_{mark}", "clicks", 1.0, near=0.1, close=0.2, printed=0.005, digits=2
        )
        for mark in (80, 85, 90)
    },
    **{
        name: Measure(name, "fraction", 1.0, near=0.01, close=0.02, printed=0.0005, digits=3)
        for name in ("ods", "ois", "ap_edges", "r50")
    },
    **{name: Measure(name) for name in ("ap", "ap_small", "ap_medium", "ap_large", "box_ap")},
    **{name: Measure(name) for name in ("cgf1", "pmf1", "pq", "sq", "rq")},
    "il_mcc": Measure("il_mcc", "fraction", 1.0, near=0.01, close=0.02, printed=0.005, digits=2),
    "ar1000": Measure("ar_1000"),
    **{
        f"ar1000_{group}": Measure(f"ar_1000_{group}")
        for group in ("small", "medium", "large", "frequent", "common", "rare")
    },
}
"""The published metrics that a line of a table answers: those of NoC with the table of clicks,
those of edges, detections, phrases and segments with theirs, those of proposals with the first."""

Choices = Mapping[str, Mapping[str, Any]]


def published_lines(
    lines: pd.DataFrame,
    selection: Selection,
    protocols: Choices | None = None,
) -> pd.DataFrame:
    """What was published of each line of a table, a row per published number.

    ``lines`` are those of ``bench.analysis.table.Table`` or of ``bench.analysis.sections.noc``,
    made of the ``selection``; means over datasets are left out, and so are runs of a user's own
    weights, whatever their name. ``protocols`` are the choices of
    each protocol by name (``conf/protocol``), by default those that the headers tell. The columns:

    * ``dataset, model, protocol, prompt, run``: the line's own;
    * ``metric``: the published one, a key of ``MEASURES``; ``ours, low, high`` (the 95 %
      interval), ``published`` and ``difference`` (ours less theirs), in points or clicks;
    * ``verdict``: see ``verdict``; null where nothing was published, no interval is known, or
      there are fewer than 6 images;
    * ``same_protocol``: whether theirs is the line's; ``published_protocol``, "" for none of ours;
    * ``source, locator, how_read, note``: as ``bench.analysis.reference`` explains;
    * ``choices``: what could explain a difference, a tuple of sentences, empty where nothing is
      known to differ.

    Numbers are float64, missing ones NaN; the other columns hold plain values, none where null.
    A line of which nothing was published has one row, null from ``metric`` to ``note`` but for
    ``ours, low, high``. In the order of the lines, numbers of the same protocol first.
    """
    headers = selection.headers
    known = dict(protocols) if protocols is not None else _choices_of(headers)
    table, found = published(), list[dict[str, Any]]()
    for line in lines[lines["dataset"].notna()].to_dict("records"):
        header = headers.get(str(line["run"]), {})
        own = (header.get("facts") or {}).get("weights") == "own file"
        numbers: list[dict[str, Any] | None] = (
            [] if own else [*_numbers_for(line, selection, table)]
        )
        found += [_row(line, header, number, known) for number in numbers or [None]]
    plain = pd.DataFrame(found, columns=list(COLUMNS), dtype=object)
    frame: pd.DataFrame = plain.astype(dict.fromkeys(_NUMBERS, "float64"))
    return frame


def verdict(
    ours: float,
    low: float | None,
    high: float | None,
    theirs: float,
    *,
    near: float = NEAR,
    close: float = CLOSE,
    printed: float = PRINTED,
) -> str | None:
    """How a published number stands to ours; all in points, or all in clicks.

    Where it lies in our 95 % interval, or within ``printed`` of it, since what is printed is
    rounded: ``reproduced`` if the whole interval lies within ``close`` of it, else ``undecided``,
    since many other numbers lie in it too. Elsewhere: ``near``, at most ``near`` from our mean, or
    ``off``, farther. Null without an interval.

    >>> [verdict(61.0, 60.2, 61.8, theirs) for theirs in (61.84, 61.9, 62.1)]
    ['reproduced', 'near', 'off']
    >>> verdict(63.7, 7.6, 95.2, 63.7)
    'undecided'
    """
    if low is None or high is None:
        return None
    if low - printed <= theirs <= high + printed:
        farthest = max(abs(theirs - low), abs(theirs - high))
        return "reproduced" if round(farthest - printed, 9) <= close else "undecided"
    return "near" if round(abs(ours - theirs), 9) <= near else "off"


HEADS = ("dataset", "prompt", "model", "protocol", "metric", "ours", "published", "difference",
          "verdict", "source", "what could explain it")  # fmt: skip
NAMES = 5

CAPTION = (
    f"Verdicts: reproduced, the published number lies in our 95 % interval (± {PRINTED:g} for "
    f"rounding), all of which is at most {CLOSE:g} points (or a fifth of a click) from it; "
    "undecided, it lies in the interval, but so do numbers farther away: more images would tell; "
    f"near, at most {NEAR:g} point (or a tenth of a click) from our mean; off, farther; none below "
    f"{VERDICT} images. A number of another protocol is expected to differ."
)


def section(lines: pd.DataFrame, titles: Mapping[str, Mapping[str, str]]) -> Section | None:
    """The published numbers of ``published_lines`` as a table; none where nothing was published.

    ``titles`` holds what ``dataset`` and ``model`` are called, name by name.
    """
    found = lines[lines["published"].notna()].reset_index(drop=True)
    if found.empty:
        return None
    shown = found.assign(choices=found["choices"].map(" ".join))
    titled = {kind: found[kind].map(lambda n, t=t: t.get(n, n)) for kind, t in titles.items()}
    rows = tuple(cells(found.assign(**titled)))
    return Section("published", "Published numbers", CAPTION, HEADS, rows, shown, names=NAMES)


def cells(lines: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """The rows with a published number as text, one cell under each head of the tables."""
    for line in lines[lines["published"].notna()].to_dict("records"):
        digits = MEASURES[line["metric"]].digits
        ours = _shown(line["ours"], digits)
        if pd.notna(line["low"]):
            ours += f" ({'–'.join(_shown(line[name], digits) for name in ('low', 'high'))})"
        yield (
            line["dataset"],
            line["prompt"],
            line["model"],
            line["protocol"],
            line["metric"],
            ours,
            f"{line['published']:g}",
            _signed(line["difference"], digits),
            line["verdict"] or DASH,
            ", ".join(filter(None, (line["source"], line["locator"]))),
            " ".join(line["choices"]),
        )


def _choices_of(headers: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The choices of every protocol that some run was made under."""
    parts = [header.get("protocol") or {} for header in headers.values()]
    return {str(part["name"]): part.get("args") or {} for part in parts if "name" in part}


def _numbers_for(
    line: Mapping[Any, Any], selection: Selection, table: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """The published numbers of a line's model, dataset and prompt, the same protocol's first."""
    if "clicks" in line:
        slug: str | None = f"points_{line['clicks']}"
    else:
        label = str(line["prompt"])
        step = selection.steps[label]
        called = step.slug if selection.of_masks else step.name
        slug = called if str(step) == label else None  # recorded clicks are in no paper's table
    answered = {
        (metric, measure.unit) for metric, measure in MEASURES.items() if measure.column in line
    }
    known = [pair in answered for pair in zip(table["metric"], table["unit"], strict=True)]
    fits = pd.Series(known, index=table.index) & (table["prompt"] == slug)
    for name in ("model", "dataset"):
        fits &= table[name] == line[name]
    same = table["protocol"] == line["protocol"]
    for part in (table[fits & same], table[fits & ~same]):
        yield from ({str(k): v for k, v in row.items()} for row in part.to_dict("records"))


def _row(
    line: Mapping[Any, Any],
    header: Mapping[str, Any],
    number: Mapping[str, Any] | None,
    protocols: Choices,
) -> dict[str, Any]:
    measure = MEASURES["miou" if number is None else number["metric"]]
    ours, low, high = (
        _scaled(line.get(f"{measure.column}{ending}"), measure.scale)
        for ending in ("", "_low", "_high")
    )
    own = {name: line.get(name) for name in ("dataset", "model", "protocol", "run")}
    own |= {"prompt": line.get("prompt") or f"{line.get('clicks')} clicks"}
    own |= {"ours": ours, "low": low, "high": high}
    if number is None:
        return own | dict.fromkeys(set(COLUMNS) - set(own)) | {"choices": ()}
    theirs = float(number["value"])
    return own | {
        "metric": number["metric"],
        "published": theirs,
        "difference": None if ours is None else ours - theirs,
        "verdict": None
        if ours is None or line["clusters"] < VERDICT
        else verdict(
            ours,
            low,
            high,
            theirs,
            near=measure.near,
            close=measure.close,
            printed=measure.printed,
        ),
        "same_protocol": number["protocol"] == line["protocol"],
        "published_protocol": number["protocol"],
        "choices": (
            *_detectors(header, number),
            *_explained(line, header, number["protocol"], protocols),
        ),
        **{name: number[name] for name in ("source", "locator", "how_read", "note")},
    }


def _detectors(header: Mapping[str, Any], number: Mapping[str, Any]) -> Iterator[str]:
    """Whose boxes were asked, of a published number that is of a detector's."""
    if not str(number["prompt"]).startswith("detector_box"):
        return
    theirs = re.findall(r"boxes of ([^,;]+)", str(number["note"]))  # a detector's own AP has none
    ours = str((header.get("prompt") or {}).get("name", ""))
    named = "a file of unnamed make" if ours in {"", "detector_box"} else ours
    if theirs:
        yield f"Their boxes are of {theirs[-1]}, ours of {named}."


def _explained(
    line: Mapping[Any, Any], header: Mapping[str, Any], theirs: str, protocols: Choices
) -> Iterable[str]:
    """What is known to differ between our run and the published one."""
    done, images = header.get("images_done"), header.get("images")
    if done is not None and images is not None and done < images:
        yield f"Only {done} of {images} images."
    if theirs == line["protocol"]:
        yield from _outdated(header.get("protocol") or {}, theirs)
        return
    if not theirs:
        yield "No protocol of the bench describes it."
        return
    ours = ((header.get("protocol") or {}).get("args")) or protocols.get(str(line["protocol"]))
    other = protocols.get(theirs)
    if not ours or not other:
        yield f"Protocol {theirs}, not {line['protocol']}."
        return
    differing = "; ".join(_differing(ours, other))
    yield f"Protocol {theirs}: {differing or 'the same choices'}."


def _outdated(ours: Mapping[str, Any], name: str) -> Iterator[str]:
    """What a run under another version of the protocol chose otherwise than the version here."""
    now = load_component("protocol", name)
    if "version" in ours and str(ours["version"]) != now.version:
        differing = "; ".join(_differing(ours.get("args") or {}, now.args))
        yield f"Version {ours['version']} of the protocol, now {now.version}: {differing}."


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """The choices in which two protocols differ, theirs first."""
    ours, theirs = all_choices(ours), all_choices(theirs)
    for choice in dict.fromkeys([*ours, *theirs]):
        if ours.get(choice) != theirs.get(choice):
            yield f"{choice} {theirs.get(choice, 'unset')}, not {ours.get(choice, 'unset')}"


def _scaled(value: Any, scale: float) -> float | None:
    return None if value is None or pd.isna(value) else scale * float(value)


def _shown(value: Any, digits: int) -> str:
    return DASH if value is None or pd.isna(value) else f"{value:.{digits}f}"


def _signed(value: Any, digits: int) -> str:
    """With its sign, a real minus; nothing rounds to a signed zero."""
    if value is None or pd.isna(value):
        return DASH
    rounded = round(float(value), digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"
