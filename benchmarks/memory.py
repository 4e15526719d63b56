"""How much host memory a run takes: large pictures, many masks, very many pictures or boxes.

    python benchmarks/memory.py                    all
    python benchmarks/memory.py large              4000 x 3000 with 1,000 masks under `demo`
    python benchmarks/memory.py many               about 1,000,000 rows under `disk`
    python benchmarks/memory.py labels             8000 x 8000 with 20,000 labels under `disk`
    python benchmarks/memory.py boxes              1,000,000 boxes under `disk`, and their AP

Each runs in a process of its own, whose resident memory, torch and all, is read from the system
while it is at work. Prints a Markdown table and writes it with JSON, machine, versions and date
into ``benchmarks/results/``. Ends with 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import result_files
from pictures import coco_files, write_boxes, write_label_image, write_pictures

from bench.analysis.sections.boxes import boxes_section
from bench.analysis.selection import select
from bench.config.composing import load_configs
from bench.run.plan import make_plan
from bench.run.profiling.memory import peak
from bench.store.runs import ImageError, RunStore
from bench.types import BenchError

MIB = 1 << 20
BOXES_A_PICTURE = 100
MOST_LARGE = 3000 * 10**6 // MIB
"""MiB that the large picture may take: 3 GB."""

MOST_LABELS = 1500
"""MiB that a picture of 8000×8000 with 20,000 labels may take above what the process has before."""

MOST_BOXES = 4000 * 10**6 // MIB
"""MiB that a million boxes may take, from the file to the report: 4 GB."""

MOST_GROWTH = 64
"""MiB by which the last tenth of many pictures may lie above the tenth before the half."""

SHARES = (0.1, 0.5, 1.0)


@dataclass(slots=True)
class Memory:
    """What a run took: MiB resident before it began, and the most in the tenth up to each share.

    ``reading`` are the seconds of ``seconds`` that the reader took; ``report`` those of the table
    that a case goes on to, and ``report_peak`` the most until its end.
    """

    case: str
    images: int = 0
    rows: int = 0
    seconds: float = 0.0
    reading: float = 0.0
    before: float = 0.0
    peak: float = 0.0
    at: dict[str, float] = field(default_factory=dict)
    report: float | None = None
    report_peak: float | None = None

    @property
    def growth(self) -> float:
        """MiB from the tenth before the half to the last."""
        return self.at["100 %"] - self.at["50 %"]


class Watcher:
    """A ``Progress`` that knows how far the run is, and the most memory in each tenth of it."""

    def __init__(self, images: int) -> None:
        self._images, self._done = images, 0
        self.tenths = [0.0] * 10
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def image_done(self, ious: Mapping[str, Sequence[float]]) -> None:
        """Counts it."""
        self._done += 1

    def image_failed(self, error: ImageError) -> None:
        """Ends the run."""
        raise BenchError(f"image {error.image_id}: {error.reason}")

    def end(self) -> None:
        """Ends the watch."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            if self._done < self._images:  # what closes a run, small parts merged, comes after
                tenth = 10 * self._done // self._images
                self.tenths[tenth] = max(self.tenths[tenth], resident())
            if self._stop.wait(0.02):
                return


def resident() -> float:
    """MiB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def _large(folder: Path, chosen: argparse.Namespace) -> list[str]:
    write_pictures(folder, [(3000, 4000)], [chosen.masks])
    return ["model=demo", "prompt=[point_1,point_3,box]", *_coco(folder)]


def _many(folder: Path, chosen: argparse.Namespace) -> list[str]:
    write_pictures(folder, [(40, 56)] * chosen.images, [4] * chosen.images)
    clicks = ["prompts.points.args.clicks=5", "prompts.points.args.report=[5]"]
    return ["model=disk", "prompt=points", "protocol=efficient_sam", *clicks, *_coco(folder)]


def _labels(folder: Path, chosen: argparse.Namespace) -> list[str]:
    """Under a model that costs next to nothing: small discs on a coarse grid."""
    write_label_image(folder, 8000, chosen.labels)
    return [
        "model=disk",
        "model.args.stride=64",
        "model.args.radius=0.003",
        "prompt=point_1",
        "dataset=label_image",
        f"dataset.args.folder={folder}",
        "dataset.args.images=images/{id}.png",
        "dataset.args.labels=labels/{id}.png",
    ]


def _boxes(folder: Path, chosen: argparse.Namespace) -> list[str]:
    """A hundred boxes a picture, around its objects and anywhere, in no order."""
    number = -(-chosen.boxes // BOXES_A_PICTURE)
    write_pictures(folder, [(40, 56)] * number, [4] * number)
    write_boxes(folder / "annotations.json", folder / "boxes.json", BOXES_A_PICTURE)
    return [
        "task=boxes",
        "model=disk",
        f"task.args.boxes={folder}/boxes.json",
        "task.args.refine=false",
        "task.args.single=true",
        *_coco(folder),
    ]


def _coco(folder: Path) -> list[str]:
    return ["dataset=coco", *coco_files(folder)]


CASES: Mapping[str, Callable[[Path, argparse.Namespace], list[str]]] = {
    "large": _large,
    "many": _many,
    "labels": _labels,
    "boxes": _boxes,
}


def measure(name: str, chosen: argparse.Namespace) -> Memory:
    """What the case takes, in a process of its own; raises ``BenchError`` where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            *CASES[name](Path(folder) / "data", chosen),
            f"runtime.results={folder}/results",
            *chosen.override,
        ]
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=_run, args=(name, words, theirs)
        )
        process.start()
        theirs.close()
        try:
            found: Memory = ours.recv()
        except EOFError:
            raise BenchError(f"{name}: the run ended without a figure") from None
        finally:
            process.join()
    return found


