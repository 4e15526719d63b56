"""What an address of masks asks: Back follows it, and what the page has not is named.

Without Chromium these tests are skipped, or fail where ``BENCH_BROWSER=required`` (as in CI).
"""

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from drawn_runs import in_no_order
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from test_masks_browser import counted_masks, field, follow, read, rows_of, shown, watched, window

import bench as library
from bench.report import write_report

# A browser's start and whole reports; test_mask_page looks at what the page holds without one.
pytestmark = pytest.mark.long

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "masks.md"


@pytest.fixture(scope="module")
def stores(tmp_path_factory, new_bench):
    return in_no_order(new_bench(tmp_path_factory.mktemp("asked") / "results"), images=2)


@pytest.fixture(scope="module")
def rows(stores):
    return rows_of(stores)


@pytest.fixture(scope="module")
def page(stores):
    """A report without pictures: its steps are those that it reports."""
    return write_report(stores, stores[0].folder.parents[2] / "report").page


@pytest.fixture
def opened(chromium, page):
    with watched(chromium, page):
        yield chromium


def text(browser, name):
    return browser.find_element(By.ID, name).text


def hash_of(browser):
    return browser.execute_async_script(
        "const done = arguments[0]; setTimeout(() => done(location.hash), 60);"
    )


def values(browser, name):
    fields = browser.find_elements(By.CSS_SELECTOR, f'[data-filter="{name}"]')
    return [each.get_property("value") for each in fields]


def test_back_takes_one_choice_back_at_a_time(opened):
    follow(opened, "#masks&sort=iou")
    for name, value in (("prompt", "box"), ("model", "mid"), ("sort", "-iou"), ("asked", None)):
        field(opened, name, value)
    field(opened, "iou", "20", 0)
    visited = [
        "#masks&prompt=box&model=mid&iou=20..&asked=yes&sort=-iou",
        "#masks&prompt=box&model=mid&asked=yes&sort=-iou",
        "#masks&prompt=box&model=mid&sort=-iou",
        "#masks&prompt=box&model=mid",
        "#masks&prompt=box",
        "#masks&sort=iou",
    ]
    assert hash_of(opened) == visited[0]
    for address in visited[1:]:
        opened.back()
        assert hash_of(opened) == address
        assert values(opened, "iou") == ["", ""]
        assert values(opened, "model") == ["mid" if "mid" in address else ""]
    for address in visited[-2::-1]:
        opened.forward()
        assert hash_of(opened) == address
    assert values(opened, "iou") == ["20", ""]


def test_what_is_typed_in_one_field_is_one_entry(opened):
    follow(opened, "#masks&sort=iou")
    field(opened, "model", "alpha")
    search = opened.find_element(By.CSS_SELECTOR, '[data-filter="id"]')
    search.send_keys("shapes_001")
    assert hash_of(opened) == "#masks&model=alpha&id=shapes_001"
    opened.back()
    assert hash_of(opened) == "#masks&model=alpha"
    assert values(opened, "id") == [""]
    search.send_keys("nuc")
    assert hash_of(opened) == "#masks&model=alpha&id=nuc"
    opened.back()
    assert hash_of(opened) == "#masks&model=alpha", "typing after Back replaces nothing"
    low, _ = opened.find_elements(By.CSS_SELECTOR, '[data-filter="iou"]')
    low.send_keys("40", Keys.ENTER)
    assert hash_of(opened) == "#masks&model=alpha&iou=40.."
    low.send_keys(Keys.BACKSPACE, "5", Keys.ENTER)
    assert hash_of(opened) == "#masks&model=alpha&iou=45.."
    opened.back()
    assert hash_of(opened) == "#masks&model=alpha"
    assert values(opened, "iou") == ["", ""]


def test_answers_are_told_from_masks(opened, rows):
    latest = rows[1]
    follow(opened, "#masks&sort=iou")
    assert text(opened, "masks-said") == f"{counted_masks(latest)}."
    assert " answers on " in counted_masks(latest)
    summary = opened.find_element(By.CSS_SELECTOR, "#masks-more summary").text
    assert summary == f"{counted_masks(latest)} without a picture"
    own = latest[(latest["series"] == "mid") & (latest["label"] == "2 points")]
    follow(opened, "#masks&prompt=2%20points&model=mid")
    assert text(opened, "masks-said") == f"{len(own)} masks."
    assert len(own) < len(latest[latest["label"] == "2 points"])


