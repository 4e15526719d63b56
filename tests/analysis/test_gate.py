"""What a gate says beside its outcome."""

import re

import pytest

from bench.analysis.comparing.comparison import compare
from bench.analysis.comparing.gate import Gate, judged
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
    ((outcome, sentence),) = judged(found, Gate("delta_miou", sign, limit))
    a, b = (read_runs([side]).set_index(["image_id", "mask_id"])["iou"] for side in sides)
    both = paired_averages(a, b.reindex(a.index), a.index.get_level_values("image_id"))
    gaps = [abs(each.mean - limit / 100) for each in (both.masks, both.images)]
    needed = clusters_needed(both, min(gaps))
    assert outcome == "undecided"
    said = re.search(r"about ([\d,]+) images would settle it$", sentence)
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
    ((outcome, sentence),) = judged(found, Gate("delta_miou", ">", 0.0))
    assert outcome == "undecided"
    assert re.search(r"delta_miou is \+1[0-9.]+ \(\+.* to \+.*\) and, over images, −", sentence)
