"""A checkpoint that is a folder, as ``save_pretrained`` writes it: a configuration and weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from bench.files.documents import parse_json
from bench.files.hashing import sha256_of
from bench.files.names import fault_of_name
from bench.files.places import local_path
from bench.files.there import is_there, kind_of
from bench.types import BenchError

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PREPARATION = ("preprocessor_config.json", "processor_config.json")
"""What may say how images are prepared, one or both, in a folder of an image model."""

WORDS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""What says into which tokens words are cut, in a folder of a model that takes some."""

PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
ADAPTER = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class WeightsFolder:
    """Its ``path``, what ``config.json`` says, and the files that decide what the model answers."""

    path: Path
    config: Mapping[str, Any]
    files: tuple[Path, ...]

    @property
    def sha256(self) -> str:
        """One hash of all ``files``, their names with it: of a changed configuration another."""
        return hash_of(self.files)

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files of weights among them."""
        return tuple(file for file in self.files if file.suffix == ".safetensors")


def hash_of(files: Sequence[Path]) -> str:
    """One hash of the content of some files of a folder, and of their names."""
    lines = sorted(f"{file.name} {sha256_of(file)}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def word_files(folder: Path) -> tuple[Path, ...]:
    """The files that decide into which tokens words are cut.

    Raises ``BenchError`` where the folder has no ``tokenizer.json``, as a model has none that takes
    no words.
    """
    if not (folder / WORDS[0]).is_file():
        raise BenchError(
            f"no tokenizer in {folder}: it has no {WORDS[0]}; name a folder as save_pretrained of "
            "the model and of its processor writes it"
        )
    return tuple(folder / name for name in WORDS if (folder / name).is_file())


def preparation_files(folder: Path) -> tuple[Path, ...]:
    """The files that say how images are prepared; raises ``BenchError`` where there is none."""
    found = tuple(folder / name for name in PREPARATION if (folder / name).is_file())
    if not found:
        raise BenchError(
            f"no preparation of images in {folder}: it has neither {' nor '.join(PREPARATION)}; "
            "name a folder as save_pretrained of the model and of its processor writes it"
        )
    return found


def open_folder(path: Path) -> WeightsFolder:
    """The folder, its files found and looked into, none of them read as a whole.

    Raises ``BenchError`` where it is none, lacks its configuration or weights, has weights of
    another kind than safetensors alone, or a file of weights is cut off.
    """
    if not path.is_dir():
        raise BenchError(
            f"no checkpoint {path}: {kind_of(path, 'folder')}; name a folder with {CONFIG} and "
            f"{WEIGHTS}, as save_pretrained writes it"
        )
    if not (path / CONFIG).is_file():
        raise BenchError(f"no checkpoint in {path}: {_lacks_config(path)}")
    config = _document(path / CONFIG)
    weights = weight_files(path)
    for file in weights:
        tensor_names(file)
    others = [] if weights == [path / WEIGHTS] else [path / INDEX]
    return WeightsFolder(path, config, (path / CONFIG, *others, *weights))


def weight_files(path: Path) -> list[Path]:
    """The files of weights in a folder, none of them opened; raises ``BenchError`` without any."""
    if (path / WEIGHTS).is_file():
        return [path / WEIGHTS]
    if (path / INDEX).is_file():
        return _shards(path)
    there = [name for name in PICKLES if (path / name).is_file()]
    why = f"it has {there[0]}, which may hold more than tensors" if there else "it has none"
    raise BenchError(
        f"no checkpoint in {path}: weights are read from safetensors alone, and {why}; where "
        "you trust the file, load it with transformers and write it by "
        "save_pretrained(FOLDER, safe_serialization=True)"
    )


def find_folder(given: str | Path, checkpoints: Path) -> Path:
    """A user's own folder: absolute, or relative to here or to the folder of checkpoints.

    Raises ``BenchError`` that names every place looked at.
    """
    folder = local_path(given)
    places = [folder] if folder.is_absolute() else [Path.cwd() / folder, checkpoints / folder]
    for place in places:
        if is_there(place):
            return place
    looked = " and ".join(f"{place} ({kind_of(place, 'folder')})" for place in places)
    raise BenchError(f"no checkpoint {given}: looked for {looked}; name a folder of weights")


def preparation(folder: Path) -> dict[str, Any]:
    """What the folder says of how images are prepared: ``image_mean`` and ``image_std``, if any."""
    found: dict[str, Any] = {}
    for name in PREPARATION:
        if (folder / name).is_file():
            said = _document(folder / name)
            inner = said.get("image_processor", said)
            found |= {key: inner[key] for key in ("image_mean", "image_std") if key in inner}
    return found


def tensor_names(path: Path) -> tuple[str, ...]:
    """The names of the tensors in a safetensors file; raises ``BenchError`` for a broken one."""
    try:
        with safe_open(path, framework="pt") as file:
            return tuple(file.keys())
    except (SafetensorError, OSError, ValueError) as error:
        said = str(error).strip().splitlines()[0][:200]
        raise BenchError(
            f"{path} ({path.stat().st_size} bytes) is no whole safetensors file: {said}; copy or "
            "download it again"
        ) from error


def _lacks_config(path: Path) -> str:
    if (path / ADAPTER).is_file():
        return (
            f"it is an adapter, {ADAPTER}; name the folder of the model that it was trained on, "
            "and this one as model.args.adapter"
        )
    return f"it has no {CONFIG}; name a folder as save_pretrained writes it"


def _shards(path: Path) -> list[Path]:
    """The files that the index names, each once; raises ``BenchError`` where one isn't there."""
    mapped = _document(path / INDEX).get("weight_map")
    if not isinstance(mapped, Mapping) or not mapped:
        raise BenchError(f"{path / INDEX}: expected a weight_map from tensors to files")
    names = sorted({str(name) for name in mapped.values()})
    for name in names:
        if fault := fault_of_name(name):
            raise BenchError(f"{path / INDEX}: the file {name!r} {fault}")
        if not name.endswith(".safetensors"):
            raise BenchError(f"{path / INDEX}: the file {name!r} is no safetensors file")
        if not (path / name).is_file():
            raise BenchError(f"no checkpoint in {path}: of {len(names)} files {name} is not there")
    return [path / name for name in names]


def _document(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise BenchError(f"{path}: expected an object, found a {type(content).__name__}")
    return content
