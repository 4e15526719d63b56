"""The masks of a page in a browser: every tile, bar and cell opens those of its rows, and no other.

Without Chromium these tests are skipped, or fail where ``BENCH_BROWSER=required`` (as in CI).
"""

import csv
import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from urllib.parse import parse_qsl, quote, urlencode

import numpy as np
import pandas as pd
import pytest
from drawn_runs import DATASETS, LABELS, in_no_order
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

import bench as library
from bench.analysis.comparing.comparison import compare_all
from bench.analysis.reasons import REASONS, reasons
from bench.analysis.selection import select
from bench.report import write_report
from bench.report.pages.comparison import write_comparison
from bench.store.runs import read_runs

# A browser's start and whole reports; test_mask_page looks at what the page holds without one.
pytestmark = pytest.mark.long

OPEN = """
const follow = (hash) => new Promise((done) => {
  if (location.hash === hash) return done();
  addEventListener('hashchange', () => setTimeout(done), { once: true });
  location.hash = hash;
});
const text = (node) => node.textContent;
const read = () => {
  const panes = [...document.querySelectorAll('#mask-panes .pane')].map((pane) => ({
    run: pane.querySelector('select').value,
    said: pane.querySelector('select').selectedOptions[0].textContent,
    curve: [...pane.querySelectorAll('.curve button')].map(text),
    chosen: [...pane.querySelectorAll('.curve button')].findIndex(
      (each) => each.getAttribute('aria-current') === 'step'),
    notes: [...pane.querySelectorAll('.at.other')].map(text),
    drawn: pane.querySelectorAll('.seen svg').length,
    clicks: pane.querySelectorAll('.seen svg .click').length,
    boxes: pane.querySelectorAll('.seen svg .prompt > rect:not(.edge)').length,
    path: pane.querySelector('.seen svg .prediction path')?.getAttribute('d') ?? '',
    candidates: [...pane.querySelectorAll('.candidates button')].map((each) => [
      text(each.querySelector('span')), each.getAttribute('aria-pressed') === 'true',
      each.querySelector('.prediction path')?.getAttribute('d') ?? '']),
    facts: Object.fromEntries([...pane.querySelectorAll('dl div')].map(
      (line) => [...line.children].map(text))),
  }));
  return {
    open: document.getElementById('mask').open, hash: location.hash, panes,
    title: text(document.getElementById('mask-title')),
    step: text(document.getElementById('mask-step')),
    place: text(document.getElementById('mask-place')),
    facts: Object.fromEntries([...document.querySelectorAll('#mask-facts div')].map(
      (line) => [...line.children].map(text))),
  };
};
const done = arguments[arguments.length - 1];
"""

KEYS = """Masks.found.map((each) => [each.view.series, each.view.label,
  Masks.data.datasets[each.view.dataset].title, Masks.maskId(each)].join('|'))"""

GALLERY = f"""{OPEN}
(async () => {{
  const found = [];
  for (const details of document.querySelectorAll('#gallery details')) {{
    const series = text(details.querySelector('summary .quiet'));
    const label = details.querySelector('summary').firstChild.textContent.trim();
    for (const tile of details.querySelectorAll('figure.tile')) {{
      await follow(tile.querySelector('a').hash);
      found.push({{ series, label, alt: tile.querySelector('img').alt,
                    iou: text(tile.querySelector('figcaption b')), ...read() }});
    }}
  }}
  done(found);
}})();
"""

TILES = f"""{OPEN}
const more = arguments.length > 1 ? arguments[0] : '';
(async () => {{
  await follow('#masks&sort=iou' + more);
  const further = document.getElementById('masks-further');
  while (!further.hidden) further.click();
  const links = [...document.querySelectorAll('#masks-tiles a')].map(
    (link) => [link.hash, text(link.querySelector('b'))]);
  const listed = document.querySelectorAll('#masks-more li').length;
  const found = [];
  for (const [hash, iou] of links) {{
    await follow(hash);
    found.push({{ iou, ...read() }});
  }}
  done([listed, found]);
}})();
"""

SPOTS = f"""{OPEN}
(async () => {{
  const found = [];
  for (const figure of document.querySelectorAll('figure.plate')) {{
    for (const link of figure.querySelectorAll('.spots a')) {{
      const hash = link.getAttribute('href');
      await follow(hash);
      found.push({{ figure: figure.querySelector('h3').id.replace('-title', ''), hash,
        title: text(link.querySelector('title')), said: text(document.getElementById('masks-said')),
        keys: {KEYS} }});
    }}
  }}
  done(found);
}})();
"""

STEPS = {"1 point": 1, "2 points": 2, "3 points": 3, "5 points": 5, "9 points": 9, "box": 1}


@dataclass
class Written:
    """A page, its runs, and their rows with the names that the page shows."""

    page: object
    stores: list
    rows: pd.DataFrame
    latest: pd.DataFrame


def rows_of(stores):
    columns = [
        "dataset",
        "model",
        "prompt",
        "iou",
        "ious",
        "predicted_ious",
        "selected",
        "n_points",
        "candidate_rles",
    ]
    rows = read_runs(stores, [*columns, "box", "category", "area"])
    headers = {store.folder.name: store.header() for store in stores}
    rows["title"] = rows["dataset"].map(DATASETS)
    rows["series"] = rows["model"].map(LABELS)
    rows["predicted"] = [
        float(p[s]) for p, s in zip(rows["predicted_ious"], rows["selected"], strict=True)
    ]
    reported = []
    for run, own in rows.groupby("run"):
        shared = headers[run]["prompt"]["name"]
        for step, label in headers[run]["report_steps"].items():
            last = own[own["step"] <= int(step)].groupby("mask_id").tail(1)
            reported.append(last.assign(label=label, asked=last["step"] == int(step), of=shared))
    return rows, pd.concat(reported, ignore_index=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory, new_bench):
    folder = tmp_path_factory.mktemp("masks")
    bench = new_bench(folder / "results")
    stores = in_no_order(bench)
    report = write_report(stores, folder / "report", read_sample=bench.read_sample)
    assert report.failed == ()
    return Written(report.page, stores, *rows_of(stores))


