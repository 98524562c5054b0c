"""The HTML report as a browser shows it: from a file, with no server, no network and no errors."""

import json
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None, reason="no chromium with its chromedriver"
)

NAMES = (
    "a & b &lt;.png",
    "--help.png",
    "-1'); alert(1); ('.png",
    '<img src=x onerror="alert(1)">.png',
    "<script>alert(1)<!--.png",
    "</script><svg onload=alert(1)>.png",  # a file in a folder called <
    "{{ 7 * 7 }} {% raw %}.png",
    "Zürich 写真 🌄.png",
)
BROKEN = '"><script>alert(1)</script>.webp'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, checkpoints: dict[int, Path]) -> Path:
    """The report of a batch over photos with hostile names, one of which is no photo."""
    folder = tmp_path_factory.mktemp("report")
    for seed, name in enumerate(NAMES):
        file = folder / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shell.noise(60, 80, seed=seed).save(file)
    broken = folder / "photos" / BROKEN
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(b"RIFF")
    model = ("-m", checkpoints[9], "--device", "cpu", "--workers", "0", "-q")
    command = ("batch", "inpaint", folder / "photos", "<b>{stem}</b>", "--mask", "box:24,18,56,42")
    done = shell.call(*command, *model, "--steps", "1", "-o", folder / "out")
    assert done.code == 3, done.err
    assert shell.call("report", folder / "out").code == 0
    return folder / "out" / "report.html"


@pytest.fixture(scope="module")
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser that writes down what it asks of the network and what it complains of."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        *("--no-first-run", "--disable-background-networking", "--disable-sync"),
        *("--window-size=1280,900", "--force-device-scale-factor=1"),
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def opened(chromium: webdriver.Chrome, page: Path) -> Iterator[webdriver.Chrome]:
    """The page, freshly opened; at the end nothing may have been asked for or complained of."""
    for kind in ("browser", "performance"):
        chromium.get_log(kind)  # what came before is not of this test
    chromium.get(page.as_uri())
    yield chromium
    with pytest.raises(NoAlertPresentException):
        _ = chromium.switch_to.alert
    assert chromium.get_log("browser") == []
    asked = list(requests(chromium.get_log("performance")))
    assert asked[0] == page.as_uri()
    assert [url for url in asked[1:] if not url.startswith("data:")] == []
    script = "return performance.getEntriesByType('resource').map(entry => entry.name)"
    assert [url for url in chromium.execute_script(script) if not url.startswith("data:")] == []


def requests(log: list[dict[str, Any]]) -> Iterator[str]:
    """The addresses that were asked for, whether they were answered or not."""
    for entry in log:
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            yield message["params"]["request"]["url"]
        if message["method"] == "Network.webSocketCreated":
            yield message["params"]["url"]


def cards(driver: webdriver.Chrome) -> list[WebElement]:
    return driver.find_elements(By.TAG_NAME, "article")


def names(driver: webdriver.Chrome) -> list[str]:
    return [card.find_element(By.TAG_NAME, "h2").text for card in cards(driver)]


def shot(element: WebElement) -> NDArray[np.int16]:
    with Image.open(BytesIO(element.screenshot_as_png)) as image:
        return np.asarray(image.convert("RGB"), np.int16)


def alike(one: NDArray[np.int16], other: NDArray[np.int16]) -> bool:
    """Whether two shots show the same; edges of layers may be drawn a little otherwise."""
    return float((np.abs(one - other).max(axis=2) > 4).mean()) < 0.002


def put(driver: webdriver.Chrome, figure: WebElement, value: int) -> None:
    """Moves a slider as a hand does: the event is the browser's own."""
    slider = figure.find_element(By.TAG_NAME, "input")
    slider.send_keys(Keys.HOME if value == 0 else Keys.END)
    for _ in range(0 if value in (0, 100) else 100 - value):
        slider.send_keys(Keys.ARROW_LEFT)
    assert slider.get_property("value") == str(value)
    driver.execute_script("document.activeElement.blur()")


def test_names_are_text_and_nothing_runs(opened: webdriver.Chrome) -> None:
    shown = names(opened)
    assert sorted(shown) == sorted([*NAMES, BROKEN])
    assert opened.find_elements(By.CSS_SELECTOR, "h2 *, .about b, svg, article script") == []
    assert len(opened.find_elements(By.TAG_NAME, "script")) == 1
    prompts = [p.text for p in opened.find_elements(By.CSS_SELECTOR, ".about p")]
    assert "“<b>--help</b>”" in prompts
    loaded = "return [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    assert opened.execute_script(loaded)
    assert len(opened.find_elements(By.TAG_NAME, "img")) == 3 * len(NAMES)


