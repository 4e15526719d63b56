"""Networks learnt for clicks (RITM, SimpleClick, SegNext), exported as one graph.

They see the image, maps of the clicks and their own last answer, and give one mask. The graph is
the network from normalised pixels and maps to logits; what its authors do around it is here: resize
or window, disks, the mirror image, and the way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.models.checkpoints import find_own
from bench.models.devices import device_facts, exact_arithmetic, usable_device
from bench.models.exported import files_sha256, onnx_version
from bench.models.graphs import named, open_graph
from bench.models.structure import check_prompt
from bench.models.zooming import Places, Window, Zoom, disks, resized
from bench.types import (
    BenchError,
    Frame,
    ImageArray,
    Prediction,
    Prompt,
    Site,
    UnfitImageError,
)

_NEVER, _ALWAYS = -110.0, 30.0
"""Logits of the probabilities 0 and 1: their sigmoid is exactly that in float32."""

_CARRIED = 5
"""Numbers below an answer: whether there is a window, and its four sides."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the graph calls its inputs and its output."""

    image: str = "image"
    clicks: str = "clicks"
    logits: str = "logits"

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Names:
        """Those of a YAML; raises ``BenchError``."""
        return named(cls, said)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image (1, 3, H, W) float32 in [0, 1], on the model's device."""

    pixels: Tensor

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.pixels.shape[2:]
        return int(height), int(width)


@dataclass(frozen=True, slots=True)
class _Past:
    """What a prompt tells of the last answer: probabilities (H, W), none before, and its window."""

    probabilities: Tensor | None
    window: Window | None


