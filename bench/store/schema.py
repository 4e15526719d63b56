"""The columns of rows on disk, derived from the rows' classes, and the version of the whole."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

from bench.types import MaskRow, Measure, Row

SCHEMA_VERSION = 4
"""Raised whenever an older release would misread what this one writes.

2: a part may stand for several earlier ones (``bench.replaces``), and the name of a part holds the
hash of its bytes. 3: rows of other tasks than masks, a column per metric, cues of other kinds, and
in a part's account what its task counted. 4: the account says whose part it is, and what its images
were read from; a row what its image belongs to (``cluster``), without which intervals would take
the frames of a video for independent. What an earlier version calls by a name, the later ones call
so too.
"""

READABLE = (1, 2, 3, 4)
"""The versions of parts that this release reads; a run may hold several."""

VERSION_KEY = b"bench.schema_version"

_NAMED: Mapping[str, pa.DataType] = {
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "list<int8>": pa.list_(pa.int8()),
    "list<int64>": pa.list_(pa.int64()),
    "list<float32>": pa.list_(pa.float32()),
    "list<float64>": pa.list_(pa.float64()),
    "list<string>": pa.list_(pa.string()),
    "list<list<float32>[2]>": pa.list_(pa.list_(pa.float32(), 2)),
    "map<string, string>": pa.map_(pa.string(), pa.string()),
    "map<string, float64>": pa.map_(pa.string(), pa.float64()),
}
"""The types that a row's field may name, as ``Annotated[int, "int16"]``."""

_PLAIN: Mapping[Any, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}


def schema_of(row: type[Row], metrics: Iterable[str] = ()) -> pa.Schema:
    """The columns of a class of rows, and of the metrics that they hold.

    Raises ``TypeError`` for a field whose type has no column.
    """
    hints = get_type_hints(row, include_extras=True)
    names = [each.name for each in dataclasses.fields(row) if each.name != "metrics"]
    own = [(name, _arrow(name, hints[name])) for name in names]
    return pa.schema(
        [*own, *((name, pa.float64()) for name in metrics)],
        metadata={VERSION_KEY: str(SCHEMA_VERSION)},
    )


def _arrow(name: str, hint: Any) -> pa.DataType:
    if get_origin(hint) is Annotated:
        _, *notes = get_args(hint)
        named = [_NAMED[note] for note in notes if note in _NAMED]
        if named:
            return named[0]
    elif hint in _PLAIN:
        return _PLAIN[hint]
    elif get_origin(hint) in (Union, types.UnionType):
        inner = [each for each in get_args(hint) if each is not type(None)]
        if len(inner) == 1:
            return _arrow(name, inner[0])
    raise TypeError(f"no column holds the field {name!r}: {hint}; name one of {', '.join(_NAMED)}")


SCHEMA = schema_of(MaskRow, ["boundary_iou"])
"""What a run of prompted masks holds, unless other metrics were asked for."""

COLUMNS: Mapping[str, pa.DataType] = {field.name: field.type for field in SCHEMA}
"""The types of columns that a part may lack, being older, or of another task."""

SHOWN = frozenset({
    "run", "label", "carried", "has_box", "predicted_iou", "group", "measure", "order",
    "datasets", "masks", "images", "clusters", "effective", "largest", "few", "few_images",
    "over_images", "delta", "low", "high", "delta_images", "delta_images_low", "delta_images_high",
    "p", "p_holm", "win_rate", "win_low", "win_high", "images_needed", "left_out",
})  # fmt: skip
"""Columns that reports and comparisons put beside those of rows."""


def taken_columns(row: type[Row], measures: Iterable[Measure]) -> frozenset[str]:
    """What no metric may be called: the columns of a class of rows, and those made of them.

    ``measures`` are those that the rows have whatever metrics are asked for.
    """
    means = [f"{m.mean}{over}" for m in measures for over in ("", "_images")]
    own = [f"{mean}{end}" for mean in means for end in ("", "_low", "_high")]
    return SHOWN.union(schema_of(row).names, (m.name for m in measures), own)
