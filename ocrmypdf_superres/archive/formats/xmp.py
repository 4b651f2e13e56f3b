# SPDX-License-Identifier: MPL-2.0
"""The history of a PDF in its XMP metadata: which software and model did what to the document, and when.

The history is ``xmpMM:History``, an ordered list of resource events (XMP specification, "XMP Media Management schema").
Property and event are predefined for PDF/A-1, -2 and -3, so no extension schema is needed as long as an event has no other
fields than ``action``, ``instanceID``, ``parameters``, ``softwareAgent`` and ``when``. Everything else (model, hash, scales,
pages) is a JSON object in ``parameters``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pikepdf
from lxml import etree

from ocrmypdf_superres.archive.store.name_encoding import printable_path
from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.files import atomic_write

ENLARGED, RECOGNISED = "enlarged", "recognised"
"""Usual actions, verbs in the past tense as XMP requires."""

_X, _RDF = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP, _MM = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xap/1.0/mm/"
_EVENT = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
_HISTORY, _SEQ, _LI = f"{{{_MM}}}History", f"{{{_RDF}}}Seq", f"{{{_RDF}}}li"
_DESCRIPTION, _ABOUT, _PARSE_TYPE = f"{{{_RDF}}}Description", f"{{{_RDF}}}about", f"{{{_RDF}}}parseType"
# PDF/A allows no other fields in an event; they are written in this order.
_FIELDS = ("action", "softwareAgent", "when", "parameters", "instanceID")
# PDF/A forbids the attributes bytes and encoding in the header.
_BEGIN, _END = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n', b'\n<?xpacket end="w"?>\n'
_ZONED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_DATE = re.compile(rf"\d{{4}}(-(0[1-9]|1[0-2])(-\d\d)?)?|\d{{4}}-\d\d-\d\dT\d\d:\d\d(Z|[+-]\d\d:\d\d)|{_ZONED.pattern}")
# An event may be another program's, and a range of a few characters may stand for any number of pages.
_MOST_PAGES = 1_000_000
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Step:
    """A step of a document's history.

    Attributes:
        action: a verb in the past tense: :data:`ENLARGED`, :data:`RECOGNISED`, ``converted`` ...
        software, version: the program that did it.
        when: ISO 8601 with time and zone, as ``2026-05-01T12:00:00+02:00``.
        model, model_sha256: the model's name and the hash of its weights; empty for none.
        scales: the scales that occurred.
        pages: numbers of the affected pages, from 1; empty for the whole document.
        settings: hash of the run's settings.
        parameters: anything else; values that JSON can hold.
    """

    action: str
    software: str
    version: str = ""
    when: str = ""
    model: str = ""
    model_sha256: str = ""
    scales: tuple[int, ...] = ()
    pages: tuple[int, ...] = ()
    settings: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def agent(self) -> str:
        """Software and version in one string."""
        return f"{self.software} {self.version}".strip()

    def details(self) -> dict[str, Any]:
        """Return the content of ``stEvt:parameters``: everything that has no field of its own and is not empty."""
        values: dict[str, Any] = {
            "version": self.version, "model": self.model, "model_sha256": self.model_sha256, "scales": list(self.scales),
            "pages": page_ranges(self.pages), "settings": self.settings, **dict(self.parameters),
        }  # fmt: skip
        return {key: value for key, value in values.items() if value not in ("", [], None)}


def page_ranges(pages: Iterable[int]) -> str:
    """Return *pages* as ranges: ``1-3,7``."""
    parts: list[list[int]] = []
    for page in sorted(set(pages)):
        if parts and page == parts[-1][1] + 1:
            parts[-1][1] = page
        else:
            parts.append([page, page])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def _pages(ranges: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        if int(last or first) - int(first) > _MOST_PAGES:
            raise ValueError(f"the range {part} is of no document")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def add_history(pdf: Path, steps: Sequence[Step], earlier: Path | None = None) -> None:
    """Append *steps* to the history of *pdf*; a step that it already has is not written again.

    A PDF/A file stays valid: the property is predefined, the metadata stream stays unfiltered, and document information,
    version, document ID, streams and linearization are kept. Equal arguments give equal bytes. The file is replaced as a
    whole or not at all.

    Args:
        pdf: the file to change.
        steps: in chronological order.
        earlier: the PDF that *pdf* was made from, whose history comes first; OCRmyPDF drops it when it makes PDF/A.

    Raises:
        OptionError: a step has no action, or a date without a time zone.
        ImageError: a file cannot be opened as a PDF, or its XMP metadata is damaged.
        OSError: the file cannot be written.
    """
    for step in steps:
        if not step.action or not _is_date(step.when, _ZONED):
            raise OptionError(
                f"A history step has the action {step.action!r} and the date {step.when!r}; "
                "give a verb, and a date with time and zone such as 2026-05-01T12:00:00+02:00."
            )
    before = [] if earlier is None else [_allowed_fields(event) for event in _events(_tree(_packet(earlier), earlier))]
    with _open(pdf) as document:
        root = _tree(_raw(document), pdf)
        known = _events(root)
        missed = [event for event in before if event and event not in known]
        new = [event for event in map(_event, steps) if event not in known]
        if not missed and not new:
            return
        history = _history(root)
        for at, event in enumerate(missed):
            history.insert(at, _element(event))
        history.extend(_element(event) for event in new)
        _advance_metadata_date(root, [event["when"] for event in new])
        etree.indent(root)
        data = _BEGIN + etree.tostring(root, encoding="utf-8") + _END
        document.Root.Metadata = document.make_stream(data, Type=pikepdf.Name.Metadata, Subtype=pikepdf.Name.XML)
        with atomic_write(pdf) as part, part.open("wb") as stream:
            document.save(
                stream, deterministic_id=True, linearize=document.is_linearized, fix_metadata_version=False,
                object_stream_mode=pikepdf.ObjectStreamMode.preserve, stream_decode_level=pikepdf.StreamDecodeLevel.none,
            )  # fmt: skip


def read_history(pdf: Path) -> list[Step]:
    """Return the history of *pdf*, the oldest step first; the parameters of other software's events are under ``text``.

    Raises:
        ImageError: as for :func:`add_history`.
    """
    return [_step(event) for event in _events(_tree(_packet(pdf), pdf))]


@contextmanager
def _open(path: Path) -> Iterator[pikepdf.Pdf]:
    """Open the PDF *path* by a stream, since pikepdf does not support names whose bytes are not text."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise ImageError(
            f"{printable_path(path)} cannot be opened ({error.strerror}); its history can be neither read nor written."
        ) from error
    with stream:
        try:
            document = pikepdf.open(stream)
        except (pikepdf.PdfError, pikepdf.PasswordError) as error:
            raise ImageError(
                f"{printable_path(path)} cannot be opened as a PDF ({error}); its history can be neither read nor written."
            ) from error
        with document:
            yield document


