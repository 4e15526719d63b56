"""Two people rate in a browser: a reload, a killed server, a page sent twice; nothing is lost.

Without Chromium the tests in it are skipped, or fail where ``BENCH_BROWSER=required`` (as in CI).
"""

import itertools
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest
from finished import dataset_words, one_line
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from bench.cli import main
from bench.store.ratings import Ratings

pytestmark = pytest.mark.long

HOSTILE = "<script>document.title++</script><img>'); DROP TABLE answer; --"
TITLE = "</script><script>document.title='hit'</script>"
SECRET = ("small_disc", "large_disc", "ground_truth", "Ground truth", "blobs")


@pytest.fixture(scope="module")
def results(coco_folder_in, tmp_path_factory):
    """Boxes answered by two discs on fifteen masks; their titles would be run as a script."""
    folder = coco_folder_in(tmp_path_factory.mktemp("rated"), images=5, masks=3)
    for name, radius in (("small_disc", 0.1), ("large_disc", 0.3)):
        words = [
            "model=disk",
            f"model.name={name}",
            f"model.args.radius={radius}",
            f'model.about.title="{name} {TITLE}"',
            "prompt=box",
            *dataset_words(folder),
        ]
        assert main(["run", *words]) == 0
    return folder.parent / "results"


def command(results, *words):
    return [sys.executable, "-m", "bench", "rate", *words, "--results", str(results)]


@contextmanager
def served(results, port, *words):
    """The server of a study as a process of its own, with the links that it printed."""
    words = [*words, "--port", str(port)]
    with subprocess.Popen(command(results, *words), stdout=subprocess.PIPE, text=True) as process:
        links = {}
        for line in process.stdout:
            if found := re.fullmatch(r"(.*): (http://127\.0\.0\.1:(\d+)/\S+)  \(.*\)\n", line):
                links[found[1]] = found[2]
            if line.startswith("Ctrl-C"):
                break
        try:
            yield process, links
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=60)
                assert process.returncode == 0


def port_of(link):
    return urllib.parse.urlsplit(link).port


class Sitting:
    """One rater at the browser, and what was chosen: code → value."""

    def __init__(self, browser, link):
        self.browser, self.link, self.chosen = browser, link, {}

    def wait(self, until):
        return WebDriverWait(self.browser, 20, poll_frequency=0.05).until(until)

    def begin(self):
        self.browser.get(self.link)
        self.wait(lambda b: b.find_elements(By.ID, "go"))[0].click()
        self.ready()

    def ready(self):
        script = "return document.getElementById('rate')?.dataset.ready"
        self.wait(lambda b: b.execute_script(script))

    @property
    def code(self):
        return self.browser.current_url.rpartition("/")[2]

    def rate(self, value, by_key):
        code = self.code
        if by_key:
            self.browser.find_element(By.TAG_NAME, "body").send_keys(str(value % 10))
        else:
            self.browser.find_element(By.CSS_SELECTOR, f"button[value='{value}']").click()
        self.chosen[code] = value
        self.wait(lambda b: self.code != code)
        if self.browser.current_url != self.link:
            self.ready()

    def rate_some(self, number, seed):
        for value in np.random.default_rng(seed).integers(1, 11, number).tolist():
            self.check_blind()
            self.rate(value, by_key=value % 2 == 0)

    def check_blind(self):
        source = self.browser.page_source
        assert not [word for word in SECRET if word in source]
        images = self.browser.find_elements(By.CSS_SELECTOR, ".views img")
        widths = [image.get_property("naturalWidth") for image in images]
        assert len(widths) == 5
        assert min(widths) > 100


