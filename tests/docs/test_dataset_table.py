"""The site's table of datasets is that of the YAMLs."""

from pathlib import Path

import pytest
from dataset_table import BEGIN, END, PAGE, main, table, with_table

from bench.types import BenchError

ROOT = Path(__file__).parents[2]


def test_the_page_has_the_table_of_the_yamls():
    page = PAGE.read_text(encoding="utf-8")
    made = table(ROOT / "conf" / "dataset")
    assert with_table(page, made) == page, "run: python docs/dataset_table.py"
    assert made.count("\\*") == 23


def test_a_line_says_what_the_yaml_says(tmp_path):
    (tmp_path / "beans.yaml").write_text(
        "name: beans\ntarget: bench.data.readers.coco.Coco\nabout: {title: Beans, homepage: null, "
        "expected: {images: 1200, masks: null}, sure: a|b, get: G., gate: form, size: 3 MB}\n"
    )
    (tmp_path / "own.yaml").write_text("name: own\ntarget: a.b.C\nabout: {what: yours}\n")
    assert table(tmp_path).splitlines()[2:] == [
        "| Beans `beans` | [`coco`](../../bench/data/readers/coco.py) | 1,200 images | a\\|b "
        "| Form. G. (3 MB) |"
    ]


def test_only_what_stands_between_the_marks_is_written(tmp_path):
    file = tmp_path / "page.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert main([str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n| dataset")
    assert text.endswith(f"|\n{END}\nafter\n")
    with pytest.raises(BenchError, match="the file has no"):
        with_table("nothing", "table")
