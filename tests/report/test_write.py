import base64
import hashlib
import json
import re
import subprocess
import sys
from html import unescape

import pytest
from markupsafe import Markup

from bench.report import write_report
from bench.report.figures import style
from bench.report.figures.kinds import KINDS
from bench.report.pages import write as writing
from bench.report.pages.html import inline_svg, template
from bench.types import BenchError

NASTY = "<script>alert('x')</script> & \"co\" {{ 7*7 }}"


@pytest.fixture(scope="module")
def written(tmp_path_factory, new_bench):
    """A report of two models and two datasets, whose names try to break out of the page."""
    folder = tmp_path_factory.mktemp("report")
    bench = new_bench(folder / "results")
    stores = [
        bench.run(d, m, images=4, seed=seed, skill=skill, category=NASTY,
                  title=f"{NASTY}{m}", images_failed=1, skipped={"crowd": 2},
                  facts={"checkpoint_sha256": NASTY})
        for d, seed in (("shapes", 0), ("nuclei", 40))
        for m, skill in (("sam_b", 1.6), ("grabcut", 0.7))
    ]  # fmt: skip
    report = write_report(
        stores, folder / "reports" / "all", read_sample=bench.read_sample, figures=KINDS
    )
    return bench, stores, report


def drawn(report):
    """The figures by name: those of the shelf that the rows allow, whichever there are."""
    return {path.stem for path in (report.folder / "figures").glob("*.pdf")}


def test_writes_every_file_and_no_other(written):
    _, _, report = written
    names = {path.relative_to(report.folder).as_posix() for path in report.files}
    figures = drawn(report)
    assert figures >= {"points", "difference", "histogram", "predicted_iou"}
    tables = {
        f"{name}.{kind}" for name in ("table", "wide", "reasons") for kind in ("csv", "md", "tex")
    }
    pictures = {f"figures/{name}.{k}" for name in figures for k in KINDS}
    dots = {"figures/predicted_iou-img0.png"}  # the colours' bar, beside its .pgf
    assert names == tables | pictures | dots | {"summary.md", "index.html", "report.json"}
    there = {
        p.relative_to(report.folder).as_posix() for p in report.folder.rglob("*") if p.is_file()
    }
    assert there == names
    assert [path.name for path in report.folder.parent.iterdir()] == ["all"]


@pytest.mark.long
def test_the_same_runs_give_the_same_bytes(written):
    bench, stores, report = written
    again = report.folder.with_name("again")
    write_report(stores[::-1], again, read_sample=bench.read_sample, figures=KINDS)
    for path in report.files:
        assert path.read_bytes() == (again / path.relative_to(report.folder)).read_bytes(), path


def test_the_table_of_the_page_names_no_protocol_where_there_is_one(written):
    page = written[2].page.read_text(encoding="utf-8")
    head = page[page.index("<thead>") : page.index("</thead>")]
    assert "95 % interval" in head
    assert "protocol" not in head


def test_page_stands_alone_and_escapes_what_it_shows(written):
    page = written[2].page.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert(&#39;x&#39;)" in page
    assert "{{ 7*7 }}" in page
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)["']""", page)
    assert {a.split(":")[0] if ":" in a else a[:1] for a in addresses} == {"data", "#"}
    assert "@import" not in page
    assert "url(http" not in page
    assert 'lang="en"' in page
    assert "prefers-color-scheme: dark" in page


def test_ids_are_unique_and_every_reference_is_there(written):
    page = written[2].page.read_text(encoding="utf-8")
    ids = re.findall(r'\bid="([^"]+)"', page)
    links = re.findall(r'href="#([^"]+)"', page) + re.findall(r"url\(#([^)]+)\)", page)
    masks = [link for link in links if link.startswith(("mask=", "masks&amp;"))]
    assert len(masks) > 100, "tiles, bars and cells open masks; see test_masks_browser"
    assert set(links) - set(masks) <= set(ids)
    outside = [name for name in ids if not name.startswith(tuple(drawn(written[2])))]
    assert len(outside) == len(set(outside))


