# SPDX-License-Identifier: MPL-2.0
"""Pages of the kind that a global threshold loses: pale dot-matrix text beside a dark stamp and a scribble."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from plugin_pages import FONT

FACE = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"
GOODS = ("bread", "milk", "butter", "apples", "paper", "coffee", "sugar", "candles", "soap", "flour", "onions", "cheese", "tea")
FACTOR = 4


def receipt(seed: int, lines: int = 24, dots: bool = True) -> tuple[Image.Image, list[str]]:
    """Return a receipt of about 100 dpi, x-height about 8 pixels, and its lines."""
    rng = random.Random(seed)
    texts = ["Corner Shop Receipt", f"Number {rng.randint(1000, 9999)}"]
    while len(texts) < lines:
        texts.append(f"{rng.choice(GOODS)} {rng.choice(GOODS)} {rng.randint(1, 9)}.{rng.randint(10, 99)}")
    width, pitch = 460, 23
    height = 60 + pitch * lines
    big = Image.new("L", (width * FACTOR, height * FACTOR), 0)
    ink, font = ImageDraw.Draw(big), ImageFont.truetype(FACE, 15 * FACTOR)
    for row, text in enumerate(texts):
        ink.text((30 * FACTOR, (25 + pitch * row) * FACTOR), text, fill=255, font=font)
    mask = np.asarray(big, dtype=np.float32) / 255
    if dots:
        y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
        mask = mask * (0.62 + 0.38 * np.cos(2 * np.pi * x / 6) * np.cos(2 * np.pi * y / 6))
    paper = Image.fromarray((244 - mask * rng.randint(60, 80)).astype(np.uint8))
    ink = ImageDraw.Draw(paper)
    # The stamp and the scribble stand beside the text, which is at the left.
    left, top = 300 * FACTOR, rng.randint(60, height - 160) * FACTOR
    ink.rounded_rectangle((left, top, left + 140 * FACTOR, top + 70 * FACTOR), 20, fill=12)
    ink.text((left + 14 * FACTOR, top + 16 * FACTOR), "PAID", fill=240, font=ImageFont.truetype(FONT, 34 * FACTOR))
    points = [(rng.randint(310, 440) * FACTOR, rng.randint(top // FACTOR + 80, top // FACTOR + 130) * FACTOR) for _ in range(9)]
    ink.line(points, fill=20, width=2 * FACTOR, joint="curve")
    small = np.asarray(paper.resize((width, height), Image.Resampling.BOX), dtype=np.float32)
    noise = np.random.default_rng(seed).normal(0, 3, small.shape)
    return Image.fromarray(np.clip(small + noise, 0, 255).astype(np.uint8)), texts
