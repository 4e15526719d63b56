"""The commands that are killed at chosen changes of files, what they find, and what must hold."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import yaml
from pictures import coco_files
from PIL import Image

from faulting.operations import Fault, Scenario, command, of_one_time, rows_text, same_files
from faulting.setting import all_complete, make_dataset, words_for

REPORT = ("table.csv", "table.md", "table.tex", "index.html", "report.json")


@contextmanager
def all_scenarios(context: ForkServerContext, work: Path) -> Iterator[list[Scenario]]:
    """Every scenario, over datasets below ``work``; for one of them files are served meanwhile."""
    few, many = work / "few", work / "many"
    make_dataset(few, images=6)
    make_dataset(many, images=70, masks=1, size=(24, 32))

    def prepared(*commands: Sequence[str]) -> None:
        for words in commands:
            log = str(work / "prepare.log")
            args = (list(words), str(work), log, str(work / "prepared"), None)
            process = context.Process(target=command, args=args)
            process.start()
            process.join()
            assert process.exitcode == 0, Path(log).read_text()[-2000:]

    def run(folder: Path, *more: str, dataset: Path = few) -> list[str]:
        return ["run", *words_for(dataset, folder / "results", *more)]

    def finished(folder: Path) -> None:
        prepared(run(folder))

    with _served(work / "served") as url:
        yield [
            Scenario("run", run, lambda folder: None, _rows),
            Scenario("set_aside", run, functools.partial(_ruined, finished), _rows_and_ruins),
            _cached(run),
            _compacted(functools.partial(run, dataset=many), prepared),
            _report(run, prepared),
            _rescore(finished),
            _export(finished),
            _score(few, finished, prepared),
            _check(few),
            _fetch(work / "served", url),
            _new(few),
        ]


Commands = Callable[..., None]
Words = Callable[..., list[str]]


def _rows(killed: Path, whole: Path) -> Fault:
    """The runs are complete and have exactly the rows of undisturbed ones."""
    if not all_complete(killed / "results"):
        return "a run is not complete"
    equal = rows_text(killed / "results") == rows_text(whole / "results")
    return "" if equal else "rows were lost, doubled or changed"


def _ruined(finished: Callable[[Path], None], folder: Path) -> None:
    """Two finished runs: a part is gone, one damaged, one the other run's, writes half done."""
    finished(folder)
    one, other = sorted((folder / "results" / "runs").iterdir())
    first, second, *_ = sorted((one / "parts").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:-9])
    strange = sorted((other / "parts").iterdir())[0]
    shutil.copy(strange, one / "parts" / strange.name)
    (one / "parts" / f".{second.name}.{'0' * 32}").write_bytes(b"half")
    (one / f".run.json.{'1' * 32}").write_bytes(b"half")
    header = json.loads((one / "run.json").read_text())
    (one / "run.json").write_text(json.dumps(header | {"status": "running"}))
    (folder / "ruins.json").write_text(json.dumps([second.name, strange.name]))


def _rows_and_ruins(killed: Path, whole: Path) -> Fault:
    """As ``_rows``, and what was set aside is still there."""
    names = json.loads((killed / "ruins.json").read_text())
    (one, *_) = sorted((killed / "results" / "runs").iterdir())
    there = {path.name for path in one.rglob("*.parquet")}
    lost = [name for name in names if name not in there]
    return _rows(killed, whole) or (f"set aside and lost: {lost}" if lost else "")


def _cached(run: Words) -> Scenario:
    def words(folder: Path) -> list[str]:
        small = ("model=demo", "prompt=[point_1]")
        return run(folder, *small, f"runtime.embedding_cache={folder / 'cache'}")

    def twice(killed: Path, whole: Path) -> Fault:
        said = _rows(killed, whole)
        kept = {p.name for p in (killed / "cache").rglob("*") if p.is_file()}
        wanted = {p.name for p in (whole / "cache").rglob("*") if p.is_file()}
        return said or ("" if kept >= wanted else f"{len(wanted - kept)} embeddings are missing")

    return Scenario("cached", words, lambda folder: None, twice, _an_hour_later)


def _an_hour_later(killed: Path, before: Path, whole: Path) -> Fault:
    """What is written beside the cache may be another process's for an hour, and stays so long."""
    for path in (killed / "cache").rglob(".*.embedding.safetensors.*"):
        os.utime(path, (time.time() - 2 * 3600,) * 2)
    return ""


def _compacted(run: Words, prepared: Commands) -> Scenario:
    def words(folder: Path) -> list[str]:
        return run(folder, "prompt=[point_1]", "runtime.part_images=1")

    def prepare(folder: Path) -> None:
        prepared(words(folder))
        (one,) = (folder / "results" / "runs").iterdir()
        for part in sorted((one / "parts").iterdir())[:2]:
            part.unlink()
        header = json.loads((one / "run.json").read_text())
        (one / "run.json").write_text(json.dumps(header | {"status": "running"}))

    return Scenario("compacted", words, prepare, _rows)


