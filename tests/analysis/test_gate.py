"""What a gate says beside its outcome."""

import re

import pytest

from bench.analysis.comparing.comparison import compare
from bench.analysis.comparing.gate import Gate, Judgement, judged
from bench.analysis.stats import clusters_needed, paired_averages
from bench.store.runs import read_runs


@pytest.mark.parametrize("sign", [">", "<"])
def test_the_hint_counts_images_for_the_gap_between_the_difference_and_the_gate(bench, sign):
    sides = [
        bench.run(model=m, prompt="box", images=4, skill=s) for m, s in (("a", 1), ("b", 1.02))
    ]
    found = compare(*([side] for side in sides))
    line = found.table.iloc[0]
    limit = round(100 * (0.3 * float(line["low"]) + 0.7 * float(line["delta"])), 3)
    (verdict,) = judged(found, Gate("delta_miou", sign, limit))
    a, b = (read_runs([side]).set_index(["image_id", "mask_id"])["iou"] for side in sides)
    both = paired_averages(a, b.reindex(a.index), a.index.get_level_values("image_id"))
    gaps = [abs(each.mean - limit / 100) for each in (both.masks, both.images)]
    needed = clusters_needed(both, min(gaps))
    assert verdict.outcome == "undecided"
    said = re.search(r"about ([\d,]+) images would settle it$", verdict.sentence)
    assert said[1].replace(",", "") == str(needed)
    assert needed > 10


def test_where_one_average_alone_holds_the_other_is_named(bench, row):
    """Ten masks an image gain 20 points; in as many images of one mask each 30 are lost."""

    def run(model, *gains):
        rows = [
            row(model=model, image_id=f"i{image}", mask_id=f"{image}-{mask}",
                iou=0.5 + gains[image % 2] * (1 + 0.01 * image))
            for image in range(12) for mask in range(1 if image % 2 else 10)
        ]  # fmt: skip
        return bench.run(model=model, prompt="point_1", rows=rows)

    found = compare([run("a", 0.2, -0.3)], [run("b", 0.0, 0.0)])
    assert not found.over_images
    (verdict,) = judged(found, Gate("delta_miou", ">", 0.0))
    assert verdict.outcome == "undecided"
    assert re.search(
        r"delta_miou is \+1[0-9.]+ \(\+.* to \+.*\) and, over images, −", verdict.sentence
    )


def test_a_mean_that_holds_hides_a_dataset_that_fails_unless_each_counts(bench, row):
    """Three datasets gain, one of them the largest, and one loses; names in no order of theirs."""
    gains = {"zebra": 0.3, "ants": 0.2, "moles": -0.1}

    def run(model, dataset, gain):
        rows = [
            row(model=model, dataset=dataset, image_id=f"i{n}", mask_id=f"m{n}",
                iou=0.5 + gain + 0.001 * (n * (2 if gain else 1)))
            for n in range(12)
        ]  # fmt: skip
        return bench.run(model=model, dataset=dataset, prompt="point_1", rows=rows)

    sides = [
        [run(model, name, gain * share) for name, gain in gains.items()]
        for model, share in (("a", 1.0), ("b", 0.0))
    ]
    found = compare(*sides)
    gate = Gate("delta_miou", ">", 0.0)
    (mean,) = judged(found, gate)
    assert (mean.outcome, mean.dataset) == ("holds", None)
    verdicts = {verdict.dataset: verdict for verdict in judged(found, gate, each=True)}
    outcomes = {name: verdict.outcome for name, verdict in verdicts.items()}
    assert outcomes == {None: "holds", "zebra": "holds", "ants": "holds", "moles": "fails"}
    for name, gain in gains.items():
        assert f" on {found.datasets[name]}, 1 point: delta_miou is " in verdicts[name].sentence
        number = re.search(r"delta_miou is ([+−][0-9.]+)", verdicts[name].sentence)[1]
        assert float(number.replace("−", "-")) == pytest.approx(100 * gain, abs=1.5)
    judgement = Judgement(gate, tuple(verdicts.values()))
    assert not judgement.holds
    assert Judgement(gate, (mean,)).holds
    section = judgement.section()
    assert section.title == "Gate delta_miou>0: does not hold"
    shown = {row[1]: row[2] for row in section.rows}
    assert shown == {name or "mean over datasets": outcome for name, outcome in outcomes.items()}
