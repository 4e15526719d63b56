"""Picture files become arrays here, and nowhere else.

Three ways to look at a file, all by Pillow, all of the first frame only:

* ``read_picture`` for photographs: (H, W, 3) uint8 RGB;
* ``read_labels`` for label images, where a value is an identity: (H, W) int32;
* ``read_levels`` for mask files, where a value is a brightness: (H, W) int32.

Pixels are taken as they are stored. An EXIF orientation, be it a TIFF's own tag, is ignored unless
asked for, because
annotations (COCO's among them) are made on the stored pixels: a picture turned by its orientation
no longer lies under its masks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from bench.data.formats.png import check_png
from bench.data.formats.stored import (
    is_lossy,
    orientation_of,
    stored_shape,
    turned_back,
    turned_when_decoded,
)
from bench.files.signatures import HEAD, signature_of, signature_of_file
from bench.types import MAX_PIXELS, BenchError, ImageArray
from bench.types.errors import disk_fault

Exif: TypeAlias = Literal["ignore", "apply"]
LabelArray: TypeAlias = npt.NDArray[np.int32]

PIXEL_LIMIT = MAX_PIXELS
"""The most pixels of a picture, unless told otherwise: ``runtime.max_pixels``."""

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is read, whatever a file's name says. Of Pillow's many others some run a program on the file
(EPS is PostScript), and few have ever been attacked in earnest."""

_SAMPLE_FORMAT, _SIGNED = 339, 2

# What Pillow's decoders raise on broken files.
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError,
    ArithmeticError, AssertionError, NotImplementedError, MemoryError, struct.error,
)  # fmt: skip


def read_picture(
    path: Path, *, exif: Exif = "ignore", pixel_limit: int = PIXEL_LIMIT
) -> ImageArray:
    """The picture as (H, W, 3) uint8 RGB.

    Grey is repeated in the three channels; 1 bit is 0 or 255; a palette is looked up; CMYK and
    YCbCr are converted by Pillow without a colour profile. Alpha is dropped, never composited:
    the colours are those stored, also where the picture is transparent. 16 bits are cut to their
    high byte (v → v >> 8), never stretched to a file's own range, so that a value means the same
    grey in every file; a camera that fills only the low 12 bits so looks dark, and its files need
    converting first. ``exif`` "apply" turns the picture as its orientation says.

    Raises ``BenchError`` naming the file where it is missing, truncated, unreadable, of
    floating-point values, or has more than ``pixel_limit`` pixels (seen before decoding; at most
    Pillow's own hard limit, twice the default).
    """
    if exif not in ("ignore", "apply"):
        raise BenchError(f"exif must be 'ignore' or 'apply', found {exif!r}")
    with _opened(path, pixel_limit) as image:
        applied = turned_when_decoded(image)
        if exif == "ignore":
            return turned_back(rgb_of(image), applied)
        return rgb_of(image if applied != 1 else ImageOps.exif_transpose(image))


def read_labels(path: Path, *, pixel_limit: int = PIXEL_LIMIT) -> LabelArray:
    """The label image as (H, W) int32, one identity per pixel.

    8, 16 and 32 bit: the values as stored; 1 bit: 0 or 1; palette: the index, not the colour;
    RGB: the colour packed as R·65536 + G·256 + B; an alpha channel is dropped.

    Raises ``BenchError`` as ``read_picture`` does, and for files that can't hold identities:
    JPEG, WebP and others that are packed with loss, and colours of 16 bits a channel (Pillow keeps
    only the high byte).
    """
    with _opened(path, pixel_limit) as image:
        applied = turned_when_decoded(image)
        return turned_back(_labels(image), applied)


def _labels(image: ImageFile.ImageFile) -> LabelArray:
    if is_lossy(image):
        raise ValueError(
            f"a {image.format} packed with loss can't hold labels, its values aren't exact; use PNG"
        )
    if _raw_bits(image) == 16 and not image.mode.startswith("I"):
        raise ValueError("colour labels of 16 bits a channel are not supported")
    if image.mode in ("1", "L", "P", "I") or image.mode.startswith("I;16"):
        return _numbers(image)
    if image.mode in ("LA", "PA"):
        return np.array(image)[..., 0].astype(np.int32)
    if image.mode in ("RGB", "RGBA"):
        channels = np.asarray(image)
        packed: LabelArray = channels[..., 0].astype(np.int32)
        for channel in (1, 2):  # in place: a large picture would stand in memory five times
            packed <<= 8
            packed |= channels[..., channel]
        return packed
    if image.mode == "F":
        raise ValueError(
            "floating-point values are no labels; save it as a PNG of 8 or 16 bits, a whole number "
            "per object"
        )
    raise ValueError(
        f"a label image of mode {image.mode!r} is not supported; save it as a PNG of 8 or 16 bits"
    )


