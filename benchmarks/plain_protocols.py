"""What each protocol's source computes, written anew as plainly as can be, on any model.

One loop a source, over the whole image at every step, with nothing of ``bench.prompts``,
``bench.protocol`` or ``bench.scoring``. ``tests/test_protocol_fidelity.py`` holds the runs of the
bench against them; ``benchmarks/protocol_fidelity.py`` says what the lines are worth that a
protocol doesn't follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image

from bench.tasks.random_numbers import mask_rng
from bench.types import BoolArray, FloatArray, Frame, ImageArray, Prompt, Sample, Target

Found: TypeAlias = dict[tuple[str, str], list[float]]
"""The IoU after each step, by the ids of image and mask."""

Click: TypeAlias = tuple[float, float, int]
"""(x, y) in pixels of the image, and 1 or 0."""


@dataclass
class Seen:
    """An image that a model has embedded."""

    model: Any
    sample: Sample
    embedding: Any

    @classmethod
    def of(cls, model: Any, sample: Sample) -> Seen:
        """The image as the model takes it."""
        return cls(model, sample, model.embed([sample.image])[0])

    def ask(
        self,
        clicks: list[Click],
        box: FloatArray | None = None,
        logits: FloatArray | None = None,
        several: bool = False,
    ) -> Answer:
        """What the model answers: the candidate of the highest predicted IoU."""
        points = np.array([click[:2] for click in clicks], np.float32).reshape(-1, 2)
        labels = np.array([click[2] for click in clicks], np.int64)
        known = (points, labels) if clicks else (None, None)
        prompt = Prompt(*known, box=box, mask_logits=logits)
        found = self.model.predict([self.embedding], [prompt], several)
        best = int(found.predicted_iou[0].argmax())
        return Answer(found.logits[0][best], found.frames[0])


@dataclass
class Answer:
    """A mask's logits on the model's grid, and how that lies on the image."""

    logits: torch.Tensor
    frame: Frame

    def enlarged(self) -> torch.Tensor:
        """Logits of the image's pixels, as ``Sam.postprocess_masks`` makes them, in float64.

        In float32 rounding decides a pixel now and then, and with it a random click.
        """
        wide = F.interpolate(self.logits.double()[None, None], self.frame.canvas, mode="bilinear")
        height, width = self.frame.content
        wide = F.interpolate(wide[..., :height, :width], self.frame.image, mode="bilinear")
        return wide[0, 0]

    def mask(self) -> BoolArray:
        """Where the image's logits lie above 0."""
        above: BoolArray = (self.enlarged() > 0).numpy()
        return above

    def fed_back(self) -> FloatArray:
        """The logits as the next prompt takes them."""
        logits: FloatArray = self.logits.numpy().astype(np.float32)
        return logits


def iou(predicted: BoolArray, truth: BoolArray, ignore: BoolArray | None) -> float:
    """Shared pixels by all pixels of both, ignored ones left out."""
    kept = np.ones_like(truth) if ignore is None else ~ignore
    return float((predicted & truth & kept).sum() / max(1, ((predicted | truth) & kept).sum()))


def distances(region: BoolArray) -> npt.NDArray[np.int64]:
    """OpenCV's Euclidean distances to the outside, beyond the border too, as squares.

    Squares are whole. Of OpenCV's roots those of equal squares differ now and then in the last bit,
    by where the array lies in memory, and the sources' argmax with them.
    """
    found = np.zeros(region.shape, np.int64)
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    if len(rows):  # around the region's box nothing is near
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        padded = np.pad(region[box], 1).astype(np.uint8)
        roots = cv2.distanceTransform(padded, cv2.DIST_L2, 0)[1:-1, 1:-1]
        found[box] = np.rint(roots.astype(np.float64) ** 2)
    return found


def deepest_error(
    truth: BoolArray, predicted: BoolArray, ignore: BoolArray | None, taken: BoolArray | None
) -> Click:
    """RITM's clicker: the deepest pixel of the larger error; (0, 0), negative, where none is."""
    kept = np.ones_like(truth) if ignore is None else ~ignore
    miss, extra = distances(truth & ~predicted & kept), distances(predicted & ~truth & kept)
    if taken is not None:
        miss, extra = miss * ~taken, extra * ~taken
    positive = bool(miss.max() > extra.max())
    y, x = np.unravel_index(int((miss if positive else extra).argmax()), truth.shape)
    if taken is not None:
        taken[y, x] = True
    return float(x), float(y), int(positive)


