"""The shelf of metrics: found because they lie there, named, and a user's own beside them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from oddities import odd_masks

from bench.scoring import metrics as shelf
from bench.scoring.metrics import Metric, metric, names
from bench.types import BenchError, Mask
from bench.types.measure import IOU, Measure

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
    assert len(names()) == len(FILES) == 7
    assert {"dice", "nsd_2", "solved_85"} <= set(names())


def test_the_ious_measure_is_that_of_the_tables() -> None:
    measure = metric("iou").measure
    assert (measure.name, measure.mean, measure.title) == (IOU.name, IOU.mean, IOU.title)


@pytest.mark.parametrize("name", names())
def test_every_metric_refuses_masks_of_different_images(name: str) -> None:
    masks = (Mask.from_dense(np.ones(size, bool)) for size in ((2, 3), (3, 2)))
    with pytest.raises(ValueError, match="cannot be compared"):
        metric(name).of(*masks)


@pytest.mark.parametrize("name", names())
def test_every_metric_is_a_share_and_1_for_the_target_itself(name: str) -> None:
    masks = [Mask.from_dense(dense) for dense in odd_masks().values()]
    for a in masks:
        for b in masks:
            value = metric(name).of(a, b)
            assert value is None or 0 <= value <= 1
            assert value is None or isinstance(value, float)
        assert metric(name).of(a, a) == (1.0 if a.area else None if name == "nsd_2" else 0.0)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dise", r"unknown metric 'dise'; did you mean dice\? there are: boundary_iou, dice, iou"),
        ("nsd", r"did you mean nsd_2\?"),
        ("nsd_02", "unknown metric"),
        ("nsd_-1", "unknown metric"),
        ("nsd_two", "unknown metric"),
        ("nsd_2\n", "unknown metric"),
        ("solved_85_90", "unknown metric"),
        ("dice_2", "unknown metric"),
        ("", "unknown metric"),
        ("__init__", "unknown metric"),
        ("qqq", r"unknown metric 'qqq'; there are: .*nsd_2, precision, recall, solved_85$"),
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


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = tmp_path / "own_measures"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sizes.py").write_text(OWN)
    (package / "broken.py").write_text("import no_such_module_anywhere\n")
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


@pytest.mark.parametrize("name", ["subprocess.run", "bench.scoring.metrics.dice.METRIC", ".dice"])
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
        ("sizes.", "no metric 'own_measures.sizes.'"),
        ("sizes.DICE", "has the column 'dice', which is a metric of the bench's"),
        ("sizes.NSD", "has the column 'nsd_11', which is a metric of the bench's"),
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
