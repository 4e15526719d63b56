"""Writes what a network of segmentation_models_pytorch sees in a folder of pictures as label maps.

python label_maps.py WEIGHTS.pt PICTURES MAPS
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def write_maps(network: Callable[[torch.Tensor], torch.Tensor], pictures: Path, maps: Path) -> None:
    """A PNG of class numbers for each picture, of the picture's own size and name."""
    maps.mkdir(parents=True, exist_ok=True)
    for file in sorted(pictures.iterdir()):
        with Image.open(file) as picture:
            image = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)
        height, width = image.shape[1:]
        pixels = (image / 255 - MEAN) / STD
        padded = F.pad(pixels, (0, -width % 32, 0, -height % 32))  # as most networks want it
        with torch.inference_mode():
            scores = network(padded[None])[0, :, :height, :width]  # (classes, H, W)
        labels = scores.argmax(0).to(torch.uint8).numpy()
        Image.fromarray(labels).save(maps / f"{file.stem}.png")


if __name__ == "__main__":
    import segmentation_models_pytorch as smp

    unet = smp.Unet("resnet34", encoder_weights=None, classes=3)
    unet.load_state_dict(torch.load(sys.argv[1], weights_only=True))
    write_maps(unet.eval(), Path(sys.argv[2]), Path(sys.argv[3]))
