"""Each protocol against the plain loop of its source, and what the lines are worth that it leaves.

    python benchmarks/protocol_fidelity.py --data FOLDER

Runs `demo` under every protocol on real pictures: the embedded photos, and the first nuts and
BBBC038 below ``--data`` (``nuts/trainval.json``, ``nuts/images/``, ``bbbc038/stage1_train/``). Sets
the IoU of each mask beside that of ``plain_protocols``, on the same predictions wherever the clicks
are the same; and, of what a protocol doesn't follow, the source's loop with that line beside the
loop without it. Prints Markdown tables and writes them with JSON into ``benchmarks/results/``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import result_files
import torch
from classical import sets
from plain_protocols import BOXES, CLICKS, LEFT, Found, Seen

from bench import evaluate
from bench.config.composing import load_configs
from bench.data.opening import open_dataset
from bench.models.loading import load_model
from bench.types import Site

FIRST = {"nuts": 6, "bbbc038": 14}
"""How many pictures of a set are enough: all photos, 6 of nuts, 14 with up to 125 nuclei."""


@dataclass(frozen=True, slots=True)
class Line:
    """Two sides on the same masks after a step: IoUs in points, how far apart they are."""

    pictures: str
    what: str
    step: str
    masks: int
    a: float
    b: float
    equal: float
    apart: float


def beside(pictures: str, what: str, a: Found, b: Found, steps: Sequence[int]) -> list[Line]:
    """Line by line for the steps; raises ``ValueError`` where the masks are not the same."""
    if set(a) != set(b):
        raise ValueError(f"{what}: {len(set(a) ^ set(b))} masks are on one side alone")
    lines = []
    for step in steps:
        left, right = (np.array([side[key][step - 1] for key in a]) for side in (a, b))
        moved = np.abs(left - right)
        lines.append(
            Line(pictures, what, str(step), len(left), 100 * left.mean(), 100 * right.mean(),
                 float((moved < 1e-9).mean()), 100 * float(moved.mean()))
        )  # fmt: skip
    return lines


def run(dataset: str, words: Sequence[str], model: str, protocol: str, prompt: str) -> Found:
    """The IoUs of a run of the bench, step by step."""
    with tempfile.TemporaryDirectory() as folder:
        found = evaluate(*words, "metrics=[]", model=model, dataset=dataset, prompt=prompt,
                         protocol=protocol, results=folder)  # fmt: skip
        rows = found.rows(["iou"])
    ious: Found = {}
    for row in rows.sort_values("step").itertuples():
        ious.setdefault((str(row.image_id), str(row.mask_id)), []).append(float(row.iou))
    return ious


def every(dataset: str, words: Sequence[str], model: str) -> list[Seen]:
    """Every picture of the set, embedded by the model."""
    config = load_configs([*words, f"dataset={dataset}", f"model={model}"])[0]
    site = Site(datasets=Path(config.runtime.datasets))
    segmenter, reader = load_model(config.model, site), open_dataset(config.dataset, site)
    ids = reader.ids()[: config.runtime.limit]
    return [Seen.of(segmenter, reader.read(image_id)) for image_id in ids]


def whole(loop: Callable[[Seen], Found], pictures: Sequence[Seen]) -> Found:
    """What a loop gives of all pictures."""
    return {key: ious for seen in pictures for key, ious in loop(seen).items()}


def fidelity(name: str, dataset: str, words: Sequence[str], model: str) -> list[Line]:
    """Our runs beside the plain loops of the sources."""
    seen, lines = every(dataset, words, model), list[Line]()
    for protocol, clicks in CLICKS.items():
        ours = run(dataset, words, model, protocol, "point_3")
        steps = (1,) if protocol == "segment_anything_fast" else (1, 2, 3)
        theirs = whole(lambda one, loop=clicks, n=steps[-1]: loop(one, n), seen)  # type: ignore[misc]
        lines += beside(name, f"{protocol}, clicks", ours, theirs, steps)
        print(*lines[-len(steps) :], sep="\n", file=sys.stderr)  # noqa: T201
    for protocol, box in BOXES.items():
        ours = run(dataset, words, model, protocol, "box")
        lines += beside(name, f"{protocol}, box", ours, whole(box, seen), (1,))
        print(lines[-1], file=sys.stderr)  # noqa: T201
    return lines


def worth(name: str, dataset: str, words: Sequence[str], model: str) -> list[Line]:
    """Lines of sources that protocols leave: the loop with the line beside the loop without it."""
    seen, lines = every(dataset, words, model), list[Line]()
    for one in LEFT:
        with_it, without = (
            whole(lambda each, loop=loop, n=one.steps[-1]: loop(each, n), seen)  # type: ignore[misc]
            for loop in (one.taken, one.left)
        )
        lines += beside(name, f"{one.protocol}: {one.what}", with_it, without, one.steps)
        print(*lines[-len(one.steps) :], sep="\n", file=sys.stderr)  # noqa: T201
    return lines


def sixty_four(name: str, dataset: str, words: Sequence[str], model: str) -> list[Line]:
    """EdgeSAM's 64 annotations an image with replacement: the mean that is expected of a draw."""
    lines = []
    for prompt, step in (("point_3", 1), ("point_3", 3), ("box", 1)):
        ious = run(dataset, words, model, "edge_sam", prompt)
        images = [image for image, _ in ious]
        values = np.array([each[step - 1] for each in ious.values()])
        _, place, counts = np.unique(images, return_inverse=True, return_counts=True)
        weights = np.minimum(counts, 64)[place] / counts[place]
        drawn = 100 * float((weights * values).sum() / weights.sum())
        lines.append(
            Line(name, f"edge_sam: 64 of an image drawn, {prompt}", str(step), len(values), drawn,
                 100 * float(values.mean()), float((counts[place] <= 64).mean()), 0.0)
        )  # fmt: skip
    return lines


