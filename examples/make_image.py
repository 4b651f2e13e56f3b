# SPDX-License-Identifier: MPL-2.0
"""Make README's image: part of the sample as it is, by Lanczos, and by docsr-s2. Run in this folder."""

from pathlib import Path

import numpy as np
import pikepdf
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.page.image import from_luma, resize_luma, to_luma
from ocrmypdf_superres.upscaling.loading import load_upscaler

SCALE = 4
BOX = (76, 167, 296, 204)
LABEL = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def main() -> None:
    """Write docs/images/before-after.png."""
    here = Path(__file__).parent
    with pikepdf.open(here / "sample-72dpi.pdf") as pdf:
        page = pikepdf.PdfImage(next(iter(pdf.pages[0].images.values()))).as_pil_image()
    luma = np.ascontiguousarray(to_luma(page))
    left, top, right, bottom = (SCALE * v for v in BOX)
    size = (page.width * SCALE, page.height * SCALE)
    forms = (
        ("as it is, 72 dpi", page.convert("L").resize(size, Image.Resampling.NEAREST)),
        ("Lanczos", from_luma(resize_luma(luma, size))),
        ("docsr-s2", from_luma(load_upscaler(device="cpu").upscale(luma, SCALE))),
    )
    height = bottom - top + 26
    sheet = Image.new("L", (right - left, height * len(forms)), 255)
    pen = ImageDraw.Draw(sheet)
    for number, (label, image) in enumerate(forms):
        pen.text((4, number * height + 5), label, fill=90, font=ImageFont.truetype(LABEL, 14))
        sheet.paste(image.crop((left, top, right, bottom)), (0, number * height + 26))
    images = here.parent / "docs" / "images"
    sheet.save(images / "before-after.png", optimize=True)


if __name__ == "__main__":
    main()
