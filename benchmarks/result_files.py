"""Where figures go: ``benchmarks/results/NAME.md`` and, with what they came from, ``NAME.json``."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from bench.store import provenance

RESULTS = Path(__file__).parent / "results"


def write(name: str, text: str, **figures: Any) -> None:
    """Writes the text, and the figures with date, cores, machine, versions and commit."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    content = {
        "date": str(date.today()),
        "cores": os.cpu_count(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "git": provenance.commit(),
        **figures,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