@pytest.fixture
def opened(chromium, written):
    with watched(chromium, written.page):
        yield chromium


@contextmanager
def watched(browser, page):
    """Opens a page anew, and fails where its console has said something at the end."""
    window(browser, 1400)
    browser.get("about:blank")
    browser.get(page.as_uri())
    browser.get_log("browser")
    yield
    assert browser.get_log("browser") == []


def window(browser, width, scheme="light"):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def read(browser):
    """What is open, once the page has followed its address."""
    return browser.execute_async_script(f"{OPEN} setTimeout(() => done(read()), 60);")


def follow(browser, address):
    browser.execute_async_script(f"{OPEN} follow(arguments[0]).then(done);", address)


def shown(value):
    return f"{100 * value:.1f}"


def check_pane(pane, truth, step):
    """A pane against the rows of its run and mask; ``step`` is that of the row that is shown."""
    steps = truth["step"].tolist()
    row = truth.iloc[steps.index(step)]
    assert pane["curve"] == [shown(iou) for iou in truth["iou"]]
    assert pane["chosen"] == steps.index(step)
    assert pane["facts"]["IoU"] == shown(row["iou"])
    assert pane["facts"]["predicted"] == shown(row["predicted"])
    assert (pane["drawn"], pane["clicks"]) == (1, row["n_points"])
    assert pane["boxes"] == (row["box"] is not None)
    assert pane["said"] == f"{row['series']}, {row['prompt']}"
    if len(row["ious"]) > 1 and row["candidate_rles"] is not None:
        check_candidates(pane, row)
        assert not {"candidates", "mask"} & set(pane["facts"])
    elif len(row["ious"]) > 1:
        said = [
            f"{shown(iou)} (predicted {shown(p)})" + " chosen" * int(place == row["selected"])
            for place, (iou, p) in enumerate(zip(row["ious"], row["predicted_ious"], strict=True))
        ]
        assert pane["facts"]["candidates"] == "; ".join(said)
        assert "keeps the chosen one alone" in pane["facts"]["mask"]
    else:
        assert not {"candidates", "mask"} & set(pane["facts"])
        assert pane["candidates"] == []


def check_candidates(pane, row, drawn=None, *, estimates=True):
    """Each candidate's numbers against its row, and which one is drawn: by default the chosen."""
    drawn = row["selected"] if drawn is None else drawn
    scores = zip(row["ious"], row["predicted_ious"], strict=True)
    assert [(said, pressed) for said, pressed, _ in pane["candidates"]] == [
        (
            f"{place + 1} of {len(row['ious'])}: IoU {shown(iou)}"
            + f", predicted {shown(estimate)}" * estimates
            + ", chosen" * int(place == row["selected"]),
            place == drawn,
        )
        for place, (iou, estimate) in enumerate(scores)
    ]
    assert pane["path"] == pane["candidates"][drawn][2]


def check_opened(each, written):
    """What is open against the rows that its address names."""
    (pane,) = each["panes"]
    assert each["open"]
    of_run = written.rows[written.rows["run"] == pane["run"]]
    truth = of_run[of_run["mask_id"] == each["title"]]
    said = re.fullmatch(r"#mask=(.*)&run=(.*)&step=(\d+)", each["hash"])
    assert said.groups()[:2] == (each["title"], pane["run"])
    step = int(said[3])
    check_pane(pane, truth, step)
    row = truth[truth["step"] == step].iloc[0]
    assert each["facts"]["dataset"] == row["title"]
    assert each["facts"]["image"] == row["image_id"]
    assert each["facts"]["category"] == row["category"]
    assert each["facts"]["area"].startswith(f"{row['area']:,} pixels")
    several = "s" if row["n_points"] > 1 else ""
    asked = f"{row['n_points']} click{several}" if row["box"] is None else "box"
    assert each["step"] == f"Step {step} of {truth['step'].max()}: {asked}"
    return row


def test_every_tile_of_the_gallery_opens_its_row(opened, written):
    opened.set_script_timeout(120)
    found = opened.execute_async_script(GALLERY)
    assert len(found) > 150
    for each in found:
        row = check_opened(each, written)
        assert each["iou"] == shown(row["iou"])
        assert f"mask {row['mask_id']} of image {row['image_id']}, IoU {each['iou']}" in each["alt"]
        assert (each["series"], each["label"]) == (row["series"], each["label"])
        assert row["step"] <= STEPS[each["label"]]
    told = {(each["series"], each["label"]) for each in found}
    assert told == set(zip(written.latest["series"], written.latest["label"], strict=True))


def test_every_tile_of_the_list_opens_its_row(opened, written):
    opened.set_script_timeout(120)
    listed, found = opened.execute_async_script(TILES)
    assert listed == 0
    assert len(found) == len(written.latest)
    for each in found:
        assert each["iou"] == shown(check_opened(each, written)["iou"])
    keys = sorted((each["panes"][0]["run"], each["title"], each["hash"]) for each in found)
    assert keys == sorted(
        (row.run, row.mask_id, f"#mask={row.mask_id}&run={row.run}&step={row.step}")
        for row in written.latest.itertuples()
    )


