"""What may not be meant about files is said by check, data new and a run, in the same words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from finished import dataset_words
from PIL import Image

from bench.cli import main
from bench.data.doubts import Doubt, doubts_of, first_doubts
from bench.data.readers.coco import Coco
from bench.data.readers.label_image import LabelImage
from bench.data.readers.mask_folder import MaskFolder
from bench.data.recognise import recognise
from bench.data.subset import Subset
from bench.types import Reader, Site

H, W = 20, 30
RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
BOX = np.zeros((H, W), dtype=np.uint8)
BOX[3:12, 4:20] = 255
EXIF = Image.Exif()
EXIF[0x0112] = 6

Save = Callable[[Path], None]


def grey16(most: int) -> Save:
    values = RNG.integers(0, most + 1, (H, W), dtype=np.uint16)
    values[0, 0] = most
    return lambda path: Image.fromarray(values).save(path)


def write(pixels: npt.NDArray[Any], **options: Any) -> Save:
    return lambda path: Image.fromarray(pixels).save(path, **options)


def pages(path: Path) -> None:
    first, second = Image.fromarray(PHOTO), Image.fromarray(255 - PHOTO)
    first.save(path, save_all=True, append_images=[second, first])


def gif_by_another_name(path: Path) -> None:
    first, second = Image.fromarray(PHOTO), Image.fromarray(255 - PHOTO)
    first.save(path, "GIF", save_all=True, append_images=[second])


def colours16(path: Path) -> None:
    cv2.imwrite(str(path), PHOTO.astype(np.uint16) * 16)


def see_through(path: Path) -> None:
    Image.fromarray(np.dstack([PHOTO, BOX])).save(path)


def see_through_palette(path: Path) -> None:
    image = Image.fromarray(PHOTO).quantize(16)
    image.save(path, transparency=3)


OPAQUE = np.dstack([PHOTO, np.full((H, W), 255, np.uint8)])

PICTURES: dict[str, tuple[str, Save, set[str]]] = {
    "8 bits": ("a.png", write(PHOTO), set()),
    "jpeg": ("a.jpg", write(PHOTO), set()),
    "opaque": ("a.png", write(OPAQUE), set()),
    "one page": ("a.tif", write(PHOTO), set()),
    "16 bits": ("a.tif", grey16(65535), set()),
    "just enough": ("a.tif", grey16(64 * 256), set()),
    "12 bits": ("a.tif", grey16(4095), {"dark"}),
    "12 bits, png": ("a.png", grey16(4095), {"dark"}),
    "8 of 16 bits": ("a.tif", grey16(255), {"dark", "one colour"}),
    "16-bit colours": ("a.png", colours16, {"dark"}),
    "a mask": ("a.png", write(BOX // 255), {"black to"}),
    "a dark picture of 8 bits": ("a.png", write(PHOTO // 8), set()),
    "one colour": ("a.png", write(np.full((H, W, 3), 200, np.uint8)), {"one colour"}),
    "pages": ("a.tif", pages, {"further pages"}),
    "frames": ("a.webp", pages, {"further pages"}),
    "a GIF called PNG": ("a.png", gif_by_another_name, {"further pages"}),
    "a TIFF turned": ("a.tif", write(PHOTO, tiffinfo={274: 6}), {"EXIF"}),
    "alpha": ("a.png", see_through, {"alpha"}),
    "alpha of a palette": ("a.png", see_through_palette, {"alpha"}),
    "turned": ("a.jpg", write(PHOTO, exif=EXIF), {"EXIF"}),
}


def words_of(found: list[Doubt]) -> set[str]:
    """The word that tells each kind, each once."""
    tells = ("dark", "black to", "one colour", "further pages", "alpha", "EXIF",
             "levels in between", "several colours", "nest", "far from the others",
             "palette")  # fmt: skip
    told = [next(word for word in tells if word in doubt.what) for doubt in found]
    assert len(set(told)) == len(told)
    return set(told)


def coco(folder: Path, name: str, save: Save, **options: Any) -> Coco:
    (folder / "images").mkdir(parents=True)
    save(folder / "images" / name)
    content = {"images": [{"id": 1, "file_name": name}], "annotations": []}
    (folder / "truth.json").write_text(json.dumps(content))
    return Coco("truth.json", "images", site=Site(datasets=folder), **options)


@pytest.mark.parametrize("kind", PICTURES)
def test_what_the_model_sees_of_a_picture(kind: str, tmp_path: Path) -> None:
    name, save, expected = PICTURES[kind]
    reader = coco(tmp_path, name, save)
    assert words_of(doubts_of(reader, "1")) == expected
    assert doubts_of(reader, "1", reader.read("1")) == doubts_of(reader, "1")
    assert doubts_of(Subset(reader, ["1"]), "1") == doubts_of(reader, "1")


def test_a_picture_that_is_turned_has_no_doubt(tmp_path: Path) -> None:
    assert doubts_of(coco(tmp_path, "a.jpg", write(PHOTO, exif=EXIF), exif="apply"), "1") == []


def test_a_broken_file_is_the_readers_to_tell(tmp_path: Path) -> None:
    reader = coco(tmp_path, "a.png", lambda path: path.write_bytes(b"none") and None)
    assert doubts_of(reader, "1") == []


def masks(folder: Path, name: str, save: Save, **options: Any) -> Reader:
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    write(PHOTO)(folder / "images" / "a.png")
    save(folder / "masks" / name)
    return MaskFolder(".", "images/{id}.png", "masks/{id}.*", site=Site(datasets=folder), **options)


def labels(folder: Path, name: str, save: Save, **options: Any) -> Reader:
    masks(folder, name, save)
    return LabelImage(".", "images/{id}.png", "masks/{id}.*", site=Site(datasets=folder), **options)


def soft() -> npt.NDArray[np.uint8]:
    """A box whose upper edge rises in three steps."""
    mask = BOX.copy()
    mask[3, 4:20], mask[4, 4:20], mask[5, 4:20] = 40, 110, 190
    return mask


def side_by_side(*values: int) -> npt.NDArray[np.uint8]:
    found = np.zeros((H, W), dtype=np.uint8)
    for place, value in enumerate(values):
        found[2:12, 1 + 6 * place : 6 + 6 * place] = value
    return found


def red_and_green() -> npt.NDArray[np.uint8]:
    found = np.zeros((H, W, 3), dtype=np.uint8)
    found[2:9, 3:9, 0] = found[2:9, 12:20, 1] = 255
    return found


def palette(first: list[int]) -> Save:
    def save(path: Path) -> None:
        image = Image.fromarray(side_by_side(1, 2))
        image.putpalette([*first, 0, 0, 0, 90, 90, 90])
        image.save(path)

    return save


MASKS: dict[str, tuple[Any, str, Save, dict[str, Any], set[str]]] = {
    "exact": (masks, "a.png", write(BOX), {}, set()),
    "zero and one": (masks, "a.png", write(BOX // 255), {}, set()),
    "soft": (masks, "a.png", write(soft()), {}, {"levels in between"}),
    "half": (masks, "a.png", write(soft()), {"threshold": 127}, set()),
    "jpeg": (masks, "a.jpg", write(BOX), {}, {"levels in between"}),
    "no black": (masks, "a.png", write(BOX // 2 + 12), {}, {"levels in between"}),
    "void": (masks, "a.png", write(side_by_side(255, 128)), {}, {"levels in between"}),
    "void, told": (masks, "a.png", write(side_by_side(255, 128)), {"ignore": [128]}, set()),
    "colours": (masks, "a.png", write(red_and_green()), {}, {"several colours"}),
    "alpha": (masks, "a.png", see_through, {"threshold": 1}, {"alpha"}),
    "pages": (masks, "a.tif", pages, {"threshold": 1}, {"further pages"}),
    "labels": (labels, "a.png", write(side_by_side(1, 2, 3, 4)), {}, set()),
    "labels, soft": (labels, "a.png", write(soft()), {}, {"nest"}),
    "labels, half": (labels, "a.png", write(soft()), {"threshold": 127}, set()),
    "minus one": (labels, "a.png", write(side_by_side(1, 2, 255)), {}, {"far from the others"}),
    "minus one, told": (labels, "a.png", write(side_by_side(1, 2, 255)), {"ignore": [255]}, set()),
    "palette": (labels, "a.png", palette([250, 9, 9]), {}, {"palette"}),
    "palette, black": (labels, "a.png", palette([0, 0, 0]), {}, set()),
    "palette, all": (labels, "a.png", palette([250, 9, 9]), {"background": []}, set()),
}


@pytest.mark.parametrize("kind", MASKS)
def test_what_is_left_of_a_mask_file(kind: str, tmp_path: Path) -> None:
    make, name, save, options, expected = MASKS[kind]
    assert words_of(doubts_of(make(tmp_path, name, save, **options), "a")) == expected


def test_a_sentence_counts_names_and_mends(tmp_path: Path) -> None:
    reader = masks(tmp_path, "a.png", write(soft()))
    (said,) = first_doubts(reader, ["a", "a"])
    assert said == (
        "mask files with levels in between, of which all above 0 are taken: 2, such as "
        f"{tmp_path}/masks/a.png (5 levels from 0 to 255); dataset.args.threshold=127 takes what "
        "is above half, if that is meant."
    )


def darken(folder: Path) -> None:
    """The dataset's pictures as 16 bits of which 12 are used."""
    document = json.loads((folder / "annotations.json").read_text())
    for image in document["images"]:
        old = folder / "images" / image["file_name"]
        values = np.asarray(Image.open(old))[..., 0].astype(np.uint16) * 16
        old.unlink()
        image["file_name"] = f"{old.stem}.tif"
        Image.fromarray(values).save(folder / "images" / image["file_name"])
    (folder / "annotations.json").write_text(json.dumps(document))


def test_check_run_and_data_new_say_it(
    coco_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = coco_folder(images=3, masks=1)
    darken(folder)
    said = "pictures of 16 bits that are dark or black to the model: 3, such as "
    assert main(["check", *dataset_words(folder)]) == 0
    assert said in capsys.readouterr().out
    run = ["run", "model=disk,demo", "prompt=[box]", *dataset_words(folder)]
    assert main([*run, "--plan"]) == 0
    assert capsys.readouterr().err.count(said) == 1
    assert main(["run", "model=disk", "prompt=[box]", *dataset_words(folder)]) == 0
    assert said in capsys.readouterr().err
    assert main(["run", "model=disk", "prompt=[box]", *dataset_words(folder)]) == 0
    assert said not in capsys.readouterr().err  # nothing is left to do
    assert any(said in words for words in recognise(folder).doubts)
    words = ["--folder", str(folder), "--config-dir", str(tmp_path / "conf")]
    assert main(["data", "new", "mine", *words]) == 0
    assert f"look: {said}" in capsys.readouterr().out
