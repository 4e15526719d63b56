"""A model's numbers for its repository on the Hub: evaluation results, metadata, a section.

::

    .eval_results/<dataset>-<step>-<protocol>.yaml   a file per number, of the Hub's benchmarks
    model-index.yaml                                 the same for the head of the model's README.md
    evaluation.md                                    the same for people, a section of README.md

Everything comes from cards, so that whoever has a card alone writes the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.overview.board import identity
from bench.analysis.section import Section
from bench.analysis.selection import over_images
from bench.analysis.wording.notes import part
from bench.analysis.wording.titles import badge, labels_of
from bench.analysis.wording.words import DASH, MARK
from bench.report.hub.benchmark import Benchmark, check_known
from bench.report.hub.folder import slug, yaml_text
from bench.report.tables.formats import escape_markdown
from bench.report.tables.section_text import to_markdown
from bench.store.cards import Card, CardStep, Number
from bench.types import BenchError, Measure

OWN = (".eval_results/sam-bench-*.yaml", "model-index.yaml", "evaluation.md")
"""What is written, as globs."""

_METRICS: Mapping[str, str] = {"miou": "mean_iou"}
"""What the Hub calls a measure, by what the bench calls its mean."""

_PIPELINE = "image-segmentation"
"""What the Hub calls a task whose YAML says nothing more exact (``about.pipeline``)."""


@dataclass(frozen=True, slots=True)
class Result:
    """One number: a card's at a reported step, as the run's protocol averages."""

    card: Card
    step: CardStep
    label: str

    @property
    def number(self) -> Number:
        """The mean with its interval, over masks or over images."""
        return self.step.images if over_images(self.card.header) else self.step.masks

    @property
    def dataset(self) -> str:
        """The dataset's name in the bench."""
        return self.of("dataset")

    @property
    def measure(self) -> Measure:
        """What is measured."""
        return self.card.measure

    @property
    def value(self) -> float:
        """In the measure's own unit, a digit more than tables show: per cent for an IoU."""
        return self._shown(self.number.mean)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The 95 % interval in the same unit; none where there is none."""
        low, high = self.number.low, self.number.high
        return None if low is None or high is None else (self._shown(low), self._shown(high))

    @property
    def counts(self) -> tuple[int, int]:
        """How many masks and images it is over."""
        return sum(self.step.sums.masks), sum(self.step.sums.images)

    def of(self, kind: str, key: str = "name") -> str:
        """A word of the header's component."""
        return str(part(self.card.header, kind).get(key, ""))

    def _shown(self, value: float) -> float:
        return round(self.measure.scale * value, self.measure.digits + 1)


def results_of(cards: Sequence[Card]) -> list[Result]:
    """Every number of the cards, sorted by dataset, protocol, prompt and step.

    Raises ``BenchError`` for cards of several models: a repository is one model's.
    """
    models = {identity(card.header, "model"): card for card in cards}
    if len(models) > 1:
        named = " and ".join(
            f"{part(card.header, 'model').get('name')} ({card.name})"
            for card in list(models.values())[:2]
        )
        raise BenchError(
            f"a repository holds one model, these runs are of {len(models)}, such as {named}: "
            "name the runs of one"
        )
    labels = labels_of({str(at): card.header for at, card in enumerate(cards)})
    found = []
    for at, card in enumerate(cards):
        for step in card.steps:
            label = labels[str(at)].get(step.step, str(part(card.header, "prompt").get("name")))
            found.append(Result(card, step, label))
    return sorted(found, key=_order)


def _order(each: Result) -> tuple[Any, ...]:
    kinds = (each.of(kind) for kind in ("dataset", "protocol", "prompt"))
    return (*kinds, each.step.step, str(each.card.header["key"]))


def model_files(
    cards: Sequence[Card],
    benchmarks: Mapping[str, Benchmark] | None = None,
    source: str | None = None,
) -> dict[str, bytes]:
    """The files by their paths; ``source`` is where the rows behind the numbers lie, a URL.

    A dataset that no benchmark of the Hub is named for is in the metadata and the section alone:
    the Hub takes evaluation results of its benchmarks only. Raises ``BenchError`` for cards of
    several models, and for a benchmark of a dataset that none is of.
    """
    results = results_of(cards)
    known = benchmarks or {}
    check_known(known, (each.dataset for each in results))
    held = [each for each in results if each.dataset in known]
    texts = {
        f".eval_results/{name}.yaml": yaml_text([_entry(each, known[each.dataset], source)])
        for name, each in zip(_names(held), held, strict=True)
    }
    texts["model-index.yaml"] = yaml_text({"model-index": [_index(results, known, source)]})
    texts["evaluation.md"] = _section(results, source)
    return {name: text.encode() for name, text in texts.items()}


def _names(results: Sequence[Result]) -> list[str]:
    """A file's name for each number; with the run's key where two would have one."""
    plain = [
        slug(f"sam-bench-{each.dataset}-{each.label}-{each.of('protocol')}") for each in results
    ]
    count = Counter(plain)
    return [
        f"{name}-{slug(str(each.card.header['key']))}" if count[name] > 1 else name
        for name, each in zip(plain, results, strict=True)
    ]


def _entry(result: Result, benchmark: Benchmark, source: str | None) -> dict[str, Any]:
    dataset = {"id": benchmark.id, "task_id": benchmark.task}
    if benchmark.revision is not None:
        dataset["revision"] = benchmark.revision
    entry: dict[str, Any] = {"dataset": dataset, "value": result.value}
    if finished := result.card.header.get("finished"):
        entry["date"] = str(finished)
    if source is not None:
        entry["source"] = {"url": source, "name": "sam-bench"}
    return entry | {"notes": _note(result)}


