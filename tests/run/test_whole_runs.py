"""Whole runs, with real models, readers and files."""

from __future__ import annotations

import json
import os
import random
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from small_sam import build_small_sam
from whole_runs import (
    Silent,
    Stop,
    comparable,
    configure,
    execute,
    grabcut_config,
    rows_of,
    small_sam_config,
)

from bench.config.composing import RunConfig
from bench.data.readers.coco import Coco
from bench.models.disk import Disk
from bench.run.driver import run
from bench.run.health import Health
from bench.run.plan import make_plan
from bench.scoring.metrics.boundary_iou import boundary_iou
from bench.scoring.metrics.iou import iou
from bench.store.runs import SCHEMA, ImageError, find_runs
from bench.types import BenchError, ImageArray, Site, Step, UnfitImageError
from bench.types.mask import Mask


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=5, masks=3)


@pytest.fixture(scope="module")
def shared(coco_folder_in: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for tests that leave it as it is."""
    return coco_folder_in(tmp_path_factory.mktemp("shared"), images=5, masks=3)


@pytest.fixture(scope="module")
def reference(shared: Path) -> Callable[[Callable[..., RunConfig]], list[str]]:
    """The rows of a model by default settings on the shared pictures; run once each."""

    @cache
    def rows(make: Callable[..., RunConfig]) -> list[str]:
        return comparable(execute(make(shared, results=make.__name__)))

    return rows


def test_every_mask_has_a_row_for_every_step(folder: Path) -> None:
    plan = execute(configure(folder))
    counts = rows_of(plan).groupby(["prompt", "step"]).size().to_dict()
    steps = {"point_1": 1, "point_3": 3, "box": 1, "noisy_box": 1}
    steps |= {"random_point_3": 3, "box_and_points": 4}
    assert counts == {(p, s + 1): 15 for p, n in steps.items() for s in range(n)}


def test_step_one_of_three_points_is_one_point(folder: Path) -> None:
    rows = rows_of(execute(small_sam_config(folder)))
    one = rows[rows["prompt"] == "point_1"].set_index("mask_id")
    three = rows[(rows["prompt"] == "point_3") & (rows["step"] == 1)].set_index("mask_id")
    assert (one["iou"] == three["iou"]).all()
    assert (one["mask_rle"] == three["mask_rle"]).all()


def test_what_several_prompts_ask_alike_is_asked_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    straight = Disk.predict

    def counted(self, embeddings, prompts, multimask):  # type: ignore[no-untyped-def]
        asked.extend(prompts)
        return straight(self, embeddings, prompts, multimask)

    monkeypatch.setattr(Disk, "predict", counted)
    plan = execute(configure(folder, "prompt=[point_1,point_3,points,random_point_1]"))
    assert len(rows_of(plan)) == 15 * (1 + 3 + 9 + 1)
    assert len(asked) <= 15 * (9 + 1), "point_1 and point_3 are the first steps of points"


def test_scores_are_those_of_the_stored_masks(folder: Path) -> None:
    rows = rows_of(execute(small_sam_config(folder)))
    reader = Coco(str(folder / "annotations.json"), str(folder / "images"), site=Site())
    targets = {t.mask_id: t.mask for i in reader.ids() for t in reader.read(i).targets}
    for row in rows.itertuples():
        predicted = Mask.from_rle({"size": [row.height, row.width], "counts": row.mask_rle})
        assert row.iou == iou(predicted, targets[row.mask_id])
        assert row.boundary_iou == boundary_iou(predicted, targets[row.mask_id])
        assert row.area == targets[row.mask_id].area
        assert row.iou == row.ious[row.selected]
        assert row.iou_oracle == max(row.ious)
        assert row.predicted_ious[row.selected] == max(row.predicted_ious)
        assert row.multimask == (len(row.ious) == 3)


def replay(
    sam: Sam, rows: pd.DataFrame, images: Mapping[str, np.ndarray]
) -> list[tuple[float, int]]:
    """The rows' prompts through the official predictor, one at a time, logits fed back.

    For each row the difference of the IoUs' predicted values and the number of pixels in which
    the selected masks differ.
    """
    predictor = SamPredictor(sam)
    differences = []
    for image_id, of_image in rows.groupby("image_id"):
        predictor.set_image(images[image_id])
        for _, of_mask in of_image.groupby(["prompt", "mask_id"]):
            logits = None
            for row in of_mask.sort_values("step").itertuples():
                points = np.array([list(p) for p in row.point_coords]) if row.n_points else None
                masks, scores, low = predictor.predict(
                    point_coords=points,
                    point_labels=np.array(row.point_labels) if row.n_points else None,
                    box=None if row.box is None else np.array(row.box, dtype=np.float32),
                    mask_input=logits,
                    multimask_output=row.n_points == 1 and row.box is None,
                )
                best = int(np.argmax(scores))
                logits = low[best : best + 1]
                ours = Mask.from_rle({"size": [row.height, row.width], "counts": row.mask_rle})
                wrong = int((masks[best] != ours.dense()).sum())
                gap = float(np.abs(scores - np.array(row.predicted_ious, np.float32)).max())
                differences.append((gap, wrong))
    return differences


def images_of(folder: Path) -> dict[str, np.ndarray]:
    paths = sorted((folder / "images").iterdir())
    return {str(i): np.array(Image.open(path)) for i, path in enumerate(paths)}


def test_masks_are_those_of_the_official_predictor_pixel_for_pixel(folder: Path) -> None:
    rows = rows_of(execute(small_sam_config(folder)))
    found = replay(build_small_sam(), rows, images_of(folder))
    assert len(found) == len(rows)
    assert found == [(0.0, 0)] * len(rows)
    areas = [Mask.from_rle({"size": [48, 64], "counts": rle}).area for rle in rows["mask_rle"]]
    assert np.mean([0 < area < 48 * 64 for area in areas]) > 0.5, "the masks must say something"


@pytest.mark.slow
def test_a_full_size_vit_b_of_random_weights_equals_the_official_predictor(
    coco_folder: Callable[..., Path], tmp_path: Path
) -> None:
    from segment_anything import sam_model_registry

    torch.manual_seed(0)
    sam = sam_model_registry["vit_b"]().eval()
    checkpoint = tmp_path / "random_vit_b.pth"
    torch.save(sam.state_dict(), checkpoint)
    folder = coco_folder(images=2, masks=2, size=(300, 400))
    override = [f"model.args.checkpoint={checkpoint}", "prompt=[point_1,point_3,box]"]
    rows = rows_of(execute(configure(folder, "model=sam_vit_b", *override)))
    found = replay(sam, rows, images_of(folder))
    assert len(found) == len(rows) == 2 * 2 * 5
    areas = [Mask.from_rle({"size": [300, 400], "counts": rle}).area for rle in rows["mask_rle"]]
    telling = sum(0 < area < 300 * 400 for area in areas)
    sys.stderr.write(
        f"\nViT-B: {len(found)} masks, {telling} neither empty nor full, "
        f"largest (gap of predicted IoU, differing pixels): {max(found)}\n"
    )
    assert telling > len(found) / 2, "the masks must say something"
    assert found == [(0.0, 0)] * len(rows)


@pytest.mark.parametrize(
    "runtime",
    [
        ["runtime.workers=4", "runtime.image_batch=2", "runtime.prompt_batch=5"],
        pytest.param(
            ["runtime.workers=1", "runtime.image_batch=3", "runtime.prompt_batch=2"],
            marks=pytest.mark.long,
        ),
        pytest.param(["runtime.part_images=1", "runtime.prompt_batch=1"], marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        configure,
        *(pytest.param(m, marks=pytest.mark.long) for m in (grabcut_config, small_sam_config)),
    ],
)
def test_rows_do_not_depend_on_batches_and_workers(
    shared: Path,
    tmp_path: Path,
    make: Callable[..., RunConfig],
    runtime: list[str],
    reference: Callable[[Callable[..., RunConfig]], list[str]],
) -> None:
    other = execute(make(shared, *runtime, results=tmp_path.name))
    assert comparable(other) == reference(make)


def test_rows_do_not_depend_on_the_order_of_images(
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reference: Callable[[Callable[..., RunConfig]], list[str]],
) -> None:
    expected = reference(small_sam_config)
    straight = Coco.ids

    def shuffled(reader: Coco) -> list[str]:
        ids = list(straight(reader))
        random.Random(5).shuffle(ids)
        assert ids != straight(reader)
        return ids

    monkeypatch.setattr(Coco, "ids", shuffled)
    other = execute(small_sam_config(shared, results=tmp_path.name))
    assert comparable(other) == expected


def test_the_same_command_again_does_nothing(folder: Path) -> None:
    plan = execute(configure(folder))
    before = {path: path.stat().st_mtime_ns for path in folder.parent.glob("results/**/*")}
    again = make_plan(configure(folder))
    assert again.work.todo == ()
    run(again, Silent())
    assert {p: p.stat().st_mtime_ns for p in folder.parent.glob("results/**/*")} == before
    assert comparable(again) == comparable(plan)


def test_a_limited_run_goes_on_where_it_stopped(folder: Path) -> None:
    first = execute(configure(folder, "runtime.limit=2"))
    header = first.work.runs["box"].store.header()
    assert (header["status"], header["images_done"], header["images"]) == ("partial", 2, 5)
    second = execute(configure(folder, "runtime.device=cpu", "runtime.part_images=2"))
    assert second.work.todo == ("2", "3", "4")
    assert second.work.runs["box"].store.header()["status"] == "complete"
    whole = execute(configure(folder, results="whole"))
    assert comparable(second) == comparable(whole)


def test_a_new_prompt_runs_alone_beside_finished_ones(folder: Path) -> None:
    execute(configure(folder, "prompt=box"))
    plan = make_plan(configure(folder, "prompt=[box,point_1]"))
    assert plan.work.runs["box"].missing == frozenset()
    before = plan.work.runs["box"].store.parts()
    run(plan, Silent())
    assert plan.work.runs["box"].store.parts() == before
    assert len(rows_of(plan)) == 30


def test_ctrl_c_keeps_what_is_finished(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(images=20, masks=1)
    plan = make_plan(configure(folder))
    with pytest.raises(KeyboardInterrupt):
        run(plan, Stop(after=3))
    header = plan.work.runs["box"].store.header()
    assert header["status"] == "partial"
    assert 3 <= header["images_done"] < 20
    second = execute(configure(folder))
    assert len(second.work.todo) == 20 - header["images_done"]
    assert comparable(second) == comparable(execute(configure(folder, results="whole")))


def test_an_unreadable_image_is_left_out_and_named(folder: Path) -> None:
    broken = folder / "images" / "002.png"
    good = broken.read_bytes()
    broken.write_bytes(good[:60])
    plan = make_plan(configure(folder))
    (error,) = run(plan, Silent())
    assert error.image_id == "2"
    assert "002.png" in error.reason
    store = plan.work.runs["box"].store
    header = store.header()
    assert (header["status"], header["images_done"], header["images_failed"]) == ("complete", 4, 1)
    assert store.errors() == [error]
    os.utime(broken)
    broken.write_bytes(good)
    assert run(make_plan(configure(folder)), Silent()) == []
    assert store.errors() == []
    assert store.header()["images_done"] == 5


class Unloadable(Disk):
    """Refuses its file where it is looked into, or only as it is loaded."""

    def __init__(self, early: bool = False, *, site: Site) -> None:
        raise BenchError("its file holds another architecture")

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        return dict(args)

    @classmethod
    def check_files(cls, args: Mapping[str, Any], site: Site) -> None:
        if args["early"]:
            cls(site=site)


@pytest.mark.parametrize("early", [True, False])
def test_a_run_refused_while_loading_is_no_run(folder: Path, early: bool) -> None:
    words = ["prompt=[box,point_1]"]
    box = execute(configure(folder, "prompt=[box]"))
    config = configure(folder, *words)
    config.model.name, config.model.target = "unloadable", "test_whole_runs.Unloadable"
    config.model.args = {"early": early}
    config.runtime.allow_modules = ["test_whole_runs"]
    for _ in range(2):
        if early:
            with pytest.raises(BenchError, match="another architecture"):
                make_plan(config)
        else:
            plan = make_plan(config)
            with pytest.raises(BenchError, match="another architecture"):
                run(plan, Silent())
    (store,) = find_runs(folder.parent / "results")
    assert store.folder == box.work.runs["box"].store.folder.resolve()


class Huge(Disk):
    """A model for which there is no memory, as it is loaded or as it sees an image."""

    def __init__(self, loads: bool, *, site: Site) -> None:
        super().__init__(site=site)
        if not loads:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory: 99 GiB\nmore")

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        return dict(args)

    def embed(self, images: Sequence[ImageArray]) -> list[tuple[int, int]]:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory: 9 GiB\nmore")


@pytest.mark.long
@pytest.mark.parametrize(
    ("loads", "says"),
    [
        (False, "huge on cpu: out of memory: CUDA out of memory: 99 GiB; take a smaller model"),
        (
            True,
            "memory ran out on each of the first 8 images, one at a time: out of memory on the ",
        ),
    ],
)
def test_a_model_too_large_for_the_device_ends_the_run_in_a_line(
    coco_folder: Callable[..., Path], loads: bool, says: str
) -> None:
    config = configure(coco_folder(images=12, masks=1), "runtime.image_batch=4")
    config.model.name, config.model.target = "huge", "test_whole_runs.Huge"
    config.model.args, config.runtime.allow_modules = {"loads": loads}, ["test_whole_runs"]
    with pytest.raises(BenchError) as caught:
        run(make_plan(config), Silent())
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


FAULTS: Mapping[str, tuple[Exception, str]] = {
    "unfit": (UnfitImageError("a picture too wide"), "a picture too wide"),
    "device": (
        torch.cuda.OutOfMemoryError("CUDA out of memory: 9 GiB\nmore"),
        "out of memory on the device with runtime.image_batch=1: CUDA out of memory: 9 GiB; "
        "take a smaller model or image, or a device with more memory",
    ),
    "host": (
        RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"),
        "out of memory on the device with runtime.image_batch=1: DefaultCPUAllocator: can't "
        "allocate memory: 9 bytes; take a smaller model or image, or a device with more memory",
    ),
    "answer": (MemoryError("9 GiB"), "out of memory: 9 GiB; take a smaller image"),
    "picture": (MemoryError(), "out of memory: no reason given; take a smaller image"),
}


class Choosy(Disk):
    """Takes no picture that is wider than it is high by more than some factor."""

    def __init__(self, fault: str, *, site: Site) -> None:
        super().__init__(site=site)
        self._fault = fault

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        return dict(args)

    def embed(self, images: Sequence[ImageArray]) -> list[tuple[int, int]]:
        if self._fault in ("unfit", "device", "host"):
            for image in images:
                if image.shape[1] > 10 * image.shape[0]:
                    raise FAULTS[self._fault][0]
        return super().embed(images)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unfit", ["runtime.workers=1"]),
        ("unfit", ["runtime.image_batch=4"]),
        ("device", ["runtime.image_batch=4"]),
        *((fault, ["runtime.workers=1"]) for fault in ("host", "answer", "picture")),
    ],
)
def test_a_picture_that_the_model_cannot_take_fails_alone_at_every_try(
    folder: Path, fault: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cramped(straight: Any, own: str, of: Callable[..., str]) -> Any:
        def done(self: Any, *given: Any) -> Any:
            if fault == own and "25" in of(*given):
                raise FAULTS[fault][0]
            return straight(self, *given)

        return done

    monkeypatch.setattr(Coco, "read", cramped(Coco.read, "picture", str))
    health = cramped(Health.look, "answer", lambda sample, *_: sample.image_id)
    monkeypatch.setattr(Health, "look", health)
    document = json.loads((folder / "annotations.json").read_text())
    document["images"].append({"id": 25, "file_name": "wide.png", "height": 3, "width": 64})
    box = [[1, 0, 9, 0, 9, 2, 1, 2]]
    document["annotations"].append(
        {"id": 99, "image_id": 25, "category_id": 1, "iscrowd": 0, "segmentation": box}
    )
    (folder / "annotations.json").write_text(json.dumps(document))
    Image.new("RGB", (64, 3)).save(folder / "images" / "wide.png")
    config = configure(folder, "prompt=[box,point_1]", *words)
    config.model.target, config.model.args = "test_whole_runs.Choosy", {"fault": fault}
    config.runtime.allow_modules = ["test_whole_runs"]
    for _ in range(2):
        plan = make_plan(config)
        assert run(plan, Silent()) == [ImageError("25", FAULTS[fault][1])]
        for each in plan.work.runs.values():
            header = each.store.header()
            assert (header["status"], header["images_done"]) == ("complete", 5)
            assert header["images_failed"] == 1
    config.runtime.strict = True
    with pytest.raises(BenchError, match=rf"image 25: {re.escape(FAULTS[fault][1])} .*strict"):
        run(make_plan(config), Silent())


def test_strict_stops_at_the_first_unreadable_image(folder: Path) -> None:
    (folder / "images" / "002.png").write_bytes(b"")
    plan = make_plan(configure(folder, "runtime.strict=true", "runtime.workers=1"))
    with pytest.raises(BenchError, match=r"image 2: .*002\.png.*strict"):
        run(plan, Silent())
    header = plan.work.runs["box"].store.header()
    assert header["status"] == "partial"
    assert header["images_done"] <= 2, "nothing behind the broken image is done"


def test_an_image_of_another_size_than_its_masks_is_named(folder: Path) -> None:
    Image.new("RGB", (30, 20)).save(folder / "images" / "001.png")
    (error,) = run(make_plan(configure(folder)), Silent())
    assert error.image_id == "1"
    for word in ("001.png", "30", "20", "64", "48"):
        assert word in error.reason


def test_changed_data_is_refused(folder: Path) -> None:
    execute(configure(folder, "runtime.limit=2"))
    path = folder / "annotations.json"
    document = json.loads(path.read_text())
    document["annotations"].pop()
    path.write_text(json.dumps(document))
    with pytest.raises(BenchError, match="has changed since this run began"):
        make_plan(configure(folder))


def test_targets_that_do_not_count_are_in_the_header(folder: Path) -> None:
    path = folder / "annotations.json"
    document = json.loads(path.read_text())
    document["annotations"][0]["iscrowd"] = 1
    document["annotations"][4]["segmentation"] = []
    path.write_text(json.dumps(document))
    header = execute(configure(folder)).work.runs["point_3"].store.header()
    assert header["skipped"] == {"crowd": 1, "empty": 1, "min_area": 0}
    assert header["masks"] == 13


def test_an_image_without_targets_is_done_all_the_same(folder: Path) -> None:
    path = folder / "annotations.json"
    document = json.loads(path.read_text())
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] != 3]
    path.write_text(json.dumps(document))
    assert execute(configure(folder)).work.runs["box"].store.header()["images_done"] == 5
    assert make_plan(configure(folder)).work.todo == ()


def test_a_prompt_that_the_model_does_not_understand_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.models.disk import Disk

    monkeypatch.setattr(Disk, "prompt_kinds", frozenset({"points"}))
    says = "understands points; prompt box under protocol sam asks for box too; it can be asked "
    says += "with prompt=point_1 or random_point_1 or scribble_points$"
    with pytest.raises(BenchError, match=says):
        make_plan(configure(folder, "prompt=box"))
    with pytest.raises(BenchError, match=r"prompt point_3 .* asks for mask_logits too"):
        make_plan(configure(folder, "prompt=[point_1,point_3]"))
    make_plan(configure(folder, "prompt=point_1"))


def test_masks_can_be_left_out_of_the_rows(folder: Path) -> None:
    rows = rows_of(execute(configure(folder, "runtime.keep_masks=false")))
    assert rows["mask_rle"].isna().all()


def test_a_task_that_there_is_not_is_refused_before_anything_is_opened(folder: Path) -> None:
    with pytest.raises(BenchError, match=r"no task is called 'hedges'.*did you mean edges"):
        configure(folder, "task=hedges", "dataset.args.annotations=/nowhere.json")
    assert not (folder.parent / "results").exists()


def test_a_header_says_what_the_number_was_made_with(folder: Path) -> None:
    header = execute(small_sam_config(folder)).work.runs["point_3"].store.header()
    assert header["report_steps"] == {"3": Step(3).plain()}
    assert header["task"]["name"] == "prompted_masks"
    assert [each["name"] for each in header["measures"]] == ["iou", "iou_oracle"]
    assert list(header["metrics"]) == ["boundary_iou"]
    assert set(header["seconds"]) >= {"read", "embed", "prompt", "predict", "score", "write"}
    assert torch.__version__.startswith(header["versions"]["torch"])
    assert header["facts"]["dtype"] == "float32"
    assert header["dataset"]["args"]["images"].endswith("images")
    assert set(SCHEMA.names) >= {"iou", "mask_rle"}


def cramped_config(folder: Path, images: int, prompts: int, results: str) -> RunConfig:
    words = ["runtime.image_batch=4", "runtime.prompt_batch=16", "runtime.workers=1"]
    config = small_sam_config(folder, *words, results=results)
    config.model.target = "small_sam.CrampedSam"
    config.model.args = {"images": images, "prompts": prompts}
    return config


LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("images", "prompts"),
    [
        pytest.param(1, 1, marks=LONG),
        pytest.param(2, 3, marks=LONG),
        pytest.param(3, 100, marks=LONG),
    ],
)
def test_a_device_short_of_memory_gives_the_same_rows(
    shared: Path,
    tmp_path: Path,
    images: int,
    prompts: int,
    caplog: pytest.LogCaptureFixture,
    reference: Callable[[Callable[..., RunConfig]], list[str]],
) -> None:
    expected = reference(small_sam_config)
    other = execute(cramped_config(shared, images, prompts, tmp_path.name))
    assert comparable(other) == expected
    said = [r.getMessage() for r in caplog.records if "out of memory" in r.getMessage()]
    assert any("runtime.image_batch is now" in line for line in said)
    assert any("runtime.prompt_batch is now" in line for line in said) == (prompts < 100)
    assert len(said) == len(set(said)), "each halving is said once"


@pytest.mark.parametrize(
    ("images", "prompts", "name"),
    [pytest.param(0, 9, "image", marks=LONG), pytest.param(9, 0, "prompt", marks=LONG)],
)
def test_no_memory_for_a_single_one_is_one_line(
    folder: Path, images: int, prompts: int, name: str
) -> None:
    errors = run(make_plan(cramped_config(folder, images, prompts, "results")), Silent())
    says = f"out of memory on the device with runtime.{name}_batch=1: CUDA out of memory: 1 "
    assert [error.reason.startswith(says) for error in errors] == [True] * 5
