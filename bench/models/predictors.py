"""Anything with ``set_image`` and ``predict`` as a Segmenter, as a script holds it.

Those are what segment_anything's ``SamPredictor`` and SAM 2's ``SAM2ImagePredictor`` have, and
whatever is written like them.
"""

from __future__ import annotations

import copy
import inspect
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.models.devices import device_facts, exact_arithmetic
from bench.models.loading import out_of_memory
from bench.models.state_hash import networks_of
from bench.types import BenchError, FloatArray, Frame, ImageArray, Prediction, Prompt, Site
from bench.types.errors import told

log = logging.getLogger(__name__)

_CARRIED = 2
"""Numbers in front of the mask input that an answer carries: its height and width."""


@dataclass(frozen=True, slots=True)
class Asks:
    """What a predictor's ``predict`` takes, known from its signature."""

    kinds: frozenset[str]
    multimask: bool
    logits: bool

    @classmethod
    def of(cls, predictor: Any, name: str) -> Asks:
        """Raises ``BenchError`` where it takes neither points nor a box, or can't be told."""
        try:
            parameters = inspect.signature(predictor.predict).parameters.values()
        except (TypeError, ValueError):
            raise BenchError(f"{name}: what its predict takes can't be told; wrap it") from None
        takes = {each.name for each in parameters}
        anything = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)

        def has(*names: str) -> bool:
            return anything or takes.issuperset(names)

        kinds = {
            "points": has("point_coords", "point_labels"),
            "box": has("box"),
            "mask_logits": has("mask_input"),
        }
        if not kinds["points"] and not kinds["box"]:
            raise BenchError(
                f"{name}: its predict takes {', '.join(sorted(takes)) or 'nothing'}, expected "
                "point_coords and point_labels, or box"
            )
        understood = frozenset(kind for kind, there in kinds.items() if there)
        return cls(understood, has("multimask_output"), has("return_logits"))


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture, and a copy of the predictor that has it set, where one may be made."""

    image: ImageArray
    predictor: Any


class Predictor:
    """Answers prompts one by one by ``predictor.predict``, in the words of SAM's own predictor.

    Points are (x, y), labels 1 and 0, a box (x0, y0, x1, y1), all on the image's pixels; the mask
    input is the third value of the answer that it follows, (1, h, w). ``predict`` gives K masks
    (K, H, W) of the image, K estimates of their IoU, and, where it takes a mask input, their own
    (K, h, w). Masks are logits where it takes ``return_logits``, above its ``mask_threshold`` or
    its model's, else True and False or 1 and 0. Where it takes no ``multimask_output`` the mask of
    the highest estimate stands for one that is asked for.

    The predictor itself is left as it is: each picture is set on a copy of all but its networks.
    Where copies turn out to know of each other's pictures, or can't be made, there is none, and
    pictures are set anew in turn, which is slower. No gradients are kept.

    An answer lies on the image's own pixels. Its mask input stands in rows below them, which the
    frame cuts off: so each prompt says all that its answer depends on.

    Raises ``BenchError`` for answers of other shapes, and where the predictor fails.
    """

    def __init__(self, predictor: Any, name: str, asks: Asks, site: Site) -> None:
        exact_arithmetic()
        self._predictor, self._name, self._asks = predictor, name, asks
        self._device = torch.device(site.device)
        self._threshold = _threshold(predictor)
        self._lock = threading.Lock()
        self._current: Shown | None = None
        self._apart = self._keep_apart()
        if not self._apart:
            log.warning(
                "%s: copies of it can't be asked apart: pictures are set anew in turn (slower)",
                name,
            )

    @property
    def facts(self) -> Mapping[str, str]:
        """Where its weights are, versions, and their number."""
        parameters = [p for net in networks_of(self._predictor).values() for p in net.parameters()]
        return {
            **device_facts(parameters[0].device if parameters else self._device),
            "tf32": "off",
            "torch": str(torch.__version__),
            "parameters": str(sum(p.numel() for p in parameters)),
        }

    @torch.no_grad()
    def embed(self, images: Sequence[ImageArray]) -> list[Shown]:
        """The images, each set on a copy of the predictor."""
        return [self._shown(image) if self._apart else Shown(image, None) for image in images]

    @torch.no_grad()
    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Logits (K, H and what is below, W) and estimates (K,) a prompt, on the site's device."""
        logits, estimates, frames = [], [], []
        for shown, prompt in zip(embeddings, prompts, strict=True):
            grid, scores = self._answer(shown, prompt, multimask)
            height, width = shown.image.shape[:2]
            logits.append(grid.to(self._device))
            estimates.append(scores.to(self._device))
            canvas = (int(grid.shape[1]), int(grid.shape[2]))
            frames.append(Frame(canvas, (height, width), (height, width)))
        return Prediction(logits, estimates, frames)

    def _answer(self, shown: Shown, prompt: Prompt, multimask: bool) -> tuple[Tensor, Tensor]:
        said = self._words(shown, prompt, multimask)
        if shown.predictor is not None:
            with self._told("predict"):
                found = shown.predictor.predict(**said)
        else:
            with self._lock, self._told("set_image or predict"):
                if self._current is not shown:
                    self._current = None
                    self._predictor.set_image(shown.image)
                    self._current = shown
                found = self._predictor.predict(**said)
        return self._taken(found, shown, multimask)

    def _words(self, shown: Shown, prompt: Prompt, multimask: bool) -> dict[str, Any]:
        """The prompt as ``predict`` takes it."""
        if beyond := prompt.kinds - self._asks.kinds:
            raise BenchError(f"{self._name}: its predict takes no {' or '.join(sorted(beyond))}")
        said: dict[str, Any] = {}
        if prompt.n_points:
            said["point_coords"], said["point_labels"] = prompt.points, prompt.labels
        if prompt.box is not None:
            said["box"] = prompt.box
        if prompt.mask_logits is not None:
            said["mask_input"] = _carried(prompt.mask_logits, shown.image.shape[0])
        if self._asks.multimask:
            said["multimask_output"] = multimask
        if self._asks.logits:
            said["return_logits"] = True
        return said

    def _taken(self, found: object, shown: Shown, multimask: bool) -> tuple[Tensor, Tensor]:
        """The answer as logits (K, H and below, W) and estimates (K,), float32."""
        wanted = 3 if "mask_logits" in self._asks.kinds else 2
        if not isinstance(found, tuple | list) or len(found) < wanted:
            size = f" of {len(found)}" if isinstance(found, tuple | list) else ""
            raise BenchError(
                f"{self._name}: its predict gives a {type(found).__name__}{size}, expected masks, "
                f"scores{' and the masks to feed back' if wanted == 3 else ''}"
            )
        masks, scores = self._tensor(found[0], "masks"), self._tensor(found[1], "scores")
        height, width = shown.image.shape[:2]
        if masks.ndim != 3 or not len(masks) or tuple(masks.shape[1:]) != (height, width):
            raise BenchError(
                f"{self._name}: its predict gives masks {tuple(masks.shape)}, expected "
                f"(K, {height}, {width}), as its image is"
            )
        if tuple(scores.shape) != (len(masks),):
            raise BenchError(
                f"{self._name}: its predict gives scores {tuple(scores.shape)} for {len(masks)} "
                "masks, expected one each"
            )
        grid = self._logits(masks)
        if wanted == 3:
            fed = self._tensor(found[2], "third value")
            if fed.ndim != 3 or len(fed) != len(masks):
                raise BenchError(
                    f"{self._name}: its predict gives a third value {tuple(fed.shape)}, expected "
                    f"({len(masks)}, h, w), what mask_input takes of each mask"
                )
            grid = _carrying(grid, fed.float())
        scores = scores.float()
        if not multimask and len(masks) > 1:
            if self._asks.multimask:
                raise BenchError(
                    f"{self._name}: its predict gives {len(masks)} masks with "
                    "multimask_output=False, expected one"
                )
            best = int(scores.argmax())
            grid, scores = grid[best : best + 1], scores[best : best + 1]
        return grid, scores

    def _logits(self, masks: Tensor) -> Tensor:
        """(K, H, W) float32, above 0 what is in a mask."""
        if self._asks.logits and masks.is_floating_point():
            return masks.float() - self._threshold if self._threshold else masks.float()
        if masks.dtype != torch.bool and not bool(((masks == 0) | (masks == 1)).all()):
            raise BenchError(
                f"{self._name}: its predict gives masks of {masks.dtype} that are not 0 and 1, "
                "expected bool, or logits where it takes return_logits"
            )
        return masks.float() * 2 - 1

    def _tensor(self, value: object, what: str) -> Tensor:
        try:
            return torch.as_tensor(value).detach()
        except (TypeError, ValueError, RuntimeError):
            raise BenchError(
                f"{self._name}: its predict gives {what} that are a {type(value).__name__}, "
                "expected an array"
            ) from None

    def _shown(self, image: ImageArray) -> Shown:
        with self._told("set_image"):
            predictor = _copied(self._predictor)
            predictor.set_image(image)
        return Shown(image, predictor)

    @torch.no_grad()
    def _keep_apart(self) -> bool:
        """Whether a copy answers alike before and after another has another picture set."""
        rng = np.random.default_rng(0)
        pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in _TRIED]
        prompt = Prompt(points=np.full((1, 2), 20, np.float32), labels=np.ones(1, np.int64))
        if "points" not in self._asks.kinds:
            prompt = Prompt(box=np.array([10, 10, 30, 30], np.float32))
        try:
            first = self._shown(pictures[0])
            before = self._answer(first, prompt, False)
            self._shown(pictures[1])
            after = self._answer(first, prompt, False)
        except BenchError as error:
            log.info("%s: no copy of it is asked: %s", self._name, error)
            return False
        return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Says in one line what fails in the predictor, but where memory has run out."""
        try:
            yield
        except BenchError:
            raise
        except Exception as error:
            if out_of_memory(error) is not None:
                raise
            raise BenchError(f"{self._name}: its {what} fails: {told(error)}") from error


_TRIED = ((48, 64), (64, 40))
"""Sizes (H, W) of the pictures that copies are tried on."""


def _copied(predictor: Any) -> Any:
    """A copy with a state of its own, whose networks are the same ones."""
    memo = {
        id(each): each
        for network in networks_of(predictor).values()
        for each in (network, *network.parameters(), *network.buffers())
    }
    return copy.deepcopy(predictor, memo)


def _threshold(predictor: Any) -> float:
    """Above which logits are in a mask: ``mask_threshold``, its own or its model's, or 0."""
    for owner in (predictor, getattr(predictor, "model", None)):
        said = getattr(owner, "mask_threshold", None)
        if isinstance(said, int | float):
            return float(said)
    return 0.0


def _carrying(logits: Tensor, fed: Tensor) -> Tensor:
    """Logits (K, H, W) with each mask's (h, w) in rows below."""
    k, _, width = logits.shape
    _, h, w = fed.shape
    rows = -(-(h * w + _CARRIED) // width)
    below = logits.new_zeros(k, rows * width)
    below[:, :_CARRIED] = logits.new_tensor([h, w])
    below[:, _CARRIED : _CARRIED + h * w] = fed.reshape(k, -1)
    return torch.cat([logits, below.reshape(k, rows, width)], dim=1)


def _carried(logits: FloatArray, height: int) -> FloatArray:
    """The (1, h, w) below the logits of an image of that height."""
    below = np.asarray(logits[height:], dtype=np.float32).reshape(-1)
    h, w = (int(side) for side in below[:_CARRIED])
    return below[_CARRIED : _CARRIED + h * w].reshape(1, h, w)
