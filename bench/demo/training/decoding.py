"""Many prompts on many images in one pass through the official decoder's weights.

`segment_anything.modeling.MaskDecoder.forward` answers the prompts of a single image. Training
needs several images per step, so `answer` does the same sums for a flat batch: prompt i is
answered on embedding `image_index[i]`. It gives the official numbers (see the tests) but keeps
positions last-but-one and channels last all the way, where the 2 x 2 transposed convolutions
are plain matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam
from torch import Tensor, nn
from torch.func import functional_call

# Labels of prompt points, as in SAM's own ONNX export.
PAD, BACKGROUND, FOREGROUND, BOX_FIRST, BOX_LAST = -1, 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """N prompts of K tokens each.

    `points` (N, K, 2) float32, (x, y) pixel indices in the 256 frame; `labels` (N, K) int64 with
    the constants above, a box being its two corners; `image_index` (N,) int64; `mask_logits`
    (N, 1, 128, 128) float32 or None, the previous answer.
    """

    points: Tensor
    labels: Tensor
    image_index: Tensor
    mask_logits: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """`logits` (N, 4, 128, 128) and `predicted_iou` (N, 4), float32.

    Index 0 is the mask for several prompts (`multimask_output=False`), 1 to 3 are the three
    candidates for an ambiguous one.
    """

    logits: Tensor
    predicted_iou: Tensor


def embed_points(encoder: PromptEncoder, points: Tensor, labels: Tensor) -> Tensor:
    """Return the sparse prompt tokens (N, K, dim) float32; see `PromptBatch` for the arguments."""
    position = encoder.pe_layer.forward_with_coords(points + 0.5, encoder.input_image_size)
    names = [encoder.not_a_point_embed.weight, *(e.weight for e in encoder.point_embeddings)]
    meaning = torch.cat(names)[labels + 1]
    tokens: Tensor = position * (labels != PAD)[:, :, None] + meaning
    return tokens


class _Decoder(nn.Module):
    """The decoder's and the mask prompt's weights, and the sums on flat batches."""

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.mask_decoder: MaskDecoder = sam.mask_decoder
        self.mask_downscaling: nn.Sequential = sam.prompt_encoder.mask_downscaling
        self.no_mask_embed: nn.Embedding = sam.prompt_encoder.no_mask_embed

    def forward(
        self, embeddings: Tensor, positions: Tensor, sparse: Tensor, prompts: PromptBatch
    ) -> tuple[Tensor, Tensor]:
        """Return the four logits (N, 4, 128, 128) and predicted IoUs (N, 4) of each prompt."""
        height, width = embeddings.shape[2:]
        if prompts.mask_logits is None:
            dense = self.no_mask_embed.weight[None]
        else:
            masks = prompts.mask_logits.to(embeddings.dtype)
            dense = self.mask_downscaling(masks).flatten(2).transpose(1, 2)
        source = embeddings.flatten(2).transpose(1, 2)[prompts.image_index] + dense
        queries, keys = self._attend(source, positions, sparse)
        decoder = self.mask_decoder
        weights = torch.stack(
            [mlp(queries[:, 1 + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)],
            dim=1,
        )
        number, masks_each, _ = weights.shape
        logits = self._upscale(keys) @ weights.transpose(1, 2)
        # Axes: row, column, then the first and the second doubling's (row, column) offsets.
        logits = logits.reshape(number, height, width, 2, 2, 2, 2, masks_each)
        logits = logits.permute(0, 7, 1, 3, 5, 2, 4, 6)
        logits = logits.reshape(number, masks_each, 4 * height, 4 * width)
        return logits, decoder.iou_prediction_head(queries[:, 0])

    def _attend(self, source: Tensor, positions: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
        """Do the two-way transformer on (N, P, dim) image tokens and (N, K, dim) prompts."""
        decoder = self.mask_decoder
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(sparse), -1, -1), sparse], dim=1)
        transformer = decoder.transformer
        queries, keys = tokens, source
        for layer in transformer.layers:
            queries, keys = layer(queries=queries, keys=keys, query_pe=tokens, key_pe=positions)
        attended = transformer.final_attn_token_to_image(
            q=queries + tokens, k=keys + positions, v=keys
        )
        return transformer.norm_final_attn(queries + attended), keys

    def _upscale(self, keys: Tensor) -> Tensor:
        """Return (N, 16 P, dim / 8) of (N, P, dim): positions, then the offsets inside each."""
        first, norm, activation, second, last_activation = self.mask_decoder.output_upscaling
        number, positions, _ = keys.shape
        x = _doubled(first, keys).reshape(number, 4 * positions, -1)
        x = activation(F.layer_norm(x, (x.shape[-1],), norm.weight, norm.bias, norm.eps))
        result: Tensor = last_activation(_doubled(second, x)).reshape(number, 16 * positions, -1)
        return result


def _doubled(convolution: nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """Do a 2 x 2 transposed convolution of stride 2 as a product: (N, P, C) to (N, P, 4 C')."""
    assert convolution.bias is not None
    weight = convolution.weight.permute(2, 3, 1, 0).flatten(0, 2)
    return F.linear(x, weight, convolution.bias.repeat(4))


def answer(sam: Sam, embeddings: Tensor, prompts: PromptBatch, *, fast: bool = False) -> Answers:
    """Answer all prompts on the embeddings (B, dim, 32, 32) float32.

    `fast` runs the decoder in bfloat16; the positions of points are computed in float32 all the
    same, because half precision would move them by pixels.
    """
    encoder: PromptEncoder = sam.prompt_encoder
    sparse = embed_points(encoder, prompts.points, prompts.labels)
    positions = encoder.get_dense_pe().flatten(2).transpose(1, 2)
    decoder = _Decoder(sam)
    dtype = torch.bfloat16 if fast else torch.float32
    # Casting all weights once and computing in one type avoids autocast's many copies.
    weights = {name: parameter.to(dtype) for name, parameter in decoder.named_parameters()}
    arguments = (embeddings.to(dtype), positions.to(dtype), sparse.to(dtype), prompts)
    logits, predicted = functional_call(decoder, weights, arguments)
    return Answers(logits.float(), predicted.float())
