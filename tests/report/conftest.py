"""The browser in which tests look at pages."""

import os
import shutil

import pytest
from selenium import webdriver


def path_of(*names):
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    binary = path_of("chromium", "google-chrome")
    driver = path_of("chromedriver")
    if binary is None or driver is None:
        say = "no chromium with its chromedriver on PATH; `make browser` installs them"
        if os.environ.get("BENCH_BROWSER") == "required":
            pytest.fail(say)
        pytest.skip(say)
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    profile = tmp_path_factory.mktemp("profile")
    for option in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--no-first-run", "--disable-background-networking", "--disable-sync",
                   "--disable-component-update",
                   "--disable-ipc-flooding-protection",  # a test opens hundreds of masks
                   f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
        browser.set_script_timeout(20)
        yield browser