BEFORE: Mapping[str, Sequence[str]] = {
    "edge_sam": ["first_click=distance_max", "box=tight", "first_grid=image", "next_grid=image",
                 "min_error=1"],
    "efficientvit_sam": ["box=tight", "area=mask", "no_error=stop"],
    "sam2": ["first_grid=image", "next_grid=image", "no_error=stop"],
    "ritm_noc": ["no_error=stop"],
    "segnext": ["no_error=stop"],
}  # fmt: skip
"""The `protocol.args.…` that make version 1 of a protocol out of version 2."""


def moved(name: str, dataset: str, words: Sequence[str], model: str) -> list[Line]:
    """The protocols whose version rose: their numbers now beside those of version 1."""
    lines = []
    for protocol, choices in BEFORE.items():
        old = ["protocol.version='1'", *(f"protocol.args.{choice}" for choice in choices)]
        for prompt, steps in (("point_3", (1, 2, 3)), ("box", (1,))):
            now, before = (
                run(dataset, [*words, *more], model, protocol, prompt) for more in ([], old)
            )
            lines += beside(name, f"{protocol}, {prompt}", now, before, steps)
            print(*lines[-len(steps) :], sep="\n", file=sys.stderr)  # noqa: T201
    return lines


def table(lines: Sequence[Line], a: str, b: str) -> str:
    """Lines as a Markdown table, IoUs in points."""
    text = [
        f"| pictures | what | step | masks | {a} | {b} | difference | equal masks | mean apart |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for x in lines:
        difference = f"{x.a - x.b:+.2f}".replace("-", "−")
        text.append(
            f"| {x.pictures} | {x.what} | {x.step} | {x.masks} | {x.a:.2f} | {x.b:.2f} | "
            f"{difference} | {100 * x.equal:.1f} % | {x.apart:.3f} |"
        )
    return "\n".join(text) + "\n"


def page(found: Mapping[str, Sequence[Line]], model: str) -> str:
    """All lines as Markdown."""
    return "\n".join(
        [
            f"# Protocols against their sources, {date.today().isoformat()}", "",
            f"`python benchmarks/protocol_fidelity.py --data FOLDER`, model `{model}`; "
            "IoUs in points.",
            "", "Our runs beside each source written anew as a plain loop, but for what the "
            "protocol leaves:", "", table(found["rules"], "ours", "plain loop"),
            "What protocols leave: the plain loop with the source's line beside the one without:",
            "", table(found["left"], "with it", "without"),
            "At most 64 annotations an image, the mean that is expected (\"equal masks\": of "
            "images with no more than 64):", "", table(found["drawn"], "64 drawn", "all"),
            "Protocols whose version rose, beside their version 1:",
            "", table(found["moved"], "version 2", "version 1"),
        ]
    )  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    """The command; see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder with nuts/ and bbbc038/")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--name", default="protocol_fidelity", help="of the files of figures")
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    found: dict[str, list[Line]] = {part: [] for part in ("rules", "left", "drawn", "moved")}
    for name, (dataset, given) in sets(options.data).items():
        asked = name, dataset, [*given, f"runtime.limit={FIRST.get(name, 'null')}"], options.model
        if name == "bbbc038":
            found["drawn"] += sixty_four(*asked)
            continue
        found["left"] += worth(*asked)
        found["moved"] += moved(*asked)
        if name == "photos":
            found["rules"] += fidelity(*asked)
    text = page(found, options.model)
    result_files.write(options.name, text, **{k: [asdict(x) for x in v] for k, v in found.items()})
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
