"""Pages made from the code hold what the code has; the loop gives what a run gives."""

from __future__ import annotations

import dataclasses
import doctest
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import dataset_table
import generated
import house
import loop
import pytest
from pages import ROOT, blocks
from test_layers import KNOWS, MODULES, TOP, room_of

import bench
from bench import types
from bench.config.composing import load_component
from bench.config.explained import UNSAID, explained
from bench.config.folders import conf_dir
from bench.config.settings import RaySettings, Runtime
from bench.data.readers.shapes import Shapes
from bench.models.demo import DemoSam
from bench.prompts.clicks import Clicks
from bench.protocol import Protocol
from bench.scoring import metrics as shelf
from bench.store.schema import SCHEMA
from bench.types import Site


@pytest.mark.long
def test_the_loop_of_the_docs_gives_the_scores_of_a_run(tmp_path: Path) -> None:
    found = bench.evaluate(
        "dataset.args.count=1", model="demo_s", prompt="point_3", results=tmp_path
    )
    rows = found.rows(["iou", "iou_oracle"])
    ours = {
        (row.image_id, row.mask_id, row.step): (row.iou, row.iou_oracle)
        for row in rows.itertuples()
    }
    model = DemoSam(**load_component("model", "demo_s").args, site=Site())
    protocol = Protocol()
    theirs = {
        (image, mask, step): (score.iou, score.iou_oracle)
        for image, mask, step, score in loop.scores(
            Shapes(count=1, site=Site()), model, Clicks(3, protocol=protocol), protocol
        )
    }
    assert theirs == ours
    assert len({iou for iou, _ in ours.values()}) > 5


def test_every_setting_is_on_its_page_with_its_default() -> None:
    page = generated.settings()
    for prefix, holder in (("runtime", Runtime), ("runtime.ray", RaySettings)):
        for field in dataclasses.fields(holder):
            assert field.name == "ray" or f"| `{prefix}.{field.name}` |" in page
    assert "| `runtime.prompt_batch` | `int` | `64` |" in page


def test_what_the_docs_add_to_settings_is_said_nowhere_else() -> None:
    names = {f"runtime.{field.name}" for field in dataclasses.fields(Runtime)}
    names |= {f"runtime.ray.{field.name}" for field in dataclasses.fields(RaySettings)}
    assert set(UNSAID) <= names
    told = [each.key for each in explained()]
    assert len(told) == len(set(told))
    assert names - set(told) == {"runtime.ray"}


def test_every_command_and_option_is_on_its_page() -> None:
    page = generated.commands()
    assert len(re.findall("^## sam-bench ", page, re.MULTILINE)) >= 19
    for parser, _ in generated._commands_of(generated._parser()):
        section = page.split(f"## {parser.prog}\n")[1].split("\n## ")[0]
        for action in parser._actions:
            for option in action.option_strings:
                spelled = option.replace("-", "_").replace("__", "--", 1)
                assert option in ("-h", "--help") or option in section or spelled in section


def test_every_protocol_has_every_choice_with_its_reason() -> None:
    pages = generated.protocols(), generated.choices()
    for path in (conf_dir() / "protocol").glob("*.yaml"):
        component = load_component("protocol", path.stem)
        section = pages[0].split(f"### Protocol `{path.stem}`")[1].split("\n### ")[0]
        for choice, value in component.args.items():
            assert f"| `{choice}` | `{value}` | {component.about['choices'][choice]} |" in section
            of_choice = pages[1].split(f"### Choice `{choice}`")[1].split("\n### ")[0]
            [line] = [each for each in of_choice.splitlines() if each.startswith(f"| `{value}` |")]
            assert f"[`{path.stem}`]" in line


