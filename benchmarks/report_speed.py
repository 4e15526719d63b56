"""How long the report of 30 runs takes, with and without figures beside the page.

    python benchmarks/report_speed.py --out benchmarks/results

Runs 5 models on 2 datasets with 3 prompts, 5 images each (1,605 rows), and reports them a few
times, each time in a process of its own. Prints the least seconds of wall time and of a core;
``--out`` writes ``report_speed.md`` there, too.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from board_speed import said, timed

RUNS = ["model=demo_s,demo,demo_l,disk,watershed", "dataset=shapes,photos",
        "prompt=[point_1,point_3,box]", "runtime.limit=5"]  # fmt: skip
KINDS = {"all figures": "pdf,svg,png,pgf", "figures as PNG": "png", "no figures": "none"}


def main() -> None:
    """Runs, reports, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as results:
        run = [sys.executable, "-m", "bench", "run", *RUNS, "--results", results]
        subprocess.run(run, check=True, capture_output=True)
        words = ["report", "--allow-partial", "--results", results, "--figures"]
        found = {
            name: [timed([*words, kinds]) for _ in range(options.repeats)]
            for name, kinds in KINDS.items()
        }
        page = Path(results) / "reports" / "report" / "index.html"
        size = page.stat().st_size
    lines = [
        f"| {name} | {min(wall for wall, _ in times):.1f} | {min(core for _, core in times):.1f} |"
        for name, times in found.items()
    ]
    text = "\n".join(
        [
            "# Report of 30 runs: seconds",
            "",
            f"`python benchmarks/report_speed.py --out benchmarks/results`, "
            f"{datetime.now(timezone.utc):%Y-%m-%d}; {platform.system()} {platform.machine()}, "
            f"{os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f}. 5 models, 2 datasets, "
            f"3 prompts, 5 images each; the least of {options.repeats}.",
            "",
            "| | wall, s | of a core, s |",
            "|---|---|---|",
            *lines,
            "",
            f"The page has {size:,} bytes.",
            "",
        ]
    )
    said(text, options.out, "report_speed.md")


if __name__ == "__main__":
    main()
