"""What a run needs, looked for one by one: whether it is there and works, and how to get it."""

from __future__ import annotations

import platform
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from bench.config.composing import load_component, load_configs
from bench.config.folders import conf_dir, group_names
from bench.data.catalogue import state_of
from bench.files.places import Place, RemotePath
from bench.files.sizes import megabytes
from bench.files.there import is_there
from bench.models.availability import availability
from bench.models.loading import model_class
from bench.run.forecast.disk_space import SPARE
from bench.store.provenance import versions
from bench.types import BenchError, Site

State = Literal["ready", "missing", "broken"]

EXTRAS = {
    "demo": ("scikit-image",),
    "edges": ("scikit-image",),
    "completion": ("argcomplete",),
    "datasets": ("h5py",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "rate": ("starlette", "uvicorn"),
    "hub": ("huggingface_hub",),
    "mlflow": ("mlflow-skinny",),
    "ray": ("ray",),
    "s3": ("s3fs",),
    "trackio": ("trackio",),
    "transformers": ("transformers", "timm"),
    "wandb": ("wandb",),
}
"""The packages of each extra: ``pip install 'sam-bench[demo]'``."""

_STATES: Mapping[str, State] = {"ready": "ready", "missing": "missing", "incomplete": "broken"}
"""What is said of a dataset that ``bench.data.catalogue`` calls so."""

LEAST_ROOM = 8 * SPARE


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked for: ``what`` it is, how it stands, and how to get it where it's not ready.

    ``needed`` is true for what a run with the default configuration can't do without.
    """

    section: str
    what: str
    state: State
    said: str
    get: str = ""
    needed: bool = False


def examine(
    results: Place, datasets: Path, checkpoints: Path, words: Sequence[str] = ()
) -> list[Finding]:
    """Everything, in reading order; nothing is downloaded and only temporary files are written.

    ``words`` are those with which a run finds the same folders (``runtime.checkpoints=…``).
    """
    site = Site(datasets=datasets, checkpoints=checkpoints, download=False)
    found = [*_installed(), *_devices(), *_folders(results, checkpoints), *_configuration()]
    if found[-1].state != "ready":
        return found
    return [*found, *_models(site, words), *_datasets(site)]


def works(findings: Sequence[Finding]) -> bool:
    """Whether a run with the default configuration can be done."""
    return all(finding.state == "ready" for finding in findings if finding.needed)


def _installed() -> Iterator[Finding]:
    for name, version in versions().items():
        here = version != "missing"
        get = "" if here else "pip install sam-bench"
        yield Finding("installed", name, "ready" if here else "missing", version, get, True)
    for extra, packages in EXTRAS.items():
        for package in packages:
            get = f"pip install 'sam-bench[{extra}]'"
            try:
                said = metadata.version(package)
                yield Finding("installed", package, "ready", f"{said}, for [{extra}]")
            except metadata.PackageNotFoundError:
                yield Finding("installed", package, "missing", f"for [{extra}]", get)


def _devices() -> Iterator[Finding]:
    import torch

    names = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        names.append("mps")
    for name in names:
        try:
            product = torch.full((8, 8), 2.0, device=name) @ torch.ones(8, 8, device=name)
            right = bool((product.cpu() == 16).all())
        except Exception as error:  # a driver may raise anything
            said = " ".join(str(error).split())[:200]
            yield Finding("devices", name, "broken", said, "reinstall torch or the driver")
            continue
        kind = torch.cuda.get_device_name(name) if name.startswith("cuda") else platform.machine()
        said = f"{kind}, a product of matrices is {'right' if right else 'wrong'}"
        state: State = "ready" if right else "broken"
        yield Finding("devices", name, state, said, "" if right else "don't use it", name == "cpu")
    if len(names) == 1:
        cuda = torch.version.cuda
        said = "none" if cuda is None else f"none, though torch is built for CUDA {cuda}"
        yield Finding("devices", "accelerator", "missing", said, "a CPU does for small models")


def _behind_url(name: str, folder: RemotePath) -> Finding:
    what = f"{name}: {folder}"
    try:
        said = "can be read" if folder.is_dir() else "holds nothing yet"
    except BenchError as error:
        get = f"give another folder: runtime.{name}=PATH"
        return Finding("folders", what, "broken", str(error), get, True)
    return Finding("folders", what, "ready", said, "", True)


def _configuration() -> Iterator[Finding]:
    try:
        load_configs([])
        yield Finding("configuration", str(conf_dir()), "ready", "the default loads", "", True)
    except BenchError as error:
        yield Finding("configuration", "conf", "broken", str(error), "reinstall sam-bench", True)


def _folders(results: Place, checkpoints: Path) -> Iterator[Finding]:
    places: tuple[tuple[str, Place], ...] = (("results", results), ("checkpoints", checkpoints))
    for name, folder in places:
        if isinstance(folder, RemotePath):
            yield _behind_url(name, folder)
            continue
        there = next(each for each in (folder, *folder.absolute().parents) if is_there(each))
        needed = name == "results"
        what = f"{name}: {folder.absolute()}"
        try:
            with tempfile.TemporaryFile(dir=there) as file:
                file.write(b"\0")
            free = shutil.disk_usage(there).free
        except OSError as error:
            get = f"give another folder: runtime.{name}=PATH"
            yield Finding("folders", what, "broken", f"can't be written: {error}", get, needed)
            continue
        roomy = free >= LEAST_ROOM
        said = f"can be {'written' if is_there(folder) else 'made'}, {megabytes(free)} free"
        get = "" if roomy else f"make room: at least {megabytes(LEAST_ROOM)}"
        yield Finding("folders", what, "ready" if roomy else "broken", said, get, needed)


def _models(site: Site, words: Sequence[str]) -> Iterator[Finding]:
    default = load_configs([])[0].model.name
    for name in group_names("model"):
        try:
            component = load_configs([f"model={name}"])[0].model
            model_class(component).pin(component.args, site)
            yield Finding("models", name, "ready", "its files are right", needed=name == default)
        except BenchError as error:
            found = availability(component, site)
            fetch = shlex.join(["sam-bench", "fetch", f"model={name}", *words])
            get = f"{fetch} fetches it; by hand: {found.how}" if found.fetchable else ""
            state: State = "missing" if "no checkpoint" in str(error) else "broken"
            said = str(error).partition(", and downloads")[0]
            yield Finding("models", name, state, said, get, name == default)


def _datasets(site: Site) -> Iterator[Finding]:
    default = load_configs([])[0].dataset.name
    for name in group_names("dataset"):
        component = load_component("dataset", name)
        state = state_of(component, site.datasets)
        if state.name == "yours":  # a format of your own data, whose place must be given
            continue
        here, said = _STATES[state.name], state.why.partition("; the dataset's")[0]
        ways = (component.about.get(key) for key in ("homepage", "requires"))
        get = "" if here == "ready" else next((str(way) for way in ways if way), "")
        said = said or "its files are there"
        yield Finding("datasets", name, here, said, get, name == default)
