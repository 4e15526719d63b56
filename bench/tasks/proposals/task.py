"""The task of the paper's section 7.3: how many objects a model's proposals find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.protocol import Protocol
from bench.scoring.instances.label_maps import answered, painted, segment_ious
from bench.scoring.instances.matching import IOUS, SIZES, within
from bench.scoring.instances.proposals import ranks, recalled
from bench.scoring.overlap import overlaps
from bench.tasks.automatic import asked, check_grid, question_of_grid
from bench.tasks.contract import Case, Lent, Scored, Way
from bench.tasks.counting import check_counts
from bench.tasks.one_step import OneStep
from bench.tasks.opening import open_protocol
from bench.tasks.proposals.generator import Grid, Proposal
from bench.types import BenchError, Mask, Measure, Reader, Sample, Segmenter, Site, Target
from bench.types.rows.proposals import AR_1000, FURTHER, GROUPS, ProposalRow
from bench.types.stopwatch import Stopwatch

PROMPT = "proposals"
"""What stands for a prompt in rows and keys."""

_MOST = 1000


class Proposals:
    """Masks of a grid of points as proposals (SAM, section 7.3 and appendix D.3).

    ``points_per_side``, ``nms``, ``most`` and ``single`` are those of ``Grid``: 64, 0.9, 1,000 and
    three masks a point as in the paper; its single-mask mode is 128, 0.95 and ``single``. Raises
    ``BenchError`` for numbers that make no sense.
    """

    row = ProposalRow
    asks_model = True
    measures: Sequence[Measure] = (AR_1000, *FURTHER)

    def __init__(
        self,
        points_per_side: int = 64,
        nms: float = 0.9,
        most: int = _MOST,
        single: bool = False,
    ) -> None:
        check_grid(points_per_side, nms)
        if most < 1:
            raise BenchError(f"task.args.most is a whole number from 1, found {most}")
        self._grid = Grid(points_per_side, float(nms), most, single)

    def ways(self, config: RunConfig) -> Mapping[str, Way]:
        """One step."""
        return {PROMPT: OneStep(PROMPT)}

    def settle(self, config: RunConfig, site: Site) -> Question:
        """Pins the model's files; refuses a model that takes no points."""
        return question_of_grid(config, site, PROMPT)

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Some mask must count."""
        ids = reader.ids()[: config.runtime.limit]
        check_counts(config.dataset.name, open_protocol(config), reader, ids)

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> ProposalRows:
        """What asks the model and matches its proposals."""
        assert lent.segmenter is not None
        return ProposalRows(
            dataset=config.dataset.name,
            model=config.model.name,
            protocol_name=config.protocol.name,
            protocol=open_protocol(config),
            grid=self._grid,
            segmenter=lent.segmenter,
            lent=lent,
        )

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """How many proposals a picture has."""
        if not (images := counted.get("images")):
            return []
        number = counted.get("proposals", 0) / images
        notes = [f"{config.model.name}: {number:.0f} proposals a picture."]
        if (most := self._grid.most) < _MOST:
            notes.append(
                f"At most {most} proposals of a picture were kept: AR of more is that of {most}."
            )
        return notes


@dataclass(frozen=True, slots=True)
class ProposalRows:
    """The fixed side of a run: who is asked, how, and which targets are sought."""

    dataset: str
    model: str
    protocol_name: str
    protocol: Protocol
    grid: Grid
    segmenter: Segmenter
    lent: Lent

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
        """A row for each target; an image of which an answer is no number fails."""
        return asked(self.lent, cases, watch, PROMPT, self._found, self._scored)

    def _found(self, sample: Sample, embedding: Any) -> list[Proposal]:
        return self.grid.proposals(
            self.segmenter, embedding, sample.shape, self.lent.batches, self.protocol.threshold
        )

    def _scored(self, sample: Sample, found: Sequence[Proposal]) -> Scored:
        targets, skipped = self.protocol.sort_out(sample.targets)
        rows = self._rows(sample, targets, found)
        counted = {"images": 1, "proposals": len(found)}
        return Scored(sample.image_id, {PROMPT: rows}, skipped, counted)

    def _rows(
        self, sample: Sample, targets: Sequence[Target], found: Sequence[Proposal]
    ) -> list[ProposalRow]:
        counting = {target.mask_id for target in targets}
        crowds = [each for each in sample.targets if each.crowd and each.mask_id not in counting]
        ious = overlaps([each.counts for each in found], [*targets, *crowds], sample)
        columns: dict[str, list[Any]] = dict(shares(targets, len(crowds), ious))
        best = ious[:, : len(targets)].max(axis=0, initial=0.0)
        segments, mapped = as_label_map(found, targets, sample)
        return [
            ProposalRow(
                dataset=self.dataset,
                image_id=sample.image_id,
                mask_id=target.mask_id,
                model=self.model,
                prompt=PROMPT,
                protocol=self.protocol_name,
                step=1,
                cluster=sample.cluster,
                category=target.category,
                attributes=dict(target.attributes),
                height=sample.shape[0],
                width=sample.shape[1],
                area=target.mask.area,
                proposals=len(found),
                best_iou=float(best[number]),
                segments=segments,
                mapped=mapped[:, number].astype(int).tolist(),
                **{name: values[number] for name, values in columns.items()},
            )
            for number, target in enumerate(targets)
        ]


def as_label_map(
    found: Sequence[Proposal], targets: Sequence[Target], sample: Sample
) -> tuple[int, npt.NDArray[np.bool_]]:
    """The segments of a label map of proposals, and which targets (10, G) have one at ``IOUS``.

    Where proposals overlap the best one has the pixel. Pixels that count in no score are off in the
    map and in the targets; so are, in the map, those of targets that don't count alone.
    """
    counting = {target.mask_id for target in targets}
    off = np.zeros(sample.shape, dtype=bool)
    for target in sorted(sample.targets, key=lambda each: each.mask_id in counting):
        mask = target.mask
        height, width = mask.bits.shape
        window = off[mask.y0 : mask.y0 + height, mask.x0 : mask.x0 + width]
        window[mask.bits] = target.mask_id not in counting
    masks = [target.mask for target in targets]
    if sample.ignore is not None:
        off |= sample.ignore
        masks = [mask.without(sample.ignore) for mask in masks]
    proposed = [Mask.from_rle({"size": sample.shape, "counts": each.counts}) for each in found]
    ious = segment_ious(painted(proposed, off), masks)
    return len(ious), answered(ious, IOUS)


def shares(
    targets: Sequence[Target], crowds: int, ious: npt.NDArray[np.float64]
) -> dict[str, list[float | None]]:
    """The columns ``ar_…`` of the targets, of whose number ``crowds`` more follow in ``ious``."""
    number, proposals = len(targets), len(ious)
    crowd = np.arange(number + crowds) >= number
    none = np.zeros(number + crowds, dtype=bool)
    places = ranks(ious, none, crowd)[:, :number]
    found: dict[str, list[float | None]] = {
        f"ar_{first}": [*recalled(places, first, proposals).tolist()] for first in (10, 100, _MOST)
    }
    areas = np.array([target.mask.area for target in targets])
    for group in GROUPS:
        if group in SIZES:
            inside = within(group, areas)
            # What is of another size may be found, and counts for nothing.
            aside, seen = np.concatenate([~inside, none[number:]]), ~none
        else:
            inside = np.array([t.attributes.get("frequency") == group for t in targets], bool)
            aside, seen = none, np.concatenate([inside, ~none[number:]])
        values = np.full(number, np.nan)
        if inside.any():
            places = np.full((len(IOUS), number + crowds), proposals)
            places[:, seen] = ranks(ious[:, seen], aside[seen], crowd[seen])
            values = recalled(places[:, :number], _MOST, proposals)
        found[f"ar_{_MOST}_{group}"] = [
            float(value) if there else None for value, there in zip(values, inside, strict=True)
        ]
    return found
