"""What SAM's prompt encoder and mask decoder take as the bench asks them, and in which kernels.

    python benchmarks/gpu_decoder.py                          a GPU in bfloat16, 8 and 64 prompts
    python benchmarks/gpu_decoder.py --device cpu --prompts 1

The decoder is the same for every ViT, so that of ViT-B with random weights stands for all. Of each
kind of prompt and each number of them at once: milliseconds a prompt, and how many of these the
device computes (the rest it waits: for the host to give it work, or for arrays to come over); how
long SAM's own modules take under autocast, the two timed in turn; and how many of torch's operators
either calls, views left out (on a CPU the bench asks one by one). Then the kernels that take most
of the time of the largest batch, added up over the kinds. Prints a Markdown table and writes it
with JSON, machine, versions and date into ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import Sam
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parent))

import result_files
from operator_calls import Operators

from bench.models.numerics import DTYPES, Numerics
from bench.models.sam_segmenter import SamEmbedding, SamSegmenter
from bench.types import Prompt, Site

ROUNDS = 5
KERNELS = 15
SIZE = (768, 1024)


def prompts() -> Mapping[str, Prompt]:
    """One of each kind, as the steps of 1 point, 3 points and box ask them."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, SIZE[0], (3, 2)).astype(np.float32)
    labels = np.array([1, 0, 1])
    fed_back = rng.normal(0, 4, (256, 256)).astype(np.float32)
    return {
        "point": Prompt(points[:1], labels[:1]),
        "2 points and mask": Prompt(points[:2], labels[:2], mask_logits=fed_back),
        "3 points and mask": Prompt(points, labels, mask_logits=fed_back),
        "box": Prompt(box=np.array([100, 200, 700, 600], np.float32)),
    }


@dataclass(frozen=True, slots=True)
class Found:
    """Milliseconds a prompt, of wall time and of the device's own work, and operators called."""

    kind: str
    together: int
    ms: float
    device_ms: float
    official_ms: float
    operators: int
    official_operators: int


def official(
    sam: Sam, embedding: SamEmbedding, prompt: Prompt, together: int, dtype: torch.dtype
) -> Callable[[], object]:
    """SAM's own prompt encoder and mask decoder under autocast, asked the same."""
    device = embedding.features.device

    def each(values: Any, kind: torch.dtype) -> torch.Tensor:
        return torch.as_tensor(np.stack([values] * together), dtype=kind, device=device)

    points = boxes = masks = None
    if prompt.n_points:
        points = each(prompt.points, torch.float32), each(prompt.labels, torch.int32)
    if prompt.box is not None:
        boxes = each(prompt.box, torch.float32)
    if prompt.mask_logits is not None:
        masks = each(prompt.mask_logits, torch.float32)[:, None]

    @torch.inference_mode()
    def ask() -> None:
        sparse, dense = sam.prompt_encoder(points=points, boxes=boxes, masks=masks)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            sam.mask_decoder(
                image_embeddings=embedding.features[None],
                image_pe=sam.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=prompt.n_points == 1,
            )

    return ask


def measure(
    sam: Sam, segmenter: SamSegmenter, embedding: SamEmbedding, kind: str, together: int, dtype: str
) -> tuple[Found, Counter[str]]:
    """Ask ``together`` prompts of the kind at once; also the microseconds of each kernel."""
    prompt = prompts()[kind]
    asked = [prompt] * together

    def own() -> None:
        segmenter.predict([embedding] * together, asked, prompt.n_points == 1)

    ways = own, official(sam, embedding, prompt, together, DTYPES[dtype])
    times: tuple[list[float], list[float]] = ([], [])
    counts = []
    for way in ways:
        way()
        with Operators() as counted:
            way()
        counts.append(counted.computing)
    for _ in range(ROUNDS):
        for way, took in zip(ways, times, strict=True):
            _wait()
            start = time.perf_counter()
            way()
            _wait()
            took.append(time.perf_counter() - start)
    on_gpu = embedding.features.is_cuda
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as seen:
        own()
        _wait()
    kernels: Counter[str] = Counter()
    for event in seen.key_averages():
        kernels[event.key] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    ms, official_ms = (1e3 * sorted(took)[ROUNDS // 2] / together for took in times)
    device_ms = sum(kernels.values()) / 1e3 / together
    return Found(kind, together, ms, device_ms, official_ms, *counts), kernels


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def text_of(found: Sequence[Found], kernels: Counter[str], most: int) -> str:
    """The findings as Markdown."""
    lines = [
        "| prompts | at once | ms a prompt | device computes | SAM's own, ms | ratio "
        "| operators | SAM's own |",
        "|---|" + "--:|" * 7,
    ]
    lines += [
        f"| {one.kind} | {one.together} | {one.ms:.3f} | {one.device_ms:.3f} "
        f"| {one.official_ms:.3f} | {one.official_ms / one.ms:.2f} "
        f"| {one.operators} | {one.official_operators} |"
        for one in found
    ]
    total = sum(kernels.values())
    lines += [
        "",
        f"Of the device's time with {most} at once:",
        "",
        "| kernel | share |",
        "|---|--:|",
    ]
    lines += [
        f"| `{name[:110]}` | {time / total:.1%} |" for name, time in kernels.most_common(KERNELS)
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", choices=list(DTYPES), default="bfloat16")
    parser.add_argument("--prompts", type=int, nargs="+", default=[8, 64], help="at once")
    parser.add_argument("--threads", type=int, default=1, help="torch's, on a CPU")
    parser.add_argument("--name", default="gpu_decoder", help="of the files in benchmarks/results")
    chosen = parser.parse_args(arguments)
    if chosen.device != "cpu" and not torch.cuda.is_available():
        parser.error("there is no GPU")
    torch.manual_seed(0)
    torch.set_num_threads(chosen.threads)
    site = Site(device=chosen.device, image_batch=1, prompt_batch=max(chosen.prompts))
    sam = sam_model_registry["vit_b"]()
    sam.eval().requires_grad_(False)
    segmenter = SamSegmenter(sam, site, numerics=Numerics(chosen.dtype))
    features = torch.randn(256, 64, 64, device=chosen.device)
    embedding = SamEmbedding(features, SIZE, SIZE)
    found: list[Found] = []
    kernels: Counter[str] = Counter()
    for together in chosen.prompts:
        for kind in prompts():
            one, took = measure(sam, segmenter, embedding, kind, together, chosen.dtype)
            found.append(one)
            if together == max(chosen.prompts):
                kernels += took
    device = torch.cuda.get_device_name() if chosen.device != "cpu" else "CPU"
    head = f"{date.today()}, {device}, torch {torch.__version__}, {chosen.dtype}"
    text = f"{head}\n\n{text_of(found, kernels, max(chosen.prompts))}"
    figures: dict[str, Any] = {"prompts": [asdict(one) for one in found], "kernels_us": kernels}
    result_files.write(chosen.name, text, device=device, dtype=chosen.dtype, **figures)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
