"""Everything that only a GPU can show, one command after the other, each with a time limit.

    python benchmarks/gpu.py                           all of it, the most important first
    python benchmarks/gpu.py run tests                 some of it
    python benchmarks/gpu.py fast --fast FOLDER        with segment-anything-fast's checkout
    python benchmarks/gpu.py --list                    only say which commands

Each command writes its own figures into ``benchmarks/results/gpu_*`` as it has them; one that
fails or takes too long stops none of the others, and the end says so. All limits together are ten
minutes, without those of ``tests`` and ``fast``. Whole runs compute the real encoder and the real
decoder, and hand on answers as real models give them (``known_answers.py``).
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MODE = ("model.args.dtype=bfloat16", "model.args.compiled=true")
"""The fastest mode; both are compared with the loop in float32."""

GROUPS = ("runtime.image_batch=8", "runtime.canary=false")


@dataclass(frozen=True, slots=True)
class Step:
    """A command that ``seconds`` are enough for."""

    about: str
    words: tuple[str, ...]
    seconds: int


def _script(name: str, *words: str, overrides: Sequence[str] = ()) -> tuple[str, ...]:
    added = (word for override in overrides for word in ("--override", override))
    return (sys.executable, str(HERE / name), *words, *added)


def steps(fast: Path | None) -> Mapping[str, Step]:
    """The commands by name, in their order."""
    one, two = "runtime.device=cuda", "runtime.devices=[cuda:0,cuda:0]"

    def run(arch: str, *more: str, mode: Sequence[str] = MODE, name: str = "") -> tuple[str, ...]:
        words = f"{arch}_known", "--pictures", "24", "--name", f"gpu_{arch}{name}"
        return _script("run.py", *words, overrides=[*mode, *GROUPS, *more])

    found = {
        "rows": Step(
            "the rows of the CPU",
            _script("row_comparison.py", overrides=[one]),
            60,
        ),
        "vit_h": Step("ViT-H, fastest mode, against loop and bare calls", run("vit_h"), 120),
        "decoder": Step("what the decoder takes, in which kernels", _script("gpu_decoder.py"), 45),
        "vit_b": Step("ViT-B, fastest mode", run("vit_b"), 60),
        "vit_h_float32": Step(
            "ViT-H in the reference mode", run("vit_h", mode=(), name="_float32"), 90
        ),
        "vit_l": Step("ViT-L, fastest mode", run("vit_l"), 75),
        "encoder": Step("the encoder in several ways", _script("gpu_encoder.py", "vit_h"), 75),
        "processes": Step(
            "ViT-H by two processes on one card", run("vit_h", two, name="_processes"), 75
        ),
        "tests": Step(
            "the official answers, real shortage of memory, whole runs",
            (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
             str(HERE.parent / "tests" / "test_gpu.py")),
            240,
        ),
    }  # fmt: skip
    if fast is not None:
        found["fast"] = Step(
            "the encoder beside that of segment-anything-fast, which tunes for minutes",
            _script("gpu_encoder.py", "vit_b", "--way", "fused, blocks compiled",
                    "--fast", str(fast), "--name", "gpu_encoder_fast"),
            600,
        )  # fmt: skip
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where one of its steps didn't end well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help="some of all")
    parser.add_argument("--fast", type=Path, help="checkout of segment-anything-fast")
    parser.add_argument("--list", action="store_true", help="only say which commands")
    chosen = parser.parse_args(arguments)
    known = steps(chosen.fast)
    if unknown := set(chosen.steps) - set(known):
        parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    wanted = {name: step for name, step in known.items() if name in (chosen.steps or known)}
    if chosen.list:
        for name, step in wanted.items():
            sys.stdout.write(f"{name}: {step.about}\n    {shlex.join(step.words)}\n")
        return 0
    ends = {name: _do(name, step) for name, step in wanted.items()}
    sys.stdout.write("\n" + "\n".join(f"{name}: {end}" for name, end in ends.items()) + "\n")
    return 0 if all(end.startswith("done") for end in ends.values()) else 1


def _do(name: str, step: Step) -> str:
    """How the step ended."""
    sys.stdout.write(f"\n== {name}: {step.about}\n")
    sys.stdout.flush()
    start = time.monotonic()
    try:
        code = subprocess.run(step.words, timeout=step.seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        return f"not done in {step.seconds} s"
    end = "done" if code == 0 else f"ended with {code}"
    return f"{end} in {time.monotonic() - start:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
