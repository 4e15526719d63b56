"""The task of scoring panoptic predictions that are there: no model is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.config.component import Component
from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.data.abilities import Category, NamesCategories
from bench.data.readers.coco_panoptic import PanopticFile
from bench.data.subset import whole_of
from bench.files.hashing import sha256_of_all
from bench.files.places import local_path
from bench.files.there import kind_of
from bench.scoring.instances.panoptic import LabelArray, Quality, Segment, qualities
from bench.tasks.contract import Case, Lent, Scored, Way
from bench.tasks.one_step import OneStep
from bench.tasks.opening import question_of_given
from bench.types import BenchError, Measure, Reader, Sample, Site
from bench.types.rows.panoptic import CATEGORY_PQ, PanopticRow
from bench.types.stopwatch import Stopwatch

PROMPT = "panoptic"
"""What stands for a prompt in rows and keys."""

_FEW = 3


class Panoptic:
    """Scores the COCO panoptic file ``predictions`` as a run of a model.

    ``segments`` is its folder of PNGs, by default the file's name without ``.json``, as panopticapi
    has it; ``model`` what their maker is called, by default as the file is. The file's
    ``annotations`` alone are read: categories are the dataset's, which is one in COCO's panoptic
    format.
    """

    row = PanopticRow
    asks_model = False
    measures: Sequence[Measure] = (CATEGORY_PQ,)

    def __init__(
        self, predictions: str, segments: str | None = None, model: str | None = None
    ) -> None:
        self.file = local_path(predictions)
        self.folder = self.file.with_suffix("") if segments is None else local_path(segments)
        self.model = model or self.file.stem

    def ways(self, config: RunConfig) -> Mapping[str, Way]:
        """One step."""
        return {PROMPT: OneStep(PROMPT)}

    def settle(self, config: RunConfig, site: Site) -> Question:
        """The predictions stand in the place of a model: a hash of the files enters the key."""
        about = {"title": self.model, "what": f"segments given in {self.file.name}"}
        model = Component(self.model, "1", PROMPT, dict(self._hashes), about)
        return question_of_given(config, PROMPT, model, {})

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Every image has a prediction, and every prediction a category of the dataset."""
        predicted = self._predicted(config, reader)
        ids = reader.ids()
        if missing := [image_id for image_id in ids if image_id not in predicted.annotated]:
            raise BenchError(
                f"{self.file}: {len(missing)} of {len(ids)} images have no prediction: "
                f"{_some(missing)}"
            )
        lost = [each for each in ids if not predicted.path(each).is_file()]
        if lost:
            raise BenchError(
                f"{self.folder}: the PNGs of {len(lost)} of {len(ids)} images are not there: "
                f"{_some([predicted.annotated[each].name for each in lost])}"
            )

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> PanopticRows:
        """Rows of the categories of each image."""
        return PanopticRows(
            dataset=config.dataset.name,
            model=self.model,
            protocol=config.protocol.name,
            predicted=self._predicted(config, reader),
            lent=lent,
        )

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """How many crowds there are, which are no one's pair."""
        crowds = counted.get("crowds", 0)
        said = "{} crowds are in no pair; a prediction that lies in one by more than half counts "
        return [f"{said.format(f'{crowds:,}')}for nothing."] if crowds else []

    def _predicted(self, config: RunConfig, reader: Reader) -> PanopticFile:
        categories = _categories(config.dataset.name, reader)
        whole = whole_of(reader)
        return PanopticFile(self.file, self.folder, categories=categories, images=whole.ids())

    @cached_property
    def _hashes(self) -> Mapping[str, str]:
        if not self.file.is_file():
            raise BenchError(f"{self.file}: {kind_of(self.file, 'file of predictions')}")
        if not self.folder.is_dir():
            raise BenchError(
                f"{self.folder}: {kind_of(self.folder, 'folder of PNGs')}; say where they are with "
                "task.args.segments (--segments)"
            )
        return {
            "predictions": sha256_of_all(self.file),
            "segments": sha256_of_all(self.folder),
        }


