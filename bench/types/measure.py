"""What a column of numbers means in tables: its name, its unit, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

Unit: TypeAlias = Literal["points", "share", "pixels", "plain"]
"""``points`` are shares shown ×100; ``share`` counts masks and is shown in per cent."""

Better: TypeAlias = Literal["higher", "lower"]
"""Which way is better."""

_SCALES: Mapping[str, float] = {"points": 100.0, "share": 100.0}

_CHOICES: Mapping[str, tuple[str, ...]] = {"unit": get_args(Unit), "better": get_args(Better)}

_IDENTITY = ("address", "version", "unit", "better")
"""What two measures of one column must agree in."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of rows, and how its mean is shown.

    ``name`` is the column's; ``mean`` that of its mean in tables' files (``miou`` for ``iou``);
    ``title`` what tables call it. ``digits`` are shown behind the point. ``definition`` says what
    is measured and where that was published; the members of a family share theirs. Of a metric,
    ``address`` is the name that it was asked for by and ``version`` its own, empty where that is
    not known.

    Raises ``ValueError`` for a unit or a direction that there isn't, no title, and digits below 0.

    >>> iou = Measure("iou", "miou", "mIoU")
    >>> iou.shown(0.61349), iou.signed(-0.031), iou.signed(-0.0001), iou.shown(None)
    ('61.3', '−3.1', '0.0', '–')
    """

    name: str
    mean: str
    title: str
    unit: Unit = "points"
    better: Better = "higher"
    digits: int = 1
    definition: str = ""
    address: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        for key, there in _CHOICES.items():
            if (found := getattr(self, key)) not in there:
                raise ValueError(
                    f"measure {self.name!r}: {key} must be {' or '.join(there)}, found {found!r}"
                )
        if not isinstance(self.title, str) or not self.title.strip():
            raise ValueError(f"measure {self.name!r}: title must be a text, found {self.title!r}")
        if not isinstance(self.digits, int) or self.digits < 0:
            raise ValueError(
                f"measure {self.name!r}: digits must be a whole number from 0, found "
                f"{self.digits!r}"
            )

    @property
    def count(self) -> str:
        """The column of tables' files that says how many rows the mean is over.

        >>> Measure("nsd_2", "nsd_2", "NSD@2").count
        'nsd_2_masks'
        """
        return f"{self.mean}_masks"

    @property
    def is_share(self) -> bool:
        """Whether values lie in [0, 1], so that half a point means something."""
        return self.unit in _SCALES

    @property
    def scale(self) -> float:
        """What a value is multiplied with before it is shown."""
        return _SCALES.get(self.unit, 1.0)

    @property
    def reach(self) -> tuple[float, float]:
        """The least and the most that a value can be; infinite where it has no end."""
        return {"points": (0.0, 1.0), "share": (0.0, 1.0), "pixels": (0.0, np.inf)}.get(
            self.unit, (-np.inf, np.inf)
        )

    @property
    def word(self) -> str:
        """What stands behind a difference: "points", "pixels", or nothing."""
        return {"points": "points", "share": "points", "pixels": "pixels"}.get(self.unit, "")

    @property
    def is_iou(self) -> bool:
        """Whether it is the IoU of prompted masks, of which published numbers and figures tell.

        A task may call another measure ``iou``, such as that of boxes.
        """
        return (self.name, self.title, self.unit) == (IOU.name, IOU.title, IOU.unit)

    def is_ahead(self, difference: float) -> bool:
        """Whether who has so much more is the better one."""
        return difference > 0 if self.better == "higher" else difference < 0

    def other_than(self, earlier: Measure) -> bool:
        """Whether the two can't stand in one column, by what is known of both."""
        pairs = ((getattr(self, key), getattr(earlier, key)) for key in _IDENTITY)
        return any(ours and theirs and ours != theirs for ours, theirs in pairs)

    @property
    def origin(self) -> str:
        """What its values were computed by, as messages call it."""
        return f"{self.address or self.name} version {self.version}".removesuffix(" version ")

    def shown(self, value: float | None) -> str:
        """A value as tables show it; a dash for none."""
        if value is None or np.isnan(value):
            return "–"
        return f"{self.scale * value:,.{self.digits}f}".replace("-", "−")

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
        """The measure that a header keeps; what this release doesn't know is left out.

        A unit that it doesn't know is ``plain``.
        """
        known = {each.name for each in fields(cls)}
        said = {key: value for key, value in plain.items() if key in known}
        if said.get("unit", "plain") not in _CHOICES["unit"]:
            said["unit"] = "plain"
        if said.get("better", "lower") not in _CHOICES["better"]:
            del said["better"]
        return cls(**said)


IOU = Measure(
    "iou", "miou", "mIoU",
    definition="Intersection over union of the selected mask and its target.",
)  # fmt: skip
"""What leads the tables of tasks whose rows are masks."""

ORACLE = Measure(
    "iou_oracle", "miou_oracle", "oracle",
    definition="The IoU of the best of several candidates (SAM, Fig. 9a).",
)  # fmt: skip