def test_pictures_are_counted_as_answers_and_masks(chromium, new_bench, tmp_path):
    bench = new_bench(tmp_path / "results")
    stores = in_no_order(bench, images=3)
    page = write_report(
        stores, tmp_path / "report", read_sample=bench.read_sample, pictures=10
    ).page
    chromium.get(f"{page.as_uri()}#masks&sort=iou")
    latest = rows_of(stores)[1]
    drawn = set(chromium.execute_script(
        "return Object.keys(Masks.data.pictures).map((key) => {"
        " const [set, mask] = key.split(':'); return Masks.data.datasets[set].mask[mask]; })"
    ))  # fmt: skip
    with_one = latest["mask_id"].isin(drawn)
    assert text(chromium, "masks-said") == (
        f"{counted_masks(latest)}; {counted_masks(latest[with_one])} with a picture."
    )
    assert (
        chromium.find_element(By.CSS_SELECTOR, "#masks-more summary").text
        == f"{counted_masks(latest[~with_one])} without a picture"
    )
    ordered = latest[with_one].sort_values("iou", kind="stable")
    assert len(ordered) > 48
    further = chromium.find_element(By.ID, "masks-further").text
    said = re.fullmatch(r"(\d+) further answers on (\d+) masks", further)
    assert int(said[1]) == len(ordered) - 48
    assert int(said[2]) == ordered["mask_id"].iloc[48:].nunique()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("model=NoSuch", "This page has no model “NoSuch”."),
        ("beside=NoSuch", "This page has no model “NoSuch”."),
        ("reason=bogus", "This page has no reason “bogus”."),
        ("sort=up", "This page has no order “up”."),
        ("colour=red", "This page has no filter “colour”."),
        ("constructor=1", "This page has no filter “constructor”."),
        ("asked=no", "“asked” is “yes” or not there; it is “no”."),
        ("iou=abc", "IoU “abc” is no range of numbers, as 40..50, 40.. or ..50 are."),
        (
            "predicted=1.2.3..",
            "Predicted IoU “1.2.3..” is no range of numbers, as 40..50, 40.. or ..50 are.",
        ),
        ("difference=1..2", "“difference” asks for a model beside, and there is none."),
    ],
)
def test_a_filter_that_the_page_has_not_is_named_and_left_out(opened, rows, asked, said):
    latest = rows[1]
    follow(opened, f"#masks&{asked}&prompt=5%20points")
    assert text(opened, "masks-faults") == said
    own = latest[latest["label"] == "5 points"]
    assert text(opened, "masks-said") == f"{counted_masks(own)}."
    assert values(opened, "prompt") == ["5 points"]
    field(opened, "model", "alpha")
    assert hash_of(opened) == "#masks&prompt=5%20points&model=alpha"
    assert text(opened, "masks-faults") == ""


def test_all_that_an_address_asks_in_vain_is_named(opened, rows):
    follow(opened, "#masks&model=NoSuch&reason=bogus&iou=abc")
    assert text(opened, "masks-faults") == (
        "This page has no model “NoSuch”. This page has no reason “bogus”. "
        "IoU “abc” is no range of numbers, as 40..50, 40.. or ..50 are."
    )
    assert text(opened, "masks-said") == f"{counted_masks(rows[1])}."


@pytest.mark.parametrize(
    ("asked", "said", "fault"),
    [
        ("iou=100..", "IoU from 100", ""),
        ("iou=..40", "IoU up to 40", ""),
        ("iou=40..50", "IoU 40 to 50", ""),
        ("iou=100..100", "IoU 100 to 100", ""),
        (
            "iou=50..40",
            "IoU 50 to 40",
            "IoU 50 to 40 leaves nothing: its ends are the wrong way round.",
        ),
        (
            "predicted=70..70",
            "predicted IoU 70 to 70",
            "Predicted IoU 70 to 70 leaves nothing: it ends where it begins.",
        ),
        (
            "beside=alpha&beside-iou=..95&difference=-60..-2",
            "IoU of beside up to 95, difference −60 to −2",
            "",
        ),
    ],
)
def test_a_range_is_said_in_words(opened, asked, said, fault):
    follow(opened, f"#masks&{asked}")
    assert re.fullmatch(rf"[\d,]+ (masks?|answers on \d+ masks?) with {said}\.",
                        text(opened, "masks-said"))  # fmt: skip
    assert text(opened, "masks-faults") == fault
    if fault:
        assert text(opened, "masks-said").startswith("0 masks ")


