# SPDX-License-Identifier: MPL-2.0
"""Lines of a page read again: those in doubt, and ink without words."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocrmypdf.pluginspec import OcrEngine
from PIL import Image

from ocrmypdf_superres.ocr.lines.doubt import DoubtfulLine, unread_lines
from ocrmypdf_superres.ocr.variants import AS_IS, NET, make_variant
from ocrmypdf_superres.plugin.networks import NetworkChoice
from ocrmypdf_superres.plugin.readings.gathered import Gathered
from ocrmypdf_superres.plugin.readings.lines import LINE_VARIANTS, can_read_lines, lines_in_doubt, lines_within, read_lines
from ocrmypdf_superres.plugin.readings.rescue import FILLS, UNREAD_LINES


@dataclass(frozen=True)
class LineReader:
    """Reads lines of one page again.

    Attributes:
        engine: the engine that reads.
        options: OCRmyPDF's options with ``superres``.
        networks: the networks that it reads with.
        found: what was read on the page; the lines are added to it.
        target: returns the path, without suffix, of working files of a name.
        dpi: the resolution of the image that was read.
    """

    engine: OcrEngine
    options: Any
    networks: NetworkChoice
    found: Gathered
    target: Callable[[str], Path]
    dpi: tuple[float, float]

    def read(self, layout: str, page: Image.Image, x_height: float | None, handed_over: Path, left: bool) -> None:
        """Read lines of *page* again, as far as the budget goes, and note how many had no words.

        Args:
            layout: the variant whose lines stand.
            page: the original of an enlarged page, or the image that was read of one that was *left*.
            x_height: of *page*, in pixels; None where it was measured on another image.
            handed_over: the image that OCRmyPDF asked to be read.
            left: only ink without words is read, if there is enough: doubtful lines would be read from the same pixels.

        Raises:
            SuperresError, ExitCodeException, OSError: the engine failed, or took too long.
        """
        found = self.found
        doubtful: list[DoubtfulLine] = []
        unread = unread_lines(page, found.whole[layout], found.whole[layout].size, x_height)
        if not left:
            found.unread = len(unread)
        if not can_read_lines(self.engine, self.options) or (left and len(unread) < UNREAD_LINES):
            return
        if not left and found.calibration is not None:
            seams = found.mend_lines(layout)
            doubtful = lines_in_doubt(found.whole[layout], found.calibration, layout, seams)
        self._read(layout, page, doubtful, unread, handed_over, left)

    def _read(
        self,
        layout: str,
        page: Image.Image,
        doubtful: list[DoubtfulLine],
        unread: list[DoubtfulLine],
        handed_over: Path,
        left: bool,
    ) -> None:
        found, ours = self.found, self.options.superres
        taken = sum(seconds for name, seconds in found.seconds.items() if name != FILLS or layout == FILLS)
        spent = taken / max(found.seconds[NET], 1e-3)
        for variant in LINE_VARIANTS:
            chosen = lines_within(doubtful, unread, found.whole[layout], ours.budget - spent)
            if not chosen or variant not in ours.wanted_variants():
                break
            began = time.monotonic()
            with Image.open(handed_over) as net:
                image = make_variant(AS_IS if left else variant, page, net)
            asked, target = self.networks.options(), self.target(f"lines_{variant}")
            reading = read_lines(self.engine, asked, image, chosen, target, self.dpi)
            self.networks.restore(reading.page, None)
            found.lines[variant], found.line_seconds[variant] = reading, time.monotonic() - began
            spent += found.line_seconds[variant] / max(found.seconds[NET], 1e-3)