def test_forty_ratings_of_two_people_with_a_reload_and_a_killed_server(results, chromium, capsys):
    names = ["--name", "forty", "--min-area", "0"]
    raters = ["--rater", "ann", "--rater", HOSTILE]
    with served(results, 0, "blobs-*", *names, *raters) as (process, links):
        assert set(links) == {"ann", HOSTILE}
        port = port_of(links["ann"])
        sittings = {name: Sitting(chromium, link) for name, link in links.items()}
        for seed, sitting in enumerate(sittings.values()):
            sitting.begin()
            sitting.rate_some(7, seed)
        ann, bo = sittings.values()
        ann.begin()
        code = ann.code
        chromium.refresh()
        ann.ready()
        assert ann.code == code, "a reload loses nothing and rates nothing"
        ann.rate_some(3, 5)
        chromium.back()
        chromium.forward()
        ann.begin()
        in_flight = ann.code
        chromium.find_element(By.TAG_NAME, "body").send_keys("4")
        process.send_signal(signal.SIGKILL)
        process.wait()
    file = Ratings.open(results / "ratings" / "forty.sqlite")
    by_code = {job.code: job.id for job in file.jobs()}
    after_kill = file.frame()
    said = {(name, by_code[code]): value for name, s in sittings.items()
            for code, value in s.chosen.items()}  # fmt: skip
    kept = {(r["rater"], r["job"]): r["value"] for r in after_kill.to_dict("records")}
    assert set(kept) - set(said) <= {("ann", by_code[in_flight])}, "one was on its way"
    assert {key: kept.get(key) for key in said} == said
    with pytest.raises(WebDriverException, match="ERR_CONNECTION_REFUSED"):
        chromium.get(ann.link)
    with served(results, port, *names) as (_, links):
        assert {name: s.link for name, s in sittings.items()} == links, "the links stay"
        ann.begin()
        if ann.code == in_flight:
            ann.rate(4, by_key=True)
        ann.chosen[in_flight] = 4
        ann.rate_some(20 - len(ann.chosen), 6)
        bo.begin()
        bo.rate_some(20 - len(bo.chosen), 7)
    found = file.frame()
    assert len(found) == 40
    assert not found.duplicated(["job", "rater"]).any()
    for name, sitting in sittings.items():
        own = found[found["rater"] == name]
        assert len(own) == 20
        expected = {by_code[code]: value for code, value in sitting.chosen.items()}
        assert dict(zip(own["job"], own["value"], strict=True)) == expected
    assert found["seconds"].between(0, 60).all()
    assert (found["changes"] == 0).all()
    capsys.readouterr()
    assert main(["rate", "report", "--name", "forty", "--results", str(results)]) == 0
    out = capsys.readouterr().out
    assert "Ratings" in out
    page = results / "reports" / "forty" / "index.html"
    chromium.get(page.as_uri())
    assert chromium.title == "Ratings by people"
    shown = chromium.execute_script(
        "return [...document.querySelectorAll('#raters tbody tr')].map(r => "
        "[r.cells[0].textContent, r.cells[1].textContent])"
    )
    assert sorted(shown) == sorted([["ann", "20"], [HOSTILE, "20"]])
    assert not chromium.find_elements(By.CSS_SELECTOR, "img")
    models = chromium.execute_script(
        "return [...document.querySelectorAll('#ratings tbody tr')].map(r => "
        "r.cells[2].textContent)"
    )
    assert sorted(models) == sorted(["Ground truth", f"large_disc {TITLE}", f"small_disc {TITLE}"])


def test_keys_go_back_and_skip_and_a_held_key_rates_one(results, chromium):
    names = ["--name", "keys", "--min-area", "0"]
    with served(results, 0, "blobs-*", *names, "--rater", "ann") as (_, links):
        sitting = Sitting(chromium, links["ann"])
        file = Ratings.open(results / "ratings" / "keys.sqlite")
        sitting.begin()
        first = sitting.code
        sitting.rate(10, by_key=True)
        second = sitting.code
        body = chromium.find_element(By.TAG_NAME, "body")
        body.send_keys("s")
        sitting.wait(lambda b: sitting.code != second)
        sitting.ready()
        chromium.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_LEFT)
        sitting.wait(lambda b: sitting.code == second)
        sitting.ready()
        chromium.find_element(By.ID, "back").click()
        sitting.wait(lambda b: sitting.code == first)
        sitting.ready()
        pressed = chromium.find_elements(By.CSS_SELECTOR, "button[aria-pressed='true']")
        assert [each.text for each in pressed] == ["10"]
        sitting.rate(3, by_key=False)
        script = """
          for (let n = 0; n < 5; n++)
            dispatchEvent(new KeyboardEvent('keydown', {key: '8', repeat: n > 0}));
        """
        here = sitting.code
        chromium.execute_script(script)
        sitting.wait(lambda b: sitting.code != here)
        sitting.ready()
        codes = {job.id: job.code for job in file.jobs()}
        kept = {codes[r["job"]]: r["value"] for r in file.frame().to_dict("records")}
        assert kept == {first: 3, here: 8}
        assert file.frame()["changes"].tolist().count(1) == 1


@pytest.fixture
def resized(chromium):
    """A function that gives the window another size and scheme; it has its own again afterwards."""

    def resize(width, scheme):
        chromium.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    yield resize
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_page_fits_a_desk_and_a_phone_in_light_and_dark(results, chromium, resized):
    names = ["--name", "fits", "--min-area", "0", "--rater", "ann"]
    chromium.get_log("browser")
    with served(results, 0, "blobs-*", *names) as (_, links):
        sitting, grounds = Sitting(chromium, links["ann"]), {}
        for width, scheme in itertools.product((1400, 400), ("light", "dark")):
            resized(width, scheme)
            sitting.begin()
            assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
            for value in ("1", "10"):
                button = chromium.find_element(By.CSS_SELECTOR, f"button[value='{value}']")
                top, bottom = chromium.execute_script(
                    "const r = arguments[0].getBoundingClientRect(); return [r.top, r.bottom]",
                    button,
                )
                assert 0 <= top < bottom <= 900, "the scale is always in reach"
                assert bottom - top >= 40, "a finger meets it"
            body = chromium.find_element(By.TAG_NAME, "body")
            grounds.setdefault(scheme, set()).add(body.value_of_css_property("background-color"))
        assert chromium.get_log("browser") == []
    assert all(len(each) == 1 for each in grounds.values())
    assert grounds["light"] != grounds["dark"]


