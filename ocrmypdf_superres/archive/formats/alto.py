# SPDX-License-Identifier: MPL-2.0
"""ALTO 4.4 out of hOCR: what OCR read on a page, where on the master image, and what was done to get there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from lxml import etree

from ocrmypdf_superres.archive.formats.xmp import ENLARGED, RECOGNISED, Step
from ocrmypdf_superres.archive.store.name_encoding import printable
from ocrmypdf_superres.errors import ImageError

_ALTO = "http://www.loc.gov/standards/alto/ns-v4#"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = f"{_ALTO} http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_LINES = {"ocr_line", "ocr_header", "ocr_caption", "ocr_textfloat"}
_IMAGES = {"ocr_photo": "Illustration", "ocr_separator": "GraphicalElement"}
_BOX = re.compile(r"bbox\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)")
_CONFIDENCE = re.compile(r"x_wconf\s+(-?\d+(?:\.\d+)?)")
_BASELINE = re.compile(r"baseline\s+(-?[\d.]+)\s+(-?[\d.]+)")
_ANGLE = re.compile(r"textangle\s+(-?[\d.]+)")
# Also the double oblique hyphen of Fraktur and the soft one.
_HYPHENS = "-\u2010\u2e17\u2e40\u00ad"
_CHINESE = {"chi_sim": "zh-Hans", "chi_tra": "zh-Hant"}
_CATEGORIES = {ENLARGED: "preOperation", RECOGNISED: "contentGeneration"}


def hocr_to_alto(hocr: str, *, page: int, source: str, processing: Sequence[Step], size: tuple[int, int] | None = None) -> str:
    """Return the ALTO of one page.  Of a page that OCRmyPDF turned upright, coordinates are of the upright page.

    Args:
        hocr: as Tesseract writes it, of one page; may be empty where *size* is given.
        page: number of the page in its file, from 1.
        source: the file's name; how bytes that are no text appear, see :mod:`~ocrmypdf_superres.archive.store.name_encoding`.
        processing: the history; steps on other pages only are left out.
        size: (width, height) in pixels of the page as it came, which the coordinates shall be of (its pixels need not be
            square, as a fax's are not); None for the image that was read, which may be an enlarged one.

    Raises:
        ImageError: *hocr* is none, or does not say how large its page is.
    """
    read = _page_of(hocr, size)
    frame = _Frame(_box(read), size)
    root = etree.Element(f"{{{_ALTO}}}alto", nsmap={None: _ALTO, "xsi": _XSI})
    root.set("SCHEMAVERSION", "4.4")
    root.set(f"{{{_XSI}}}schemaLocation", _SCHEMA)
    touching = [step for step in processing if not step.pages or page in step.pages]
    _describe(root, source, touching)
    element = _add(_add(root, "Layout"), "Page", ID=f"page_{page}", PHYSICAL_IMG_NR=page, WIDTH=frame.width, HEIGHT=frame.height)
    if touching:
        element.set("PROCESSINGREFS", " ".join(f"processing_{n}" for n in range(1, len(touching) + 1)))
    space = _add(element, "PrintSpace", HPOS=0, VPOS=0, WIDTH=frame.width, HEIGHT=frame.height)
    for kind, found, lines in _blocks(read):
        block = _add(space, kind, ID=f"block_{len(space) + 1}", **frame.place(found))
        if lines:
            _fill_block(block, lines, frame)
    confidences = [float(word.get("WC")) for word in space.iter(f"{{{_ALTO}}}String") if word.get("WC")]
    if confidences:
        element.set("PC", f"{sum(confidences) / len(confidences):.3f}")
    return str(etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True).decode("utf-8"))


class _Frame:
    """From the pixels of the image that was read into those of the page as it came."""

    def __init__(self, box: Sequence[float], size: tuple[int, int] | None) -> None:
        wide, high = box[2] - box[0], box[3] - box[1]
        if wide <= 0 or high <= 0:
            raise ImageError("The hOCR does not say how large its page is; ALTO needs a page's size, read the page again.")
        self.width, self.height = size or (round(wide), round(high))
        self.x, self.y = self.width / wide, self.height / high

    def point(self, x: float, y: float) -> tuple[int, int]:
        """Where a point lies, kept inside the page."""
        return min(max(round(x * self.x), 0), self.width), min(max(round(y * self.y), 0), self.height)

    def place(self, box: Sequence[float]) -> dict[str, int]:
        """The attributes that say where *box* lies."""
        (x0, y0), (x1, y1) = self.point(box[0], box[1]), self.point(box[2], box[3])
        return {"HPOS": x0, "VPOS": y0, "WIDTH": max(0, x1 - x0), "HEIGHT": max(0, y1 - y0)}


def _page_of(hocr: str, size: tuple[int, int] | None) -> Any:
    if not hocr.strip() and size is not None:
        # What OCRmyPDF has of a page on which nothing was found.
        return etree.Element("div", title=f"bbox 0 0 {size[0]} {size[1]}")
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
        root = etree.fromstring(hocr.encode("utf-8"), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise ImageError(f"The reading is no hOCR that can be parsed ({error}); no ALTO can be made of it.") from error
    page = next((e for e in root.iter() if "ocr_page" in _classes(e)), None)
    if page is None:
        raise ImageError("The reading holds no page (class ocr_page); ALTO can be made of hOCR only.")
    return page


def _classes(element: Any) -> set[str]:
    return set((element.get("class") or "").split())


def _box(element: Any) -> tuple[float, float, float, float]:
    found = _BOX.search(element.get("title") or "")
    left, top, right, bottom = (float(v) for v in found.groups()) if found else (0.0, 0.0, 0.0, 0.0)
    return left, top, right, bottom


def _union(boxes: Iterable[Sequence[float]]) -> tuple[float, float, float, float]:
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _words(line: Any) -> list[Any]:
    return [e for e in line.iter() if "ocrx_word" in _classes(e) and _text(e)]


def _text(element: Any) -> str:
    return "".join(element.itertext()).strip()


def _blocks(page: Any) -> list[tuple[str, Sequence[float], list[Any]]]:
    """(ALTO's name, box, lines with words) of each paragraph and image, in reading order."""
    blocks: list[tuple[str, Sequence[float], list[Any]]] = []
    owner = None
    for element in page.iter():
        classes = _classes(element)
        for name in classes & set(_IMAGES):
            blocks.append((_IMAGES[name], _box(element), []))
            owner = None
        if classes & _LINES and _words(element):
            parent = element.getparent()
            if parent is not owner:
                blocks.append(("TextBlock", (), []))
                owner = parent
            blocks[-1][2].append(element)
    return [(kind, _union(_line_box(line) for line in lines) if lines else box, lines) for kind, box, lines in blocks]


def _line_box(line: Any) -> Sequence[float]:
    return _union([box for box in (_box(line), *map(_box, _words(line))) if any(box)] or [_box(line)])


def _fill_block(block: Any, lines: Sequence[Any], frame: _Frame) -> None:
    language = _language(lines[0].getparent())
    if language:
        block.set("LANG", language)
    angle = _ANGLE.search(lines[0].get("title") or "")
    rotation = float(angle.group(1)) % 360 if angle else 0.0
    if rotation:
        block.set("ROTATION", f"{rotation:g}")
    strings: list[list[Any]] = []
    for line in lines:
        box = _line_box(line)
        element = _add(block, "TextLine", ID=f"{block.get('ID')}_line_{len(block) + 1}", **frame.place(box))
        baseline = _BASELINE.search(line.get("title") or "")
        if baseline and not rotation:
            slope, offset = float(baseline.group(1)), float(baseline.group(2))
            left, _, right, bottom = _box(line)
            ends = frame.point(left, bottom + offset), frame.point(right, bottom + offset + slope * (right - left))
            element.set("BASELINE", " ".join(f"{x},{y}" for x, y in ends))
        strings.append(_fill_line(element, line, language, frame))
    for before, after in pairwise(strings):
        _join(before[-1], after[0])


def _fill_line(element: Any, line: Any, language: str, frame: _Frame) -> list[Any]:
    """Add the words of *line*, with spaces between; return the String elements."""
    strings: list[Any] = []
    for word in _words(line):
        place = frame.place(_box(word))
        if strings:
            _add(element, "SP", **_gap(strings[-1], place))
        string = _add(element, "String", ID=f"{element.get('ID')}_string_{len(strings) + 1}", CONTENT=_text(word), **place)
        found = _CONFIDENCE.search(word.get("title") or "")
        if found:
            string.set("WC", f"{min(max(float(found.group(1)) / 100, 0.0), 1.0):.2f}")
        own = _language(word)
        if own and own != language:
            string.set("LANG", own)
        strings.append(string)
    return strings


def _gap(before: Any, after: dict[str, int]) -> dict[str, int]:
    """What lies between two words, whichever direction the line runs in."""
    left, width = int(before.get("HPOS")), int(before.get("WIDTH"))
    start, end = min(left + width, after["HPOS"] + after["WIDTH"]), max(left, after["HPOS"])
    return {"HPOS": start, "VPOS": int(before.get("VPOS")), "WIDTH": max(0, end - start)}


def _join(first: Any, second: Any) -> None:
    """Mark a word that is divided at the line's end: letters, a hyphen, and a small letter on the next line."""
    text, rest = first.get("CONTENT"), second.get("CONTENT")
    stem = text[:-1]
    if not stem or text[-1] not in _HYPHENS or not stem[-1].isalpha() or not rest[0].islower() or first.get("SUBS_TYPE"):
        return
    first.set("CONTENT", stem)
    for part, string in (("HypPart1", first), ("HypPart2", second)):
        string.set("SUBS_TYPE", part)
        string.set("SUBS_CONTENT", stem + rest)
    _add(first.getparent(), "HYP", CONTENT=text[-1])


def _language(element: Any) -> str:
    """A language tag for Tesseract's name of one (``deu_latf``: ``deu-Latf``); empty where it names a script."""
    name = element.get("lang") or element.get(_LANG) or ""
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
