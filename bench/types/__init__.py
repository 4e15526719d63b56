"""The values that flow through the bench, and the contracts of its parts.

One convention holds everywhere, and only model adapters translate it:

* a **point** is (x, y), the index of a pixel: (0, 0) is the top-left pixel, x grows to the right;
* a **box** is (x0, y0, x1, y1), pixel indices with both corners included;
* a **mask** is (H, W) bool; an **image** is (H, W, 3) uint8 RGB.

``Sample → Prompt → Prediction → Row``: readers make samples, prompt strategies make prompts,
models make predictions, scoring makes rows. Nothing flows back.
"""

from __future__ import annotations

from bench.types.contracts import PromptStrategy, Reader, Segmenter
from bench.types.cues import (
    BoxCue,
    Cue,
    Dot,
    FloatArray,
    Line,
    MaskCue,
    PointsCue,
    Prompt,
    RecordedCue,
    Rectangle,
    Shape,
    TextCue,
    Words,
)
from bench.types.errors import BenchError, UnfitImageError
from bench.types.mask import BoolArray, Mask
from bench.types.measure import IOU, ORACLE, Measure
from bench.types.regions import RegionCue
from bench.types.rows import MaskRow, Row
from bench.types.scribbles import ScribbleCue, Stroke
from bench.types.step import Step
from bench.types.values import (
    MAX_PIXELS,
    Candidates,
    Frame,
    ImageArray,
    Prediction,
    Sample,
    Site,
    Target,
)

__all__ = [
    "IOU",
    "MAX_PIXELS",
    "ORACLE",
    "BenchError",
    "BoolArray",
    "BoxCue",
    "Candidates",
    "Cue",
    "Dot",
    "FloatArray",
    "Frame",
    "ImageArray",
    "Line",
    "Mask",
    "MaskCue",
    "MaskRow",
    "Measure",
    "PointsCue",
    "Prediction",
    "Prompt",
    "PromptStrategy",
    "Reader",
    "RecordedCue",
    "Rectangle",
    "RegionCue",
    "Row",
    "Sample",
    "ScribbleCue",
    "Segmenter",
    "Shape",
    "Site",
    "Step",
    "Stroke",
    "Target",
    "TextCue",
    "UnfitImageError",
    "Words",
]
