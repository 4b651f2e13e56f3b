# SPDX-License-Identifier: MPL-2.0
"""Drawings of the kinds of pages on which the measurement, or what came after it, went wrong on real documents."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from plugin_pages import FONT, WORDS

SANS, HEBREW, TITLE = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif-Bold.ttf"
_SHARP = 4


class Sheet:
    """A page that is drawn large and reduced, so that it looks scanned; sizes are in pixels of the reduced page."""

    def __init__(self, width: int, height: int, paper: int = 255) -> None:
        self.size = (width, height)
        self.image = Image.new("L", (width * _SHARP, height * _SHARP), paper)
        self.pen = ImageDraw.Draw(self.image)
        self.words: list[str] = []
        self.random = random.Random(7)

    def line(self, x: float, y: float, em: float, width: float = 0.0, text: str = "", font: str = FONT, ink: int = 10) -> None:
        """Write *text*, or as many words as *width* takes, from column *x* with its baseline at *y*."""
        face = ImageFont.truetype(font, round(em * _SHARP))
        if not text:
            while face.getlength(f"{text} {(word := self.random.choice(WORDS))}") < width * _SHARP:
                text = f"{text} {word}".strip()
        self.words += text.split()
        self.pen.text((x * _SHARP, y * _SHARP), text, font=face, fill=ink, anchor="ls")

    def finish(self, blur: float = 0.3, noise: float = 2.0) -> Image.Image:
        small = self.image.resize(self.size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(blur))
        values = np.asarray(small, np.float32) + np.random.default_rng(1).normal(0, noise, self.size[::-1])
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def stanzas(em: float = 10, lines: int = 6, gap: float = 12) -> Image.Image:
    """Blocks of lines at regular distances."""
    sheet, y = Sheet(620, 870), 50.0
    while y < 800:
        for _ in range(lines):
            y += em * 1.25
            sheet.line(90, y, em, sheet.random.uniform(140, 300))
        y += gap
    return sheet.finish()


def address_list(em: float = 9.5) -> Image.Image:
    """Entries of three short lines in three columns."""
    sheet = Sheet(620, 870)
    for column in range(3):
        y = 45.0
        while y < 800:
            for _ in range(3):
                y += em * 1.2
                sheet.line(30 + 195 * column, y, em, sheet.random.uniform(70, 165))
            y += 15
    return sheet.finish()


def short_letter(em: float = 10) -> Image.Image:
    """Three lines on a page that is empty otherwise."""
    sheet = Sheet(620, 870)
    for row in range(3):
        sheet.line(70, 150 + row * em * 1.3, em, 470)
    return sheet.finish(noise=0)


def map_with_labels() -> Image.Image:
    """Filled areas with small labels, a caption and a legend."""
    sheet = Sheet(600, 780)
    for index in range(9):
        x, y = 60 + 170 * (index % 3), 90 + 190 * (index // 3)
        points = [((x + 90 * math.cos(a) + 40) * _SHARP, (y + 70 * math.sin(a * 1.3) + 40) * _SHARP) for a in range(7)]
        sheet.pen.polygon(points, fill=(120, 160, 200, 225)[index % 4], outline=60)
    for _ in range(36):
        sheet.line(sheet.random.uniform(10, 480), sheet.random.uniform(20, 640), 9, 80, font=SANS)
    for row in range(9):
        sheet.line(40, 665 + 12 * row, 9, 480, font=SANS)
    return sheet.finish()


def chart() -> Image.Image:
    """Bars with labels below, beside and above them."""
    sheet = Sheet(760, 520)
    for index in range(16):
        x, high = 70 + 40 * index, 40 + 20 * (index * 7 % 17)
        sheet.pen.rectangle([x * _SHARP, (440 - high) * _SHARP, (x + 25) * _SHARP, 440 * _SHARP], fill=140)
        sheet.line(x - 6, 455, 11, text=sheet.random.choice(WORDS)[:6], font=SANS)
        sheet.line(x, 435 - high, 11, text=str(1000 + 37 * index), font=SANS)
    for row in range(5):
        sheet.line(20, 470 + 12 * row, 11, 700, font=SANS)
    for row in range(9):
        sheet.line(8, 60 + 45 * row, 11, text=str(100 * row), font=SANS)
    return sheet.finish()


def paragraphs(em: float, size: tuple[int, int] = (800, 1100), margin: float = 60, font: str = FONT) -> Image.Image:
    """Plain text over the whole page."""
    sheet, y = Sheet(*size), margin
    while y < size[1] - margin:
        y += em * 1.3
        sheet.line(margin, y, em, size[0] - 2 * margin, font=font)
    return sheet.finish()


def filled_table(em: float = 13) -> tuple[Image.Image, list[str]]:
    """A few lines of text, and a table whose heads are light on dark and whose cells are grey; with its words."""
    sheet = Sheet(640, 620)
    for row in range(4):
        sheet.line(40, 50 + 1.4 * em * row, em, 560)
    for row in range(9):
        top = 150 + 46 * row
        for column, left in enumerate((40, 250, 380, 510)):
            tone = 40 if column == 0 or row == 0 else (225, 190, 140)[column - 1]
            box = [left * _SHARP, top * _SHARP, (left + (200 if column == 0 else 120)) * _SHARP, (top + 40) * _SHARP]
            sheet.pen.rectangle(box, fill=tone)
            text = sheet.random.choice(WORDS) if column == 0 or row == 0 else str(sheet.random.randint(100, 99999))
            sheet.line(left + 10, top + 26, em, text=text, font=SANS, ink=245 if tone == 40 else 10)
    return sheet.finish(), sheet.words


def small_print(em: float = 15, small: float = 7.5) -> Image.Image:
    """Three fifths of text, and notes of half its size below it."""
    sheet, y = Sheet(800, 1100), 60.0
    while y < 650:
        y += em * 1.3
        sheet.line(60, y, em, 680)
    while y < 1040:
        y += small * 1.3
        sheet.line(60, y, small, 680)
    return sheet.finish()


def turned(degrees: float, em: float = 15) -> Image.Image:
    """Plain text turned by an angle, on a page that holds it."""
    return paragraphs(em).rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


def shaded(em: float = 13) -> Image.Image:
    """Plain text under light that falls off to one side."""
    page = np.asarray(paragraphs(em), np.float32)
    light = 1 - 0.72 * np.linspace(0, 1, page.shape[1]) ** 2
    return Image.fromarray((page * light).astype(np.uint8))


def hebrew(em: float = 42) -> Image.Image:
    """Bold Hebrew as scanned at 300 dpi."""
    sheet, y, letters = Sheet(1600, 1200), 100.0, "אבגדהוזחטיכלמנסעפצקרשת"
    while y < 1100:
        y += em * 1.5
        text = " ".join("".join(sheet.random.choice(letters) for _ in range(sheet.random.randrange(2, 8))) for _ in range(11))
        sheet.line(100, y, em, text=text, font=HEBREW)
    return sheet.finish()


def squared_paper() -> Image.Image:
    """Squares whose lines are warped."""
    sheet = Sheet(900, 1200, 250)
    for start in range(0, 1400, 19):
        across = [(t * 30 * _SHARP, (start + 6 * math.sin(t / 5)) * _SHARP) for t in range(31)]
        down = [((start + 7 * math.sin(t / 6)) * _SHARP, t * 40 * _SHARP) for t in range(31)]
        sheet.pen.line(across, fill=150, width=_SHARP)
        sheet.pen.line(down, fill=150, width=_SHARP)
    return sheet.finish(noise=5)


def halftone() -> Image.Image:
    """A screen of dots over tones."""
    y, x = np.mgrid[0:1400, 0:1000].astype(np.float32)
    tone = 0.5 + 0.25 * np.sin(x / 170) + 0.25 * np.cos(y / 230 + x / 400)
    screen = (np.cos(2 * math.pi * x / 7.5) + np.cos(2 * math.pi * y / 7.5)) / 4 + 0.5
    dots = Image.fromarray(np.where(tone > screen, 245, 25).astype(np.uint8))
    return dots.filter(ImageFilter.GaussianBlur(0.6))


def staves() -> Image.Image:
    """Music on staves that slope a little, below a title."""
    sheet = Sheet(1000, 1300)
    sheet.line(300, 60, 26, text="Little evening march")
    for top in range(110, 1200, 105):
        for row in range(5):
            y = top + 10 * row
            sheet.pen.line([50 * _SHARP, y * _SHARP, 950 * _SHARP, (y + 6) * _SHARP], fill=40, width=_SHARP)
        for x in range(80, 930, 34):
            y = top + sheet.random.randrange(0, 9) * 5
            sheet.pen.ellipse([(x - 6) * _SHARP, (y - 4) * _SHARP, (x + 6) * _SHARP, (y + 5) * _SHARP], fill=20)
            sheet.pen.line([(x + 6) * _SHARP, y * _SHARP, (x + 6) * _SHARP, (y - 32) * _SHARP], fill=20, width=_SHARP)
    return sheet.finish()


def newspaper(em: float = 6.4) -> Image.Image:
    """Columns of letters too small to be read."""
    sheet = Sheet(760, 900)
    for column in range(5):
        for row in range(105):
            sheet.line(15 + 148 * column, 30 + 8.1 * row, em, 138)
    return sheet.finish()


def newspaper_title(em: float = 9) -> Image.Image:
    """The top of a newspaper at 100 dpi: a title in letters whose stems are wider than small letters, above text."""
    sheet = Sheet(860, 600)
    for row, text in enumerate(("MORNING", "HERALD")):
        sheet.line(30, 90 + 80 * row, 80, text=text, font=TITLE)
    for row in range(30):
        sheet.line(30, 210 + 1.2 * em * row, em, 800)
    return sheet.finish()


def fax() -> Image.Image:
    """A fax: one bit, scanned with half as many lines as pixels across, and rasterized with square pixels."""
    page = paragraphs(34, (1700, 2000), 120).resize((1700, 1000), Image.Resampling.BOX).resize((1700, 2000))
    return page.point(lambda level: 255 if level > 140 else 0).convert("1")


def terminal() -> Image.Image:
    """Light text on a dark ground."""
    sheet = Sheet(700, 480)
    for row in range(27):
        sheet.line(16, 28 + 16.5 * row, 12, sheet.random.uniform(200, 640), font="DejaVuSansMono.ttf")
    page = sheet.finish()
    return page.point(lambda level: 235 - round(level * 0.8))
