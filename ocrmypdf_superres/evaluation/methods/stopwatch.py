# SPDX-License-Identifier: MPL-2.0
"""An OCRmyPDF plugin that times one run from inside: preparing the image for OCR, and reading it.

For runs of one page in one worker thread of this process.  CPU seconds, so that other work on the machine does not count.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocrmypdf import hookimpl

if TYPE_CHECKING:
    from PIL import Image


def children_seconds() -> float:
    """Return the CPU seconds of all ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@dataclass
class Lap:
    """CPU seconds of the OCR image's filters, and those of child processes when the filters had ended."""

    filters: float = 0.0
    children_before_reading: float | None = None


lap = Lap()


def start() -> Lap:
    """Set the watch to zero; return what the next run will fill in."""
    global lap
    lap = Lap()
    return lap


@hookimpl(wrapper=True, tryfirst=True)
def filter_ocr_image(page: Any, image: Image.Image) -> Generator[None, Image.Image | None, Image.Image | None]:
    """Time all filters, this package's included where it is loaded."""
    before = time.thread_time()
    result = yield
    lap.filters += time.thread_time() - before
    lap.children_before_reading = children_seconds()
    return result
