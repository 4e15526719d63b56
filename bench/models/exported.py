"""A promptable model that was exported as a pair of graphs: an encoder and a decoder.

The inputs are those of SAM's own ONNX export (``segment_anything/utils/onnx.py``): the image's
features, points with labels, among them the corners of a box, and the logits of an earlier mask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import isfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.files.hashing import sha256_of
from bench.models.canvas import Canvas
from bench.models.checkpoints import find_own
from bench.models.devices import device_facts, exact_arithmetic, usable_device
from bench.models.given_mask import with_logits
from bench.models.graphs import Graph, named, open_graph
from bench.models.numerics import surroundings
from bench.models.several_features import Form, dense, packed, unpacked
from bench.models.structure import check_prompt
from bench.types import BenchError, ImageArray, Prediction, Prompt, Site

_CORNERS, _NO_POINT = (2, 3), -1
"""Labels of a box's corners, and of the point that stands for none."""

_SUREST = -1
"""Stands for the mask of the highest predicted IoU, which another prompt may have elsewhere."""

_SINGLE_AND_THREE = 4
"""Masks of a decoder that gives SAM's single mask and its three candidates behind it."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the graphs call their inputs and outputs; none for what a decoder doesn't have.

    ``image`` is the encoder's input, ``points`` and ``labels``, ``mask`` and ``has_mask`` are the
    decoder's, ``image_size`` its (height, width) of the image as two floats, which must not change
    the low-resolution logits; ``logits`` and ``predicted_iou`` are what it gives.
    """

    image: str = "image"
    points: str = "point_coords"
    labels: str = "point_labels"
    mask: str | None = "mask_input"
    has_mask: str | None = "has_mask_input"
    image_size: str | None = None
    logits: str = "low_res_masks"
    predicted_iou: str = "iou_predictions"

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Names:
        """Those of a YAML, the others as SAM's export has them; raises ``BenchError``."""
        return named(cls, said)


@dataclass(frozen=True, slots=True)
class ExportedEmbedding:
    """An image's ``features``, (1, …) each, as the encoder gives them, and its (H, W)."""

    features: tuple[Tensor, ...]
    image_size: tuple[int, int]


