"""Weights from a file into a network, strictly: every tensor in its place, or an error.

People save checkpoints in many ways: under a key beside the optimizer, with the names that a
wrapper of the network gave them. What is taken off of that is said, and nothing is guessed: it is
taken off only where exactly the network's own tensors are left.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bench.files.signatures import signature_of
from bench.files.text import visible_line
from bench.models.strangers import stranger
from bench.types import BenchError

WRAPPINGS = ("model", "state_dict")
"""Keys under which the weights are taken first, whatever else lies beside them."""

WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of names that torch's own wrappers add anywhere: DataParallel, compile, FSDP, and
checkpointing of activations."""

SHOWN = 3

DEEPEST = 2
"""Keys that weights may lie under, one in the other."""

SMALL = 1 << 20
"""Bytes that are no matter however they are packed."""

LARGEST = 3 << 30
"""Bytes of the largest known checkpoint, rounded up. Tensors that share memory take none until they
are copied, which is into a network of their own shapes; beyond this they are refused at once."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Tensors that lie together in a file, by name.

    ``under`` are the keys that they lie under, "/" between, empty at the top; ``beside`` are
    entries among them that are no tensors; ``without`` is what was taken off of their names.
    """

    tensors: Mapping[str, Tensor]
    under: str = ""
    beside: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What was taken off, for people; empty where nothing was.

        >>> Saved({}, "state_dict", without=("model.",)).words
        "taken from 'state_dict', names without 'model.'"
        """
        parts = [f"taken from {self.under!r}"] if self.under else []
        parts += [f"names without {_quoted(self.without)}"] if self.without else []
        parts += [f"left out: {_some(self.beside)}"] if self.beside else []
        return ", ".join(parts)

    @property
    def account(self) -> str:
        """The same, and in what it was saved where that isn't float32 alone."""
        dtypes = {t.dtype for t in self.tensors.values() if t.is_floating_point()}
        names = sorted(str(dtype).removeprefix("torch.") for dtype in dtypes)
        saved = "" if dtypes <= {torch.float32} else f"saved in {' and '.join(names)}"
        return ", ".join(filter(None, (self.words, saved)))


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file on the CPU, the likeliest where it holds several sets."""
    return dict(read_saved(path)[0].tensors)


def read_saved(path: Path, *, names_only: bool = False) -> list[Saved]:
    """The sets of tensors in a ``.safetensors`` file or one written by ``torch.save``, on the CPU.

    Those under a key of ``WRAPPINGS`` come first. Nothing in the file is executed. With
    ``names_only`` names and shapes are meant: values are read when they are used, and unchecked.
    Raises ``BenchError`` where the file holds no tensors, and says what it is where that can be
    told.
    """
    with path.open("rb") as file:
        head = file.read(512)
    _refuse_other(path, head)
    torchs = head.startswith(b"PK") and zipfile.is_zipfile(path)
    if _is_safetensors(path, head) or (path.suffix == ".safetensors" and not torchs):
        try:
            return [Saved(load_file(path, device="cpu"))]
        except (SafetensorError, ValueError, OSError, KeyError, TypeError) as error:
            raise BenchError(f"{path} is not a safetensors file: {_first_line(error)}") from error
    _refuse_packed(path)
    content = _loaded(path, names_only)
    if not isinstance(content, Mapping) or not content:
        raise BenchError(f"{path} holds no state dict but {_kind(content)}")
    sets = sorted(_sets(content), key=_likeliness)
    if not sets:
        inner = next((content[key] for key in WRAPPINGS if key in content), None)
        if isinstance(inner, Mapping) and not inner:
            raise BenchError(f"{path} holds no state dict but {_kind(inner)}")
        names = list(map(str, content))
        raise BenchError(
            f"{path} holds no state dict: {len(names)} of its {len(names)} entries are no "
            f"tensors, {_some(names)}"
        )
    for each in sets:
        packed = sum(t.numel() * t.element_size() for t in each.tensors.values())
        if packed > max(2 * path.stat().st_size + SMALL, LARGEST):
            raise BenchError(
                f"{path} holds tensors of {packed} bytes in a file of {path.stat().st_size}: they "
                "share memory as no checkpoint's do"
            )
    return sets


def _loaded(path: Path, names_only: bool) -> Any:
    """What ``torch.save`` wrote, as far as it can be read safely."""
    try:
        if path.suffix == ".safetensors":  # by this name torch would read it as one
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
        mapped = names_only and zipfile.is_zipfile(path)  # which earlier forms can't be
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # broken bytes make the unpickler raise almost anything
        # torch's own words advise to load it unsafely: they stay in the traceback
        found = re.search(r"GLOBAL (\S+) was not", str(error))
        more = "it is damaged or holds more than tensors"
        if found is not None:
            more = f"beside tensors it holds objects of {found[1][:80]}"
        raise BenchError(
            f"{path} is no checkpoint that can be read safely: {more}; "
            f"expected what torch.save(model.state_dict(), …) writes"
        ) from error


def _sets(content: Mapping[Any, Any], under: tuple[str, ...] = ()) -> Iterator[Saved]:
    """The mappings in a mapping that hold tensors."""
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        beside = tuple(str(key) for key, value in content.items() if not isinstance(value, Tensor))
        yield Saved(tensors, "/".join(under), beside)
    if len(under) < DEEPEST:
        for key, value in content.items():
            if isinstance(value, Mapping):
                yield from _sets(value, (*under, str(key)))


def _likeliness(saved: Saved) -> tuple[int, int]:
    """The sort key of sets: known wrappings, then the most tensors."""
    known = WRAPPINGS.index(saved.under) if saved.under in WRAPPINGS else len(WRAPPINGS)
    return known, -len(saved.tensors)


def _refuse_other(path: Path, head: bytes) -> None:
    """Refuses a file that is something else by its first bytes, in words for what it is."""
    if not head:
        raise BenchError(f"{path} is empty, 0 bytes; copy or download it again")
    found = None if head.startswith(b"PK") else signature_of(head)  # torch.save writes a zip file
    if found is not None:
        raise BenchError(f"{path} is {found.what}, not a checkpoint; {found.remedy}")


def _is_safetensors(path: Path, head: bytes) -> bool:
    """Whether the file begins as safetensors do, whatever it is called: a length, then JSON."""
    if len(head) < 10 or head[8:10] not in (b'{"', b"{}"):
        return False
    return bool(struct.unpack("<Q", head[:8])[0] <= path.stat().st_size - 8)


def _refuse_packed(path: Path) -> None:
    """Refuses a file that unfolds when it is read: torch stores its tensors as they are."""
    try:
        with zipfile.ZipFile(path) as archive:
            full = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error):
        return  # not of torch's present form, or broken: torch.load says so
    if full > 2 * path.stat().st_size + SMALL:
        raise BenchError(
            f"{path} is compressed, {full} bytes in {path.stat().st_size}; torch.save writes no "
            "such file"
        )


def load_strict(
    network: nn.Module,
    state: Mapping[str, Tensor] | Sequence[Saved],
    origin: str,
    relatives: Mapping[str, Callable[[], nn.Module]] | None = None,
) -> str:
    """Fill ``network`` with ``state``, in the network's own dtype, and give the ``account`` of it.

    ``state`` are tensors by name or the sets of a file (``read_saved``): the set is taken that
    fits. ``origin`` names the file and what it was loaded as. ``relatives``, name → builder, are
    tried on where nothing fits, so that the error can say what it looks like. Raises
    ``BenchError`` with counts and names for missing, unexpected and misshapen tensors.
    """
    found = fitting(network, state, origin, relatives)
    network.load_state_dict(dict(found.tensors), strict=True)
    return found.account


def fitting(
    network: nn.Module,
    state: Mapping[str, Tensor] | Sequence[Saved],
    origin: str,
    relatives: Mapping[str, Callable[[], nn.Module]] | None = None,
) -> Saved:
    """Of the sets the one that is the network's, under the network's own names.

    The network may be on the device "meta", without values. Raises as ``load_strict`` does, and
    where several sets fit that lie under no key of ``WRAPPINGS``.
    """
    sets = [Saved(state)] if isinstance(state, Mapping) else state
    tried = [_renamed(network, each) for each in sets]
    fits = [each for each in tried if not misfits(network, each.tensors)]
    if fits:
        if len(fits) > 1 and fits[0].under not in ("", *WRAPPINGS):
            places = _quoted([each.under for each in fits])
            raise BenchError(
                f"{origin}: the weights are there {len(fits)} times, under {places}; save the one "
                "that is meant alone"
            )
        return fits[0]
    likeliest = tried[0]
    alike = [name for name, build in (relatives or {}).items() if _fits(build, sets)]
    hint = (
        f"; it looks like {' or '.join(alike)}" if alike else _foreign(network, likeliest.tensors)
    )
    hint = hint or _other_grid(network, likeliest.tensors)
    hint = hint or _other_constants(network, likeliest.tensors) or _hidden(network, likeliest)
    where = f" ({likeliest.words})" if likeliest.words else ""
    faults = "; ".join(misfits(network, likeliest.tensors))
    raise BenchError(f"{origin}{where} does not fit: {faults}{hint}")


def _renamed(network: nn.Module, saved: Saved) -> Saved:
    """The set under the names that most of the network's own tensors have.

    Taken off are a beginning that all names share and, all of them, the parts that wrappers add;
    and constants of the network that it doesn't save itself, where they are equal.
    """
    own, tensors = network.state_dict().keys(), saved.tensors
    if own <= tensors.keys():
        return _without_constants(network, saved)
    if _foreign(network, tensors):
        return saved
    tried = [saved]
    plain = {_plain(name): tensor for name, tensor in tensors.items()}
    if len(plain) == len(tensors) and plain.keys() != tensors.keys():
        parts = dict.fromkeys(p for name in tensors for p in name.split(".") if p in WRAPPERS)
        tried.append(replace(saved, tensors=plain, without=tuple(f"{part}." for part in parts)))
    for each in tuple(tried):
        first = next(iter(each.tensors)).split(".")[:-1]
        for length in range(1, len(first) + 1):
            prefix = ".".join(first[:length]) + "."
            if not all(name.startswith(prefix) for name in each.tensors):
                break
            short = {name.removeprefix(prefix): t for name, t in each.tensors.items()}
            tried.append(replace(each, tensors=short, without=(*each.without, prefix)))
    best = max(tried, key=lambda each: len(own & each.tensors.keys()))
    return _without_constants(network, best)


def _plain(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _foreign(network: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """Which other project's file it is, by the names that aren't the network's own."""
    own = network.state_dict().keys()
    return stranger(name for name in map(_plain, tensors) if name not in own)


