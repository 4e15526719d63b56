"""Pictures of what a run shows, for the README and the site: ``make pictures``.

::

    python docs/screenshots.py     writes docs/pictures/*.webp; needs Chromium, takes minutes

Runs the demo on a few images, writes its report into a folder of its own, and takes a picture of
the page, of one figure, and of a mask whose best candidate was not the chosen one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import bench
from bench.cli import main as sam_bench
from bench.report.masks.addresses import mask_address
from bench.types import BenchError

PICTURES = Path(__file__).resolve().parent / "pictures"
MOST_BYTES = 150_000
IMAGES = 30
"""Of each dataset: what is shown is the page, the numbers are no results."""


def run_demo(results: Path) -> Path:
    """The folder of a report of the demo on a few images."""
    words = ["run", "model=demo", "dataset=shapes,photos", "prompt=[point_1,point_3,box]"]
    code = sam_bench(
        [*words, f"runtime.results={results}", f"runtime.limit={IMAGES}",
         "runtime.keep_candidates=true", "--report", "demo"]
    )  # fmt: skip
    if code:
        raise BenchError(f"the demo ended with exit code {code}")
    return results / "reports" / "demo"


def wrong_candidate(results: Path) -> str:
    """The address of the photos' mask at one click that most is lost of by the choice."""
    rows = bench.read_runs("photos-demo-point_1-*", results=results)
    row = rows.loc[(rows["iou_oracle"] - rows["iou"]).idxmax()]
    return mask_address(row["image_id"], row["mask_id"], row["run"], step=1)


def take(page: str, out: Path, size: tuple[int, int]) -> None:
    """A picture (width, height) of a page, by Chromium without a window; raises ``BenchError``."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise BenchError("no chromium here: `make browser` installs it")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}",
                "--virtual-time-budget=3000", f"--screenshot={out}", page,
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


def keep(picture: Path, out: Path, width: int) -> None:
    """The picture as WebP of that width, below ``MOST_BYTES``; raises ``BenchError``."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    image = image.resize((width, round(image.height * width / image.width)), Image.LANCZOS)
    image.save(out, quality=80, method=6)
    if (size := out.stat().st_size) > MOST_BYTES:
        raise BenchError(f"{out}: {size} bytes, expected at most {MOST_BYTES}")


def main() -> int:
    """Writes the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = run_demo(folder / "results")
        take((report / "index.html").as_uri(), folder / "report.png", (1400, 1330))
        keep(folder / "report.png", PICTURES / "report.webp", 1100)
        keep(report / "figures" / "points.png", PICTURES / "figure.webp", 700)
        mask = (report / "index.html").as_uri() + wrong_candidate(folder / "results")
        take(mask, folder / "mask.png", (1400, 900))
        keep(folder / "mask.png", PICTURES / "mask.webp", 1100)
    return 0


if __name__ == "__main__":
    sys.exit(main())
