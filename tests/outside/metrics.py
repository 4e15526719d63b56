"""Two metrics of one's own: one asked for in the run, one added later."""

from bench.scoring.metrics import Metric
from bench.types import Mask, Measure


def _area_ratio(prediction: Mask, target: Mask) -> float | None:
    return prediction.area / target.area if target.area else None


def _width_off(prediction: Mask, target: Mask) -> float | None:
    if prediction.box is None or target.box is None:
        return None
    return abs(prediction.box[2] - prediction.box[0] - target.box[2] + target.box[0])


AREA_RATIO = Metric(
    Measure("area_ratio", "mean_area_ratio", "area ratio", "plain", digits=3,
            definition="Predicted pixels by target pixels."),
    _area_ratio,
)  # fmt: skip
WIDTH_OFF = Metric(
    Measure("width_off", "mean_width_off", "width off", "pixels", "lower",
            definition="By how many pixels the box is too wide or too narrow."),
    _width_off,
)  # fmt: skip
