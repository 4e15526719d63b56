"""The rows of runs as a dataset of the Hub: Parquet by task, the runs' cards, a dataset card.

::

    README.md                     the dataset card, with which files are which (``configs``)
    data/<task>/<run>.parquet     every row of a run, whatever step
    cards/<run>.json              what the numbers follow from, see ``bench.store.cards``

Nothing is uploaded. Rows hold ids of images and masks, the prompts and the predicted masks; no
picture.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.analysis.overview.cards import card_of
from bench.analysis.overview.headline import headline
from bench.analysis.section import Section
from bench.analysis.selection import none_scored
from bench.analysis.wording.notes import part
from bench.analysis.wording.words import DASH
from bench.report.hub.folder import json_text, slug, yaml_text
from bench.report.tables.formats import escape_markdown
from bench.report.tables.section_text import to_markdown
from bench.store.cards import card_bytes
from bench.store.runs import RunStore, read_rows
from bench.types import BenchError

OWN = ("README.md", "data/*/*.parquet", "cards/*.json")
"""What is written, as globs."""

SPLIT = "test"
"""What the Hub calls the part of a dataset that is evaluated on."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A run: its header, its rows as they are written, what leads, and its number in words."""

    store: RunStore
    header: Mapping[str, Any]
    rows: pa.Table
    leads: str
    said: str

    @property
    def name(self) -> str:
        return str(self.store.folder.name)

    def of(self, kind: str, key: str = "name") -> str:
        """A word of the header's component."""
        return str(part(self.header, kind).get(key, ""))


def row_files(
    stores: Sequence[RunStore], repository: str, licence: str | None = None
) -> dict[str, bytes]:
    """The files by their paths; ``repository`` is what the dataset will be called, OWNER/NAME.

    ``licence`` is an identifier of the Hub's, such as ``cc-by-4.0``; without it the card says
    ``other``. Raises ``BenchError`` for an unfinished or damaged run, and one without a row.
    """
    runs, files = [], {}
    for store in stores:
        files[f"cards/{store.folder.name}.json"] = card_bytes(card_of(store))
        rows, found = read_rows(store), headline(store)
        header = store.header()
        if not len(rows) or found is None:
            raise BenchError(none_scored(store, header))
        runs.append(
            _Run(store, header, plain(rows, store.folder.name), found.measure.name, found.said)
        )
    tasks: dict[str, list[_Run]] = {}
    for run in runs:
        tasks.setdefault(slug(run.of("task") or "rows"), []).append(run)
    schemas = {}
    for task, several in tasks.items():
        schemas[task] = _schema([run.rows.schema for run in several])
        for run in several:
            files[f"data/{task}/{run.name}.parquet"] = _parquet(run.rows, schemas[task])
    files["README.md"] = _card(tasks, schemas, repository, licence).encode()
    return files


def plain(rows: pa.Table, run: str) -> pa.Table:
    """The rows in types that every reader of Parquet knows, the ``run`` in front.

    What maps a text to a value (``attributes``) becomes JSON, its keys sorted.
    """
    columns: dict[str, pa.Array | pa.ChunkedArray] = {"run": pa.array([run] * len(rows))}
    for name in rows.column_names:
        column = rows[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_map(column.type):
            texts = [None if each is None else json_text(dict(each)) for each in column.to_pylist()]
            column = pa.array(texts, pa.string())
        columns[name] = column
    return pa.table(columns)


def _schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of all runs of a task: a metric that one has is null in the others."""
    return pa.unify_schemas([each.remove_metadata() for each in schemas])


def _parquet(rows: pa.Table, schema: pa.Schema) -> bytes:
    lacking = {
        f.name: pa.nulls(len(rows), f.type) for f in schema if f.name not in rows.schema.names
    }
    for name, nulls in lacking.items():
        rows = rows.append_column(name, nulls)
    sink = io.BytesIO()
    pq.write_table(rows.select(schema.names).cast(schema), sink)
    return sink.getvalue()


def _card(
    tasks: Mapping[str, Sequence[_Run]],
    schemas: Mapping[str, pa.Schema],
    repository: str,
    licence: str | None,
) -> str:
    runs = [run for several in tasks.values() for run in several]
    pipelines = {
        str(about["pipeline"])
        for run in runs
        if (about := part(run.header, "task").get("about") or {}).get("pipeline")
    }
    head = {
        "license": licence or "other",
        "pretty_name": f"sam-bench: {_count(runs, 'model')} on {_count(runs, 'dataset')}",
        **({"task_categories": sorted(pipelines)} if pipelines else {}),
        "tags": ["sam-bench", "evaluation", "segmentation"],
        "configs": [
            {
                "config_name": task,
                "data_files": [{"split": SPLIT, "path": f"data/{task}/*.parquet"}],
                **({"default": True} if not at else {}),
            }
            for at, task in enumerate(tasks)
        ],
    }
    first = next(iter(tasks))
    parts = [
        f"---\n{yaml_text(head)}---",
        f"# Rows of {_count(runs, 'model')} on {_count(runs, 'dataset')}",
        "Every row that sam-bench wrote: for each mask and each step the prompt, the predicted "
        "mask (COCO run lengths) and its scores. Every mean in a table is a mean over these rows. "
        "No picture is in here; `cards/` has the identity of each run and the sums that its "
        "numbers follow from.",
        to_markdown(_runs(runs)).strip(),
        "```python\n"
        "from datasets import load_dataset\n\n"
        f'rows = load_dataset("{repository}", "{first}", split="{SPLIT}").to_pandas()\n'
        f'rows.groupby(["run", "step"])["{tasks[first][0].leads}"].mean()\n'
        "```",
        "Ids, points (x, y) and boxes (x0, y0, x1, y1; both corners included) are those of the "
        "dataset's own images; a later click's row is there only where an error was left to click "
        "on.",
        *(
            f"## Columns of `{task}`\n\n{to_markdown(_columns(task, schema)).strip()}"
            for task, schema in schemas.items()
        ),
        f"## Licences\n\n{_licences(runs)}",
    ]
    return "\n\n".join(parts) + "\n"


def _count(runs: Sequence[_Run], kind: str) -> str:
    names = sorted({run.of(kind) for run in runs})
    return names[0] if len(names) == 1 else f"{len(names)} {kind}s"


def _runs(runs: Sequence[_Run]) -> Section:
    heads = ("run", "dataset", "model", "prompt", "protocol", "rows", "number")
    rows = [
        (
            run.name, run.of("dataset"), run.of("model"), run.of("prompt") or DASH,
            f"{run.of('protocol')} v{run.of('protocol', 'version')}", f"{len(run.rows):,}",
            run.said,
        )
        for run in runs
    ]  # fmt: skip
    note = "The number is that of the last reported step, as the run's protocol averages."
    return Section("runs", "", note, heads, tuple(rows), pd.DataFrame(), names=5)


def _columns(task: str, schema: pa.Schema) -> Section:
    rows = tuple((field.name, str(field.type)) for field in schema)
    note = "Shares lie in 0 to 1; null where a column doesn't apply."
    return Section(task, "", note, ("column", "type"), rows, pd.DataFrame())


def _licences(runs: Sequence[_Run]) -> str:
    """What is known of the licence of each dataset and model."""
    lines: dict[str, None] = {}
    for run in runs:
        for kind in ("dataset", "model"):
            about = part(run.header, kind).get("about") or {}
            said = about.get("licence") or about.get("license") or "not said"
            lines[f"- {kind} {escape_markdown(run.of(kind))}: {escape_markdown(str(said))}"] = None
    return "\n".join(lines)
