# SPDX-License-Identifier: MPL-2.0
"""The report in a real browser, from a file path: slider, sorting, filter, keyboard, both colour schemes, a phone, print.

Needs Chromium and Playwright's Python package; OCRMYPDF_SUPERRES_SHOTS names a folder that keeps the screenshots.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from report_runs import all_verdicts, make_run

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")

from ocrmypdf_superres.evaluation.reports import from_run
from ocrmypdf_superres.reporting import images, render
from ocrmypdf_superres.reporting.render import write_report

CHROMIUM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run = make_run(folder / "run", 12, truth=True)
    path = folder / "report.html"
    write_report(from_run(run, folder / "run"), path)
    return path


class Opened:
    """A page in the browser that notes console messages, errors and requests."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def finish(self, path: Path) -> None:
        self.context.close()
        assert self.said == []
        assert [url for url in self.asked if not url.startswith("data:")] == [path.as_uri()]

    def names(self) -> list[str]:
        return self.page.locator("tbody tr[data-verdict]:visible .open").all_inner_texts()

    def split(self) -> float:
        return self.page.evaluate("parseFloat(document.querySelector('.divider').style.left)")


def keep(opened: Opened, name: str, tmp_path: Path) -> Image.Image:
    folder = Path(os.environ.get("OCRMYPDF_SUPERRES_SHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    opened.page.screenshot(path=str(folder / f"{name}.png"))
    with Image.open(folder / f"{name}.png") as shot:
        return shot.convert("L")


def test_sorting_and_filter(browser: Any, report: Path) -> None:
    opened = Opened(browser, report)
    page = opened.page

    def gains() -> list[float]:
        return [float(t) for t in page.locator("tbody td.gain:visible").all_inner_texts()]

    assert gains() == sorted(gains())
    page.locator("th[data-key=gain] button").click()
    assert gains() == sorted(gains(), reverse=True)
    assert page.locator("th[data-key=gain]").get_attribute("aria-sort") == "descending"
    page.locator("th[data-key=page] button").press("Enter")
    assert opened.names() == sorted(opened.names()) and len(opened.names()) == 12
    page.fill("#find", "page 003")
    assert opened.names() == ["page 003"] and page.inner_text("#count") == "1 of 12 pages"
    page.fill("#find", "")
    page.select_option("#group", "letters <1890>")
    assert opened.names() == ["page 001", "page 004", "page 007", "page 010"]
    page.select_option("#group", "")
    worse = page.locator("tbody tr[data-verdict=worse]").count()
    assert 0 < worse < 12
    page.select_option("#verdict", "worse")
    assert len(opened.names()) == worse
    opened.finish(report)


def test_the_filter_shows_the_rows_of_each_verdict(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(all_verdicts(), path)
    opened = Opened(browser, path)
    page = opened.page
    choices = page.evaluate("[...document.getElementById('verdict').options].map(o => o.value)")
    assert len(choices) == 8
    for choice in choices[1:]:
        page.select_option("#verdict", choice)
        shown = page.evaluate(
            "[...document.querySelectorAll('tbody tr[data-verdict]')].filter(r => !r.hidden).map(r => r.dataset.verdict)"
        )
        assert shown == [choice] and page.inner_text("#count") == "1 of 7 pages"
    opened.finish(path)


def test_slider_words_and_keyboard(browser: Any, report: Path, tmp_path: Path) -> None:
    opened = Opened(browser, report)
    page = opened.page
    assert page.locator("img").count() == 0
    page.locator(".open").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".open").first.get_attribute("aria-expanded") == "true"
    page.wait_for_function("[...document.images].length === 2 && [...document.images].every(i => i.complete && i.naturalWidth)")
    # 1:1: a pixel of the image after is a pixel of the page.
    stage = page.evaluate("(e => [e.offsetWidth, e.offsetHeight])(document.querySelector('.stage'))")
    assert (
        stage
        == page.evaluate("(i => [i.naturalWidth, i.naturalHeight])(document.querySelector('.layer.after img'))")
        == [1500, 1100]
    )
    middle = opened.split()
    page.locator(".slide input").focus()
    page.keyboard.press("End")
    assert opened.split() > 1.9 * middle
    page.keyboard.press("Home")
    assert opened.split() == 0
    page.locator(".view").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert opened.split() == pytest.approx(0.2 * middle, rel=0.02)
    handle = page.locator(".divider span").bounding_box()
    page.mouse.move(handle["x"] + 22, handle["y"] + 22)
    page.mouse.down()
    page.mouse.move(handle["x"] + 322, handle["y"] + 22, steps=3)
    page.mouse.up()
    assert opened.split() == pytest.approx(0.2 * middle + 300, abs=10)
    # Wrong words are marked and visited; all words can be shown, or none; the page fits.
    assert page.locator(".layer.before .no").count() > page.locator(".layer.after .no").count() > 0
    page.keyboard.press("n")
    assert page.locator(".here").count() == 1
    shot = keep(opened, "marks", tmp_path)
    page.keyboard.press("w")
    assert page.locator("svg[data-mode=all]").count() == 2
    assert np.asarray(keep(opened, "words", tmp_path)).tobytes() != np.asarray(shot).tobytes()
    page.keyboard.press("w")
    assert page.locator(".layer.after .words").is_hidden()
    page.keyboard.press("f")
    assert page.evaluate("document.querySelector('.stage').offsetWidth <= document.querySelector('.view').clientWidth")
    page.keyboard.press("Escape")
    assert page.locator(".viewer").count() == 0
    assert page.evaluate("document.activeElement.className") == "open"
    # Opened pages follow their row when the table is sorted, and only a few stay open.
    for number in range(8):
        page.locator(".open").nth(number).click()
    assert page.locator("tr.viewer").count() == 6
    page.locator("th[data-key=before] button").click()
    assert page.evaluate(
        "[...document.querySelectorAll('tr.viewer')].every(v => 'v' + v.previousElementSibling.id.slice(1) === v.id)"
    )
    opened.finish(report)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400), ("dark", 400)])
