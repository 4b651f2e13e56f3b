# SPDX-License-Identifier: MPL-2.0
"""Rendered pages, PDFs made from them, and the real program to run on them."""

from __future__ import annotations

import ctypes
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
from PIL import Image, ImageDraw, ImageFont

TEXT = (
    "the quick brown fox jumps over a lazy dog while seven wizards mix liquor near old harbour walls and every "
    "reader waits for plain printed lines that stand upon paper as they stood before the rain came down"
)
WORDS = TEXT.split()
FONT = "DejaVuSerif.ttf"

VERIFY = "off"
"""``superres_verify`` of the runs of a test; the fixture ``verify`` sets it."""


def draw_page(
    size: tuple[int, int] = (850, 1100), em: int = 17, lines: int = 12, mode: str = "L", leading: float = 1.5
) -> Image.Image:
    """A page of printed text, drawn at four times its size and reduced, so that it looks scanned."""
    big = Image.new("L", (size[0] * 4, size[1] * 4), 255)
    draw = ImageDraw.Draw(big)
    font = ImageFont.truetype(FONT, em * 4)
    margin, word = size[0] // 2, 0
    y = size[1] // 2
    for _ in range(lines):
        x = float(margin)
        while True:
            text = WORDS[word % len(WORDS)]
            length = draw.textlength(text + " ", font=font)
            if x + length > big.width - margin:
                break
            draw.text((x, y), text, font=font, fill=10)
            x += length
            word += 1
        y += round(em * 4 * leading)
    page = big.resize(size, Image.Resampling.BOX)
    return page.convert(mode)


def x_height(em: int) -> float:
    """Height of a lower-case x of the font that :func:`draw_page` uses, in pixels."""
    box = ImageFont.truetype(FONT, 400).getbbox("x")
    return (box[3] - box[1]) * em / 400


def image_pdf(
    path: Path,
    images: list[Image.Image],
    dpi: float = 100.0,
    page_size: tuple[float, float] | None = None,
    jpeg: bool = False,
    rotate: int = 0,
    extra: Callable[[pikepdf.Pdf, pikepdf.Page], None] | None = None,
) -> Path:
    """Write a PDF with one full-page image a page, in the image's own mode, as a scanner would."""
    pdf = pikepdf.new()
    for image in images:
        width, height = page_size or (image.width * 72 / dpi, image.height * 72 / dpi)
        pdf.add_blank_page(page_size=(width, height))
        page = pdf.pages[-1]
        page.contents_add(f"q {width} 0 0 {height} 0 0 cm /Im0 Do Q".encode())
        page.add_resource(_stream(pdf, image, jpeg), pikepdf.Name.XObject, pikepdf.Name.Im0)
        if rotate:
            page.Rotate = rotate
        if extra is not None:
            extra(pdf, page)
    pdf.save(path)
    return path


