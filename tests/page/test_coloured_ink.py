# SPDX-License-Identifier: MPL-2.0
"""Coloured ink and paper: as readable as black on white, mixed of the channels only where luma shows nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.page.coloured_ink import colour_contrast
from ocrmypdf_superres.page.image import to_luma

Colour = tuple[int, int, int]
SAME_LUMA = [((120, 120, 250), (160, 140, 60)), ((210, 90, 90), (140, 135, 130))]


def text(ink: Colour, paper: Colour, noise: float = 3.0) -> Image.Image:
    """Lines of print at 75 dpi with the noise of a scanner, float (H, W, 3) around the two colours."""
    large = Image.new("L", (1600, 1200), 0)
    font = ImageFont.load_default(40)
    for line in range(14):
        ImageDraw.Draw(large).text(
            (100, 60 + 80 * line), "seven wizards mix liquor near the old harbour walls", font=font, fill=255
        )
    share = np.asarray(large.resize((400, 300), Image.Resampling.BOX), dtype=np.float64)[..., None] / 255
    pixels = share * np.array(ink) + (1 - share) * np.array(paper)
    return Image.fromarray(np.clip(pixels + np.random.default_rng(5).normal(0, noise, pixels.shape), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(("ink", "paper"), SAME_LUMA)
def test_ink_of_the_papers_lightness_becomes_dark(ink, paper):
    page = text(ink, paper)
    assert float(np.std(to_luma(page))) < 0.05
    grey = colour_contrast(page)
    assert grey.mode == "L" and grey.size == page.size
    twin = to_luma(text((20, 20, 20), (245, 245, 245)))
    assert np.corrcoef(to_luma(grey).ravel(), twin.ravel())[0, 1] > 0.9
    assert np.median(np.asarray(grey)) > 200 and np.percentile(np.asarray(grey), 0.5) < 60


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ((20, 20, 20), (250, 250, 250)), ((150, 180, 235), (250, 250, 250)), ((235, 220, 110), (255, 255, 255)),
        ((40, 40, 40), (250, 225, 90)), ((250, 250, 250), (30, 30, 90)),
    ],
)  # fmt: skip
def test_ink_that_luma_shows_is_left(ink, paper):
    assert colour_contrast(text(ink, paper)) is None


def test_other_pages_are_left():
    assert colour_contrast(text((0, 0, 0), (255, 255, 255)).convert("L")) is None
    assert colour_contrast(Image.new("RGB", (400, 300), (200, 180, 90))) is None
    assert colour_contrast(Image.new("RGB", (2, 1))) is None
    noise = np.random.default_rng(1).normal(128, 25, (300, 400, 3))
    assert colour_contrast(Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))) is None
    # A black line of print on paper with a coloured screen: luma shows it, so colour stays out of it.
    screened = np.asarray(text((20, 20, 20), (245, 245, 245))).copy()
    screened[::2, ::2, 2] //= 2
    assert colour_contrast(Image.fromarray(screened)) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("strokes", [0, 1, 2, 3, 5, 20])
def test_a_drawn_page_with_few_strokes_is_read_or_left(strokes):
    """Without a scanner's noise most pixels are the paper's very colour."""
    (ink, paper) = SAME_LUMA[0]
    page = Image.new("RGB", (620, 877), paper)
    for number in range(strokes):
        ImageDraw.Draw(page).line([(20 + 15 * number, 20), (20 + 15 * number, 860)], fill=ink)
    grey = colour_contrast(page)
    assert grey is None or (int(np.asarray(grey).min()) < 60 and int(np.median(np.asarray(grey))) > 200)
    assert (grey is not None) == (strokes > 1)


def test_the_few_black_words_of_a_page_in_colour_stay_dark():
    """A heading makes too few edges to be seen, and may be as light as paper in the mixture."""
    paper, ink = (170, 170, 170), (250, 137, 134)
    page = text(ink, paper, noise=0.0)
    heading = Image.new("L", (1600, 1200), 0)
    ImageDraw.Draw(heading).text((100, 4), "1946", font=ImageFont.load_default(40), fill=255)
    black = heading.resize((400, 300), Image.Resampling.BOX)
    page.paste((0, 0, 0), mask=black)
    grey = np.asarray(colour_contrast(page))
    assert np.percentile(grey[np.asarray(black) > 200], 50) < 40 and np.median(grey) > 200


def test_dark_ink_on_black_paper_becomes_dark_on_light():
    page = text((0, 0, 255), (0, 0, 0), noise=0.0)
    grey = np.asarray(colour_contrast(page))
    assert np.median(grey) > 200 and np.percentile(grey, 0.5) < 60
