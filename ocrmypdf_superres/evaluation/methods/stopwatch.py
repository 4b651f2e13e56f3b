# SPDX-License-Identifier: MPL-2.0
"""An OCRmyPDF plugin that times one run from inside: preparing the image for OCR, and reading it.

For runs of one page in one worker thread of this process. CPU seconds, so that other work on the machine does not count.
The run is told by the option ``stopwatch_file`` where to write the :class:`Lap`.
"""

from __future__ import annotations

import json
import resource
import time
from argparse import ArgumentParser
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocrmypdf import hookimpl
from pydantic import BaseModel

if TYPE_CHECKING:
    from PIL import Image


def children_seconds() -> float:
    """Return the CPU seconds of all ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@dataclass(frozen=True)
class Lap:
    """CPU seconds of the OCR image's filters, and those of child processes when the filters had ended."""

    filters: float = 0.0
    children_before_reading: float | None = None


class StopwatchOptions(BaseModel):
    """The option of this plugin: the file that the lap is written to."""

    file: str | None = None


def read_lap(path: Path) -> Lap:
    """Return the lap that a run wrote to *path*; an empty one where no OCR was reached."""
    return Lap(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else Lap()


@hookimpl
def register_options() -> dict[str, type[BaseModel]]:
    """Register the option model: ``options.stopwatch``."""
    return {"stopwatch": StopwatchOptions}


@hookimpl
def add_options(parser: ArgumentParser) -> None:
    """Add ``--stopwatch-file``."""
    parser.add_argument("--stopwatch-file", metavar="FILE", help="write the seconds that preparing the page took to this file")


@hookimpl(wrapper=True, tryfirst=True)
def filter_ocr_image(page: Any, image: Image.Image) -> Generator[None, Image.Image | None, Image.Image | None]:
    """Time all filters, this package's included where it is loaded."""
    before = time.thread_time()
    result = yield
    lap = Lap(time.thread_time() - before, children_seconds())
    Path(page.options.stopwatch.file).write_text(json.dumps(asdict(lap)), encoding="utf-8")
    return result
