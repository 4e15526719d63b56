"""The shelf of metrics: found because they lie there, named, and a user's own beside them."""

from __future__ import annotations

import importlib
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from oddities import odd_masks

from bench.scoring import metrics as shelf
from bench.scoring.metrics import Metric, chosen, metric, names
from bench.scoring.overlap import shared_pixels
from bench.scoring.rims import rim
from bench.types import BenchError, Mask
from bench.types.measure import IOU, ORACLE, Measure

FILES = sorted(
    path.stem for path in Path(shelf.__file__).parent.glob("*.py") if path.stem[0] != "_"
)


@pytest.mark.parametrize("stem", FILES)
def test_every_file_is_found_and_says_what_it_is(stem: str) -> None:
    (name,) = [each for each in names() if re.fullmatch(rf"{stem}(_\d+)?", each)]
    found = metric(name)
    assert found.name == found.measure.name == name
    assert found.measure.title
    assert found.version
    assert re.search(r"\b(19|20)\d\d\b", found.measure.definition), "no publication"
    assert found.measure.definition.endswith(".")


def test_names_are_sorted_and_each_stands_once() -> None:
    assert names() == sorted(set(names()))
    assert len(names()) == len(FILES)
    assert {"dice", "nsd_2", "solved_85"} <= set(names())


def test_the_ious_measure_is_that_of_the_tables() -> None:
    measure = metric("iou").measure
    assert (measure.name, measure.mean, measure.title) == (IOU.name, IOU.mean, IOU.title)


@pytest.mark.parametrize("name", names())
def test_every_metric_refuses_masks_of_different_images(name: str) -> None:
    masks = (Mask.from_dense(np.ones(size, bool)) for size in ((2, 3), (3, 2)))
    with pytest.raises(ValueError, match="cannot be compared"):
        metric(name).of(*masks)


@pytest.mark.parametrize("name", [each for each in names() if metric(each).of_counts is not None])
def test_a_metric_of_counts_is_that_of_the_masks(name: str) -> None:
    """To the bit: a device counts where a CPU looks at masks."""
    found = metric(name)
    masks = [Mask.from_dense(dense) for dense in odd_masks().values()]
    for target in masks:
        for prediction in masks:
            pair = [prediction, target]
            if found.rim is not None:
                pair = [rim(mask, found.rim(mask.shape)) for mask in pair]
            counts = pair[0].area, pair[1].area, shared_pixels(*pair)
            assert found.counted(*counts) == found.of(prediction, target)


@pytest.mark.parametrize("name", names())
def test_every_metric_is_a_finite_number_or_none_and_a_share_keeps_to_its_reach(name: str) -> None:
    masks = [Mask.from_dense(dense) for dense in odd_masks().values()]
    found = metric(name)
    for target in masks:
        against = found.against(target)
        for prediction in masks:
            value = found.of(prediction, target)
            assert value is None or (isinstance(value, float) and math.isfinite(value))
            assert against(prediction) == value
            assert value is None or not found.measure.is_share or 0 <= value <= 1
        if target.area and found.measure.is_share:
            best = 1.0 if found.measure.better == "higher" else 0.0
            assert against(target) in (best, None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dise", r"unknown metric 'dise'; did you mean dice\?$"),
        ("nsd", r"did you mean nsd_2\?"),
        ("nsd_02", "unknown metric"),
        ("nsd_-1", "unknown metric"),
        ("nsd_two", "unknown metric"),
        ("nsd_2\n", "unknown metric"),
        ("solved_85_90", "unknown metric"),
        ("dice_2", "unknown metric"),
        ("", "unknown metric"),
        ("__init__", "unknown metric"),
        ("qqq", f"unknown metric 'qqq'; there are {', '.join(sorted(names()))}$"),
        ("nsd_3.5", r"unknown metric 'nsd_3\.5'; did you mean nsd_2\?"),
        ("3.dice", "unknown metric"),
        (".dice", "unknown metric"),
        ("dice.", "unknown metric"),
    ],
)
def test_an_unknown_name_is_one_line_with_those_there_are(name: str, says: str) -> None:
    with pytest.raises(BenchError, match=says) as caught:
        metric(name)
    assert "\n" not in str(caught.value)


OWN = """\
from bench.scoring.metrics import Metric
from bench.types.measure import Measure


def holes(prediction, target):
    return float(prediction.area - target.area) if target.area else None


HOLES = Metric(Measure("more_pixels", "more_pixels", "more", unit="pixels", digits=0), holes, "3")
DICE = Metric(Measure("dice", "dice", "my Dice"), holes)
NSD = Metric(Measure("nsd_11", "nsd_11", "my NSD"), holes)
"""


