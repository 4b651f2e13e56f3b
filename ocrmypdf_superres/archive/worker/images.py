# SPDX-License-Identifier: MPL-2.0
"""Preparation of image files for OCRmyPDF: their resolution, size and depth, transparency, and TIFFs that are turned."""

from __future__ import annotations

import contextlib
import errno
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import img2pdf
import numpy as np
from PIL import ExifTags, Image, ImageSequence
from PIL.TiffImagePlugin import BITSPERSAMPLE, ICCPROFILE, X_RESOLUTION, AppendingTiffWriter

from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.page.image import flatten

MAX_UNTRUE_DPI = 96
"""An image that claims this or less counts as claiming nothing, as in OCRmyPDF."""

_LEAST, _MOST = 3, 14400
"""Points that a side of a page of a PDF may have."""

_ON_ITS_SIDE = 5
"""This orientation and later ones exchange width and height."""

_KEPT = {"dpi": X_RESOLUTION, "icc_profile": ICCPROFILE}


def claims_no_dpi(image: Path) -> bool:
    """Return whether *image* claims no resolution, or one that is often untrue."""
    try:
        with Image.open(image) as original:
            return bool(min(original.info.get("dpi", (0, 0))) <= MAX_UNTRUE_DPI)
    except (OSError, SyntaxError):
        return False  # the conversion reports what is wrong


def page_layout(image_dpi: int) -> Any:
    """Return img2pdf's function for the size of a page: by the image's own resolution if it claims one, else by *image_dpi*."""
    fallback = img2pdf.get_fixed_dpi_layout_fun((image_dpi, image_dpi))
    return lambda width, height, dpi: (fallback if min(dpi) <= MAX_UNTRUE_DPI else img2pdf.default_layout_fun)(width, height, dpi)


def why_no_page(image: Path, image_dpi: int) -> str:
    """Return why *image* cannot become pages of a PDF with every pixel as it is, in a sentence; empty if it can.

    Args:
        image: the file.
        image_dpi: the resolution of one that claims none; 0 for none.

    Raises:
        ImageError: it is damaged.
    """
    with _reading(image), Image.open(image) as original:
        frames = int(getattr(original, "n_frames", 1))
        for frame in ImageSequence.Iterator(original):
            if _bits(frame) > 8 and (frames > 1 or not _is_deep_grey(frame)):
                return (
                    "It is a TIFF with more than 8 bits a sample, which only a single page in grey of 16 bits may have; give a "
                    "PNG of 16 bits, or 8 bits a sample."
                )
            claimed = frame.info.get("dpi", (0, 0))
            # Rounded, as img2pdf does.
            dpi = [round(float(value)) for value in claimed] if min(claimed) > MAX_UNTRUE_DPI else [image_dpi] * 2
            if min(dpi) and not all(_LEAST <= 72 * pixels / of <= _MOST for pixels, of in zip(frame.size, dpi, strict=True)):
                return (
                    f"{frame.width} x {frame.height} pixels at {min(dpi)} dpi were given, but a page of a PDF has "
                    f"sides of {_LEAST} to {_MOST} points; correct the resolution, or take the image away."
                )
    return ""


def names_a_lost_frame(image: Path) -> bool:
    """Whether *image* is a TIFF whose chain of frames leads out of the file: Pillow takes the frame before for the last one.

    Raises:
        OSError: it cannot be read.
    """
    with image.open("rb") as file:
        order, version = {b"II": "<", b"MM": ">"}.get(file.read(2)), file.read(2)
        if order is None:
            return False
        large = version == struct.pack(f"{order}H", 43)  # BigTIFF

        def number(place: int, form: str) -> int | None:
            file.seek(place)
            read = file.read(struct.calcsize(f"{order}{form}"))
            return int(struct.unpack(f"{order}{form}", read)[0]) if len(read) == struct.calcsize(f"{order}{form}") else None

        count, width, pointer = ("Q", 20, "Q") if large else ("H", 12, "I")
        directory, seen = number(8 if large else 4, pointer), set[int]()
        while directory and directory not in seen:
            seen.add(directory)
            entries = number(directory, count)
            after = directory + struct.calcsize(f"{order}{count}") + width * (entries or 0)
            directory = number(after, pointer) if entries is not None else None
    return directory is None


