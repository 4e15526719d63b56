"""The report as one page: no file beside it, no network."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from bench.analysis.section import Section
from bench.analysis.selection import Selection, part
from bench.analysis.table import Table
from bench.analysis.wording.words import MARK, points
from bench.files.text import visible
from bench.report.figures import style
from bench.report.figures.spots import Place
from bench.report.masks.addresses import mask_address
from bench.report.pictures import overlay
from bench.report.pictures.gallery import RANKS, Group
from bench.report.tables.formats import Cells, cells
from bench.report.tables.section_text import spans


@dataclass(frozen=True, slots=True)
class Plate:
    """A figure on the page: its SVG text, heading, alternative text, and what opens masks.

    ``files`` are those that it is written as, by their paths in the report's folder.
    """

    name: str
    title: str
    alt: str
    svg: str
    places: tuple[Place, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """The files as a caption names them, such as ``figures/points.pdf, .svg``."""
        first, *rest = self.files or ("",)
        return ", ".join([first, *(f".{name.rpartition('.')[2]}" for name in rest)])


def render(
    *,
    title: str,
    answer: Sequence[str],
    table: Table,
    selection: Selection,
    plates: Sequence[Plate],
    groups: Sequence[Group] | None,
    version: str,
    masks: Mapping[str, Any] | None,
    sections: Sequence[Section] = (),
) -> str:
    """The whole page. ``groups`` is none where no pictures were asked for.

    ``masks`` is what ``bench.report.masks.page`` gives, none where rows are no masks.

    Every text from data is escaped; only figures and encoded pictures enter as they are.
    """
    return template("index.html.jinja").render(
        title=title,
        answer=_unbroken(answer),
        caption=_unbroken([table.caption, *_identity(selection)]),
        lines=[_Line(line, values) for line, values in _lines(table)],
        track=_track(table),
        intervals=table.lines[f"{table.leads.mean}_low"].notna().any(),
        mark=MARK,
        leads=table.leads,
        items=table.items,
        further_measures=table.further,
        several_protocols=table.lines["protocol"].nunique() > 1,
        plates=[(plate, inline(plate)) for plate in plates],
        datasets=_by_dataset(groups or [], table),
        pictures=groups is not None,
        ranks=RANKS,
        runs=[_run(name, header) for name, header in sorted(selection.headers.items())],
        points=points,
        picture_uri=overlay.picture_uri,
        colours={name: hex_colour(getattr(overlay, name)) for name in _LEGEND},
        sections=sections,
        spans=spans,
        masks=masks,
        mask_address=mask_address,
        mask_scripts=MASK_SCRIPTS,
        version=version,
    )


def template(name: str, *, served: bool = False) -> jinja2.Template:
    """A page's template; every text that enters it is escaped, and steers nothing.

    It has ``script`` and ``policy`` of the names of our own scripts: their text, and the policy by
    which a browser runs these and nothing else in the page, and loads nothing from anywhere; with
    ``files`` our scripts may fetch further ones, which hold pictures. A page that is ``served``
    loads pictures from its server, and may send it a form.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def script(*names: str) -> Markup:
        return Markup("\n".join(environment.get_template(name).render() for name in names))

    def policy(*names: str, files: object = None) -> str:
        digest = hashlib.sha256(script(*names).encode()).digest()
        rules = _SERVED if served else _POLICY
        own = f"'sha256-{base64.b64encode(digest).decode()}'" + " 'strict-dynamic'" * bool(files)
        return "; ".join([*rules, f"script-src {own}"])

    environment.globals.update(script=script, policy=policy)
    return environment.get_template(name)


MASK_SCRIPTS = ("theme.js", "tables.js", "masks_model.js", "masks_list.js", "masks_one.js")
"""The scripts of a page with masks."""


def _shown(value: Any) -> Any:
    """What is written of a value: a text with what steers written out, all else as it is."""
    return visible(value) if type(value) is str else value


