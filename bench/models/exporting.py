"""A Sam written as an encoder and a decoder, in ONNX, TorchScript or torch.export.

The decoder is that of SAM's own ONNX export (``segment_anything/utils/onnx.py``) without the resize
to the image, which is the bench's: it gives the low-resolution logits of all four masks.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from segment_anything.modeling import Sam
from segment_anything.utils.onnx import SamOnnxModel
from torch import Tensor, nn

from bench.files.there import make_folder
from bench.types import BenchError

INPUTS = ("image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input")
OUTPUTS = ("low_res_masks", "iou_predictions")
FEATURES = "image_embeddings"
MOST_POINTS = 4096


class Decoder(SamOnnxModel):  # type: ignore[misc]  # its package has no types
    """A Sam's prompt encoder and mask decoder on one prompt; the inputs are ``INPUTS``."""

    def forward(
        self,
        image_embeddings: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Logits (1, 4, h, w) and predicted IoU (1, 4): the single mask, then the three."""
        decoder, prompts = self.model.mask_decoder, self.model.prompt_encoder
        logits, predicted_iou = decoder.predict_masks(
            image_embeddings=image_embeddings,
            image_pe=prompts.get_dense_pe(),
            sparse_prompt_embeddings=self._embed_points(point_coords, point_labels),
            dense_prompt_embeddings=self._embed_masks(mask_input, has_mask_input),
        )
        return logits, predicted_iou


class Encoder(nn.Module):
    """A Sam's image encoder, its input called ``image``: TorchScript takes the name from here."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> Tensor:
        """Features (1, C, h, w) of a prepared image (1, 3, S, S)."""
        features: Tensor = self.encoder(image)
        return features


def export_sam(sam: Sam, folder: Path, kind: str) -> dict[str, Any]:
    """Writes ``encoder`` and ``decoder`` into a folder and gives the arguments of ``Exported``.

    ``kind`` is a key of ``KINDS``. Raises ``BenchError`` where what writes it isn't installed.
    """
    write, ending = KINDS[kind]
    make_folder(folder)
    sam = sam.cpu().float().eval()
    side, (height, width) = sam.image_encoder.img_size, sam.prompt_encoder.mask_input_size
    image = torch.zeros(1, 3, side, side)
    with torch.no_grad():
        features = sam.image_encoder(image)
    prompt = (
        features,
        torch.tensor([[[side / 2, side / 3], [side / 4, side / 5], [0, 0]]]),
        torch.tensor([[1.0, 0.0, -1.0]]),
        torch.zeros(1, 1, height, width),
        torch.ones(1),
    )
    decoder = Decoder(sam, return_single_mask=False).eval()
    with torch.no_grad(), _quiet():
        files = {"encoder": folder / f"encoder{ending}", "decoder": folder / f"decoder{ending}"}
        write(
            Encoder(sam.image_encoder).eval(), (image,), files["encoder"], ("image",), (FEATURES,)
        )
        write(decoder, prompt, files["decoder"], INPUTS, OUTPUTS)
    return {
        **{key: str(path.absolute()) for key, path in files.items()},
        "size": side,
        "grid": height,
        "mean": [round(value, 4) for value in sam.pixel_mean.flatten().tolist()],
        "std": [round(value, 4) for value in sam.pixel_std.flatten().tolist()],
        "resize": "longest_side",
        "features": {FEATURES: FEATURES},
        "names": {},
        "padding_point": True,
    }


def _onnx(
    module: nn.Module,
    example: tuple[Tensor, ...],
    file: Path,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> None:
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BenchError("exporting to ONNX needs: pip install 'sam-bench[onnx]'") from error
    torch.onnx.export(
        module,
        example,
        str(file),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=_free(inputs),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _program(
    module: nn.Module,
    example: tuple[Tensor, ...],
    file: Path,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> None:
    """Its inputs have the names of the module's own arguments."""
    program = torch.export.export(module, example, dynamic_shapes=_free(inputs), strict=False)
    torch.export.save(program, file)


def _torch_script(
    module: nn.Module,
    example: tuple[Tensor, ...],
    file: Path,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> None:
    """Traced, which is as general here: what depends on the prompt is in tensors."""
    trace: Any = torch.jit.trace
    trace(module, example, check_trace=False).save(str(file))


KINDS: Mapping[str, tuple[Callable[..., None], str]] = {
    "onnx": (_onnx, ".onnx"),
    "torchscript": (_torch_script, ".ts"),
    "torch_export": (_program, ".pt2"),
}
"""What can be written, by what, with the ending of its files."""


def _free(inputs: tuple[str, ...]) -> tuple[dict[int, Any] | None, ...]:
    """Which lengths of the inputs are free: the number of points."""
    points = torch.export.Dim("points", min=2, max=MOST_POINTS)
    return tuple({1: points} if name.startswith("point_") else None for name in inputs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says of its own code while it exports."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
