"""Where and how to run, as ``runtime:`` in the configuration says it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from bench.files.places import local_path, place
from bench.types import MAX_PIXELS, BenchError, Site
from bench.types.errors import did_you_mean

FOLDERS = tuple(
    f"runtime.{name}" for name in ("datasets", "checkpoints", "results", "embedding_cache")
)
"""The settings that are folders."""

ENVIRONMENT = {
    "datasets": "SAM_BENCH_DATASETS",
    "checkpoints": "SAM_BENCH_CHECKPOINTS",
    "results": "SAM_BENCH_RESULTS",
}
"""The variables of the environment that say where folders are, unless a command does."""

DEFAULTS = {
    "datasets": "datasets",
    "checkpoints": "~/.cache/sam-bench/checkpoints",
    "results": "results",
}
"""Where folders are where neither a command nor the environment says it."""


def usual(name: str) -> str:
    """Where ``datasets``, ``checkpoints`` or ``results`` are, unless a command says it."""
    return os.environ.get(ENVIRONMENT[name]) or DEFAULTS[name]


@dataclass
class RaySettings:
    """How ``runtime=ray`` spreads: ``address`` of a running cluster, none for one on this machine.

    ``actors`` workers, by default as many as fit, each with its share of CPUs and GPUs; the
    default are one GPU where the cluster has any, and one CPU.
    """

    address: str | None = None
    actors: int | None = None
    cpus_per_actor: float = 1.0
    gpus_per_actor: float | None = None


@dataclass
class Runtime:
    """Where and how to run: may change the speed, never a number.

    ``target`` is the class of ``bench.run.runtime`` that drives the workers. ``devices``, ``all``
    or a list such as ``[cuda:0,cuda:1]`` or ``[cpu,cpu]``, gives each a process of its own.
    ``device`` is ``auto`` or a torch device. Folders are relative to the current one; ``results``
    may be a URL. ``workers`` threads read ahead and, on a CPU, score side by side, an image of
    many targets together: as many as there are cores, at most 8; several processes share them.
    ``image_batch`` images are encoded and ``prompt_batch`` prompts decoded together, on a CPU
    those of four targets at most, fewer once memory has run out. ``part_images`` images make a
    part on disk, fewer where masks are large. ``embedding_cache`` is a folder that keeps what the
    model's image encoder made of each image, up to ``embedding_cache_gb`` (10⁹ bytes), none for
    not keeping it. ``profile`` writes a trace and a table of where the time went into
    ``results/profiles``. ``limit`` runs only the first images, for a try. ``strict`` stops at the
    first image that cannot be read. ``canary`` asks a checkpoint for known masks before a run. A
    picture of more than ``max_pixels`` is refused before it is decoded. A model that answers
    nothing stops the run, unless ``allow_degenerate`` says why it may. Classes outside this
    package need their module in ``allow_modules``. No YAML may set that, ``ray.address`` or a URL.
    """

    target: str = "???"
    device: str = "auto"
    devices: Any = None
    workers: int = field(default_factory=lambda: min(8, os.cpu_count() or 1))
    image_batch: int = 1
    prompt_batch: int = 64
    part_images: int = 32
    limit: int | None = None
    profile: bool = False
    keep_masks: bool = True
    keep_candidates: bool = False
    strict: bool = False
    canary: bool = True
    download: bool = True
    datasets: str = field(default_factory=partial(usual, "datasets"))
    checkpoints: str = field(default_factory=partial(usual, "checkpoints"))
    results: str = field(default_factory=partial(usual, "results"))
    embedding_cache: str | None = None
    embedding_cache_gb: float = 20.0
    max_pixels: int = MAX_PIXELS
    allow_degenerate: str | None = None
    allow_modules: list[str] = field(default_factory=list)
    ray: RaySettings = field(default_factory=RaySettings)

    def __post_init__(self) -> None:
        for name in (
            "workers",
            "image_batch",
            "prompt_batch",
            "part_images",
            "limit",
            "max_pixels",
        ):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise BenchError(f"runtime.{name} must be at least 1, found {value}")
        if self.keep_candidates and not self.keep_masks:
            raise BenchError(
                "runtime.keep_candidates=true keeps the chosen mask too, and "
                "runtime.keep_masks=false keeps none: leave out one of them"
            )
        if isinstance(self.max_pixels, int) and self.max_pixels > 2 * MAX_PIXELS:
            raise BenchError(
                f"runtime.max_pixels must be at most {2 * MAX_PIXELS}, where Pillow refuses too, "
                f"found {self.max_pixels}"
            )
        if "://" in self.results:
            place(self.results)  # refuses what can't be opened
        if "://" in (self.embedding_cache or ""):
            raise BenchError(
                f"runtime.embedding_cache must be a folder, found {self.embedding_cache!r}; "
                "mount the bucket"
            )
        if not 0 < self.embedding_cache_gb < 1e9:
            raise BenchError(
                "runtime.embedding_cache_gb must be a number of gigabytes above 0, "
                f"found {self.embedding_cache_gb}"
            )
        if self.devices is not None and self.devices != "all" and not _are_names(self.devices):
            raise BenchError(
                "runtime.devices must be all or a list such as [cuda:0,cuda:1], "
                f"found {self.devices!r}"
            )

    def processes(self) -> list[str] | None:
        """The device of each process; none where the run stays in the process it is started in.

        ``all`` are the CUDA devices, or else a CPU process per worker. Raises ``BenchError`` for a
        device that isn't there, without touching those that are.
        """
        if self.devices is None:
            return None
        import torch

        cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        if self.devices == "all":
            return cuda or ["cpu"] * self.workers
        for name in self.devices:
            if name.startswith("cuda") and name not in cuda:
                there = ", ".join(cuda) or "none"
                raise BenchError(f"runtime.devices: there is no {name} here; there are {there}")
        return list(self.devices)

    def site(self) -> Site:
        """The same for the parts: paths expanded, the device chosen."""
        return replace(
            self.reading_site(),
            device=_usable_device(self.device),
            checkpoints=local_path(self.checkpoints),
            image_batch=self.image_batch,
            prompt_batch=self.prompt_batch,
            download=self.download,
        )

    def reading_site(self) -> Site:
        """The same for what only reads: no device is looked for."""
        return Site(datasets=local_path(self.datasets), max_pixels=self.max_pixels)


def reaching(runtime: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that lead out of this machine or load code, by key.

    They are modules, a cluster, and whatever holds a URL. A YAML may come from anyone, so these are
    taken from the user's own words alone, and from the environment.

    >>> reaching({"results": "s3://theirs", "device": "cpu", "ray": {"address": "10.0.0.1:6379"}})
    {'runtime.results': 's3://theirs', 'runtime.ray.address': '10.0.0.1:6379'}
    """
    given = [os.environ.get(variable) for variable in ENVIRONMENT.values()]
    return {
        key: value
        for key, value in _values("runtime", runtime)
        if key in ("runtime.allow_modules", "runtime.ray.address")
        or (any(mark in str(value) for mark in ("://", "::")) and value not in given)
    }


def _values(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What is set, each with its key."""
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from _values(f"{key}.{name}", child)
    elif value not in (None, []):
        yield key, value


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _usable_device(name: str) -> str:
    """The torch device of that name, the best there is for ``auto``; raises ``BenchError``."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=torch.device(name))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error).strip().splitlines() or ["not there"])[0]
        if "device type at start of device string" in reason:
            reason = f"nothing is called so; {did_you_mean(name, ('auto', 'cpu', 'cuda', 'mps'))}"
        raise BenchError(f"runtime.device={name} cannot be used: {reason}") from error
    return name
