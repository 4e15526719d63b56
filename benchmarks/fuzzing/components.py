"""Fuzzed YAMLs of components of every group, and of experiments, as a stranger may send them."""

from __future__ import annotations

import io
import os
import random
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from bench.cli import main
from bench.config.composing import RunConfig, load_configs
from bench.run.plan import make_plan
from fuzzing.mutations import damaged, forged_document
from fuzzing.pictures import Judge, Verify, WrongError
from fuzzing.strings import HOSTILE, raw_characters

GROUPS: dict[str, dict[str, Any]] = {
    "dataset": {
        "name": "mine", "version": "1", "target": "bench.data.readers.shapes.Shapes",
        "args": {"count": 2, "seed": 3, "sizes": [[40, 48]], "objects": 2},
        "about": {"title": "Mine", "what": "scenes", "licence": "CC0", "size": "2 MB",
                  "expected": {"images": 2, "masks": 4},
                  "fetch": [{"url": "https://example.org/a.zip", "to": "mine", "unpack": "zip"}]},
    },
    "model": {
        "name": "mine", "version": "1", "target": "bench.models.disk.Disk",
        "args": {"radius": 0.25, "stride": 2}, "about": {"title": "Mine", "what": "a disc"},
    },
    "prompt": {
        "name": "mine", "version": "1", "target": "bench.prompts.clicks.Clicks",
        "args": {"clicks": 2}, "about": {"title": "Two clicks"},
    },
    "protocol": {
        "name": "mine", "version": "1", "target": "bench.protocol.Protocol",
        "args": {"threshold": 0.5, "select": "predicted_iou"},
        "about": {"title": "Mine", "cite": "nobody", "choices": {"threshold": "higher"}},
    },
    "task": {
        "name": "mine", "version": "1",
        "target": "bench.tasks.prompted_masks.PromptedMasks", "args": {},
        "about": {"title": "Prompted masks"},
    },
}  # fmt: skip
"""A component of each group as it should be."""

TARGETS = ("os.system", "subprocess.Popen", "builtins.eval", "bench.models.disk", "", ".", "a.b.c",
           "bench.cli.main", "bench.files.unpacking.unpack", "bench.models.disk.Disk.embed", "b\0",
           "bench.data.readers.coco.Coco", "bench.store.runs.RunStore", "..", "bench..Disk",
           "bench.models.disk.os.system", "importlib.import_module", "bench.models.__main__",
           "bench.__main__.main", "antigravity.webbrowser", "bench.models.disk.Disk\n")  # fmt: skip

URLS = ("reference::http://127.0.0.1:9/a", "reference://::refs.json", "http://127.0.0.1:9/a",
        "s3://theirs/a", "simplecache::s3://theirs", "file:///tmp/out::zip://a", "a::b", "ssh://h/a",
        "memory://a", "gs://b", "\\\\host\\share", "zip://*.csv::a.zip", "FILE:///tmp", "//h/a",
        "local:///tmp/out", "git://a:b@/", "github://a:b@/", "data:,x")  # fmt: skip

VALUES = ("${oc.env:HOME}", "${oc.env:PATH}", "${model.name}", "${seed}", "${nothing}", "${.args}",
          "${oc.create:1}", "${hydra:runtime.cwd}", "${oc.decode:1}", "${model}", "$(touch mark)",
          "`touch mark`", "???", "{{7*7}}", "%s", "\\${seed}", "${oc.env:HOME", "${a:${b}}",
          "${${seed}}", "~/a", "*", "a,b", "[a,b]", "{a: b}", "=1", "null", "1e400",
          2**70)  # fmt: skip

