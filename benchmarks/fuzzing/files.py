"""Fuzzed checkpoints, Parquet parts, run headers and YAMLs."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save
from torch import nn

from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.config.component import Component
from bench.config.composing import load_configs
from bench.data.opening import reader_of_run
from bench.models.loading import model_class
from bench.models.weights import load_strict, read_state
from bench.store.runs import RunStore, find_runs, read_runs
from bench.types import MaskRow
from fuzzing.mutations import damaged, forged_document, forged_json
from fuzzing.pictures import Judge, Verify, WrongError


class _Payload:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._mark}",)


def _check_mark(mark: Path) -> None:
    if mark.exists():
        mark.unlink()
        raise WrongError("code in the file was run")


def checkpoint(rng: random.Random, folder: Path) -> Judge:
    """A small network's weights as safetensors or by torch, damaged, or with code in them."""
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    mark, way = folder / "mark", rng.randrange(10)
    path = folder / ("w.safetensors" if way < 4 else "w.pth")
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    if way < 4:
        whole = save(network.state_dict())
        data = damaged(whole, rng)
        if way == 3:
            length = struct.unpack("<Q", whole[:8])[0]
            head = forged_document(json.loads(whole[8 : 8 + length]), rng)
            text = json.dumps(head).encode()
            data = struct.pack("<Q", len(text)) + text + whole[8 + length :]
    elif way < 8:
        data = damaged(file.getvalue(), rng)
    elif way == 8:
        state: Any = dict(network.state_dict()) | {"0.weight": _Payload(mark)}
        evil = io.BytesIO()
        if rng.random() < 0.5:
            torch.save(state, evil)
        else:
            pickle.dump(rng.choice((_Payload(mark), state)), evil)
        data = evil.getvalue()
    else:
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("w/data.pkl", "w/version", "w/data/0"):
                archive.writestr(name, bytes(rng.choice((10, 300_000_000))))
        data = bomb.getvalue()
    path.write_bytes(data)

    def judge() -> Verify:
        try:
            state = read_state(path)
            load_strict(network, state, str(path))
        finally:
            _check_mark(mark)
        return lambda: verify(state)

    def verify(state: dict[str, torch.Tensor]) -> None:
        for tensor in state.values():
            if tensor.numel() * tensor.element_size() > len(data):
                raise WrongError("a tensor holds more than its file")

    return judge


def _run(folder: Path) -> RunStore:
    """A finished run of two images, six rows."""
    store = RunStore.create(folder, "shapes-disk-point_1-0123456789ab")
    rows = [
        MaskRow(
            dataset="shapes", image_id=f"scene_0000{i}", mask_id=f"{i}/{m}", category="star",
            attributes={"level": "whole"}, height=8, width=9, area=10 + m, model="disk",
            prompt="point_1", protocol="sam", step=1, n_points=1, point_coords=[[1.0, 2.0]],
            point_labels=[1], box=None, iou=0.1 + 0.07 * m + 0.3 * i, iou_oracle=0.9,
            ious=[0.1 + 0.07 * m, 0.9], predicted_ious=[0.5, 0.25], selected=0, multimask=True,
            mask_rle="P21", metrics={"boundary_iou": 0.25},
        )
        for i in range(2) for m in range(3)
    ]  # fmt: skip
    for i in range(2):
        image_id = f"scene_0000{i}"
        store.write_part([r for r in rows if r.image_id == image_id], [image_id], {"empty": i}, "f")
    store.write_header(run_header(store, images=2, masks=6) | {"skipped": {"empty": 1}})
    return store


def run_header(store: RunStore, images: int, masks: int) -> dict[str, Any]:
    """The header of a finished run of ``disk`` on ``shapes``."""

    def part(name: str, target: str, **args: Any) -> dict[str, Any]:
        return {"name": name, "version": "1", "target": target, "args": args, "about": {}}

    return {
        "schema_version": 1, "name": store.folder.name, "key": "0123456789ab", "seed": 0,
        "task": "prompted_masks", "model": part("disk", "bench.models.disk.Disk"),
        "dataset": part("shapes", "bench.data.readers.shapes.Shapes", count=images, seed=1),
        "prompt": part("point_1", "bench.prompts.clicks.Clicks"),
        "protocol": part("sam", "bench.protocol.Protocol"),
        "report_steps": {"1": "1 point"}, "status": "complete", "images": images,
        "images_done": images, "images_failed": 0, "masks": masks, "skipped": {},
        "dataset_fingerprint": "f", "seconds": {"total": 1.0}, "device": "cpu", "facts": {},
        "versions": {}, "git": {},
    }  # fmt: skip


def parquet(rng: random.Random, folder: Path) -> Judge:
    """A part of a finished run, damaged."""
    store = _run(folder)
    before = read_runs([store])
    done = store.content()
    path = rng.choice(store.parts())
    path.write_bytes(damaged(path.read_bytes(), rng))

    def judge() -> Verify:
        contents, after = store.content(), read_runs([store])
        return lambda: verify(contents, after)

    def verify(contents: Any, after: Any) -> None:
        if contents.masks != done.masks or set(contents.images) != set(done.images):
            raise WrongError("a damaged part says that other images are done")
        if before.to_json() != after.to_json():
            raise WrongError("other rows are read from a damaged part")

    return judge


