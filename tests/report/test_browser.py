"""The page in a browser: it sorts and filters, shows a bar's masks and a mask's clicks one by one,
asks no network, runs no text of the data, fits a phone.

Without Chromium these tests are skipped, or fail where ``BENCH_BROWSER=required`` (as in CI).
"""

import json
import re

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from bench.config.component import Component
from bench.data.readers.shapes import Shapes
from bench.report import write_report
from bench.report.check.dataset import check_dataset
from bench.report.check.page import write_check
from bench.store.runs import read_runs
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


EVERY_MASK = """
const pick = (id, value) => {
  const select = document.getElementById(id);
  select.value = value;
  select.dispatchEvent(new Event('change'));
};
const values = (id) => [...document.getElementById(id).options].map((each) => each.value);
const text = (id) => document.getElementById(id).textContent;
const found = [];
for (const dataset of values('masks-dataset')) {
  pick('masks-dataset', dataset);
  for (const series of values('masks-series')) {
    pick('masks-series', series);
    for (const label of values('masks-label')) {
      pick('masks-label', label);
      for (const bar of document.querySelectorAll('#masks .bars button:not(:disabled)')) {
        bar.click();
        for (const tile of [...document.querySelectorAll('#masks-tiles .tile')]) {
          tile.click();
          const run = document.getElementById('mask-run');
          found.push({
            dataset: document.getElementById('masks-dataset').selectedOptions[0].textContent,
            series, label, tile: tile.querySelector('b').textContent, mask: text('mask-title'),
            run: run.selectedOptions[0].textContent, step: text('mask-step'),
            curve: [...document.querySelectorAll('#mask-curve button')].map((b) => b.textContent),
            facts: Object.fromEntries([...document.querySelectorAll('#mask-facts div')].map(
              (line) => [line.children[0].textContent, line.children[1].textContent])),
          });
          document.getElementById('mask-close').click();
        }
      }
    }
  }
}
return found;
"""


def test_every_mask_that_is_opened_is_that_of_its_row(chromium, new_bench, tmp_path):
    bench = new_bench(tmp_path / "results")
    stores = [
        bench.run(d, model, prompt, images=2, seed=len(d), skill=skill, key=key, title=title)
        for d in ("nuclei", "shapes")
        for model, title, skill in (("zeta", "A model", 1.0), ("alpha", "The other", 2.5))
        for prompt, key in (("point_3", f"{model[0]}1"), ("point_1", f"{model[0]}9"),
                            ("box", f"{model[0]}5"))
    ]  # fmt: skip
    page = write_report(stores, tmp_path / "report", read_sample=bench.read_sample).page
    chromium.get(page.as_uri())
    found = chromium.execute_script(EVERY_MASK)
    names = {"A model": "zeta", "The other": "alpha"}
    prompts = {"1 point": "point_1", "3 points": "point_3", "box": "box"}
    rows = read_runs(stores, ["dataset", "model", "prompt", "iou", "predicted_ious", "selected"])
    by_mask = dict(iter(rows.groupby(["dataset", "model", "prompt", "mask_id"])))
    assert len(found) == len(by_mask)
    for shown in found:
        model, prompt = names[shown["series"]], prompts[shown["label"]]
        truth = by_mask[shown["dataset"], model, prompt, shown["mask"]]
        last = truth.iloc[-1]
        assert shown["run"] == f"{shown['series']}, {prompt}"
        assert shown["curve"] == [f"{100 * iou:.1f}" for iou in truth["iou"]]
        assert shown["tile"] == shown["facts"]["IoU"] == f"{100 * last['iou']:.1f}"
        predicted = last["predicted_ious"][last["selected"]]
        assert shown["facts"]["predicted"] == f"{100 * predicted:.1f}"
        asked = "box" if prompt == "box" else f"{len(truth)} click{'s' * (len(truth) > 1)}"
        assert shown["step"] == f"Step {len(truth)} of {len(truth)}: {asked}"


def test_a_masks_label_tells_its_image_unless_the_mask_is_named_by_it(
    chromium, bench, row, tmp_path
):
    named = [("7", "71"), ("7", "7/1"), ("8", "7/1x"), ("8", "8")]
    rows = [
        row(image_id=image_id, mask_id=mask_id, iou=0.1 * place)
        for place, (image_id, mask_id) in enumerate(named, start=1)
    ]
    store = bench.run(prompt="point_1", rows=rows)
    page = write_report([store], tmp_path / "report", read_sample=bench.read_sample).page
    chromium.get(page.as_uri())
    said = chromium.execute_script("""
      const said = [];
      for (const bar of document.querySelectorAll('#masks .bars button:not(:disabled)')) {
        bar.click();
        for (const each of document.querySelectorAll('#masks-more li')) said.push(each.textContent);
      }
      return said;
    """)
    assert said == ["10.0 7 · 71", "20.0 7/1", "30.0 8 · 7/1x", "40.0 8 · 8"]


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


