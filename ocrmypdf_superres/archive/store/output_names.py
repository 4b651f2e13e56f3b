# SPDX-License-Identifier: MPL-2.0
"""Names of outputs: no two inputs can ever produce the same one, and no output stands where another needs a folder.

The PDF of an input lies under the input's own relative path, by three rules whose results cannot meet:

- ``a.pdf`` keeps its name, where what stands before ``.pdf`` has no suffix of an input (``.pdf``, ``.tif``, ...) and no ``.ocr``;
- any other name that has a suffix of an input gets ``.pdf``: ``a.tif`` -> ``a.tif.pdf``, ``a.tif.pdf`` -> ``a.tif.pdf.pdf``;
- a name without such a suffix gets ``.ocr.pdf``: ``scan`` -> ``scan.ocr.pdf``.

What stands before the last ``.pdf`` tells which rule it was, and each rule is reversible.  Everything else made of the file
adds to the PDF's name: ``a.pdf.txt``, and the folders ``a.pdf.alto``, ``a.pdf.hocr``, ``a.pdf.images`` with a file a page.
A folder of the input that is itself called like an output (``box.pdf/``) gets ``.d``: ``box.pdf.d/``; one that is already
called so gets another, so that folders do not meet either.  ``.superres`` in the first place is the run's own folder.
"""

from __future__ import annotations

import re

from ocrmypdf_superres.archive.store.layout import HIDDEN
from ocrmypdf_superres.archive.tasks import Kind
from ocrmypdf_superres.page.image import IMAGE_SUFFIXES

SUFFIXES = (".pdf", *sorted(IMAGE_SUFFIXES), ".xml")
"""Suffixes by which an input is known, in lower case."""

_SIDE = {"alto": "xml", "hocr": "hocr", "images": "png"}
_TAKEN = re.compile(rf"(\.pdf(\.(txt|{'|'.join(_SIDE)}))?|^{re.escape(HIDDEN)})(\.d)*$", re.IGNORECASE)


def pdf_name(relative: str, kind: Kind) -> str:
    """Return the name of the PDF made of the input *relative*, with ``/``, below the output folder."""
    *folders, name = relative.split("/")
    stem = name[:-4]
    if not name.lower().endswith(SUFFIXES):
        name += ".ocr.pdf"
    elif kind is not Kind.PDF or not name.lower().endswith(".pdf") or stem.lower().endswith((*SUFFIXES, ".ocr")):
        name += ".pdf"
    return "/".join([*(f"{folder}.d" if _TAKEN.search(folder) else folder for folder in folders), name])


def text_name(pdf: str) -> str:
    """Return the name of the text beside *pdf*."""
    return f"{pdf}.txt"


def page_name(pdf: str, output: str, page: int) -> str:
    """Return the name of a page's file: *output* is ``alto``, ``hocr`` or ``images``, *page* from 1."""
    return f"{pdf}.{output}/{page:04d}.{_SIDE[output]}"
