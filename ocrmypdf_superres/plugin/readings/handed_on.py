# SPDX-License-Identifier: MPL-2.0
"""What of the readings of a page is handed on to OCRmyPDF."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ocrmypdf_superres.ocr.merge.vote import Merged
from ocrmypdf_superres.ocr.variants import NET
from ocrmypdf_superres.plugin.reading import Reading, Result
from ocrmypdf_superres.plugin.readings.rescue import OTHER_PIXELS


def result_of(readings: Mapping[str, Reading], merged: Merged | None, joined: Collection[str]) -> Result:
    """Return the result for a page: *merged*, in the engine's own files where they hold the same.

    Args:
        readings: by variant, as the engine wrote them.
        merged: the words to hand on; None where none are known.
        joined: the variants whose lines are no longer those that the engine wrote.
    """
    if merged is None:
        reading = readings.get(NET) or next(iter(readings.values()))
        return Result(reading.text, reading.tree, reading.file, reading.hocr)
    if merged.mixed or merged.layout in joined or merged.layout not in readings:
        return Result(merged.hypothesis.text(), merged.hypothesis.page, None, None)
    reading = readings[merged.layout]
    # The engine's own hOCR of another image may be in other pixels.
    same = merged.layout not in OTHER_PIXELS
    file = reading.file if same or reading.file != reading.hocr else None
    return Result(reading.text or merged.hypothesis.text(), merged.hypothesis.page, file, reading.hocr if same else None)
