"""A check as one page: tables and pictures, no file beside it, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import __version__
from bench.report.check.dataset import Check
from bench.report.check.examples import RANDOM, WHOLE
from bench.report.check.facts import KINDS
from bench.report.check.tables import as_json, sections, sentences
from bench.report.pages.folder import PAGE, report_folder
from bench.report.pages.html import hex_colour, template
from bench.report.pictures import overlay
from bench.report.tables.section_text import spans, to_csv

_TITLES = {WHOLE: "whole images with all their masks", RANDOM: "masks drawn by lot", **KINDS}

_FACTS = ("what", "split", "licence", "gate", "citation", "homepage", "sure", "unknown")


def render(check: Check) -> str:
    """The page; every text from the data is escaped, only encoded pictures enter as they are."""
    about = check.dataset.about
    counts = {finding.what: finding.count for finding in check.findings}
    return template("check.html.jinja").render(
        title=f"Check of {about.get('title') or check.dataset.name}",
        holds=check.holds,
        sentences=sentences(check),
        sections=sections(check),
        groups=[
            (group, _TITLES[group], counts.get(_TITLES[group]), examples)
            for group, examples in check.examples.items()
        ],
        whole=WHOLE,
        facts=_facts(check),
        spans=spans,
        picture_uri=overlay.picture_uri,
        colours={n: hex_colour(getattr(overlay, n)) for n in ("TARGET", "PREDICTION")},
        version=__version__,
    )


def write_check(check: Check, out: Path) -> Path:
    """Writes ``index.html``, ``report.json`` and a CSV per table into ``out``; gives the page."""
    with report_folder(out) as folder:
        for section in sections(check):
            folder.write(f"{section.name}.csv", to_csv(section))
        folder.write(PAGE, render(check))
        folder.publish(as_json(check))
    return out / PAGE


def _facts(check: Check) -> dict[str, Any]:
    part = check.dataset
    facts: dict[str, Any] = {
        "dataset": f"{part.name}, version {part.version}",
        "reader": part.target,
        "arguments": ", ".join(f"{name}={value}" for name, value in part.args.items()),
        "fingerprint": check.fingerprint,
        **{name: part.about.get(name) for name in _FACTS},
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}