def prepare(image: Path) -> int:
    """Rewrite the file *image* where the conversion to PDF would refuse or spoil it; leave any other as it is.

    Neither OCRmyPDF nor img2pdf supports alpha channels: transparent parts become white, and an opaque image of 8 bits loses
    nothing. Nor do they support more than 8 bits a sample in a TIFF: a grey page of 16 bits becomes a PNG. A TIFF that is to
    be shown turned would be turned twice, or have width and height exchanged: its pixels are stored as they are shown. Each
    frame keeps its resolution and colour profile. The file is replaced only when all of its frames are written.

    Returns:
        The number of frames with transparent parts.

    Raises:
        ImageError: the image is damaged.
        OSError: the rewritten image cannot be written, for example because the disk is full; *image* is as it was.
        PIL.Image.DecompressionBombError: it is too large.
    """
    frames, as_png = _count_and_form(image)
    if not frames:
        return 0
    part = image.with_name(f"{image.name}.part")
    try:
        if as_png:
            (frame,) = _frames(image)
            frame.flat.save(part, "PNG", **frame.kept)
            transparent = int(frame.transparent)
        else:
            transparent = _write_tiff(_frames(image), part)
        with Image.open(part) as made:
            if (written := int(getattr(made, "n_frames", 1))) != frames:
                raise OSError(errno.EIO, f"{written} of {frames} frames were written")
        part.replace(image)
    finally:
        part.unlink(missing_ok=True)
    return transparent


def _write_tiff(frames: Iterator[_Frame], part: Path) -> int:
    """Write *frames* to the TIFF *part*; return the number of those with transparent parts."""
    transparent = 0
    with part.open("w+b") as stream:
        # Image.save() gives all frames the options of the first; this writer is documented in Pillow's reference. It is not
        # closed after an error, since that would raise another one.
        tiff = AppendingTiffWriter(stream)
        for frame in frames:
            frame.flat.save(tiff, "TIFF", compression="group4" if frame.flat.mode == "1" else "tiff_lzw", **frame.kept)
            tiff.newFrame()
            transparent += int(frame.transparent)
    return transparent


@dataclass(frozen=True)
class _Frame:
    """A frame as it is written: without alpha channel, with what it keeps, and whether any of it was transparent."""

    flat: Image.Image
    kept: dict[str, Any]
    transparent: bool


def _count_and_form(image: Path) -> tuple[int, bool]:
    """Return how many frames of *image* have to be rewritten, all or none, and whether as a PNG."""
    with _reading(image), Image.open(image) as original:
        frames = int(getattr(original, "n_frames", 1))
        deep = frames == 1 and _is_deep_grey(original)
        needed = deep or any(
            frame.has_transparency_data or _orientation(frame) != 1 for frame in ImageSequence.Iterator(original)
        )
        return (frames if needed else 0), frames == 1 and (deep or original.format != "TIFF")


def _frames(image: Path) -> Iterator[_Frame]:
    """Yield the frames of *image*, one at a time in memory."""
    with _reading(image), Image.open(image) as original:
        # Pillow turns a frame, and forgets that, when it reads its pixels.
        orientations = [_orientation(frame) for frame in ImageSequence.Iterator(original)]
        for frame, orientation in zip(ImageSequence.Iterator(original), orientations, strict=True):
            tags = getattr(frame, "tag_v2", _KEPT.values())  # the info of a TIFF may be that of earlier frames
            kept = {key: frame.info[key] for key, tag in _KEPT.items() if key in frame.info and tag in tags}
            if orientation >= _ON_ITS_SIDE and "dpi" in kept:
                kept["dpi"] = kept["dpi"][::-1]
            if frame.has_transparency_data:
                lowest = np.asarray(frame.convert("RGBA").getchannel("A")).min()
                yield _Frame(flatten(frame).copy(), kept, bool(lowest < 255))
            else:
                # A copy has none of the tags that the original was stored with.
                yield _Frame(frame.copy(), kept, False)


@contextlib.contextmanager
def _reading(image: Path) -> Iterator[None]:
    """Raise ImageError for what Pillow raises where *image* is damaged."""
    try:
        yield
    except (OSError, SyntaxError, TypeError) as error:
        raise ImageError(f"The image {image} cannot be read ({error}); replace it by a whole copy.") from error


def _bits(frame: Image.Image) -> int:
    """Return the bits a sample of a frame of a TIFF; 1, the default, for other images."""
    return int(max(getattr(frame, "tag_v2", {}).get(BITSPERSAMPLE, (1,))))


def _is_deep_grey(frame: Image.Image) -> bool:
    """Whether *frame*, of a TIFF, is grey with 16 bits, which a PNG can hold."""
    return _bits(frame) == 16 and frame.mode.startswith("I;16")


def _orientation(frame: Image.Image) -> int:
    """Return how a frame of a TIFF is to be turned or mirrored (1 to 8, as in Exif); 1, not at all, for other images."""
    found = int(getattr(frame, "tag_v2", {}).get(ExifTags.Base.Orientation, 1))
    return found if 1 <= found <= 8 else 1
