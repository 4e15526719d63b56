"""The masks of many prompts measured on a device: counts, rims and strings, in one copy over.

Windows of images of all frames and sizes go together (``bench.scoring.device.windows``). The host
waits for the device twice, however many prompts there are: for where masks may lie, and for all the
rest. Pixels that float32 leaves open are decided there in float64; of them too nobody knows before
how many there are, so there is room for so many, and only where there are more it is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bench.scoring.aim import Aim, Measured, RimCounts
from bench.scoring.bilinear import IndexArray, mix
from bench.scoring.device.lines import Lines, exact_on, lines
from bench.scoring.device.strings import strings_of, written
from bench.scoring.device.transfers import first_places, on_host, packed, sent
from bench.scoring.device.truths import Regions, RimWidth, ignored_of, truths_of
from bench.scoring.device.windows import Chunk, chunks, windows
from bench.scoring.finite import fault
from bench.scoring.foreground import Bounds, extremes, lifted, product
from bench.types import BoolArray, Candidates, FloatArray, Mask

_PIXELS = 1 << 25
"""Pixels of candidates that are computed at once, of each about 16 bytes being held."""

_OPEN = 1 << 13
"""Pixels of a chunk that float32 may leave open before it is done again."""

_RUNS = 8
"""Runs in a column of a mask, on average, for which there is room."""

_Arrays = dict[str, npt.NDArray[Any]]
_Given = Mapping[str, torch.Tensor]


@torch.inference_mode()
def on_device(
    prediction: Candidates,
    aims: Sequence[Aim],
    threshold: float,
    selects: Callable[[FloatArray], int],
    rims: Sequence[RimWidth] = (),
    most: int = _PIXELS,
) -> list[Measured]:
    """What ``measure`` gives, of float32 logits and estimates on any device, with rims and strings.

    At most ``most`` pixels are computed at once, one window at least.
    """
    if not aims:
        return []
    grids, counts = prediction.logits, prediction.counts
    rows, columns, lowest, estimates = on_host([*extremes(grids), prediction.predicted_iou])
    bounds = Bounds.of(rows, columns, lowest, threshold)
    begin: IndexArray = np.cumsum(counts, dtype=np.int64) - counts
    sound = np.logical_and.reduceat(np.isfinite(bounds.low) & np.isfinite(estimates), begin)
    slices = [slice(*ends) for ends in zip(begin.tolist(), (begin + counts).tolist(), strict=True)]
    predicted = [estimates[these] for these in slices]
    selected = [selects(each) for each in predicted]
    frames = {frame: number for number, frame in enumerate(dict.fromkeys(prediction.frames))}
    frame_of = np.array([frames[frame] for frame in prediction.frames])
    batch = _Batch(
        grids,
        begin,
        np.array(counts),
        begin + np.array(selected),
        frame_of,
        np.array([frame.image for frame in frames])[frame_of],
        lines(grids.shape[1:], list(frames), grids.device),
        bounds,
        threshold,
        aims,
        rims,
    )
    spans = windows(bounds.rows, bounds.columns, counts, frame_of, batch.lines)
    spans[~sound] = 0
    parts = list(chunks(spans, batch.images, counts, most))
    # Zeros where no mask is are as close to a threshold of 0 as can be.
    level = bool(((lowest > bounds.low) & (lowest <= bounds.high)).any())
    areas, shared, kept, of_prompts = batch.measured(parts, level)
    made, nothing = [], _Found(None, [(0, 0)] * len(rims))
    for i, (these, aim) in enumerate(zip(slices, aims, strict=True)):
        one = of_prompts.get(i, nothing)
        assert aim.planes is not None
        theirs = zip(one.rims, aim.planes.rim_areas, strict=True)
        found = Measured(
            areas[these],
            shared[these],
            predicted[i],
            selected[i],
            one.mask or Mask.empty(*aim.mask.shape),
            kept[i],
            "" if sound[i] else fault(grids[these], prediction.predicted_iou[these]),
            [RimCounts(ours, whole, both) for (ours, both), whole in theirs],
            one.rle,
        )
        made.append(found)
    return made


@dataclass(frozen=True, slots=True)
class _Found:
    """The chosen mask of a prompt, the pixels of its rims and of both rims, and its string."""

    mask: Mask | None
    rims: Sequence[Sequence[int]]
    rle: str | None = None


@dataclass(frozen=True, slots=True)
class _Batch:
    """Grids (M, h, w) of N prompts, ``counts`` (N,) from ``begin`` (N,) on, ``chosen`` one each.

    ``lines`` are the rows and columns of their frames' images, ``frame_of`` (N,) and ``images``
    (N, 2) say which and how large.
    """

    grids: torch.Tensor
    begin: IndexArray
    counts: IndexArray
    chosen: IndexArray
    frame_of: IndexArray
    images: IndexArray
    lines: Sequence[Lines]
    bounds: Bounds
    threshold: float
    aims: Sequence[Aim]
    rims: Sequence[RimWidth]

    def measured(
        self, parts: Sequence[Chunk], lift: bool
    ) -> tuple[IndexArray, IndexArray, FloatArray, Mapping[int, _Found]]:
        """Pixels set and shared (M,), the chosen grids (N, h, w), and what is found by prompt.

        Where ``lift`` says so, open pixels are only those that can be set at all.
        """
        device = self.grids.device
        truths = truths_of(self.aims, self.rims, device)
        ignored = ignored_of(self.aims, device)
        widths = [[width(aim.mask.shape) for aim in self.aims] for width in self.rims]
        wide = np.array(widths, np.int64).reshape(len(self.rims), len(self.aims))
        plans = [self._plan(part, truths, ignored, wide) for part in parts]
        arrays = [self.chosen, *(array for plan in plans for array in plan.values())]
        chosen, *tensors = sent(arrays, device)
        rest = iter(tensors)
        given = [{name: next(rest) for name in plan} for plan in plans]
        room = _OPEN
        while True:
            made = [
                self._work(part, each, truths, ignored, room, lift)
                for part, each in zip(parts, given, strict=True)
            ]
            kept, *told = on_host([self.grids[chosen], *(one for some in made for one in some)])
            found = [told[i : i + 5] for i in range(0, len(told), 5)]
            left_open = max((int(numbers[0]) for numbers, *_ in found), default=0)
            if left_open <= room:
                break
            room, lift = left_open if lift else room, True
        counts = np.zeros((2, len(self.grids)), np.int64)
        of_prompts: dict[int, _Found] = {}
        for part, plan, (numbers, *pixels) in zip(parts, plans, found, strict=True):
            shape = 2, len(plan["grids"])
            counts[:, plan["grids"]] = numbers[1 : 1 + shape[0] * shape[1]].reshape(shape)
            of_prompts |= self._found(part, numbers[1 + shape[0] * shape[1] :], *pixels)
        return counts[0], counts[1], kept, of_prompts

    def _plan(
        self, part: Chunk, truths: Regions, ignored: Regions | None, widths: IndexArray
    ) -> _Arrays:
        """What a device is told of a chunk, by name."""
        prompts, starts, shape = part.prompts, part.starts, part.shape
        counts = self.counts[prompts]
        of = np.repeat(np.arange(len(prompts)), counts)
        ahead = np.cumsum(counts) - counts
        grids = self.begin[prompts][of] + np.arange(len(of)) - ahead[of]
        frames, images = self.frame_of[prompts], self.images[prompts]
        plan: _Arrays = {
            "grids": grids,
            "of": of,
            "low": self.bounds.low[grids, None, None].astype(np.float32),
            "high": self.bounds.high[grids, None, None].astype(np.float32),
            "chosen": ahead + self.chosen[prompts] - self.begin[prompts],
            "places": np.concatenate([starts, images], axis=1),
            "widths": widths[:, prompts],
        }
        inside = []
        for axis, name in enumerate(("rows", "columns")):
            pixels = starts[:, axis, None] + np.arange(shape[axis])
            inside.append(pixels < images[:, axis, None])
            pixels = np.minimum(pixels, images[:, axis, None] - 1)
            plan[name] = self.lines[axis].firsts[frames, None] + pixels
        if not (inside[0].all() and inside[1].all()):
            plan |= {"inside_rows": inside[0], "inside_columns": inside[1]}
        plan["truth_rows"], plan["truth_columns"] = truths.places(prompts, starts, shape)
        if ignored is not None:
            plan["off_rows"], plan["off_columns"] = ignored.places(prompts, starts, shape)
        return plan

    def _work(
        self,
        part: Chunk,
        given: _Given,
        truths: Regions,
        ignored: Regions | None,
        room: int,
        lift: bool,
    ) -> list[torch.Tensor]:
        """What is brought over of a chunk.

        Whole numbers: the open pixels, of each candidate those set, those shared with the target,
        of each prompt the chosen mask's rims, those shared with the target's, and where its runs
        and characters end; then which rows and columns it has, its bits, and the characters.
        """
        of = given["of"]
        bits, left_open = self._bits(given, room, lift)
        if "inside_rows" in given:
            rows, columns = given["inside_rows"], given["inside_columns"]
            bits &= (rows[:, :, None] & columns[:, None])[of]
        if ignored is not None:
            bits &= (ignored.within(given["off_rows"], given["off_columns"]) == 0)[of]
        truth = truths.within(given["truth_rows"], given["truth_columns"])
        masks = bits[given["chosen"]]
        numbers = [
            left_open.view(1),
            bits.sum(dim=(1, 2)),
            (bits & (truth & 1).view(torch.bool)[of]).sum(dim=(1, 2)),
        ]
        for number in range(len(self.rims)):
            edge = _rims(masks, given["widths"][number])
            theirs = ((truth >> (1 + number)) & 1).view(torch.bool)
            numbers += [edge.sum(dim=(1, 2)), (edge & theirs).sum(dim=(1, 2))]
        to_next = bool((part.starts[:, 0] == 0).any()) and part.shape[0] >= min(
            self.images[part.prompts, 0]
        )
        text = written(masks, given["places"], to_next, _room(part))
        return [
            torch.cat([*numbers, text.runs, text.ends]),
            masks.any(dim=2),
            masks.any(dim=1),
            packed(masks),
            text.text,
        ]

    def _bits(self, given: _Given, room: int, lift: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Which pixels (M, H, W) are above the threshold, and how many float32 left open."""
        of, down, across = given["of"], *self.lines
        rows, columns = given["rows"][of], given["columns"][of]
        cells = self.grids[given["grids"]]
        if down.matrix is None or across.matrix is None:
            each = torch.arange(len(cells), device=cells.device)[:, None]
            cells = cells if down.matrix is not None else cells[each, rows]
            cells = cells if across.matrix is not None else cells.mT[each, columns].mT
        matrices = (
            None if down.matrix is None else down.matrix[rows],
            None if across.matrix is None else across.matrix[columns],
        )
        values = product(cells, *matrices).contiguous()
        bits = values > given["high"]
        unsure = (values > given["low"]) ^ bits
        if lift:
            unsure &= lifted(cells, *matrices, self.bounds.lifting)
        places = first_places(unsure.view(-1), min(room, unsure.numel()))
        bits.view(-1)[places] = self._exact(places, given["grids"], rows, columns)
        return bits, unsure.sum()

    def _exact(
        self, places: torch.Tensor, grids: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
    ) -> torch.Tensor:
        """Whether pixels are above the threshold, by their places in flat (M, H, W), in float64."""
        down, across = self.lines
        high, wide = rows.shape[1], columns.shape[1]
        line = places // wide
        which = line // high
        row, column = rows.view(-1)[line], columns[which, places - line * wide]
        there = exact_on(places.device)
        row, column = row.to(there), column.to(there)
        above, aside = down.cells[row], across.cells[column]
        of = grids[which][:, None, None, None, None]
        cells = self.grids[
            of, above[:, :, :, None, None].to(of.device), aside[:, None, None].to(of.device)
        ].to(there)
        weights = down.inner[row], across.inner[column], down.outer[row], across.outer[column]
        return (mix(cells.double(), *weights) > self.threshold).to(places.device)

    def _found(
        self,
        part: Chunk,
        numbers: IndexArray,
        rows: BoolArray,
        columns: BoolArray,
        bits: npt.NDArray[np.uint8],
        text: npt.NDArray[np.uint8],
    ) -> Iterator[tuple[int, _Found]]:
        """What is found of a chunk's prompts, by number."""
        *rims, runs, ends = numbers.reshape(-1, len(part.prompts))
        of_rims = np.array(rims, np.int64).reshape(len(self.rims), 2, len(part.prompts))
        rim_counts = of_rims.transpose(2, 0, 1)
        strings = strings_of(text, runs, ends, _room(part))
        masks = _masks(bits, rows, columns, part.starts, self.images[part.prompts])
        found = zip(part.prompts.tolist(), masks, rim_counts.tolist(), strings, strict=True)
        for prompt, mask, counts, string in found:
            yield prompt, _Found(mask, counts, string)


