# SPDX-License-Identifier: MPL-2.0
"""A page of known text height: rendered, turned, and degraded as scans are."""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.page.ink import erase_rules
from ocrmypdf_superres.training.data.rendered_pages.canvas import Canvas, RenderedLine
from ocrmypdf_superres.training.data.rendered_pages.layouts import LAYOUTS
from ocrmypdf_superres.training.data.rendered_pages.scripts import Face, Part, Script, faces, reference_height
from ocrmypdf_superres.training.data.rendered_pages.without_text import WITHOUT_TEXT

FloatImage = NDArray[np.float32]

LEAST_INK = 0.25
"""Share of the letters' ink that a scan in one bit keeps at least: nobody keeps a blank one, nor could its text be measured."""
INKED = 0.7
"""Pixels below this are ink before a page is damaged."""


@dataclass(frozen=True)
class RenderedPage:
    """A page.

    Attributes:
        luma: float32 (H, W) in [0, 1].
        lines: its lines before it was turned.
        script, layout: names.
        height: of the letters of half of the text, in pixels; 0 without text.
        skew: degrees that its lines rise to the right.
    """

    luma: FloatImage
    lines: tuple[RenderedLine, ...]
    script: str
    layout: str
    height: float
    skew: float


def render(
    layout: str, script: Script, height: float, size: tuple[int, int], random_: random.Random,
    part: Part = "all", skew: float = 0.0, damaged: bool = True, face: Face | None = None, boldness: float = 0.0,
) -> RenderedPage:  # fmt: skip
    """Return a page of *layout* with letters of *script* about *height* pixels high, *size* = (width, height) in pixels.

    *layout* is one of ``LAYOUTS`` or ``WITHOUT_TEXT``, *face* one of those of *part* unless it is given, thickened by
    *boldness* as a share of the em. The same *random_* gives the same page.

    Raises:
        OptionError: there is no font for the script.
    """
    face = face or random_.choice(_known_faces(script, part))
    em = height / max(0.2, reference_height(script, face))
    canvas = Canvas(size[0], size[1], em, script, face, random_, boldness)
    (LAYOUTS.get(layout) or WITHOUT_TEXT[layout])(canvas)
    luma = canvas.finish()
    if skew:
        turned = Image.fromarray(luma).rotate(skew, Image.Resampling.BICUBIC, fillcolor=1.0)
        luma = np.clip(np.asarray(turned, dtype=np.float32), 0, 1)
    if damaged:
        luma = degrade(luma, random_, min(1.0, height / 6))
    lines = tuple(canvas.lines)
    return RenderedPage(luma, lines, script.name, layout, middle_height(lines), skew)


def _known_faces(script: Script, part: Part) -> tuple[Face, ...]:
    known = faces(script, part)
    if not known:
        raise OptionError(f"fontconfig lists no font of the script {script.name}; install one, such as fonts-dejavu for Latin.")
    return known


def middle_height(lines: tuple[RenderedLine, ...]) -> float:
    """Return the height that half of the letters of *lines* reach; 0 without any."""
    ordered = sorted(lines, key=lambda line: line.height)
    half, seen = sum(line.letters for line in ordered) / 2, 0
    for line in ordered:
        seen += line.letters
        if seen >= half:
            return line.height
    return 0.0


def degrade(luma: FloatImage, random_: random.Random, mildness: float = 1.0) -> FloatImage:
    """Return *luma* with blur, uneven paper, noise, JPEG or one bit, each in its turn; blur at most *mildness* pixels."""
    generator = np.random.default_rng(random_.randrange(2**31))
    image = Image.fromarray((luma * 255 + 0.5).astype(np.uint8))
    if random_.random() < 0.6:
        image = image.filter(ImageFilter.GaussianBlur(random_.uniform(0.2, 0.8) * mildness))
    values = np.asarray(image, dtype=np.float32) / np.float32(255)
    paper, ink = random_.uniform(0.65, 1.0), random_.uniform(0.0, 0.35)
    if random_.random() < 0.1:
        ink = random_.uniform(0.3, 0.6)  # pale
    values = ink * paper + values * (paper - ink * paper)
    if random_.random() < 0.3:
        values = values * _shading(values.shape, random_)
    if random_.random() < 0.12:
        shown = np.roll(values[:, ::-1], random_.randrange(1, 9), axis=0)
        values = values * (1 - 0.25 * (1 - shown / max(1e-3, float(shown.max()))))
    if random_.random() < 0.6:
        values = values + generator.normal(0, random_.uniform(0.003, 0.06), values.shape).astype(np.float32)
    values = np.clip(values, 0, 1).astype(np.float32)
    kind = random_.random()
    if kind < 0.3:
        buffer = io.BytesIO()
        Image.fromarray((values * 255).astype(np.uint8)).save(buffer, "JPEG", quality=random_.randrange(25, 90))
        values = np.asarray(Image.open(buffer), dtype=np.float32) / np.float32(255)
    elif kind < 0.45:
        level = float(np.median(values)) * random_.uniform(0.6, 0.85)
        values = (values > _threshold(values, _letters(luma), level)).astype(np.float32)
    if random_.random() < 0.07:
        values = 1 - values
    return np.asarray(values, dtype=np.float32)


def _letters(luma: FloatImage) -> NDArray[np.bool_]:
    """Return where the undamaged *luma* has ink, rules left aside."""
    ink = 1 - luma
    erase_rules(ink)
    erase_rules(ink.T)
    return np.asarray(ink > 1 - INKED)


def _threshold(values: FloatImage, ink: NDArray[np.bool_], level: float) -> float:
    """Return *level*, or where that would lose nearly all of the *ink*, which is thin or pale, one that keeps half of it."""
    inked = values[ink]
    if not inked.size or float((inked <= level).mean()) >= LEAST_INK:
        return level
    return float(np.median(inked))


def _shading(shape: tuple[int, ...], random_: random.Random) -> FloatImage:
    """Return factors of uneven light: a slope, and a dark edge as of a gutter."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    angle, depth = random_.uniform(0, 2 * math.pi), random_.uniform(0.1, 0.6)
    slope = (np.cos(angle) * x / shape[1] + np.sin(angle) * y / shape[0]) / 2 + 0.5
    factors = 1 - depth * np.clip(slope, 0, 1)
    if random_.random() < 0.3:
        factors *= 1 - 0.6 * np.exp(-(((x / shape[1]) - random_.choice((0, 1))) ** 2) / 0.02)
    return np.asarray(factors, dtype=np.float32)
