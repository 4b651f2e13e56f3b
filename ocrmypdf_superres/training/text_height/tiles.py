# SPDX-License-Identifier: MPL-2.0
"""Tiles of rendered and real pages, labelled with the height, the skew and the kind of their letters."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.page.height_network import BINS, KINDS, LOWEST, RATIO
from ocrmypdf_superres.training.data.rendered_pages.canvas import RenderedLine
from ocrmypdf_superres.training.data.rendered_pages.layouts import LAYOUTS
from ocrmypdf_superres.training.data.rendered_pages.page import RenderedPage, degrade, render
from ocrmypdf_superres.training.data.rendered_pages.scripts import Face, Script, faces, scripts_with_fonts
from ocrmypdf_superres.training.data.rendered_pages.without_text import WITHOUT_TEXT

SIDE = 112
"""Side of a stored tile; training cuts the network's smaller tiles out of it."""
CANVAS = 3 * SIDE
ENOUGH_TEXT, NO_TEXT = 0.10, 0.01
"""Shares of a tile under lines of text from which it counts as text, and below which as none; in between it is left out."""

HARD_SCRIPTS = ("Fraktur", "Hebrew", "Arabic", "Devanagari", "Kannada", "Chinese", "Japanese", "Korean")
"""Scripts whose letters differ most from Latin ones, or between their faces, are shown twice as often as other scripts."""
BOLDEST = 0.03
"""Many faces come in one weight only: a third are thickened on every side by up to this share of the em."""

LIKE_TEXT = ("handwriting", "squared paper")
"""What is most like text is shown twice as often as other pages without."""


@dataclass(frozen=True)
class Tile:
    """A tile: uint8 (SIDE, SIDE), its bin of height (-1 without text), degrees of skew, and index of the kind of letters."""

    pixels: NDArray[np.uint8]
    height: float
    skew: float
    kind: int

    @property
    def is_text(self) -> bool:
        """Whether there is text on it."""
        return self.height > 0


def rendered_tiles(count: int, seed: int) -> Iterator[Tile]:
    """Yield *count* tiles of rendered pages in the training fonts; one in four shows no text.

    Raises:
        OptionError: there are no fonts.
    """
    random_, scripts, made = random.Random(seed), scripts_with_fonts("train"), 0
    hard = [script for script in scripts if script.name in HARD_SCRIPTS]
    while made < count:
        script = scripts[0] if random_.random() < 0.2 else random_.choice([*scripts, *hard])
        layout = random_.choice([*WITHOUT_TEXT, *LIKE_TEXT]) if random_.random() < 0.26 else random_.choice(list(LAYOUTS))
        height = 2.0 * (34.0 / 2.0) ** random_.random()
        skew = random_.choice((0.0, random_.gauss(0, 1.0), random_.uniform(-14, 14)))
        face = _any_face(script, random_)
        boldness = random_.uniform(0, BOLDEST) if random_.random() < 1 / 3 else 0.0
        page = render(layout, script, height, (CANVAS, CANVAS), random_, "train", skew, face=face, boldness=boldness)
        kind = KINDS.index(script.kind)
        for tile in _tiles_of(page, kind, random_, 8):
            yield tile
            made += 1


def _any_face(script: Script, random_: random.Random) -> Face:
    """Return a training face of *script*; each file is as likely, so that collections of like faces do not prevail."""
    known = faces(script, "train")
    path = random_.choice(sorted({face.path for face in known}))
    return random_.choice([face for face in known if face.path == path])


def _tiles_of(page: RenderedPage, kind: int, random_: random.Random, wanted: int) -> Iterator[Tile]:
    heights = np.array([0.0, *(line.height for line in page.lines)], np.float32)
    which = _line_map(page.lines, page.luma.shape, page.skew)
    for _ in range(wanted):
        top, left = (random_.randrange(0, max(1, side - SIDE + 1)) for side in page.luma.shape)
        found = which[top : top + SIDE, left : left + SIDE]
        pixels = page.luma[top : top + SIDE, left : left + SIDE]
        share = float((found > 0).mean())
        if pixels.shape != (SIDE, SIDE) or NO_TEXT < share < ENOUGH_TEXT:
            continue
        height = 0.0
        if share >= ENOUGH_TEXT:
            height = float(np.median(heights[found[found > 0]]))
        yield Tile((pixels * 255 + 0.5).astype(np.uint8), height, page.skew, kind)