def asked(link, data=None, method=None):
    """Status, headers and body of a request that follows no redirect."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *given):
            return None

    request = urllib.request.Request(link, data, method=method)
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=20) as reply:
            return reply.status, dict(reply.headers), reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_strangers_get_nothing_and_a_page_sent_twice_counts_once(results, capsys):
    names = ["--name", "strangers", "--min-area", "0", "--rater", "ann=my-own-token-1"]
    with served(results, 0, "blobs-*", *names) as (_, links):
        link = links["ann"]
        assert link.endswith("/my-own-token-1")
        root = link.rpartition("/")[0]
        file = Ratings.open(results / "ratings" / "strangers.sqlite")
        code = file.jobs()[4].code
        nothing = asked(f"{root}/")[::2]
        assert nothing == (404, b"Not Found")
        for path in ("wrong", f"wrong/{code}", f"wrong/{code}/mask.png", "wrong/next", "docs",
                     f"/{code}", f"my-own-token/{code}", "..%2f..%2fetc%2fpasswd",
                     f"my-own-token-1/{code}/passwd.png",
                     "my-own-token-1/no/mask.png"):  # fmt: skip
            assert asked(f"{root}/{path}")[::2] == nothing, path
        assert asked(f"{root}/wrong/{code}", b"value=7")[::2] == nothing
        assert asked(f"{link}/{code}", b"value=7", "PUT")[::2] == nothing
        assert file.frame().empty
        status, headers, page = asked(f"{link}/{code}")
        headers = {name.lower(): value for name, value in headers.items()}
        assert status == 200
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers
        assert not [word for word in SECRET if word.encode() in page]
        assert asked(f"{link}/{code}", b"value=" + b"7" * 5000)[0] == 413
        assert asked(f"{link}/{code}", b"value=%ff%fe&x")[0] == 400
        for _ in range(3):
            status, headers, _ = asked(f"{link}/{code}", b"value=7&seconds=3.5")
            assert status == 303
        assert file.frame()[["job", "value", "changes"]].to_numpy().tolist() == [[4, 7, 0]]
        capsys.readouterr()
        again = ["--name", "strangers", "--port", str(port_of(link)), "--results", str(results)]
        assert main(["rate", *again]) == 2
        said = one_line(capsys.readouterr().err)
        assert f"can't serve at 127.0.0.1 port {port_of(link)}" in said


def test_a_study_goes_on_with_what_it_began_with_alone(results, capsys):
    began = ["--name", "once", "--min-area", "0", "--masks", "4"]
    with served(results, 0, "blobs-*", *began, "--rater", "ann"):
        pass
    path = str(results)
    for words, says in (
        (["*-small_disc-*"], "has runs .*small_disc.*, not "),
        (["--masks", "5"], "has masks 4, not 5"),
        (["--seed", "5"], "has seed 0, not 5"),
        (["--rater", "=t"], "a rater has a name"),
        (["--rater", "bo=short"], "a token is at least 12 letters"),
        (["--name", "new"], "no study .new. to go on with; begin with: sam-bench rate RUN"),
        (["no-such-run", "--name", "new"], "no run matches 'no-such-run'"),
    ):
        capsys.readouterr()
        name = [] if "--name" in words else ["--name", "once"]
        assert main(["rate", *words, *name, "--results", path, "--port", "0"]) == 2
        assert re.search(says, one_line(capsys.readouterr().err))
    for words, says in (
        (["--name", "once"], "no mask is rated yet"),
        (["--name", "new"], "no ratings; begin with"),
    ):
        assert main(["rate", "report", *words, "--results", path]) == 2
        assert says in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_without_the_extra_it_is_one_line(results, monkeypatch, capsys, name):
    monkeypatch.setitem(sys.modules, name, None)
    path = str(results)
    assert main(["rate", "blobs-*", "--name", "none", "--results", path]) == 2
    assert "pip install 'sam-bench[rate]'" in one_line(capsys.readouterr().err)
    assert not (results / "ratings" / "none.sqlite").exists(), "it is said before anything is made"
    assert main(["rate", "report", "--name", "none", "--results", path]) == 2
    assert "no ratings; begin with" in one_line(capsys.readouterr().err), "it needs no server"


def test_a_study_that_moved_with_its_results_finds_its_pictures(results, tmp_path):
    names = ["--name", "moved", "--min-area", "0", "--masks", "2", "--rater", "ann"]
    with served(results, 0, "blobs-*", *names):
        pass
    new = tmp_path / "elsewhere"
    results.rename(new)
    try:
        with served(new, 0, "--name", "moved") as (_, links):
            code = Ratings.open(new / "ratings" / "moved.sqlite").jobs()[0].code
            status, _, body = asked(f"{links['ann']}/{code}/mask.png")
    finally:
        new.rename(results)
    assert status == 200
    assert body.startswith(b"\x89PNG")