def _raw(document: pikepdf.Pdf) -> bytes:
    metadata = document.Root.get("/Metadata")
    return metadata.read_bytes() if isinstance(metadata, pikepdf.Stream) else b""


def _packet(path: Path) -> bytes:
    with _open(path) as document:
        return _raw(document)


def _tree(packet: bytes, path: Path) -> Any:
    """Return the packet's root element; a new one if there is no packet."""
    if not packet.strip():
        root = etree.Element(f"{{{_X}}}xmpmeta", nsmap={"x": _X})
        description = etree.SubElement(etree.SubElement(root, f"{{{_RDF}}}RDF", nsmap={"rdf": _RDF}), _DESCRIPTION)
        description.set(_ABOUT, "")
        return root
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_pis=True)
        root = etree.fromstring(packet.strip(b"\0 \t\r\n"), parser)
        if next(root.iter(_DESCRIPTION), None) is None:
            rdf = next(root.iter(f"{{{_RDF}}}RDF"), None)
            if rdf is None:
                raise ValueError("it describes nothing")
            etree.SubElement(rdf, _DESCRIPTION).set(_ABOUT, "")
        return root
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ImageError(
            f"The XMP metadata of {printable_path(path)} is damaged ({error}); its history can be neither read nor written."
        ) from error


def _events(root: Any) -> list[dict[str, str]]:
    """Return the events in order, as field -> text; in RDF, fields are elements or attributes, with or without a Description."""
    found = []
    for history in root.iter(_HISTORY):
        for item in history.iter(_LI):
            event = {}
            for node in (item, *item.iterchildren(_DESCRIPTION)):
                for key, text in node.attrib.items():
                    if key.startswith(f"{{{_EVENT}}}"):
                        event[etree.QName(key).localname] = text
                for child in node.iterchildren(f"{{{_EVENT}}}*"):
                    event[child.tag.rpartition("}")[2]] = child.text or ""
            found.append(event)
    return found


