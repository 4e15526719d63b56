"""The demo model against classical methods asked the same, on real pictures that no one learnt.

    python benchmarks/classical.py --data FOLDER

Runs `demo`, GrabCut, the random walker and the watershed with 1, 3 and 9 points and a box, under
protocol `sam`, on the first pictures of each set: the embedded photos, and the nuts and BBBC038
below ``--data`` (``nuts/trainval.json``, ``nuts/images/`` and ``bbbc038/stage1_train/``). Prints
mIoU with 95 % intervals as a Markdown table and writes it with JSON into ``benchmarks/results/``,
and beside it a figure of mIoU against clicks, a line per method and its box as a marker; with
``--figure`` that figure alone, anew, of the JSON that is there. Runs are kept below ``--results``:
the same command goes on where it was stopped. The random walker takes minutes of a core for a
picture, so ``--pictures`` is small.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import result_files
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from pictures import coco_files

from bench import evaluate
from bench.analysis.stats.intervals import FEWEST
from bench.report.figures.style import MARKERS, PALETTE, figure_style
from bench.types import BenchError

MODELS = ("demo", "grabcut", "random_walker", "watershed")
PROMPTS = ("1 point", "3 points", "9 points", "box")


def sets(data: Path | None) -> dict[str, tuple[str, list[str]]]:
    """Dataset and further words of ``sam-bench run``, by the set's name."""
    found: dict[str, tuple[str, list[str]]] = {"photos": ("photos", [])}
    if data is not None:
        folder = data.resolve()
        nuts = coco_files(folder / "nuts", "trainval.json")
        found["nuts"] = ("coco", [*nuts, "dataset.name=nuts"])
        nuclei = [f"runtime.datasets={folder}", "dataset.about.expected.images=null"]
        found["bbbc038"] = ("bbbc038", nuclei)
    return found


def table(lines: pd.DataFrame) -> str:
    """A row per set and model: mIoU and its 95 % interval for each prompt, in percent."""
    text = [
        f"| set | model | images | masks | {' | '.join(PROMPTS)} |",
        "|---|---|--:|--:|" + "--:|" * len(PROMPTS),
    ]
    for (name, model), part in lines.groupby(["set", "model"], sort=False):
        by_prompt = part.set_index("prompt")
        cells = [_cell(by_prompt.loc[prompt]) for prompt in PROMPTS]
        first = part.iloc[0]
        text.append(
            f"| {name} | {model} | {first['images']} | {first['masks']} | {' | '.join(cells)} |"
        )
    return "\n".join(text) + "\n"


def _cell(line: pd.Series) -> str:
    low, high = 100 * line["miou_low"], 100 * line["miou_high"]
    return f"{100 * line['miou']:.1f} [{low:.1f}, {high:.1f}]"


def figure(lines: pd.DataFrame) -> Figure:
    """The mIoU in percent against clicks, a panel per set; right of the clicks that of a box."""
    names = list(dict.fromkeys(lines["set"]))
    models = list(dict.fromkeys(lines["model"]))
    found = Figure(figsize=(3.1 * len(names) + 0.4, 3.4), layout="constrained")
    panels = found.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        part = lines[lines["set"] == name]
        points = part[part["prompt"].str.contains("point")]
        clicks = points["prompt"].str.split().str[0].astype(int)
        last = int(clicks.max())
        for model, colour, marker in zip(models, PALETTE, MARKERS, strict=False):
            own = points["model"] == model
            panel.plot(
                clicks[own], 100 * points[own]["miou"], color=colour, marker=marker, label=model
            )
            box = part[(part["model"] == model) & (part["prompt"] == "box")]
            place = [last + 1.2] * len(box)
            panel.plot(place, 100 * box["miou"], color=colour, marker=marker, linestyle="none")
        panel.set_title(f"{name}: {part['masks'].iloc[0]} masks, {part['images'].iloc[0]} pictures")
        panel.set_xticks([*range(1, last + 1, 2), last + 1.2])
        panel.set_xticklabels([*map(str, range(1, last + 1, 2)), "box"])
        panel.set_xlabel("clicks")
        panel.set_ylim(0, 100)
        panel.yaxis.set_major_locator(MultipleLocator(20))
    panels[0].set_ylabel("mIoU, %")
    found.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(models)
    )
    return found


def draw(lines: pd.DataFrame, name: str) -> None:
    """Writes the figure beside the table."""
    with figure_style():
        path = result_files.RESULTS / f"{name}.png"
        figure(lines).savefig(path, dpi=120, facecolor="white", metadata={"Software": None})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with nuts/ and bbbc038/ (photos alone)")
    parser.add_argument("--sets", nargs="*", help="some of them")
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--pictures", type=int, default=4, help="of each set")
    parser.add_argument("--results", default="results", help="folder of runs")
    parser.add_argument("--name", default="classical", help="of the file in benchmarks/results")
    parser.add_argument("--figure", action="store_true", help="draw the figure alone, run nothing")
    chosen = parser.parse_args(arguments)
    if chosen.figure:
        written = json.loads((result_files.RESULTS / f"{chosen.name}.json").read_text())
        draw(pd.DataFrame(written["lines"]), chosen.name)
        return 0
    if chosen.pictures < FEWEST:
        parser.error(f"--pictures: an interval needs {FEWEST} pictures, found {chosen.pictures}")
    there = sets(chosen.data)
    if unknown := set(chosen.sets or ()) - set(there):
        parser.error(f"no set {', '.join(sorted(unknown))}; there are {', '.join(there)}")
    found: list[pd.DataFrame] = []
    for name, (dataset, words) in there.items():
        if chosen.sets and name not in chosen.sets:
            continue
        for model in chosen.models:
            done = evaluate(
                "runtime.part_images=1",
                *words,
                model=model,
                dataset=dataset,
                prompt=["points", "box"],
                results=chosen.results,
                limit=chosen.pictures,
            )
            if done.failed:
                raise BenchError(f"image {done.failed[0].image_id}: {done.failed[0].reason}")
            found.append(done.table[done.table["dataset"].notna()].assign(set=name))
    lines = pd.concat(found)
    text = f"{date.today()}, the first {chosen.pictures} pictures of each set\n\n{table(lines)}"
    kept = ["set", "model", "prompt", "images", "masks", "miou", "miou_low", "miou_high"]
    result_files.write(chosen.name, text, lines=lines[kept].to_dict("records"))
    draw(lines, chosen.name)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
