"""The page in a browser: it sorts and filters, asks no network, runs no text of the data, fits a
phone. Its masks are looked at in test_masks_browser.

Without Chromium these tests are skipped, or fail where ``BENCH_BROWSER=required`` (as in CI).
"""

import json
import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from bench.config.component import Component
from bench.data.readers.shapes import Shapes
from bench.report import write_report
from bench.report.check.dataset import check_dataset
from bench.report.check.page import write_check
from bench.types import Site

# A browser's start and whole reports; test_write and test_viewer look at the page without one.
pytestmark = pytest.mark.long

NASTY = "</script><img src=x onerror=document.title='hit'><script>document.title='hit'</script>"
ROW = "tr => [tr.cells[0].textContent, tr.cells[1].textContent, Number(tr.cells[3].textContent)]"


@pytest.fixture(scope="module")
def bench_of_two(tmp_path_factory, new_bench):
    return new_bench(tmp_path_factory.mktemp("page") / "results")


@pytest.fixture(scope="module")
def runs(bench_of_two):
    return [
        bench_of_two.run(
            d, images=3, seed=len(d), category=NASTY, title=NASTY, facts={"note": NASTY}
        )
        for d in ("shapes", "nuclei")
    ]


@pytest.fixture(scope="module")
def page(bench_of_two, runs):
    out = bench_of_two.results.parent / "report"
    return write_report(runs, out, read_sample=bench_of_two.read_sample).page


@pytest.fixture
def opened(chromium, page):
    """The page as it is opened on a phone of 400 px, in the light."""
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    shown(chromium, "light")
    chromium.get(page.as_uri())
    yield chromium
    complaints = chromium.get_log("browser")
    assert complaints == []


def shown(browser, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def lines(browser):
    """Dataset, prompt and mIoU of each line of the table, as they stand."""
    return browser.execute_script(
        f"return [...document.querySelectorAll('#table tbody tr')].map({ROW})"
    )


def button(browser, column):
    return browser.find_elements(By.CSS_SELECTOR, "#table thead button")[column]


def test_numbers_sort_high_to_low_and_back(opened):
    button(opened, 3).click()
    down = [line[2] for line in lines(opened)]
    assert len(set(down)) > 5
    assert down == sorted(down, reverse=True)
    head = opened.find_elements(By.CSS_SELECTOR, "#table thead th")[3]
    assert head.get_attribute("aria-sort") == "descending"
    button(opened, 3).click()
    assert [line[2] for line in lines(opened)] == down[::-1]
    assert len(down) == 15


def test_the_keyboard_sorts_and_the_focus_is_seen(opened):
    for _ in range(30):
        opened.switch_to.active_element.send_keys(Keys.TAB)
        if opened.switch_to.active_element == button(opened, 3):
            break
    focused = opened.switch_to.active_element
    assert focused == button(opened, 3)
    assert focused.value_of_css_property("outline-style") == "solid"
    focused.send_keys(Keys.ENTER)
    down = [line[2] for line in lines(opened)]
    assert down == sorted(down, reverse=True)


def test_datasets_sort_as_they_were_written(opened):
    before = lines(opened)
    button(opened, 3).click()
    assert [line[0] for line in lines(opened)] != [line[0] for line in before]
    button(opened, 0).click()
    assert [line[0] for line in lines(opened)] == [line[0] for line in before]


def test_prompts_sort_by_their_number(opened):
    button(opened, 1).click()
    prompts = list(dict.fromkeys(line[1] for line in lines(opened)))
    assert prompts == ["1 point", "2 points", "3 points", "5 points", "9 points"]


def test_a_filter_leaves_the_lines_with_all_its_words(opened):
    field = opened.find_element(By.CSS_SELECTOR, "#table input[type=search]")
    field.send_keys("9 POINTS")
    assert [line[1] for line in shown_lines(opened)] == ["9 points"] * 3
    said = opened.find_element(By.CSS_SELECTOR, "#table [role=status]")
    assert said.text == "3 of 15 lines"
    names = opened.find_elements(By.CSS_SELECTOR, "#table tbody tr:not([hidden]) th")
    assert all("0)" not in name.value_of_css_property("color") for name in names), "names are seen"
    field.send_keys(" no-such-word")
    assert shown_lines(opened) == []
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(Keys.DELETE)
    assert len(shown_lines(opened)) == 15
    assert said.text == ""


def shown_lines(browser):
    return [
        line
        for line, row in zip(
            lines(browser), browser.find_elements(By.CSS_SELECTOR, "#table tbody tr"), strict=True
        )
        if row.is_displayed()
    ]


def test_the_reader_chooses_light_or_dark(opened):
    def paper():
        return opened.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")

    light = paper()
    opened.find_element(By.ID, "theme").click()
    dark = paper()
    assert dark != light
    opened.refresh()
    assert paper() == dark, "the choice is remembered"
    opened.find_element(By.ID, "theme").click()
    assert paper() == light
    opened.execute_script("localStorage.clear()")


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_window(opened, width):
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    opened.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.execute_script("return innerWidth") == width
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_page_follows_light_and_dark(opened):
    colours = []
    for scheme in ("light", "dark"):
        shown(opened, scheme)
        colours.append(opened.find_element(By.TAG_NAME, "body").value_of_css_property("color"))
    assert colours[0] != colours[1]


def test_text_of_the_data_is_shown_and_never_run(opened):
    opened.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert NASTY in opened.execute_script("return document.body.textContent")
    assert opened.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
    assert opened.title.startswith("Zero-shot")


def test_the_page_asks_no_network(opened, page):
    opened.get_log("performance")
    opened.get(page.as_uri())
    opened.execute_script("scrollTo(0, document.body.scrollHeight)")
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = {
        message["params"]["request"]["url"].split(",")[0]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert page.as_uri() in asked
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_of_a_check_fits_and_runs_no_text_of_the_data(chromium, tmp_path, width):
    about = {"title": NASTY, "unknown": NASTY, "expected": {"images": 3, "masks": 29461}}
    part = Component("odd", "1", "bench.data.readers.shapes.Shapes", {}, about)
    check = check_dataset(part, Shapes(count=3, site=Site()), pictures=True)
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    chromium.get(write_check(check, tmp_path / "check").as_uri())
    chromium.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
    wide = "return [...document.querySelectorAll('.frame')].map(f => f.scrollWidth - f.clientWidth)"
    assert max(chromium.execute_script(wide)) <= 1, "no table is cut off"
    assert chromium.title.startswith("Check of ")
    assert NASTY in chromium.execute_script("return document.body.textContent")
    assert chromium.execute_script("return document.querySelectorAll('img').length") > 5
    assert chromium.get_log("browser") == []


def test_a_script_or_picture_that_got_into_the_page_is_not_run(chromium, page, tmp_path):
    html = page.read_text(encoding="utf-8")
    added = (
        "<script>document.title='hit'</script><img src=x onerror=document.title='hit'>"
        "<img src='http://127.0.0.1:9/x.png'><iframe src='http://127.0.0.1:9/'></iframe>"
    )
    changed = tmp_path / "index.html"
    changed.write_text(html.replace("</main>", f"{added}</main>"), encoding="utf-8")
    chromium.get_log("browser")
    chromium.get(changed.as_uri())
    assert chromium.title != "hit"
    said = " ".join(entry["message"] for entry in chromium.get_log("browser"))
    said = said.replace('\\"', "'").replace('"', "'")
    for directive in ("script-src", "img-src", "default-src"):
        assert re.search(rf"Security Policy directive:? '{directive} ", said), said
    assert chromium.execute_script("return document.querySelectorAll('.sortable').length > 0")
