"""The page in a browser: nothing complains, sorting works, nothing is wider than a phone."""

import json
import re
import shutil
import subprocess

import pytest

from bench.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")

PROBE = """
<script>
const first = () => [...document.querySelectorAll("#table tbody tr")].map((row) =>
  [row.cells[0].textContent, row.cells[1].textContent, Number(row.cells[3].textContent)]);
const heads = document.querySelectorAll("#table thead th");
const found = { wide: document.documentElement.scrollWidth, asWritten: first() };
heads[3].querySelector("button").click();
found.descending = first();
found.sorted = heads[3].getAttribute("aria-sort");
heads[3].querySelector("button").click();
found.ascending = first();
heads[0].querySelector("button").click();
found.byDataset = first();
heads[1].querySelector("button").click();
found.byPrompt = first();
const out = document.createElement("pre");
out.id = "found";
out.textContent = JSON.stringify(found);
document.body.append(out);
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory, new_bench):
    folder = tmp_path_factory.mktemp("page")
    bench = new_bench(folder / "results")
    stores = [bench.run(d, images=3, seed=len(d)) for d in ("shapes", "nuclei")]
    return write_report(stores, folder / "report", read_sample=bench.read_sample, samples=100).page


def browse(page, tmp_path, *options):
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
        *options, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="module")
def found(page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    probed = page.with_name("probed.html")
    text = page.read_text(encoding="utf-8")
    probed.write_text(text.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    dump = browse(probed, folder, "--window-size=500,900", "--dump-dom")
    assert "CONSOLE" not in dump.stderr, dump.stderr
    content = re.search(r'<pre id="found">(.*?)</pre>', dump.stdout, re.DOTALL).group(1)
    return json.loads(content)


def test_numbers_sort_high_to_low_and_back(found):
    shown = [line[2] for line in found["descending"]]
    assert shown == sorted(shown, reverse=True)
    assert [line[2] for line in found["ascending"]] == shown[::-1]
    assert found["sorted"] == "descending"
    assert len(shown) == 15


def test_datasets_sort_as_they_were_written(found):
    assert [line[0] for line in found["byDataset"]] == [line[0] for line in found["asWritten"]]


def test_prompts_sort_by_their_number(found):
    prompts = list(dict.fromkeys(line[1] for line in found["byPrompt"]))
    assert prompts == ["1 point", "2 points", "3 points", "5 points", "9 points"]


def test_nothing_is_wider_than_the_window(found):
    assert found["wide"] <= 500