def _report(run: Words, prepared: Commands) -> Scenario:
    names = [f"results/reports/r/{name}" for name in REPORT]

    def words(folder: Path) -> list[str]:
        return ["report", "--results", str(folder / "results"), "--name", "r"]

    def prepare(folder: Path) -> None:
        prepared(run(folder), [*words(folder), "*-box-*"])

    def done(killed: Path, whole: Path) -> Fault:
        return same_files(killed, whole, [name for name in names if "table" in name])

    def now(killed: Path, before: Path, whole: Path) -> Fault:
        tables = of_one_time(killed, before, whole, names[:3])
        page = (killed / names[3]).read_text()
        new = same_files(killed, whole, names[:1]) == ""
        several = "3 points" in page
        return tables or ("" if several == new else "the page is not of the time of the tables")

    return Scenario("report", words, prepare, done, now)


def _rescore(finished: Callable[[Path], None]) -> Scenario:
    def words(folder: Path) -> list[str]:
        return ["rescore", "*", "--metric", "dice", "--metric", "nsd_2", "--results",
                str(folder / "results")]  # fmt: skip

    return Scenario("rescore", words, finished, _rows)


def _export(finished: Callable[[Path], None]) -> Scenario:
    names = ("prompts.csv", "masks.json")

    def words(folder: Path) -> list[str]:
        return ["export", "*-box-*", "--results", str(folder / "results"), "--prompts",
                str(folder / names[0]), "--coco", str(folder / names[1])]  # fmt: skip

    def prepare(folder: Path) -> None:
        finished(folder)
        (folder / names[0]).write_text("an earlier one\n")

    def now(killed: Path, before: Path, whole: Path) -> Fault:
        return next(filter(None, (of_one_time(killed, before, whole, [n]) for n in names)), "")

    return Scenario("export", words, prepare, lambda k, w: same_files(k, w, names), now)


def _score(dataset: Path, finished: Callable[[Path], None], prepared: Commands) -> Scenario:
    masks = dataset.parent / "masks.json"

    def words(folder: Path) -> list[str]:
        return ["score", "--predictions", str(masks), "--model-name", "theirs", "dataset=coco",
                *coco_files(dataset), f"runtime.results={folder / 'results'}"]  # fmt: skip

    def prepare(folder: Path) -> None:
        made = folder.parent / "made"
        finished(made)
        exported = ["export", "*-box-*", "--results", str(made / "results"), "--coco", str(masks)]
        prepared(exported)

    return Scenario("score", words, prepare, _rows)


def _check(dataset: Path) -> Scenario:
    tables = ("counts.csv", "report.json")
    names = ["manifest.json", *(f"results/reports/c/{name}" for name in tables)]

    def words(folder: Path) -> list[str]:
        return ["check", "dataset=coco", *coco_files(dataset), "--report", "c", "--manifest",
                str(folder / names[0]), f"runtime.results={folder / 'results'}"]  # fmt: skip

    return Scenario("check", words, lambda folder: None, lambda k, w: same_files(k, w, names))


def _fetch(served: Path, url: str) -> Scenario:
    pairs = [f"{kind}/{number}.png" for kind in ("images", "labels") for number in range(3)]
    names = [f"datasets/mine/{name}" for name in pairs] + ["datasets/mine/licence.txt"]

    def words(folder: Path) -> list[str]:
        return ["data", "fetch", "mine", "--config-dir", str(served.parent / "conf"), "--datasets",
                str(folder / "datasets")]  # fmt: skip

    def prepare(folder: Path) -> None:
        with zipfile.ZipFile(served / "mine.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in pairs:
                values = np.arange(40 * 50, dtype=np.uint8).reshape(40, 50) % 7
                colours = values[..., None].repeat(3, 2) if name.startswith("images") else values
                Image.fromarray(colours).save(served / "one.png")
                archive.write(served / "one.png", name)
        (served / "licence.txt").write_text("free\n")
        about = {"fetch": [{"url": f"{url}/mine.zip", "to": "mine", "unpack": "zip"},
                           {"url": f"{url}/licence.txt", "to": "mine/licence.txt"}]}  # fmt: skip
        args = {"folder": "mine", "images": "images/{id}.png", "labels": "labels/{id}.png"}
        part = {"name": "mine", "version": "1", "args": args, "about": about,
                "target": "bench.data.readers.label_image.LabelImage"}  # fmt: skip
        (served.parent / "conf" / "dataset").mkdir(parents=True, exist_ok=True)
        (served.parent / "conf" / "dataset" / "mine.yaml").write_text(yaml.safe_dump(part))

    def now(killed: Path, before: Path, whole: Path) -> Fault:
        there = [name for name in names if (killed / name).exists()]
        return same_files(killed, whole, there)

    return Scenario("fetch", words, prepare, lambda k, w: same_files(k, w, names), now)


def _new(dataset: Path) -> Scenario:
    names = ["conf/dataset/mine.yaml"]

    def words(folder: Path) -> list[str]:
        return ["data", "new", "mine", "--folder", str(dataset), "--config-dir",
                str(folder / "conf")]  # fmt: skip

    def now(killed: Path, before: Path, whole: Path) -> Fault:
        time.sleep(1.1)  # younger files may be another command's, which holds them a moment later
        return of_one_time(killed, before, whole, names)

    return Scenario("new", words, lambda folder: None, lambda k, w: same_files(k, w, names), now)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serves a new folder's files on this machine; gives its address."""
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
