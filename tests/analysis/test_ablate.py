"""What a choice is worth: whole runs, and the interval against leaving images out by hand."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from bench.analysis.choices.ablate import ablation, swaps, worth
from bench.analysis.stats import paired_interval
from bench.cli import main
from bench.config.component import Component
from bench.config.composing import load_configs
from bench.store.runs import find_runs


@cache
def protocol(name):
    return load_configs([f"protocol={name}"])[0].protocol


def test_one_choice_at_a_time_with_a_name_of_its_own():
    found = swaps(protocol("sam"), protocol("efficientvit_sam"))
    assert [swap.choice for swap in found] == [
        "feedback", "multimask", "crowd", "min_area", "box", "area", "no_error"
    ]  # fmt: skip
    for swap in found:
        changed = {c for c, v in swap.protocol.args.items() if v != protocol("sam").args[c]}
        assert changed == {swap.choice}
        assert swap.protocol.name == f"sam+{swap.choice}={swap.after}"
    assert not swaps(protocol("sam"), protocol("sam"))


def test_a_choice_that_one_does_not_name_is_the_default():
    named = protocol("edge_sam")
    few = replace(named, name="mine", args={"box": "file"})
    swapped = {swap.choice: (swap.before, swap.after) for swap in swaps(few, named)}
    assert "box" not in swapped
    assert swapped["next_grid"] == ("image", "long_256")
    assert [swap.choice for swap in swaps(named, few)] == list(swapped)


def test_the_only_difference_is_the_other_protocol_itself():
    a, b = Component("a", "1", "t", {"x": 1, "y": 2}), Component("b", "1", "t", {"x": 1, "y": 3})
    (swap,) = swaps(a, b)
    assert swap.protocol is b


def frame(images, iou, first=0):
    masks = range(first, first + len(iou))
    names = {"image_id": list(images), "cluster": list(images)}
    return pd.DataFrame(names | {"mask_id": [f"m{m}" for m in masks], "iou": list(iou)})


def test_the_same_masks_are_paired_in_any_order():
    rng = np.random.default_rng(0)
    images = [f"i{k % 11}" for k in range(40)]
    a, b = frame(images, rng.random(40)), frame(images, rng.random(40))
    plain = paired_interval(b["iou"], a["iou"], images)
    found = worth(a, b.sample(frac=1, random_state=1))
    assert found.n == 40
    for one, other in zip(
        (found.mean, found.low, found.high), (plain.mean, plain.low, plain.high), strict=True
    ):
        assert one == pytest.approx(other)


def test_other_masks_are_compared_by_means_over_the_same_images():
    rng = np.random.default_rng(1)
    images = [f"i{k % 60:02}" for k in range(300)]
    quality = {image: rng.normal(0, 0.15) for image in set(images)}
    a = frame(images, [np.clip(0.6 + quality[i] + rng.normal(0, 0.1), 0, 1) for i in images])
    crowds = [f"i{k:02}" for k in range(0, 66, 3)]  # two images hold nothing but crowds
    extra = frame(crowds, rng.uniform(0.1, 0.3, len(crowds)), first=300)
    b = pd.concat([a, extra], ignore_index=True)
    found = worth(a, b)
    assert found.mean == pytest.approx(b["iou"].mean() - a["iou"].mean())
    assert found.low < found.mean < found.high < 0
    assert (found.n, found.clusters) == (322, 62)
    away = [
        b["iou"][b["image_id"] != name].mean() - a["iou"][a["image_id"] != name].mean() - found.mean
        for name in set(b["image_id"])
    ]
    assert found.error == pytest.approx(np.sqrt(61 / 62 * np.sum(np.square(away))))


def test_the_choice_of_the_average_is_worth_the_gap_between_the_two():
    rng = np.random.default_rng(2)
    rows = frame([f"i{k % 7 if k < 60 else 9}" for k in range(80)], rng.random(80))
    rows.loc[60:, "iou"] /= 4
    found = worth(rows, rows.sample(frac=1, random_state=0), (False, True))
    by_image = rows.groupby("image_id")["iou"].mean().mean()
    assert found.mean == pytest.approx(by_image - rows["iou"].mean())
    assert found.mean > 0.05
    assert worth(rows, rows, (True, True)).mean == 0


OVERRIDES = [
    "model=disk", "dataset=shapes", "dataset.args.count=5", "prompt=[point_1,point_3]",
    "runtime.workers=1",
]  # fmt: skip


@pytest.mark.long
def test_the_command_runs_each_swap_once_and_prints_what_it_is_worth(tmp_path, capsys):
    command = ["protocol", "ablate", "sam", "segment_anything_fast", *OVERRIDES]
    command += [f"runtime.results={tmp_path}"]
    assert main(command) == 0
    out = capsys.readouterr().out
    stores = find_runs(tmp_path)
    runs = {(s.header()["protocol"]["name"], s.header()["prompt"]["name"]): s for s in stores}
    assert {name for name, _ in runs} == {
        "sam", "segment_anything_fast", "sam+first_click=center_of_mass", "sam+crowd=include",
    }  # fmt: skip
    assert len(stores) == 8
    found = swaps(protocol("sam"), protocol("segment_anything_fast"))
    swapped = {s.choice: (s, runs[s.protocol.name, "point_1"]) for s in found}
    (section,) = ablation(runs["sam", "point_1"], runs["segment_anything_fast", "point_1"], swapped)
    lines = section.lines.set_index("choice")
    assert lines.loc["crowd", "delta"] == 0  # there are no crowds
    assert lines.loc["first_click", "delta"] != 0
    assert lines.loc["sum", "delta"] == pytest.approx(lines.loc["B − A", "delta"])
    assert "Disk on Shapes, 1 point" in out
    assert "Disk on Shapes, 3 points" in out
    before = {part: part.stat().st_mtime_ns for s in stores for part in s.parts()}
    assert main([*command, "--report", "worth"]) == 0
    again = capsys.readouterr().out
    assert again.startswith(out)
    assert f"report: {tmp_path / 'reports' / 'worth'}" in again
    written = pd.read_csv(tmp_path / "reports" / "worth" / "ablation_shapes_disk_1_point.csv")
    assert written["delta"].tolist()[0] == pytest.approx(section.lines["delta"].tolist()[0])
    latex = (tmp_path / "reports" / "worth" / "ablation_shapes_disk_3_points.tex").read_text()
    assert r"\begin{tabular}{lllrr}" in latex
    assert before == {
        part: part.stat().st_mtime_ns for s in find_runs(tmp_path) for part in s.parts()
    }


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["sam", "sam"], 0, "make the same choices"),
        (["sam", "nonsense"], 2, "nonsense"),
        (["sam", "sam2", "protocol=hq_sam"], 2, "leave out protocol=hq_sam"),
    ],
)
def test_nothing_to_swap_is_said_in_one_line(tmp_path, capsys, words, code, says):
    assert main(["protocol", "ablate", *words, *OVERRIDES, f"runtime.results={tmp_path}"]) == code
    shown = capsys.readouterr()
    said = shown.err if code else shown.out
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_table_names_both_protocols_with_their_means(bench, row):
    def run(protocol, *ious):
        rows = [
            row(protocol=protocol, image_id=f"i{n}", mask_id=f"m{n}", iou=iou)
            for n, iou in enumerate(ious)
        ]
        return bench.run(prompt="point_1", protocol=protocol, rows=rows)

    (section,) = ablation(run("sam", 0.5, 0.75, 0.25), run("mine", 0.5, 0.5, 0.125), {})
    assert section.title.endswith(", 1 point: A sam 50.00, B mine 37.50")