def _line_map(lines: tuple[RenderedLine, ...], shape: tuple[int, ...], skew: float) -> NDArray[np.int32]:
    """Return the number of the line, from 1, that each pixel belongs to; 0 for none."""
    which = np.zeros(shape, np.int32)
    for index, line in enumerate(lines, start=1):
        left, top, right, bottom = line.box
        more = 0.5 * line.height
        rows = slice(max(0, round(top - more)), max(0, round(bottom + more)))
        which[rows, max(0, round(left)) : max(0, round(right))] = index
    if not skew:
        return which
    return np.asarray(Image.fromarray(which).rotate(skew, Image.Resampling.NEAREST, fillcolor=0))


def real_tiles(image: Image.Image, hocr: str, count: int, seed: int) -> Iterator[Tile]:
    """Yield about *count* tiles of a real page whose lines *hocr* describes, at sizes of scans of 50 to 300 dpi.

    Only surroundings of lines of confident words are taken, since nothing is known of the rest.
    """
    random_ = random.Random(seed)
    luma = np.asarray(image.convert("L"), np.float32) / np.float32(255)
    lines = hocr_lines(hocr)
    if not lines:
        return
    typical = float(np.median([line.height for line in lines]))
    for _ in range(max(1, count // 4)):
        factor = min(1.0, 2.2 * (24.0 / 2.2) ** random_.random() / typical)
        wide = min(*luma.shape, round(CANVAS / factor))
        top, left = random_.randrange(0, luma.shape[0] - wide + 1), random_.randrange(0, luma.shape[1] - wide + 1)
        side = max(SIDE, round(wide * factor))
        part = Image.fromarray(luma[top : top + wide, left : left + wide]).resize((side, side), Image.Resampling.BOX)
        values = np.clip(np.asarray(part, dtype=np.float32), 0, 1)
        if random_.random() < 0.5:
            values = degrade(values, random_, 0.7)
        ratio = side / wide
        moved = tuple(_moved(line, left, top, ratio) for line in lines)
        page = RenderedPage(values, moved, "", "", 0.0, 0.0)
        yield from (tile for tile in _tiles_of(page, -1, random_, 4) if tile.is_text)


def _moved(line: RenderedLine, left: float, top: float, ratio: float) -> RenderedLine:
    box = tuple((value - shift) * ratio for value, shift in zip(line.box, (left, top, left, top), strict=True))
    return RenderedLine((box[0], box[1], box[2], box[3]), line.height * ratio, line.letters)


def hocr_lines(hocr: str) -> list[RenderedLine]:
    """Return the lines of Tesseract's *hocr* that have at least eight letters in confident words, with their x-heights."""
    found = []
    for line in re.split(r"<span class='ocr_", hocr)[1:]:
        head = re.match(
            r"[^>]*bbox (\d+) (\d+) (\d+) (\d+)[^>]*x_size ([\d.]+); x_descenders ([-\d.]+); x_ascenders ([-\d.]+)", line
        )
        letters = sum(len(word) for word in re.findall(r"<span class='ocrx_word'[^>]*x_wconf [89]\d[^>]*>([^<]*)<", line))
        if head and letters >= 8:
            left, top, right, bottom, size, below, above = (float(value) for value in head.groups())
            found.append(RenderedLine((left, top + above, right, bottom - below), size - below - above, letters))
    return [line for line in found if line.height > 3]


def bin_of(height: float) -> float:
    """Return the place of *height*, in pixels, on the scale of the network's bins; fractions are between two."""
    return float(np.clip(np.log(max(height, 0.1) / LOWEST) / np.log(RATIO), 0, BINS - 1))


def read_scans(folder: Path, hocr: Path, count: int) -> Iterator[Tile]:
    """Yield *count* tiles of each page image under *folder* that has NAME.hocr in the folder *hocr*."""
    for path in sorted(hocr.glob("*.hocr")):
        images = [p for p in folder.rglob(f"{path.stem}.*") if p.suffix.lower() in (".png", ".jpg", ".tif")]
        if images:
            with Image.open(images[0]) as image:
                yield from real_tiles(image, path.read_text(encoding="utf-8"), count, len(path.stem))
