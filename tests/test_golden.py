# SPDX-License-Identifier: MPL-2.0
"""What the shipped net draws, pinned as images. Rewrite them with: python tests/test_golden.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image

from ocrmypdf_superres.page.image import from_luma, to_luma
from ocrmypdf_superres.upscaling.loading import load_upscaler

HERE = Path(__file__).parent
INT8 = "-int8"
DRAWN = [
    *(
        (model, scale)
        for model in ("docsr-s", "docsr-s2", f"docsr-s2{INT8}", "docsr-xs", f"docsr-xs{INT8}")
        for scale in (2, 3, 4)
    ),
    ("fsrcnn", 4),
]


def draw(model: str, scale: int) -> tuple[Image.Image, str]:
    """Part of the sample scan, enlarged by *model*: in 8-bit integers where its name ends with INT8, else in floats.

    Also the model's name as it ran: processors on which the sums of integers overflow compute in floats.
    """
    device = "cpu" if model.endswith(INT8) else "cpu:fp32"
    with pikepdf.open(HERE.parent / "examples" / "sample-72dpi.pdf") as pdf:
        page = pikepdf.PdfImage(pdf.pages[0].Resources.XObject[next(iter(pdf.pages[0].Resources.XObject))]).as_pil_image()
    crop = np.ascontiguousarray(to_luma(page)[180:212, 76:176])
    upscaler = load_upscaler(model.removesuffix(INT8), device, 1)
    image = from_luma(upscaler.upscale(crop, scale))
    return image, model if "int8" in upscaler.device else model.removesuffix(INT8)


@pytest.mark.parametrize(("model", "scale"), DRAWN)
def test_shipped_nets_draw_what_they_drew(model, scale):
    image, ran = draw(model, scale)
    with Image.open(HERE / "golden" / f"{ran}-x{scale}.png") as stored:
        expected = np.asarray(stored.convert("L")).astype(int)
    difference = np.abs(np.asarray(image).astype(int) - expected)
    # Other processors sum in another order, and other Pillow builds decode JPEG a level differently.
    histogram = {level: int((difference >= level).sum()) for level in (1, 2, 4, 8)}
    assert difference.shape == expected.shape
    assert difference.max() <= 8, histogram
    assert difference.mean() < 0.5, histogram


if __name__ == "__main__":
    for name, number in DRAWN:
        picture, drawn_as = draw(name, number)
        if drawn_as == name:
            picture.save(HERE / "golden" / f"{name}-x{number}.png", optimize=True)
