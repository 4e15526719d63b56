"""A Sam written as an encoder and a decoder, in ONNX, TorchScript or torch.export.

The decoder is that of SAM's own ONNX export (``segment_anything/utils/onnx.py``) without the resize
to the image, which is the bench's: it gives the low-resolution logits of all four masks.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
    """A Sam's prompt encoder and mask decoder on one prompt; the inputs are ``INPUTS``.

    It holds no image encoder, or its file would be as large as the whole model's.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__(sam, return_single_mask=False)
        self.model = nn.Module()
        self.model.prompt_encoder = sam.prompt_encoder

    def forward(
        self,
        image_embeddings: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Logits (1, 4, h, w) and predicted IoU (1, 4): the single mask, then the three."""
        prompts: Any = self.model.prompt_encoder
        logits, predicted_iou = self.mask_decoder.predict_masks(
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


@dataclass(frozen=True, slots=True)
class Part:
    """A module to be written: an ``example`` of what it is given, and what goes in and out."""

    module: nn.Module
    example: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def free(self) -> tuple[dict[int, Any] | None, ...]:
        """Which lengths of each input are free: the number of points."""
        points = torch.export.Dim("points", min=2, max=MOST_POINTS)
        return tuple({1: points} if name.startswith("point_") else None for name in self.inputs)


def export_sam(sam: Sam, folder: Path, kind: str) -> dict[str, Any]:
    """Writes ``encoder`` and ``decoder`` into a folder and gives the arguments of ``Exported``.

    ``kind`` is a key of ``KINDS``. Raises ``BenchError`` where what writes it isn't installed.
    """
    write, ending = KINDS[kind]
    make_folder(folder)
    sam = sam.cpu().float().eval()
    side, (height, width) = sam.image_encoder.img_size, sam.prompt_encoder.mask_input_size
    prompts_on = int(sam.prompt_encoder.input_image_size[0])
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
    decoder = Decoder(sam).eval()
    decoder.img_size = prompts_on  # its own is the encoder's, which may be smaller
    with torch.no_grad(), _quiet():
        files = {"encoder": folder / f"encoder{ending}", "decoder": folder / f"decoder{ending}"}
        encoder = Part(Encoder(sam.image_encoder).eval(), (image,), ("image",), (FEATURES,))
        write(encoder, files["encoder"])
        write(Part(decoder, prompt, INPUTS, OUTPUTS), files["decoder"])
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
        **({} if prompts_on == side else {"prompt_size": prompts_on}),
    }


def _onnx(part: Part, file: Path) -> None:
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BenchError("exporting to ONNX needs: pip install 'sam-bench[onnx]'") from error
    torch.onnx.export(
        part.module,
        part.example,
        str(file),
        input_names=list(part.inputs),
        output_names=list(part.outputs),
        dynamic_shapes=part.free,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _program(part: Part, file: Path) -> None:
    """Its inputs have the names of the module's own arguments."""
    program = torch.export.export(part.module, part.example, dynamic_shapes=part.free, strict=False)
    torch.export.save(program, file)


def _torch_script(part: Part, file: Path) -> None:
    """Traced, which is as general here: what depends on the prompt is in tensors."""
    trace: Any = torch.jit.trace
    trace(part.module, part.example, check_trace=False).save(str(file))


KINDS: Mapping[str, tuple[Callable[[Part, Path], None], str]] = {
    "onnx": (_onnx, ".onnx"),
    "torchscript": (_torch_script, ".ts"),
    "torch_export": (_program, ".pt2"),
}
"""What can be written, by what, with the ending of its files."""


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
