# SPDX-License-Identifier: MPL-2.0
"""Set a text file as clean pages of 10, 11 and 12 point, serif and sans, with their truth beside them.

    python make_pages.py TEXT FOLDER [--skip WORDS]
    ocrmypdf-superres evaluate --data FOLDER --conditions 60-clean 72-clean

Each page is NAME.png, A4 at 300 dpi, and NAME.gt.txt. Needs the Liberation fonts.
"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONTS = "/usr/share/fonts/truetype/liberation"
DPI, WIDTH, HEIGHT = 300, 2480, 3508
LEFT, TOP, MEASURE, BOTTOM = 290, 300, 1900, 3200


def page(words: list[str], font: ImageFont.FreeTypeFont, leading: int) -> tuple[Image.Image, str]:
    """Set as many of *words* as one page holds, taking them from the list; return the page and its text."""
    image = Image.new("L", (WIDTH, HEIGHT), 255)
    pen = ImageDraw.Draw(image)
    lines = []
    for y in range(TOP, BOTTOM, leading):
        line = ""
        while words and font.getlength(f"{line} {words[0]}") < MEASURE:
            line = f"{line} {words.pop(0)}".strip()
        pen.text((LEFT, y), line, font=font, fill=0)
        lines.append(line)
    return image, "\n".join(lines) + "\n"


def main() -> None:
    """Write the six pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--skip", type=int, default=3000, metavar="WORDS", help="leave out the text's first words (default: %(default)s)"
    )
    arguments = parser.parse_args()
    words = arguments.text.read_text(encoding="utf-8").split()[arguments.skip :]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in ("LiberationSerif-Regular", "LiberationSans-Regular"):
        for points in (10, 11, 12):
            size = points * DPI / 72
            image, text = page(words, ImageFont.truetype(f"{FONTS}/{name}.ttf", round(size)), round(1.25 * size))
            image.save(arguments.folder / f"{name}-{points}.png", dpi=(DPI, DPI))
            (arguments.folder / f"{name}-{points}.gt.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