def counted(sample: Sample, crowds: bool) -> Iterator[tuple[Target, BoolArray]]:
    """The targets with their dense masks; empty ones can't be asked for."""
    for target in sample.targets:
        if target.mask.area and (crowds or not target.crowd):
            yield target, target.mask.dense()


def ritm_clicks(
    seen: Seen,
    steps: int,
    *,
    crowds: bool = False,
    several: Callable[[int], bool],
    feedback: bool = True,
    repeat: bool = False,
    probability: float | None = None,
    stop: bool = False,
    first: str = "deepest",
    later: str = "deepest",
    least_area: float = 0.0,
) -> Found:
    """The loop of RITM and its relatives: a click, a mask, its IoU, ``steps`` times.

    ``several(n)`` says whether n clicks are answered by several candidates. ``first`` and ``later``
    are ``deepest``, or ``random`` with the bench's own numbers, of the target or of the error;
    ``later`` may be ``target``. With ``stop`` nothing is clicked where nothing is wrong.
    """
    found: Found = {}
    sample = seen.sample
    for target, truth in counted(sample, crowds):
        if target.file_area is not None and target.file_area < least_area:
            continue
        taken = None if repeat else np.zeros_like(truth)
        mask, clicks, logits, ious = np.zeros_like(truth), list[Click](), None, list[float]()
        for step in range(1, steps + 1):
            rng = mask_rng(0, sample.image_id, target.mask_id, step)
            rule = first if step == 1 else later
            kept = np.ones_like(truth) if sample.ignore is None else ~sample.ignore
            wrong = (mask ^ truth) & kept
            fresh = wrong if taken is None else wrong & ~taken
            if stop and not fresh.any():
                ious.append(ious[-1])
                continue
            if rule == "deepest":
                click = deepest_error(truth, mask, sample.ignore, taken)
            else:
                ys, xs = np.nonzero(truth if rule == "target" or step == 1 else wrong)
                at = int(rng.integers(len(xs)))
                click = (float(xs[at]), float(ys[at]), int(truth[ys[at], xs[at]]))
            clicks.append(click)
            answer = seen.ask(clicks, None, logits if feedback else None, several(len(clicks)))
            if probability is None:
                mask = answer.mask()
            else:
                mask = torch.sigmoid(answer.enlarged()).numpy() > np.float32(probability)
            logits = answer.fed_back()
            ious.append(iou(mask, truth, sample.ignore))
        found[sample.image_id, target.mask_id] = ious
    return found


def center_point(seen: Seen) -> Found:
    """segment-anything-fast: the rounded centre of mass, else the roomiest pixel."""
    found: Found = {}
    for target, truth in counted(seen.sample, crowds=True):
        rows, columns = np.nonzero(truth)
        y, x = round(float(rows.mean())), round(float(columns.mean()))
        if not truth[y, x]:
            y, x = _roomiest(truth)
        mask = seen.ask([(x, y, 1)], several=True).mask()
        found[seen.sample.image_id, target.mask_id] = [iou(mask, truth, None)]
    return found


def _roomiest(truth: BoolArray) -> tuple[int, int]:
    most, place = -1, (0, 0)
    for row, column in np.argwhere(truth).tolist():
        reaches = []
        for dy, dx in ((-1, 0), (0, 1), (1, 0), (0, -1)):
            steps, y, x = 0, row + dy, column + dx
            while 0 <= y < truth.shape[0] and 0 <= x < truth.shape[1] and truth[y, x]:
                steps, y, x = steps + 1, y + dy, x + dx
            reaches.append(steps)
        if min(reaches) > most:
            most, place = min(reaches), (row, column)
        if most >= 20:
            break
    return place


def file_box(target: Target) -> FloatArray:
    """x, y, x + width, y + height of the annotation file."""
    assert target.file_box is not None
    return np.array(target.file_box, np.float32)


