# SPDX-License-Identifier: MPL-2.0
"""A reading of a page: a tree of OCRmyPDF's ``OcrElement``, seen as lines of words."""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement

from ocrmypdf_superres.metrics.boxes import Box, bounding_box

__all__ = ["Hypothesis", "Line", "Word"]


@dataclass(frozen=True)
class Word:
    """A word of a hypothesis.

    Attributes:
        text: the word as the engine wrote it.
        confidence: the engine's own, 0 to 100; 0 where it gave none.
        box: where the word stands, in pixels.
        element: its node in the tree.
    """

    text: str
    confidence: float
    box: Box
    element: OcrElement = field(compare=False, repr=False, default_factory=lambda: OcrElement(OcrClass.WORD))


@dataclass(frozen=True)
class Line:
    """A line of a hypothesis: its words in reading order (at least one), its box, and its node in the tree."""

    words: list[Word]
    box: Box
    element: OcrElement

    @property
    def text(self) -> str:
        """The words joined by blanks."""
        return " ".join(word.text for word in self.words)

    @property
    def turned(self) -> bool:
        """Whether the line runs up or down the page."""
        return self.element.textangle is not None

    @property
    def from_right(self) -> bool:
        """Whether the line is read from right to left."""
        return self.element.direction == "rtl"


class Hypothesis:
    """One reading of a page. No method changes it: those that edit return another one.

    Args:
        page: the tree; its root is an ``ocr_page`` with a bounding box.
    """

    def __init__(self, page: OcrElement) -> None:
        self.page = page
        self.lines: list[Line] = []
        for element in page.lines:
            words = [
                Word(node.text.strip(), round(100 * (node.confidence or 0.0), 6), box_of(node), node)
                for node in element.words
                if node.text.strip()
            ]
            if words:
                self.lines.append(Line(words, box_of(element), element))

    @property
    def words(self) -> list[Word]:
        """All words in reading order."""
        return [word for line in self.lines for word in line.words]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the image that was read."""
        left, top, right, bottom = box_of(self.page)
        return right - left, bottom - top

    def text(self) -> str:
        """Return the text: one line each, a blank line after each paragraph, as in Tesseract's text output."""
        by_element = {id(line.element): line.text for line in self.lines}
        parts = []
        # A tree without paragraphs is written by its lines, as OCRmyPDF's text layer is.
        for block in self.page.paragraphs or [self.page]:
            lines = [by_element[id(element)] for element in block.lines if id(element) in by_element]
            if lines:
                parts.append("\n".join(lines))
        return "\n\n".join(parts) + "\n" if parts else ""

    def only(self, lines: Iterable[Line]) -> Hypothesis:
        """Return the hypothesis with those *lines* of it alone, without their blocks and paragraphs."""
        children = [line.element for line in lines]
        return Hypothesis(OcrElement(OcrClass.PAGE, bbox=self.page.bbox, dpi=self.page.dpi, children=children))

    def scaled(self, x: float, y: float, dpi: float) -> Hypothesis:
        """Return the hypothesis in the pixels of an image *x* times as wide and *y* times as high, of *dpi*."""
        page = _copied(self.page)
        for element in all_elements(page):
            if element.bbox is not None:
                left, top, right, bottom = box_of(element)
                element.bbox = BoundingBox(round(left * x), round(top * y), round(right * x), round(bottom * y))
            if element.baseline is not None:
                element.baseline = Baseline(element.baseline.slope * y / x, element.baseline.intercept * y)
        page.dpi = dpi
        return Hypothesis(page)

    def edited(self, words: dict[int, Sequence[Word]], after: dict[int, list[Line]], before: dict[int, list[Line]]) -> Hypothesis:
        """Return the hypothesis with other words in its lines and with lines added.

        Args:
            words: by the index of a line, all of its words from now on, of whichever hypotheses. The box of the line
                grows where they need it; without any the line goes.
            after: by the index of a line, lines to put after it, in its paragraph.
            before: likewise, lines to put before it.
        """
        inserts = {id(self.lines[i].element): (before.get(i, []), after.get(i, [])) for i in {*before, *after}}
        replaced = {id(self.lines[i].element): _with_words(self.lines[i], taken) for i, taken in words.items()}
        return Hypothesis(_rebuilt(self.page, replaced, inserts))

    def reordered(self, order: Sequence[int]) -> Hypothesis:
        """Return the hypothesis with its lines in another order; images and rules come after them.

        Lines that follow one another and come from one paragraph stay in one.

        Args:
            order: the index of each line, once.
        """
        owners = {id(line): paragraph for paragraph in self.page.paragraphs for line in paragraph.lines}
        groups: list[tuple[OcrElement, list[OcrElement]]] = []
        for index in order:
            element = self.lines[index].element
            owner = owners.get(id(element), self.page)
            if groups and groups[-1][0] is owner and owner is not self.page:
                groups[-1][1].append(element)
            else:
                groups.append((owner, [element]))
        page = copy.copy(self.page)
        page.children = [_paragraph(owner, lines) for owner, lines in groups]
        page.children += [child for child in self.page.children if not list(child.lines)]
        return Hypothesis(page)


