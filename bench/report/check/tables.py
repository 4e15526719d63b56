"""What a check found, as tables, as sentences and as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from bench.analysis.section import Section
from bench.data.doubts import sentences as doubts_in_words
from bench.report.check.dataset import Check, area_quantiles

_MOST = 12
"""The most lines of sizes, categories and unreadable files that a table shows."""

_WIDE = 60
"""About the most characters of examples in a line."""

_TURNS: Mapping[int, str] = {
    1: "upright",
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored and turned by 180°",
    5: "mirrored and turned by 90°",
    6: "to be turned clockwise by 90°",
    7: "mirrored and turned by 270°",
    8: "to be turned counter-clockwise by 90°",
}


def sentences(check: Check) -> list[str]:
    """What the check comes to."""
    name = check.dataset.name
    crowds = f" ({check.crowds:,} of them crowds)" if check.crowds else ""
    said = [f"{name}: {check.masks:,} masks{crowds} in {check.read:,} of {check.images:,} images."]
    compared = [e for e in check.expectations if e.verdict != "not compared"]
    said += [
        f"{each.expected:,} {each.what} are expected, {each.found:,} found."
        for each in compared
        if each.verdict == "differs"
    ]
    if compared and all(e.verdict == "as expected" for e in compared):
        said.append(f"As many {' and '.join(e.what for e in compared)} as expected.")
    if not check.expectations:
        said.append("Its YAML expects no exact counts.")
    if count := len(check.unreadable):
        said.append(f"{count:,} image{'s' * (count > 1)} can't be read.")
    if check.read + count < check.images:
        said.append(f"Only the first {check.read + count:,} were looked at (runtime.limit).")
    turned = sum(n for turn, n in check.orientations.items() if turn != 1)
    if turned and check.dataset.args.get("exif") == "apply":
        said.append(
            f"{turned:,} picture{'s have' if turned > 1 else ' has'} an EXIF orientation, and "
            f"exif: apply turns {'them' if turned > 1 else 'it'}."
        )
    return [*said, *doubts_in_words(check.doubts)]


def sections(check: Check) -> list[Section]:
    """The tables, those that say something."""
    return [section for section in _all_sections(check) if section.rows]


def as_json(check: Check) -> dict[str, Any]:
    """Everything but the pictures, as plain values."""
    return {
        "dataset": asdict(check.dataset),
        "holds": check.holds,
        "sentences": sentences(check),
        "fingerprint": check.fingerprint,
        "images": check.images,
        "images_read": check.read,
        "masks": check.masks,
        "crowds": check.crowds,
        "expectations": [asdict(e) | {"verdict": e.verdict} for e in check.expectations],
        "unreadable": [asdict(error) for error in check.unreadable],
        "findings": [asdict(finding) for finding in check.findings],
        "oddities": [asdict(oddity) for oddity in check.oddities],
        "sizes": [{"height": h, "width": w, "images": n} for (h, w), n in check.shapes.items()],
        "areas": area_quantiles(check),
        "categories": dict(check.categories),
        "picture_files": dict(check.kinds),
        "exif_orientations": {str(turn): n for turn, n in check.orientations.items()},
    }


def _all_sections(check: Check) -> Iterable[Section]:
    about = check.dataset.about
    paper = about.get("paper") or {}
    found = {"images": check.images, "masks": check.masks}
    exact = {each.what: each for each in check.expectations}
    yield _section(
        "counts",
        "Counts",
        f"Fingerprint {check.fingerprint}. Masks are those with a pixel at least, crowds among "
        f"them.{' The paper may have drawn a part of the images.' if paper else ''}",
        ("what", "found", "expected", "paper", "verdict"),
        [
            (
                what,
                number,
                exact[what].expected if what in exact else None,
                paper.get(what),
                exact[what].verdict if what in exact else None,
            )
            for what, number in found.items()
        ],
    )
    yield _section(
        "unreadable",
        "Images that can't be read",
        _shown(len(check.unreadable)),
        ("image", "why"),
        [(error.image_id, error.reason) for error in check.unreadable[:_MOST]],
        names=2,
    )
    yield _section(
        "findings",
        "Findings",
        "Empty masks and crowds count or not as the protocol says; the others all count.",
        ("what", "such as", "count"),
        [(f.what, _few(f.examples), f.count) for f in check.findings],
        names=2,
    )
    yield _section(
        "oddities",
        "Oddities of the files",
        "What was met in annotations, names of files, and files that hold more than is read.",
        ("what", "such as", "spoils the image", "count"),
        [(o.kind, _few(o.examples), "yes" * o.breaks, o.count) for o in check.oddities],
        names=3,
    )
    yield _section(
        "sizes",
        "Sizes of images",
        _shown(len(check.shapes)),
        ("height × width", "images"),
        [(f"{h}×{w}", n) for (h, w), n in list(check.shapes.items())[:_MOST]],
    )
    yield _section(
        "areas",
        "Areas of masks",
        "In pixels; the masks in between are sorted by their area.",
        ("mask", "pixels"),
        list(area_quantiles(check).items()),
    )
    yield _section(
        "categories",
        "Categories",
        _shown(len(check.categories)),
        ("category", "masks"),
        list(check.categories.items())[:_MOST],
    )
    yield _section(
        "files",
        "Picture files",
        "How the files store their pixels, before they become 8-bit RGB.",
        ("format and mode", "images"),
        list(check.kinds.items()),
    )
    turned = {turn: n for turn, n in check.orientations.items() if turn != 1}
    yield _section(
        "orientations",
        "EXIF orientations",
        f"exif: {check.dataset.args.get('exif', 'ignore')}",
        ("orientation", "images"),
        [(f"{turn}, {_TURNS[turn]}", n) for turn, n in turned.items()],
    )


def _section(
    name: str,
    title: str,
    note: str,
    heads: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    names: int = 1,
) -> Section:
    lines = pd.DataFrame(list(rows), columns=list(heads))
    texts = tuple(tuple(_text(cell) for cell in row) for row in rows)
    return Section(name, title, note, tuple(heads), texts, lines, names)


def _text(cell: Any) -> str:
    if cell is None:
        return "–"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def _few(examples: Sequence[str]) -> str:
    """The first examples that fit into a line, one at least."""
    few = ", ".join(examples[:1])
    for example in examples[1:3]:
        if len(few) + len(example) > _WIDE:
            break
        few += f", {example}"
    return few


def _shown(number: int) -> str:
    return f"{_MOST} of {number:,} are shown; report.json has all." if number > _MOST else ""
