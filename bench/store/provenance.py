"""What a number was made with: library versions, the commit, the machine."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from bench import __version__

_PACKAGES = (
    "torch",
    "torchvision",
    "segment-anything",
    "numpy",
    "opencv-python-headless",
    "pycocotools",
    "hydra-core",
    "pyarrow",
    "pillow",
    "pandas",
)


def versions() -> dict[str, str]:
    """The versions of the bench, of Python and of the libraries that can change a number."""
    found = {"sam-bench": __version__, "python": platform.python_version()}
    return found | {package: _version(package) for package in _PACKAGES}


@cache
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def commit() -> dict[str, str | bool | None]:
    """The checkout's commit and whether files differ from it; none outside a checkout.

    As a process finds it first: a later commit is not the code that it has loaded.
    """
    return dict(_commit(Path(__file__).resolve().parents[2]))


@cache
def _commit(root: Path) -> dict[str, str | bool | None]:
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}
    try:
        head = _git(root, "rev-parse", "HEAD")
        return {"commit": head, "dirty": bool(_git(root, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def machine() -> dict[str, str]:
    """The kind of machine, without its name."""
    return {"system": platform.system(), "processor": platform.machine()}


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()
