"""The report's page in a real browser: Debian's chromium, driven by its own driver."""

from __future__ import annotations

import json
import os
import re
import shutil
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from survkit.report.__main__ import main as report
from survkit.train import main as train
from tests.args_files import SMALL

pytestmark = pytest.mark.cluster

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a small group: two mixtures, a baseline, a run that failed."""
    folder = tmp_path_factory.mktemp("logs")
    for model in ("mtlr", "fixed_moe --mixture_components 20", "personalized_moe", "coxph"):
        flags = f"--dataset gbsg2 --group small --model {model} --log_dir {folder}"
        flags += " --evaluation_times 365 730"  # so many metrics that tables are turned on paper
        assert train([*SMALL, *flags.split()]) == 0
    launcher = folder / "small" / "launcher"
    launcher.mkdir()
    note = {"status": "failed", "note": "word " * 60, "model": "rsf", "seed": 42}
    (launcher / "0123456789abcdef.json").write_text(json.dumps(note))
    assert report(["--log_dir", str(folder), "--group", "small", "--bootstrap", "50"]) == 0
    return folder / "small" / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        message = "needs chromium and chromedriver (Debian: chromium, chromium-driver)"
        if os.environ.get("SURVKIT_REQUIRE_CHROMIUM") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


def show(browser: Any, page: Path, size: tuple[int, int], scheme: str = "light") -> None:
    """Load the page at a width, in a colour scheme, with every part unfolded."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    for log in ("browser", "performance"):
        browser.get_log(log)  # empties it
    browser.get(page.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_page_loads_without_an_error_or_a_request(
    browser: Any, page: Path, size: tuple[int, int]
) -> None:
    show(browser, page, size)
    assert browser.find_element("tag name", "h1").text == "small"
    assert len(browser.find_elements("css selector", "svg")) > 10
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in requests if not url.startswith("data:")] == [page.as_uri()]


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_wide_parts_scroll_in_their_own_box(
    browser: Any, page: Path, size: tuple[int, int]
) -> None:
    show(browser, page, size)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    hidden = browser.execute_script(
        "return [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') &&"
        " e.getBoundingClientRect().right > window.innerWidth + 1).map(e => e.outerHTML)"
    )
    assert hidden == []


A4_TEXT = {"portrait": 695, "landscape": 1024}
"""Pixels between the margins: 184 mm and 271 mm at 96 to the inch."""


def test_on_paper_nothing_is_cut_folded_or_dark(browser: Any, page: Path) -> None:
    show(browser, page, (A4_TEXT["portrait"], 1000), "dark")
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = false)")
    assert browser.execute_script(HIDDEN_PARTS) != []
    for way, elements in (
        ("portrait", "body *:not(.turned, .turned *)"),
        ("landscape", ".turned, .turned *"),
    ):
        metrics = {"width": A4_TEXT[way], "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        dark = {"name": "prefers-color-scheme", "value": "dark"}
        media = {"media": "print", "features": [dark]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        cut = browser.execute_script(
            f"return [...document.querySelectorAll('{elements}')].filter(e => "
            "!e.querySelector('.turned') && "
            "(e.getBoundingClientRect().right > window.innerWidth + 1 ||"
            " (!e.closest('svg') && e.clientWidth && e.scrollWidth > e.clientWidth + 1)))"
            ".map(e => e.outerHTML.slice(0, 200))"
        )
        assert cut == [], way
    assert browser.execute_script(HIDDEN_PARTS) == []
    assert not browser.find_element("tag name", "nav").is_displayed()
    colour = "return getComputedStyle(document.body).backgroundColor"
    assert browser.execute_script(colour) == "rgb(255, 255, 255)"


HIDDEN_PARTS = (
    "return [...document.querySelectorAll('h2, summary, table, svg, p')].filter(e => "
    "!e.checkVisibility({contentVisibilityAuto: true}) || !e.getBoundingClientRect().height)"
    ".map(e => e.outerHTML.slice(0, 200))"
)


def test_the_page_prints_on_a4(browser: Any, page: Path) -> None:
    show(browser, page, DESKTOP)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    boxes = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", b64decode(printed["data"]))
    sizes = {tuple(round(float(side) / 72 * 25.4) for side in box) for box in boxes}
    assert len(boxes) > 4
    assert (210, 297) in sizes
    assert sizes <= {(210, 297), (297, 210)}


def test_the_page_follows_the_colour_scheme(browser: Any, page: Path) -> None:
    colours = []
    for scheme in ("light", "dark"):
        show(browser, page, DESKTOP, scheme)
        colours.append(
            browser.execute_script(
                "const text = document.querySelector('svg text');"
                "return [getComputedStyle(document.body).backgroundColor,"
                " getComputedStyle(document.body).color, getComputedStyle(text).fill]"
            )
        )
    light, dark = colours
    assert light[0] != dark[0]
    assert light[1] == light[2]
    assert dark[1] == dark[2]
    assert light[1] != dark[1]
