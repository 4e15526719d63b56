"""Targets that several people drew: rows and table against the masks themselves."""

import numpy as np
import pytest
from PIL import Image

from bench.analysis.every_row import EveryRow
from bench.analysis.sections.annotators import annotators_section
from bench.analysis.selection import select
from bench.analysis.stats.intervals import clustered_interval
from bench.config.composing import load_configs
from bench.report import Request
from bench.report.pages.write import write
from bench.store.runs import RunStore, read_runs
from bench.types import Mask
from tests.drawn_runs import smooth_noise
from tests.whole_runs import execute

NAMES = {"Zoe": "m", "Ann": "n", "<b>Bo</b>": "o"}
"""Who drew which folder; the target's is neither the first by name nor the last."""


def plain_iou(a, b):
    either = (a | b).sum()
    return (a & b).sum() / either if either else 0.0


def write_png(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Eight pictures of one or two things, which people draw alike but for their rims.

    The last person left half of the pictures out, and nobody but Zoe drew the eighth.
    """
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(5)
    truth = {}
    for number in range(8):
        write_png(folder / f"i/{number}.png", rng.integers(0, 255, (40, 56, 3), np.uint8))
        for thing in range(1 + number % 2):
            field = smooth_noise(rng, (40, 56), 14)
            for place, sub in enumerate(NAMES.values()):
                if place and (number == 7 or (place == 2 and number >= 4)):
                    continue
                mask = field + 0.3 * smooth_noise(rng, (40, 56), 6) > 0.2
                truth[number, thing, sub] = mask
                write_png(folder / f"{sub}/{number}/{thing}.png", mask.astype(np.uint8) * 255)
    return folder, truth


@pytest.fixture(scope="module")
def run(drawn):
    folder, _ = drawn
    (config,) = load_configs(
        [
            "dataset=mask_folder",
            f"dataset.args.folder={folder}",
            "dataset.args.images='i/{id}.png'",
            "dataset.args.masks='m/{id}/*.png'",
            "+dataset.args.annotator=Zoe",
            "model=disk",
            "prompt=point_3",
            f"runtime.results={folder}/results",
        ]
    )
    config.dataset.args["others"] = {
        n: f"{sub}/{{id}}/*.png" for n, sub in NAMES.items() if n != "Zoe"
    }
    execute(config)
    (stored,) = (folder / "results" / "runs").iterdir()
    return RunStore(stored)


def test_rows_hold_the_iou_with_each_and_that_of_people(drawn, run):
    _, truth = drawn
    columns = ["mask_rle", "height", "width", "other_ious", "human_ious", "iou"]
    rows = EveryRow({"run": run}).of("run", columns)
    assert len(rows) == 3 * 12
    for row in rows.to_dict("records"):
        number, thing = map(int, row["mask_id"].split("/"))
        size = [row["height"], row["width"]]
        mask = Mask.from_rle({"size": size, "counts": row["mask_rle"]}).dense()
        target = truth[number, thing, "m"]
        assert row["iou"] == plain_iou(mask, target)
        there = {
            name: truth[number, thing, sub]
            for name, sub in NAMES.items()
            if sub != "m" and (number, thing, sub) in truth
        }
        if not there:
            assert row["other_ious"] is None
            assert row["human_ious"] is None
            continue
        assert row["other_ious"] == {name: plain_iou(mask, one) for name, one in there.items()}
        assert row["human_ious"] == {name: plain_iou(target, one) for name, one in there.items()}


def test_the_table_is_that_of_the_rows(run):
    (section,) = annotators_section(select([run]))
    rows = read_runs([run], ["iou", "step", "other_ious", "human_ious", "attributes"])
    last = rows[(rows["step"] == 3) & rows["other_ious"].notna()]
    dicts = [(row["iou"], dict(row["other_ious"]), dict(row["human_ious"]), row["image_id"])
             for row in last.to_dict("records")]  # fmt: skip
    images = [image for *_, image in dicts]
    model, people = section.lines.to_dict("records")
    there = [set(others) for _, others, *_ in dicts]
    for name in ("Ann", "<b>Bo</b>"):
        drew = sum(name in others for others in there)
        assert f"{name} drew {drew} of 12 masks of " in section.note
    assert "Zoe drew" not in section.note
    assert model["masks"] == people["masks"] == 10
    assert model["images"] == 7
    values = {
        "own": [own for own, *_ in dicts],
        "others": [np.mean(list(others.values())) for _, others, *_ in dicts],
        "every": [np.mean([own, *others.values()]) for own, others, *_ in dicts],
        "best": [max([own, *others.values()]) for own, others, *_ in dicts],
    }
    ceiling = {
        "others": [np.mean(list(human.values())) for *_, human, _ in dicts],
        "best": [max(human.values()) for *_, human, _ in dicts],
    }
    for line, known in ((model, values), (people, ceiling)):
        for name, each in known.items():
            plain = clustered_interval(each, images)
            found = [line[f"{name}{end}"] for end in ("", "_low", "_high")]
            assert found == pytest.approx([plain.mean, plain.low, plain.high])
    assert np.isnan(people["own"])
    assert np.isnan(people["every"])
    named = {"Zoe": values["own"]}
    for name in ("Ann", "<b>Bo</b>"):
        named[name] = [others[name] for _, others, *_ in dicts if name in others]
    assert len(named["<b>Bo</b>"]) == 6
    for name, each in named.items():
        assert model[f"annotator_{name}"] == pytest.approx(np.mean(each))
        place = section.heads.index(name)
        assert [row[place] for row in section.rows] == [f"{100 * np.mean(each):.1f}", "–"]
    assert [row[1] for row in section.rows] == ["Disk", "people, one against the others"]


def test_names_of_people_are_texts_on_the_page(run, tmp_path):
    write(Request((run,)), tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "people, one against the others" in page
    assert "<b>Bo</b>" not in page
    assert "&lt;b&gt;Bo&lt;/b&gt;" in page


def test_runs_of_one_annotator_have_no_such_table(bench, row):
    rows = [row(mask_id=f"m{n}", image_id=f"i{n}") for n in range(4)]
    run = bench.run(rows=rows, report_steps={"1": "1 point"})
    assert list(annotators_section(select([run]))) == []
