# SPDX-License-Identifier: MPL-2.0
"""Plain crops of any folder of images, at their own pixels: MS COCO, RVL-CDIP, sets of text patches, page scans.

Nothing is looked for in the images, so they need no text. An image with ``NAME.gt.txt`` beside it that is as large as a crop has
that text, as a block. With a folder of low-resolution partners, of the same names and 1 / scale as large, crops are pairs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.page.image import DECODING_ERRORS, IMAGE_SUFFIXES, flatten, to_luma
from ocrmypdf_superres.training.data.files import SHARE, part_of, partner_of, spread
from ocrmypdf_superres.training.data.sample import Sample
from ocrmypdf_superres.training.protocols import SourceKind
from ocrmypdf_superres.training.recipe import Source

log = logging.getLogger(__name__)

SIZE = (256, 256)
BLANK = 0.02
"""Standard deviation of levels in [0, 1] below which a crop shows nothing: paper, or a black margin."""
TRIES = 30
"""Crops that are tried before an image is skipped; a margin may take most of a page."""
Array = NDArray[np.float32]


class PatchSource:
    """Crops of *size* (height, width) hr pixels of the images under *folder*, in luma or RGB.

    Args:
        folder: images of any form, at any depth.
        size: a multiple of every scale that is trained.
        low: partners at low resolution, of the same place and name except for the suffix; None has lr made by the degradation.
        limit: at most this many images, spread evenly; 0 for all.
        language: Tesseract's, of texts.
        blank: see :data:`BLANK`; 0 keeps blank crops.
        part, share: see :func:`~ocrmypdf_superres.training.data.files.part_of`.
        colour: crops are float32 (3, height, width); grey is replicated.

    Attributes:
        left_out: why images were left out, and how many for each reason.

    Raises:
        OptionError: no image is left, or an image has no partner in *low*.
    """

    def __init__(
        self, folder: Path, size: tuple[int, int] = SIZE, low: Path | None = None, limit: int = 0, language: str = "eng",
        blank: float = BLANK, part: str = "", share: float = SHARE, colour: bool = False,
    ) -> None:  # fmt: skip
        if min(size) < 1:
            raise OptionError(f"Patches of {size[0]} x {size[1]} pixels were asked for; give a height and a width of at least 1.")
        self.folder, self.size, self.low, self.language, self.blank = folder, size, low, language, blank
        self._read = _rgb if colour else _luma
        found = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
        if not found:
            raise OptionError(f"The folder {folder} holds no images; give one of patches, photographs or page scans.")
        self.left_out: dict[str, int] = {}
        self.paths = [path for path in spread(part_of(found, folder, part, share), limit) if self._fits(path)]
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
        if reasons:
            log.warning("%s: %d images are used; left out are %s.", folder, len(self.paths), reasons)
        if not self.paths:
            raise OptionError(
                f"No image under {folder} can be used for patches of {size[0]} x {size[1]} pixels ({reasons}); give others."
            )

    def _fits(self, path: Path) -> bool:
        try:
            with Image.open(path) as image:
                width, height = image.size
        except DECODING_ERRORS:
            return self._leave_out("that cannot be read")
        if height < self.size[0] or width < self.size[1]:
            # Repeated edges would make up the rest, which no scan has.
            return self._leave_out(f"smaller than {self.size[0]} x {self.size[1]}")
        if self.low is not None:
            partner_of(path, self.folder, self.low)
        return True

    def _leave_out(self, reason: str) -> bool:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1
        return False

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return a crop at the image's own pixels; *line_height* is ignored.

        Raises:
            OptionError: none of many images has a crop that is not blank, or the partner of one has another size.
        """
        for _ in range(TRIES):
            path = self.paths[int(rng.integers(len(self.paths)))]
            pixels = self._read(path)
            for _ in range(TRIES):
                # Whole lr pixels, so that the partner's crop shows the same.
                top, left = (
                    scale * int(rng.integers((side - want) // scale + 1))
                    for side, want in zip(pixels.shape[-2:], self.size, strict=True)
                )
                crop = self._crop(pixels, top, left)
                if crop is not None:
                    return self._made(path, pixels.shape[-2:], crop, top, left, scale)
        raise OptionError(
            f"{TRIES} images of {self.folder} in a row have no crop of {self.size[0]} x {self.size[1]} that shows anything; give "
            "other images, or options = { blank = 0.0 } to train on blank ones."
        )

    def each(self, count: int, scale: int) -> list[Sample]:
        """Return the middle of each of the first *count* images (0: of all), moved aside where it is blank.

        Images that are blank throughout are left out, and counted in a warning.
        """
        made: list[Sample] = []
        for path in self.paths:
            if count and len(made) == count:
                break
            pixels = self._read(path)
            sides = pixels.shape[-2:]
            middle = [(side - want) // 2 // scale * scale for side, want in zip(sides, self.size, strict=True)]
            rng = np.random.default_rng(0)
            places = [middle] + [
                [scale * int(rng.integers((s - w) // scale + 1)) for s, w in zip(sides, self.size, strict=True)]
                for _ in range(TRIES)
            ]
            for top, left in places:
                crop = self._crop(pixels, top, left)
                if crop is not None:
                    made.append(self._made(path, sides, crop, top, left, scale))
                    break
            else:
                self._leave_out("blank")
        if blank := self.left_out.get("blank", 0):
            log.warning("%s: %d images show nothing and are left out.", self.folder, blank)
        return made

    def _crop(self, pixels: Array, top: int, left: int) -> Array | None:
        crop = pixels[..., top : top + self.size[0], left : left + self.size[1]]
        return None if float(crop.std()) < self.blank else np.ascontiguousarray(crop)

    def _made(self, path: Path, shape: Sequence[int], crop: Array, top: int, left: int, scale: int) -> Sample:
        truth = path.with_name(f"{path.stem}.gt.txt")
        whole = tuple(shape) == tuple(self.size) and truth.is_file()
        text = read_text(truth).strip() if whole else ""
        lr = None
        if self.low is not None:
            partner = partner_of(path, self.folder, self.low)
            pixels = self._read(partner)
            height, width = pixels.shape[-2:]
            if tuple(side // scale for side in shape) != (height, width):
                raise OptionError(
                    f"{partner} has {height} x {width} pixels, but a {scale}th of {shape[0]} x {shape[1]} was "
                    "expected; scans that do not lie exactly over each other are a source of the kind pairs."
                )
            rows, columns = (side // scale for side in self.size)
            lr = np.ascontiguousarray(pixels[..., top // scale : top // scale + rows, left // scale : left // scale + columns])
        return Sample(crop, crop, text, None, self.language if text else "", lr)


def _luma(path: Path) -> Array:
    try:
        with Image.open(path) as image:
            return to_luma(image)
    except DECODING_ERRORS as error:
        raise ImageError(f"The image {path} cannot be read: {error}; leave it out.") from error


def _rgb(path: Path) -> Array:
    try:
        with Image.open(path) as image:
            pixels = np.asarray(flatten(image).convert("RGB"), dtype=np.float32).transpose(2, 0, 1)
            return np.asarray(pixels / 255, dtype=np.float32)
    except DECODING_ERRORS as error:
        raise ImageError(f"The image {path} cannot be read: {error}; leave it out.") from error


def _make(
    source: Source,
    data: Path,
    cache: Path,
    size: tuple[int, int] = SIZE,
    blank: float = BLANK,
    part: str = "",
    share: float = SHARE,
    colour: bool = False,
) -> PatchSource:
    low = data / source.low if source.low else None
    return PatchSource(data / source.folder, size, low, source.pages, source.language, blank, part, share, colour)


KIND = SourceKind(_make, low="optional")