def efficientvit_box(seen: Seen) -> Found:
    """EfficientViT-SAM's ``run_box``: the file's box, three candidates."""
    found: Found = {}
    for target, truth in counted(seen.sample, crowds=True):
        if target.file_area is not None and target.file_area < 1:
            continue
        mask = seen.ask([], file_box(target), several=True).mask()
        found[seen.sample.image_id, target.mask_id] = [iou(mask, truth, None)]
    return found


@dataclass
class EdgeSam:
    """EdgeSAM's ``eval_mIoU.py`` with one mask, ``steps`` rounds, from a box or the mask's centre.

    Its frame has 1024 pixels on the long side, its masks 256 × 256. A click that it leaves out is a
    token of zeros with ``zero_token``, which is its own; its truth is brought to the frame and back
    with ``frame_truth``.
    """

    seen: Seen
    steps: int
    box: bool
    zero_token: bool = False
    frame_truth: bool = False
    found: Found = field(default_factory=dict)

    def __call__(self) -> Found:
        """The IoUs of every target."""
        sample = self.seen.sample
        height, width = sample.shape
        scale = 1024 / max(height, width)
        h, w = int(height * scale + 0.5), int(width * scale + 0.5)
        for target, truth in counted(sample, crowds=False):
            small = torch.from_numpy(truth).float()[None, None]
            framed = F.pad(F.interpolate(small, (h, w), mode="nearest"), (0, 1024 - w, 0, 1024 - h))
            back = F.interpolate(framed[..., :h, :w], (height, width), mode="bilinear")
            aim = (back > 0)[0, 0].numpy() if self.frame_truth else truth
            coarse = (F.interpolate(framed, (256, 256), mode="bilinear") > 0)[0, 0].numpy()
            inside = np.zeros((1024, 1024), bool)
            inside[:h, :w] = True
            valid = F.interpolate(
                torch.from_numpy(inside).float()[None, None], (256, 256), mode="bilinear"
            )
            shown = (valid > 0)[0, 0].numpy()
            box = file_box(target) if self.box else None
            clicks: list[Click] = []
            if not self.box:
                x, y = kornia_center(framed[0, 0].numpy() > 0.5)
                clicks.append((x * width / w, y * height / h, 1))
            answer = self.ask(clicks, box, 0)
            ious, left_out = [iou(answer.mask(), aim, None)], 0
            for step in range(2, self.steps + 1):
                logits = answer.logits[None, None]
                if logits.shape[-1] != 256:
                    logits = F.interpolate(logits, (256, 256), mode="bilinear")
                wrong = ((logits > 0)[0, 0].numpy() ^ coarse) & shown
                if wrong.sum() < 10:
                    left_out += 1
                else:
                    rng = mask_rng(0, sample.image_id, target.mask_id, step)
                    ys, xs = np.nonzero(wrong)
                    at = int(rng.integers(len(xs)))
                    place = 4 * xs[at] * width / w, 4 * ys[at] * height / h
                    clicks.append((*place, int(coarse[ys[at], xs[at]])))
                answer = self.ask(clicks, box, left_out)
                ious.append(iou(answer.mask(), aim, None))
            self.found[sample.image_id, target.mask_id] = ious
        return self.found

    def ask(self, clicks: list[Click], box: FloatArray | None, left_out: int) -> Answer:
        """The single mask; a token of zeros for every click that was left out."""
        if not left_out or not self.zero_token:
            return self.seen.ask(clicks, box)
        return with_zero_tokens(self.seen, clicks, box, left_out)


def with_zero_tokens(seen: Seen, clicks: list[Click], box: FloatArray | None, count: int) -> Answer:
    """What a Sam answers where tokens of zeros stand among those of its prompt."""
    encoder = seen.model._sam.prompt_encoder
    plain = encoder.forward

    def padded(**given: Any) -> Any:
        sparse, dense = plain(**given)
        zeros = torch.zeros(sparse.shape[0], count, sparse.shape[2])
        return torch.cat([sparse, zeros], dim=1), dense

    encoder.forward = padded
    try:
        return seen.ask(clicks, box)
    finally:
        encoder.forward = plain


