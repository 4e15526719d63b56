"""What a column of numbers means in tables: its name, its unit, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np

Unit: TypeAlias = Literal["points", "share", "pixels", "plain"]
"""``points`` are shares shown ×100; ``share`` counts masks and is shown in per cent."""

_SCALES: Mapping[str, float] = {"points": 100.0, "share": 100.0}


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of rows, and how its mean is shown.

    ``name`` is the column's; ``mean`` that of its mean in tables' files (``miou`` for ``iou``);
    ``title`` what tables call it. ``digits`` are shown behind the point. ``definition`` says what
    is measured and where that was published.

    >>> iou = Measure("iou", "miou", "mIoU")
    >>> iou.shown(0.61349), iou.signed(-0.031), iou.signed(-0.0001), iou.shown(None)
    ('61.3', '−3.1', '0.0', '–')
    """

    name: str
    mean: str
    title: str
    unit: Unit = "points"
    better: Literal["higher", "lower"] = "higher"
    digits: int = 1
    definition: str = ""

    @property
    def scale(self) -> float:
        """What a value is multiplied with before it is shown."""
        return _SCALES.get(self.unit, 1.0)

    @property
    def word(self) -> str:
        """What stands behind a difference: "points", "pixels", or nothing."""
        return {"points": "points", "share": "points", "pixels": "pixels"}.get(self.unit, "")

    def is_ahead(self, difference: float) -> bool:
        """Whether who has so much more is the better one."""
        return difference > 0 if self.better == "higher" else difference < 0

    def shown(self, value: float | None) -> str:
        """A value as tables show it; a dash for none."""
        if value is None or np.isnan(value):
            return "–"
        return f"{self.scale * value:,.{self.digits}f}"

    def signed(self, value: float) -> str:
        """A difference with its sign; a real minus, and none for what rounds to nothing."""
        rounded = round(self.scale * float(value), self.digits)
        if not rounded:
            return f"{0:.{self.digits}f}"
        return f"{rounded:+,.{self.digits}f}".replace("-", "−")

    def plain(self) -> dict[str, Any]:
        """As a run's header keeps it."""
        return asdict(self)

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Measure:
        """The measure that a header keeps; what this release doesn't know is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{key: value for key, value in plain.items() if key in known})


IOU = Measure(
    "iou", "miou", "mIoU",
    definition="Intersection over union of the selected mask and its target.",
)  # fmt: skip
"""What leads the tables of tasks whose rows are masks."""

ORACLE = Measure(
    "iou_oracle", "miou_oracle", "oracle",
    definition="The IoU of the best of several candidates (SAM, Fig. 9a).",
)  # fmt: skip