def _without_constants(network: nn.Module, saved: Saved) -> Saved:
    """The set less buffers that the network holds but doesn't save, where the values are equal."""
    own = network.state_dict().keys()
    constants = {name: value for name, value in network.named_buffers() if name not in own}
    same = [
        name
        for name, value in constants.items()
        if name in saved.tensors and value.device.type != "meta"
        if torch.equal(saved.tensors[name].to(value.dtype), value.cpu())
    ]
    tensors = {name: tensor for name, tensor in saved.tensors.items() if name not in same}
    return replace(saved, tensors=tensors, beside=(*saved.beside, *same))


def _other_grid(network: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Says that a network of these names was trained on pictures of another size."""
    for name, own in network.state_dict().items():
        found = state.get(name)
        if found is None or not name.endswith("pos_embed") or own.ndim != 4 or found.ndim != 4:
            continue
        (_, h, w, c), (_, rows, columns, depth) = own.shape, found.shape
        if (h, w) != (rows, columns) and c == depth:
            return (
                f"; its {name} is a grid of {rows}×{columns}, the network's of {h}×{w}: it was "
                "trained on pictures of another size; wrap its own code as a model"
            )
    return ""


def _other_constants(network: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Says which values of the file are others than those that the network computes with."""
    own, constants = network.state_dict().keys(), dict(network.named_buffers()).keys()
    names = [name for name in state if name in constants - own]
    if not names or state.keys() - set(names) != own:
        return ""
    return f"; {_some(names)}: other values than the network's own, with which it was not trained"


def _hidden(network: nn.Module, saved: Saved) -> str:
    """Says where the network's tensors are all there behind a prefix, but among others."""
    own, state = list(network.state_dict()), saved.tensors
    for name in state if own else ():
        prefix = name.removesuffix(own[0])
        if name != own[0] and name.endswith(own[0]) and all(prefix + o in state for o in own):
            others = [each for each in state if each.removeprefix(prefix) not in own]
            if not others:
                return f"; what is needed is there twice, behind {prefix!r} and without: save one"
            return (
                f"; all that is needed is there behind {prefix!r}, and beside it {len(others)} "
                f"others, {_some(others)}: save it without these"
            )
    return ""


def misfits(network: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Why ``state`` is not this network's, a phrase per kind of fault; empty where it fits."""
    own = network.state_dict()
    shared = [key for key in own if key in state]
    kinds: Mapping[str, Sequence[str]] = {
        "missing": [key for key in own if key not in state],
        "unexpected": [key for key in state if key not in own],
        "of another shape": [
            f"{key} (expected {_shape(own[key])}, found {_shape(state[key])})"
            for key in shared
            if own[key].shape != state[key].shape
        ],
        "not of a floating type": [
            f"{key} ({state[key].dtype})"
            for key in shared
            if own[key].is_floating_point() and not state[key].is_floating_point()
        ],
        "sparse or without values": [
            key for key in shared if state[key].layout is not torch.strided or state[key].is_meta
        ],
    }
    return [f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in kinds.items() if keys]


def _fits(build: Callable[[], nn.Module], sets: Sequence[Saved]) -> bool:
    with torch.device("meta"):  # shapes without memory or random numbers
        network = build()
    return any(not misfits(network, _renamed(network, each).tensors) for each in sets)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(visible_line, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")


def _quoted(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names[:SHOWN]))


def _kind(content: object) -> str:
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
