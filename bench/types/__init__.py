"""The values that flow through the bench, and the contracts of its parts.

One convention holds everywhere, and only model adapters translate it:

* a **point** is (x, y), the index of a pixel: (0, 0) is the top-left pixel, x grows to the right;
* a **box** is (x0, y0, x1, y1), pixel indices with both corners included;
* a **mask** is (H, W) bool; an **image** is (H, W, 3) uint8 RGB.

``Sample → Prompt → Prediction → Row``: readers make samples, prompt strategies make prompts,
models make predictions, scoring makes rows. Nothing flows back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from bench.types.mask import BoolArray as BoolArray
from bench.types.mask import Mask as Mask

if TYPE_CHECKING:
    import torch

FloatArray: TypeAlias = npt.NDArray[np.float32]
ImageArray: TypeAlias = npt.NDArray[np.uint8]
MAX_PIXELS = 89_478_485  # of a picture, unless told otherwise: Pillow's own first limit


class BenchError(Exception):
    """A user's mistake or a broken input: shown as one clear line, exit code 2."""


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
    """

    mask_id: str
    mask: Mask
    category: str | None = None
    crowd: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and the targets in it.

    ``image`` is (H, W, 3) uint8 RGB. ``ignore``, (H, W) bool, marks pixels that count in no
    score and take no click. Raises ``ValueError`` where a size differs from the image's.
    """

    image_id: str
    image: ImageArray
    targets: Sequence[Target]
    ignore: BoolArray | None = None

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(
                f"image {self.image_id} must be (H, W, 3) uint8, "
                f"found {self.image.shape} {self.image.dtype}"
            )
        for target in self.targets:
            if target.mask.shape != self.shape:
                raise ValueError(
                    f"image {self.image_id} is {self.shape[0]}×{self.shape[1]} (H×W), its mask "
                    f"{target.mask_id} is {target.mask.height}×{target.mask.width}"
                )
        if self.ignore is not None and self.ignore.shape != self.shape:
            raise ValueError(f"image {self.image_id}: the ignore region has another size")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked with, for one target.

    ``points`` is (P, 2) float32, (x, y) pixel indices; ``labels`` (P,) int64, 1 for foreground
    and 0 for background; ``box`` (4,) float32 or none; ``mask_logits`` the (h, w) float32 logits
    of an earlier prediction on the model's own grid, or none.
    """

    points: FloatArray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    labels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    box: FloatArray | None = None
    mask_logits: FloatArray | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"points must be (P, 2), found {self.points.shape}")
        if self.labels.shape != self.points.shape[:1]:
            raise ValueError(f"{len(self.points)} points need as many labels: {self.labels.shape}")
        if self.box is not None and self.box.shape != (4,):
            raise ValueError(f"a box is (x0, y0, x1, y1), found {self.box.shape}")

    @property
    def n_points(self) -> int:
        """The number of clicks."""
        return len(self.points)

    @property
    def kinds(self) -> frozenset[str]:
        """Which of ``points``, ``box``, ``mask_logits`` and ``text`` it holds."""
        present = {
            "points": self.n_points > 0,
            "box": self.box is not None,
            "mask_logits": self.mask_logits is not None,
            "text": self.text is not None,
        }
        return frozenset(kind for kind, there in present.items() if there)


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

    ``logits`` is (N, K, h, w) float on the model's device, foreground above 0;
    ``predicted_iou`` (N, K), the model's own estimate, on the same device; ``frames`` tells for
    each prompt how its grid lies on its image.
    """

    logits: torch.Tensor
    predicted_iou: torch.Tensor
    frames: Sequence[Frame]

    def __post_init__(self) -> None:
        n, k = self.logits.shape[:2]
        if tuple(self.predicted_iou.shape) != (n, k) or len(self.frames) != n:
            raise ValueError(
                f"a prediction of {n} prompts × {k} masks has {len(self.frames)} frames and "
                f"predicted IoUs of shape {tuple(self.predicted_iou.shape)}"
            )


@dataclass(frozen=True, slots=True)
class Row:
    """The result for one target after one step; the columns are those of ``store.SCHEMA``.

    IoUs are in [0, 1]. ``iou`` belongs to the selected candidate, ``iou_oracle`` to the best one;
    ``ious`` and ``predicted_ious`` hold all K. ``mask_rle`` is the selected mask's COCO counts
    string for (height, width). What does not apply is none, never -1 or 0.
    """

    dataset: str
    image_id: str
    mask_id: str
    category: str | None
    attributes: Mapping[str, str]
    height: int
    width: int
    area: int
    model: str
    prompt: str
    protocol: str
    step: int
    n_points: int
    point_coords: Sequence[Sequence[float]]
    point_labels: Sequence[int]
    box: Sequence[float] | None
    iou: float
    iou_oracle: float
    ious: Sequence[float]
    predicted_ious: Sequence[float]
    selected: int
    multimask: bool
    boundary_iou: float | None
    mask_rle: str | None


class Reader(Protocol):
    """A dataset: ids first, pictures when asked for; ``bench.data.oddities`` adds to it."""

    def ids(self) -> Sequence[str]:
        """Every image's id: stable, sorted, unique, known before any picture is decoded."""

    def read(self, image_id: str) -> Sample:
        """The image and its targets, empty ones and crowds too: the protocol chooses.

        Raises ``BenchError`` that names the file if it can't.
        """

    def fingerprint(self, image_ids: Sequence[str] | None = None) -> str:
        """A short hash of what images and targets come from, so that changed data is noticed.

        Of the named images alone, in any order, or of all of them.
        """


class Segmenter(Protocol):
    """A promptable model. It keeps no current image: embeddings are values.

    ``prompt_kinds`` says which of ``points``, ``box``, ``mask_logits`` and ``text`` the class
    understands, before anything is loaded.
    """

    prompt_kinds: ClassVar[frozenset[str]]

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """The arguments as they enter the run key: files replaced by the hashes of their content.

        Finds, fetches and checks what the model needs, so that what is missing is known before
        anything is loaded. Raises ``BenchError``.
        """

    @property
    def facts(self) -> Mapping[str, str]:
        """What a run's header should say of the model: device, checkpoint hash, versions."""

    def embed(self, images: Sequence[ImageArray]) -> Sequence[Any]:
        """One opaque embedding per image: the slow part, once per image."""

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Answers prompt i on embedding i; one embedding may stand many times.

        All N prompts may differ in their number of points and come from several images. With
        ``multimask`` the model gives its several candidates, else one.
        """


class PromptStrategy(Protocol):
    """How a user would prompt: simulated from the target alone."""

    @property
    def steps(self) -> int:
        """The number of rounds, at least 1."""

    @property
    def report_steps(self) -> Mapping[int, str]:
        """The steps that tables show, from 1, and what they call them, such as ``3 points``."""

    @property
    def prompt_kinds(self) -> frozenset[str]:
        """The kinds of prompt that it asks a model to understand."""

    def next(
        self,
        target: Target,
        ignore: BoolArray | None,
        previous_mask: Mask | None,
        previous_prompt: Prompt | None,
        rng: np.random.Generator,
    ) -> Prompt | None:
        """The prompt of the next step; none where nothing is left to correct.

        The first step has no previous mask and prompt. A pure function of its arguments.
        """