def test_colour_schemes_and_phone(browser: Any, report: Path, tmp_path: Path, scheme: str, width: int) -> None:
    opened = Opened(browser, report, width, scheme)
    page = opened.page
    shot = np.asarray(keep(opened, f"{scheme}-{width}", tmp_path))
    assert (np.median(shot) > 200) if scheme == "light" else (np.median(shot) < 60)
    page.locator(".open").first.click()
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")
    keep(opened, f"{scheme}-{width}-open", tmp_path)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".slide input").bounding_box()
    assert box["width"] > 150 and box["x"] + box["width"] <= width
    page.locator("#theme").click()
    page.evaluate("scrollTo(0, 0)")
    turned = np.asarray(keep(opened, f"{scheme}-{width}-turned", tmp_path))
    assert (np.median(turned) < 60) if scheme == "light" else (np.median(turned) > 200)
    opened.finish(report)


def test_print_shows_before_and_after(browser: Any, report: Path, tmp_path: Path) -> None:
    opened = Opened(browser, report)
    opened.page.locator(".open").first.click()
    opened.page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")
    opened.page.emulate_media(media="print")
    assert opened.page.locator(".bar").is_hidden() and opened.page.locator(".layer.before img").is_visible()
    tops = [opened.page.locator(f".layer.{side}").bounding_box() for side in ("before", "after")]
    assert tops[1]["y"] >= tops[0]["y"] + tops[0]["height"], "before and after stand below each other"
    opened.page.pdf(path=str(tmp_path / "print.pdf"), format="A4")
    assert (tmp_path / "print.pdf").read_bytes().startswith(b"%PDF-")
    opened.finish(report)


def test_five_hundred_pages(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, images.Packed] = {}

    def remembered(page: Any, root: Path, limit: int, quality: int) -> images.Packed:
        # Four pages stand for all: only the browser is measured here.
        if page.after.image not in known:
            known[page.after.image] = images.pack(page, root, limit, quality)
        return known[page.after.image]

    monkeypatch.setattr(render, "pack", remembered)
    run = make_run(tmp_path / "run", 500, truth=True, size=(1600, 1000), distinct=4)
    # Grain, so that the images fill the room that a report may take.
    for path in (tmp_path / "run" / "pages").glob("*.png"):
        with Image.open(path) as image:
            grey = np.asarray(image, dtype=np.float32)
        noise = np.random.default_rng(1).normal(0, 9, grey.shape)
        Image.fromarray(np.clip(grey - 30 + noise, 0, 255).astype(np.uint8)).save(path)
    path = tmp_path / "report.html"
    write_report(from_run(run, tmp_path / "run"), path)
    assert 35e6 < path.stat().st_size < 100e6
    opened = Opened(browser, path)
    loaded = opened.page.evaluate("(t => t.loadEventEnd - t.startTime)(performance.getEntriesByType('navigation')[0])")
    assert loaded < 3000, f"{loaded:.0f} ms"
    assert opened.page.locator("tbody tr").count() == 500
    opened.page.fill("#find", "page 499")
    opened.page.locator(".open:visible").click()
    opened.page.wait_for_function(
        "[...document.images].length === 2 && [...document.images].every(i => i.complete && i.naturalWidth)"
    )
    print(f"{path.stat().st_size / 1e6:.0f} MB, loaded in {loaded:.0f} ms")
    opened.finish(path)