def run_json(rng: random.Random, folder: Path) -> Judge:
    """A finished run's header, forged; then listed, selected, tabled, and its dataset opened."""
    store = _run(folder)
    path = store.folder / "run.json"
    rows = read_runs([store])
    data = forged_json(json.loads(path.read_text()), rng)
    path.write_bytes(data)

    def judge() -> Verify:
        stores = find_runs(folder)
        table = miou_table(select(stores))
        for line in table.lines.to_dict("records"):
            if not np.isclose(line["miou"], rows["iou"].mean(), atol=1e-12):
                raise WrongError(f"the table says {line['miou']}")
        reader = reader_of_run(stores[0], folder)
        if not type(reader).__module__.startswith("bench.data.readers."):
            raise WrongError(f"a header opened {type(reader)}")
        reader.read(reader.ids()[0])
        stores[0].errors()
        return lambda: None

    return judge


YAML = """\
name: mine
version: "1"
target: bench.models.disk.Disk
args: {radius: 0.25, stride: 2}
about: {title: Mine, what: a disc, licence: CC0}
"""

EVIL = (
    "target: !!python/name:os.system", "args: !!python/object/apply:os.system ['touch MARK']",
    "args: {radius: '${oc.env:PATH}'}", "args: {radius: ${oc.env:HOME}}", "_target_: os.system",
    "target: os.system", "target: subprocess.Popen", "target: bench.demo.training.train.Recipe",
    "target: bench.data.readers.coco.Coco", "target: bench.models.disk.np.ndarray",
    "target: bench.models.disk.BenchError", "target: bench.store.runs.RunStore",
    "args: {radius: ${hydra:runtime.cwd}}", "args: {radius: ${oc.create:1}}",
    "about: &a [x, x]\n" + "\n".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}' if i else '*a'] * 9)}]"
                                     for i in range(9)),
    "about: {x: &a [1, *a]}", "args: " + "[" * 3_000 + "]" * 3_000, "name: ${name}",
    "name: ${.name}", "args: {radius: 0.1, radius: 0.9}", "defaults:\n  - /experiment: demo",
    "defaults:\n  - ../../etc/passwd", "version: 1_000", "name: no", "name: 0x1f", "name: 1:30",
)  # fmt: skip

GLOBAL = (
    "# @package _global_\nruntime: {allow_modules: [subprocess, os]}\n",
    "# @package _global_\nsweep: {runtime.allow_modules: ['[os]']}\n",
    "# @package _global_\nsweep: {'hydra.searchpath': ['[file:///tmp]']}\n",
    "# @package _global_\nhydra: {callbacks: {a: {_target_: os.system}}}\n",
    "# @package _global_\nruntime: {results: '${oc.env:HOME}'}\n",
)


def config(rng: random.Random, folder: Path) -> Judge:
    """A stranger's YAML in a --config-dir, forged or damaged."""
    mark = folder / "mark"
    (folder / "model").mkdir(exist_ok=True)
    (folder / "experiment").mkdir(exist_ok=True)
    text, words = YAML, ["model=mine"]
    match rng.randrange(6):
        case 0 | 1:
            line = rng.choice(EVIL).replace("MARK", str(mark))
            key = line.split(":")[0]
            kept = [one for one in YAML.splitlines() if not one.startswith(f"{key}:")]
            text = "\n".join([*kept, line]) + "\n"
        case 2:
            (folder / "experiment" / "theirs.yaml").write_text(rng.choice(GLOBAL))
            words = ["model=mine", "experiment=theirs"]
        case 3:
            text = yaml.safe_dump(forged_document(yaml.safe_load(YAML), rng), allow_unicode=True)
    data = text.encode("utf-8", "surrogatepass")
    if text == YAML and len(words) == 1:
        data = damaged(data, rng)
    (folder / "model" / "mine.yaml").write_bytes(data)
    secret = re.escape(os.environ.get("HOME", "?"))

    def judge() -> Verify:
        try:
            (found,) = load_configs(words, folder)
            if found.runtime.allow_modules:
                raise WrongError(f"a file allowed the modules {found.runtime.allow_modules}")
            target = model_class(Component(**vars(found.model)), found.runtime.allow_modules)
            if not target.__module__.startswith("bench.models.") or not hasattr(target, "embed"):
                raise WrongError(f"a model is {target}")
        finally:
            _check_mark(mark)
        return lambda: verify(found)

    def verify(found: Any) -> None:
        if re.search(f"{secret}/?'|{re.escape(os.environ['PATH'])}", str(found)):
            raise WrongError("the environment was read")
        said = yaml.safe_load(data)
        if not isinstance(said, dict) or said.get("args", {}) != found.model.args:
            raise WrongError(f"args are {found.model.args}, the file says {str(said)[:60]}")
        if str(said["name"]) != found.model.name and isinstance(said["name"], str):
            raise WrongError(f"name is {found.model.name!r}, the file says {said['name']!r}")

    return judge