def cut(values):
    """IoUs in whole parts of 100,000, as the page has them."""
    return np.floor(values * 100_000 + 1e-6).astype(int)


def chosen(latest, filters):
    """The rows that the filters of an address are said to leave."""
    found = latest
    other = filters.get("beside")
    if other:
        key = ["title", "label", "mask_id"]
        theirs = latest[latest["series"] == other].set_index(key)["iou"]
        found = found[[k in theirs.index for k in found[key].itertuples(index=False, name=None)]]
        both = theirs.loc[list(found[key].itertuples(index=False, name=None))].to_numpy()
        found = found.assign(theirs=both, delta=found["iou"] - both)
    for name, column in (("dataset", "title"), ("prompt", "label"), ("model", "series")):
        if name in filters:
            found = found[found[column] == filters[name]]
    if "asked" in filters:
        found = found[found["asked"]]
    for name, column in (
        ("iou", "iou"),
        ("predicted", "predicted"),
        ("beside-iou", "theirs"),
        ("difference", "delta"),
    ):
        if name in filters:
            low, high = (round(1000 * float(end)) for end in filters[name].split(".."))
            values = cut(found[column].clip(0, 1) if name == "predicted" else found[column])
            if name == "difference":
                values = cut(found["iou"]) - cut(found["theirs"])
            found = found[(values >= low) & ((values < high) | (high >= 100_000))]
    return found


def filters_of(address):
    return dict(parse_qsl(address.removeprefix("#masks&")))


def counted_masks(rows):
    """What the page says of so many answers."""
    masks = len(rows[["title", "image_id", "mask_id"]].drop_duplicates())
    said = f"{masks:,} mask{'s' * (masks != 1)}"
    return said if masks == len(rows) else f"{len(rows):,} answers on {said}"


def check_spots(found, latest):
    for each in found:
        truth = chosen(latest, filters_of(each["hash"]))
        keys = truth[["series", "label", "title", "mask_id"]].agg("|".join, axis=1)
        assert sorted(each["keys"]) == sorted(keys), each["hash"]
        assert re.match(r"[^.;]*?(?=\.| with )", each["said"])[0] == counted_masks(truth)
        if count := re.search(r": ([\d,]+) (?:mask|answer)s?$", each["title"]):
            assert int(count[1].replace(",", "")) == len(truth) > 0


def test_every_bar_and_cell_opens_its_masks(opened, written):
    opened.set_script_timeout(120)
    found = opened.execute_async_script(SPOTS)
    check_spots(found, written.latest)
    by_figure = pd.Series([each["figure"] for each in found]).value_counts()
    assert set(by_figure.index) >= {"histogram", "predicted_iou", "difference", "bars"}
    of = {
        name: [each for each in found if each["figure"] == name] for name in ("histogram", "bars")
    }
    counted = sum(len(each["keys"]) for each in of["histogram"])
    assert counted == len(written.latest), "each row lies in one bar"
    cells = [each for each in found if each["figure"] == "predicted_iou"]
    assert sum(len(each["keys"]) for each in cells) == int(written.latest["asked"].sum())