def choose(browser, name, value):
    Select(browser.find_element(By.ID, f"masks-{name}")).select_by_visible_text(value)


def bars(browser):
    """The count of each bar, from what a screen reader is told."""
    found = browser.find_elements(By.CSS_SELECTOR, ".bars button")
    return [(bar, int(re.search(r": (\d+) mask", bar.accessible_name)[1])) for bar in found]


def expected_counts(run, step):
    """How many masks each bar of 5 points has, straight from the rows up to a step."""
    rows = read_runs([run], ["iou"])
    ious = rows[rows["step"] <= step].groupby("mask_id")["iou"].last()
    return np.bincount(
        np.minimum(np.floor(ious.round(4) * 20 + 1e-9), 19).astype(int), minlength=20
    )


def test_the_bars_count_the_masks_of_what_is_chosen(opened, runs):
    for step, label in ((1, "1 point"), (3, "3 points")):
        choose(opened, "label", label)
        assert [count for _, count in bars(opened)] == expected_counts(runs[1], step).tolist()


def test_a_bar_shows_its_masks(opened):
    seen = []
    for bar, count in bars(opened):
        low, high = map(int, re.match(r"IoU (\d+) to (\d+)", bar.accessible_name).groups())
        if count == 0:
            assert not bar.is_enabled()
            continue
        opened.execute_script("arguments[0].click()", bar)
        said = opened.find_element(By.ID, "masks-said").text
        assert said.startswith(f"{count} mask")
        tiles = opened.find_elements(By.CSS_SELECTOR, "#masks-tiles .tile")
        assert len(tiles) == count
        ious = [float(tile.find_element(By.TAG_NAME, "b").text) for tile in tiles]
        assert all(low <= iou <= high for iou in ious)
        assert ious == sorted(ious)
        seen += ious
    assert len(seen) == sum(count for _, count in bars(opened)) > 8


def test_the_arrow_keys_go_from_bar_to_bar(opened):
    full = [bar for bar, count in bars(opened) if count]
    opened.execute_script("arguments[0].focus()", full[0])
    opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert opened.switch_to.active_element == full[1]
    opened.switch_to.active_element.send_keys(Keys.ENTER)
    pressed = opened.find_element(By.CSS_SELECTOR, ".bars [aria-pressed=true]")
    assert pressed.accessible_name == full[1].accessible_name
    assert opened.switch_to.active_element == pressed


def dialog_iou(browser):
    return float(browser.find_element(By.CSS_SELECTOR, "#mask-facts dd").text)


def test_a_mask_is_stepped_through_click_by_click(opened, runs):
    rows = read_runs([runs[1]], ["iou", "n_points"])
    rows = rows[rows["mask_id"] == rows["mask_id"].value_counts().idxmax()].sort_values("step")
    assert len(rows) > 3
    choose(opened, "label", "1 point")
    bar, _ = bars(opened)[int(20 * rows["iou"].iloc[0])]
    opened.execute_script("arguments[0].click()", bar)
    tiles = opened.find_elements(By.CSS_SELECTOR, "#masks-tiles .tile")
    tile = next(t for t in tiles if t.accessible_name.endswith(rows["mask_id"].iloc[0]))
    opened.execute_script("arguments[0].click()", tile)
    for number, (iou, clicks) in enumerate(zip(rows["iou"], rows["n_points"], strict=True)):
        assert dialog_iou(opened) == pytest.approx(100 * iou, abs=0.0501)
        drawn = opened.find_elements(By.CSS_SELECTOR, "#mask-picture .prompt g")
        assert len(drawn) == clicks
        assert opened.find_element(By.CSS_SELECTOR, "#mask-picture .target path").get_attribute("d")
        last = number == len(rows) - 1
        assert opened.find_element(By.ID, "mask-on").is_enabled() != last
        if number % 2:
            opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        elif not last:
            opened.find_element(By.ID, "mask-on").click()
    opened.find_element(By.CSS_SELECTOR, "#mask-curve li:first-child button").click()
    assert dialog_iou(opened) == pytest.approx(100 * rows["iou"].iloc[0], abs=0.0501)
    prediction = opened.find_element(By.CSS_SELECTOR, "#mask-picture .prediction")
    assert prediction.is_displayed()
    opened.find_element(By.CSS_SELECTOR, "[data-layer=prediction]").click()
    assert not prediction.is_displayed()
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not opened.find_element(By.ID, "mask").is_displayed()


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
