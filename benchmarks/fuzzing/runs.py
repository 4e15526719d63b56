"""Fuzzed locks, headers and parts of a run, which the same command then goes on with.

A run of two images is made once; each case gets a copy, of which some is damaged, forged or gone.
Then the command is given again. Good is a run that ends with exactly the rows of the undisturbed
one, or one line that says why not, with no row changed on the disk.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import socket
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.config.composing import RunConfig, load_configs
from bench.files.places import lock_of
from bench.run.plan import make_plan
from bench.run.progress import run_plan
from bench.store import lock as locks
from bench.store.part_file import digest
from bench.store.runs import find_runs, read_runs
from fuzzing.mutations import ODD, damaged, forged_document, forged_json
from fuzzing.pictures import Judge, Verify, WrongError

WORDS = ("model=disk", "dataset=shapes", "dataset.args.count=2", "dataset.args.objects=2",
         "dataset.args.sizes=[[40,48]]", "prompt=[point_1]",
         "runtime.device=cpu", "runtime.workers=1", "runtime.part_images=1")  # fmt: skip

VICTIM = b"somebody's own words\n"


@cache
def _config() -> RunConfig:
    (found,) = load_configs(WORDS)
    return found


@cache
def _finished() -> tuple[tempfile.TemporaryDirectory[str], Any]:
    """The results of the undisturbed command, and its rows."""
    kept = tempfile.TemporaryDirectory()
    _again(Path(kept.name))
    return kept, _rows(Path(kept.name))


def _again(results: Path) -> list[Any]:
    """The command on these results; gives the images that failed."""
    config = deepcopy(_config())
    config.runtime.results = str(results)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        return list(run_plan(make_plan(config)))


def _rows(results: Path) -> str:
    return str(read_runs(find_runs(results)).to_json(double_precision=15))


def _copy(folder: Path) -> tuple[Path, Path]:
    """A copy of the results, and the run's folder in it."""
    results = folder / "results"
    shutil.copytree(_finished()[0].name, results)
    (run,) = (results / "runs").iterdir()
    (folder / "victim").write_bytes(VICTIM)
    return results, run


def _judged(folder: Path, results: Path, run: Path) -> Judge:
    """The command given again, and what must hold whether it goes on or refuses."""
    before = _parts(run)

    def judge() -> Verify:
        try:
            failed = _again(results)
        finally:
            if (folder / "victim").read_bytes() != VICTIM:
                raise WrongError("a file beside the run was changed")
            if lost := before.keys() - _parts(run).keys():
                raise WrongError(f"parts are gone: {sorted(lost)}")
        if failed:
            raise WrongError(f"images failed: {failed}")
        return verify

    def verify() -> None:
        if _rows(results) != _finished()[1]:
            raise WrongError("rows were lost, doubled or changed")
        if leftovers := [p.name for p in results.rglob(".*.*") if len(p.name) > 33]:
            raise WrongError(f"left behind: {leftovers}")
        _again(results)  # and once more, which finds nothing to do
        if _rows(results) != _finished()[1]:
            raise WrongError("rows differ after another command")

    return judge


def _owner(**others: Any) -> dict[str, Any]:
    return {"token": "0" * 32, "machine": locks._machine(), "host": socket.gethostname(),
            "pid": os.getpid(), **others}  # fmt: skip


def lock(rng: random.Random, folder: Path) -> Judge:
    """A finished or half-finished run whose lock or owner is damaged, forged, or of another time.

    An owner that may be alive is refused; one that was silent, of this machine or says nothing
    gives way.
    """
    results, run = _copy(folder)
    if unfinished := rng.random() < 0.5:
        rng.choice(sorted((run / "parts").iterdir())).unlink()
        header = json.loads((run / "run.json").read_text())
        (run / "run.json").write_text(json.dumps(header | {"status": "running"}))
    owner, at = run / "owner.json", lock_of(run)[0]
    assert isinstance(at, Path)
    there = _owner(machine=rng.choice((locks._machine(), "another", "", "\x1b[31m\n")))
    match rng.randrange(10):
        case 0:
            owner.write_bytes(forged_json(there, rng))
        case 1:
            owner.write_bytes(damaged(json.dumps(there).encode(), rng))
        case 2:
            owner.write_bytes(rng.choice((b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 90_000)))
        case 3:
            owner.write_text(json.dumps(there | {rng.choice(list(there)): rng.choice(ODD[:12])}))
        case 4:
            owner.symlink_to(rng.choice((folder / "victim", folder / "nothing", owner)))
        case 5:
            at.unlink(missing_ok=True)
            at.symlink_to(rng.choice((folder / "victim", folder / "nothing", at)))
        case 6:
            folders = rng.choice(((owner,), (at,), (owner, at)))
            for path in folders:
                path.unlink(missing_ok=True)
                path.mkdir()
        case 7:
            at.write_bytes(rng.choice((b"", b"1\n", rng.randbytes(300))))
        case 8 if unfinished:  # what is finished is not tidied
            (run / f".run.json.{rng.randbytes(16).hex()}").write_bytes(b"half")
            (run / "parts" / f".x.parquet.{rng.randbytes(16).hex()}").write_bytes(b"half")
        case _:
            owner.write_text(json.dumps(there))
    if owner.is_file() and not owner.is_symlink():
        seconds = rng.choice((0.0, -30.0, -90.0, -1e9, 30.0, 1e6, 3e9))
        os.utime(owner, times=(time.time() + seconds,) * 2)
    return _judged(folder, results, run)


