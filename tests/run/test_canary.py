from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from finished import one_line
from small_sam import build_small_sam
from whole_runs import Silent

from bench.cli import main
from bench.config.composing import load_configs
from bench.models.disk import Disk
from bench.models.sam_segmenter import SamSegmenter
from bench.run import canary
from bench.run.plan import make_plan
from bench.run.worker import Worker
from bench.types import BenchError, Site
from bench.types.mask import Mask
from bench.types.stopwatch import Stopwatch


def test_a_canary_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    cases = canary.record(Disk(site=Site()))
    canary.save(cases, tmp_path / "canary" / "x.json")
    again = canary.load(tmp_path / "canary" / "x.json")
    assert len(again) == len(cases) == 6
    for one, other in zip(cases, again, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.prompt.points, other.prompt.points)
        assert (one.prompt.box is None) == (other.prompt.box is None)
        assert one.multimask == other.multimask
        assert one.expected.to_rle() == other.expected.to_rle()
        assert one.image.shape[0] != one.image.shape[1]


def test_the_same_model_passes_and_another_one_fails() -> None:
    sam = SamSegmenter(build_small_sam(), Site())
    cases = canary.record(sam)
    canary.check(sam, cases, Path("x.json"))
    wrong = build_small_sam()
    with torch.no_grad():  # one layer left at random
        torch.nn.init.normal_(wrong.mask_decoder.output_upscaling[0].weight, std=1.0)
    with pytest.raises(BenchError, match=r"x\.json: the model answers picture \d"):
        canary.check(SamSegmenter(wrong, Site()), cases, Path("x.json"))


def test_empty_masks_agree() -> None:
    (case, *_) = canary.record(Disk(site=Site()))
    empty = Mask.from_dense(np.zeros(case.expected.shape, dtype=bool))

    class Blind(Disk):
        def predict(self, embeddings, prompts, multimask):  # type: ignore[no-untyped-def]
            found = super().predict(embeddings, prompts, multimask)
            found.logits.fill_(-1)
            return found

    blind = Blind(site=Site())
    expected = canary.Case(case.image, case.prompt, case.multimask, empty)
    canary.check(blind, [expected], Path("x"))
    with pytest.raises(BenchError):
        canary.check(blind, [case], Path("x"))


def test_an_answer_that_is_no_number_agrees_with_no_canary() -> None:
    cases = canary.record(Disk(site=Site()))

    class Broken(Disk):
        def predict(self, embeddings, prompts, multimask):  # type: ignore[no-untyped-def]
            found = super().predict(embeddings, prompts, multimask)
            found.logits[:, 0, 3, 5] = torch.nan
            return found

    for asked in (lambda: canary.record(Broken(site=Site())),
                  lambda: canary.check(Broken(site=Site()), cases, Path("x"))):  # fmt: skip
        with pytest.raises(BenchError, match=r"canary is NaN or infinite: 1 of .* candidate 1"):
            asked()


def test_a_canary_keeps_the_threshold_that_it_was_recorded_at(tmp_path: Path) -> None:
    model, path = Disk(site=Site()), tmp_path / "canary" / "x.json"
    cases = canary.record(model, threshold=2.0)
    plain = canary.record(model)
    assert all(c.expected.area < p.expected.area for c, p in zip(cases, plain, strict=True))
    canary.save(cases, path)
    assert {case.threshold for case in canary.load(path)} == {2.0}
    canary.check(model, canary.load(path), path)
    moved = [dataclasses.replace(case, threshold=0.0) for case in cases]
    with pytest.raises(BenchError, match="answers picture 1"):
        canary.check(model, moved, path)
    content = json.loads(path.read_text())
    for case in content["cases"]:
        del case["threshold"]  # as earlier releases wrote it: at 0
    path.write_text(json.dumps(content))
    assert {case.threshold for case in canary.load(path)} == {0.0}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cases": [{}]}'])
def test_a_broken_canary_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(BenchError, match=r"x\.json: not a canary file"):
        canary.load(tmp_path / "x.json")


def demo_plan(tmp_path: Path, *overrides: str):  # type: ignore[no-untyped-def]
    folders = [f"runtime.checkpoints={tmp_path}", f"runtime.results={tmp_path}"]
    words = ["model=demo", "dataset=shapes", "dataset.args.count=1", "runtime.device=cpu"]
    return make_plan(load_configs([*words, *folders, *overrides])[0])


def test_every_run_with_a_checkpoint_asks_its_canary(tmp_path: Path) -> None:
    assert main(["canary", "model=demo", "--output-dir", str(tmp_path)]) == 0
    (path,) = (tmp_path / "canary").iterdir()
    Worker(demo_plan(tmp_path), Silent(), Stopwatch())
    cases = canary.load(path)
    flipped = Mask.from_dense(~cases[2].expected.dense())
    cases[2] = canary.Case(cases[2].image, cases[2].prompt, cases[2].multimask, flipped)
    canary.save(cases, path)
    with pytest.raises(BenchError, match="picture 3 of its canary"):
        Worker(demo_plan(tmp_path), Silent(), Stopwatch())
    Worker(demo_plan(tmp_path, "runtime.canary=false"), Silent(), Stopwatch())


def test_a_recorded_canary_is_kept_unless_told_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["canary", "model=demo_s", "--output-dir", str(tmp_path)]
    assert main(words) == 0
    (path,) = (tmp_path / "canary").iterdir()
    before = path.read_bytes()
    words += ["protocol.args.threshold=1.0"]
    assert main(words) == 2
    said = one_line(capsys.readouterr().err)
    assert str(path) in said
    assert "--overwrite" in said
    assert path.read_bytes() == before
    assert main([*words, "--overwrite"]) == 0
    assert {case.threshold for case in canary.load(path)} == {1.0}


def test_the_demo_checkpoint_comes_with_its_canary(tmp_path: Path) -> None:
    plan = demo_plan(tmp_path)
    sha256 = plan.question.model.args["sha256"]
    from bench.config.folders import conf_dir

    path = canary.find(sha256, [conf_dir()])
    assert path is not None, "sam-bench canary model=demo --output-dir conf"
    worker = Worker(plan, Silent(), Stopwatch())
    start = time.perf_counter()
    canary.check(worker.segmenter, canary.load(path), path)
    assert time.perf_counter() - start < 10, "2 s on an idle machine"


def test_a_model_without_a_checkpoint_has_no_canary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["canary", "model=disk"]) == 2
    assert "disk has no checkpoint" in capsys.readouterr().err
