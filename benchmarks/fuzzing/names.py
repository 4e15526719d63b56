"""Hostile names: of pictures, ids, categories and attributes, in, and in what is written of them.

Every output is parsed back by another parser. It holds the name itself, or the name in the one
form that its format allows; and no output has a character that steers who reads it.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from bench.analysis.section import Section
from bench.analysis.sections.slices import slice_section
from bench.analysis.selection import select
from bench.analysis.table import miou_table
from bench.config.component import Component
from bench.data.opening import open_whole
from bench.files.text import visible_line
from bench.report.check.dataset import check_dataset
from bench.report.check.page import render
from bench.report.check.tables import sections
from bench.report.export import export_coco, export_prompts
from bench.report.tables import formats, section_text
from bench.store.failures import ImageError, read_failures, write_failures
from bench.store.runs import RunStore, read_runs
from bench.types import MaskRow, Site
from fuzzing.files import run_header
from fuzzing.pictures import Judge, Verify, WrongError
from fuzzing.strings import (
    HOSTILE,
    Page,
    csv_cells,
    latex_cells,
    markdown_cells,
    plain,
    raw_characters,
    runs_as_formula,
    told,
)

SIZE = (9, 13)


def name(rng: random.Random, folder: Path) -> Judge:
    """A dataset with hostile file names, ids and categories: read, checked, and shown as a page."""
    first, second = rng.sample(HOSTILE, 2)
    kind = rng.choice(("coco", "coco", "label_image", "mask_folder", "labelme", "yolo"))
    args = _FILES[kind](folder, first, second, rng)
    component = Component("mine", "1", f"bench.data.readers.{kind}.{_CLASSES[kind]}", args)

    def judge() -> Verify:
        reader = open_whole(component, Site(datasets=folder))
        check = check_dataset(component, reader, pictures=True)
        page, tables = render(check), sections(check)
        texts = [(s, section_text.to_csv(s), section_text.to_markdown(s), section_text.to_latex(s))
                 for s in tables]  # fmt: skip
        samples = [reader.read(image_id) for image_id in reader.ids()]
        return lambda: verify(page, texts, samples)

    def verify(page: str, texts: list[Any], samples: list[Any]) -> None:
        for section, *written in texts:
            _judge_section(section, *written)
        _judge_page(page)
        for sample in samples:
            for target in sample.targets:
                if kind == "coco" and target.category not in (first, None):
                    raise WrongError(f"category {target.category!r}, the file says {first!r}")

    return judge


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(5).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


def _mask(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros(SIZE, np.uint8)
    values[2:6, 3:8] = 255
    Image.fromarray(values).save(path, "PNG")


def _file(folder: Path, name: str, ending: str) -> Path:
    """A file of that name, or, where no file can have it, one of a plain name."""
    with suppress(OSError, ValueError):
        if "/" not in name and name not in (".", "..", ""):
            path = folder / f"{name}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            return path
    return folder / f"plain{ending}"


def _coco(folder: Path, first: str, second: str, rng: random.Random) -> dict[str, Any]:
    path = _file(folder / "images", second, rng.choice((".png", ".png", "")))
    _picture(path)
    said = rng.choice((path.name, second, second + ".png"))
    document = {
        "images": [{"id": rng.choice((1, second)), "file_name": said, "height": SIZE[0],
                    "width": SIZE[1]}],
        "annotations": [{"id": rng.choice((1, first)), "category_id": 1, "iscrowd": 0,
                         "segmentation": [[1, 1, 9, 1, 9, 6, 1, 6]],
                         "attributes": {second: first}}],
        "categories": [{"id": 1, "name": first}],
    }  # fmt: skip
    document["annotations"][0]["image_id"] = document["images"][0]["id"]  # type: ignore[index]
    (folder / "a.json").write_text(json.dumps(document))
    return {"annotations": "a.json", "images": "images"}


def _label_image(folder: Path, first: str, second: str, rng: random.Random) -> dict[str, Any]:
    path = _file(folder / "images", second, ".png")
    _picture(path)
    _mask(folder / "labels" / path.name)
    return {"folder": ".", "images": "images/{id}.png", "labels": "labels/{id}.png",
            "categories": {255: first}}  # fmt: skip


def _mask_folder(folder: Path, first: str, second: str, rng: random.Random) -> dict[str, Any]:
    path = _file(folder, second, ".png")
    _picture(path)
    stem = path.name.removesuffix(".png")
    _mask(_file(folder / "masks" / stem, first, ".png"))
    return {"folder": ".", "images": "{id}.png", "masks": "masks/{id}/*.png"}


def _labelme(folder: Path, first: str, second: str, rng: random.Random) -> dict[str, Any]:
    path = _file(folder, second, ".jpg")
    _picture(path)
    shape = {"label": first, "points": [[1, 1], [9, 1], [9, 6]], "shape_type": "polygon",
             "flags": {second: True}, "description": first}  # fmt: skip
    text = json.dumps({"imagePath": second, "shapes": [shape]})
    (folder / f"{path.name.removesuffix('.jpg')}.json").write_text(text)
    return {"folder": "."}


def _yolo(folder: Path, first: str, second: str, rng: random.Random) -> dict[str, Any]:
    path = _file(folder / "images", second, ".png")
    _picture(path)
    file = folder / "labels" / f"{path.name.removesuffix('.png')}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("0 0.1 0.1 0.9 0.1 0.9 0.9")
    return {"folder": ".", "categories": {0: first}}


_FILES = {"coco": _coco, "label_image": _label_image, "mask_folder": _mask_folder,
          "labelme": _labelme, "yolo": _yolo}  # fmt: skip
_CLASSES = {"coco": "Coco", "label_image": "LabelImage", "mask_folder": "MaskFolder",
            "labelme": "Labelme", "yolo": "Yolo"}  # fmt: skip


def text(rng: random.Random, folder: Path) -> Judge:
    """A run whose names are hostile: its failures, tables, slices, exports and terminal."""
    odd = rng.sample(HOSTILE, 6)
    titles = {"model": rng.choice((odd[0], "Disk")), "dataset": rng.choice((odd[1], "Shapes"))}
    store = RunStore.create(folder, "shapes-disk-point_1-0123456789ab")
    ids = [odd[2], "scene_1"]
    rows = [
        MaskRow(
            dataset="shapes", image_id=image_id, mask_id=f"{odd[3]}{m}", category=odd[4],
            attributes={odd[5]: odd[0]}, height=8, width=9, area=10 + m, model="disk",
            prompt="point_1", protocol="sam", step=1, n_points=1, point_coords=[[1.0, 2.0]],
            point_labels=[1], box=None, iou=0.1 + 0.07 * m, iou_oracle=0.9,
            ious=[0.1 + 0.07 * m, 0.9], predicted_ious=[0.5, 0.25], selected=0, multimask=True,
            mask_rle="P21", metrics={"boundary_iou": 0.25},
        )
        for image_id in ids for m in range(2)
    ]  # fmt: skip
    store.write_part(rows, ids, {}, "f")
    header = run_header(store, images=2, masks=4)
    for kind, title in titles.items():
        header[kind]["about"] = {"title": title}
    if rng.random() < 0.3:
        header["notes"] = [odd[1]]
    store.write_header(header)
    by = rng.choice(("category", f"attribute:{odd[5]}"))

    def judge() -> Verify:
        errors = [ImageError(odd[2], odd[3]), ImageError(odd[4], odd[5])]
        write_failures(folder / "errors.jsonl", errors, lambda: None)
        again = read_failures(folder / "errors.jsonl")
        selection = select([store])
        table, slices = miou_table(selection), slice_section(selection, by, None)
        written = [(s, section_text.to_csv(s), section_text.to_markdown(s),
                    section_text.to_latex(s)) for s in (slices,)]  # fmt: skip
        tables = formats.to_csv(table), formats.to_markdown(table), formats.to_latex(table)
        export_prompts(store, folder / "prompts.csv")
        export_coco(store, folder / "masks.json")
        for section in (slices,):
            (folder / f"{section.name}.csv").write_text(written[0][1])
        return lambda: verify(errors, again, written, tables, slices)

    def verify(errors: Any, again: Any, written: Any, tables: Any, slices: Section) -> None:
        if again != errors:
            raise WrongError(f"failures {errors} are read as {again}")
        for line in (folder / "errors.jsonl").read_text("utf-8").split("\n")[:-1]:
            json.loads(line)
        read = read_runs([store])
        if set(read["image_id"]) != set(ids) or set(read["category"]) != {odd[4]}:
            raise WrongError("names in rows are others than those written")
        for section, *each in written:
            _judge_section(section, *each)
        if odd[4] not in [row[1] for row in slices.rows] and by == "category" and odd[4].strip():
            raise WrongError(f"no line is of the category {odd[4]!r}")
        _judge_table(tables, titles)
        _judge_exports(folder, {(i, f"{odd[3]}{m}") for i in ids for m in range(2)})
        _judge_terminal(odd)

    return judge


def _judge_section(section: Section, csv: str, markdown: str, latex: str) -> None:
    """Each format holds the section's cells, and nothing that steers or runs."""
    for kind, written in (("CSV", csv), ("Markdown", markdown), ("LaTeX", latex)):
        if bad := raw_characters(written):
            raise WrongError(f"{kind} holds raw {bad!r}")
    rows = [[plain(cell) for cell in row] for row in section.rows]
    shown = [[plain(cell) for cell in row] for row in markdown_cells(markdown)[1:]]
    if shown != rows:
        raise WrongError(f"Markdown shows {_difference(shown, rows)}")
    shown = [[plain(cell) for cell in row] for row in latex_cells(latex)]
    for place, (row, wanted) in enumerate(zip(shown, rows, strict=True)):
        if row[1:] != wanted[1:] or row[0] not in (wanted[0], "" if place else wanted[0]):
            raise WrongError(f"LaTeX shows {_difference([row], [wanted])}")
    _judge_csv(csv, len(section.lines), len(section.lines.columns))