def box_of(element: OcrElement) -> Box:
    """Return the bounding box of *element* in whole pixels; all zeros where it has none."""
    box = element.bbox
    return (round(box.left), round(box.top), round(box.right), round(box.bottom)) if box is not None else (0, 0, 0, 0)


def line_of_words(words: Sequence[Word], whole: Line | None = None) -> Line:
    """Return a line of its own, with the box around *words* (at least one), which may be a part of the *whole* line."""
    box = bounding_box(word.box for word in words)
    element = _with_box(whole.element if whole is not None else OcrElement(OcrClass.LINE), BoundingBox(*box))
    element.children = [word.element for word in words]
    return Line(list(words), box, element)


def for_text_layer(page: OcrElement) -> OcrElement:
    """Return a copy of the tree with the words in Unicode's NFKC form, in which viewers search.

    OCRmyPDF's parser of hOCR brings words into this form (a ligature becomes its letters, a long s a plain one) before
    it writes the text layer; trees that are handed over should do the same.
    """
    page = _copied(page)
    for word in page.words:
        word.text = unicodedata.normalize("NFKC", word.text).strip()
    return page


def all_elements(element: OcrElement) -> Iterable[OcrElement]:
    """Yield *element* and everything in it, in reading order."""
    yield element
    for child in element.children:
        yield from all_elements(child)


def _copied(element: OcrElement) -> OcrElement:
    """Return a copy of the tree; boxes, baselines and fonts, which are replaced and never changed, are shared."""
    element = copy.copy(element)
    element.children = [_copied(child) for child in element.children]
    return element


def _paragraph(owner: OcrElement, lines: list[OcrElement]) -> OcrElement:
    """Return a paragraph of *lines*, with the language and direction of *owner*."""
    box = BoundingBox(*bounding_box(map(box_of, lines)))
    return OcrElement(OcrClass.PARAGRAPH, bbox=box, direction=owner.direction, language=owner.language, children=lines)


def _with_words(line: Line, words: Sequence[Word]) -> OcrElement:
    element = _with_box(line.element, BoundingBox(*bounding_box([line.box, *(word.box for word in words)])))
    element.children = [word.element for word in words]
    return element


def _with_box(element: OcrElement, box: BoundingBox) -> OcrElement:
    """Return a copy of *element* with another box; its baseline, which counts from the lower left corner, stays in place."""
    before, result = element.bbox, copy.copy(element)
    result.bbox = box
    if element.baseline is not None and before is not None:
        slope = element.baseline.slope
        lower = element.baseline.intercept + before.bottom - box.bottom + slope * (box.left - before.left)
        result.baseline = Baseline(slope=slope, intercept=lower)
    return result


def _rebuilt(
    element: OcrElement, replaced: dict[int, OcrElement], inserts: dict[int, tuple[list[Line], list[Line]]]
) -> OcrElement:
    """Return the tree of *element* copied, with nodes replaced and put in before and after others, by identity."""
    element = copy.copy(replaced.get(id(element), element))
    children: list[OcrElement] = []
    for child in element.children:
        before, after = inserts.get(id(child), ([], []))
        children += [_copied(line.element) for line in before]
        kept = _rebuilt(child, replaced, inserts)
        if kept.children or not child.children:
            children.append(kept)
        children += [_copied(line.element) for line in after]
    element.children = children
    return element
