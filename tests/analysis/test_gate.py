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