class ClickNetwork:
    """A network in a file of ONNX, torch.export (``.pt2``) or TorchScript, asked click by click.

    ``network`` is absolute, or relative to the working folder or to ``site.checkpoints``. It takes
    ``image`` (B, 3, h, w), less ``mean`` and by ``std``, both of colours in [0, 1], and ``clicks``
    (B, 3, h, w): the probabilities of its last answer, zeros before the first, then ones on disks
    of ``radius`` around the positive clicks, then around the negative. It gives ``logits``
    (B, 1, …), which are resized to (h, w). ``names`` are those of ``Names``. B is 2 with
    ``mirror``: the answers for the picture and for its mirror image are averaged as logits.

    With ``zoom_from`` the network is shown a window around the object from that click on, resized
    to ``size`` by ``Zoom`` (RITM, SimpleClick). Without, it is shown the whole image: as it is, or
    where ``size`` is given squashed to that square, with clicks on whole pixels of it (SegNext).
    Windows are resized with their corners in place (torch's ``align_corners``), squashed images
    without.

    An answer lies on the image's own pixels. Where there is a window its sides stand in a row below
    them, which the frame cuts off: so each prompt says all that its answer depends on.

    Raises ``BenchError`` where the file is missing or takes or gives something else.
    """

    prompt_kinds = frozenset({"points", "mask_logits"})

    def __init__(
        self,
        network: str | None,
        size: int | None,
        square: bool,
        zoom_from: int | None,
        mirror: bool,
        radius: float,
        mean: Sequence[float],
        std: Sequence[float],
        names: Mapping[str, Any],
        *,
        site: Site,
    ) -> None:
        self._device = usable_device(site.device)
        exact_arithmetic()
        if zoom_from is not None and size is None:
            raise BenchError("model.args.zoom_from wants a model.args.size, that of the window")
        self._zoom = None if zoom_from is None or size is None else Zoom(size, square, zoom_from)
        self._squashed = (size, size) if zoom_from is None and size is not None else None
        self._fixed = size if size is not None and square and zoom_from in (None, 1) else None
        self._mirror, self._radius = mirror, radius
        if len(mean) != 3 or len(std) != 3 or not all(std):
            raise BenchError(
                "model.args.mean and model.args.std have a value for each of three colours, a std "
                f"is not 0; found {list(mean)} and {list(std)}"
            )
        self._mean, self._std = (
            torch.tensor(each, dtype=torch.float32, device=self._device)[:, None, None]
            for each in (mean, std)
        )
        self._names = Names.of(names)
        path = _file(network, site)
        self._graph, self._sha256 = open_graph(path, self._device), files_sha256([path])
        self._check()

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """Every argument, with the file's hash in the place of its name."""
        Names.of(args["names"])
        return {**args, "network": files_sha256([_file(args["network"], site)])}

    @classmethod
    def check_files(cls, args: Mapping[str, Any], site: Site) -> None:
        """Whether the graph takes and gives what the arguments say; see ``ChecksFiles``."""
        cls(**args, site=site)

    @property
    def facts(self) -> Mapping[str, str]:
        """Device, versions, and the file with its hash."""
        return {
            **device_facts(self._device),
            "tf32": "off",
            "torch": str(torch.__version__),
            "checkpoint_sha256": self._sha256,
            "network": self._graph.file.name,
            **onnx_version(self._graph),
        }

    @torch.inference_mode()
    def embed(self, images: Sequence[ImageArray]) -> list[Picture]:
        """The (H, W, 3) uint8 RGB images as the network wants them: it has no slow part apart."""
        pixels = (torch.from_numpy(np.ascontiguousarray(image)) for image in images)
        return [
            Picture(each.permute(2, 0, 1)[None].to(self._device).float() / 255) for each in pixels
        ]

    @torch.inference_mode()
    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """One mask a prompt, (1, H and what is below, W), and 0.5 for its predicted IoU.

        Raises ``BenchError`` for a prompt without clicks and for logits of another size.
        """
        logits, frames = [], []
        for picture, prompt in zip(embeddings, prompts, strict=True):
            height, width = picture.size
            grid = (height + self._below(width), width)
            check_prompt(prompt, self.prompt_kinds, grid, "a network for clicks")
            if not prompt.n_points:
                raise BenchError("a network for clicks needs a point; found mask logits alone")
            logits.append(self._answer(picture, prompt)[None])
            frames.append(Frame(canvas=grid, content=picture.size, image=picture.size))
        estimates = [torch.full((1,), 0.5, device=self._device) for _ in logits]
        return Prediction(logits, estimates, frames)

    def _answer(self, picture: Picture, prompt: Prompt) -> Tensor:
        """Logits (H and what is below, W)."""
        clicks = prompt.points[:, ::-1].astype(np.float64)  # (row, column)
        past = self._past(picture, prompt)
        shown = kept = None
        if self._zoom is not None:
            seen = None if past.probabilities is None else past.probabilities.cpu().numpy()
            shown, kept = self._zoom.window(picture.size, seen, clicks, prompt.labels, past.window)
        pixels = picture.pixels
        before = pixels.new_zeros(1, 1, *picture.size)
        if past.probabilities is not None:
            before = past.probabilities[None, None]
        maps = torch.cat([pixels, before], dim=1)
        size = picture.size
        if self._squashed is not None:
            size = self._squashed
            scale = np.array(size) / picture.size
            clicks = np.floor(clicks * scale + 0.5)
        elif self._zoom is not None and shown is not None:
            size, maps = self._zoom.scaled(shown), shown.cut(maps)
            clicks = np.array(size) * (clicks - [shown.top, shown.left]) / shown.size
        if 0 in size:
            raise UnfitImageError(
                f"a picture of {picture.size[0]}×{picture.size[1]} (H×W) is too narrow for this "
                "model: of a window on it no pixel is left"
            )
        if size != tuple(maps.shape[2:]):
            maps = resized(maps, size, corners=self._squashed is None)
        found = self._asked(maps, clicks, prompt.labels)
        if self._squashed is not None:
            found = resized(found, picture.size, corners=False)
        if self._zoom is None:
            return found[0, 0]
        if kept is None:
            return self._carrying(found[0, 0], None)
        inside = resized(found.sigmoid(), kept.size, corners=True)
        whole = torch.zeros_like(before)
        kept.cut(whole)[:] = inside
        return self._carrying(_logits(whole[0, 0]), kept)

    def _asked(self, maps: Tensor, clicks: Places, labels: Any) -> Tensor:
        """The network's logits (1, 1, h, w) for pixels and last answer (1, 4, h, w)."""
        height, width = (int(side) for side in maps.shape[2:])
        views, places = [maps], [clicks]
        if self._mirror:
            views.append(maps.flip(3))
            places.append(np.stack([clicks[:, 0], width - clicks[:, 1] - 1], axis=1))
        circles = [
            torch.stack([disks(at[labels == label], (height, width), self._radius)
                         for label in (1, 0)])
            for at in places
        ]  # fmt: skip
        both = torch.cat(views)
        image = (both[:, :3] - self._mean) / self._std
        given = torch.cat([both[:, 3:], torch.stack(circles).to(self._device)], dim=1)
        (found,) = self._graph.answer(
            {self._names.image: image, self._names.clicks: given}, [self._names.logits]
        )
        if found.ndim != 4 or found.shape[:2] != (len(both), 1):
            raise BenchError(
                f"{self._graph.file.name} gives logits {tuple(found.shape)}, expected "
                f"({len(both)}, 1, h, w)"
            )
        found = found.float()
        if found.shape[2:] != maps.shape[2:]:
            found = resized(found, (height, width), corners=True)
        if self._mirror:
            found = 0.5 * (found[:1] + found[1:].flip(3))
        return found

    def _past(self, picture: Picture, prompt: Prompt) -> _Past:
        """What the fed back logits tell."""
        if prompt.mask_logits is None:
            return _Past(None, None)
        height, _ = picture.size
        fed = torch.as_tensor(prompt.mask_logits, dtype=torch.float32, device=self._device)
        carried = prompt.mask_logits[height:].reshape(-1)[:_CARRIED]
        window = Window(*map(int, carried[1:])) if len(carried) and carried[0] else None
        return _Past(fed[:height].sigmoid(), window)

    def _below(self, width: int) -> int:
        """Rows below an answer that carry its window."""
        return 0 if self._zoom is None else -(-_CARRIED // width)

    def _carrying(self, logits: Tensor, window: Window | None) -> Tensor:
        """The logits (H, W) with the window below."""
        _, width = logits.shape
        rows = logits.new_zeros(self._below(width), width)
        if window is not None:
            sides = [1, window.top, window.bottom, window.left, window.right]
            rows.view(-1)[:_CARRIED] = torch.tensor(sides, dtype=rows.dtype)
        return torch.cat([logits, rows])

    @torch.inference_mode()
    def _check(self) -> None:
        """Asks the graph once; raises ``BenchError`` where it isn't what the arguments say."""
        batch, side = 2 if self._mirror else 1, self._fixed
        self._graph.check(
            {self._names.image: (batch, 3, side, side), self._names.clicks: (batch, 3, side, side)},
            [self._names.logits],
        )
        h, w = (side, side) if side else (96, 128)
        self._asked(torch.zeros(1, 4, h, w, device=self._device), np.ones((1, 2)), np.ones(1))


def _file(network: str | None, site: Site) -> Path:
    if network is None:
        raise BenchError(
            "no checkpoint is named: export the network from its own repository (docs/guide/"
            "interactive_baselines.md) and give model.args.network=FILE"
        )
    return find_own(network, site.checkpoints)


def _logits(probabilities: Tensor) -> Tensor:
    """Of probabilities, through float64, those of 0 and 1 finite."""
    exact = probabilities.double()
    return (exact.log() - (-exact).log1p()).clamp(_NEVER, _ALWAYS).float()
