"""The values that flow from data to rows, but for prompts, which are in ``bench.types.cues``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from bench.types.mask import BoolArray, Mask

if TYPE_CHECKING:
    import torch

ImageArray: TypeAlias = npt.NDArray[np.uint8]
MAX_PIXELS = 89_478_485
"""Of a picture, unless told otherwise: Pillow's own first limit."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where and how a run happens. It may change the speed, never a number.

    ``device`` is a torch device; ``datasets`` and ``checkpoints`` are the folders that relative
    paths start from; ``image_batch`` and ``prompt_batch`` are the most images and prompts that a
    model may answer at once; ``download`` allows fetching; ``max_pixels`` limits pictures.
    """

    device: str = "cpu"
    datasets: Path = Path("datasets")
    checkpoints: Path = Path.home() / ".cache" / "sam-bench" / "checkpoints"
    image_batch: int = 1
    prompt_batch: int = 64
    download: bool = True
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Target:
    """One true mask to be found, with what is known of it.

    ``mask_id`` is unique in its dataset and never changes. ``crowd`` marks a region of several
    objects (COCO's iscrowd). ``attributes`` are free key → value pairs for grouped tables.

    ``file_box`` and ``file_area`` are what the annotation's file itself says, which need not be the
    mask's: (x0, y0, x1, y1) with the right and lower end **not** included, COCO's x, y, x + width,
    y + height, and pixels. None where the file says nothing of the kind. Only protocols that ask
    for the file's own use them.

    ``others`` are the masks that further annotators drew of the same thing, by their names, all of
    the image's (H, W); whose ``mask`` is, the attribute ``annotator`` tells.
    """

    mask_id: str
    mask: Mask
    category: str | None = None
    crowd: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    file_box: tuple[float, float, float, float] | None = None
    file_area: float | None = None
    others: Mapping[str, Mask] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and the targets in it.

    ``image`` is (H, W, 3) uint8 RGB. ``ignore``, (H, W) bool, marks pixels that count in no
    score and take no click. ``cluster`` is what the image belongs to with others that are like it,
    the video of a frame or the slide of a tile, unique in the dataset; none where it stands alone.
    Intervals take clusters for independent, never the images of one. Raises ``ValueError`` where a
    size differs from the image's.
    """

    image_id: str
    image: ImageArray
    targets: Sequence[Target]
    ignore: BoolArray | None = None
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(
                f"image {self.image_id} must be (H, W, 3) uint8, "
                f"found {self.image.shape} {self.image.dtype}"
            )
        for target in self.targets:
            for mask in (target.mask, *target.others.values()):
                if mask.shape != self.shape:
                    raise ValueError(
                        f"image {self.image_id} is {self.shape[0]}×{self.shape[1]} (H×W), its mask "
                        f"{target.mask_id} is {mask.height}×{mask.width}"
                    )
        if self.ignore is not None and self.ignore.shape != self.shape:
            raise ValueError(f"image {self.image_id}: the ignore region has another size")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True, slots=True)
class Frame:
    """How a grid of logits lies on its image; every size is (H, W).

    The logits are resized from their own grid to ``canvas``, the part that the image covers,
    ``content`` (top-left), is cut out, and resized to ``image``: both resizes bilinear, as
    ``Sam.postprocess_masks`` does. A model that answers at image resolution has all three equal.
    """

    canvas: tuple[int, int]
    content: tuple[int, int]
    image: tuple[int, int]

    @classmethod
    def identity(cls, image: tuple[int, int]) -> Frame:
        """The frame of logits that already lie on the image's own pixels."""
        return cls(image, image, image)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The candidate masks of a flat batch of N prompts.

    ``logits[i]`` is (K, h, w) finite float on the model's device, foreground above the threshold;
    ``predicted_iou[i]`` (K,), the model's own estimate, on the same device; ``frames[i]`` tells
    how that grid lies on its image. Where K and the grid are the same for all prompts both are
    tensors, (N, K, h, w) and (N, K); else lists: a text finds any number of masks, also none.
    """

    logits: torch.Tensor | Sequence[torch.Tensor]
    predicted_iou: torch.Tensor | Sequence[torch.Tensor]
    frames: Sequence[Frame]

    def __post_init__(self) -> None:
        sizes = [len(self.logits), len(self.predicted_iou), len(self.frames)]
        counts = [(len(g), len(p)) for g, p in zip(self.logits, self.predicted_iou, strict=False)]
        if len(set(sizes)) > 1 or any(masks != estimates for masks, estimates in counts):
            raise ValueError(
                f"a prediction has as many logits, estimates and frames as prompts, and an "
                f"estimate a mask, found {sizes} and {counts}"
            )

    def alike(self) -> Iterator[tuple[list[int], Candidates]]:
        """Prompts of one size of grid, by their numbers, with their masks; none of K = 0."""
        import torch

        if isinstance(self.logits, torch.Tensor) and isinstance(self.predicted_iou, torch.Tensor):
            if self.logits.shape[0] and self.logits.shape[1]:
                found = Candidates.of(self.logits, self.predicted_iou, self.frames)
                yield list(range(len(self.frames))), found
            return
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, grid in enumerate(self.logits):
            if len(grid):
                groups.setdefault(tuple(grid.shape[1:]), []).append(number)
        for numbers in groups.values():
            yield (
                numbers,
                Candidates(
                    torch.cat([self.logits[n] for n in numbers]),
                    torch.cat([self.predicted_iou[n] for n in numbers]),
                    [len(self.logits[n]) for n in numbers],
                    [self.frames[n] for n in numbers],
                ),
            )


@dataclass(frozen=True, slots=True)
class Candidates:
    """The masks of N prompts, at least one each, on grids of one size.

    ``logits`` is (M, h, w) and ``predicted_iou`` (M,): those of one prompt behind the other's,
    ``counts[i]`` of them and ``frames[i]`` being prompt i's.
    """

    logits: torch.Tensor
    predicted_iou: torch.Tensor
    counts: Sequence[int]
    frames: Sequence[Frame]

    @classmethod
    def of(
        cls, logits: torch.Tensor, predicted_iou: torch.Tensor, frames: Sequence[Frame]
    ) -> Candidates:
        """Those of (N, K, h, w) logits and (N, K) estimates."""
        n, k = predicted_iou.shape
        return cls(logits.flatten(0, 1), predicted_iou.flatten(), [k] * n, frames)

    def each(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, Frame]]:
        """Each prompt's (K, h, w) logits and (K,) estimates, and its frame."""
        start = 0
        for count, frame in zip(self.counts, self.frames, strict=True):
            end = start + count
            yield self.logits[start:end], self.predicted_iou[start:end], frame
            start = end