def _stream(pdf: pikepdf.Pdf, image: Image.Image, jpeg: bool) -> pikepdf.Stream:
    spaces = {"1": "/DeviceGray", "L": "/DeviceGray", "RGB": "/DeviceRGB", "CMYK": "/DeviceCMYK", "I;16": "/DeviceGray"}
    bits = {"1": 1, "I;16": 16}.get(image.mode, 8)
    if jpeg:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
        stream = pikepdf.Stream(pdf, buffer.getvalue())
        stream.Filter = pikepdf.Name.DCTDecode
    else:
        data = image.tobytes() if image.mode != "I;16" else bytes(_big_endian(image))
        stream = pikepdf.Stream(pdf, data)
    stream.Type, stream.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    stream.Width, stream.Height, stream.BitsPerComponent = image.width, image.height, bits
    if image.mode == "P":
        palette = bytes(image.getpalette("RGB") or b"")
        stream.ColorSpace = pikepdf.Array(
            [pikepdf.Name.Indexed, pikepdf.Name.DeviceRGB, len(palette) // 3 - 1, pikepdf.String(palette)]
        )
    else:
        stream.ColorSpace = pikepdf.Name(spaces[image.mode])
    return stream


def _big_endian(image: Image.Image) -> bytearray:
    data = bytearray(image.tobytes())
    data[0::2], data[1::2] = data[1::2], data[0::2]
    return data


def ocrmypdf(*arguments: object, check: bool = True, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the real program with the plugin."""
    done = subprocess.run(
        [sys.executable, "-m", "ocrmypdf", "--plugin", "ocrmypdf_superres", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


@dataclass(frozen=True)
class Word:
    """A printed word: its text, and left edge and middle of its ink in points from the page's top left."""

    text: str
    left: float
    middle: float


def read_page(image: Image.Image, folder: Path, dpi: float, *more: object) -> tuple[Path, dict[str, Any], str]:
    """Run the program on *image* in *folder*, without further engines; return the PDF, the page's record, and its text."""
    source = image_pdf(folder / "in.pdf", [image], dpi)
    target, report, sidecar = folder / "out.pdf", folder / "pages.jsonl", folder / "out.txt"
    ocrmypdf(
        "--output-type", "pdf", "-j", 1, "--sidecar", sidecar, "--superres-report", report, "--superres-engines", "none",
        *more, source, target,
    )  # fmt: skip
    record = json.loads(report.read_text(encoding="utf-8").splitlines()[-1])
    return target, record, sidecar.read_text(encoding="utf-8")


def grid_page(size: tuple[int, int] = (680, 880), dpi: float = 80.0, em: int = 13) -> tuple[Image.Image, list[Word]]:
    """A page of different words that stand well apart, and where they stand."""
    big = Image.new("L", (size[0] * 4, size[1] * 4), 255)
    draw = ImageDraw.Draw(big)
    font = ImageFont.truetype(FONT, em * 4)
    names = [word for word in dict.fromkeys(WORDS) if len(word) > 4]
    words = []
    for number, name in enumerate(names):
        x, y = 4 * (60 + 200 * (number % 3)), 4 * (70 + 60 * (number // 3))
        draw.text((x, y), name, font=font, fill=0)
        left, top, _, bottom = draw.textbbox((x, y), name, font=font)
        words.append(Word(name, left / 4 * 72 / dpi, (top + bottom) / 8 * 72 / dpi))
    return big.resize(size, Image.Resampling.BOX), words


def printed_words(pdf: Path, page: int = 0) -> list[Word]:
    """Words of the text layer as a viewer shows them, rotation included, in points from the top left."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        sheet = document[page]
        text = sheet.get_textpage()
        words: list[Word] = []
        letters: list[tuple[str, tuple[float, float], tuple[float, float]]] = []
        for index in range(text.count_chars() + 1):
            letter = text.get_text_range(index, 1) if index < text.count_chars() else " "
            if letter.strip():
                left, bottom, right, top = text.get_charbox(index)
                letters.append((letter, _shown(sheet, left, bottom), _shown(sheet, right, top)))
            elif letters:
                xs = [x for _, a, b in letters for x in (a[0], b[0])]
                ys = [y for _, a, b in letters for y in (a[1], b[1])]
                words.append(Word("".join(item[0] for item in letters), min(xs), (min(ys) + max(ys)) / 2))
                letters = []
        return words
    finally:
        document.close()


def _shown(sheet: pypdfium2.PdfPage, x: float, y: float) -> tuple[float, float]:
    """Where a viewer shows the point (x, y) of the page, in points from the top left."""
    fine = 20
    width, height = sheet.get_size()
    across, down = ctypes.c_int(), ctypes.c_int()
    pypdfium2.raw.FPDF_PageToDevice(
        sheet.raw, 0, 0, round(width * fine), round(height * fine), 0, x, y, ctypes.byref(across), ctypes.byref(down)
    )
    return across.value / fine, down.value / fine


def image_streams(pdf: Path) -> list[bytes]:
    """Raw bytes of the images on the pages, in order."""
    with pikepdf.open(pdf) as document:
        found = []
        for page in document.pages:
            for stream in page.get("/Resources", {}).get("/XObject", {}).values():
                if stream.get("/Subtype") == "/Image":
                    found.append(stream.read_raw_bytes())
        return found
