"""Where YAMLs lie: the bench's own folder of groups, and a user's beside it."""

from __future__ import annotations

from os.path import isdir, isfile
from pathlib import Path

from bench.files.there import kind_of
from bench.types import BenchError
from bench.types.errors import did_you_mean

_ASIDE = ("canary", "suite")
"""The folders of ``conf/`` that no run is composed of: recorded masks, and lists of datasets."""


def conf_dir() -> Path:
    """The folder of YAMLs that comes with the bench: in a checkout or in an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "run.yaml").is_file():
            return folder
    raise BenchError(f"{package.parent / 'conf'}: the configuration folder is missing; reinstall")


def groups() -> list[str]:
    """The folders of YAMLs that a run is composed of."""
    return sorted(
        path.name for path in conf_dir().iterdir() if path.is_dir() and path.name not in _ASIDE
    )


def group_names(group: str, extra_dir: Path | None = None) -> list[str]:
    """The names of a group's YAMLs (``model``, ``dataset``, …), sorted."""
    folders = group_folders(group, extra_dir)
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def group_folders(group: str, extra_dir: Path | None = None) -> list[Path]:
    """Where a group's YAMLs are, a user's own folder first; raises ``BenchError`` without it."""
    if extra_dir is not None:
        check_folder(extra_dir)
    return [*([extra_dir / group] if extra_dir else []), conf_dir() / group]


def component_file(group: str, name: str, extra_dir: Path | None = None) -> Path:
    """The YAML of a group's component, a user's own before the bench's; raises ``BenchError``."""
    for folder in group_folders(group, extra_dir):
        if isfile(path := folder / f"{name}.yaml"):
            return path
    names = group_names(group, extra_dir)
    raise BenchError(f"no {group} is called {name!r}; {did_you_mean(name, names)}")


def check_folder(folder: Path) -> None:
    """Raises ``BenchError`` for what is no folder of YAMLs."""
    if not isdir(folder):
        found = kind_of(folder, "folder")
        raise BenchError(f"{folder}: {found} (--config-dir takes a folder of YAMLs)")