def _rims(bits: torch.Tensor, widths: torch.Tensor) -> torch.Tensor:
    """What ``rim`` gives of masks in windows (N, H, W), as wide as ``widths`` (N,)."""
    full = _full_lines(_full_lines(bits.mT, widths).mT, widths)
    return bits & ~full


def _full_lines(bits: torch.Tensor, widths: torch.Tensor) -> torch.Tensor:
    """Which of (N, H, W) have as many set on both sides, along W, as ``widths`` (N,) says."""
    length = bits.shape[2]
    sums = F.pad(bits.cumsum(dim=2, dtype=torch.int32), (1, 0))
    middle, reach = torch.arange(length, device=bits.device), widths[:, None, None]
    low, high = (middle - reach).clamp(min=0), (middle + reach + 1).clamp(max=length)
    size = bits.shape
    found = sums.gather(2, high.expand(size)) - sums.gather(2, low.expand(size))
    return found == 2 * reach + 1


def _room(part: Chunk) -> int:
    """Of how many runs a chunk's strings may be."""
    return len(part.prompts) * (_RUNS * part.shape[1] + 1)


def _masks(
    bits: npt.NDArray[np.uint8],
    rows: BoolArray,
    columns: BoolArray,
    starts: IndexArray,
    images: IndexArray,
) -> Iterator[Mask]:
    """The masks of packed windows (P, H, ⌈W / 8⌉), of which it is known where something is set."""
    some = np.asarray(rows.any(axis=1))
    tops, lefts = rows.argmax(axis=1), columns.argmax(axis=1)
    bottoms = rows.shape[1] - rows[:, ::-1].argmax(axis=1)
    rights = columns.shape[1] - columns[:, ::-1].argmax(axis=1)
    corners = np.stack([tops, bottoms, lefts, rights, *starts.T, *images.T], axis=1).tolist()
    for window, any_set, corner in zip(bits, some.tolist(), corners, strict=True):
        top, bottom, left, right, y, x, height, width = corner
        if not any_set:
            yield Mask.empty(height, width)
            continue
        first = left // 8
        eights = np.unpackbits(window[top:bottom, first : -(-right // 8)], axis=1)
        here = eights[:, left - 8 * first : right - 8 * first].astype(bool)
        yield Mask(height, width, y + top, x + left, here)
