"""How a file says that its picture is to be turned, and pixels as they are stored.

Pillow turns a TIFF by its orientation whenever it decodes it, and no other kind of file. Whoever
takes pixels as stored turns them back.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 256, 257

_BACKWARDS = {
    2: (False, True), 3: (True, True), 4: (True, False), 5: (False, False), 6: (True, False),
    7: (True, True), 8: (False, True),
}  # fmt: skip
"""Whether rows and columns run backwards once height and width are as stored, by orientation."""

Kind = TypeVar("Kind", bound=np.generic)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where the file says none, or none that there is."""
    orientation = image.getexif().get(_ORIENTATION, 1)  # of a PNG it looks behind the pixels
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def stored_shape(image: ImageFile.ImageFile) -> tuple[int, int]:
    """The (H, W) as stored, of a file that isn't decoded yet."""
    tags = getattr(image, "tag_v2", None)  # a TIFF's, of which Pillow gives the size as shown
    if tags is not None and _WIDTH in tags and _HEIGHT in tags:
        return int(tags[_HEIGHT]), int(tags[_WIDTH])
    return image.height, image.width


def turned_when_decoded(image: ImageFile.ImageFile) -> int:
    """The orientation that decoding applies by itself, asked before; 1 where it does not."""
    return orientation_of(image) if image.format == "TIFF" else 1


def turned_back(pixels: npt.NDArray[Kind], orientation: int) -> npt.NDArray[Kind]:
    """The pixels (H, W, …) as stored, of those that an orientation was applied to.

    >>> turned_back(np.array([[1, 2, 3]]), 6).tolist()
    [[3], [2], [1]]
    """
    if orientation == 1:
        return pixels
    turned: npt.NDArray[Any] = pixels if orientation < 5 else pixels.swapaxes(0, 1)
    rows, columns = _BACKWARDS[orientation]
    return np.ascontiguousarray(turned[:: -1 if rows else 1, :: -1 if columns else 1])