def _difference(shown: list[list[str]], wanted: list[list[str]]) -> str:
    if len(shown) != len(wanted):
        return f"{len(shown)} rows, expected {len(wanted)}"
    pairs = [(a, b) for x, y in zip(shown, wanted, strict=True) for a, b in zip(x, y, strict=False)]
    return next((f"{a!r}, expected {b!r}" for a, b in pairs if a != b), "rows of other lengths")


def _judge_csv(text: str, lines: int, columns: int) -> None:
    if lines == 0:
        return
    rows = csv_cells(text)
    if len(rows) != lines + 1 or {len(row) for row in rows} != {columns}:
        raise WrongError(f"a CSV of {lines} lines and {columns} columns is read as {len(rows)}")
    for row in rows[1:]:
        for cell in row:
            if runs_as_formula(cell):
                raise WrongError(f"a spreadsheet computes {cell!r}")


def _judge_table(tables: tuple[str, str, str], titles: dict[str, str]) -> None:
    csv, markdown, latex = tables
    for written in (markdown, latex):
        if bad := raw_characters(written):
            raise WrongError(f"a table holds raw {bad!r}")
    _judge_csv(csv, 1, len(csv_cells(csv)[0]))
    wanted = [plain(titles[kind]) or None for kind in ("dataset", "model")]
    for rows in (markdown_cells(markdown)[1:], latex_cells(latex)):
        (row,) = rows
        found = [plain(row[0]), plain(row[2])]
        for here, want in zip(found, wanted, strict=True):
            if want is not None and here != want:
                raise WrongError(f"the table calls {want!r} {here!r}")


