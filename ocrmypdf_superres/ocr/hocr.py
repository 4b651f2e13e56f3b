# SPDX-License-Identifier: MPL-2.0
"""hOCR files read as ``OcrElement`` trees, and such trees written as hOCR.

OCRmyPDF's public ``HocrParser`` prepares a text layer: it brings words into NFKC form (which loses the long s of old
prints), and passes over images, rules, the languages of words and fractions of pixels. Voting compares what the engine
wrote, and an archive's ALTO needs the rest, so hOCR is read here once and whole. After
:func:`~ocrmypdf_superres.ocr.hypothesis.for_text_layer` the tree has the words, boxes and baselines that ``HocrParser``
gives, which a test holds.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.errors import ImageError

PHOTO, SEPARATOR = "ocr_photo", "ocr_separator"
"""Classes of the hOCR specification for an image and for a rule between texts."""

_NUMBER = r"([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)"
_XHTML = "http://www.w3.org/1999/xhtml"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def read_hocr(path: Path) -> OcrElement:
    """Return the page in the hOCR file *path*, as Tesseract writes it.

    Raises:
        ImageError: the file cannot be read, is not hOCR, or does not say how large its page is.
    """
    try:
        return parse_hocr(path.read_bytes())
    except OSError as error:
        raise ImageError(f"The reading {path.name} cannot be opened ({error.strerror}); read the page again.") from error


def parse_hocr(text: str | bytes) -> OcrElement:
    """Return the page in *text*, a whole hOCR document; of several pages the first.

    The root is an ``ocr_page`` with its size and dpi. Its children are paragraphs, images and rules in reading order;
    paragraphs hold lines, lines hold words with text, confidence in [0, 1] and language.

    Raises:
        ImageError: *text* is not hOCR, or does not say how large its page is.
    """
    pages = parse_pages(text)
    if not pages:
        raise ImageError("The reading holds no page (class ocr_page), hOCR was expected; read the page again.")
    return pages[0]


def parse_pages(text: str | bytes) -> list[OcrElement]:
    """Return all pages in *text*, a whole hOCR document, each as :func:`parse_hocr` does.

    Raises:
        ImageError: *text* is not hOCR, or does not say how large a page is.
    """
    try:
        # The engine, which runs as this user, has just written it.
        root = ElementTree.fromstring(text)  # noqa: S314
    except (ElementTree.ParseError, UnicodeError, ValueError) as error:
        raise ImageError(f"The reading is not hOCR that can be parsed ({error}); read the page again.") from error
    return [_page(element) for element in root.iter() if OcrClass.PAGE in _classes(element)]


def _page(node: ElementTree.Element) -> OcrElement:
    box, dpi, number = _box(node), _numbers(node, "scan_res", 2), _numbers(node, "ppageno", 1)
    if box is None or box.width <= 0 or box.height <= 0:
        raise ImageError("The hOCR does not say how large its page is; read the page again.")
    page = OcrElement(OcrClass.PAGE, bbox=box, dpi=dpi[0] if dpi else None, page_number=int(number[0]) if number else None)
    _add_blocks(page, node)
    return page


def write_hocr(page: OcrElement) -> str:
    """Return the tree *page* as an XHTML document of hOCR 1.2, in pixels rounded to whole ones."""
    ElementTree.register_namespace("", _XHTML)
    html = ElementTree.Element(f"{{{_XHTML}}}html")
    head = ElementTree.SubElement(html, f"{{{_XHTML}}}head")
    ElementTree.SubElement(head, f"{{{_XHTML}}}meta", name="ocr-system", content="ocrmypdf-superres")
    capabilities = " ".join([OcrClass.PAGE, OcrClass.PARAGRAPH, OcrClass.LINE, OcrClass.WORD, PHOTO, SEPARATOR])
    ElementTree.SubElement(head, f"{{{_XHTML}}}meta", name="ocr-capabilities", content=capabilities)
    _write(ElementTree.SubElement(html, f"{{{_XHTML}}}body"), page, {}, "")
    ElementTree.indent(html, " ")
    return ElementTree.tostring(html, encoding="unicode", xml_declaration=False) + "\n"


def _add_blocks(page: OcrElement, node: ElementTree.Element) -> None:
    for element in node.iter():
        classes = _classes(element)
        if OcrClass.PARAGRAPH in classes:
            direction, language = _direction(element), _language(element)
            paragraph = OcrElement(OcrClass.PARAGRAPH, bbox=_box(element), direction=direction, language=language)
            lines = (_line(inner, paragraph) for inner in element.iter() if _classes(inner) & OcrClass.LINE_TYPES)
            paragraph.children = [line for line in lines if line is not None]
            if paragraph.children:
                page.children.append(paragraph)
        for name in classes & {PHOTO, SEPARATOR}:
            page.children.append(OcrElement(name, bbox=_box(element)))


def _line(node: ElementTree.Element, paragraph: OcrElement) -> OcrElement | None:
    """Return a line with its words; None for one without any, or without a box."""
    box = _box(node)
    words = [word for inner in node.iter() if OcrClass.WORD in _classes(inner) and (word := _word(inner)) is not None]
    if box is None or not words:
        return None
    baseline, angle = _numbers(node, "baseline", 2), _numbers(node, "textangle", 1)
    return OcrElement(
        next(iter(_classes(node) & OcrClass.LINE_TYPES)),
        bbox=box,
        baseline=Baseline(*baseline) if baseline else None,
        textangle=angle[0] if angle else None,
        direction=_direction(node) or paragraph.direction,
        language=_language(node) or paragraph.language,
        children=words,
    )


def _word(node: ElementTree.Element) -> OcrElement | None:
    text = "".join(node.itertext()).strip()
    if not text:
        return None
    confidence = _numbers(node, "x_wconf", 1)
    return OcrElement(
        OcrClass.WORD,
        bbox=_box(node),
        text=text,
        confidence=confidence[0] / 100 if confidence else None,
        direction=_direction(node),
        language=_language(node),
    )


def _classes(element: ElementTree.Element) -> set[str]:
    return set(element.get("class", "").split())


def _numbers(element: ElementTree.Element, name: str, count: int) -> list[float] | None:
    """Return the *count* numbers of the property *name* in the title, None where it is missing."""
    # Names of files stand in quotes, and may look like anything.
    title = re.sub(r'"[^"]*"', "", element.get("title", ""))
    found = re.search(rf"(?:^|;)\s*{name}\s+" + r"\s+".join([_NUMBER] * count), title)
    return [float(value) for value in found.groups()] if found else None


def _box(element: ElementTree.Element) -> BoundingBox | None:
    values = _numbers(element, "bbox", 4)
    if values is None or values[2] < values[0] or values[3] < values[1]:
        return None
    return BoundingBox(*values)


def _direction(element: ElementTree.Element) -> Literal["ltr", "rtl"] | None:
    value = element.get("dir")
    return "rtl" if value == "rtl" else "ltr" if value == "ltr" else None


def _language(element: ElementTree.Element) -> str | None:
    return element.get("lang") or element.get(_XML_LANG) or None


def _write(parent: ElementTree.Element, element: OcrElement, numbers: dict[str, int], language: str) -> None:
    kind = element.ocr_class.partition("_")[2]
    numbers[kind] = numbers.get(kind, 0) + 1
    tag = {"page": "div", "carea": "div", "photo": "div", "separator": "div", "par": "p"}.get(kind, "span")
    node = ElementTree.SubElement(parent, f"{{{_XHTML}}}{tag}", {"class": element.ocr_class, "id": f"{kind}_1_{numbers[kind]}"})
    title = _title(element)
    if title:
        node.set("title", title)
    if element.direction and element.ocr_class != OcrClass.WORD:
        node.set("dir", element.direction)
    if element.language and element.language != language:
        node.set("lang", element.language)
    if element.ocr_class == OcrClass.WORD:
        node.text = element.text
    for child in element.children:
        _write(node, child, numbers, element.language or language)


def _title(element: OcrElement) -> str:
    """Return the properties of *element* as hOCR has them."""
    parts = []
    box = element.bbox
    if box is not None:
        parts.append(f"bbox {round(box.left)} {round(box.top)} {round(box.right)} {round(box.bottom)}")
    if element.ocr_class == OcrClass.PAGE:
        parts.append(f"ppageno {element.page_number or 0}")
        if element.dpi:
            parts.append(f"scan_res {round(element.dpi)} {round(element.dpi)}")
    if element.baseline is not None:
        parts.append(f"baseline {element.baseline.slope:.5f} {round(element.baseline.intercept)}")
    if element.textangle is not None:
        parts.append(f"textangle {element.textangle:g}")
    if element.confidence is not None:
        parts.append(f"x_wconf {round(100 * element.confidence)}")
    return "; ".join(parts)