def asked_at(row):
    if row["box"] is not None:
        return "box"
    return f"{row['n_points']} click{'s' * int(row['n_points'] > 1)}"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, new_bench):
    """A page with the pictures, and so the steps, of every mask; its rows."""
    folder = tmp_path_factory.mktemp("drawn")
    bench = new_bench(folder / "results")
    stores = in_no_order(bench, images=2)
    page = write_report(stores, folder / "report", read_sample=bench.read_sample).page
    return page, rows_of(stores)[0]


def test_each_run_says_which_of_its_steps_is_shown(chromium, drawn):
    page, rows = drawn
    rows = rows[rows["dataset"] == "shapes"]
    last = rows.groupby(["run", "mask_id"])["step"].max().unstack(0)
    box = next(run for run in last.columns if "-mid-box-" in run)
    clicks = [next(run for run in last.columns if f"-{m}-points-" in run) for m in ("mid", "alpha")]
    uneven = last[last[clicks[0]] != last[clicks[1]]]
    assert len(uneven) > 0
    chromium.get(page.as_uri())
    for mask, ends in uneven.iterrows():
        longest = int(ends.max())
        for step in (1, longest - 1, longest):
            runs = [box, *clicks]
            through = "".join(f"&run={run}" for run in runs)
            follow(chromium, f"#mask={mask}{through}&step={step}")
            assert text(chromium, "mask-step") == f"Step {step} of {longest}"
            assert text(chromium, "mask-faults") == ""
            panes = chromium.find_elements(By.CSS_SELECTOR, "#mask-panes .pane")
            for pane, run in zip(panes, runs, strict=True):
                own = rows[(rows["run"] == run) & (rows["mask_id"] == mask)]
                row = own[own["step"] <= step].iloc[-1]
                said = f"Step {row['step']} of {own['step'].max()}: {asked_at(row)}"
                if row["step"] != step:
                    said += f". There is no step {step} of this run here; this is its last."
                assert pane.find_element(By.CSS_SELECTOR, ".at").text == said
                facts = pane.find_element(By.CSS_SELECTOR, "dl dd").text
                assert facts == shown(row["iou"])


def test_what_the_address_of_a_mask_has_not_is_named(chromium, drawn):
    page, rows = drawn
    rows = rows[(rows["dataset"] == "nuclei") & (rows["prompt"] == "points")]
    run = rows["run"].iloc[-1]
    own = rows[(rows["run"] == run) & (rows["mask_id"] == rows["mask_id"].iloc[-1])]
    mask, last = own["mask_id"].iloc[0], own["step"].max()
    assert last > 1
    chromium.get(page.as_uri())
    for asked, said, step in (
        ("step=99", f"There is no step 99 here; step {last}, the last, is shown.", last),
        ("step=abc", "“abc” is no step; steps are 1, 2, 3 and so on.", last),
        ("step=0", "“0” is no step; steps are 1, 2, 3 and so on.", last),
        ("run=none&step=1", "This page has no run “none”.", 1),
        ("step=1", "", 1),
    ):
        follow(chromium, f"#mask={mask}&run={run}&{asked}")
        assert text(chromium, "mask-faults") == said
        assert (
            text(chromium, "mask-step") == f"Step {step} of {last}: {asked_at(own.iloc[step - 1])}"
        )
    chromium.find_element(By.ID, "mask-on").click()
    assert hash_of(chromium) == f"#mask={mask}&run={run}&step=2"
    follow(chromium, f"#mask={mask}&run={run}&step=99")
    chromium.find_element(By.ID, "mask-back").click()
    assert hash_of(chromium) == f"#mask={mask}&run={run}&step={last - 1}"
    follow(chromium, f"#mask=Zooplankton/{mask}&image=9&run={run}&step=1")
    assert not read(chromium)["open"]
    assert text(chromium, "masks-said") == (
        f"This page has no mask “Zooplankton/{mask}” of image “9” in run “{run}”."
    )


@pytest.fixture(scope="module")
def long_names(tmp_path_factory, new_bench):
    """A page whose model, dataset and categories have names of 240 letters, and one has none."""
    folder = tmp_path_factory.mktemp("long")
    bench = new_bench(folder / "results")
    stores = [
        bench.run(dataset, model, "box", images=2, seed=len(dataset), title=model[0] * 240,
                  dataset_title=dataset[0] * 240, category=category)
        for model in ("zeta", "mid")
        for dataset, category in (("shapes", "y" * 240), ("nuclei", ""), ("fields", None))
    ]  # fmt: skip
    return write_report(stores, folder / "report", read_sample=bench.read_sample).page