def read_levels(path: Path, *, pixel_limit: int = PIXEL_LIMIT) -> LabelArray:
    """The mask file's brightness as (H, W) int32.

    8, 16 and 32 bit grey: the values as stored; 1 bit: 0 or 255; colours, and the colours of a
    palette: the largest of R, G and B (0–255); an alpha channel is dropped.

    Raises ``BenchError`` as ``read_picture`` does.
    """
    with _opened(path, pixel_limit) as image:
        return _levels(image)


def read_held_levels(written: bytes, owner: Path, *, pixel_limit: int = PIXEL_LIMIT) -> LabelArray:
    """What ``read_levels`` gives, of a mask file that another file, ``owner``, holds inside.

    Raises ``BenchError`` as ``read_picture`` does, naming the owner.
    """
    with _opened(owner, pixel_limit, held=written) as image:
        return _levels(image)


@dataclass(frozen=True, slots=True)
class Stored:
    """How a picture file stores its pixels.

    ``kind`` is Pillow's format and mode, such as "JPEG RGB" or "PNG I;16"; ``orientation`` that of
    EXIF, 1 to 8, and 1 (upright) where the file says none; ``shape`` is (H, W) as stored. ``more``
    says that there are further pages or frames, of which only the first is read; a phone's second
    picture behind its JPEG is none. ``alpha`` says that there may be transparent pixels,
    ``deep`` that a channel has more than 8 bits, ``lossy`` that its values aren't exact.
    """

    kind: str
    orientation: int
    shape: tuple[int, int]
    more: bool = False
    alpha: bool = False
    deep: bool = False
    lossy: bool = False

    @property
    def turned(self) -> bool:
        """Whether the picture as it is shown has its height for its width."""
        return self.orientation >= 5


def look_at(path: Path) -> Stored:
    """What the file's head says, nothing decoded; raises ``BenchError`` as ``read_picture``."""
    with _opened(path, 2 * PIXEL_LIMIT, decoded=False) as image:
        deep = image.mode.startswith("I") or _raw_bits(image) == 16
        return Stored(
            kind=f"{image.format} {image.mode}",
            orientation=orientation_of(image),
            shape=stored_shape(image),
            alpha=_may_be_transparent(image),
            deep=deep,
            lossy=is_lossy(image),
            more=image.format != "MPO" and _has_second_page(image),
        )


def is_opaque(path: Path, *, pixel_limit: int = PIXEL_LIMIT) -> bool:
    """Whether no pixel is transparent, be it by an alpha channel, a palette or one colour.

    Raises ``BenchError`` as ``read_picture`` does.
    """
    with _opened(path, pixel_limit) as image:
        if not _may_be_transparent(image):
            return True
        return bool(np.asarray(image.convert("RGBA").getchannel("A")).min() == 255)


def count_colours(path: Path, *, pixel_limit: int = PIXEL_LIMIT) -> int:
    """How many colours a picture has, grey ones among them, alpha aside.

    Raises ``BenchError`` as ``read_picture`` does.
    """
    image = read_picture(path, pixel_limit=pixel_limit).astype(np.uint32)
    return int(np.unique(image[..., 0] << 16 | image[..., 1] << 8 | image[..., 2]).size)


def first_colour(path: Path) -> tuple[int, int, int] | None:
    """The colour that a palette has for the value 0; none without a palette.

    Raises ``BenchError`` as ``read_picture`` does.
    """
    with _opened(path, 2 * PIXEL_LIMIT, decoded=False) as image:
        palette = image.getpalette("RGB") if image.mode in ("P", "PA") else None
        return None if not palette else (palette[0], palette[1], palette[2])