_POLICY = (
    "default-src 'none'",
    "img-src data:",
    "style-src 'unsafe-inline'",  # figures and tables have styles of their own
    "base-uri 'none'",
    "form-action 'none'",
)
_SERVED = (
    "default-src 'none'",
    "img-src 'self' data:",
    "style-src 'unsafe-inline'",
    "base-uri 'none'",
    "form-action 'self'",
)


_LEGEND = ("TARGET", "PREDICTION", "POSITIVE", "NEGATIVE")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the table and the numbers that it is sorted by."""

    cells: Cells
    values: Mapping[str, Any]


def _lines(table: Table) -> Iterable[tuple[Cells, Mapping[str, Any]]]:
    records = table.lines.astype(object).where(table.lines.notna(), None).to_dict("records")
    pairs = zip(cells(table), records, strict=True)
    means_first = sorted(pairs, key=lambda pair: not pair[0].mean)
    for order, (line, record) in enumerate(means_first):
        yield line, {str(k): v for k, v in record.items()} | {"order": order}


def _track(table: Table) -> tuple[float, float]:
    """Where the drawn intervals start and how long they can be: whole tenths of a power of ten."""
    mean = table.leads.mean
    bounds = table.lines[[mean, f"{mean}_low", f"{mean}_high"]].astype(float)
    smallest, largest = float(bounds.min(axis=None)), float(bounds.max(axis=None))
    reach = max(abs(smallest), abs(largest), 1e-12)
    unit = 10.0 ** (math.ceil(math.log10(reach)) - 1) if reach > 1 else 0.1
    low, high = math.floor(smallest / unit) * unit, math.ceil(largest / unit) * unit
    return low, max(high - low, unit)


def _unbroken(sentences: Iterable[str]) -> str:
    """The sentences in one paragraph, no line break before a percent sign."""
    return " ".join(sentences).replace(" %", "\u00a0%")


def hex_colour(colour: tuple[int, int, int]) -> str:
    """A colour as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def inline(plate: Plate) -> Markup:
    """A figure as it stands in a page: our own SVG, no text of it is data unescaped.

    Its places are links over it, for a pointer; the filters of the list reach the same by keys.
    """
    svg = inline_svg(plate.svg, plate.name)
    links = Markup("").join(
        Markup(
            '<a href="{}" tabindex="-1"><title>{}</title>'
            '<rect x="{}" y="{}" width="{}" height="{}"/></a>'
        ).format(p.address, visible(p.said), p.x, p.y, p.width, p.height)
        for p in plate.places
    )
    end = svg.rindex("</svg>")
    group = f'<g class="spots">{links}</g>' if plate.places else ""
    return Markup(svg[:end] + group + svg[end:])


def inline_svg(text: str, name: str) -> str:
    """A saved SVG as it stands in a page: its ids made its own, its ink the page's.

    The fixed size becomes the largest size, so that it shrinks with the page.
    """
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    size = re.search(r'<svg[^>]*?width="([\d.]+)pt"', svg)
    width = round(float(size.group(1)) * _LARGER) if size else 800
    head = svg[: svg.index(">") + 1]
    plain = re.sub(r'\s(?:width|height|version)="[^"]*"', "", head)
    size_style = f"max-width:{width}px;min-width:min({width}px,34rem)"
    attributes = f'aria-hidden="true" focusable="false" style="{size_style}"'
    plain = plain.replace("<svg", f"<svg {attributes}", 1)
    svg = plain + svg[len(head) :]
    for colour, variable in _INKS.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg


_LARGER = 4 / 3 * 1.2
"""From points to CSS pixels, and a fifth more: a page is read from farther than paper."""

_INKS = {
    style.INK: "--ink",
    style.MUTED: "--muted",
    style.RULE: "--rule",
    style.PALETTE[0]: "--blue",
    style.PALETTE[1]: "--orange",
}


