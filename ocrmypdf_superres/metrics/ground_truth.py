# SPDX-License-Identifier: MPL-2.0
"""Ground truth: plain text, PAGE-XML (2010 to 2019), or ALTO (2 to 4), recognized by its content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.metrics.boxes import Box

KINDS = ("PcGts", "alto")
"""The root elements of PAGE-XML and ALTO."""
REGIONS = ("TextRegion", "TableRegion", "TableCell")
"""The regions of PAGE-XML that hold lines or other regions; cells are Transkribus's."""


@dataclass(frozen=True)
class Truth:
    """A page's text, a line each in reading order, and the boxes of its words or lines in pixels (none: not known)."""

    text: str
    boxes: list[Box] = field(default_factory=list)


def truth_of(image: Path) -> Path | None:
    """Return the ground truth of *image*, None where there is none.

    It is NAME.gt.txt or NAME.xml beside the image, or NAME.xml in a folder ``page`` or ``alto`` there. XML of another kind, such
    as a catalogue's record of the image, is none; XML that is damaged is, so that reading it says so.
    """
    plain, name = image.with_suffix(".gt.txt"), f"{image.stem}.xml"
    if plain.is_file():
        return plain
    places = (image.parent / folder / name for folder in (".", "page", "alto"))
    return next((place for place in places if place.is_file() and _may_be_truth(place)), None)


def _may_be_truth(path: Path) -> bool:
    """Whether the XML file *path* is PAGE-XML or ALTO, or damaged."""
    try:
        with path.open("rb") as file:
            _, root = next(ElementTree.iterparse(file, events=("start",)))  # noqa: S314 - as in read_truth
    except (OSError, ElementTree.ParseError, StopIteration):
        return True
    return _name(root) in KINDS


def read_truth(path: Path) -> Truth:
    """Return the truth in *path*; a file that does not end in ``.xml`` is plain text in UTF-8.

    Raises:
        OptionError: the file cannot be read, is not UTF-8, is damaged, or is XML of another kind.
    """
    if path.suffix.lower() != ".xml":
        return Truth(read_text(path, "The ground truth"))
    try:
        # The file is the user's own, and expat resolves no external entities.
        root = ElementTree.parse(path).getroot()  # noqa: S314 - see above
    except (OSError, ElementTree.ParseError) as error:
        raise OptionError(f"The ground truth {path} cannot be read ({error}); give PAGE-XML or ALTO.") from error
    kind = _name(root)
    try:
        if kind == "PcGts":
            return _page(root)
        if kind == "alto":
            return _alto(root)
    except (ValueError, OverflowError) as error:  # an index or a coordinate that is not a number, or infinite
        raise OptionError(f"The ground truth {path} is damaged ({error}); correct it.") from error
    raise OptionError(f"The ground truth {path} is XML of the kind {kind}; give PAGE-XML or ALTO.")


def _name(element: Element) -> str:
    """Return the tag without its namespace, which differs by version."""
    return element.tag.rpartition("}")[2]


def _children(element: Element, name: str) -> list[Element]:
    return [child for child in element if _name(child) == name]


def _all(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element.iter() if _name(child) == name)


def _bounds(points: list[tuple[float, float]]) -> Box | None:
    if not points:
        return None
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return (round(min(xs)), round(min(ys)), round(max(xs)), round(max(ys)))


def _coords(element: Element) -> Box | None:
    """Return the bounds of a PAGE element's outline: ``points="x,y x,y"``, or Point elements in the versions before 2013."""
    for coords in _children(element, "Coords"):
        numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", coords.get("points", ""))]
        points = list(zip(numbers[::2], numbers[1::2], strict=False))
        points += [(float(p.get("x", 0)), float(p.get("y", 0))) for p in _children(coords, "Point")]
        return _bounds(points)
    return None


def _equivalent(element: Element) -> str | None:
    """Return the text of a PAGE element: its TextEquiv of lowest index, the first where they have none."""
    found = _children(element, "TextEquiv")
    if not found:
        return None
    best = min(found, key=lambda e: int(e.get("index", 0)))
    return next((u.text or "" for u in _all(best, "Unicode")), "")


def _page(root: Element) -> Truth:
    lines, boxes = [], []
    for region in _in_reading_order(root):
        own = _children(region, "TextLine")
        for line in own:
            words = _children(line, "Word")
            text = _equivalent(line)
            lines.append(text if text is not None else " ".join(_equivalent(word) or "" for word in words))
            found = [box for word in words if (box := _coords(word))] or ([box] if (box := _coords(line)) else [])
            boxes += found
        # The text of a region around others is theirs once more.
        if not own and not any((u.text or "").strip() for inner in _regions(region) for u in _all(inner, "Unicode")):
            lines.append(_equivalent(region) or "")
    return Truth("\n".join(lines), boxes)


def _in_reading_order(root: Element) -> Iterator[Element]:
    """Yield every region: those that the reading order names, in its order, then the others; inner ones follow their own."""
    regions = {region.get("id", ""): region for region in _regions(root)}
    order = [ref.get("regionRef", "") for group in _all(root, "ReadingOrder") for ref in _references(group)]
    named = [name for name in dict.fromkeys(order) if name and name in regions]
    for name in named:
        yield regions[name]
        yield from _regions(regions[name], named)
    yield from _regions(root, named)


def _regions(element: Element, without: Sequence[str] = ()) -> Iterator[Element]:
    """Yield the regions inside *element* in the file's order, *without* those of these ids and what is inside them."""
    for child in element:
        if _name(child) in REGIONS:
            if child.get("id") in without:
                continue
            yield child
        yield from _regions(child, without)


def _references(group: Element) -> Iterator[Element]:
    """Yield the region references of a reading order, by index within each group."""
    for child in sorted(group, key=lambda e: int(e.get("index", 0))):
        if _name(child).startswith("RegionRef"):
            yield child
        else:
            # A group may itself stand for a region.
            if child.get("regionRef"):
                yield child
            yield from _references(child)


def _alto(root: Element) -> Truth:
    lines, boxes = [], []
    for line in _all(root, "TextLine"):
        parts = []
        for child in line:
            if _name(child) == "String":
                parts.append(child.get("CONTENT", ""))
                left, top, width, height = (float(child.get(key, 0)) for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
                if width and height:
                    boxes.append((round(left), round(top), round(left + width), round(top + height)))
            elif _name(child) == "SP":
                parts.append(" ")
            elif _name(child) == "HYP" and not (parts and parts[-1].endswith(child.get("CONTENT", "-"))):
                parts.append(child.get("CONTENT", "-"))
        strings = "".join(parts)
        # Files without SP elements have one String a word.
        lines.append(strings if any(_name(c) == "SP" for c in line) else _spaced(line))
    return Truth("\n".join(lines), boxes if _in_pixels(root) else [])


def _spaced(line: Element) -> str:
    text = " ".join(child.get("CONTENT", "") for child in line if _name(child) == "String")
    hyphen = next((c.get("CONTENT", "-") for c in line if _name(c) == "HYP"), "")
    return text if text.endswith(hyphen) else text + hyphen


def _in_pixels(root: Element) -> bool:
    """Whether an ALTO file measures in pixels, not in tenths of a millimetre or 1/1200 inch; only then are boxes taken."""
    return all((unit.text or "pixel").strip() == "pixel" for unit in _all(root, "MeasurementUnit"))
