# SPDX-License-Identifier: MPL-2.0
"""The pages of the benchmark: rendered ones of every layout and script, and real ones."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.evaluation.data.pages import HIGH_DPI, BenchmarkPage
from ocrmypdf_superres.page.image import FloatImage, to_luma
from ocrmypdf_superres.tables import did_you_mean
from ocrmypdf_superres.tesseract import run_tesseract
from ocrmypdf_superres.training.data.rendered_pages.layouts import LAYOUTS
from ocrmypdf_superres.training.data.rendered_pages.page import render
from ocrmypdf_superres.training.data.rendered_pages.scripts import SCRIPTS, Script, scripts_with_fonts
from ocrmypdf_superres.training.data.rendered_pages.without_text import WITHOUT_TEXT

HEIGHTS = (3.6, 28.0)
"""Letters of the rendered pages are between these many pixels high, evenly in the logarithm."""
FULL_HEIGHT = {"ideographs": 1.75}
"""Letters of these kinds must be this many times as high as a lower-case x to be read as well."""
TURNED = ("on its side",)
"""Rows of turned pages; those on their side are turned either way."""
_LATIN = next(script for script in SCRIPTS if script.name == "Latin")
_MAX_SIDE = 1760
_POINTS = 10.0
_WRONG_TAGS = (72.0, 96.0, 200.0, 300.0, 400.0, 600.0)


@dataclass(frozen=True)
class HeightCase:
    """A page to measure.

    Attributes:
        row: the kind that it counts in.
        height: of its letters in pixels; 0 where it has no text.
        needed: the same, as of a lower-case x that needs as much enlargement.
        dpi: that it claims.
        luma: float32 (H, W) in [0, 1].
        turns: quarter turns, counter-clockwise, by which its text is turned.
        languages: Tesseract's names, where they are known.
    """

    row: str
    height: float
    needed: float
    dpi: float
    luma: FloatImage
    turns: int = 0
    languages: tuple[str, ...] = ()


def rendered_cases(per_row: int, seed: int, rows: list[str] | None = None) -> Iterator[HeightCase]:
    """Yield *per_row* rendered pages of each row: layouts, scripts, skews, wrong tags, and pages without text.

    The fonts are those that the height network is not trained with, where a script has several.

    Raises:
        OptionError: one of *rows* is not known.
    """
    scripts = scripts_with_fonts("test")
    known = [row for row, *_ in _rows(scripts)]
    if unknown := sorted(set(rows or ()) - set(known)):
        hint = did_you_mean(unknown[0], known)
        raise OptionError(f"There is no kind of pages {unknown[0]!r}{hint}; give some of {', '.join(known)}.")
    for row, layout, script, skew in _rows(scripts):
        if rows and row not in rows:
            continue
        for index in range(per_row):
            random_ = random.Random(f"{seed} {row} {index}")
            yield _rendered(row, layout, script, skew, scripts, random_)


def _rows(scripts: list[Script]) -> Iterator[tuple[str, str | None, Script | None, float]]:
    for layout in LAYOUTS:
        yield f"layout {layout}", layout, None, 1.0
    for script in scripts:
        yield f"script {script.name}", None, script, 1.0
    for skew in (3.0, 6.0, 10.0):
        yield f"skew {skew:g} degrees", None, None, skew
    yield "wrong tag", None, None, 0.5
    for row in TURNED:
        yield row, None, None, 0.5
    for layout in WITHOUT_TEXT:
        yield f"without text {layout}", layout, None, 0.0


def _rendered(
    row: str, layout: str | None, script: Script | None, skew: float, scripts: list[Script], random_: random.Random
) -> HeightCase:
    # Half of the pages of a layout are in Latin letters.
    script = script or (_LATIN if random_.random() < 0.5 else random_.choice(scripts))
    layout = layout or random_.choice(list(LAYOUTS))
    height = HEIGHTS[0] * (HEIGHTS[1] / HEIGHTS[0]) ** random_.random()
    em = 1.9 * height / FULL_HEIGHT.get(script.kind, 1.0)
    size = (int(min(_MAX_SIDE * 0.71, 59 * em)), int(min(_MAX_SIDE, 84 * em)))
    turned = random_.choice((-1, 1)) * skew if skew > 1 else random_.uniform(-skew, skew)
    page = render(layout, script, height, size, random_, "test", turned)
    dpi = em / _POINTS * 72
    if row == "wrong tag":
        dpi = random_.choice(_WRONG_TAGS)
    turns = random_.choice((1, 3)) if row in TURNED else 0
    luma = np.ascontiguousarray(np.rot90(page.luma, turns))
    return HeightCase(row, page.height, page.height / FULL_HEIGHT.get(script.kind, 1.0), dpi, luma, turns)


def real_cases(pages: list[BenchmarkPage], heights: dict[str, float], dpis: tuple[float, ...]) -> Iterator[HeightCase]:
    """Yield real *pages* as they are, and those of good resolution reduced to each of *dpis*; *heights* are by name."""
    for page in pages:
        height = heights.get(page.name, 0.0)
        if not height:
            continue
        with Image.open(page.image) as opened:
            luma = to_luma(opened)
        row = f"real {page.collection}"
        languages = tuple(page.languages.split("+"))
        whole = HeightCase(row, height, height, page.dpi, luma, 0, languages)
        yield whole
        for dpi in dpis if page.dpi >= HIGH_DPI else ():
            factor = dpi / page.dpi
            size = (max(8, round(luma.shape[1] * factor)), max(8, round(luma.shape[0] * factor)))
            small = np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.BOX), dtype=np.float32)
            yield replace(whole, height=height * factor, needed=height * factor, dpi=dpi, luma=small)


def height_by_tesseract(page: BenchmarkPage) -> float:
    """Return the x-height in pixels that Tesseract's line metrics give, in the middle of all letters read; 0 for none.

    Pages of low resolution are enlarged three times before.

    Raises:
        MissingDependencyError, RecognizerError: Tesseract is missing or failed.
    """
    with Image.open(page.image) as opened:
        image = opened.convert("L")
    factor = 3 if page.dpi < HIGH_DPI else 1
    image = image.resize((image.width * factor, image.height * factor), Image.Resampling.LANCZOS)
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        path = Path(folder) / "page.png"
        image.save(path)
        dpi = str(round(page.dpi * factor))
        hocr = run_tesseract([str(path), "-", "-l", page.languages, "--dpi", dpi, "hocr"])
    found = []
    for line in re.split(r"<span class='ocr_", hocr)[1:]:
        sizes = re.match(r"[^>]*x_size ([\d.]+); x_descenders ([-\d.]+); x_ascenders ([-\d.]+)", line)
        letters = sum(len(word) for word in re.findall(r"<span class='ocrx_word'[^>]*x_wconf [6-9]\d[^>]*>([^<]*)<", line))
        if sizes:
            size, below, above = (float(value) for value in sizes.groups())
            found += [(size - below - above) / factor] * letters
    return float(np.median(found)) if found else 0.0
