# SPDX-License-Identifier: MPL-2.0
"""One log line and one JSON record per page, safe for threads and processes."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocrmypdf_superres.files import append_line
from ocrmypdf_superres.plugin.guard import guard

log = logging.getLogger("ocrmypdf.superres")


@dataclass
class PageRecord:
    """What happened to one page.

    Attributes:
        file: the input file's name as the user gave it.
        page: page number, from 1.
        action: ``enlarged``, ``left`` or ``failed``.
        reason: why, in one clause.
        source: ``raster`` or ``native``: where the pixels came from.
        size, new_size: (width, height) in pixels before and after.
        dpi, new_dpi: claimed dpi (x) before and after.
        scale: the net's scale.
        x_height: measured x-height in pixels before; None where not measured or without text.
        lines, ink: text lines on the page (about) and share of ink, where measured.
        model, device: what enlarged the page.
        seconds: time that planning and enlarging took.
        faults: what failed on the page, one clause each; the JSON record has them where there are any.
        extra: further fields of later steps; the JSON record has them beside the others.
    """

    file: str
    page: int
    action: str = "left"
    reason: str = ""
    source: str = "raster"
    size: tuple[int, int] | None = None
    new_size: tuple[int, int] | None = None
    dpi: float | None = None
    new_dpi: float | None = None
    scale: int | None = None
    x_height: float | None = None
    lines: int | None = None
    ink: float | None = None
    model: str | None = None
    device: str | None = None
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def no_text(self) -> bool:
        """Whether the page was measured and no text was found on it."""
        return self.ink is not None and self.x_height is None

    def to_json(self) -> str:
        """Return the record as one line of JSON that UTF-8 can hold, without line end; numbers rounded for reading."""
        values = asdict(self)
        extra = values.pop("extra")
        if not self.faults:
            del values["faults"]
        values.update({key: value for key, value in extra.items() if key not in values})
        for key, value in values.items():
            if isinstance(value, float):
                values[key] = round(value, 5)
        line = json.dumps(values, ensure_ascii=False)
        # File names may hold one of Unicode's line ends, or bytes that are not UTF-8 (surrogates in Python).
        plain = len(line.splitlines()) == 1 and not any("\ud800" <= letter <= "\udfff" for letter in line)
        return line if plain else json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> PageRecord:
        """Return the record that :meth:`to_json` wrote; unknown fields go to ``extra``."""
        values = json.loads(text)
        names = set(cls.__dataclass_fields__) - {"extra"}
        extra = {key: values.pop(key) for key in list(values) if key not in names}
        for key in ("size", "new_size"):
            values[key] = tuple(values[key]) if values.get(key) else None
        return cls(**values, extra=extra)

    def fail(self) -> None:
        """Note that the page is left unchanged, for the last of :attr:`faults`."""
        self.action, self.reason = "failed", self.faults.pop().partition(": ")[2]
        self.new_size = self.new_dpi = self.scale = None

    @property
    def level(self) -> int:
        """The level of the log line: a warning where something failed; else one that OCRmyPDF shows with ``-v 1``."""
        return logging.WARNING if self.action == "failed" or self.faults else logging.DEBUG

    def sentence(self) -> str:
        """Return the log line."""
        if self.action == "enlarged" and self.size and self.new_size:
            said = (
                f"enlarged {self.size[0]}x{self.size[1]} to {self.new_size[0]}x{self.new_size[1]} "
                f"with {self.model} x{self.scale} on {self.device}: {self.reason}"
            )
        elif self.action == "failed":
            said = f"page {self.page} is left unchanged: {self.reason}"
        else:
            said = f"page left as it is: {self.reason}"
        if self.source == "native":
            said += ", embedded image"
        said = f"superres: {said} ({self.seconds:.2f} s)"
        return said + "".join(f"; page {self.page} {fault}" for fault in self.faults)


def emit(record: PageRecord, report: str | None, on_error: str = "skip") -> None:
    """Write the log line and, where *report* names a file, append the record to it.

    A report that cannot be written is a warning: the page is worth more.

    Raises:
        SuperresPageError: the report cannot be written, and *on_error* is ``fail``.
    """
    log.log(record.level, "%s", record.sentence())
    if report is None:
        return
    with guard("cannot be written to the report", record.page, on_error):
        append_line(Path(report), record.to_json())