def kornia_center(region: BoolArray) -> tuple[int, int]:
    """The maximum of a distance that grows by squares, as EdgeSAM's ``get_centroid_from_mask``.

    Each round all pixels beside what is done get the round's offset and the soft minimum of their
    distances to it, -0.35 log of the sum of exp(-d / 0.35); the first maximum in row order counts.
    """
    ys, xs = np.nonzero(region)
    top, left = int(ys.min()), int(xs.min())
    cut = np.pad(region[top : ys.max() + 1, left : xs.max() + 1], 1)
    done = (~cut).astype(np.float32)
    away = np.exp(np.hypot(*np.mgrid[-1:2, -1:2]) / -0.35).astype(np.float32)
    value = np.zeros_like(done)
    number = 0
    while not done.all():
        near = cv2.filter2D(done, cv2.CV_32F, away, borderType=cv2.BORDER_REPLICATE)
        reached = (near > 0) & (done == 0)
        value[reached] = 3 * number // 2 - np.float32(0.35) * np.log(near[reached])
        done[reached] = 1
        number += 1
    y, x = np.unravel_index(int(value.argmax()), value.shape)
    return left + int(x) - 1, top + int(y) - 1


def squashed(image: ImageArray, antialias: bool) -> ImageArray:
    """The picture as 1024 × 1024, whatever its sides are to each other."""
    if antialias:
        return np.asarray(Image.fromarray(image).resize((1024, 1024), Image.Resampling.BILINEAR))
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    wide = F.interpolate(pixels, (1024, 1024), mode="bilinear")[0].permute(1, 2, 0)
    return wide.numpy().astype(np.uint8)


def square_truth(truth: BoolArray, antialias: bool) -> BoolArray:
    """A mask as 1024 × 1024."""
    if antialias:
        pixels = Image.fromarray(truth.astype(np.uint8) * 255)
        return np.asarray(pixels.resize((1024, 1024), Image.Resampling.BILINEAR)) > 127
    wide = F.interpolate(torch.from_numpy(truth).float()[None, None] * 255, (1024, 1024),
                         mode="bilinear")  # fmt: skip
    above: BoolArray = (wide > 128)[0, 0].numpy()
    return above


def hq_box(model: Any, sample: Sample) -> Found:
    """HQ-SAM's ``evaluate``: the picture squashed, the box of that frame, logits in one step."""
    square = squashed(sample.image, antialias=False)
    whole = Seen(model, Sample(sample.image_id, square, []), model.embed([square])[0])
    found: Found = {}
    for target, truth in counted(sample, crowds=False):
        ys, xs = np.nonzero(square_truth(truth, antialias=False))
        box = np.array([xs.min(), ys.min(), xs.max(), ys.max()], np.float32)
        logits = whole.ask([], box).logits
        wide = F.interpolate(logits[None, None], truth.shape, mode="bilinear")
        mask = (wide > 0)[0, 0].numpy()
        found[sample.image_id, target.mask_id] = [iou(mask, truth, None)]
    return found


def tight_box(seen: Seen) -> Found:
    """One mask for the mask's own box."""
    found: Found = {}
    for target, truth in counted(seen.sample, crowds=False):
        ys, xs = np.nonzero(truth)
        box = np.array([xs.min(), ys.min(), xs.max(), ys.max()], np.float32)
        mask = seen.ask([], box).mask()
        found[seen.sample.image_id, target.mask_id] = [iou(mask, truth, seen.sample.ignore)]
    return found


def sam2_clicks(seen: Seen, steps: int) -> Found:
    """SAM 2's correction loop: clicks of the squashed 1024 × 1024 frame, none left out."""
    found: Found = {}
    sample = seen.sample
    height, width = sample.shape
    for target, truth in counted(sample, crowds=False):
        square, clicks, logits = square_truth(truth, antialias=True), list[Click](), None
        predicted, ious = np.zeros_like(square), list[float]()
        for step in range(steps):
            x, y, label = deepest_error(square, predicted, None, None)
            clicks.append((x * width / 1024, y * height / 1024, label))
            answer = seen.ask(clicks, None, logits, several=step == 0)
            wide = F.interpolate(answer.enlarged()[None, None], (1024, 1024), mode="bilinear")
            predicted, logits = (wide > 0)[0, 0].numpy(), answer.fed_back()
            ious.append(iou(answer.mask(), truth, None))
        found[sample.image_id, target.mask_id] = ious
    return found


