"""Render a small archive of typewritten letters, three pages in each of four PDFs, to try finetune on.

python make_scans.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = ("LiberationMono-Regular.ttf", "DejaVuSansMono.ttf", "FreeMono.ttf")
TEXT = (
    "The committee met on Tuesday in the upper room of the harbour office. Present were the chairman, both secretaries "
    "and eleven members; four had sent their regrets. The minutes of the last meeting were read and accepted without "
    "change. The treasurer reported that the winter collection had brought 1,482 crowns, of which 317 were still owed. "
    "A letter from the district office was read, asking for a list of all families who had come since the spring. It was "
    "decided to answer that no such list was kept. Mr. Keller proposed to buy coal before the prices rose again, and "
    "offered his cart for the purpose. The school asked for two more stoves and for glass, since six windows were broken. "
    "After a long discussion the matter was put off until the estimate of the joiner had come in."
)


def render_page(font: ImageFont.FreeTypeFont, rng: np.random.Generator, title: str) -> Image.Image:
    """Return an A5 page at 300 dpi: grey paper, a worn ribbon, the sensor's blur and noise."""
    width, height = 1748, 2480
    page = Image.new("L", (width, height), 226)
    pen = ImageDraw.Draw(page)
    words = TEXT.split()
    start = int(rng.integers(len(words)))
    lines, line = [title, ""], ""
    for word in words[start:] + words[:start]:
        if len(line) + len(word) > 52:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    for number, text in enumerate([*lines, line]):
        for column, letter in enumerate(text):
            ink = int(np.clip(rng.normal(60, 22), 20, 130))
            place = (170 + 26.5 * column + rng.normal(0, 0.6), 220 + 66 * number + rng.normal(0, 1.2))
            pen.text(place, letter, fill=ink, font=font)
    levels = np.asarray(page.filter(ImageFilter.GaussianBlur(1.1)), dtype=np.float32)
    return Image.fromarray(np.clip(levels + rng.normal(0, 4, levels.shape), 0, 255).astype(np.uint8))


def find_font() -> ImageFont.FreeTypeFont:
    """Return the first of FONTS that is installed."""
    for name in FONTS:
        try:
            return ImageFont.truetype(name, 44)
        except OSError:
            continue
    sys.exit(f"None of these fonts is installed: {', '.join(FONTS)}.")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    font = find_font()
    for number in range(1, 5):
        rng = np.random.default_rng(number)
        pages = [render_page(font, rng, f"Minutes No. {number}, page {page}") for page in (1, 2, 3)]
        pages[0].save(folder / f"minutes-{number}.pdf", save_all=True, append_images=pages[1:], resolution=300)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "scans"))
