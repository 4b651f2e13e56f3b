# SPDX-License-Identifier: MPL-2.0
"""Render the sample: a letter at 300 dpi, scanned badly at 72 dpi. Run in this folder; needs img2pdf."""

import io
from pathlib import Path

import img2pdf
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONT = "/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf"
TEXT = """\
County Record Office, Harbour Street
14 March 1987

Dear Mrs Whitcombe,

Thank you for your letter about the parish registers of Saint Botolph.
The volumes for the years 1813 to 1846 were lent to the diocese in 1921
and came back to us in a poor state: the bindings were broken, eleven
leaves had been lost, and damp had taken hold of the last quire. They
were repaired in 1958 and filmed twice, first by the county and then,
in 1974, by a society whose copies you may have seen.

We regret that the film of 1958 was made at a very low resolution. Its
readers complain, with reason, that small entries cannot be told apart:
a 3 looks like an 8, and "Hannah" like "Harriet". The originals may be
read here on any weekday between half past nine and a quarter to five,
but please write beforehand, as the reading room holds only six chairs.

As to your question about John Aldous, shoemaker, we found these:

    baptised 22 October 1815, son of William and Mary (entry 207)
    married 6 June 1839 to Susan Pryke, spinster (entry 64)
    buried 19 January 1846, aged 30 years (entry 391)

The fee for three certified extracts is 4.75 pounds, postage included.
If you prefer photographs, each exposure costs 35 pence, and the order
takes about a fortnight. Cheques should be made out to the County Fund.

Yours sincerely,
E. M. Fairweather, Deputy Archivist
"""


def main() -> None:
    """Write sample-72dpi.pdf and sample-72dpi.gt.txt."""
    here = Path(__file__).parent
    page = Image.new("L", (2480, 3508), 246)
    pen = ImageDraw.Draw(page)
    font = ImageFont.truetype(FONT, 45)  # 10.8 pt
    for number, line in enumerate(TEXT.splitlines()):
        pen.text((330, 330 + 68 * number), line, fill=38, font=font)
    soft = page.filter(ImageFilter.GaussianBlur(2.2)).resize((595, 842), Image.Resampling.BOX)
    noise = np.random.default_rng(1987).normal(0, 5, (842, 595))
    scan = Image.fromarray(np.clip(np.asarray(soft) + noise, 0, 255).astype(np.uint8))
    jpeg = io.BytesIO()
    scan.save(jpeg, "JPEG", quality=72, dpi=(72, 72))
    (here / "sample-72dpi.pdf").write_bytes(img2pdf.convert(jpeg.getvalue(), creationdate=None, nodate=True))
    (here / "sample-72dpi.gt.txt").write_text(TEXT, encoding="utf-8")


if __name__ == "__main__":
    main()
