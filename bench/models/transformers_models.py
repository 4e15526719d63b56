"""The promptable models of the library transformers: which there are, and loading them strictly.

Where the library computes something else than the authors' own code, the authors' numbers are
wanted (``Family.differs`` says in what); ``tests/models/test_transformers_sam.py`` fails when the
library is mended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.models.weights_folder import WeightsFolder, preparation
from bench.types import BenchError
from bench.types.errors import did_you_mean

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
CLAMP = 32.0
"""``SAM2ImagePredictor`` clamps the logits that it hands back for the next round to ± this."""

DECODER_EPSILON = 1e-5
"""Of the layer norms in the two-way blocks of SAM's decoder; the library's default is 1e-6."""

LOADING = (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError)
"""What the library raises for files that are not as it expects them."""

_SHOWN = 3

_NORMS = "layer norms of the decoder with 1e-5, as the authors' (the library's default is 1e-6)"
_CLAMPED = "logits are clamped to ±32 before they are fed back, as SAM2ImagePredictor does"
_FRACTIONS = "images are resized in float, as the authors do (the library rounds to grey levels)"


_SAM_VALUES = 256 * 64 * 64
_SAM2_VALUES = 32 * 256 * 256 + 64 * 128 * 128 + 256 * 64 * 64


@dataclass(frozen=True, slots=True)
class Family:
    """What sets one model class of the library apart from the others.

    ``model`` is its name; ``types`` are the ``model_type`` of configurations that it loads;
    ``colours`` the mean and the standard deviation in [0, 1]; ``differs`` says what is computed as
    the authors do and not as the library does. ``embedding_bytes`` are those of a checkpoint of the
    published size, the largest where sizes differ; an embedding has ``features`` tensors, of which
    the decoder attends to the one at ``attended``; ``libraries`` compute the encoder.
    """

    model: str
    types: tuple[str, ...]
    resize: str
    colours: tuple[tuple[float, ...], tuple[float, ...]]
    clamps: bool
    differs: tuple[str, ...]
    embedding_bytes: int
    features: int
    attended: int
    libraries: tuple[str, ...] = ("transformers",)


FAMILIES: Mapping[str, Family] = {
    "sam": Family(
        "SamModel", ("sam",), "longest_side", IMAGENET, False, (_NORMS,), 4 * _SAM_VALUES, 1, 0
    ),
    "sam_hq": Family(
        "SamHQModel",
        ("sam_hq",),
        "longest_side",
        IMAGENET,
        False,
        (
            _NORMS,
            "the decoder upsamples the image as its transformer has changed it, as the authors' "
            "does (the library takes it as it was before, height and width exchanged)",
            "several masks are the best alone, as the authors give it (the library gives three)",
        ),
        4 * (_SAM_VALUES + 64 * 64 * 1280),  # ViT-H; 768 for ViT-B, 1024 for ViT-L
        2,
        0,
    ),
    "sam2": Family(
        "Sam2Model",
        ("sam2", "sam2_video"),
        "squash",
        IMAGENET,
        True,
        (_CLAMPED, _FRACTIONS),
        4 * _SAM2_VALUES,
        3,
        2,
    ),
    "edgetam": Family(
        "EdgeTamModel",
        ("edgetam", "edgetam_video"),
        "squash",
        IMAGENET,
        True,
        (_CLAMPED, _FRACTIONS),
        4 * _SAM2_VALUES,
        3,
        2,
        ("transformers", "timm"),
    ),
    "sam3_tracker": Family(
        "Sam3TrackerModel",
        ("sam3_tracker", "sam3_tracker_video", "sam3_video"),
        "squash",
        HALF,
        True,
        (_CLAMPED, _FRACTIONS),
        4 * (32 * 288 * 288 + 64 * 144 * 144 + 256 * 72 * 72),
        3,
        2,
    ),
}


def family_of(args: Mapping[str, Any]) -> Family:
    """The family that the arguments name; raises ``BenchError`` where they don't go together."""
    arch = str(args.get("arch"))
    if arch not in FAMILIES:
        raise BenchError(f"no architecture {arch!r}; {did_you_mean(arch, FAMILIES)}")
    if args.get("hq_token_only") and arch != "sam_hq":
        raise BenchError(f"hq_token_only is a choice of arch sam_hq, not of {arch}")
    if args.get("stability_choice") is not None and not FAMILIES[arch].clamps:
        raise BenchError(f"stability_choice is a choice of SAM 2 and later, not of arch {arch}")
    return FAMILIES[arch]


def check_kind(found: WeightsFolder, arch: str) -> None:
    """Raises ``BenchError`` for weights of another model, or trained on other colours."""
    check_type(found, arch, {name: each.types for name, each in FAMILIES.items()})
    check_colours(found, f"arch {arch}", FAMILIES[arch].colours)


