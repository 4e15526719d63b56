"""Plans what people rate: which masks of which runs, and the ground truth among them.

Paired: of every chosen target the mask of each model and the ground truth are rated, so that
models are compared on the same targets (Segment Anything, appendix E). The same runs and choices
give the same plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from bench.analysis.wording.notes import part
from bench.analysis.wording.titles import titles_of
from bench.report.rating.order import rank
from bench.store.ratings import Source, Study, StudyTarget
from bench.store.runs import RunStore, read_rows
from bench.types import BenchError, Sample, Step
from bench.types.categories import target_of
from bench.types.cues import prompt_of_row

ReadSample: TypeAlias = Callable[[RunStore, str], Sample]

Key: TypeAlias = tuple[str, str]
"""A target's image and mask."""

TRUTH = "ground_truth"
"""What the ground truth is called among the models, as published numbers call it."""
TRUTH_TITLE = "Ground truth"

GIVEN = "given masks"
"""How masks were asked for that nothing asked for, where they are rated alone."""

_PROMPT = ("point_coords", "point_labels", "box", "cues")
_COLUMNS = ["image_id", "mask_id", "step", "cluster", "height", "width", "area", "n_points",
            "mask_rle", *_PROMPT]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choices:
    """What a study is planned by.

    ``masks`` are the most of a dataset, drawn by lot from the ``seed``, all where it is none; those
    of less than ``min_area`` pixels are left out. The defaults are the paper's: 1,000 masks, none
    below 24² pixels (appendix E). ``each`` is how many raters a job has, all of them where it is
    none; ``largest`` the longer side, in pixels, that pictures are brought down to.
    """

    masks: int | None = 1000
    min_area: int = 24 * 24
    seed: int = 0
    each: int | None = None
    largest: int = 2000

    def __post_init__(self) -> None:
        least = {"masks": 1, "min_area": 0, "each": 1, "largest": 16}
        for name, smallest in least.items():
            found = getattr(self, name)
            if found is not None and found < smallest:
                raise BenchError(f"{name.replace('_', '-')} is at least {smallest}, found {found}")


@dataclass(frozen=True, slots=True)
class Planned:
    """A study, and how many targets were left out of it, by reason."""

    study: Study
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Answers:
    """The first answers of one run: a row per mask, by image and mask."""

    store: RunStore
    dataset: str
    model: str
    asked: str | None
    rows: Mapping[Key, Mapping[str, Any]]


def plan(stores: Sequence[RunStore], read_sample: ReadSample, choices: Choices) -> Planned:
    """The study of some runs' masks, each run's at its first step.

    At the first step all models are asked the same, which the page shows. Runs of given masks
    (``sam-bench score``) stand beside every prompt of their dataset. Raises ``BenchError`` for runs
    that hold no masks, that saw other data, that asked otherwise, for a model that stands twice,
    for data that has changed since, and where nothing is left to rate.
    """
    runs = [_answers(store) for store in stores]
    titles = titles_of(((run.model, run.store.header()) for run in runs), "model")
    left_out: Counter[str] = Counter()
    sources: list[Source] = []
    targets: list[StudyTarget] = []
    jobs: list[tuple[int, int, str]] = []
    for dataset, asked, block in _blocks(runs):
        chosen = _chosen(dataset, block, choices, left_out)
        first = len(sources)
        for run in block:
            name = run.store.folder.name
            sources.append(Source(dataset, asked, run.model, titles[run.model], name))
        sources.append(Source(dataset, asked, TRUTH, TRUTH_TITLE, None))
        truths = _truths(block[0], chosen, read_sample)
        for key, truth in zip(chosen, truths, strict=True):
            number = len(targets)
            targets.append(_target(block, key, dataset, asked))
            rles = [*(run.rows[key]["mask_rle"] for run in block), truth]
            jobs += [(number, first + place, rle) for place, rle in enumerate(rles)]
    said = {"runs": [run.store.folder.name for run in runs], **asdict(choices)}
    return Planned(Study(said, sources, targets, jobs), dict(left_out))


def _answers(store: RunStore) -> _Answers:
    header = store.header()
    columns = store.columns()
    folder = store.folder
    if not {"mask_rle", "point_coords", "height"} <= set(columns):
        raise BenchError(f"{folder}: its rows are no masks; people rate masks")
    table = read_rows(store, _COLUMNS)
    rows = [row for row in table.to_pylist() if row["step"] == 1]
    if any(row["mask_rle"] is None for row in rows):
        raise BenchError(
            f"{folder}: its rows hold no masks (runtime.keep_masks=false); run it again with them, "
            "into another runtime.results"
        )
    if not rows:
        raise BenchError(f"{folder}: no mask to rate")
    names = [str(part(header, kind).get("name")) for kind in ("dataset", "model")]
    if names[1] == TRUTH:
        raise BenchError(f"{folder}: its model is called {TRUTH}, as the ground truth is")
    by_mask = {(row["image_id"], row["mask_id"]): row for row in rows}
    return _Answers(store, names[0], names[1], _asked(rows[0], header), by_mask)