WRONG = """\
import numpy as np
from bench.scoring.metrics import Metric
from bench.types.measure import Measure


def raises(prediction, target):
    return prediction.area / 0


def gives(value, mean="odd", title="odd", **more):
    return Metric(Measure("odd", mean, title), lambda prediction, target: value, **more)


MEAN, TITLE, FAMILY = gives(1.0, mean="solved_3"), gives(1.0, title="miou"), gives(1, title="NSD@9")
RAISES = Metric(Measure("odd", "odd", "odd"), raises)
SIGNATURE = Metric(Measure("odd", "odd", "odd"), lambda prediction: 1.0)
READY = gives(1.0, ready=lambda: 1.0)
COUNTS = gives(1.0, of_counts=lambda prediction, target, shared: 0.5)
RIM = gives(0.5, of_counts=lambda prediction, target, shared: 0.5, rim=lambda: 3)
TEXT, PAIR, NAN, INF = gives("0.5"), gives((1, 2)), gives(float("nan")), gives(-np.inf)
NUMBERS = [gives(np.float32(0.5)), gives(3), gives(np.int64(4)), gives(True), gives(np.bool_(1))]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = tmp_path / "own_measures"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sizes.py").write_text(OWN)
    (package / "broken.py").write_text("import no_such_module_anywhere\n")
    (package / "wrong.py").write_text(WRONG)
    (package / "raises.py").write_text('raise RuntimeError("two lines\\nof it")\n')
    (package / "exits.py").write_text("import sys\nsys.exit(3)\n")
    (package / "furlong.py").write_text(OWN.replace('unit="pixels"', 'unit="furlong"'))
    (package / "nothing.py").write_text(
        "from bench.scoring.metrics import Metric\nMETRIC = Metric('dice', None)\n"
    )
    (package / "unnamed.py").write_text(OWN.replace('"more_pixels"', '"more pixels"'))
    monkeypatch.syspath_prepend(tmp_path)
    for name in [each for each in sys.modules if each.partition(".")[0] == package.name]:
        monkeypatch.delitem(sys.modules, name)
    return package.name


@pytest.mark.parametrize("allowed", ["own_measures", "own_measures.sizes"])
def test_a_users_own_metric_works(own: str, allowed: str) -> None:
    found = metric(f"{own}.sizes.HOLES", [allowed])
    hole, full, none = (Mask.from_dense(odd_masks()[name]) for name in ("hole", "all", "none"))
    assert (found.name, found.version, found.measure.unit) == ("more_pixels", "3", "pixels")
    assert found.of(full, hole) == full.area - hole.area
    assert found.of(full, none) is None


@pytest.mark.parametrize("allowed", [(), ("own",), ("own_measures.other",), ("measures",), ("",)])
def test_a_module_that_is_not_allowed_is_not_imported(own: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(BenchError, match="outside the allowed modules") as caught:
        metric(f"{own}.sizes.HOLES", allowed)
    assert "--allow-module own_measures.sizes" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [each for each in sys.modules if each.startswith(own)]


@pytest.mark.parametrize("name", ["subprocess.run", "bench.scoring.metrics.dice.METRIC"])
def test_nothing_else_is_reached_by_an_address(name: str) -> None:
    with pytest.raises(BenchError, match="outside the allowed modules"):
        metric(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sizes.holes", "is no metric: expected a bench.scoring.metrics.Metric, found a function"),
        ("sizes.NOTHING", "no metric 'own_measures.sizes.NOTHING'"),
        ("nowhere.HOLES", "no metric .*No module named 'own_measures.nowhere'"),
        ("broken.HOLES", "no metric .*No module named 'no_such_module_anywhere'"),
        ("unnamed.HOLES", "must be a plain name, found 'more pixels'"),
        ("sizes.DICE", "has the column 'dice', which is that of a metric of the bench's"),
        ("sizes.NSD", "has the column 'nsd_11', which is that of a metric of the bench's"),
        ("wrong.MEAN", "has the name of its mean 'solved_3', which is that of a metric of the"),
        ("wrong.TITLE", "has the title 'miou', which is that of a metric of the bench's"),
        ("wrong.FAMILY", "has the title 'NSD@9', which is that of a metric of the bench's"),
        ("wrong.RAISES", r"wrong\.RAISES version 1: ZeroDivisionError: .* \(wrong\.py, line 7\)$"),
        ("wrong.SIGNATURE", r"SIGNATURE version 1: TypeError: .* 2 were given$"),
        ("wrong.READY", r"READY version 1: TypeError: .* 1 was given$"),
        ("wrong.COUNTS", "of_counts gives 0.5 where the function of two masks gives 1.0; make"),
        ("wrong.RIM", r"RIM version 1: TypeError: .* 1 was given$"),
        ("wrong.TEXT", "expected a finite number, or none where it doesn't apply, found a str"),
        ("wrong.PAIR", "expected a finite number, or none where it doesn't apply, found a tuple"),
        ("wrong.NAN", "expected a finite number, or none where it doesn't apply, found nan"),
        ("wrong.INF", "expected a finite number, or none where it doesn't apply, found -inf"),
        ("raises.METRIC", r"RuntimeError: two lines of it \(raises\.py, line 1\)$"),
        ("exits.METRIC", r"SystemExit: 3 \(exits\.py, line 2\)$"),
        ("furlong.HOLES", "measure 'more_pixels': unit must be points or .*, found 'furlong'"),
        ("nothing.METRIC", "a metric is a Measure and a function of two masks"),
    ],
)
def test_what_is_no_metric_is_one_line(own: str, name: str, says: str) -> None:
    with pytest.raises(BenchError, match=says) as caught:
        metric(f"{own}.{name}", [own])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["more pixels", "2_nsd", "", "a-b", "class"])
def test_a_column_is_a_plain_name(name: str) -> None:
    for measure in (Measure(name, "mean", "title"), Measure("name", name, "title")):
        with pytest.raises(ValueError, match="plain name"):
            Metric(measure, lambda prediction, target: 0.0)


def test_whatever_is_a_number_is_written_as_one(own: str) -> None:
    mask = Mask.from_dense(np.ones((2, 3), bool))
    metric(f"{own}.sizes.HOLES", [own])
    numbers = importlib.import_module(f"{own}.wrong").NUMBERS
    values = [number.against(mask)(mask) for number in numbers]
    assert values == [0.5, 3.0, 4.0, 1.0, 1.0]
    assert all(type(value) is float for value in values)


@pytest.mark.parametrize("values", [[1.0, float("inf")], [1.0, None, "x"]])
def test_what_goes_wrong_later_is_one_line_too(values: list[object]) -> None:
    found = iter(values)
    late = Metric(Measure("late", "late", "late"), lambda prediction, target: next(found))  # type: ignore[arg-type,return-value]
    mask = Mask.from_dense(np.ones((2, 3), bool))
    against = late.against(mask)
    for value in values[:-1]:
        assert against(mask) == value
    with pytest.raises(BenchError, match="metric late: expected a finite number"):
        against(mask)
    with pytest.raises(BenchError, match="metric late: StopIteration"):
        against(mask)


def test_metrics_are_chosen_once_and_what_the_rows_hold_is_left_out() -> None:
    found = chosen(["iou", "dice", "nsd_3", "dice", "nsd_4"], taken={"iou"}, beside=(IOU, ORACLE))
    assert [each.name for each in found] == ["dice", "nsd_3", "nsd_4"]
    assert [each.measure.address for each in found] == ["dice", "nsd_3", "nsd_4"]


TWINS = """\
from bench.scoring.metrics import Metric
from bench.types.measure import Measure