def test_the_slider_uncovers_what_was_before(opened: webdriver.Chrome) -> None:
    figure = opened.find_element(By.TAG_NAME, "figure")
    opened.execute_script(  # what lies over the pictures is not what is looked at
        "document.head.insertAdjacentHTML('beforeend', "
        "'<style>.edge, .tag { visibility: hidden }</style>')"
    )
    seen = dict[int, NDArray[np.int16]]()
    for value in (0, 50, 100):
        put(opened, figure, value)
        seen[value] = shot(figure)
    after, both, before = seen[0], seen[50], seen[100]
    middle, differs = before.shape[1] // 2, np.abs(before - after).max(axis=2) > 8
    assert differs.mean() > 0.02  # the box of the mask
    assert not differs.all()
    assert not alike(before, after)
    assert alike(both[:, : middle - 2], before[:, : middle - 2])
    assert alike(both[:, middle + 2 :], after[:, middle + 2 :])
    assert differs[:, : middle - 2].any()
    assert differs[:, middle + 2 :].any()


def test_the_slider_follows_the_pointer(opened: webdriver.Chrome) -> None:
    figure = opened.find_element(By.TAG_NAME, "figure")
    width = figure.size["width"]
    for share in (0.1, 0.5, 0.9):
        place = round((share - 0.5) * width)
        webdriver.ActionChains(opened).move_to_element_with_offset(
            figure, place, 20
        ).click().perform()
        edge = figure.find_element(By.CLASS_NAME, "edge")
        at = edge.location["x"] + 1 - figure.location["x"]
        assert at / width == pytest.approx(share, abs=0.015)


def test_cards_are_sorted(opened: webdriver.Chrome) -> None:
    order = Select(opened.find_element(By.ID, "sort"))
    assert [option.text for option in order.options][:3] == [
        "name",
        "failures first",
        "seam, worst first",
    ]
    order.select_by_value("failed")
    assert names(opened)[0] == BROKEN
    assert names(opened)[1:] == sorted(NAMES)
    for score in ("seam", "seconds"):
        order.select_by_value(score)
        values = [float(c.get_attribute(f"data-{score}") or -1) for c in cards(opened)]
        assert values == sorted(values, reverse=True)
        assert len(set(values)) > 1
    order.select_by_value("grain")
    grains = [float(c.get_attribute("data-grain") or "nan") for c in cards(opened)[:-1]]
    worse = [max(grain, 1 / grain) for grain in grains]
    assert worse == sorted(worse, reverse=True)
    assert names(opened)[-1] == BROKEN  # it has no score
    order.select_by_value("name")
    assert names(opened) == sorted([*NAMES, BROKEN])


def test_masks_are_laid_over(opened: webdriver.Chrome) -> None:
    figure = opened.find_element(By.TAG_NAME, "figure")
    overlay = figure.find_element(By.CLASS_NAME, "overlay")
    assert not overlay.is_displayed()
    without = shot(figure)
    box = opened.find_element(By.ID, "masks")
    box.click()
    assert overlay.is_displayed()
    redder = (shot(figure) - without)[..., 0] - (shot(figure) - without)[..., 2]
    assert (redder > 20).mean() > 0.03
    box.click()
    assert not overlay.is_displayed()
    assert alike(shot(figure), without)


def test_the_keyboard_is_enough(opened: webdriver.Chrome) -> None:
    def press(*keys: str) -> WebElement:
        webdriver.ActionChains(opened).send_keys(*keys).perform()
        return opened.switch_to.active_element

    assert press(Keys.TAB).get_attribute("id") == "sort"
    press("f")  # failures first
    assert names(opened)[0] == BROKEN
    assert press(Keys.TAB).get_attribute("id") == "masks"
    press(Keys.SPACE)
    assert "masks" in (opened.find_element(By.TAG_NAME, "body").get_attribute("class") or "")
    slider = press(Keys.TAB)
    assert slider.get_attribute("type") == "range"
    assert "before and after of" in (slider.get_attribute("aria-label") or "")
    figure = slider.find_element(By.XPATH, "..")
    before = figure.find_element(By.CLASS_NAME, "before")
    clips = [before.value_of_css_property("clip-path")]
    for key in (Keys.ARROW_RIGHT, Keys.HOME, Keys.END):
        press(key)
        clips.append(before.value_of_css_property("clip-path"))
    assert len(set(clips)) == 4
    # Where the keys go to is to be seen.
    ring = "return getComputedStyle(arguments[0].nextElementSibling, '::after').boxShadow"
    assert "3px" in opened.execute_script(ring, slider)


@pytest.mark.parametrize("width", [320, 500, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(opened: webdriver.Chrome, width: int, scheme: str) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    try:
        script = "const page = document.documentElement; return [page.scrollWidth, innerWidth]"
        wide, window = opened.execute_script(script)
        assert wide <= window == width
        colors = [
            opened.find_element(By.CSS_SELECTOR, where).value_of_css_property(what)
            for where, what in (
                ("article", "background-color"),
                ("article h2", "color"),
                (".about dt", "color"),
                (".about .fault", "color"),
            )
        ]
        ground, *inks = [luminance(color) for color in colors]
        assert (ground > 0.5) == (scheme == "light")
        for ink in inks:  # WCAG 2.2, 1.4.3
            assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def luminance(color: str) -> float:
    """Relative luminance of a CSS color such as `rgba(1, 2, 3, 1)`, as WCAG defines it."""
    parts = color[color.index("(") + 1 : -1].split(",")[:3]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (float(part) / 255 for part in parts)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
