"""How large a report's page gets, and how long it takes to write and to open.

    python benchmarks/report_size.py --rows 100000 --most 20

Writes made-up runs with masks (``--models``; up to nine points and a box; 8 masks an image of
640 x 480, of which 150 differ) and their report with pictures. Prints the page's size, the seconds
and the peak of memory, and, where Chromium and its driver are there, the seconds until the page has
drawn its histogram, and those that a click on a bar takes. Fails where the page has more than
``--most`` megabytes.
"""

from __future__ import annotations

import argparse
import functools
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bench.report import write_report
from bench.store.runs import RunStore
from bench.types import Mask, MaskRow, Sample, Target

MASKS = 8
SHAPE = (480, 640)
PROMPTS = {
    "points": ({"1": "1 point", "3": "3 points", "9": "9 points"}, 9),
    "box": ({"1": "box"}, 1),
}


DISTINCT = 150


def sample(number: int) -> Sample:
    """Return image ``number``: one of the distinct ones under ids of its own."""
    drawn = content(number % DISTINCT)
    targets = [
        replace(target, mask_id=f"{number:06d}/{mask}") for mask, target in enumerate(drawn.targets)
    ]
    return Sample(f"{number:06d}", drawn.image, targets)


@functools.cache
def content(number: int) -> Sample:
    """Return a textured picture with ragged, non-square blobs."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(60, 200, (12, 16, 3)).astype(np.uint8)
    image = cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
    image = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    around = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    targets = []
    for mask in range(MASKS):
        cy, cx = rng.uniform(40, SHAPE[0] - 40), rng.uniform(40, SHAPE[1] - 40)
        edge = rng.uniform(8, 90) * (1 + 0.2 * np.cos(5 * around) + 0.1 * np.cos(23 * around))
        corners = np.stack([cx + edge * np.cos(around), cy + edge * np.sin(around)], axis=1)
        dense = cv2.fillPoly(np.zeros(SHAPE, np.uint8), [corners.round().astype(np.int32)], 1)
        targets.append(Target(f"{number:06d}/{mask}", Mask.from_dense(dense.astype(bool))))
    return Sample(f"{number:06d}", image, targets)


def rows_of(number: int, model: str, prompt: str, clicks: int) -> list[MaskRow]:
    """Return the rows of image ``number``."""
    name = f"{number:06d}"
    return [
        replace(row, image_id=name, mask_id=f"{name}/{row.mask_id.partition('/')[2]}")
        for row in content_rows(number % DISTINCT, model, prompt, clicks)
    ]


@functools.cache
def content_rows(number: int, model: str, prompt: str, clicks: int) -> list[MaskRow]:
    """Return the rows of a distinct image; a mask nears its target from step to step."""
    return list(nearing(content(number), model, prompt, clicks))


def nearing(image: Sample, model: str, prompt: str, clicks: int) -> Iterator[MaskRow]:
    """Yield the rows of one image, mask by mask and step by step."""
    rng = np.random.default_rng([int(image.image_id), *model.encode(), *prompt.encode()])
    for target in image.targets:
        dense = target.mask.dense().astype(np.uint8)
        x0, y0, x1, y1 = target.mask.box or (0, 0, 0, 0)
        points = rng.uniform((x0, y0), (x1, y1), (clicks, 2)).round().tolist()
        for step in range(1, clicks + 1):
            size = int(rng.integers(1, 2 + 24 // step))
            grown = cv2.dilate(dense, np.ones((size, size), np.uint8)).astype(bool)
            iou = float(dense.sum() / max(1, grown.sum()))
            shown = [] if prompt == "box" else points[:step]
            yield MaskRow(
                dataset="made_up", image_id=image.image_id, mask_id=target.mask_id,
                category=None, attributes={}, height=SHAPE[0], width=SHAPE[1],
                area=target.mask.area, model=model, prompt=prompt, protocol="sam", step=step,
                n_points=len(shown), point_coords=shown, point_labels=[1] * len(shown),
                box=[float(v) for v in (x0, y0, x1, y1)] if prompt == "box" else None,
                iou=iou, iou_oracle=iou, ious=[iou], predicted_ious=[min(1.0, iou + 0.05)],
                selected=0, multimask=step == 1, mask_rle=Mask.from_dense(grown).to_rle(),
                metrics={"boundary_iou": iou**2},
            )  # fmt: skip


def write_runs(results: Path, images: int, models: int) -> list[RunStore]:
    """Write a finished run per model and prompt."""
    stores = []
    for model in (f"model_{number}" for number in range(models)):
        for prompt, (steps, clicks) in PROMPTS.items():
            key = f"{model}{prompt}".encode().hex()[-12:]
            store = RunStore.create(results, f"made_up-{model}-{prompt}-{key}")
            for start in range(0, images, 200):
                shown = range(start, min(images, start + 200))
                rows = [row for each in shown for row in rows_of(each, model, prompt, clicks)]
                store.write_part(rows, [f"{number:06d}" for number in shown])
            part = {"version": "1", "args": {}, "about": {}}
            named = {"dataset": "made_up", "model": model, "prompt": prompt, "protocol": "sam"}
            header = {kind: part | {"name": name} for kind, name in named.items()}
            store.write_header(header | {"key": key, "status": "complete", "report_steps": steps})
            stores.append(store)
    return stores


def opening(page: Path) -> str | None:
    """Return how long a browser takes, or none where there is no browser."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        return None
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--disable-background-networking"):  # fmt: skip
        options.add_argument(option)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
        before = time.perf_counter()
        browser.get(page.as_uri())
        bars = browser.execute_script("return document.querySelectorAll('.bars a').length")
        opened = time.perf_counter() - before
        clicked = browser.execute_async_script(
            "const start = performance.now();"
            "const done = arguments[0];"
            "addEventListener('hashchange', () => {"
            "  document.body.offsetHeight;"
            "  done((performance.now() - start) / 1000);"
            "}, { once: true });"
            "document.querySelector('.bars a[href]').click();"
        )
    return f"{bars} bars after {opened:.2f} s, a click on one {clicked:.2f} s"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000, help="of all runs together")
    parser.add_argument("--models", type=int, default=2, help="of which each has two runs")
    parser.add_argument("--most", type=float, help="megabytes that the page may have")
    parser.add_argument("--keep", type=Path, help="write the report here, and keep it")
    chosen = parser.parse_args(arguments)
    an_image = chosen.models * MASKS * sum(clicks for _, clicks in PROMPTS.values())
    images = max(1, round(chosen.rows / an_image))
    with tempfile.TemporaryDirectory() as folder:
        stores = write_runs(Path(folder), images, chosen.models)
        before, worked = time.perf_counter(), time.process_time()
        report = write_report(
            stores,
            chosen.keep or Path(folder) / "report",
            read_sample=lambda _, image_id: sample(int(image_id)),
        )
        seconds, worked = time.perf_counter() - before, time.process_time() - worked
        size = report.page.stat().st_size / 1e6
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        seen = opening(report.page) or "no browser to open it with"
        print(  # noqa: T201
            f"{images * an_image:,} rows: page of {size:.1f} MB, written in {seconds:.1f} s "
            f"({worked:.1f} s of CPU), peak {peak:.2f} GB; {seen}"
        )
        if chosen.most is not None and size > chosen.most:
            raise SystemExit(f"the page has {size:.1f} MB, more than {chosen.most:g}")


if __name__ == "__main__":
    main()