def test_the_bars_of_the_list_count_and_open_their_masks(opened, written):
    follow(opened, "#masks&prompt=3%20points")
    latest = written.latest[written.latest["label"] == "3 points"]
    expected = np.bincount(
        np.minimum((latest["iou"].round(5) * 20 + 1e-9).astype(int), 19), minlength=20
    )
    bars = opened.find_elements(By.CSS_SELECTOR, "#masks .bars a")
    counts = [int(re.search(r": (\d+) (?:mask|answer)", bar.accessible_name)[1]) for bar in bars]
    assert counts == expected.tolist()
    assert [bar.get_attribute("href") is not None for bar in bars] == [c > 0 for c in counts]
    full = [place for place, count in enumerate(counts) if count]
    for place in full:
        follow(opened, bars[place].get_attribute("href").partition("#")[2].join(["#", ""]))
        own = latest[(cut(latest["iou"]) // 5000).clip(upper=19) == place]
        said = f"{counted_masks(own)} with IoU {5 * place} to {5 * place + 5}."
        assert opened.find_element(By.ID, "masks-said").text == said
        assert bars[place].accessible_name.endswith(f": {counted_masks(own)}")
        assert bars[place].get_attribute("aria-pressed") == "true"
        tiles = opened.find_elements(By.CSS_SELECTOR, "#masks-tiles .tile")
        assert len(tiles) == min(48, counts[place])
        ious = [float(tile.find_element(By.TAG_NAME, "b").text) for tile in tiles]
        assert all(5 * place <= iou <= 5 * place + 5 for iou in ious)
        assert ious == sorted(ious)
    opened.execute_script("arguments[0].focus()", bars[full[0]])
    opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert opened.switch_to.active_element == bars[full[1]]


def field(browser, name, value, end=0):
    return browser.execute_script(
        """
        const all = document.querySelectorAll(`[data-filter="${arguments[0]}"]`);
        const field = all[arguments[2]];
        if (field.type === 'checkbox') field.checked = true; else field.value = arguments[1];
        field.dispatchEvent(new Event(field.type === 'search' ? 'input' : 'change'));
        """,
        name,
        value,
        end,
    )


def found_keys(browser):
    return browser.execute_async_script(f"{OPEN} setTimeout(() => done({KEYS}), 60);")


def test_each_filter_leaves_the_rows_that_it_names(opened, written):
    latest = written.latest
    follow(opened, "#masks&sort=iou")
    asked = {}
    for name, value, end in (
        ("prompt", "3 points", None),
        ("dataset", "Amoebae", None),
        ("model", "A model", None),
        ("beside", "alpha", None),
    ):
        if name == "beside":
            field(opened, "prompt", "box", 0)
            asked["prompt"] = "box"
        field(opened, name, value, end or 0)
        asked[name] = value
        truth = chosen(latest, asked)[["series", "label", "title", "mask_id"]].agg("|".join, axis=1)
        assert sorted(found_keys(opened)) == sorted(truth) != []
        assert filters_of(opened.execute_script("return location.hash")) == asked
    field(opened, "difference", "-60", 0)
    field(opened, "difference", "-2", 1)
    asked["difference"] = "-60..-2"
    truth = chosen(latest, asked)[["series", "label", "title", "mask_id"]].agg("|".join, axis=1)
    assert sorted(found_keys(opened)) == sorted(truth) != []
    follow(opened, "#masks&sort=iou")
    field(opened, "id", "SHAPES_002/1")
    assert {key.split("|")[3] for key in found_keys(opened)} == {"shapes_002/1"}
    follow(opened, "#masks&sort=iou")
    field(opened, "size", "small")
    small = latest[latest["area"] < 32**2]
    assert len(found_keys(opened)) == len(small) < len(latest)
    follow(opened, "#masks&sort=iou")
    field(opened, "asked", None)
    assert len(found_keys(opened)) == int(latest["asked"].sum()) < len(latest)


def test_the_csv_is_what_the_filters_leave(opened, written):
    follow(opened, "#masks&prompt=box&model=A%20model&beside=alpha&sort=-difference")
    text = opened.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const made = URL.createObjectURL;
        URL.createObjectURL = (blob) => { blob.text().then(done); return made.call(URL, blob); };
        document.getElementById('masks-csv').click();
        """
    )
    lines = list(csv.DictReader(io.StringIO(text)))
    truth = chosen(written.latest, {"prompt": "box", "model": "A model", "beside": "alpha"})
    truth = truth.set_index(["title", "mask_id"])
    assert len(lines) == len(truth) > 10
    for line in lines:
        row = truth.loc[line["dataset"], line["mask_id"]]
        assert (line["run"], int(line["step"])) == (row["run"], row["step"])
        assert (line["model"], line["prompt"]) == (row["series"], row["label"])
        assert (line["image_id"], line["category"]) == (row["image_id"], row["category"])
        assert int(line["area"]) == row["area"]
        for name, value in (
            ("iou", "iou"),
            ("predicted_iou", "predicted"),
            ("beside_iou", "theirs"),
        ):
            assert float(line[name]) == pytest.approx(row[value], abs=1.1e-5)
        assert float(line["difference"]) == pytest.approx(row["delta"], abs=2.1e-5)
    deltas = [float(line["difference"]) for line in lines]
    assert deltas == sorted(deltas, reverse=True)


def test_back_forward_and_a_link_open_what_they_name(opened, written):
    follow(opened, "#masks&prompt=box&model=alpha")
    (first, second) = [
        link.get_attribute("href").partition("#")[2]
        for link in opened.find_elements(By.CSS_SELECTOR, "#masks-tiles a")[:2]
    ]
    opened.find_element(By.CSS_SELECTOR, "#masks-tiles a").click()
    assert read(opened)["hash"] == f"#{first}"
    assert read(opened)["place"].startswith("1 of ")
    opened.find_element(By.ID, "mask-next").click()
    assert read(opened)["hash"] == f"#{second}"
    opened.back()
    assert read(opened)["hash"] == f"#{first}"
    opened.back()
    assert read(opened)["hash"] == "#masks&prompt=box&model=alpha"
    assert not read(opened)["open"]
    opened.forward()
    assert read(opened)["title"] == first.partition("&")[0].removeprefix("mask=")
    assert read(opened)["open"]
    opened.find_element(By.ID, "mask-close").click()
    assert not read(opened)["open"]
    assert read(opened)["hash"] == "#masks&prompt=box&model=alpha"
    row = written.rows[(written.rows["model"] == "mid") & (written.rows["step"] == 4)].iloc[0]
    address = f"#mask={row['mask_id']}&run={row['run']}&step=4"
    opened.get("about:blank")
    opened.get(written.page.as_uri() + address)
    check_opened(read(opened), written)
    assert read(opened)["hash"] == address
    assert " of " in read(opened)["place"], "what is beside it is the list of its own view"
    follow(opened, "#mask=nowhere&run=none&step=1")
    assert not read(opened)["open"]
    assert "no mask “nowhere”" in opened.find_element(By.ID, "masks-said").text


def test_runs_stand_side_by_side_at_one_step_in_one_crop(opened, written):
    rows = written.rows[written.rows["prompt"] == "points"]
    long = rows.groupby(["run", "mask_id"])["step"].max().unstack(0)
    nuclei = [name for name in long.columns if name.startswith("nuclei")]
    mask = long[nuclei].dropna().min(axis=1).idxmax()
    address = f"#mask={mask}" + "".join(f"&run={run}" for run in nuclei) + "&step=3"
    follow(opened, address)
    seen = read(opened)
    assert [pane["run"] for pane in seen["panes"]] == nuclei
    for pane in seen["panes"]:
        truth = rows[(rows["run"] == pane["run"]) & (rows["mask_id"] == mask)]
        check_pane(pane, truth, truth.loc[truth["step"] <= 3, "step"].max())
    svgs = opened.find_elements(By.CSS_SELECTOR, "#mask-panes svg")
    assert len({svg.get_dom_attribute("viewBox") for svg in svgs}) == 1
    pictures = opened.find_elements(By.CSS_SELECTOR, "#mask-panes svg image")
    assert len({picture.get_attribute("href") for picture in pictures}) == 1
    body = opened.switch_to.active_element
    body.send_keys(Keys.ARROW_RIGHT)
    assert read(opened)["hash"].endswith("&step=4")
    body.send_keys(Keys.ARROW_LEFT)
    body.send_keys(Keys.ARROW_LEFT)
    assert read(opened)["hash"].endswith("&step=2")
    opened.find_element(By.CSS_SELECTOR, "#mask-panes .pane .run button").click()
    assert [pane["run"] for pane in read(opened)["panes"]] == nuclei[1:]
    opened.execute_script(
        "const add = document.getElementById('mask-add'); add.value = arguments[0];"
        "add.dispatchEvent(new Event('change'));",
        nuclei[0],
    )
    assert [pane["run"] for pane in read(opened)["panes"]] == [*nuclei[1:], nuclei[0]]


def test_each_candidate_is_drawn_where_the_run_keeps_them(opened, written, monkeypatch):
    kept = written.rows[written.rows["candidate_rles"].map(lambda each: each is not None)]
    several = kept[kept["ious"].map(len) > 1]
    assert len(several) > 10
    data = opened.execute_script("return Masks.data")
    pictures = distinct = 0
    for _, row in several.iterrows():
        address = f"#mask={row['mask_id']}&run={row['run']}&step={row['step']}"
        follow(opened, address)
        number = data["runs"][row["run"]]["dataset"]
        index = data["datasets"][number]["mask"].index(row["mask_id"])
        (step,) = [
            step
            for step in data["pictures"][f"{number}:{index}"]["runs"][row["run"]]
            if step["step"] == row["step"]
        ]
        paths = [path if path is not None else step["outline"] for path in step["outlines"]]
        distinct += len(set(paths)) == len(paths)
        for place in range(len(row["ious"])):
            button = opened.find_elements(By.CSS_SELECTOR, ".candidates button")[place]
            button.click()
            seen = read(opened)
            (pane,) = seen["panes"]
            check_candidates(pane, row, place)
            assert [path for _, _, path in pane["candidates"]] == paths
            assert pane["facts"]["IoU"] == shown(row["ious"][place])
            assert pane["facts"]["predicted"] == shown(row["predicted_ious"][place])
            chosen = place == row["selected"]
            assert seen["hash"] == address + ("" if chosen else f"&candidate={place + 1}")
            assert ("boundary" in pane["facts"]) == chosen
            said = [] if chosen else [
                f"Candidate {place + 1} of {len(row['ious'])}, which was not chosen: "
                f"IoU {shown(row['ious'][place])}."
            ]  # fmt: skip
            assert pane["notes"] == said
            cut = place in step.get("beyond", [])
            assert pane["facts"].get("picture") == (
                "the prediction goes on beyond its edge" if cut else None
            )
            svgs = opened.find_elements(By.CSS_SELECTOR, ".pane svg")
            assert len({svg.get_dom_attribute("viewBox") for svg in svgs}) == 1
            pictures += 1
    assert pictures > 30
    assert distinct > 10
    last = max(set(range(3)) - {row["selected"]})
    follow(opened, f"{address}&candidate={last + 1}")
    asked = []
    monkeypatch.setattr(library, "show_mask", lambda *a, **k: asked.append(k) or Shown())
    exec(opened.find_element(By.ID, "mask-python").text, {})
    assert asked[0]["candidate"] == last + 1
    faults = "return document.getElementById('mask-faults').textContent"
    assert opened.execute_script(faults) == ""
    follow(opened, address)
    for key in ("1", "3", "4", str(row["selected"] + 1)):
        before = read(opened)["hash"]
        opened.switch_to.active_element.send_keys(key)
        after = read(opened)
        if key == "4":
            assert after["hash"] == before
        else:
            check_candidates(after["panes"][0], row, int(key) - 1)
    assert after["hash"] == address
    follow(opened, f"{address}&candidate=7")
    check_candidates(read(opened)["panes"][0], row)
    said = opened.execute_script(faults)
    assert said.startswith("There is no candidate 7 of alpha")
    assert said.endswith("here, of 3; the chosen one is drawn.")
    follow(opened, f"{address}&candidate=zero")
    assert "“zero” is no candidate" in opened.execute_script(faults)
    if row["step"] < kept[kept["mask_id"] == row["mask_id"]]["step"].max():
        follow(opened, f"{address}&candidate={last + 1}")
        opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        assert "candidate" not in read(opened)["hash"]


def test_candidates_of_several_runs_are_those_of_one_number(opened, written):
    first = written.rows[(written.rows["step"] == 1) & (written.rows["prompt"] != "box")]
    by_mask = first[first["series"] == "alpha"].merge(
        first[first["series"] != "alpha"], on=["mask_id", "title"], suffixes=("", "_b")
    )
    row = by_mask[by_mask["prompt"] == by_mask["prompt_b"]].iloc[0]
    follow(opened, f"#mask={row['mask_id']}&run={row['run']}&run={row['run_b']}&step=1")
    others = sorted({0, 1, 2} - {row["selected"], row["selected_b"]})
    body = opened.switch_to.active_element
    body.send_keys(str(others[0] + 1))
    kept, alone = read(opened)["panes"]
    check_candidates(kept, row, others[0])
    assert alone["candidates"] == []
    faults = opened.find_element(By.ID, "mask-faults").text
    assert faults == (
        f"Candidate {others[0] + 1} of {alone['said']} is not kept by its run; "
        "the chosen one is drawn."
    )
    opened.switch_to.active_element.send_keys(str(others[0] + 1))
    check_candidates(read(opened)["panes"][0], row)


def test_keys_are_heard_after_a_candidate_or_a_step_was_clicked(opened, written):
    kept = written.rows[written.rows["candidate_rles"].map(lambda each: each is not None)]
    steps = kept.groupby(["run", "mask_id"])["step"].transform("max")
    row = kept[(kept["ious"].map(len) > 1) & (steps > 3)].iloc[0]
    follow(opened, f"#mask={row['mask_id']}&run={row['run']}&step=1")
    other = min({0, 1, 2} - {row["selected"]})
    focused = "return document.activeElement.textContent"
    opened.find_elements(By.CSS_SELECTOR, ".candidates button")[other].click()
    assert read(opened)["hash"].endswith(f"&candidate={other + 1}")
    assert f"{other + 1} of 3: IoU" in opened.execute_script(focused)
    opened.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert read(opened)["hash"].endswith("&step=2")
    opened.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert read(opened)["hash"].endswith("&step=1")
    opened.find_elements(By.CSS_SELECTOR, ".curve button")[1].click()
    second = read(opened)
    assert second["hash"].endswith("&step=2")
    assert opened.execute_script(focused) == second["panes"][0]["curve"][1]
    opened.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert read(opened)["hash"].endswith("&step=1")
    opened.find_element(By.ID, "mask-on").click()
    while not opened.find_element(By.ID, "mask-on").get_property("disabled"):
        opened.find_element(By.ID, "mask-on").click()
        read(opened)
    last = read(opened)["hash"]
    opened.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert read(opened)["hash"] != last


def test_a_mask_without_a_picture_says_nothing_of_candidates(chromium, bench, tmp_path):
    store = bench.run(images=4, prompt="point_1", keep_candidates=True)
    report = write_report(
        [store], tmp_path / "report", read_sample=bench.read_sample, pictures=1, figures=["svg"]
    )
    with watched(chromium, report.page):
        found = "return Masks.found.find((r) => !Masks.picture(r.view.dataset, r.mask)) !== null"
        assert chromium.execute_script(found)
        at = chromium.execute_script(
            "return MaskList.address(Masks.found.find("
            "(r) => !Masks.picture(r.view.dataset, r.mask)))"
        )
        follow(chromium, f"{at}&candidate=2")
        assert chromium.find_element(By.ID, "mask-faults").text == ""
        assert "candidate=2" in chromium.find_element(By.ID, "mask-python").text


def box_of(browser):
    svg = browser.find_element(By.CSS_SELECTOR, "#mask-panes svg")
    return [float(value) for value in svg.get_dom_attribute("viewBox").split()]


def test_zoom_pan_keys_and_layers(opened, written):
    row = written.latest[written.latest["label"] == "3 points"].iloc[0]
    follow(opened, f"#mask={row['mask_id']}&run={row['run']}&step={row['step']}")
    whole = box_of(opened)
    body = opened.switch_to.active_element
    body.send_keys("+")
    x, y, width, height = box_of(opened)
    assert width == pytest.approx(whole[2] / 1.5, abs=0.02)
    middle = [x + width / 2, y + height / 2]
    assert middle == pytest.approx([whole[2] / 2, whole[3] / 2], abs=0.02)
    assert opened.find_element(By.ID, "mask-zoom").text == "150 %"
    opened.execute_script(
        """
        const svg = document.querySelector('#mask-panes svg');
        const box = svg.getBoundingClientRect();
        const at = (x) => ({ clientX: x, clientY: box.top + 50, pointerId: 1, bubbles: true });
        svg.setPointerCapture = () => {};
        svg.dispatchEvent(new PointerEvent('pointerdown', at(box.left + 200)));
        svg.dispatchEvent(new PointerEvent('pointermove', at(box.left + 180)));
        svg.dispatchEvent(new PointerEvent('pointerup', at(box.left + 180)));
        """
    )
    wide = opened.find_element(By.CSS_SELECTOR, "#mask-panes svg").rect["width"]
    assert box_of(opened)[0] == pytest.approx(x + 20 * width / wide, abs=0.05)
    opened.execute_script(
        """
        const svg = document.querySelector('#mask-panes svg');
        const box = svg.getBoundingClientRect();
        svg.dispatchEvent(new WheelEvent('wheel', { deltaY: -1, clientX: box.left, clientY: box.top,
                                                    cancelable: true }));
        """
    )
    left = box_of(opened)
    assert left[2] == pytest.approx(whole[2] / 1.875, abs=0.02)
    assert left[:2] == pytest.approx([x + 20 * width / wide, y], abs=0.06), (
        "what is pointed at stays"
    )
    body.send_keys("0")
    assert box_of(opened) == whole
    for key, layer in (("t", "target"), ("p", "prediction"), ("c", "prompt")):
        group = opened.find_element(By.CSS_SELECTOR, f"#mask-panes svg .{layer}")
        assert group.value_of_css_property("display") != "none"
        body.send_keys(key)
        assert group.value_of_css_property("display") == "none"
        body.send_keys(key)
    before = read(opened)
    body.send_keys(Keys.ARROW_DOWN)
    after = read(opened)
    position = int(before["place"].split(" of ")[0].replace(",", ""))
    assert after["place"].startswith(f"{position + 1:,} of ")
    body.send_keys(Keys.ARROW_UP)
    assert read(opened)["hash"] == before["hash"]
    keys = opened.find_element(By.CSS_SELECTOR, "#mask .keys").text
    assert all(key in keys for key in ("←", "→", "↑", "↓", "+", "Esc"))
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not read(opened)["open"]


def test_the_python_line_shows_the_mask_when_it_is_pasted(opened, written, monkeypatch, new_bench):
    row = written.latest[written.latest["label"] == "3 points"].iloc[-1]
    follow(opened, f"#mask={row['mask_id']}&run={row['run']}&step={row['step']}")
    line = opened.find_element(By.ID, "mask-python").text
    asked = []
    monkeypatch.setattr(library, "show_mask", lambda *a, **k: asked.append((a, k)) or Shown())
    exec(line, {})
    (((run, mask), given),) = asked
    assert (run, mask, given["step"]) == (row["run"], row["mask_id"], row["step"])
    assert given["results"] == str(written.stores[0].folder.parent.parent)
    opened.find_element(By.ID, "mask-copy-id").click()
    assert read(opened)["open"]


class Shown:
    def show(self):
        """As a picture does."""


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_mask_and_the_list_fit_the_window(opened, written, width, scheme):
    window(opened, width, scheme)
    row = written.latest[written.latest["label"] == "box"].iloc[0]
    beside = written.latest[
        (written.latest["mask_id"] == row["mask_id"]) & (written.latest["run"] != row["run"])
    ].iloc[0]
    follow(opened, f"#mask={row['mask_id']}&run={row['run']}&run={beside['run']}&step=1")
    assert len(read(opened)["panes"]) == 2
    wide = "const d = document.getElementById('mask'); return [d.scrollWidth, d.clientWidth]"
    scroll, client = opened.execute_script(wide)
    assert scroll <= client <= width
    follow(opened, "#masks&prompt=box&model=A%20model&beside=alpha")
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width


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
    lines = chromium.find_elements(By.CSS_SELECTOR, "#masks-more li")
    said = [line.get_attribute("textContent") for line in lines]
    assert said == [
        "10.0 tiny 7 · 71",
        "20.0 tiny 7/1",
        "30.0 tiny 8 · 7/1x",
        "40.0 tiny 8 · 8",
    ]
    links = [line.find_element(By.TAG_NAME, "a").get_attribute("href") for line in lines]
    for (image_id, mask_id), link in zip(named, links, strict=True):
        follow(chromium, f"#{link.partition('#')[2]}")
        seen = read(chromium)
        assert (seen["facts"]["image"], seen["hash"]) == (image_id, f"#{link.partition('#')[2]}")
        assert f"mask={mask_id}&" in seen["hash"]
        assert seen["panes"][0]["drawn"] == 0
        note = chromium.find_element(By.CSS_SELECTOR, "#mask-panes .note").text
        assert note == "This page has no picture of this mask."


COMPARED = f"""{OPEN}
(async () => {{
  const found = [];
  for (const details of document.querySelectorAll('#gallery details')) {{
    const label = details.querySelector('summary').firstChild.textContent.trim();
    for (const tile of details.querySelectorAll('figure.tile')) {{
      await follow(tile.querySelector('a').hash);
      found.push({{ label, side: text(tile.querySelector('figcaption .quiet')),
                    alt: tile.querySelector('img').alt,
                    iou: text(tile.querySelector('figcaption b')), ...read() }});
    }}
  }}
  done(found);
}})();
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory, written, new_bench):
    folder = tmp_path_factory.mktemp("compared")
    bench = new_bench(folder / "results")
    stores = in_no_order(bench)
    sides = [
        [store for store in stores if store.header()["model"]["name"] == model]
        for model in ("alpha", "zeta", "mid")
    ]
    found = compare_all(sides)
    write_comparison(found, folder / "report", read_sample=bench.read_sample)
    return folder / "report" / "index.html"


@pytest.fixture
def opened_comparison(chromium, compared):
    chromium.set_script_timeout(120)
    with watched(chromium, compared):
        yield chromium


def test_every_pair_of_a_comparison_opens_both_rows(opened_comparison, written):
    found = opened_comparison.execute_async_script(COMPARED)
    assert len(found) > 40
    key = ["series", "label", "mask_id"]
    latest = written.latest.set_index(key)
    for each in found:
        mask = each["title"]
        row = latest.loc[(each["side"], each["label"], mask)]
        first, second = each["panes"]
        truth = written.rows[written.rows["mask_id"] == mask]
        check_pane(first, truth[truth["run"] == row["run"]], row["step"])
        assert first["run"] == row["run"]
        assert each["iou"] == shown(row["iou"]) == first["facts"]["IoU"]
        assert f"mask {mask} of image {row['image_id']}, IoU {each['iou']}" in each["alt"]
        other = second["said"].rpartition(", ")[0]
        assert other != each["side"]
        theirs = latest.loc[(other, each["label"], mask)]
        assert second["run"] == theirs["run"]
        upto = truth[(truth["run"] == theirs["run"])]
        check_pane(second, upto, upto.loc[upto["step"] <= row["step"], "step"].max())


def test_every_bar_and_cell_of_a_comparison_opens_its_masks(opened_comparison, written):
    start = opened_comparison.execute_script("return Masks.filters")
    assert (start["model"], start["beside"], start["sort"]) == ("alpha", "A model", "difference")
    found = opened_comparison.execute_async_script(SPOTS)
    check_spots(found, written.latest)
    figures = {each["figure"] for each in found}
    assert figures >= {"scatter", "scatter_2", "spread", "spread_2", "difference"}
    both = sum(len(each["keys"]) for each in found if each["figure"] == "scatter")
    spread = sum(len(each["keys"]) for each in found if each["figure"] == "spread")
    assert both == spread > 40, "each common mask lies in one cell and in one bar"


def test_a_reason_is_shown_and_is_a_filter(opened_comparison, written):
    selection = select(written.stores)
    own = selection.rows.assign(reason=[REASONS[code].name for code in reasons(selection)])
    for reason in own["reason"].unique():
        follow(opened_comparison, f"#masks&reason={reason}")
        truth = own[own["reason"] == reason]
        keys = [
            "|".join((LABELS[row.model], row.label, DATASETS[row.dataset], row.mask_id))
            for row in truth.itertuples()
        ]
        assert sorted(found_keys(opened_comparison)) == sorted(keys)
        opened_comparison.find_element(By.CSS_SELECTOR, "#masks-tiles a").click()
        facts = read(opened_comparison)["panes"][0]["facts"]
        assert facts["reason"] == next(r.title for r in REASONS if r.name == reason)


def test_pictures_in_files_are_fetched_when_a_mask_is_opened(chromium, bench, tmp_path):
    store = bench.run(images=6, prompt="point_3")
    report = write_report(
        [store], tmp_path / "report", read_sample=bench.read_sample, pictures="all"
    )
    assert any("pictures" in str(path) for path in report.files)
    chromium.get("about:blank")
    chromium.get_log("browser")
    rows = read_runs([store], ["iou"])
    last = rows.groupby("mask_id").tail(1).iloc[-1]
    address = f"#mask={last['mask_id']}&run={store.folder.name}&step={last['step']}"
    chromium.get(report.page.as_uri() + address)
    WebDriverWait(chromium, 10).until(lambda _: read(chromium)["panes"][0]["drawn"] == 1)
    assert read(chromium)["panes"][0]["facts"]["IoU"] == shown(last["iou"])
    assert chromium.get_log("browser") == []


@pytest.mark.parametrize(
    ("models", "prompts", "limit"),
    [
        (["demo"], ["point_3", "box"], 2),
        pytest.param(
            ["demo", "demo_s", "demo_l"], ["point_1", "point_3", "box"], None,
            marks=pytest.mark.slow, id="the whole demo",
        ),
        pytest.param(
            ["watershed", "demo_s", "disk", "demo", "demo_l"], ["point_1", "point_3", "box"], 5,
            marks=pytest.mark.slow, id="five models",
        ),
    ],
)  # fmt: skip
def test_every_tile_of_the_demo_opens_its_row_and_its_line_shows_it(
    chromium, tmp_path, monkeypatch, models, prompts, limit
):
    found = library.evaluate(
        "runtime.keep_candidates=true", model=models, dataset=["photos", "shapes"], prompt=prompts,
        limit=limit, results=str(tmp_path / "results"),
    )  # fmt: skip
    page = found.report(tmp_path / "report").page
    window(chromium, 1400)
    chromium.set_script_timeout(120)
    chromium.get("about:blank")
    chromium.get(page.as_uri())
    chromium.get_log("browser")
    table = (
        "const each = document.querySelector('.frame'); return [each.scrollWidth, each.clientWidth]"
    )
    wide, room = chromium.execute_script(table)
    assert wide <= room
    rows = found.rows(["iou", "ious", "predicted_ious", "selected", "n_points"])
    opened = chromium.execute_async_script(GALLERY)
    assert len(opened) > 20
    choices = "return ['model', 'prompt'].map((key) => Masks.CHOICES[key].map(([name]) => name))"
    for model, label in product(*chromium.execute_script(choices)):
        filters = urlencode({"model": model, "prompt": label}, quote_via=quote)
        opened += chromium.execute_async_script(TILES, f"&{filters}")[1]
    for each in opened:
        (pane,) = each["panes"]
        named = dict(parse_qsl(each["hash"][1:]))
        own = (rows["mask_id"] == named["mask"]) & (rows["image_id"] == each["facts"]["image"])
        truth = rows[own & (rows["run"] == pane["run"])]
        assert each["title"].endswith(named["mask"])
        assert pane["curve"] == [shown(iou) for iou in truth["iou"]]
        row = truth.iloc[pane["chosen"]]
        assert each["hash"].endswith(f"&step={row['step']}")
        assert each["iou"] == pane["facts"]["IoU"] == shown(row["iou"])
        estimate = shown(float(row["predicted_ious"][row["selected"]]))
        estimates = "watershed" not in row["run"]  # it says 0.5 of each mask
        assert pane["facts"].get("predicted") == (estimate if estimates else None)
        if len(row["ious"]) > 1:
            check_candidates(pane, row, estimates=estimates)
        else:
            assert pane["candidates"] == []
        assert (pane["drawn"], pane["clicks"]) == (1, row["n_points"])
    pictures = []
    monkeypatch.setattr(Image.Image, "show", lambda picture: pictures.append(picture))
    exec(chromium.find_element(By.ID, "mask-python").text, {})
    assert [max(picture.size) for picture in pictures] == [288]
    assert chromium.get_log("browser") == []