def _asked(first: Mapping[str, Any], header: Mapping[str, Any]) -> str | None:
    """What the first step of a run asked with, as tables say it; none for given masks."""
    points, box = int(first["n_points"]), first["box"] is not None
    if isinstance(first["cues"], str):
        return str(Step(points, box, name=str(part(header, "prompt").get("name"))))
    return str(Step(points, box)) if points or box else None


def _blocks(runs: Sequence[_Answers]) -> Iterator[tuple[str, str, list[_Answers]]]:
    """What is compared: each dataset and way of asking, with its runs in the order of models."""
    for dataset in sorted({run.dataset for run in runs}):
        own = sorted((r for r in runs if r.dataset == dataset), key=lambda run: run.model)
        _refuse_other_data(own)
        given = [run for run in own if run.asked is None]
        asked = sorted({run.asked for run in own if run.asked is not None})
        for label in asked or [GIVEN]:
            block = [run for run in own if run.asked == label] + given
            for model, number in Counter(run.model for run in block).items():
                if number > 1:
                    there = ", ".join(r.store.folder.name for r in block if r.model == model)
                    raise BenchError(
                        f"model {model!r} stands twice on {dataset}, {label} ({there}): name one"
                    )
            yield dataset, label, sorted(block, key=lambda run: run.model)


def _refuse_other_data(runs: Sequence[_Answers]) -> None:
    first, *others = runs
    same = {key: part(first.store.header(), "dataset").get(key) for key in ("version", "args")}
    for run in others:
        if {key: part(run.store.header(), "dataset").get(key) for key in same} != same:
            raise BenchError(
                f"{run.store.folder.name} and {first.store.folder.name} are of dataset "
                f"{first.dataset} with other versions or arguments: rate them apart"
            )


def _chosen(
    dataset: str, block: Sequence[_Answers], choices: Choices, left_out: Counter[str]
) -> list[Key]:
    """The targets that are rated, by image and mask, sorted; counts those that are not."""
    masks = [set(run.rows) for run in block]
    everywhere, anywhere = set.intersection(*masks), set.union(*masks)
    left_out["not in every run"] += len(anywhere - everywhere)
    large = [key for key in everywhere if block[0].rows[key]["area"] >= choices.min_area]
    left_out[f"below {choices.min_area} pixels"] += len(everywhere) - len(large)
    if not large:
        raise BenchError(
            f"{dataset}: no mask to rate: of {len(anywhere)} in "
            f"{', '.join(run.store.folder.name for run in block)}, {len(everywhere)} are in every "
            f"run and none of these has {choices.min_area} pixels (--min-area)"
        )
    by_lot = sorted(large, key=lambda key: rank(choices.seed, "mask", dataset, *key))
    chosen = by_lot[: choices.masks]
    left_out["beyond the number of masks"] += len(by_lot) - len(chosen)
    return sorted(chosen)


def _target(block: Sequence[_Answers], key: Key, dataset: str, asked: str) -> StudyTarget:
    """What all runs of a block were asked for a mask; raises ``BenchError`` where they differ."""
    rows = [run.rows[key] for run in block]
    size = (rows[0]["height"], rows[0]["width"])
    asking = next((run for run in block if run.asked is not None), block[0])
    prompt = prompt_of_row(asking.rows[key])
    for run, row in zip(block, rows, strict=True):
        other_size = (row["height"], row["width"]) != size
        other_prompt = run.asked is not None and prompt_of_row(row) != prompt
        if other_size or other_prompt:
            raise BenchError(
                f"{asking.store.folder.name} and {run.store.folder.name} "
                f"{'saw other pictures' if other_size else 'were asked otherwise'} at mask "
                f"{key[1]} of image {key[0]}: rate them apart"
            )
    return StudyTarget(
        dataset=dataset,
        asked=asked,
        image_id=key[0],
        mask_id=key[1],
        cluster=rows[0].get("cluster"),
        height=size[0],
        width=size[1],
        prompt={name: asking.rows[key].get(name) for name in _PROMPT},
        run=str(block[0].store.folder),
    )


def _truths(run: _Answers, chosen: Sequence[Key], read_sample: ReadSample) -> Iterator[str]:
    """The ground truth of each target, as COCO counts; each picture is read once."""
    sample: Sample | None = None
    for image_id, mask_id in chosen:
        if sample is None or sample.image_id != image_id:
            sample = read_sample(run.store, image_id)
        target, row = target_of(sample, mask_id), run.rows[image_id, mask_id]
        size = (row["height"], row["width"])
        if target is None or sample.shape != size or target.mask.area != row["area"]:
            raise BenchError(
                f"{run.store.folder.name}: mask {mask_id} of image {image_id} is not in the data "
                "as the run saw it; the data has changed since the run"
            )
        yield target.mask.to_rle()
