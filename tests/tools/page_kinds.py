# SPDX-License-Identifier: MPL-2.0
"""Draw the image of docs/how-it-decides.md: kinds of pages, and what is decided about each. python tests/tools/page_kinds.py"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "plugin"))

import case_drawings as drawings

from ocrmypdf_superres.page.plan import PlanSettings, plan_image

TARGET = ROOT / "docs" / "images" / "page-kinds.png"
SIDE, GAP, CAPTION, COLUMNS = 300, 16, 66, 4
# name -> what draws it, and the dpi that the page claims
KINDS: dict[str, tuple[Callable[[], Image.Image], float]] = {
    "an address list": (drawings.address_list, 75),
    "a map, tagged 300 dpi": (drawings.map_with_labels, 300),
    "a screen, light on dark": (drawings.terminal, 97),
    "a page in the shade": (drawings.shaded, 100),
    "a thumbnail of a newspaper": (drawings.newspaper, 72),
    "music": (drawings.staves, 150),
    "squared paper": (drawings.squared_paper, 100),
    "a halftone": (drawings.halftone, 150),
}


def decision(image: Image.Image, dpi: float) -> str:
    """Return what is decided about *image* that claims *dpi*, in one clause."""
    plan = plan_image(image, (dpi, dpi), PlanSettings())
    return f"enlarge x{plan.scale}: {plan.reason}" if plan.action == "enlarge" else f"leave: {plan.reason}"


def wrapped(text: str, font: ImageFont.FreeTypeFont) -> str:
    """Return *text* in lines that fit under a page."""
    lines = [""]
    for word in text.split():
        if font.getlength(f"{lines[-1]} {word}") > SIDE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def main() -> None:
    """Write the image."""
    rows = -(-len(KINDS) // COLUMNS)
    sheet = Image.new("L", (COLUMNS * (SIDE + GAP) + GAP, rows * (SIDE + CAPTION + GAP) + GAP), 255)
    pen = ImageDraw.Draw(sheet)
    plain, bold = (ImageFont.truetype(f"DejaVuSans{style}.ttf", 14) for style in ("", "-Bold"))
    for number, (name, (draw, dpi)) in enumerate(KINDS.items()):
        image = draw().convert("L")
        left = GAP + number % COLUMNS * (SIDE + GAP)
        top = GAP + number // COLUMNS * (SIDE + CAPTION + GAP)
        pen.text((left, top), name, font=bold, fill=0)
        pen.multiline_text((left, top + 18), wrapped(decision(image, dpi), plain), font=plain, fill=60, spacing=2)
        part = image.crop((0, 0, min(image.size), min(image.size))).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(part, (left, top + CAPTION - 8))
        pen.rectangle((left, top + CAPTION - 8, left + SIDE, top + CAPTION - 8 + SIDE), outline=160)
    sheet.quantize(32).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