def turn_remedy(path: Path, found: tuple[int, ...], said: tuple[object, ...], exif: Exif) -> str:
    """What mends sizes (H, W) that differ by a turn, as the end of an error; else nothing.

    ``found`` is the picture's as it was read with ``exif``, ``said`` that of its masks. Empty where
    the picture has no EXIF orientation that turns it by a quarter.
    """
    if tuple(said) != tuple(found[1::-1]) or found[0] == found[1]:
        return ""
    orientation = look_at(path).orientation
    if orientation < 5:
        return ""
    other = "apply" if exif == "ignore" else "ignore"
    return f"; the picture has the EXIF orientation {orientation}: set dataset.args.exif={other}"


@contextmanager
def _opened(
    path: Path, pixel_limit: int, *, decoded: bool = True, held: bytes | None = None
) -> Iterator[ImageFile.ImageFile]:
    """The file, or what it holds, opened, not yet decoded; whatever breaks then names the file."""
    try:
        source = path.open("rb") if held is None else BytesIO(held)
        with source as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > pixel_limit:
                raise ValueError(
                    f"{image.width}×{image.height} pixels (W×H) are more than the limit of "
                    f"{pixel_limit}; if they are meant, raise runtime.max_pixels"
                )
            if decoded:
                check_png(file)
            yield image
    except FileNotFoundError:
        raise BenchError(f"{path}: no such picture file") from None
    except UnidentifiedImageError:
        other = signature_of(held[:HEAD]) if held is not None else signature_of_file(path)
        if other is not None:
            raise BenchError(
                f"{path}: not a picture of a known kind: it is {other.what}; {other.remedy}"
            ) from None
        raise BenchError(f"{path}: not a picture of a known kind ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise BenchError(
            f"{path}: the picture can't be read: its pixels are more than twice the default limit "
            f"of {PIXEL_LIMIT}, beyond which none is read; cut it into tiles"
        ) from error
    except (*_BROKEN, zlib.error) as error:
        raise BenchError(f"{path}: the picture can't be read: {_words(error)}") from error


def rgb_of(image: Image.Image) -> ImageArray:
    """(H, W, 3) uint8 RGB, writable; raises ``ValueError`` for a mode without a fixed range."""
    if image.mode == "F":
        raise ValueError("floating-point values have no fixed range; convert it to 8 or 16 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("32-bit values beyond 0–65535 have no fixed range; convert it")
        grey = (values >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("P", "PA", "RGBa", "La"):  # with the alpha first, so that it can be dropped
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    return np.array(image.convert("RGB"))


def _may_be_transparent(image: Image.Image) -> bool:
    return "transparency" in image.info or not {"A", "a"}.isdisjoint(image.getbands())


def _has_second_page(image: ImageFile.ImageFile) -> bool:
    """Whether there is one; where it is broken it is left unread, as it would be whole."""
    try:
        image.seek(1)
    except _BROKEN:  # EOFError, where there is none
        return False
    return True


def _levels(image: ImageFile.ImageFile) -> LabelArray:
    """(H, W) int32: grey as stored, else the brightest channel."""
    applied = turned_when_decoded(image)
    if image.mode in ("L", "I") or image.mode.startswith("I;16"):
        return turned_back(_numbers(image), applied)
    brightest: LabelArray = rgb_of(image).max(axis=2).astype(np.int32)
    return turned_back(brightest, applied)


def _numbers(image: ImageFile.ImageFile) -> LabelArray:
    """(H, W) int32 as stored; ``ValueError`` for 32 bits without a sign that Pillow gave one."""
    numbers: LabelArray = np.array(image).astype(np.int32)
    tags = getattr(image, "tag_v2", None)  # a TIFF's; the others have no such values
    signed = tags is None or tags.get(_SAMPLE_FORMAT, (1,)) == (_SIGNED,)
    if not signed and numbers.min(initial=0) < 0:
        found = int(numbers[numbers < 0].max()) + (1 << 32)
        raise ValueError(f"a value is at most {(1 << 31) - 1}, found {found}")
    return numbers


def _raw_bits(image: ImageFile.ImageFile) -> int:
    """16 where the file stores 16 bits a channel; Pillow tells it only before decoding."""
    raw_modes = [str(tile[3]) for tile in image.tile]
    return 16 if any(";16" in raw for raw in raw_modes) else 8


def _words(error: Exception) -> str:
    """What an error says, in one line; its kind where it says nothing."""
    if isinstance(error, OSError) and error.errno:
        return disk_fault(error)
    return " ".join(str(error).split()) or type(error).__name__
