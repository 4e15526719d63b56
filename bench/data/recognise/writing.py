"""Writes what was recognised as the YAML of a dataset."""

from __future__ import annotations

import json
import re
from pathlib import Path

from bench.config.folders import conf_dir
from bench.data.recognise import Recognised
from bench.files.names import fault_of_name
from bench.files.places import forget_leftovers, local_path, write_aside
from bench.files.text import escaped, visible_line
from bench.files.there import is_there
from bench.types import BenchError
from bench.types.errors import disk_fault

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_NAMES = ("true", "false", "yes", "no", "on", "off", "y", "n", "null", "none", "nan", "inf")
"""What YAML or the command line would take for something else than a name."""


def write_yaml(name: str, way: Recognised, config_dir: Path) -> Path:
    """Writes ``<config_dir>/dataset/<name>.yaml``, whole or not at all, and gives its path.

    Raises ``BenchError`` for a name that is none or is taken, and a file that can't be written.
    What stands there word for word is left.
    """
    check_name(name)
    path = local_path(config_dir) / "dataset" / f"{name}.yaml"
    text = to_yaml(name, way).encode()

    def refuse_another() -> None:
        if is_there(path) or path.is_symlink():
            raise BenchError(f"{path} is there already; delete it or take another name")

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        forget_leftovers(path)
        if path.is_file() and path.read_bytes() == text:
            return path
        refuse_another()
        write_aside(path, text, refuse_another)
    except OSError as error:
        raise BenchError(f"{path}: can't be written: {disk_fault(error)}") from error
    return path


def check_name(name: str) -> None:
    """Raises ``BenchError`` for what can't be a dataset's name, or is one of the bench's."""
    if not _NAME.fullmatch(name) or name.lower() in _NO_NAMES:
        raise BenchError(
            f"{name!r} can't be a dataset's name: letters, digits and underscores, no digit first"
        )
    if fault := fault_of_name(name):
        raise BenchError(f"a dataset's name {fault}: expected a shorter one")
    if (conf_dir() / "dataset" / f"{name}.yaml").is_file():
        raise BenchError(f"{name!r} is a dataset of the bench; take another name")


def to_yaml(name: str, way: Recognised) -> str:
    """The YAML's text."""
    assumed = [f"# Assumed: {sentence}." for sentence in way.assumed]
    lines = [
        f"# {name}: recognised as {way.format}, {way.seen}.",
        "#",
        f"#   {way.folder}",
        *(f"#     {entry}" for entry in way.tree),
        *(["#", *assumed] if assumed else []),
        f"name: {name}",
        'version: "1" # raise it when pictures or masks change: old numbers keep theirs',
        f"target: {way.target}",
        "args:",
        *(f"  {key}: {_quoted(value)}" for key, value in way.args.items()),
        "about:",
        f"  title: {name}",
        f"  what: {_quoted(way.seen)}",
        "  split: all",
        "  licence: not said",
        "  citation: not said",
        "  homepage: null",
        "  unknown: Recognised from the files; what was assumed stands in this file's head.",
    ]
    return "\n".join(visible_line(" ".join(line.splitlines()).rstrip()) for line in lines) + "\n"


def _quoted(value: object) -> str:
    """A value as YAML and OmegaConf read it back: as JSON, ``${`` escaped."""
    return escaped(json.dumps(value, ensure_ascii=False)).replace("${", "\\\\${")