def check_type(found: WeightsFolder, arch: str, types: Mapping[str, Sequence[str]]) -> None:
    """Raises ``BenchError`` for weights of another architecture; ``types`` are those of each."""
    said = found.config.get("model_type")
    if said not in types[arch]:
        fitting = [name for name, each in types.items() if said in each]
        hint = f"; it is of model.args.arch={fitting[0]}" if fitting else ""
        raise BenchError(
            f"{found.path}: its config.json is of a model of type {said!r}, arch {arch} expects "
            f"{' or '.join(map(repr, types[arch]))}{hint}"
        )


def check_colours(
    found: WeightsFolder, who: str, colours: tuple[tuple[float, ...], tuple[float, ...]]
) -> None:
    """Raises ``BenchError`` for weights trained on other colours than ``who`` has."""
    told = preparation(found.path)
    for key, own in zip(("image_mean", "image_std"), colours, strict=True):
        if key in told and not np.allclose(told[key], own, rtol=0, atol=1e-6):
            raise BenchError(
                f"{found.path}: it was trained with {key} {told[key]}, {who} has "
                f"{list(own)}; wrap it as a model of your own"
            )


def load(family: Family, found: WeightsFolder, stability_choice: bool | None) -> Any:
    """The library's model with the folder's weights, every tensor in its place."""

    def adjust(config: Any) -> None:
        if not family.clamps:
            config.mask_decoder_config.layer_norm_eps = DECODER_EPSILON
        elif stability_choice is not None:
            config.mask_decoder_config.dynamic_multimask_via_stability = stability_choice

    return load_strictly(family.model, found, adjust)


def load_strictly(
    name: str, found: WeightsFolder, adjust: Callable[[Any], None] = lambda config: None
) -> Any:
    """The library's model of that class with the folder's weights, every tensor in its place.

    ``adjust`` may change its configuration. Raises ``BenchError`` where they don't fit.
    """
    transformers = library()
    model_class = getattr(transformers, name)
    with quiet(), torch.random.fork_rng(devices=[]):
        try:
            config = model_class.config_class.from_pretrained(found.path, local_files_only=True)
            adjust(config)
            model, told = model_class.from_pretrained(
                found.path,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        except ImportError as error:
            raise BenchError(
                f"{name} needs more: pip install 'sam-bench[transformers]' "
                f"({' '.join(str(error).split())[:160]})"
            ) from error
        except LOADING as error:
            said = " ".join(str(error).split())[:200]
            raise BenchError(f"{found.path} is no {name}: {said}") from error
    if faults := _misfits(told):
        raise BenchError(f"{found.path} as {name} does not fit: {faults}")
    return model


def load_beside(name: str, folder: Path) -> Any:
    """The library's tokenizer or processor of that class, from the folder alone, without its code.

    Raises ``BenchError`` where the folder's files are none.
    """
    with quiet():
        try:
            return getattr(library(), name).from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (ImportError, *LOADING) as error:
            said = " ".join(str(error).split())[:200]
            raise BenchError(f"{folder}: no {name} can be made of its files: {said}") from error


def _misfits(told: Mapping[str, Any]) -> str:
    """The library's account of a load as a phrase per kind of fault; empty where all fitted."""
    kinds = {
        "missing": sorted(map(str, told["missing_keys"])),
        "unexpected": sorted(map(str, told["unexpected_keys"])),
        "of another shape": [
            f"{name} (expected {'×'.join(map(str, own))}, found {'×'.join(map(str, theirs))})"
            for name, theirs, own in sorted(told["mismatched_keys"])
        ],
    }
    return "; ".join(
        f"{len(names)} {kind}: {', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}"
        for kind, names in kinds.items()
        if names
    )


def check_installed() -> None:
    """Raises ``BenchError`` where the library isn't installed; importing it would take seconds."""
    if find_spec("transformers") is None:
        raise BenchError(
            "models of transformers need the library: pip install 'sam-bench[transformers]', with "
            "Python 3.11 or later"
        )


def library() -> Any:
    """The library itself; raises ``BenchError`` as ``check_installed`` does."""
    check_installed()
    import transformers

    return transformers


@contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars and warnings of the library: what matters of them is an error here."""
    told = library().utils.logging
    level, bars = told.get_verbosity(), told.is_progress_bar_enabled()
    told.set_verbosity_error()
    told.disable_progress_bar()
    try:
        yield
    finally:
        told.set_verbosity(level)
        if bars:
            told.enable_progress_bar()


def mend_hq_decoder(decoder: nn.Module) -> None:
    """Has a ``SamHQMaskDecoder`` upsample the image that its transformer gives back, in place.

    The library's (4.57 to 5.24) drops it and upsamples the one that went in. In a mended library
    this changes nothing.
    """
    given_back = threading.local()

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        given_back.image = output[1]

    def take(_module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        image = vars(given_back).pop("image")  # (B, P, h × w, C)
        return (image.transpose(2, 3).reshape(inputs[0].shape),)

    decoder.get_submodule("transformer").register_forward_hook(keep)
    decoder.get_submodule("upscale_conv1").register_forward_pre_hook(take)