def _run(name: str, words: Sequence[str], pipe: Connection) -> None:
    """What the process does."""
    from bench.run.driver import run

    start = time.monotonic()
    (config,) = load_configs(list(words))
    plan = make_plan(config)
    found = Memory(name, images=len(plan.work.ids), before=resident())
    watcher = Watcher(len(plan.work.ids))
    run(plan, watcher)
    watcher.end()
    found.seconds = time.monotonic() - start
    found.peak = max(
        (peak("cpu").host or 0) / MIB, *watcher.tenths
    )  # the system counts them apart, to a few pages
    found.at = {
        f"{share:.0%}".replace("%", " %"): watcher.tenths[round(10 * share) - 1] for share in SHARES
    }
    stores = [each.store for each in plan.work.runs.values()]
    if name == "boxes":
        found.report, found.report_peak = _report(stores[0])
    found.reading = stores[0].header()["seconds"].get("read", 0.0)
    found.rows = sum(_rows(store.folder) for store in stores)
    pipe.send(found)


def _report(store: RunStore) -> tuple[float, float]:
    """Seconds that the table of average precision takes, and the most MiB by then."""
    start = time.monotonic()
    (section,) = boxes_section(select([store]))
    assert section.lines["ap"].notna().all()
    return time.monotonic() - start, (peak("cpu").host or 0) / MIB


def _rows(folder: Path) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in (folder / "parts").glob("*.parquet"))


def table(found: Sequence[Memory]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| case | images | rows | seconds | of them reading | before the run MiB "
        "| most up to 10 % | up to 50 % | up to 100 % | peak MiB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        at = " | ".join(f"{value:.0f}" if value else "–" for value in one.at.values())
        lines.append(
            f"| {one.case} | {one.images} | {one.rows} | {one.seconds:.0f} | {one.reading:.1f} "
            f"| {one.before:.0f} "
            f"| {at} | {one.peak:.0f} |"
        )
    said = [
        f"\n{one.case}: average precision of the rows with its intervals took {one.report:.0f} s "
        f"and up to {one.report_peak:.0f} MiB."
        for one in found
        if one.report is not None
    ]
    return "\n".join([*lines, *said]) + "\n"


def broken(found: Sequence[Memory]) -> list[str]:
    """What lies beyond the bounds, in words."""
    said = []
    for one in found:
        if one.case == "large" and one.peak > MOST_LARGE:
            said.append(f"large: {one.peak:.0f} MiB, the bound is {MOST_LARGE}")
        if one.case == "labels" and one.peak - one.before > MOST_LABELS:
            said.append(
                f"labels: {one.peak - one.before:.0f} MiB above the start, the bound is "
                f"{MOST_LABELS}"
            )
        if one.case == "boxes" and max(one.peak, one.report_peak or 0) > MOST_BOXES:
            said.append(f"boxes: more than the bound, {MOST_BOXES} MiB")
        if one.case == "many" and one.growth > MOST_GROWTH:
            said.append(f"many: grew by {one.growth:.0f} MiB, the bound is {MOST_GROWTH}")
    return said


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (all)")
    parser.add_argument("--masks", type=int, default=1000, help="of the large picture")
    parser.add_argument("--labels", type=int, default=20_000, help="of the labelled picture")
    parser.add_argument("--images", type=int, default=50_000, help="of many")
    parser.add_argument("--boxes", type=int, default=1_000_000, help="of the file of boxes")
    parser.add_argument("--override", action="append", default=[], help="word for sam-bench run")
    parser.add_argument("--name", default="memory", help="of the files in benchmarks/results")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    found = []
    for name in chosen.cases or CASES:
        found.append(measure(name, chosen))
        text = _write(found, chosen)  # after each case: a long one may be ended
    sys.stdout.write(text)
    return 1 if broken(found) else 0


def _write(found: Sequence[Memory], chosen: argparse.Namespace) -> str:
    head = f"{date.today()}, {os.cpu_count()} cores; words: {chosen.override or 'none'}"
    said = "".join(f"\n{line}\n" for line in broken(found))
    text = (
        f"{head}\n\n{table(found)}\nMemory: resident, of the whole process, torch and libraries "
        "included; of the tenth of the run that ends there. The peak includes the run's end, "
        f"which merges small parts.\n{said}"
    )
    cases = [asdict(one) for one in found]
    result_files.write(chosen.name, text, words=chosen.override, cases=cases)
    return text


if __name__ == "__main__":
    sys.exit(main())