LINES = (
    "args: !!python/object/apply:os.system ['touch mark']", "args: !!python/name:os.system",
    "target: !!python/module:os", "args: !include /etc/passwd", "args: !!binary aGk=",
    "args: !!set {a, b}", "args: {<<: *x}", "about: {x: &a [1, *a]}", "version: 2020-01-01",
    "args: " + "[" * 3_000 + "]" * 3_000, "args: " + "{a: " * 900 + "1" + "}" * 900,
    "about: &a [x]\n" + "\n".join(f"b{i}: &b{i} [{'*a, ' * 9}*a]" if not i else
                                  f"b{i}: &b{i} [{f'*b{i - 1}, ' * 9}*b{i - 1}]" for i in range(9)),
    "name: no", "name: 1_0", "name: 0x1f", "name: 1:30", "name: .nan", "name: ~",
    "name: |\n  a\n  b",
    "_target_: os.system", "_partial_: true", "_recursive_: true", "? [a, b]\n: c", "--- a\n--- b",
    "args: {radius: .inf}", "args: {radius: .nan}", "args: {1: 2}", "args: {null: 1}",
    "args: {? {a: b} : c}", "defaults: [/experiment: demo]", "defaults:\n  - ../../../etc/passwd",
    "defaults: [_self_, /model@dataset: demo]", "about: {expected: 3}", "about: [1]",
    "%YAML 9.9\n---",
    "about: {fetch: [{url: 'file:///etc/passwd', to: a}]}", "about: {fetch: 3}",
    "about: {fetch: [{url: 'https://example.org/../..', to: ../out, unpack: zip}]}",
)  # fmt: skip


def component(rng: random.Random, folder: Path) -> Judge:
    """A component or an experiment in a folder of a stranger's; composed, planned and shown."""
    conf, group = folder / "conf", rng.choice(list(GROUPS))
    (conf / group).mkdir(parents=True)
    (conf / "experiment").mkdir()
    document = deepcopy(GROUPS[group])
    words = [f"{group}=mine"]
    text: str | None = None
    match rng.randrange(9):
        case 0 | 1:
            document[rng.choice(("name", "name", "version"))] = rng.choice(HOSTILE)
        case 2:
            document["target"] = rng.choice(TARGETS)
        case 3:
            at = rng.choice((document["args"], document["about"]))
            at[rng.choice([*at, "new", *HOSTILE[:4]])] = rng.choice((*VALUES, *URLS, *HOSTILE))
        case 4:
            document = forged_document(document, rng)
        case 5:
            line = rng.choice(LINES)
            kept = {k: v for k, v in document.items() if k != line.split(":")[0]}
            text = yaml.safe_dump(kept, allow_unicode=True) + line + "\n"
        case 6:
            text = yaml.safe_dump(document)
        case _:
            words.append("experiment=theirs")
            (conf / "experiment" / "theirs.yaml").write_text(_experiment(rng))
    whole = yaml.safe_dump(document, allow_unicode=rng.random() < 0.5) if text is None else text
    data = whole.encode("utf-8", "surrogatepass")
    if whole == text and "mine" in whole and rng.random() < 0.5:
        data = damaged(data, rng)
    (conf / group / "mine.yaml").write_bytes(data)
    common = ("model=disk", "dataset=shapes", "dataset.args.count=2", "prompt=[point_1]")
    own = f"{group}=" if group != "dataset" else "dataset"
    words += [word for word in common if not word.startswith(own)]
    words += [f"runtime.results={folder / 'results'}", "runtime.device=cpu"]

    def judge() -> Verify:
        shown = [_shown(verb, conf, folder) for verb in _VERBS.get(group, ())]
        (found, *_) = load_configs(words, conf)
        make_plan(found)
        return lambda: verify(found, shown)

    def verify(found: RunConfig, shown: list[str]) -> None:
        for said in shown:
            if bad := raw_characters(said):
                raise WrongError(f"raw characters {bad!r} are shown")
        if (folder / "mark").exists():
            raise WrongError("code in the file was run")
        runtime = found.runtime
        if runtime.allow_modules or runtime.ray.address is not None:
            raise WrongError(f"a file allowed {runtime.allow_modules}, {runtime.ray.address}")
        for name, value in vars(runtime).items():
            if any(mark in str(value) for mark in ("://", "::")):
                raise WrongError(f"a file set runtime.{name} to {value!r}")
        for secret in (os.environ["PATH"], os.environ["HOME"] + "'"):
            if secret in str(found):
                raise WrongError("the environment was read")
        if len(words) == 7 or "experiment=theirs" not in words:
            _judge_component(found, group, yaml.safe_load(data))

    return judge


