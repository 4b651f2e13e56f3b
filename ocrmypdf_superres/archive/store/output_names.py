# SPDX-License-Identifier: MPL-2.0
"""Names of outputs: two inputs never get the same one, and no output has the name of a folder that another one needs.

The PDF of an input has the input's own relative path, by three rules whose results cannot collide:

- ``a.pdf`` keeps its name, if the part before ``.pdf`` has no suffix of an input (``.pdf``, ``.tif``, ...) and no ``.ocr``;
- any other name that has a suffix of an input gets ``.pdf``: ``a.tif`` -> ``a.tif.pdf``, ``a.tif.pdf`` -> ``a.tif.pdf.pdf``;
- a name without such a suffix gets ``.ocr.pdf``: ``scan`` -> ``scan.ocr.pdf``.

The part before the last ``.pdf`` shows which rule was used, and each rule is reversible. The other outputs of the file extend
the PDF's name: ``a.pdf.txt``, and the folders ``a.pdf.alto``, ``a.pdf.hocr``, ``a.pdf.images`` with a file per page.
An input folder whose name is that of an output (``box.pdf/``) gets ``.d``: ``box.pdf.d/``; one that already ends so gets
another, so that folders do not collide either. ``.superres`` at the top is the run's own folder.
"""

from __future__ import annotations

import re

from ocrmypdf_superres.archive.store.layout import HIDDEN
from ocrmypdf_superres.archive.tasks import Kind
from ocrmypdf_superres.page.image import IMAGE_SUFFIXES

SUFFIXES = (".pdf", *sorted(IMAGE_SUFFIXES), ".xml")
"""Suffixes of inputs, in lower case."""

_SIDE = {"alto": "xml", "hocr": "hocr", "images": "png"}
_TAKEN = re.compile(rf"(\.pdf(\.(txt|{'|'.join(_SIDE)}))?|^{re.escape(HIDDEN)})(\.d)*$", re.IGNORECASE)


def pdf_name(relative: str, kind: Kind) -> str:
    """Return the path below the output folder, with ``/``, of the PDF that is made from the input *relative*."""
    *folders, name = relative.split("/")
    stem = name[:-4]
    if not name.lower().endswith(SUFFIXES):
        name += ".ocr.pdf"
    elif kind is not Kind.PDF or not name.lower().endswith(".pdf") or stem.lower().endswith((*SUFFIXES, ".ocr")):
        name += ".pdf"
    return "/".join([*(f"{folder}.d" if _TAKEN.search(folder) else folder for folder in folders), name])


def text_name(pdf: str) -> str:
    """Return the name of the text output beside *pdf*."""
    return f"{pdf}.txt"


def page_name(pdf: str, output: str, page: int) -> str:
    """Return the name of the file of *page*, from 1; *output* is ``alto``, ``hocr`` or ``images``."""
    return f"{pdf}.{output}/{page:04d}.{_SIDE[output]}"
