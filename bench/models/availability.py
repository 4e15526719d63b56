"""Whether a model could run here, told by its YAML alone: at once, without hashing or loading.

Where its weights come from is told by the arguments that it takes (``_SOURCES``), so that a
checkpoint's YAML needs no word of its own. ``pin`` of the class is who decides in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from os.path import isfile
from pathlib import Path
from typing import Any, Literal

from bench.config.component import Component
from bench.config.composing import load_component
from bench.files.names import fault_of_name
from bench.models.checkpoints import Published, find_own
from bench.models.hub import Repository, kept
from bench.models.weights_folder import find_folder, weight_files
from bench.types import BenchError, Site

State = Literal["ready", "to fetch", "on request", "by hand", "to install", "not told"]

_UNSET = "???"

_ORDER: tuple[State, ...] = (
    "ready", "to fetch", "on request", "not told", "to install", "by hand",
)  # fmt: skip
"""From what takes least to what takes most."""


@dataclass(frozen=True, slots=True)
class Availability:
    """How a model stands: what is to be done first, and the bytes of its weights where known.

    ``ready`` needs nothing; ``to fetch`` is downloaded by ``sam-bench fetch``; ``on request`` too,
    once its authors have given access; ``by hand`` wants what ``how`` says; ``to install`` wants
    a package; ``not told`` is a class that finds its files in a way of its own.
    """

    state: State
    how: str = ""
    size: int | None = None

    @property
    def fetchable(self) -> bool:
        """Whether ``sam-bench fetch`` gets it, perhaps once access was given."""
        return self.state in ("to fetch", "on request")


def availability(model: Component, site: Site) -> Availability:
    """What stands between a model and a run. Sizes of files are compared, no file is read."""
    args = model.args
    if unset := sorted(name for name, value in args.items() if value == _UNSET):
        return Availability(
            "by hand", f"give {', '.join(f'model.args.{each}=…' for each in unset)}"
        )
    for names, look in _SOURCES.items():
        if set(names) <= set(args):
            try:
                found = look(args, model.about.get("gate"), site)
                behind = args.get("segmenter")
                return found if behind is None else _both(found, availability(_of(behind), site))
            except (BenchError, ValueError, TypeError, KeyError) as error:
                return Availability("by hand", str(error))
    if str(model.about.get("parameters")) == "0":
        return Availability("ready", "it has no weights")
    return Availability("not told", "its class finds its files: a run with --plan tells")


def _of(segmenter: str | Mapping[str, Any]) -> Component:
    """A model behind another: the name of its YAML, or what such a YAML says."""
    if isinstance(segmenter, str):
        return load_component("model", segmenter)
    return Component("segmenter", "1", segmenter["target"], segmenter.get("args") or {})


def _both(one: Availability, other: Availability) -> Availability:
    """What is to be done first, and the bytes of both."""
    first = max(one, other, key=lambda each: _ORDER.index(each.state))
    sizes = [each.size for each in (one, other)]
    return replace(first, size=None if None in sizes else sum(map(int, filter(None, sizes))))


def _network(args: Mapping[str, Any], gate: object, site: Site) -> Availability:
    """A network of the user's own export."""
    if args["network"] is None:
        return Availability(
            "by hand",
            "export the network (docs/guide/interactive_baselines.md) and give "
            "model.args.network=FILE",
        )
    path = find_own(args["network"], site.checkpoints)
    if path.suffix == ".onnx" and find_spec("onnxruntime") is None:
        return Availability("to install", "pip install 'sam-bench[onnx]'")
    return _file(path)


def _published(args: Mapping[str, Any], gate: object, site: Site) -> Availability:
    """A file with an address and a hash, or a user's own in its place."""
    if args.get("checkpoint") is not None:
        return _file(find_own(args["checkpoint"], site.checkpoints))
    if None in (args["sha256"], args["size"]):
        return Availability(
            "by hand",
            f"its size and hash aren't known, so it isn't fetched: get {args['url']} and give "
            "model.args.checkpoint=FILE",
        )
    source = Published.of(args)
    path = site.checkpoints / source.file
    if not path.is_file():
        return _to_get(gate, str(source.url), source.size)
    found = path.stat().st_size
    if found == source.size:
        return Availability("ready", str(path), found)
    return Availability("by hand", f"{path} has {found:,} bytes, not {source.size:,}: move it away")


def _of_the_hub(args: Mapping[str, Any], gate: object, site: Site) -> Availability:
    """A repository at a commit, or a folder in its place."""
    if find_spec("transformers") is None:
        return Availability("to install", "pip install 'sam-bench[transformers]'")
    if args.get("folder") is not None:
        return _folder(find_folder(args["folder"], site.checkpoints))
    if args["repository"] is None:
        return Availability("by hand", "give model.args.folder=FOLDER")
    if args["revision"] is None:
        return Availability(
            "by hand", "give model.args.revision=COMMIT or model.args.folder=FOLDER"
        )
    source = Repository(str(args["repository"]), str(args["revision"]))
    found = kept(source)
    return _to_get(gate, source.address, None) if found is None else _folder(found)


def _exported(args: Mapping[str, Any], gate: object, site: Site) -> Availability:
    """Two graphs in files of the user's."""
    paths = [find_own(args[name], site.checkpoints) for name in ("encoder", "decoder")]
    if any(path.suffix == ".onnx" for path in paths) and find_spec("onnxruntime") is None:
        return Availability("to install", "pip install 'sam-bench[onnx]'")
    return Availability("ready", str(paths[0].parent), sum(path.stat().st_size for path in paths))


def _in_the_package(args: Mapping[str, Any], gate: object, site: Site) -> Availability:
    """A file that comes with the bench."""
    name = str(args["file"])
    if fault := fault_of_name(name):
        raise BenchError(f"model.args.file {name!r} {fault}: expected a bare name")
    path = Path(__file__).parents[1] / "demo" / "checkpoints" / name
    if not isfile(path):
        raise BenchError(f"{path}: no such file; reinstall sam-bench")
    return Availability("ready", "it comes with the package", path.stat().st_size)


_Look = Callable[[Mapping[str, Any], object, Site], Availability]

_SOURCES: Mapping[tuple[str, ...], _Look] = {
    ("url", "file", "size", "sha256"): _published,
    ("repository", "revision"): _of_the_hub,
    ("encoder", "decoder"): _exported,
    ("network", "zoom_from"): _network,
    ("file", "sha256"): _in_the_package,
}
"""What looks for the weights, by the arguments that say where they are; the first that fits."""


def _to_get(gate: object, address: str, size: int | None) -> Availability:
    if gate is not None:
        return Availability("on request", f"{str(gate).rstrip('.')}: {address}", size)
    return Availability("to fetch", address, size)


def _file(path: Path) -> Availability:
    return Availability("ready", str(path), path.stat().st_size)


def _folder(path: Path) -> Availability:
    return Availability("ready", str(path), sum(each.stat().st_size for each in weight_files(path)))
