"""The page in Chromium: clicks, the browser's own log, accessibility by axe-core, a phone's width, the dark.

``HOOKGUARD_SCREENSHOTS=1`` writes the pictures of the manual once more.
"""

import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

flask = pytest.importorskip("flask")
webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium axe-core-python")
axe = pytest.importorskip("axe_core_python", reason="pip install selenium axe-core-python")

from inboxes import Box
from page_sites import ALL, BASE, KEY, reject, settings
from pages import ROOT
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from servers import missing
from werkzeug.serving import make_server

from hookguard.evidence.contract import FoundCause
from hookguard_flask import HookGuard

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    missing("Chromium is not installed: apt-get install chromium chromium-driver")

AXE = Path(axe.__file__).with_name("axe.min.js").read_text("utf-8")
IMAGES = ROOT / "docs" / "images"
PHONE = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True}
DESK = {"width": 1100, "height": 700, "deviceScaleFactor": 1, "mobile": False}


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--force-color-profile=srgb",
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(DRIVER))
    found.set_page_load_timeout(120)
    found.set_script_timeout(120)
    yield found
    found.quit()


@contextmanager
def serving(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}{BASE}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path / "hookguard.sqlite3")


@pytest.fixture
def url(box):
    app = flask.Flask("shop")
    app.config.update(HOOKGUARD=settings(box, evidence=True), SECRET_KEY=KEY)
    app.register_blueprint(HookGuard(app).page(allow=lambda request: ALL), url_prefix=BASE)
    with serving(app) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_in_the_browsers_log(browser):
    browser.get("about:blank")
    browser.get_log("browser")
    screen(browser, DESK)
    yield
    assert [line["message"] for line in browser.get_log("browser")] == []


def screen(browser, size, scheme="light"):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)


def fill(box):
    """A few entries of each kind; the key of a dead one."""
    kinds = ["invoice.paid", "customer.created", "charge.refunded"]
    for number in range(5):
        box.put(f"evt_1Q{number}waiting", kinds[number % 3])
    for number in range(7):
        from inboxes import SETTINGS

        key = box.put(f"evt_1Q{number}done", kinds[number % 3])
        held = box.inbox.take_one(key, lease=60, settings=SETTINGS)
        box.inbox.complete(key, token=held.token, settings=SETTINGS)
    box.kill(box.put("evt_1Q8dead", kinds[0]), "ConnectionError: the mail server is down")
    for hours in (1, 1, 1, 4, 9):
        reject(box, age=hours * 3600, event_type=kinds[0], findings=(FoundCause("secret_retired", "proved"),))
    key = box.put("evt_1Q9dead", kinds[1])
    box.kill(key, "no such customer")
    return key


