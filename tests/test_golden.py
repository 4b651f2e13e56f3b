# SPDX-License-Identifier: MPL-2.0
"""What the shipped net draws, pinned as pictures. Rewrite them with: python tests/test_golden.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image

from ocrmypdf_superres.engine.upscaler import load_upscaler
from ocrmypdf_superres.image import from_luma, to_luma

HERE = Path(__file__).parent
SCALES = (2, 3, 4)


def draw(scale: int) -> Image.Image:
    """Part of the sample scan, enlarged by docsr-s."""
    with pikepdf.open(HERE.parent / "examples" / "sample-72dpi.pdf") as pdf:
        page = pikepdf.PdfImage(pdf.pages[0].Resources.XObject[next(iter(pdf.pages[0].Resources.XObject))]).as_pil_image()
    crop = np.ascontiguousarray(to_luma(page)[180:212, 76:176])
    return from_luma(load_upscaler("docsr-s", "cpu", 1).upscale(crop, scale))


@pytest.mark.parametrize("scale", SCALES)
def test_docsr_s_draws_what_it_drew(scale):
    with Image.open(HERE / "golden" / f"docsr-s-x{scale}.png") as stored:
        expected = np.asarray(stored.convert("L")).astype(int)
    difference = np.abs(np.asarray(draw(scale)).astype(int) - expected)
    # Other processors sum in another order, and other Pillow builds decode JPEG a level differently.
    histogram = {level: int((difference >= level).sum()) for level in (1, 2, 4, 8)}
    assert difference.shape == expected.shape
    assert difference.max() <= 8, histogram
    assert difference.mean() < 0.5, histogram


if __name__ == "__main__":
    for number in SCALES:
        draw(number).save(HERE / "golden" / f"docsr-s-x{number}.png", optimize=True)
