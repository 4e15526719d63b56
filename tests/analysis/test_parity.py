"""Faster modes against the reference: what is compared, and when a mode is called safe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.analysis.comparing import parity as module
from bench.analysis.comparing.parity import parity
from bench.cli import main
from bench.scoring.metrics.iou import iou
from bench.store.runs import RunStore
from bench.types import BenchError, Mask, MaskRow

SHAPE = (40, 60)


def run_of(folder: Path, name: str, masks: dict[str, Mask | None], truth: Mask) -> RunStore:
    """A finished run of one click each, an image a mask."""
    store = RunStore.create(folder, f"made-{name}-point_1-0123456789ab")
    for image_id, mask in masks.items():
        value = 0.0 if mask is None else iou(mask, truth)
        rle = None if mask is None else mask.to_rle()
        row = MaskRow(
            dataset="made", image_id=image_id, mask_id=f"{image_id}/0", category=None,
            attributes={}, height=SHAPE[0], width=SHAPE[1], area=truth.area, model="m",
            prompt="point_1", protocol="sam", step=1, n_points=1, point_coords=[[3.0, 3.0]],
            point_labels=[1], box=None, iou=value, iou_oracle=value, ious=[value],
            predicted_ious=[0.5], selected=0, multimask=False, mask_rle=rle,
        )  # fmt: skip
        store.write_part([row], [image_id])
    part = {"version": "1", "args": {}, "about": {}}
    named = {"dataset": "made", "model": "m", "prompt": "point_1", "protocol": "sam"}
    store.write_header(
        {kind: part | {"name": name} for kind, name in named.items()}
        | {"key": "0" * 12, "status": "complete", "report_steps": {"1": "1 point"}}
    )
    return store


def square(side: int, top: int = 5) -> Mask:
    dense = np.zeros(SHAPE, bool)
    dense[top : top + side, 10 : 10 + side] = True
    return Mask.from_dense(dense)


@pytest.fixture
def truth() -> Mask:
    return square(20)


def judged(tmp_path: Path, truth: Mask, before: list[Mask], after: list[Mask | None]):
    names = [f"{i:02d}" for i in range(len(before))]
    sides = [
        run_of(tmp_path, side, dict(zip(names, masks, strict=True)), truth)
        for side, masks in (("a", before), ("b", after))
    ]
    return parity(sides[:1], sides[1:], "m with dtype=x")


def test_equal_masks_are_safe(tmp_path: Path, truth: Mask) -> None:
    masks = [square(side) for side in (18, 19, 20, 21, 20, 19)]
    found = judged(tmp_path, truth, masks, list(masks))
    line = found.section.lines.iloc[0]
    assert (found.verdict, found.safe) == ("safe", True)
    assert (line["changed"], line["delta"], line["emptied"], line["masks"]) == (0, 0, 0, 6)
    assert "is safe here" in found.sentences[0]


def test_one_pixel_in_large_masks_is_safe_and_counted_as_changed(
    tmp_path: Path, truth: Mask
) -> None:
    before = [square(20) for _ in range(12)]
    dense = square(20).dense()
    dense[5, 10] = False
    after = [Mask.from_dense(dense), *before[1:]]
    found = judged(tmp_path, truth, before, list(after))
    line = found.section.lines.iloc[0]
    assert line["changed"] == pytest.approx(1 / 12)
    assert line["moved"] == pytest.approx(1 / 400 / 12)
    assert line["delta"] == pytest.approx(-1 / 400 / 12)
    assert found.verdict == "safe"


def test_a_shift_of_the_mean_is_unsafe(tmp_path: Path, truth: Mask) -> None:
    before = [square(20) for _ in range(12)]
    after = [square(19) for _ in range(12)]
    found = judged(tmp_path, truth, before, list(after))
    assert found.verdict == "unsafe"
    assert "−9.8 points with 1 point on made" in found.sentences[0]


def test_few_images_that_scatter_show_nothing(tmp_path: Path, truth: Mask) -> None:
    before = [square(19), square(20), square(19), square(20)]
    after = [square(20), square(19), square(20), square(19)]
    found = judged(tmp_path, truth, before, list(after))
    assert found.section.lines.iloc[0]["delta"] == pytest.approx(0)
    assert (found.verdict, found.safe) == ("not shown", False)


def test_a_mask_that_becomes_empty_is_unsafe_however_good_the_mean(
    tmp_path: Path, truth: Mask
) -> None:
    far = square(8, top=30)  # misses the target: IoU 0 before and after
    empty = Mask.from_dense(np.zeros(SHAPE, bool))
    before = [square(20) for _ in range(11)] + [far]
    found = judged(tmp_path, truth, before, [*before[:11], empty])
    line = found.section.lines.iloc[0]
    assert (line["delta"], line["emptied"]) == (0, 1)
    assert found.verdict == "unsafe"
    assert "1 masks become empty" in found.sentences[0]


def test_runs_without_masks_are_refused(tmp_path: Path, truth: Mask) -> None:
    with pytest.raises(BenchError, match="kept none"):
        judged(tmp_path, truth, [square(20)], [None])


def test_the_margin_is_said_where_the_table_is(tmp_path: Path, truth: Mask) -> None:
    found = judged(tmp_path, truth, [square(20)] * 3, [square(20)] * 3)
    assert f"±{100 * module.MARGIN:g}" in found.section.note


@pytest.mark.long
def test_the_command_runs_both_modes_of_a_real_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model=demo_s", "dataset=shapes", "dataset.args.count=3", "prompt=[point_1,box]"]
    words += [f"runtime.results={tmp_path}"]
    code = main(["check", "parity", *words, "--mode", "dtype=bfloat16"])
    out = capsys.readouterr().out
    assert "Parity of demo_s with dtype=bfloat16" in out
    assert code == (0 if "is safe here" in out else 1)
    assert len(list((tmp_path / "runs").iterdir())) == 4
    assert main(["check", "parity", *words, "--mode", "dtype=float32"]) == 2
    assert "what the model does anyway" in capsys.readouterr().err
    assert main(["check", "parity", *words]) == 2
    assert "--mode dtype=bfloat16" in capsys.readouterr().err
