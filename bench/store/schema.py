"""The columns of a row on disk, one fixed schema for every run, and its version."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 2
"""Raised whenever an older release would misread what this one writes.

2: a part may stand for several earlier ones (``bench.replaces``), and the name of a part holds the
hash of its bytes. The columns are those of 1.
"""

READABLE = (1, 2)
"""The versions of parts that this release reads; a run may hold several."""

VERSION_KEY = b"bench.schema_version"

SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("image_id", pa.string()),
        ("mask_id", pa.string()),
        ("category", pa.string()),
        ("attributes", pa.map_(pa.string(), pa.string())),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("area", pa.int64()),
        ("model", pa.string()),
        ("prompt", pa.string()),
        ("protocol", pa.string()),
        ("step", pa.int16()),
        ("n_points", pa.int16()),
        ("point_coords", pa.list_(pa.list_(pa.float32(), 2))),
        ("point_labels", pa.list_(pa.int8())),
        ("box", pa.list_(pa.float32())),
        ("iou", pa.float64()),
        ("iou_oracle", pa.float64()),
        ("ious", pa.list_(pa.float64())),
        ("predicted_ious", pa.list_(pa.float32())),
        ("selected", pa.int8()),
        ("multimask", pa.bool_()),
        ("boundary_iou", pa.float64()),
        ("mask_rle", pa.string()),
    ],
    metadata={VERSION_KEY: str(SCHEMA_VERSION)},
)