def problems(browser):
    """The serious and critical findings of axe-core on this page."""
    browser.execute_script(AXE)
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    return [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


@contextmanager
def another_page(browser):
    """Wait until the page is gone, and the next one has loaded."""
    began = browser.execute_script("return performance.timeOrigin")
    yield

    def loaded(browser):
        now, state = browser.execute_script("return [performance.timeOrigin, document.readyState]")
        return now != began and state == "complete"

    # A question to a page that is just being left may fail.
    WebDriverWait(browser, 120, ignored_exceptions=[WebDriverException]).until(loaded)


def button(browser, text):
    return browser.find_element(By.XPATH, f"//button[normalize-space()='{text}'] | //a[normalize-space()='{text}']")


def click(browser, text):
    with another_page(browser):
        button(browser, text).click()


def main_text(browser):
    return browser.find_element(By.TAG_NAME, "main").text


def test_a_dead_entry_is_found_opened_rerun_and_dropped_by_clicks(browser, box, url):
    key = fill(box)
    browser.get(f"{url}/")
    click(browser, "Dead")
    click(browser, "evt_1Q9dead")
    assert "no such customer" in main_text(browser)
    assert "(hidden)" not in main_text(browser)
    click(browser, "Show the body")
    assert '"card": "(hidden)"' in main_text(browser)
    button(browser, "Rerun").click()
    assert box.state(key) == "DEAD", "the browser asks for the reason"
    browser.find_element(By.ID, "rerun-reason").send_keys("the customer is back")
    click(browser, "Rerun")
    assert "1 of 1 entry is due again" in main_text(browser)
    assert box.state(key) == "WAITING"
    click(browser, "Go on")
    assert "rerun by ada: the customer is back" in main_text(browser)
    with another_page(browser):
        browser.find_element(By.ID, "drop-reason").send_keys("a test event", Keys.ENTER)
    assert "1 of 1 entry is deleted" in main_text(browser)
    assert box.state(key) is None
    assert browser.find_elements(By.TAG_NAME, "script") == []


def test_many_dead_entries_are_rerun_by_clicks_and_keys(browser, box, url):
    fill(box)
    browser.get(f"{url}/entries?state=dead")
    click(browser, "Rerun the dead entries of this filter …")
    assert "Rerun 2 dead entries" in main_text(browser)
    with another_page(browser):
        browser.find_element(By.ID, "rerun-reason").send_keys("the mail server was down", Keys.TAB, Keys.SPACE)
    assert "2 of 2 entries are due again" in main_text(browser)


def test_the_filter_works_without_a_mouse(browser, box, url):
    fill(box)
    browser.get(f"{url}/entries")
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 14
    with another_page(browser):
        browser.find_element(By.ID, "type").send_keys("invoice.paid", Keys.ENTER)
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 6
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to the content"


def test_the_chart_shows_a_bar_for_done_and_one_for_dead_entries(browser, box, url):
    fill(box)
    browser.get(f"{url}/")
    bars = {
        bar.get_attribute("class"): bar.rect for bar in browser.find_elements(By.CSS_SELECTOR, "figure:not(.rejected) svg > rect")
    }
    assert sorted(bars) == ["dead", "done"]
    done, dead = bars["done"], bars["dead"]
    assert done["height"] == pytest.approx(3.5 * dead["height"], rel=0.1)
    assert dead["y"] == pytest.approx(done["y"] + done["height"], abs=1)
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg > text")) == 8
    rejected = browser.find_elements(By.CSS_SELECTOR, "figure.rejected svg > rect")
    assert sorted(round(bar.rect["height"] / rejected[0].rect["height"]) for bar in rejected) == [1, 1, 3]
    assert "7 done" in browser.find_element(By.TAG_NAME, "svg").get_attribute("aria-label")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_each_page_is_accessible_and_fits_the_screen(browser, box, url, size, scheme):
    key = fill(box)
    box.kill(box.put("evt_" + "long" * 50, "type." * 40), "reason " * 100)
    screen(browser, size, scheme)
    for path in (
        "/",
        "/entries",
        "/entries?state=dead",
        "/rejected",
        f"/entry/{key}",
        "/rerun",
        "/nothing",
        f"/entry/{key}#body",
    ):
        browser.get(url + path.partition("#")[0])
        if path.endswith("#body"):
            click(browser, "Show the body")
        assert problems(browser) == [], path
        wide = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1] == size["width"], path
        ground = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
        assert ("255, 255, 255" in ground) == (scheme == "light")
    logged = [line["message"] for line in browser.get_log("browser")]
    assert len(logged) == 1, logged
    assert "404" in logged[0], "the browser logs the page that is not there, and no violation of the policy"


@pytest.mark.skipif(not os.environ.get("HOOKGUARD_SCREENSHOTS"), reason="HOOKGUARD_SCREENSHOTS=1 writes the pictures")
def test_the_pictures_of_the_manual(browser, box, url):
    key = fill(box)
    IMAGES.mkdir(exist_ok=True)
    for name, size, scheme, path in (
        ("page-overview", {**DESK, "width": 800, "height": 820}, "light", "/"),
        ("page-entry", {**DESK, "width": 800, "height": 760}, "dark", f"/entry/{key}"),
        ("page-phone", PHONE, "light", f"/entry/{key}"),
    ):
        screen(browser, size, scheme)
        browser.get(url + path)
        assert browser.save_screenshot(str(IMAGES / f"{name}.png"))