@pytest.mark.parametrize("width", [400, 1400])
def test_long_names_do_not_widen_the_page(chromium, long_names, width):
    window(chromium, width)
    for asked in (
        "#masks&sort=iou",
        f"#masks&model={'z' * 240}&beside={'m' * 240}",
        f"#masks&model={'q' * 240}",
    ):
        chromium.get("about:blank")
        chromium.get(long_names.as_uri() + asked)
        wide = "return [document.documentElement.scrollWidth, innerWidth]"
        scroll, inner = chromium.execute_script(wide)
        assert scroll <= inner == width
        selects = chromium.find_elements(By.CSS_SELECTOR, "#masks select")
        assert all(select.rect["x"] + select.rect["width"] <= width for select in selects)
    follow(chromium, "#masks&sort=iou")
    tile = chromium.find_element(By.CSS_SELECTOR, "#masks-tiles a")
    follow(chromium, f"#{tile.get_attribute('href').partition('#')[2]}")
    assert read(chromium)["open"]
    wide = "const d = document.getElementById('mask'); return [d.scrollWidth, d.clientWidth]"
    scroll, client = chromium.execute_script(wide)
    assert scroll <= client <= width


def test_a_category_without_a_name_is_told_from_all_and_from_none(chromium, long_names):
    window(chromium, 1400)
    chromium.get("about:blank")
    chromium.get(f"{long_names.as_uri()}#masks&sort=iou")
    options = chromium.find_elements(By.CSS_SELECTOR, '[data-filter="category"] option')
    assert [option.text for option in options] == ["all", "(no name)", "y" * 240, "none"]
    assert len({option.get_property("value") for option in options}) == 4
    for title, letter in (("(no name)", "n"), ("none", "f"), ("y" * 240, "s")):
        field(chromium, "category", title)
        assert hash_of(chromium) == f"#masks&category={quote(title, safe='()')}"
        found = chromium.execute_script(
            "const titles = Masks.data.datasets.map((each) => each.title);"
            "return [...new Set(Masks.found.map((each) => titles[each.view.dataset]))]"
        )
        assert found == [letter * 240]
    field(chromium, "category", "(no name)")
    hash_of(chromium)
    chromium.find_element(By.CSS_SELECTOR, "#masks-tiles a").click()
    assert read(chromium)["facts"]["category"] == "(no name)"


def test_the_addresses_of_the_guide_open_what_they_name(chromium, tmp_path):
    guide = GUIDE.read_text(encoding="utf-8")
    mask, masks = re.search(r"```text\n(#mask=.*)\n(#masks&.*)\n```", guide).groups()
    found = library.evaluate(
        model="demo", dataset="photos", prompt=["point_3", "box"], limit=1,
        results=str(tmp_path / "results"),
    )  # fmt: skip
    page = found.report(tmp_path / "report").page
    for run in found.rows(["iou"])["run"].unique():
        mask = re.sub(rf"{run.rpartition('-')[0]}-[0-9a-f]{{12}}", run, mask)
    window(chromium, 1400)
    chromium.get("about:blank")
    chromium.get(page.as_uri() + mask)
    seen = read(chromium)
    assert (seen["open"], len(seen["panes"])) == (True, 2)
    assert text(chromium, "mask-faults") == ""
    chromium.find_element(By.ID, "mask-on").click()
    chromium.find_element(By.ID, "mask-back").click()
    assert hash_of(chromium) == mask, "the page writes what the guide documents"
    follow(chromium, mask.partition("&")[0])
    assert read(chromium)["facts"]["image"] == seen["facts"]["image"]
    follow(chromium, masks)
    assert text(chromium, "masks-faults") == ""
    assert not text(chromium, "masks-said").startswith("0 ")
    documented = re.findall(r"^\| ((?:`[a-z-]+` ?)+)\| ", guide.partition("| filter |")[2], re.M)
    names = [name for line in documented for name in re.findall("[a-z-]+", line)]
    fields = chromium.find_elements(By.CSS_SELECTOR, "[data-filter]")
    assert sorted(names) == sorted({each.get_attribute("data-filter") for each in fields})
    for name in ("sort", "reason"):
        (line,) = re.findall(rf"^\| `{name}` \| (.*) \|$", guide, re.M)
        options = chromium.find_elements(By.CSS_SELECTOR, f'[data-filter="{name}"] option')
        known = [option.get_attribute("value") for option in options]
        assert re.findall("`(.*?)`", line) == [value for value in known if value]
