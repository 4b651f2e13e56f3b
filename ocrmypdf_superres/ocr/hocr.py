# SPDX-License-Identifier: MPL-2.0
"""Tesseract's hOCR as a tree whose lines can be exchanged."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from ocrmypdf_superres.errors import ImageError

_XHTML = "http://www.w3.org/1999/xhtml"
_LINE_CLASSES = {"ocr_line", "ocr_header", "ocr_caption", "ocr_textfloat"}
_BBOX = re.compile(r"bbox\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)")
_CONFIDENCE = re.compile(r"x_wconf\s+(-?\d+(?:\.\d+)?)")
_BASELINE = re.compile(r"baseline\s+(-?[\d.]+)\s+(-?[\d.]+)")
_HEIGHT = re.compile(r"(x_size|x_descenders|x_ascenders)\s+(-?[\d.]+)")
_RESOLUTION = re.compile(r"scan_res\s+\d+\s+\d+")

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Word:
    """A word: text, Tesseract's confidence (0 to 100), its box (left, top, right, bottom) in pixels, its element in the tree."""

    text: str
    confidence: float
    box: Box
    element: ElementTree.Element = field(compare=False, repr=False, default_factory=lambda: ElementTree.Element("span"))


@dataclass
class Line:
    """A line: its words in reading order, its box, and its element in the tree."""

    words: list[Word]
    box: Box
    element: ElementTree.Element

    @property
    def text(self) -> str:
        """The words joined by blanks."""
        return " ".join(word.text for word in self.words)

    @property
    def turned(self) -> bool:
        """Whether the line runs up or down the page."""
        return "textangle" in self.element.get("title", "")


def _classes(element: ElementTree.Element) -> set[str]:
    return set(element.get("class", "").split())


def _box(element: ElementTree.Element) -> Box:
    found = _BBOX.search(element.get("title", ""))
    if not found:
        return (0, 0, 0, 0)
    left, top, right, bottom = (int(v) for v in found.groups())
    return (left, top, right, bottom)


class Reading:
    """One reading of a page.

    Args:
        path: an hOCR file as Tesseract writes it.

    Raises:
        ImageError: the file is missing or no hOCR.
    """

    def __init__(self, path: Path) -> None:
        ElementTree.register_namespace("", _XHTML)
        try:
            self.tree = ElementTree.parse(path)
        except (OSError, ElementTree.ParseError) as error:
            raise ImageError(f"The reading {path.name} is no hOCR that can be parsed ({error}); the page was not checked.") from error
        self.refresh()

    def refresh(self) -> None:
        """Read lines and words off the tree again."""
        self.lines: list[Line] = []
        for element in self.tree.iter():
            if not _classes(element) & _LINE_CLASSES:
                continue
            words = []
            for inner in element.iter():
                text = "".join(inner.itertext()).strip()
                if "ocrx_word" in _classes(inner) and text:
                    found = _CONFIDENCE.search(inner.get("title", ""))
                    words.append(Word(text, float(found.group(1)) if found else 0.0, _box(inner), inner))
            if words:
                self.lines.append(Line(words, _box(element), element))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image that was read, in pixels."""
        page = next(element for element in self.tree.iter() if "ocr_page" in _classes(element))
        left, top, right, bottom = _box(page)
        return right - left, bottom - top

    @property
    def words(self) -> list[Word]:
        """All words in reading order."""
        return [word for line in self.lines for word in line.words]

    def rewrite(self, line: Line, words: Sequence[Word]) -> None:
        """Give *line* the *words*, of whichever readings, in this order; its box grows where they need it."""
        for child in list(line.element):
            line.element.remove(child)
        for word in words:
            element = copy.deepcopy(word.element)
            element.tail = " "
            line.element.append(element)
        boxes = [line.box, *(word.box for word in words)]
        left, top, right, bottom = (f(box[i] for box in boxes) for i, f in enumerate((min, min, max, max)))
        line.element.set("title", _BBOX.sub(f"bbox {left} {top} {right} {bottom}", line.element.get("title", ""), count=1))

    def insert_after(self, line: Line, other: Line) -> None:
        """Put a copy of *other* behind *line*, in the same paragraph."""
        parent = self._parent(line.element)
        parent.insert(list(parent).index(line.element) + 1, copy.deepcopy(other.element))

    def insert_before(self, line: Line, other: Line) -> None:
        """Put a copy of *other* before *line*, in the same paragraph."""
        parent = self._parent(line.element)
        parent.insert(list(parent).index(line.element), copy.deepcopy(other.element))

    def scale(self, x: float, y: float, dpi: tuple[float, float]) -> None:
        """Bring the reading into the pixels of an image *x* times as wide and *y* times as high, of *dpi*."""

        def box(found: re.Match[str]) -> str:
            left, top, right, bottom = (int(v) for v in found.groups())
            return f"bbox {round(left * x)} {round(top * y)} {round(right * x)} {round(bottom * y)}"

        def baseline(found: re.Match[str]) -> str:
            return f"baseline {float(found.group(1)) * y / x:.5g} {float(found.group(2)) * y:.5g}"

        def height(found: re.Match[str]) -> str:
            return f"{found.group(1)} {float(found.group(2)) * y:.6g}"

        for element in self.tree.iter():
            title = element.get("title")
            if title:
                title = _HEIGHT.sub(height, _BASELINE.sub(baseline, _BBOX.sub(box, title)))
                element.set("title", _RESOLUTION.sub(f"scan_res {round(dpi[0])} {round(dpi[1])}", title))
        self.refresh()

    def _parent(self, element: ElementTree.Element) -> ElementTree.Element:
        return next(parent for parent in self.tree.iter() if element in list(parent))

    def text(self) -> str:
        """The page's text: a line each, a blank line after each paragraph, as Tesseract's text output has it."""
        parts: list[str] = []
        by_element = {id(line.element): line.text for line in self.lines}
        for element in self.tree.iter():
            if "ocr_par" in _classes(element):
                lines = [by_element[id(e)] for e in element.iter() if id(e) in by_element]
                if lines:
                    parts.append("\n".join(lines))
        return "\n\n".join(parts) + "\n" if parts else ""

    def write(self, path: Path) -> None:
        """Write the tree as XHTML, with identifiers made unique."""
        seen: set[str] = set()
        for element in self.tree.iter():
            name = element.get("id")
            if name is not None:
                unique, number = name, 1
                while unique in seen:
                    number += 1
                    unique = f"{name}-{number}"
                seen.add(unique)
                element.set("id", unique)
        self.tree.write(path, encoding="utf-8", xml_declaration=True)