@dataclass(frozen=True, slots=True)
class PanopticRows:
    """Makes the rows of one image after the other."""

    dataset: str
    model: str
    protocol: str
    predicted: PanopticFile
    lent: Lent

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
        """A row a category; an image whose prediction does not fit fails."""
        with watch("score"):
            return list(self.lent.each(self._score, [case.sample for case in cases]))

    def _score(self, sample: Sample) -> Scored:
        try:
            truth, segments = truth_of(sample)
            labels, guesses = predicted_of(self.predicted, sample)
        except BenchError as error:
            return Scored(sample.image_id, {}, faults={PROMPT: str(error)})
        found = qualities(truth, segments, labels, guesses)
        kinds = {each.name: str(each.kind) for each in self.predicted.categories.values()}
        rows = [self._row(sample, name, kinds[name], one) for name, one in found.items()]
        counted = {"crowds": sum(segment.crowd for segment in segments)}
        return Scored(sample.image_id, {PROMPT: rows}, counted=counted)

    def _row(self, sample: Sample, category: str, kind: str, found: Quality) -> PanopticRow:
        return PanopticRow(
            dataset=self.dataset,
            image_id=sample.image_id,
            mask_id=f"{sample.image_id}/{category}",
            model=self.model,
            prompt=PROMPT,
            protocol=self.protocol,
            step=1,
            cluster=sample.cluster,
            category=category,
            kind=kind,
            height=sample.shape[0],
            width=sample.shape[1],
            matched=found.matched,
            wrong=found.wrong,
            missed=found.missed,
            iou_sum=found.iou,
            pq=found.pq,
        )


def truth_of(sample: Sample) -> tuple[LabelArray, list[Segment]]:
    """The truth as ``bench.scoring.instances.panoptic.qualities`` takes it.

    Raises ``BenchError`` for a target without a category, and for targets that overlap.
    """
    labels = np.full(sample.shape, len(sample.targets) + 1, np.int32)
    if sample.ignore is not None:
        labels[sample.ignore] = 0
    segments, covered = [], np.zeros(sample.shape, dtype=bool)
    for number, target in enumerate(sample.targets, start=1):
        mask = target.mask.dense()
        if (covered & mask).any():
            raise BenchError(
                f"the target {target.mask_id} overlaps another: panoptic segments share no pixel"
            )
        covered |= mask
        labels[mask] = number
        segments.append(Segment(str(target.category), target.crowd))
    return labels, segments


def predicted_of(file: PanopticFile, sample: Sample) -> tuple[LabelArray, list[Segment]]:
    """The prediction of an image as ``bench.scoring.instances.panoptic.qualities`` takes it.

    Raises ``BenchError`` naming the file for a PNG of another size, a segment that the JSON does
    not list, and one that the PNG does not show.
    """
    image_id = sample.image_id
    labels = file.labels(image_id)
    if labels.shape != sample.shape:
        raise BenchError(
            f"{file.path(image_id)}: the segments are {labels.shape[0]}×{labels.shape[1]} (H×W), "
            f"the picture {sample.shape[0]}×{sample.shape[1]}"
        )
    seen, places = np.unique(labels, return_inverse=True)
    file.check_listed(image_id, seen.tolist())
    infos = file.infos(image_id)
    numbers = {0: 0} | {info["id"]: number for number, info in enumerate(infos, start=1)}
    shown = set(seen.tolist())
    if unseen := [info["id"] for info in infos if info["id"] not in shown]:
        raise BenchError(
            f"{file.path(image_id)}: no pixel is of the segment {unseen[0]}, which the JSON lists"
            + (f" ({len(unseen)} such segments)" if len(unseen) > 1 else "")
        )
    ranks = np.array([numbers[value] for value in seen.tolist()], np.int32)
    guesses = [Segment(file.categories[info["category_id"]].name) for info in infos]
    return ranks[places.reshape(labels.shape)], guesses


def _categories(dataset: str, reader: Reader) -> Mapping[int | str, Category]:
    """The dataset's; raises ``BenchError`` where it knows none of things and stuff, or twins."""
    whole = whole_of(reader)
    found = whole.categories() if isinstance(whole, NamesCategories) else {}
    if not found or any(category.kind is None for category in found.values()):
        raise BenchError(
            f"{dataset} doesn't say which categories are things and which are stuff: task=panoptic "
            "is of a dataset in COCO's panoptic format, dataset=coco_panoptic"
        )
    names = Counter(category.name for category in found.values())
    if twice := [name for name, count in names.items() if count > 1]:
        raise BenchError(f"{dataset}: two categories are called {twice[0]!r}")
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(repr(name) for name in names[:_FEW]) + more
