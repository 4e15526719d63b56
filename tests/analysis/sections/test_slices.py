"""Tables by group: the groups hold every mask once, and the numbers are those of the rows."""

import numpy as np
import pandas as pd
import pytest

from bench.analysis.section import Section, named_apart
from bench.analysis.sections.slices import check_targets, complexity, parts, slice_section
from bench.analysis.selection import select
from bench.report import Request
from bench.report.pages.write import write
from bench.store.runs import read_runs
from bench.types import BenchError, Mask, Target


@pytest.fixture
def chosen(bench):
    return select([bench.run("shapes", "m", prompt, images=12) for prompt in ("points", "box")])


@pytest.mark.parametrize("by", ["area", "size", "category", "boundary", "parts"])
def test_every_mask_is_in_one_group_and_the_means_add_up(bench, chosen, by):
    section = slice_section(chosen, by, bench.read_sample)
    for label, lines in section.lines.groupby("prompt"):
        rows = chosen.rows[chosen.rows["label"] == label]
        assert lines["masks"].sum() == len(rows)
        whole = np.average(lines["miou"], weights=lines["masks"])
        assert whole == pytest.approx(rows["iou"].mean())
        assert lines["group"].is_unique
    assert section.name == f"slices_{by}"
    assert len(section.rows) == len(section.lines)
    known = section.lines.dropna()
    assert (known["miou_low"] <= known["miou"]).all()


def test_area_is_cocos(bench, row):
    areas = {"a": 32**2 - 1, "b": 32**2, "c": 96**2 - 1, "d": 96**2}
    rows = [row(image_id=m, mask_id=m, area=area, iou=0.5) for m, area in areas.items()]
    section = slice_section(select([bench.run(prompt="point_1", rows=rows)]), "area", None)
    found = dict(zip(section.lines["group"], section.lines["masks"], strict=True))
    assert found == {"small": 1, "medium": 2, "large": 1}
    assert [r[1] for r in section.rows] == ["small", "medium", "large"]


def test_thirds_are_each_datasets_own(bench):
    runs = [
        bench.run("shapes", "m", "box", images=9),
        bench.run("leaves", "m", "box", images=9),
    ]
    lines = slice_section(select(runs), "size", None).lines
    for _, found in lines.groupby("dataset"):
        assert len(found) == 3
        assert found["masks"].max() - found["masks"].min() <= 2
    rows = read_runs(runs)
    shapes = rows[rows["dataset"] == "shapes"].sort_values("area")
    smallest = lines[(lines["dataset"] == "shapes") & (lines["group"] == "smallest third")].iloc[0]
    assert smallest["miou"] == pytest.approx(shapes["iou"].iloc[: smallest["masks"]].mean())


def test_an_attribute_makes_the_papers_table(bench, row):
    rows = [
        row(image_id=f"i{i % 7}", mask_id=f"m{i}", iou=0.4 + 0.1 * (i % 3),
            attributes={"age": ["young", "older", "middle"][i % 3]} if i < 27 else {})
        for i in range(30)
    ]  # fmt: skip
    chosen = select([bench.run(prompt="point_1", rows=rows)])
    section = slice_section(chosen, "attribute:age", None)
    found = {line["group"]: line for line in section.lines.to_dict("records")}
    assert set(found) == {"young", "older", "middle", "not given"}
    assert found["older"]["miou"] == pytest.approx(0.5)
    assert found["not given"]["masks"] == 3
    assert section.heads[1] == "age"
    assert section.rows[-1][1] == "not given"
    assert section.name == "slices_attribute_age"


@pytest.mark.parametrize(
    ("by", "says"),
    [
        ("colour", "nothing to slice by is called 'colour'; there are area, attribute:NAME"),
        ("attribute:age", "no attribute is called 'age'; the masks have no attributes"),
        ("boundary", "needs the dataset to be read again"),
    ],
)
def test_an_unknown_key_is_one_line(chosen, by, says):
    with pytest.raises(BenchError, match=says) as caught:
        slice_section(chosen, by, None)
    assert "\n" not in str(caught.value)


def test_the_measures_of_a_target():
    dense = np.zeros((60, 80), bool)
    dense[10:30, 10:30] = True
    square = Mask.from_dense(dense)
    assert parts(square) == 1
    assert complexity(square) == pytest.approx((4 * 19) ** 2 / 400)
    dense[30, 30] = True  # touches at a corner: still one part
    dense[50, 70] = True
    assert parts(Mask.from_dense(dense)) == 2
    holed = square.dense().copy()
    holed[15:20, 15:20] = False
    assert complexity(Mask.from_dense(holed)) > complexity(square)


def test_two_attributes_of_like_names_have_a_file_each(bench, row, tmp_path):
    rows = [
        row(image_id=f"i{i}", mask_id=f"m{i}",
            attributes={"skin tone": f"a{i % 2}", "skin-tone": f"b{i % 3}"})
        for i in range(12)
    ]  # fmt: skip
    keys = ("attribute:skin tone", "attribute:skin-tone")
    report = write(Request([bench.run(prompt="point_1", rows=rows)], by=keys), tmp_path / "out")
    groups = {name: set(pd.read_csv(report.folder / f"{name}.csv")["group"]) for name in NAMES}
    assert groups == {NAMES[0]: {"a0", "a1"}, NAMES[1]: {"b0", "b1", "b2"}}


def test_an_attribute_of_a_long_name_has_a_file(bench, row, tmp_path):
    keys = [f"{'日本' * 60}{end}" for end in "ab"]
    rows = [row(mask_id=f"m{i}", attributes=dict.fromkeys(keys, str(i))) for i in range(3)]
    by = tuple(f"attribute:{key}" for key in keys)
    report = write(Request([bench.run(prompt="point_1", rows=rows)], by=by), tmp_path / "out")
    assert len(list(report.folder.glob("slices_*.csv"))) == 2


NAMES = ("slices_attribute_skin_tone", "slices_attribute_skin_tone_2")


def test_a_number_that_is_a_name_already_is_no_second_name():
    def section(name):
        return Section(name, name, "", (), (), pd.DataFrame())

    found = [each.name for each in named_apart(map(section, ["a", "a_2", "A", "a"]))]
    assert found == ["a", "a_2", "A_3", "a_4"]


def test_protocols_are_named_where_there_are_several(bench):
    runs = [bench.run("shapes", "m", "box", images=9, protocol=name) for name in ("sam", "mine")]
    for stores, named in ((runs[:1], 0), (runs, 1)):
        section = slice_section(select(stores), "size", None)
        assert section.heads.count("protocol") == named
        assert section.names == 4 + named
        assert {len(row) for row in section.rows} == {len(section.heads)}


def test_what_a_line_shows_is_its_number_with_its_interval(bench):
    section = slice_section(select([bench.run("shapes", "m", "box", images=9)]), "size", None)
    column = section.heads.index("mIoU")
    for shown, line in zip(section.rows, section.lines.to_dict("records"), strict=True):
        miou, low, high = (100 * line[name] for name in ("miou", "miou_low", "miou_high"))
        assert shown[column] == f"{miou:.1f} ({low:.1f}–{high:.1f})*"


def test_targets_without_what_they_are_to_be_sliced_by_are_noticed() -> None:
    bare = Target("m", Mask.from_dense(np.ones((3, 5), dtype=bool)))
    named = Target("n", bare.mask, category="cell", attributes={"stain": "blue"})
    for by in ("category", "attribute:stain"):
        with pytest.raises(BenchError, match="the masks have no"):
            check_targets(by, [bare])
        check_targets(by, [bare, named])
    check_targets("area", [bare])