def _note(result: Result) -> str:
    """What a number is, in one line."""
    masks, images = result.counts
    header, bounds = result.card.header, result.bounds
    unit = {"points": " in per cent", "share": " in per cent", "pixels": " in pixels"}
    over = "images" if over_images(header) else "masks"
    span = "" if bounds is None else f", 95 % interval {bounds[0]:g} to {bounds[1]:g}"
    marked = " (few images)" if result.number.few else ""
    asked = f"{result.label}, protocol {result.of('protocol')}"
    return (
        f"{result.measure.title}{unit.get(result.measure.unit, '')}, mean over {over}{span}"
        f"{marked}; {asked} version {result.of('protocol', 'version')}; {masks} masks of {images} "
        f"images; {_title(result, 'model')}, {_by(header)}, run {header['name']}"
    )


def _by(header: Mapping[str, Any]) -> str:
    version = (header.get("versions") or {}).get("sam-bench")
    return f"sam-bench {version}" if version else "sam-bench"


def _index(
    results: Sequence[Result], benchmarks: Mapping[str, Benchmark], source: str | None
) -> dict[str, Any]:
    """The model's entry of ``model-index``: a result per dataset and task, a metric per number."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for each in results:
        groups.setdefault((each.dataset, each.of("task")), []).append(each)
    return {
        "name": _title(results[0], "model"),
        "results": [
            {
                "task": {"type": _pipeline(several[0]), "name": "Zero-shot segmentation"},
                "dataset": _dataset(several[0], benchmarks.get(dataset)),
                "metrics": [_metric(each) for each in several],
                **({} if source is None else {"source": {"name": "sam-bench", "url": source}}),
            }
            for (dataset, _), several in groups.items()
        ],
    }


def _dataset(result: Result, benchmark: Benchmark | None) -> dict[str, str]:
    known = {"type": result.dataset if benchmark is None else benchmark.id}
    if benchmark is not None and benchmark.revision is not None:
        known["revision"] = benchmark.revision
    return {"name": _title(result, "dataset"), **known}


def _metric(result: Result) -> dict[str, Any]:
    measure, bounds = result.measure, result.bounds
    said: dict[str, Any] = {
        "prompt": result.label,
        "protocol": result.of("protocol"),
        "protocol_version": result.of("protocol", "version"),
        "run": result.card.name,
    }
    if bounds is not None:
        said |= {"low_95": bounds[0], "high_95": bounds[1]}
    return {
        "type": _METRICS.get(measure.mean, measure.mean),
        "name": f"{measure.title}, {result.label}, protocol {result.of('protocol')}",
        "value": result.value,
        "args": said,
    }


def _pipeline(result: Result) -> str:
    about = part(result.card.header, "task").get("about") or {}
    return str(about.get("pipeline") or _PIPELINE)


def _title(result: Result, kind: str) -> str:
    about = part(result.card.header, kind).get("about") or {}
    return f"{about.get('title') or result.of(kind)}{badge(result.card.header, kind)}"


def _section(results: Sequence[Result], source: str | None) -> str:
    parts = [
        "## Zero-shot segmentation, measured with sam-bench",
        to_markdown(_table(results)).strip(),
        *_said(results, source),
    ]
    return "\n\n".join(parts) + "\n"


def _table(results: Sequence[Result]) -> Section:
    heads = ("dataset", "prompt", "measure", "mean", "95 % interval", "masks", "images",
             "protocol", "run")  # fmt: skip
    rows = []
    for each in results:
        measure, number = each.measure, each.number
        bounds = DASH if each.bounds is None else (
            f"{measure.shown(number.low)}–{measure.shown(number.high)}{MARK * number.few}"
        )  # fmt: skip
        masks, images = each.counts
        rows.append(
            (
                _title(each, "dataset"), each.label, measure.title, measure.shown(number.mean),
                bounds, f"{masks:,}", f"{images:,}",
                f"{each.of('protocol')} v{each.of('protocol', 'version')}", each.card.name,
            )
        )  # fmt: skip
    marked = any(each.number.few for each in results)
    note = "Shares are shown in per cent." + f" {MARK} Few images." * marked
    return Section("evaluation", "", note, heads, tuple(rows), pd.DataFrame(), names=3)


def _said(results: Sequence[Result], source: str | None) -> Iterator[str]:
    """What a reader has to know of the numbers."""
    yield (
        "The protocol named fixes every choice that papers differ in, such as how prompts follow "
        "from the ground-truth masks; the same data, protocol and weights give the same number. "
        "Intervals are for the images in hand as a draw from images like them."
    )
    headers = [each.card.header for each in results]
    for line in dict.fromkeys(map(_made, headers)):
        yield escape_markdown(line)
    if source is not None:
        yield f"The rows behind these numbers: <{source}>"


def _made(header: Mapping[str, Any]) -> str:
    weights = str((header.get("facts") or {}).get("checkpoint_sha256") or "")
    known = [
        f"Measured with {_by(header)}",
        f"PyTorch {version}" if (version := (header.get("versions") or {}).get("torch")) else "",
        f"device {header['device']}" if header.get("device") else "",
        f"sha256 of the weights {weights}" if weights else "",
    ]
    return ", ".join(filter(None, known)) + "."