def made(name, mean, title):
    return Metric(Measure(name, mean, title), lambda prediction, target: 1.0)


A, COLUMN = made("a", "mean_a", "first"), made("a", "mean_b", "second")
MEAN, COUNT = made("b", "mean_a", "second"), made("b", "mean_a_masks", "second")
TITLE, STEP, MASKS = made("b", "b", "First"), made("step", "s", "s"), made("b", "masks", "b")
ORACLE, APART = made("b", "b", "Oracle"), made("b", "b", "b")
"""


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["A", "COLUMN"], "has the column 'a', which is another's already"),
        (["A", "MEAN"], "has the name of its mean 'mean_a', which is another's already"),
        (["A", "COUNT"], "has the name of its mean 'mean_a_masks', which is another's already"),
        (["A", "TITLE"], "has the title 'first', which is another's already"),
        (["STEP"], "has the column 'step', which is another's already"),
        (["MASKS"], "has the name of its mean 'masks', which is another's already"),
        (["ORACLE"], "has the title 'oracle', which is another's already"),
        (["A", "APART"], ""),
    ],
)
def test_two_metrics_share_no_name(own: str, tmp_path: Path, names: list[str], says: str) -> None:
    (tmp_path / own / "twins.py").write_text(TWINS)
    named = [f"{own}.twins.{name}" for name in names]
    taken, beside = {"step", "masks"}, (IOU, ORACLE)
    if not says:
        assert len(chosen(named, [own], taken=taken, beside=beside)) == len(names)
        return
    with pytest.raises(BenchError, match=says) as caught:
        chosen(named, [own], taken=taken, beside=beside)
    assert repr(named[-1]) in str(caught.value)
    assert "\n" not in str(caught.value)
