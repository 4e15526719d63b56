"""What an answer costs, from the headers of runs whose orders and names don't agree."""

from __future__ import annotations

import matplotlib.colors
import pytest
from drawn_runs import DATASETS, LABELS, MODELS

from bench.analysis.sections.cost import cost_section, costs
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.report.figures.figures import Facts
from bench.report.figures.plots import looks
from bench.report.figures.shelf import cost as cost_figure

TIMES = {"zeta": (30.0, 2.0), "alpha": (9.0, 5.0), "mid": (100.0, 0.5)}
"""Milliseconds to embed an image and to answer a prompt."""


LICENCES = {"zeta": "Apache-2.0", "alpha": "SAM License (the authors' own)"}
"""Of the models whose YAML says one."""


def latest(embed, predict, images, answers, *, workers=1, device="cpu", **more):
    seconds = {"embed": embed * images / 1e3, "predict": predict * answers / 1e3, **more}
    memory = {"host": int(embed * 1e8), "device": None}
    place = {"device": device, "device_name": None, "workers": workers, "image_batch": 1}
    return {"images": images, "answers": answers, "seconds": seconds, "workers": workers,
            "memory": memory, "place": place}  # fmt: skip


def commands(bench, times=TIMES, **more):
    """Two commands per model, one a dataset, each with two prompts: four headers."""
    stores = []
    for number, dataset in enumerate(DATASETS):
        for model, (embed, predict) in times.items():
            # Of another length on each dataset: a mean of means would be another number.
            off = 4.0 * number
            command = latest(embed + off, predict, 3 + 7 * number, 40 + 100 * number, **more)
            facts = {"parameters": str(len(model) * 1_000_000), "dtype": "float32"}
            stores += [
                bench.run(dataset, model, prompt, images=3, title=MODELS[model],
                          dataset_title=DATASETS[dataset], latest=command, facts=facts)
                for prompt in ("box", "point_1")
            ]  # fmt: skip
    for store in stores:
        model = store.header()["model"]
        said = {"licence": LICENCES[model["name"]]} if model["name"] in LICENCES else {}
        model |= {"about": model["about"] | said}
        store.write_header(store.header() | {"model": model})
    return stores


def test_of_a_users_own_weights_no_licence_is_told(bench):
    stores = commands(bench, {"zeta": TIMES["zeta"]})
    for store in stores:
        facts = store.header()["facts"]
        store.write_header(store.header() | {"facts": facts | {"weights": "own file"}})
    assert [row[1] for row in next(cost_section(select(stores))).rows] == ["–"]


def test_a_command_counts_once_and_images_weigh_alike(bench):
    frame = costs(select(commands(bench)).headers.values()).set_index("model")
    assert sorted(frame.index) == sorted(TIMES)
    for model, (embed, predict) in TIMES.items():
        line = frame.loc[model]
        assert (line["images"], line["answers"]) == (13, 180)
        assert line["embed_ms"] == pytest.approx((3 * embed + 10 * (embed + 4)) / 13)
        assert line["predict_ms"] == pytest.approx(predict)
        assert line["host_bytes"] == int((embed + 4) * 1e8)
        assert line["parameters"] == len(model) * 1_000_000


def test_every_cell_is_its_models(bench):
    selection = select(commands(bench))
    (section,) = cost_section(selection)
    assert [row[0] for row in section.rows] == [LABELS[m] for m in sorted(TIMES)]
    for row, model in zip(section.rows, sorted(TIMES), strict=True):
        embed, predict = TIMES[model]
        shown = (3 * embed + 10 * (embed + 4)) / 13
        parameters = f"{len(model):.1f} M"
        assert row[1] == LICENCES.get(model, "–")
        assert row[2:7] == ("cpu, float32", "1", parameters, f"{shown:.1f}", f"{predict:.2f}")
        assert row[7:] == (f"{(embed + 4) / 10:.2f}", "–")


def test_embeddings_from_a_cache_have_no_time(bench):
    (section,) = cost_section(select(commands(bench, cache=0.2)))
    assert {row[5] for row in section.rows} == {"–"}


def test_ways_to_run_are_apart(bench):
    rows = {"alpha": (9.0, 5.0)}
    few = commands(bench, rows)[:2]
    more = [
        bench.run("shapes", "alpha", "points", images=3,
                  latest=latest(20.0, 1.0, 3, 9, workers=2)),
    ]  # fmt: skip
    frame = costs(select([*few, *more]).headers.values())
    assert frame["workers"].tolist() == [1, 2]
    assert frame["embed_ms"].tolist() == [pytest.approx(9.0), pytest.approx(20.0)]


def test_runs_that_tell_no_times_have_no_table(bench):
    assert list(cost_section(select([bench.run("shapes", "alpha", "box", images=3)]))) == []


def drawings(stores):
    selection = select(stores)
    table = miou_table(selection)
    names = [table.series(m, "sam") for m in table.models]
    facts = Facts(selection, table, (), looks(names))
    return list(cost_figure.draw(facts)), table, facts


def test_every_marker_is_its_models(bench):
    (drawing,), table, facts = drawings(commands(bench))
    figure = drawing.figure
    seen = set()
    for axis in figure.axes:
        for mark in axis.lines:
            name, prompt = mark.get_label(), axis.get_title("left") or axis.get_title()
            (model,) = (m for m in TIMES if LABELS[m] == name)
            embed, predict = TIMES[model]
            ms = (3 * embed + 10 * (embed + 4)) / 13 + predict
            means = table.means
            line = means[(means["model"] == model) & (means["prompt"] == prompt)].iloc[0]
            (x,), (y,) = mark.get_data()
            assert (x, y) == (pytest.approx(ms), pytest.approx(100 * line["miou"]))
            assert matplotlib.colors.same_color(mark.get_color(), facts.looks[name].colour)
            seen.add((model, prompt))
    assert seen == {(model, prompt) for model in TIMES for prompt in ("1 point", "box")}


def test_one_model_or_two_devices_are_no_figure(bench):
    assert drawings(commands(bench, {"alpha": (9.0, 5.0)}))[0] == []
    one = bench.run("shapes", "mid", "box", images=3, latest=latest(9.0, 1.0, 3, 9, device="cuda"))
    other = bench.run("shapes", "zeta", "box", images=3, latest=latest(9.0, 1.0, 3, 9))
    assert drawings([one, other])[0] == []