def test_every_choice_stands_beside_the_lines_of_its_source() -> None:
    page = generated.sources()
    linked = 0
    for path in (conf_dir() / "protocol").glob("*.yaml"):
        component = load_component("protocol", path.stem)
        section = page.split(f"## Source of `{path.stem}`")[1].split("\n## ")[0]
        lines = [line.split(" | ") for line in section.splitlines()]
        source = component.about.get("source")
        for choice, value in component.args.items():
            [where] = [cells[0] for cells in lines if cells[1:] == [f"`{choice}`", f"`{value}` |"]]
            for file, number in re.findall(r"([\w./]+):(\d+)", component.about["where"][choice]):
                url = f"https://github.com/{source['repository']}/blob/{source['commit']}/{file}"
                assert f"({url}#L{number})" in where
                linked += 1
        for left in component.about.get("differs", ()):
            assert f"| {left['what']} | {left['worth']} |" in section
    assert linked > 70


@pytest.mark.long
def test_the_house_has_the_rooms_and_imports_that_the_layers_are_held_by() -> None:
    rooms = house.rooms()
    assert set(rooms) == set(KNOWS) | TOP
    for name, room in rooms.items():
        others = {
            room_of(other)
            for module, path in MODULES.items()
            if room_of(module) == name
            for other in house.imported(path)
        }
        assert room.imports == (others & set(rooms)) - {name}
        assert room.holds


@pytest.mark.long
def test_the_drawing_shows_every_room_above_those_it_imports() -> None:
    rooms = house.rooms()
    drawn = ET.fromstring(house.drawing(rooms))
    svg = "{http://www.w3.org/2000/svg}"
    heights = {
        text.text: float(text.attrib["y"])
        for text in drawn.iter(f"{svg}text")
        if text.get("font-weight") == "bold"
    }
    assert set(heights) == set(rooms)
    for name, room in rooms.items():
        for other in room.imports:
            assert heights[name] < heights[other]
    lines = [path for path in drawn.iter(f"{svg}path") if path.get("marker-end")]
    assert len(lines) == len(house.arrows(rooms))


def test_an_arrow_that_others_imply_is_left_out() -> None:
    rooms = {
        name: house.Room(name, "", frozenset(imports))
        for name, imports in {"a": "bc", "b": "c", "c": "", "d": "c"}.items()
    }
    assert house.arrows(rooms) == [("a", "b"), ("b", "c"), ("d", "c")]


def test_rooms_that_import_each_other_have_no_layers() -> None:
    rooms = {n: house.Room(n, "", frozenset(o)) for n, o in (("a", "b"), ("b", "a"))}
    with pytest.raises(ValueError, match="rooms import each other: a → b → a"):
        house.layers(rooms)


@pytest.mark.parametrize("module", [dataset_table, generated, house, loop])
def test_the_examples_in_the_scripts_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def test_every_metric_is_on_its_page_with_what_it_measures() -> None:
    page = generated.metrics()
    for name in shelf.names():
        [line] = [each for each in page.splitlines() if each.startswith(f"| `{name}` |")]
        measure = shelf.metric(name).measure
        assert f"| {measure.title} |" in line
        assert measure.definition in line


def test_every_name_of_the_types_is_in_the_reference() -> None:
    made = generated.values() + generated.contracts()
    pages = made + generated.words() + (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
    for name in types.__all__:
        wanted = rf"bench\.(types\.)?{name}$|^\| `{name}` \|"
        assert re.search(wanted, pages, re.MULTILINE), name


def test_the_metric_of_the_guide_is_that_of_the_package_outside() -> None:
    written = (ROOT / "tests" / "outside" / "metrics.py").read_text("utf-8")
    [code] = blocks(ROOT / "docs" / "guide" / "own_pieces.md", "python")
    for line in code.replace("def area_ratio", "def _area_ratio").splitlines():
        assert line.strip() in written


def test_every_column_of_the_rows_is_explained() -> None:
    page = (ROOT / "docs" / "concepts" / "measured.md").read_text("utf-8")
    rows = page.split("\n## Rows\n")[1].split("\n## ")[0]
    assert not [name for name in SCHEMA.names if f"`{name}`" not in rows]