class Exported:
    """An encoder and a decoder in files of ONNX, torch.export (``.pt2``) or TorchScript.

    The files are absolute, or relative to the working folder or to ``site.checkpoints``. An image
    comes onto a square of ``size`` pixels by the rule ``resize`` of ``Canvas``, less ``mean`` and
    by ``std``, both on the scale from 0 to 255, and into the encoder as (1, 3, size, size) float32.
    ``features`` maps outputs of the encoder to inputs of the decoder, in the encoder's order.
    ``names`` are those of ``Names``.

    The decoder is asked prompt by prompt: points (1, P, 2) in pixels of the square with labels
    (1, P), 1 and 0 for clicks, 2 and 3 for the corners of a box, −1 for the one point more, (0, 0),
    that clicks without a box have where ``padding_point`` says so; the mask's logits (1, 1,
    ``grid``, ``grid``), and 1 or 0 for whether there is one. It gives logits (1, K, grid, grid) and
    predicted IoU (1, K). Of four masks the first is the single answer and the others the
    candidates; of any other number all are candidates, and the single one is that of the highest
    predicted IoU. With ``prompt_size`` points, and the way of the logits back to the image, are on
    a square of that size instead, as EfficientViT-SAM's are on 1024 while its encoder sees 512.

    Raises ``BenchError`` where a file is missing or is not what the arguments say.
    """

    prompt_kinds = frozenset({"points", "box", "mask_logits", "mask"})

    def __init__(
        self,
        encoder: str,
        decoder: str,
        size: int,
        grid: int,
        mean: Sequence[float],
        std: Sequence[float],
        resize: str,
        features: Mapping[str, str],
        names: Mapping[str, Any],
        padding_point: bool,
        prompt_size: int | None = None,
        *,
        site: Site,
    ) -> None:
        self._device = usable_device(site.device)
        exact_arithmetic()
        self._canvas = Canvas(size, tuple(mean), tuple(std), resize)
        self._prompt_canvas = self._canvas
        if prompt_size is not None:
            self._prompt_canvas = replace(self._canvas, side=prompt_size)
        self._names, self._features = Names.of(names), dict(features)
        if self._names.mask is None and "mask_logits" in self.prompt_kinds:
            raise BenchError(
                "without model.args.names.mask logits can't be fed back: choose the target "
                "bench.models.exported.ExportedWithoutFeedback"
            )
        self._grid, self._padding_point = (grid, grid), padding_point
        paths = [find_own(each, site.checkpoints) for each in (encoder, decoder)]
        self._encoder, self._decoder = (open_graph(path, self._device) for path in paths)
        self._sha256, self._encoder_sha256 = files_sha256(paths), files_sha256(paths[:1])
        self._masks = self._check()

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """Every argument, with the hashes of both files in the place of their names."""
        found = {key: find_own(args[key], site.checkpoints) for key in ("encoder", "decoder")}
        Names.of(args["names"])
        said = {k: v for k, v in args.items() if k != "prompt_size" or v is not None}
        return {**said, **{key: files_sha256([path]) for key, path in found.items()}}

    @classmethod
    def check_files(cls, args: Mapping[str, Any], site: Site) -> None:
        """Whether both graphs take and give what the arguments say; see ``ChecksFiles``."""
        cls(**args, site=site)

    @property
    def facts(self) -> Mapping[str, str]:
        """Device, versions, parameters where the graphs tell them, and one hash of both files."""
        counts = [graph.parameters for graph in (self._encoder, self._decoder)]
        known = [count for count in counts if count is not None]
        return {
            **({"parameters": str(sum(known))} if len(known) == len(counts) else {}),
            **device_facts(self._device),
            "tf32": "off",
            "torch": str(torch.__version__),
            "checkpoint_sha256": self._sha256,
            "encoder": self._encoder.file.name,
            "decoder": self._decoder.file.name,
            **onnx_version(self._encoder, self._decoder),
        }

    @torch.inference_mode()
    def embed(self, images: Sequence[ImageArray]) -> list[ExportedEmbedding]:
        """One embedding per (H, W, 3) uint8 RGB image, one after the other.

        Raises ``UnfitImageError`` for an image so narrow that resizing leaves no pixel of it.
        """
        embeddings = []
        for image in images:
            seen = self._canvas.tensor(image)[None].to(self._device)
            found = self._encoder.answer({self._names.image: seen}, list(self._features))
            size = (image.shape[0], image.shape[1])
            embeddings.append(ExportedEmbedding(tuple(map(dense, found)), size))
        return embeddings

    @classmethod
    def embedding_bytes(cls, args: Mapping[str, Any]) -> int:
        """About: a SAM's, or those of SAM 2 where there are several features.

        See ``KeepsEmbeddings``; what an encoder gives is known once it is asked.
        """
        one = 4 * 256 * (int(args["size"]) // 16) ** 2
        return one if len(args["features"]) == 1 else 4 * one

    def embedding_identity(self) -> Mapping[str, Any]:
        """The encoder by its hash, what goes into it, and what runs it; see ``KeepsEmbeddings``."""
        return {
            "checkpoint_sha256": self._encoder_sha256,
            "canvas": self._canvas.side,
            "mean": list(self._canvas.mean),
            "std": list(self._canvas.std),
            "resize": self._canvas.resize,
            "features": list(self._features),
            **onnx_version(self._encoder),
            **surroundings(self._device),
        }

    def pack(self, embedding: ExportedEmbedding) -> Mapping[str, Tensor]:
        """The features as they are, and the image's size."""
        return packed(embedding.features, embedding.image_size)

    def unpack(self, tensors: Mapping[str, Tensor]) -> ExportedEmbedding:
        """See ``KeepsEmbeddings``."""
        return ExportedEmbedding(*unpacked(tensors, self._forms, self._device))

    @torch.inference_mode()
    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """Logits (N, K, grid, grid) and predicted IoU (N, K), one prompt after the other.

        A given mask is brought onto the grid (``with_logits``). Raises ``BenchError`` for an empty
        prompt, for cues that it doesn't take, and for mask logits of another size.
        """
        k = len(self._wanted(multimask))
        logits = torch.empty((len(prompts), k, *self._grid), device=self._device)
        predicted_iou = torch.empty((len(prompts), k), device=self._device)
        frames = []
        for i, (one, prompt) in enumerate(zip(embeddings, prompts, strict=True)):
            check_prompt(prompt, self.prompt_kinds, self._grid, "this exported model")
            covered = self._canvas.covered(one.image_size, self._grid)
            found, scores = self._answered(one, with_logits(prompt, self._grid, covered))
            surest = int(scores.argmax())
            wanted = [surest if each == _SUREST else each for each in self._wanted(multimask)]
            logits[i], predicted_iou[i] = found[wanted], scores[wanted]
            frames.append(self._prompt_canvas.frame(one.image_size, self._grid))
        return Prediction(logits, predicted_iou, frames)

    @property
    def _outputs(self) -> list[str]:
        return [self._names.logits, self._names.predicted_iou]

    def _given(self, embedding: ExportedEmbedding, prompt: Prompt) -> dict[str, Tensor]:
        """The decoder's inputs for one prompt."""
        points, labels = [prompt.points], [prompt.labels]
        if prompt.box is not None:
            points.append(prompt.box.reshape(2, 2))
            labels.append(np.array(_CORNERS))
        scaled = self._prompt_canvas.scaled(np.concatenate(points), embedding.image_size)
        if self._padding_point and prompt.box is None and prompt.n_points:
            scaled = np.concatenate([scaled, np.zeros((1, 2), np.float32)])
            labels.append(np.array([_NO_POINT]))
        logits = prompt.mask_logits
        mask = np.zeros(self._grid, np.float32) if logits is None else logits
        given: dict[str | None, Any] = {
            **dict(zip(self._features.values(), embedding.features, strict=True)),
            self._names.points: scaled[None],
            self._names.labels: np.concatenate(labels).astype(np.float32)[None],
            self._names.mask: mask[None, None],
            self._names.has_mask: np.array([logits is not None], np.float32),
            self._names.image_size: np.array(embedding.image_size, np.float32),
        }
        return {
            name: torch.as_tensor(value, device=self._device)
            for name, value in given.items()
            if name is not None
        }

    def _answered(self, embedding: ExportedEmbedding, prompt: Prompt) -> tuple[Tensor, Tensor]:
        """All masks for one prompt: logits (K, h, w) and predicted IoU (K,)."""
        logits, scores = self._decoder.answer(self._given(embedding, prompt), self._outputs)
        if logits.shape[2:] != self._grid or logits.shape[:2] != scores.shape:
            raise BenchError(
                f"{self._decoder.file.name} gives logits {tuple(logits.shape)} and predicted IoU "
                f"{tuple(scores.shape)}, expected (1, K, {self._grid[0]}, {self._grid[1]}) and "
                "(1, K); set model.args.grid and model.args.names"
            )
        return logits[0].float(), scores[0].float()

    def _wanted(self, multimask: bool) -> list[int]:
        """Which of the decoder's masks are asked for; the surest one where that isn't fixed."""
        if self._masks == _SINGLE_AND_THREE:
            return [1, 2, 3] if multimask else [0]
        if multimask:
            return list(range(self._masks))
        return [_SUREST]

    @torch.inference_mode()
    def _check(self) -> int:
        """How many masks the decoder gives; both graphs are asked once.

        Raises ``BenchError`` where they aren't what the arguments say.
        """
        side, names = self._canvas.side, self._names
        if not self._features:
            raise BenchError("model.args.features names no output of the encoder")
        self._encoder.check({names.image: (1, 3, side, side)}, list(self._features))
        (blank,) = self.embed([np.zeros((side, side, 3), np.uint8)])
        self._forms = [Form(tuple(each.shape), each.dtype) for each in blank.features]
        shapes = zip(self._features.values(), blank.features, strict=True)
        wanted: dict[str | None, tuple[int | None, ...]] = {
            **{name: tuple(tensor.shape) for name, tensor in shapes},
            names.points: (1, None, 2),
            names.labels: (1, None),
            names.mask: (1, 1, *self._grid),
            names.has_mask: (1,),
            names.image_size: (2,),
        }
        there = {name: shape for name, shape in wanted.items() if name is not None}
        self._decoder.check(there, self._outputs)
        click = Prompt(points=np.full((1, 2), side / 2, np.float32), labels=np.ones(1, np.int64))
        return len(self._answered(blank, click)[0])


class ExportedWithoutFeedback(Exported):
    """The same of a decoder that takes no earlier mask, or shall not be given one.

    A protocol that feeds logits back refuses it before anything is loaded.
    """

    prompt_kinds = frozenset({"points", "box"})


def files_sha256(paths: Sequence[Path]) -> str:
    """One hash of the files, and of those beside them that hold weights for them."""
    hashes = [sha256_of(file) for path in paths for file in (path, *_beside(path))]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _beside(path: Path) -> list[Path]:
    """Files beside an ONNX file that exporters put its weights into."""
    names = (f"{path.name}.data", f"{path.name}_data")
    return [path.with_name(name) for name in names if isfile(path.with_name(name))]


def onnx_version(*graphs: Graph) -> dict[str, str]:
    """A fact of a run where one of the graphs is ONNX, else nothing."""
    if all(graph.file.suffix != ".onnx" for graph in graphs):
        return {}
    import onnxruntime

    return {"onnxruntime": str(onnxruntime.__version__)}