def _parts(run: Path) -> dict[str, bytes]:
    """Every part of the run, set aside or not."""
    return {path.name: path.read_bytes() for path in run.rglob("*.parquet") if path.is_file()}


def header(rng: random.Random, folder: Path) -> Judge:
    """A run whose header, parts' accounts, failures or added metrics are forged, or of another."""
    results, run = _copy(folder)
    chosen = rng.choice(sorted((run / "parts").iterdir()))
    path = run / "run.json"
    match rng.randrange(11):
        case 0 | 1:
            path.write_bytes(forged_json(json.loads(path.read_text()), rng))
        case 2:
            own = json.loads(path.read_text())
            odd = {"key": "0123456789ab", "status": rng.choice(("running", "complete", "partial")),
                   "images_done": rng.choice((0, 1, 3, 2**60)), "schema_version": 99,
                   "seconds": {"total": float("nan")}, "masks": rng.choice((0, 10**6)),
                   "model": own["model"] | {"name": "other"}, "notes": [float("inf")]}  # fmt: skip
            for key in rng.sample(list(odd), rng.choice((1, 1, 2))):
                own[key] = odd[key]
            path.write_text(json.dumps(own))
        case 3:
            chosen.write_bytes(damaged(chosen.read_bytes(), rng))
        case 4 | 5 | 6:
            _forge_part(chosen, rng)
        case 7:
            name = "errors.jsonl"
            line = json.dumps({"image_id": "scene_00000", "reason": "it was so"}) + "\n"
            odd_lines = (line * 2, forged_json(json.loads(line), rng).decode(errors="replace"),
                         '{"image_id": "a\u2028b", "reason": "\x85"}\n', "[]\n", "\0", "{}\n",
                         line[:9], '{"image_id": 1, "reason": null}\n')  # fmt: skip
            (run / name).write_text(rng.choice(odd_lines))
        case 8:
            target = rng.choice((path, chosen, run / "errors.jsonl", run / "metrics"))
            if target.exists():
                target.unlink()
            if rng.random() < 0.5:
                target.symlink_to(rng.choice((folder / "victim", folder / "nothing")))
            else:
                target.mkdir()
        case 9:
            _add_metric(run, rng)
        case _:
            doubled = chosen.with_name(f"{rng.randbytes(16).hex()}{chosen.name[32:]}")
            shutil.copy(chosen, doubled)
    if rng.random() < 0.2:
        os.utime(rng.choice((path, run, chosen)) if path.exists() and chosen.exists() else run,
                 times=(time.time() + rng.choice((1e6, 3e9, -1e9)),) * 2)  # fmt: skip
    return _judged(folder, results, run)


def _add_metric(run: Path, rng: random.Random) -> None:
    """Puts a file beside the parts that is no metric's, though it lies where one would."""
    rows = pa.concat_tables([pq.read_table(part) for part in sorted((run / "parts").iterdir())])
    name = rng.choice(("iou", "mask_rle", "image_id", "step", "run", "label", "a\x1bb", "dice"))
    odd = rng.choice(("text", {"a": 1}, [1.0])) if name == "dice" else rng.choice((0.5, None, "x"))
    table = rows.select(["image_id", "mask_id", "step"])
    if name not in table.column_names:
        table = table.append_column(name, pa.array([odd] * len(table)))
    (run / "metrics").mkdir()
    pq.write_table(table, run / "metrics" / f"{name}.parquet")


def _forge_part(part: Path, rng: random.Random) -> None:
    """Puts another account of its images into a part, under a hash that holds."""
    table = pq.read_table(part)
    others = [path for path in sorted(part.parent.iterdir()) if path != part]
    meta = dict(table.schema.metadata or {})
    said = json.loads(meta[b"bench.content"])
    way = rng.randrange(9)
    if way == 0:
        said = forged_document(said, rng)
    elif way == 1:
        said["run"] = rng.choice(("0123456789ab", "", 7, None, "../..", "\n"))
    elif way == 2:
        said["masks"] = rng.choice((0, -1, 10**9, float("nan"), 1.5, "3", None))
    elif way == 3:
        said["images"] = rng.choice(
            ([], ["ghost"], said["images"] * 2, ["scene_00000", "scene_00001"], "scene", [1], None)
        )
    elif way == 4:
        meta[b"bench.replaces"] = json.dumps(
            rng.choice((["../../run.json"], [part.name], ["x"] * 9, 7, [None], "run.json",
                        [other.name for other in others]))
        ).encode()  # fmt: skip
    elif way == 5:
        meta[b"bench.schema_version"] = rng.choice((b"", b"99", b"-1", b"\xff", b"1", b"nan"))
    elif way > 6:  # a merged part that has the others' accounts, with or without any rows of theirs
        theirs = [pq.read_table(other) for other in others]
        said = [said, *(json.loads(each.schema.metadata[b"bench.content"]) for each in theirs)]
        meta[b"bench.replaces"] = json.dumps([other.name for other in others]).encode()
        if way == 8:
            table = pa.concat_tables([table, *theirs], promote_options="default")
            table = table.take(rng.sample(range(len(table)), rng.choice((len(table), 1))))
    text = json.dumps(said)
    meta[b"bench.content"] = (text * 2 if way == 6 else text).encode()
    for key in [key for key in meta if key.startswith(b"ARROW") or key == b"pandas"]:
        del meta[key]
    if rng.random() < 0.1:
        meta.pop(rng.choice(list(meta)))
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(meta), sink)
    data = sink.getvalue().to_pybytes()
    part.unlink()
    (part.parent / f"{rng.randbytes(16).hex()}-{digest(data)}.parquet").write_bytes(data)