def _history(root: Any) -> Any:
    """Return the list of events; create it if there is none."""
    history = next(root.iter(_HISTORY), None)
    if history is None:
        history = etree.SubElement(next(root.iter(_DESCRIPTION)), _HISTORY, nsmap={"xmpMM": _MM, "stEvt": _EVENT})
    listed = next(history.iterchildren(f"{{{_RDF}}}*"), None)
    if listed is None:
        return etree.SubElement(history, _SEQ)
    listed.tag = _SEQ
    return listed


def _event(step: Step) -> dict[str, str]:
    parameters = step.details()
    event = {"action": step.action, "softwareAgent": step.agent, "when": step.when}
    # Escaped as ASCII, so that there is no character that XML forbids.
    event["parameters"] = json.dumps(parameters, separators=(", ", ": "), sort_keys=True) if parameters else ""
    return {key: _ILLEGAL.sub("\ufffd", text) for key, text in event.items() if text}


def _allowed_fields(event: dict[str, str]) -> dict[str, str]:
    """Return the fields of another program's event that PDF/A allows."""
    return {k: v for k, v in event.items() if k in _FIELDS and v and (k != "when" or _is_date(v, _DATE))}


def _is_date(text: str, form: re.Pattern[str]) -> bool:
    if not form.fullmatch(text):
        return False
    try:
        # A year, or a year and a month, is a date in XMP, but not in Python.
        return len(text) < 10 or bool(_moment(text))
    except ValueError:
        return False


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))


def _element(event: Mapping[str, str]) -> Any:
    item = etree.Element(_LI, nsmap={"rdf": _RDF, "stEvt": _EVENT})
    item.set(_PARSE_TYPE, "Resource")
    for name in _FIELDS:
        if name in event:
            etree.SubElement(item, f"{{{_EVENT}}}{name}").text = event[name]
    return item


def _advance_metadata_date(root: Any, dates: Sequence[str]) -> None:
    """Set ``xmp:MetadataDate``, if it is an element and older, to the newest of *dates*."""
    for element in root.iter(f"{{{_XMP}}}MetadataDate"):
        newest = max(dates, key=_moment, default="")
        if newest and _is_date(element.text or "", _ZONED) and _moment(element.text) < _moment(newest):
            element.text = newest


def _step(event: Mapping[str, str]) -> Step:
    agent, text = event.get("softwareAgent", ""), event.get("parameters", "")
    try:
        values = json.loads(text) if text else {}
        if not isinstance(values, dict):
            raise ValueError(text)
        version = str(values.pop("version", ""))
        return Step(
            event.get("action", ""), agent.removesuffix(version).rstrip(), version, event.get("when", ""),
            str(values.pop("model", "")), str(values.pop("model_sha256", "")), tuple(map(int, values.pop("scales", ()))),
            _pages(str(values.pop("pages", ""))), str(values.pop("settings", "")), values,
        )  # fmt: skip
    except (ValueError, TypeError, RecursionError):
        return Step(event.get("action", ""), agent, when=event.get("when", ""), parameters={"text": text})
