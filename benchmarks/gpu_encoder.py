"""SAM's image encoder on a GPU, written in several ways: what each takes, and what it changes.

    python benchmarks/gpu_encoder.py                       ViT-H, eight images at once
    python benchmarks/gpu_encoder.py vit_b --images 1 --way own --way fused
    python benchmarks/gpu_encoder.py --fast FOLDER         beside segment-anything-fast's checkout

Of each way: seconds until the first answer (compiling and all), milliseconds an image, the rate of
its matrix products and its share of the card's own, which a product of two 8192 × 8192 matrices in
bfloat16 tells, and how far the features are from SAM's own in float32, relative to their size.
Weights and images are random. Prints a Markdown table and writes it with JSON, machine, versions
and date into ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import torch
from segment_anything import sam_model_registry
from segment_anything.modeling.image_encoder import Attention
from torch import Tensor, nn
from torch.nn.attention.flex_attention import flex_attention

sys.path.insert(0, str(Path(__file__).parent))

import result_files

from bench.models.attention import FusedAttention, heads, merged, position_bias, with_attention
from bench.models.encoding import compile_blocks

FLOP = {"vit_b": 0.97e12, "vit_l": 2.72e12, "vit_h": 5.96e12}
"""Of one image of 1024 × 1024 pixels: two for each product and its sum."""

ROUNDS = 10
SIDE = 8192


class FlexAttention(FusedAttention):
    """The same with FlexAttention, which adds the positions pair by pair and keeps no matrix."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, H, W, C) tokens to (B, H, W, C)."""
        _, height, width, _ = tokens.shape
        query, key, value = heads(self.whole, tokens)
        bias = position_bias(self.whole, query.flatten(0, 1), (height, width))
        assert bias is not None
        down, across = (each.reshape(*query.shape[:3], -1) for each in bias)

        def moved(likeness: Tensor, b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
            return likeness + down[b, h, q, k // width] + across[b, h, q, k % width]

        found = flex_attention(query, key, value, score_mod=moved, scale=self.whole.scale)
        assert isinstance(found, Tensor)
        return merged(self.whole, found, tokens)


def flex_across_the_image(whole: Attention) -> nn.Module:
    """FlexAttention where all tokens look at all, the fused kernel in windows."""
    widest = 2 * 32 - 1
    return (FlexAttention if len(whole.rel_pos_h) > widest else FusedAttention)(whole)


@dataclass(frozen=True, slots=True)
class Way:
    """How the encoder is written, which ``dtype`` autocast takes, and that of its inputs."""

    written: Callable[[nn.Module], nn.Module]
    dtype: torch.dtype = torch.bfloat16
    inputs: torch.dtype = torch.float32


def _with(attention: Callable[..., nn.Module], compiled: bool = True) -> Way:
    def written(encoder: nn.Module) -> nn.Module:
        twin = with_attention(encoder, attention)
        return compile_blocks(twin) if compiled else twin

    return Way(written)


WAYS: Mapping[str, Way] = {
    "own, float32": Way(lambda encoder: encoder, torch.float32),
    "own": Way(lambda encoder: encoder),
    "fused": _with(FusedAttention, compiled=False),
    "fused, blocks compiled": _with(FusedAttention),
    "flex across the image, blocks compiled": _with(flex_across_the_image),
    "flex, blocks compiled": _with(FlexAttention),
}


def fast(folder: Path, arch: str) -> Way:
    """The encoder of segment-anything-fast with the settings of its own registry."""

    def written(encoder: nn.Module) -> nn.Module:
        sys.path.insert(0, str(folder))
        from segment_anything_fast import sam_model_fast_registry

        found: nn.Module = sam_model_fast_registry[arch]().cuda().image_encoder
        found.load_state_dict(
            {f"_orig_mod.{name}": value for name, value in encoder.state_dict().items()}
        )
        return found

    return Way(written, torch.float32, inputs=torch.bfloat16)


@dataclass(slots=True)
class Found:
    """What came out of one way."""

    way: str
    first_seconds: float
    image_ms: float
    teraflops: float
    share: float
    difference: float
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Rates:
    """FLOP of an image, and how many the card's matrix products do in a second."""

    flop: float
    matrix: float


def matrix_rate() -> float:
    """FLOP a second of a large matrix product in bfloat16."""
    a, b = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * SIDE**3 / _seconds(lambda: a @ b)


def _seconds(work: Callable[[], object]) -> float:
    """The median time of one of ``ROUNDS`` calls."""
    for _ in range(3):
        work()
    times = []
    for _ in range(ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return sorted(times)[len(times) // 2]


def measure(
    name: str, way: Way, encoder: nn.Module, pictures: Tensor, expected: Tensor, rates: Rates
) -> Found:
    """Time one way on (B, 3, S, S) ``pictures``, its features against those of the first."""
    encoder = way.written(encoder)
    given = pictures.to(way.inputs)

    def encode() -> Tensor:
        with torch.autocast("cuda", way.dtype, enabled=way.dtype != torch.float32):
            return torch.as_tensor(encoder(given)).float()

    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    features = encode()
    torch.cuda.synchronize()
    first = time.perf_counter() - start
    difference = float((features[:1] - expected).norm() / expected.norm())
    each = _seconds(encode) / len(pictures)
    return Found(
        way=f"{name}; {len(pictures)} at once",
        first_seconds=first,
        image_ms=1e3 * each,
        teraflops=rates.flop / each / 1e12,
        share=rates.flop / each / rates.matrix,
        difference=difference,
        memory_gb=torch.cuda.max_memory_allocated() / 1e9,
    )


def table(found: Sequence[Found]) -> str:
    """The findings as Markdown."""
    lines = [
        "| way | first answer s | ms an image | TFLOP/s | share of the matrix rate "
        "| difference | memory GB |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {one.way} | {one.first_seconds:.1f} | {one.image_ms:.1f} | {one.teraflops:.0f} "
        f"| {one.share:.0%} | {one.difference:.1e} | {one.memory_gb:.1f} |"
        for one in found
    ]
    return "\n".join(lines) + "\n"


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("arch", nargs="?", choices=sorted(FLOP), default="vit_h")
    parser.add_argument("--images", type=int, default=8, help="at once")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="some of all")
    parser.add_argument("--fast", type=Path, help="checkout of segment-anything-fast")
    parser.add_argument("--name", default="gpu_encoder", help="of the files in benchmarks/results")
    chosen = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        parser.error("there is no GPU")
    torch.manual_seed(0)
    encoder = sam_model_registry[chosen.arch]().image_encoder.cuda().eval().requires_grad_(False)
    for parameter in encoder.parameters():  # zeros, as positions are at first, would hide errors
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    pictures = torch.randn(chosen.images, 3, 1024, 1024, device="cuda")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    expected = encoder(pictures[:1])
    rates = Rates(FLOP[chosen.arch], matrix_rate())
    head = (
        f"{date.today()}, {torch.cuda.get_device_name()}, torch {torch.__version__}, "
        f"{chosen.arch} of random weights; matrix products in bfloat16: "
        f"{rates.matrix / 1e12:.0f} TFLOP/s"
    )
    sys.stdout.write(head + "\n\n")
    found, notes = [], []
    ways = {name: WAYS[name] for name in chosen.way or WAYS}
    if chosen.fast:
        ways["segment-anything-fast"] = fast(chosen.fast, chosen.arch)
    for name, way in ways.items():
        batch = pictures[:1] if way.dtype == way.inputs == torch.float32 else pictures
        try:
            found.append(measure(name, way, encoder, batch, expected, rates))
        except Exception as error:  # of one way: the others are still measured
            notes.append(f"{name} not measured: {' '.join(str(error).split())[:300]}")
            sys.stdout.write(notes[-1] + "\n")
            continue
        sys.stdout.write(f"{found[-1]}\n")
        sys.stdout.flush()
    text = f"{head}\n\n{table(found)}" + "".join(f"\n{note}\n" for note in notes)
    result_files.write(
        chosen.name,
        text,
        matrix_rate=rates.matrix,
        ways=[asdict(one) for one in found],
        notes=notes,
    )
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