def sam2_squashed(model: Any, sample: Sample, steps: int) -> Found:
    """The same with the picture squashed too, masks brought to it in one step."""
    square = squashed(sample.image, antialias=True)
    whole = Seen(model, Sample(sample.image_id, square, []), model.embed([square])[0])
    found: Found = {}
    for target, truth in counted(sample, crowds=False):
        goal, clicks, logits = square_truth(truth, antialias=True), list[Click](), None
        predicted, ious = np.zeros_like(goal), list[float]()
        for step in range(steps):
            clicks.append(deepest_error(goal, predicted, None, None))
            answer = whole.ask(clicks, None, logits, several=step == 0)
            predicted, logits = answer.mask(), answer.fed_back()
            wide = F.interpolate(answer.logits[None, None], truth.shape, mode="bilinear")
            ious.append(iou((wide > 0)[0, 0].numpy(), truth, None))
        found[sample.image_id, target.mask_id] = ious
    return found


def one(n: int) -> bool:
    """Several candidates for exactly one click."""
    return n == 1


def each(n: int) -> bool:
    """Several candidates for any clicks."""
    return True


def edge(box: bool, **lines: bool) -> Callable[[Seen, int], Found]:
    """EdgeSAM's rounds, with the lines that are switched on."""
    return lambda seen, steps: EdgeSam(seen, steps, box, **lines)()


CLICKS: Mapping[str, Callable[[Seen, int], Found]] = {
    "sam": lambda s, n: ritm_clicks(s, n, several=one, stop=True),
    "sam_random_first": lambda s, n: ritm_clicks(s, n, several=one, stop=True, first="random"),
    "fairness": lambda s, n: ritm_clicks(
        s, n, several=one, stop=True, repeat=True, first="random", later="random"
    ),
    "ritm_noc": lambda s, n: ritm_clicks(s, n, several=one, probability=0.49),
    "segnext": lambda s, n: ritm_clicks(s, n, several=each),
    "efficientvit_sam": lambda s, n: ritm_clicks(
        s, n, crowds=True, several=each, feedback=False, least_area=1.0
    ),
    "efficient_sam": lambda s, n: ritm_clicks(
        s, n, several=each, feedback=False, first="random", later="target"
    ),
    "segment_anything_fast": lambda s, n: center_point(s),
    "sam2": sam2_clicks,
    "edge_sam": edge(box=False),
}
"""The IoUs after 1, 2, … clicks by each source's rule, but for what its protocol leaves."""

BOXES: Mapping[str, Callable[[Seen], Found]] = {
    "hq_sam": tight_box,
    "efficientvit_sam": efficientvit_box,
    "edge_sam": lambda s: edge(box=True)(s, 1),
}
"""The IoU of a box by each source's rule, but for what its protocol leaves."""


@dataclass(frozen=True, slots=True)
class Left:
    """A line of a source that its protocol leaves, as two loops: with the line, and without it."""

    protocol: str
    what: str
    taken: Callable[[Seen, int], Found]
    left: Callable[[Seen, int], Found]
    steps: tuple[int, ...]


LEFT: tuple[Left, ...] = (
    Left("hq_sam", "squashed picture, box", lambda s, n: hq_box(s.model, s.sample),
         lambda s, n: tight_box(s), (1,)),
    Left("sam2", "squashed picture, clicks", lambda s, n: sam2_squashed(s.model, s.sample, n),
         sam2_clicks, (1, 2, 3)),
    Left("edge_sam", "truth through the frame, clicks", edge(False, frame_truth=True),
         edge(False), (1, 2, 3)),
    Left("edge_sam", "truth through the frame, box", edge(True, frame_truth=True),
         edge(True), (1, 2, 3)),
    Left("edge_sam", "tokens of zeros, clicks", edge(False, zero_token=True), edge(False), (2, 3)),
    Left("edge_sam", "tokens of zeros, box", edge(True, zero_token=True), edge(True), (2, 3)),
)  # fmt: skip
