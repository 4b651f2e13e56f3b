# SPDX-License-Identifier: MPL-2.0
"""ALTO 4.4 made of a page's tree: what OCR read on a page, where on the master image, and what was done to get there."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lxml import etree

from ocrmypdf_superres.archive.formats.xmp import ENLARGED, RECOGNISED, Step
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.errors import ImageError
from ocrmypdf_superres.metrics.boxes import Box, bounding_box
from ocrmypdf_superres.ocr.hocr import PHOTO, SEPARATOR
from ocrmypdf_superres.ocr.hypothesis import box_of

if TYPE_CHECKING:
    from ocrmypdf.hocrtransform import OcrElement

_ALTO = "http://www.loc.gov/standards/alto/ns-v4#"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = f"{_ALTO} http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"

_IMAGES = {PHOTO: "Illustration", SEPARATOR: "GraphicalElement"}
# Also the double oblique hyphen of Fraktur and the soft one.
_HYPHENS = "-\u2010\u2e17\u2e40\u00ad"
_CHINESE = {"chi_sim": "zh-Hans", "chi_tra": "zh-Hant"}
_CATEGORIES = {ENLARGED: "preOperation", RECOGNISED: "contentGeneration"}


def page_to_alto(
    read: OcrElement | None, *, page: int, source: str, processing: Sequence[Step], size: tuple[int, int] | None = None
) -> str:
    """Return the ALTO of one page. Of a page that OCRmyPDF turned upright, coordinates are of the upright page.

    Args:
        read: the page as :func:`~ocrmypdf_superres.ocr.hocr.read_hocr` returns it; may be None where *size* is given.
        page: number of the page in its file, from 1.
        source: the file's name; how bytes that are not text appear, see :mod:`~ocrmypdf_superres.archive.store.name_encoding`.
        processing: the history; steps on other pages only are left out.
        size: (width, height) in pixels of the original page, whose coordinates are wanted (its pixels need not be
            square, as those of a fax are not); None for the image that was read, which may be an enlarged one.

    Raises:
        ImageError: the size of the page is not known.
    """
    frame = _Frame(box_of(read) if read is not None else (0, 0, *(size or (0, 0))), size)
    root = etree.Element(f"{{{_ALTO}}}alto", nsmap={None: _ALTO, "xsi": _XSI})
    root.set("SCHEMAVERSION", "4.4")
    root.set(f"{{{_XSI}}}schemaLocation", _SCHEMA)
    touching = [step for step in processing if not step.pages or page in step.pages]
    _describe(root, source, touching)
    element = _add(_add(root, "Layout"), "Page", ID=f"page_{page}", PHYSICAL_IMG_NR=page, WIDTH=frame.width, HEIGHT=frame.height)
    if touching:
        element.set("PROCESSINGREFS", " ".join(f"processing_{n}" for n in range(1, len(touching) + 1)))
    space = _add(element, "PrintSpace", HPOS=0, VPOS=0, WIDTH=frame.width, HEIGHT=frame.height)
    for element_read in read.children if read is not None else []:
        lines = [line for line in element_read.lines if line.words]
        kind = _IMAGES.get(element_read.ocr_class, "TextBlock")
        if kind == "TextBlock" and not lines:
            continue
        box = bounding_box([_line_box(line) for line in lines]) if lines else box_of(element_read)
        block = _add(space, kind, ID=f"block_{len(space) + 1}", **frame.place(box))
        if lines:
            _fill_block(block, element_read, lines, frame)
    confidences = [float(word.get("WC")) for word in space.iter(f"{{{_ALTO}}}String") if word.get("WC")]
    if confidences:
        element.set("PC", f"{sum(confidences) / len(confidences):.3f}")
    return str(etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True).decode("utf-8"))


class _Frame:
    """The transformation from pixels of the image that was read to those of the original page."""

    def __init__(self, box: Box, size: tuple[int, int] | None) -> None:
        wide, high = box[2] - box[0], box[3] - box[1]
        if wide <= 0 or high <= 0:
            raise ImageError("The reading does not say how large its page is, which ALTO needs; read the page again.")
        self.width, self.height = size or (wide, high)
        self.x, self.y = self.width / wide, self.height / high

    def point(self, x: float, y: float) -> tuple[int, int]:
        """Return where a point lies, kept inside the page."""
        return min(max(round(x * self.x), 0), self.width), min(max(round(y * self.y), 0), self.height)

    def place(self, box: Sequence[float]) -> dict[str, int]:
        """Return the attributes that say where *box* lies."""
        (x0, y0), (x1, y1) = self.point(box[0], box[1]), self.point(box[2], box[3])
        return {"HPOS": x0, "VPOS": y0, "WIDTH": max(0, x1 - x0), "HEIGHT": max(0, y1 - y0)}


def _line_box(line: OcrElement) -> Box:
    """Return the box of a line and of all of its words."""
    boxes = [box_of(line), *map(box_of, line.words)]
    return bounding_box([box for box in boxes if any(box)] or boxes)


def _fill_block(block: Any, paragraph: OcrElement, lines: Sequence[OcrElement], frame: _Frame) -> None:
    language = _language(paragraph.language)
    if language:
        block.set("LANG", language)
    rotation = (lines[0].textangle or 0.0) % 360
    if rotation:
        block.set("ROTATION", f"{rotation:g}")
    strings: list[list[Any]] = []
    for line in lines:
        element = _add(block, "TextLine", ID=f"{block.get('ID')}_line_{len(block) + 1}", **frame.place(_line_box(line)))
        if line.baseline is not None and not rotation:
            slope, offset = line.baseline.slope, line.baseline.intercept
            left, _, right, bottom = box_of(line)
            ends = frame.point(left, bottom + offset), frame.point(right, bottom + offset + slope * (right - left))
            element.set("BASELINE", " ".join(f"{x},{y}" for x, y in ends))
        strings.append(_fill_line(element, line, language, frame))
    for before, after in pairwise(strings):
        _join(before[-1], after[0])


def _fill_line(element: Any, line: OcrElement, language: str, frame: _Frame) -> list[Any]:
    """Add the words of *line*, with spaces between; return the String elements."""
    strings: list[Any] = []
    for word in line.words:
        place = frame.place(box_of(word))
        if strings:
            _add(element, "SP", **_gap(strings[-1], place))
        string = _add(element, "String", ID=f"{element.get('ID')}_string_{len(strings) + 1}", CONTENT=word.text, **place)
        if word.confidence is not None:
            string.set("WC", f"{min(max(word.confidence, 0.0), 1.0):.2f}")
        own = _language(word.language)
        if own and own != language:
            string.set("LANG", own)
        strings.append(string)
    return strings


def _gap(before: Any, after: dict[str, int]) -> dict[str, int]:
    """Return the attributes of the space between two words, whichever direction the line runs in."""
    left, width = int(before.get("HPOS")), int(before.get("WIDTH"))
    start, end = min(left + width, after["HPOS"] + after["WIDTH"]), max(left, after["HPOS"])
    return {"HPOS": start, "VPOS": int(before.get("VPOS")), "WIDTH": max(0, end - start)}


def _join(first: Any, second: Any) -> None:
    """Mark a word that is divided at the line's end: letters, a hyphen, and a small letter on the next line."""
    text, rest = first.get("CONTENT"), second.get("CONTENT")
    stem = text[:-1]
    if not stem or text[-1] not in _HYPHENS or not stem[-1].isalpha() or not rest[:1].islower() or first.get("SUBS_TYPE"):
        return
    first.set("CONTENT", stem)
    for part, string in (("HypPart1", first), ("HypPart2", second)):
        string.set("SUBS_TYPE", part)
        string.set("SUBS_CONTENT", stem + rest)
    _add(first.getparent(), "HYP", CONTENT=text[-1])


