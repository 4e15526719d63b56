"""Writes a report's files: all of them aside first, then each moved to its place."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bench
from bench.report import Report, formats, html, style
from bench.report.compare import Difference, answer, differences
from bench.report.figures import figures
from bench.report.gallery import Group, gallery
from bench.report.selection import Selection, part, select
from bench.report.table import Table, miou_table
from bench.store import RunStore
from bench.types import BenchError, Sample

REPORT_VERSION = 1


def write(
    stores: Sequence[RunStore],
    out: Path,
    *,
    read_sample: Callable[[RunStore, str], Sample] | None,
    allow_partial: bool,
    samples: int,
) -> Report:
    """What ``bench.report.write_report`` promises."""
    selection = select(stores, allow_partial=allow_partial)
    table = miou_table(selection, allow_partial=allow_partial, samples=samples)
    compared = differences(selection, table, samples=samples)
    sentences = answer(selection, table, compared, samples=samples)
    groups = None if read_sample is None else gallery(selection, read_sample)
    drawings = figures(selection, table, compared)
    aside = out.parent / f".{out.name}.{uuid.uuid4().hex}"
    try:
        (aside / "figures").mkdir(parents=True)
        plates = []
        for drawing in drawings:
            style.save(drawing.figure, aside / "figures", drawing.name)
            svg = (aside / "figures" / f"{drawing.name}.svg").read_text(encoding="utf-8")
            plates.append(html.Plate(drawing.name, drawing.title, drawing.alt, svg))
        page = html.render(
            title=title(table),
            answer=sentences,
            table=table,
            selection=selection,
            plates=plates,
            groups=groups,
            version=bench.__version__,
        )
        texts = {
            "table.csv": formats.to_csv(table),
            "table.md": formats.to_markdown(table),
            "table.tex": formats.to_latex(table),
            "index.html": page,
        }
        for name, text in texts.items():
            (aside / name).write_text(text, encoding="utf-8", newline="\n")
        names = sorted([*(p.relative_to(aside).as_posix() for p in _files(aside)), "report.json"])
        content = _json(table, sentences, selection, compared, groups) | {"files": names}
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (aside / "report.json").write_text(text, encoding="utf-8", newline="\n")
        _publish(aside, out, names)
    except OSError as error:
        raise BenchError(f"{out}: the report can't be written ({error})") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    files = tuple(out / name for name in names)
    return Report(out, out / "index.html", files, table, tuple(sentences))


def title(table: Table) -> str:
    """The page's heading: the datasets, or how many there are."""
    names = sorted(table.datasets.values())
    if len(names) > 3:
        return f"Zero-shot segmentation on {len(names)} datasets"
    return "Zero-shot segmentation on " + " and ".join(
        [", ".join(names[:-1]), names[-1]] if len(names) > 1 else names
    )


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _publish(aside: Path, out: Path, names: Sequence[str]) -> None:
    """Moves the files to their places, the page last; removes what an earlier report left over."""
    before = _written_before(out)
    (out / "figures").mkdir(parents=True, exist_ok=True)
    for name in sorted(names, key=lambda name: (name == "index.html", name)):
        (aside / name).replace(out / name)
    for name in before - set(names):
        stale = (out / name).resolve()
        if stale.is_relative_to(out.resolve()):
            stale.unlink(missing_ok=True)


def _written_before(out: Path) -> set[str]:
    try:
        files = json.loads((out / "report.json").read_text(encoding="utf-8"))["files"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in files if isinstance(name, str)} if isinstance(files, list) else set()


_RUN = ("key", "name", "seed", "task", "status", "images", "images_done", "images_failed", "masks",
        "skipped", "dataset_fingerprint", "versions", "git", "device", "facts")  # fmt: skip


def _json(
    table: Table,
    sentences: Sequence[str],
    selection: Selection,
    compared: Sequence[Difference],
    groups: Sequence[Group] | None,
) -> dict[str, Any]:
    """The report for machines: nothing in it depends on when it was written."""
    return {
        "report_version": REPORT_VERSION,
        "bench": bench.__version__,
        "title": title(table),
        "answer": list(sentences),
        "caption": table.caption,
        "lines": _records(table.lines),
        "differences": [
            {
                "a": [*found.a.series, found.a.label],
                "b": [*found.b.series, found.b.label],
                "left_out": found.left_out,
                "datasets": _records(found.datasets),
            }
            for found in compared
        ],
        "runs": {name: _run(header) for name, header in sorted(selection.headers.items())},
        "gallery": None if groups is None else [_gallery(group) for group in groups],
    }


def _run(header: Mapping[str, Any]) -> dict[str, Any]:
    kinds = ("dataset", "model", "prompt", "protocol")
    return {kind: dict(part(header, kind)) for kind in kinds} | {
        name: header[name] for name in _RUN if name in header
    }


def _gallery(group: Group) -> dict[str, Any]:
    return {
        "dataset": group.dataset,
        "model": group.model,
        "protocol": group.protocol,
        "prompt": group.label,
        "masks": {rank: [p.mask_id for p in shown] for rank, shown in group.pictures.items()},
        "notes": list(group.notes),
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values, null where a number is missing."""
    return [
        {str(k): _plain(value) for k, value in record.items()}
        for record in frame.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    if value is None or pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