def test_every_picture_has_words(written):
    page = written[2].page.read_text(encoding="utf-8")
    pictures = re.findall(r"<img\b[^>]*>", page)
    assert len(pictures) > 20
    assert all(re.search(r'alt="[^"]{10,}"', picture) for picture in pictures)
    assert page.count('role="img"') == len(drawn(written[2]))


def test_the_gallery_is_there_and_linked(written):
    page = written[2].page.read_text(encoding="utf-8")
    assert page.count('<a href="#gallery">') == page.count('<section id="gallery">') == 1


def test_the_gallery_shows_what_it_says_one_mask_of_each_image(written):
    page = written[2].page.read_text(encoding="utf-8")
    gallery = page.partition('<section id="gallery">')[2].partition('<section id="runs">')[0]
    said = "Worst, median and best show one mask of each image, as long as there are images."
    assert gallery.count(said) == 1
    worst = re.findall(r"<h4>worst</h4>(.*?)</section>", gallery, re.DOTALL)
    assert len(worst) > 10
    for rank in worst:
        images = re.findall(r'alt="worst mask .*? of image ([^,]+), IoU', rank)
        assert len(images) >= 2
        assert len(set(images)) == min(4, len(images)), "each of the four images has masks"


def test_every_line_of_the_page_has_its_numbers_over_images(written):
    report = written[2]
    page = report.page.read_text(encoding="utf-8")
    shown = re.findall(r'data-label="over images" data-sort="([^"]+)">([^<]+)<', page)
    lines = report.table.lines
    assert sorted(float(value) for value, _ in shown) == sorted(lines["miou_images"])
    cells = {float(value): text for value, text in shown}
    for line in lines.to_dict("records"):
        ends = [f"{100 * line[f'miou_images{end}']:.1f}" for end in ("", "_low", "_high")]
        plain = "{} ({}–{})".format(*ends) if line["miou_images_low"] > 0 else ends[0]
        plain += "*" * (line["few_images"] and plain != ends[0])
        assert cells[line["miou_images"]] == plain
    marks = page.count("*</span>")
    assert marks == int((lines["few"] & lines["miou_low"].notna()).sum()) > 0


def test_caption_says_what_is_missing(written):
    report = written[2]
    for name in ("table.md", "table.tex", "index.html"):
        text = (report.folder / name).read_text(encoding="utf-8")
        assert "1 image could not be scored" in text
        assert "2 crowd" in text
        assert "Protocol sam." in text
    page = (report.folder / "index.html").read_text(encoding="utf-8")
    assert re.search(r"\b0123456789ab\b", page), "a commit's first twelve digits"
    assert "Datasets: nuclei v1, shapes v1. Models: grabcut v1, sam_b v1. Protocol: sam v1." in page


def test_json_is_the_table_for_machines(written):
    report = written[2]
    content = json.loads((report.folder / "report.json").read_text(encoding="utf-8"))
    lines = report.table.lines
    assert content["report_version"] == 1
    assert [line["miou"] for line in content["lines"]] == lines["miou"].tolist()
    assert content["lines"][-1]["dataset"] is None
    assert len(content["runs"]) == 4
    assert content["answer"] == list(report.answer)
    # 14 masks a dataset: a third of them each, rounded up
    assert all(len(group["masks"]["worst"]) == 5 for group in content["gallery"])
    assert set(content["files"]) == {p.relative_to(report.folder).as_posix() for p in report.files}