def _identity(selection: Selection) -> list[str]:
    """Versions of datasets, models and protocols, and the counts behind the table."""
    rows = selection.rows
    sentences = []
    for kind in ("dataset", "model", "protocol"):
        named: dict[str, None] = {}
        for run, names in rows.groupby("run")[kind].unique().items():
            version = part(selection.headers[str(run)], kind).get("version")
            named |= {str(n) if version is None else f"{n} v{version}": None for n in names}
        sentences.append(f"{kind.capitalize()}{'s' * (len(named) > 1)}: {', '.join(named)}.")
    images = len(rows[["dataset", "image_id"]].drop_duplicates())
    items = len(rows[["dataset", "image_id", "mask_id"]].drop_duplicates())
    what = "masks" if selection.of_masks else "items"
    runs = len(selection.stores)
    sentences.append(f"{items:,} {what} in {images:,} images, from {runs} run{'s' * (runs > 1)}.")
    return sentences


def _by_dataset(
    groups: Sequence[Group], table: Table
) -> list[tuple[str, list[tuple[str, str, Group]]]]:
    """Dataset title → (prompt label, series) → group, as they come."""
    return [
        (
            table.datasets[dataset],
            [(g.label, table.series(g.model, g.protocol), g) for g in found],
        )
        for dataset, found in groupby(groups, key=lambda group: group.dataset)
    ]


_PHASES = ("load", "wait", "cache", "embed", "prompt", "predict", "score", "write")
"""One after the other; pictures are read beside them, and ``wait`` is what that costs."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What the page says of where a run comes from."""

    name: str
    facts: Mapping[str, str]
    versions: Mapping[str, str]
    phases: Sequence[tuple[str, float, float]]
    total: float | None


def _run(name: str, header: Mapping[str, Any]) -> _Run:
    seconds = {str(k): float(v) for k, v in (header.get("seconds") or {}).items()}
    known = [(p, seconds[p]) for p in _PHASES if seconds.get(p)]
    busy = sum(value for _, value in known)
    return _Run(
        name=name,
        facts={k: str(v) for k, v in _facts(header).items() if v not in (None, "", {})},
        versions={str(k): str(v) for k, v in (header.get("versions") or {}).items()},
        phases=[(phase, value, 100 * value / busy) for phase, value in known],
        total=seconds.get("total"),
    )


def _facts(header: Mapping[str, Any]) -> dict[str, Any]:
    git = header.get("git") or {}
    commit = str(git.get("commit") or "")[:12]
    facts: dict[str, Any] = {
        "key": header.get("key"),
        "seed": header.get("seed"),
        "status": header.get("status"),
        "images": _progress(header),
        "masks": header.get("masks"),
        "commit": f"{commit}, with uncommitted changes" if git.get("dirty") else commit,
        "device": header.get("device"),
        "data fingerprint": header.get("dataset_fingerprint"),
        "finished": header.get("finished"),
        "seconds of reading, in threads": (header.get("seconds") or {}).get("read"),
    }
    for kind in ("dataset", "model", "prompt", "protocol"):
        found = part(header, kind)
        about = found.get("about") or {}
        args = ", ".join(f"{k}={v}" for k, v in (found.get("args") or {}).items())
        named = " ".join(str(v) for v in (found.get("name"), found.get("version")) if v is not None)
        facts[kind] = f"{named} ({args})" if args else named
        facts |= {f"{kind} {k}": v for k, v in about.items() if k in _SOURCES}
    return facts | {str(k).replace("_", " "): v for k, v in (header.get("facts") or {}).items()}


_SOURCES = ("source", "licence", "license", "citation", "cite")


def _progress(header: Mapping[str, Any]) -> str | None:
    """How many images a run has, none where it doesn't say.

    >>> _progress({"images": 3, "images_done": 2, "images_failed": 1}), _progress({"images": 3})
    ('2 of 3, 1 failed', '3 of 3')
    >>> _progress({}), _progress({"images": float("nan")})
    (None, None)
    """
    images = header.get("images")
    if images is None or pd.isna(images):
        return None
    failed = header.get("images_failed") or 0
    return f"{header.get('images_done', images)} of {images}" + (
        f", {failed} failed" * bool(failed)
    )
