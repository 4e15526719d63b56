"""A given mask as the logits of an earlier one, for models that are fed their own back."""

from __future__ import annotations

import cv2
import numpy as np

from bench.types import MaskCue, Prompt
from bench.types.regions import REGION, region_of

SURE = 10.0
"""The logit of a pixel that a given mask is sure of."""


def with_logits(prompt: Prompt, grid: tuple[int, int], covered: tuple[int, int]) -> Prompt:
    """The prompt with logits in the place of a given mask, unless it has some already.

    ``grid`` is the (H, W) of the model's mask logits, ``covered`` the (h, w) of the part that the
    image lies on, from the top left. The mask's share of each of the grid's pixels becomes a logit
    from -10 to 10, as SAM 2 takes masks (``sam2_base.py``, ``_use_mask_as_output``); what lies
    beside the image is -10.
    """
    region = region_of(prompt)
    if region is None:
        return prompt
    if prompt.mask_logits is None:
        (height, width), (h, w) = grid, covered
        dense = region.dense().astype(np.float32)
        share = cv2.resize(dense, (w, h), interpolation=cv2.INTER_AREA)
        logits = np.full((height, width), -SURE, dtype=np.float32)
        logits[:h, :w] = SURE * (2 * share - 1)
        prompt = prompt.having(MaskCue(logits))
    return prompt.without(REGION)