def test_an_error_leaves_the_earlier_report_as_it_was(written, monkeypatch):
    _, stores, report = written
    before = {path: path.read_bytes() for path in report.files}

    def full_disk(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(style, "save", full_disk)
    with pytest.raises(BenchError, match="no space left"):
        write_report(stores, report.folder)
    assert {path: path.read_bytes() for path in report.files} == before
    assert not list(report.folder.parent.glob(".*"))


def test_a_later_report_removes_only_what_an_earlier_one_wrote(bench, row, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "figures", lambda *_: [])
    out = tmp_path / "report"
    store = bench.run(prompt="point_1", rows=[row()])
    write_report([store], out)
    (out / "notes.txt").write_text("mine")
    (tmp_path / "outside.txt").write_text("mine")
    stale = out / "figures" / "old.pdf"
    stale.write_text("old")
    header = json.loads((out / "report.json").read_text())
    header["files"] += ["figures/old.pdf", "../outside.txt"]
    (out / "report.json").write_text(json.dumps(header))
    write_report([store], out)
    assert not stale.exists()
    assert (out / "notes.txt").read_text() == "mine"
    assert (tmp_path / "outside.txt").exists()


def test_the_page_runs_its_own_script_alone(written):
    _, _, report = written
    html = report.page.read_text(encoding="utf-8")
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    own = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert unescape(policy[1]).split("; ") == [
        "default-src 'none'", "img-src data:", "style-src 'unsafe-inline'", "base-uri 'none'",
        "form-action 'none'", f"script-src 'sha256-{own}'",
    ]  # fmt: skip
    assert html.index(policy[0]) < html.index("<title>")


@pytest.mark.parametrize("steers", ["\x1b[31m", "\u202e", "\x9b", "\x07", "\u2028"])
def test_what_steers_is_written_out_in_a_page(steers):
    page = template("section.html.jinja").environment.from_string("<b>{{ x }}</b>{{ y }}")
    shown = page.render(x=f"a{steers}<b>\n", y=Markup("<i>\x0c</i>"))
    escape = steers.encode("unicode_escape").decode().replace("[31m", "")
    assert steers not in shown
    assert f"<b>a{escape}" in shown
    assert shown.endswith("&lt;b&gt;\n</b><i>\x0c</i>"), "what is encoded enters as it is"


def test_refusal_writes_nothing(bench, tmp_path):
    store = bench.run(images=1, status="partial", images_done=1)
    with pytest.raises(BenchError, match="unfinished"):
        write_report([store], tmp_path / "new" / "report")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(bench, row, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "figures", lambda *_: [])
    (tmp_path / "file").write_text("")
    store = bench.run(prompt="point_1", rows=[row()])
    with pytest.raises(BenchError, match="can't be written"):
        write_report([store], tmp_path / "file" / "report")


def test_report_of_one_mask_without_anything_to_draw(bench, row, tmp_path):
    store = bench.run(prompt="point_1", rows=[row(predicted_ious=[])], partial=True)
    store.write_header({"status": "complete"})
    report = write_report([store], tmp_path / "report")
    page = report.page.read_text(encoding="utf-8")
    assert "With point_1, sam_b reaches 50.0 mIoU on shapes." in page
    assert 'id="gallery"' not in page
    assert not drawn(report) & {"points", "difference", "predicted_iou"}


def test_inline_svg_takes_the_pages_ink_and_its_own_ids():
    svg = (
        '<?xml version="1.0"?>\n<svg width="72pt" height="36pt" viewBox="0 0 72 36" version="1.1">'
        f'<metadata>x</metadata><g id="a" style="fill: {style.INK}"/><use href="#a" '
        'clip-path="url(#a)"/></svg>'
    )
    assert inline_svg(svg, "fig") == (
        '<svg aria-hidden="true" focusable="false" '
        'style="max-width:115px;min-width:min(115px,34rem)" viewBox="0 0 72 36">'
        '<g id="fig-a" style="fill: var(--ink)"/><use href="#fig-a" clip-path="url(#fig-a)"/></svg>'
    )


def test_importing_the_package_is_light():
    code = (
        "import sys, bench.report; "
        "print([m for m in ('torch', 'matplotlib', 'pandas', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.long
def test_no_module_of_the_report_needs_torch():
    code = (
        "import sys, bench.report.pages.write, bench.analysis.stats; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