def _judge_exports(folder: Path, pairs: set[tuple[str, str]]) -> None:
    rows = csv_cells((folder / "prompts.csv").read_text("utf-8"))
    wanted = {tuple(map(_exported, pair)) for pair in pairs}
    found = {tuple(row[:2]) for row in rows[1:]}
    if found != wanted:
        raise WrongError(f"prompts are exported of {sorted(found ^ wanted)[:2]}")
    if any(runs_as_formula(cell) for row in rows[1:] for cell in row[:2]):
        raise WrongError("a spreadsheet computes an exported id")
    entries = json.loads((folder / "masks.json").read_text("utf-8"))
    if {(str(one["image_id"]), str(one["mask_id"])) for one in entries} != pairs:
        raise WrongError("masks are exported under other names")


def _exported(text: str) -> str:
    """A name as a CSV has it, with an apostrophe where a spreadsheet would compute it."""
    cell = told(text)
    return f"'{cell}" if runs_as_formula(cell) else cell


def _judge_page(page: str) -> None:
    """A page with no tag, attribute or address that its template hasn't."""
    if bad := raw_characters(page):
        raise WrongError(f"the page holds raw {bad!r}")
    found = Page(page)
    allowed = {"onload", "onerror", "onclick"}
    for tag, attributes in found.tags:
        if attributes & allowed or (tag == "script" and "src" in attributes):
            raise WrongError(f"a name made <{tag} {sorted(attributes)}>")
    if any("alert(1)" in text for text in found.texts) and page.count("<script>alert(1)"):
        raise WrongError("a name made a script")
    if page.count("<img src=x") or page.count("</style><b>"):
        raise WrongError("a name made a tag")


def _judge_terminal(names: list[str]) -> None:
    from bench.cli.console import _Screen

    with open("/dev/null", "w") as nowhere:
        screen = _Screen(file=nowhere, force_terminal=False, width=80, record=True)
        assert isinstance(screen, Console)
        for each in names:
            screen.print(each, markup=False, highlight=False)
        if bad := raw_characters(screen.export_text()):
            raise WrongError(f"a terminal gets raw {bad!r}")
    for each in names:
        line = visible_line(each)
        if raw_characters(line) or "\n" in line:
            raise WrongError(f"a log gets {line!r}")
