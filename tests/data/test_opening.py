"""Datasets as runs open them: subsets by rule and by manifest, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.selection import select
from bench.config.composing import RunConfig, load_configs
from bench.data.manifest import load_manifest
from bench.data.opening import open_dataset, pin_dataset, samples_of_runs
from bench.data.readers.coco import Coco
from bench.report.pictures.gallery import gallery
from bench.run.driver import run
from bench.run.plan import Plan, make_plan
from bench.store.runs import ImageError, read_runs
from bench.types import BenchError

RULE = "dataset.args.subsample={above: 9, masks: 6, seed: 0}"


class Silent:
    def image_done(self, values: Mapping[str, Sequence[float]]) -> None:
        pass

    def image_failed(self, error: ImageError) -> None:
        pass


@pytest.fixture
def folder(coco_folder: Callable[..., Path]) -> Path:
    return coco_folder(images=6, masks=2)


def configure(folder: Path, *overrides: str) -> RunConfig:
    words = [
        "dataset=coco",
        "dataset.name=blobs",
        "model=disk",
        "prompt=[point_1,box]",
        f"dataset.args.annotations={folder}/annotations.json",
        f"dataset.args.images={folder}/images",
        f"runtime.results={folder.parent}/results",
        "runtime.device=cpu",
    ]
    (config,) = load_configs([*words, *overrides])
    return config


def execute(config: RunConfig) -> Plan:
    plan = make_plan(config)
    assert run(plan, Silent()) == []
    return plan


def manifests(folder: Path) -> list[Path]:
    return sorted((folder.parent / "results" / "manifests").glob("*"))


def test_a_run_of_a_subset_scores_the_drawn_images_and_keeps_their_manifest(folder: Path) -> None:
    plan = execute(configure(folder, RULE))
    (path,) = manifests(folder)
    manifest = json.loads(path.read_text())
    rows = read_runs([plan.work.runs["box"].store])
    assert sorted(rows["image_id"].unique()) == sorted(manifest["mask_counts"])
    assert manifest["masks"] == len(rows) == 6
    assert manifest["dataset"] == "blobs"
    header = plan.work.runs["box"].store.header()
    assert (header["images"], header["status"]) == (3, "complete")
    assert header["dataset"]["args"]["subsample"] == {"above": 9, "masks": 6, "seed": 0}
    assert header["dataset_fingerprint"] == manifest["fingerprint"]


def test_a_resumed_subset_finds_its_draw_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(configure(folder, RULE, "runtime.limit=1"))
    monkeypatch.setattr("bench.data.opening.draw", None)  # a second draw would fail
    plan = make_plan(configure(folder, RULE))
    assert len(plan.work.todo) == 2
    execute(configure(folder, RULE))
    assert make_plan(configure(folder, RULE)).work.todo == ()
    assert len(manifests(folder)) == 1


def test_another_seed_draws_for_itself_and_is_another_run(folder: Path) -> None:
    one = make_plan(configure(folder, RULE))
    other = make_plan(configure(folder, RULE.replace("seed: 0", "seed: 1")))
    assert one.work.ids != other.work.ids
    assert one.work.runs["box"].key != other.work.runs["box"].key
    assert len(manifests(folder)) == 2


def test_a_manifest_gives_the_images_of_its_draw(folder: Path, tmp_path: Path) -> None:
    drawn = execute(configure(folder, RULE))
    (path,) = manifests(folder)
    again = execute(configure(folder, f"dataset.args.manifest={path}"))
    assert again.work.ids == drawn.work.ids
    columns = ["mask_id", "step", "iou", "mask_rle"]
    rows = [
        read_runs([plan.work.runs["box"].store]).sort_values("mask_id")[columns]
        for plan in (drawn, again)
    ]
    assert rows[0].to_numpy().tolist() == rows[1].to_numpy().tolist()


def test_the_key_knows_what_a_manifest_names_and_not_where_it_lies(
    folder: Path, tmp_path: Path
) -> None:
    whole = make_plan(configure(folder))
    make_plan(configure(folder, RULE))
    (path,) = manifests(folder)
    moved = tmp_path / "elsewhere" / "m.json"
    moved.parent.mkdir()
    content = json.loads(path.read_text())
    moved.write_text(json.dumps(content, indent=4, sort_keys=True))
    here, there = (
        make_plan(configure(folder, f"dataset.args.manifest={p}")) for p in (path, moved)
    )
    assert here.work.runs["box"].key == there.work.runs["box"].key != whole.work.runs["box"].key
    content["mask_counts"].popitem()
    content = {**content, "images": 2, "masks": 4, "fingerprint": None}
    moved.write_text(json.dumps(content))
    fewer = make_plan(configure(folder, f"dataset.args.manifest={moved}"))
    assert fewer.work.runs["box"].key != here.work.runs["box"].key
    assert str(path) not in json.dumps(here.question.dataset.args)


def test_a_relative_manifest_lies_here_or_in_the_datasets(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plan(configure(folder, RULE))
    (path,) = manifests(folder)
    os.replace(path, folder / "m.json")
    words = ["dataset.args.manifest=m.json", f"runtime.datasets={folder}"]
    assert len(make_plan(configure(folder, *words)).work.ids) == 3
    monkeypatch.chdir(folder)
    assert len(make_plan(configure(folder, words[0])).work.ids) == 3
    with pytest.raises(BenchError, match=r"no manifest n\.json: looked for .*datasets/n\.json"):
        make_plan(configure(folder, "dataset.args.manifest=n.json"))


def test_what_asks_for_nothing_is_no_other_run(folder: Path) -> None:
    plain = make_plan(configure(folder)).work.runs["box"].key
    nulls = ["dataset.args.subsample=null", "dataset.args.manifest=null"]
    assert make_plan(configure(folder, *nulls)).work.runs["box"].key == plain
    paper = pin_dataset(configure(folder, "dataset.args.subsample=paper").dataset, site_of(folder))
    assert paper.args["subsample"] == {"above": 15_000, "masks": 10_000, "seed": 0}


def site_of(folder: Path) -> Any:
    return configure(folder).runtime.site()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["dataset.args.subsample=half"], "blobs: subsample is 'paper' or"),
        (["dataset.args.subsample={masks: 0}"], "blobs: subsample needs masks of at least 1"),
        (
            ["dataset.args.subsample=paper", "dataset.args.manifest=m.json"],
            "blobs: subsample and manifest both choose images",
        ),
    ],
)
def test_a_subset_that_makes_no_sense_is_refused(
    folder: Path, overrides: list[str], says: str
) -> None:
    with pytest.raises(BenchError, match=says):
        make_plan(configure(folder, *overrides))


def test_a_manifest_of_changed_data_is_refused_and_named(folder: Path) -> None:
    make_plan(configure(folder, RULE))
    (path,) = manifests(folder)
    document = json.loads((folder / "annotations.json").read_text())
    document["annotations"].pop()
    (folder / "annotations.json").write_text(json.dumps(document))
    with pytest.raises(BenchError, match=rf"{path.name}: .*the data differ"):
        make_plan(configure(folder, f"dataset.args.manifest={path}"))


def test_data_that_changes_after_a_subset_was_run_is_refused(folder: Path) -> None:
    execute(configure(folder, RULE))
    document = json.loads((folder / "annotations.json").read_text())
    document["annotations"].pop()
    (folder / "annotations.json").write_text(json.dumps(document))
    with pytest.raises(BenchError, match="has changed since this run began"):
        make_plan(configure(folder, RULE))


def test_pictures_of_a_subset_are_read_again_without_its_manifest(folder: Path) -> None:
    make_plan(configure(folder, RULE))
    (path,) = manifests(folder)
    plan = execute(configure(folder, f"dataset.args.manifest={path}"))
    path.unlink()
    read_sample = samples_of_runs(folder.parent)
    assert len(read_sample(plan.work.runs["box"].store, plan.work.ids[0]).targets) == 2


def test_pictures_of_many_runs_are_read_once_and_are_those_of_their_dataset(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = Coco.read
    monkeypatch.setattr(
        Coco, "read", lambda self, image_id: read.append(image_id) or whole(self, image_id)
    )
    found = {}
    for models in ("disk", "watershed"):
        plan = execute(configure(folder, f"model={models}"))
        found |= {store.folder: store for store in (run.store for run in plan.work.runs.values())}
    other = execute(configure(folder, "dataset.args.exif=apply")).work.runs["box"].store
    stores = list(found.values())
    assert len(stores) == 4
    read.clear()
    groups = gallery(select(stores), samples_of_runs(folder.parent), count=2)
    assert len(groups) == 4
    assert all(group.pictures["worst"] for group in groups)
    assert sorted(read) == sorted(set(read))
    read.clear()
    read_sample = samples_of_runs(folder.parent)
    for store in (stores[0], other, stores[0], stores[1], other):
        read_sample(store, "1")
    assert read == ["1", "1"]  # once of each dataset


def test_a_report_says_that_a_part_was_drawn(folder: Path) -> None:
    drawn = execute(configure(folder, RULE)).work.runs["box"].store
    (note,) = select([drawn]).notes
    assert note == (
        "blobs: 3 images, drawn at random (seed 0) until 6 masks where there are more than 9."
    )
    (path,) = manifests(folder)
    plan = execute(configure(folder, f"dataset.args.manifest={path}"))
    (note,) = select([plan.work.runs["box"].store]).notes
    assert note == f"blobs: 3 images, those of the manifest {load_manifest(path).sha256()[:12]}."
    assert select([execute(configure(folder)).work.runs["box"].store]).notes == ()


@pytest.mark.long
def test_given_masks_are_scored_on_a_subset(folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "annotations.json").read_text())
    given = [
        {**a, "mask_id": str(a["id"]), "score": 1.0}
        for a in document["annotations"]
        if a["image_id"] in (int(i) for i in make_plan(configure(folder, RULE)).work.ids)
    ]
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(given))
    plan = make_plan(configure(folder, RULE, "task=given_masks", f"task.args.predictions={path}"))
    run(plan, Silent())
    (store,) = (each.store for each in plan.work.runs.values())
    header = store.header()
    assert (header["images"], header["masks"]) == (3, 6)
    assert (header["model"]["name"], header["status"]) == ("theirs", "complete")
    assert (read_runs([store])["iou"] == 1).all()


def test_half_a_download_is_refused_unless_a_manifest_says_so(folder: Path) -> None:
    make_plan(configure(folder, RULE))
    (path,) = manifests(folder)
    drawn = set(json.loads(path.read_text())["mask_counts"])
    (left_out, *_) = sorted({str(i) for i in range(6)} - drawn)
    picture = folder / "images" / f"{int(left_out):03d}.png"
    picture.unlink()
    says = rf"{picture.name}: no such picture \(1 of the 6 images of blobs have none\)"
    with pytest.raises(BenchError, match=says):
        make_plan(configure(folder))
    assert len(make_plan(configure(folder, f"dataset.args.manifest={path}")).work.ids) == 3


@pytest.mark.parametrize(("expected", "says"), [(7, "is a part missing"), (5, "the right split")])
def test_another_number_of_images_than_expected_is_refused(
    folder: Path, expected: int, says: str
) -> None:
    config = configure(folder, f"+dataset.about.expected.images={expected}")
    with pytest.raises(BenchError, match=rf"blobs: 6 images, expected {expected}: .*{says}"):
        make_plan(config)
    make_plan(configure(folder, "+dataset.about.expected.images=6"))


def test_a_manifest_names_what_is_expected(folder: Path) -> None:
    make_plan(configure(folder, RULE))
    (path,) = manifests(folder)
    words = ["+dataset.about.expected.images=7", f"dataset.args.manifest={path}"]
    assert len(make_plan(configure(folder, *words)).work.ids) == 3


def test_without_a_folder_for_manifests_nothing_is_kept(folder: Path) -> None:
    reader = open_dataset(configure(folder, RULE).dataset, site_of(folder))
    assert len(reader.ids()) == 3
    assert manifests(folder) == []