def _experiment(rng: random.Random) -> str:
    """An experiment's YAML, which reaches for what only the user may set."""
    reaching: dict[str, Any] = {
        "allow_modules": ["os", "subprocess"], "results": rng.choice(URLS),
        "embedding_cache": rng.choice(URLS), "datasets": rng.choice((*URLS, "/etc", "..")),
        "checkpoints": rng.choice(URLS), "ray": {"address": "10.0.0.1:6379"},
        "target": rng.choice(TARGETS), "device": rng.choice((*VALUES, "cuda:99", "meta")),
        "workers": rng.choice((0, -1, 10**9, 1.5, None)), "max_pixels": 10**12,
        "devices": rng.choice((["cpu"], "all", 3)), "strict": "no",
    }  # fmt: skip
    key = rng.choice(list(reaching))
    value = reaching[key]
    forms: tuple[Any, ...] = (
        {"runtime": {key: value}}, {"runtime": {key: value}},
        {"sweep": {f"runtime.{key}": [value]}}, {"hydra": {"searchpath": ["file:///tmp"]}},
        {"hydra": {"run": {"dir": "/tmp/out"}}, "runtime": {key: value}},
        {"sweep": {rng.choice(("model", "seed", "dataset.name", "a b", "")): value}},
        {"model": {"target": rng.choice(TARGETS)}}, {"dataset": {"name": rng.choice(HOSTILE)}},
        {"prompts": {rng.choice(HOSTILE): GROUPS["prompt"]}}, {"metrics": rng.choice(
            (["boundary_iou"], [["a"]], "x", [rng.choice(HOSTILE)], {"a": 1}))},
        {"seed": rng.choice(VALUES)}, {"figure": rng.choice(HOSTILE)},
    )  # fmt: skip
    text = yaml.safe_dump(rng.choice(forms), allow_unicode=True)
    head = rng.choice(
        ("# @package _global_\n", "# @package _global_\n", "# @package runtime\n", "")
    )
    return head + text


_VERBS = {"dataset": ("data ls", "data show mine"),
          "protocol": ("protocol show mine", "protocol diff sam mine")}  # fmt: skip


def _shown(verb: str, conf: Path, folder: Path) -> str:
    """What a command prints of the folder; raises for a traceback, not for a refusal."""
    said, complaint = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(complaint):
        data = ["--datasets", str(folder / "none")] if verb.startswith("data") else []
        code = main([*verb.split(), "--config-dir", str(conf), *data])
    told = complaint.getvalue()
    if code not in (0, 2) or "Traceback" in told or (code == 2 and told.count("\n") != 1):
        raise WrongError(f"{verb} ends with {code}: {told[:200]}")
    return said.getvalue() + told


def _judge_component(found: RunConfig, group: str, said: Any) -> None:
    """The component is what a plain reading of its YAML says, its name a bare one."""
    parts = list(found.prompts.values()) if group == "prompt" else [getattr(found, group)]
    part = next((one for one in parts if one.target == said.get("target")), parts[0])
    name = str(part.name)
    bare = name.strip() and name not in (".", "..") and name.isprintable()
    if not bare or "/" in name or "\\" in name:
        raise WrongError(f"a component is called {name!r}")
    if isinstance(said["name"], str) and "${" not in said["name"] and said["name"] != name:
        raise WrongError(f"name is {name!r}, the file says {said['name']!r}")
    if "${" not in str(said.get("args", {})) and said.get("args", {}) != part.args:
        raise WrongError(f"args are {str(part.args)[:80]}, the file says {str(said['args'])[:80]}")
    if not str(part.target).startswith("bench."):
        raise WrongError(f"target is {part.target!r}")
