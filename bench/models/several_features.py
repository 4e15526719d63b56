"""An embedding of several tensors, and the same as named tensors for the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_SIZES = "sizes"


@dataclass(frozen=True, slots=True)
class Form:
    """A tensor as an encoder gives it: its shape, None for a length that isn't known, and dtype."""

    shape: tuple[int | None, ...]
    dtype: torch.dtype

    def fits(self, tensor: Tensor) -> bool:
        """Whether a tensor is of this form.

        >>> Form((2, None), torch.float32).fits(torch.zeros(2, 9))
        True
        >>> Form((2, None), torch.float32).fits(torch.zeros(9, 2))
        False
        """
        return (
            tensor.dtype == self.dtype
            and tensor.ndim == len(self.shape)
            and all(a in (None, b) for a, b in zip(self.shape, tensor.shape, strict=True))
        )


def dense(tensor: Tensor) -> Tensor:
    """The tensor itself, or a copy where its memory has gaps: what can be kept to the last bit.

    How a tensor lies in memory may move the last bits of a product, so that one that is kept must
    lie as the fresh one did.

    >>> dense(torch.zeros(3, 4).T).stride(), dense(torch.zeros(3, 4)[:, ::2]).stride()
    ((1, 4), (2, 1))
    """
    strides = tensor.stride()
    order = sorted(range(tensor.ndim), key=lambda axis: -strides[axis])
    return tensor if tensor.permute(order).is_contiguous() else tensor.contiguous()


def packed(features: Sequence[Tensor], image_size: tuple[int, int]) -> dict[str, Tensor]:
    """``features_0``, ``features_1``, … as they are, and ``sizes``, the (H, W) of the image."""
    named = {f"features_{i}": tensor for i, tensor in enumerate(features)}
    return {**named, _SIZES: torch.tensor(image_size)}


def unpacked(
    tensors: Mapping[str, Tensor], forms: Sequence[Form], device: torch.device
) -> tuple[tuple[Tensor, ...], tuple[int, int]]:
    """Features and image size of packed tensors; raises ``ValueError`` for others than ``forms``.

    Strides stay as they are.
    """
    features = []
    for i, form in enumerate(forms):
        found = tensors.get(f"features_{i}")
        if found is None or not form.fits(found):
            raise ValueError(f"no features {i} of {form.shape} {form.dtype}")
        features.append(found.to(device))
    sizes = tensors.get(_SIZES)
    if sizes is None or sizes.dtype != torch.int64 or sizes.shape != (2,):
        raise ValueError("no sizes of the image")
    if len(tensors) != len(forms) + 1:
        raise ValueError(f"no features of this model: {len(tensors) - 1} tensors, not {len(forms)}")
    height, width = sizes.tolist()
    return tuple(features), (height, width)