def _language(tesseract_name: str | None) -> str:
    """Return a language tag for Tesseract's name of one (``deu_latf``: ``deu-Latf``); empty where it names a script."""
    name = tesseract_name or ""
    base, _, script = name.partition("_")
    for chinese, tag in _CHINESE.items():
        if name.startswith(chinese):
            return tag
    if not re.fullmatch("[a-z]{2,3}", base):
        return ""
    return f"{base}-{script.capitalize()}" if re.fullmatch("[a-z]{4}", script) else base


def _describe(root: Any, source: str, steps: Sequence[Step]) -> None:
    description = _add(root, "Description")
    _add(description, "MeasurementUnit").text = "pixel"
    _add(_add(description, "sourceImageInformation"), "fileName").text = printable(source)
    for number, step in enumerate(steps, 1):
        processing = _add(description, "Processing", ID=f"processing_{number}")
        _add(processing, "processingCategory").text = _CATEGORIES.get(step.action, "other")
        if step.when:
            _add(processing, "processingDateTime").text = step.when
        _add(processing, "processingStepDescription").text = step.action
        details = {key: value for key, value in step.details().items() if key not in ("version", "pages")}
        if details:
            _add(processing, "processingStepSettings").text = json.dumps(details, separators=(", ", ": "), sort_keys=True)
        software = _add(processing, "processingSoftware")
        _add(software, "softwareName").text = step.software
        if step.version:
            _add(software, "softwareVersion").text = step.version


def _add(parent: Any, name: str, **attributes: object) -> Any:
    element = etree.SubElement(parent, f"{{{_ALTO}}}{name}")
    for key, value in attributes.items():
        element.set(key, str(value))
    return element
