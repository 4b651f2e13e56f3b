# SPDX-License-Identifier: MPL-2.0
"""OCR engines that were in no loss, as a second detector and a second recognizer of patches and lines.

A network that was trained with a detector or recognizer does well by that one; what an independent engine finds shows whether the
image is better.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.errors import MissingDependencyError, OptionError
from ocrmypdf_superres.ocr.engines.base import LineEngine, Quad, shared_engine
from ocrmypdf_superres.ocr.hypothesis import Hypothesis

SHEET, GAP = 8, 16
"""Number of images that are combined, and the paper around each, in pixels."""
DPI = 300.0
"""What the hr patches have; engines use it for their own layout only."""


@dataclass(frozen=True)
class IndependentEngine:
    """An engine that finds lines and reads them.

    Attributes:
        name: of the engine.
        engine: the engine.
        languages: Tesseract's codes of the languages to read.
        known: the text areas found on a sheet, bool, by the SHA-256 of its pixels; hr images are asked about for every network.
    """

    name: str
    engine: LineEngine
    languages: tuple[str, ...] = ("eng",)
    known: dict[bytes, NDArray[np.bool_]] = field(default_factory=dict, repr=False)

    def text_masks(self, images: Sequence[Image.Image]) -> list[NDArray[np.bool_]]:
        """Return where the engine sees text on each of *images*, in mode ``L`` and of one size, bool (height, width) each.

        Some are combined, one below the other with paper between them: detectors enlarge a single strip until its
        height is a page's.

        Raises:
            RecognizerError: the engine failed.
        """
        masks: list[NDArray[np.bool_]] = []
        for first in range(0, len(images), SHEET):
            pixels = [np.pad(np.asarray(image), GAP, constant_values=255) for image in images[first : first + SHEET]]
            seen = self._seen(np.concatenate(pixels))
            height = len(pixels[0])
            masks += [seen[at * height + GAP : (at + 1) * height - GAP, GAP:-GAP] for at in range(len(pixels))]
        return masks

    def _seen(self, sheet: NDArray[np.uint8]) -> NDArray[np.bool_]:
        key = hashlib.sha256(sheet.tobytes()).digest()
        if key not in self.known:
            mask = np.zeros(sheet.shape, dtype=bool)
            for corners in self.engine.detect(Image.fromarray(sheet)):
                mask |= _inside(corners, sheet.shape[0], sheet.shape[1])
            self.known[key] = mask
        return self.known[key]

    def read_line(self, image: Image.Image) -> str:
        """Return what the engine reads on *image*, all of which is one line.

        Raises:
            RecognizerError: the engine failed.
        """
        width, height = image.size
        whole: Quad = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
        return " ".join(line.text for line in Hypothesis(self.engine.recognize(image, [whole], self.languages, DPI)).lines)

    def read_block(self, image: Image.Image) -> str:
        """Return what the engine finds and reads on *image*, lines separated by a blank.

        Raises:
            RecognizerError: the engine failed.
        """
        return " ".join(line.text for line in Hypothesis(self.engine.read(image, self.languages, DPI)).lines)


def independent_engines(names: Sequence[str]) -> list[IndependentEngine]:
    """Return the engines *names*.

    Raises:
        OptionError: one does not find and read lines in two steps. MissingDependencyError: one is not installed.
        SuperresError: there is no such engine.
    """
    found = []
    for name in names:
        engine = shared_engine(name)
        if not isinstance(engine, LineEngine):
            raise OptionError(f"The OCR engine {name!r} was named, one that finds and reads lines was expected; give rapidocr.")
        if missing := engine.missing():
            raise MissingDependencyError(f"The OCR engine {name} cannot be used: {missing}")
        found.append(IndependentEngine(name, engine))
    return found


def _inside(corners: Quad, height: int, width: int) -> NDArray[np.bool_]:
    """Return which pixel centres of an image of *height* and *width* are inside the convex quadrangle *corners*."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    inside = np.ones((height, width), dtype=bool)
    for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        # Clockwise with y downwards: what is inside lies to the right of every side.
        inside &= (next_x - x) * (rows - y) - (next_y - y) * (columns - x) >= 0
    return inside
