# SPDX-License-Identifier: MPL-2.0
"""The state of a page that one hook of OCRmyPDF stores for the next one.

OCRmyPDF runs the hooks of a page one after another in one thread of one process (``_exec_page_sync`` is the task that its
executors run; a test holds this for threads and processes). So one slot per thread is enough. The hook
that takes the state names its page and the size of its image, and gets nothing where they do not match.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from PIL import Image

from ocrmypdf_superres.log_once import log_once
from ocrmypdf_superres.page.dewarp.surface import Surface
from ocrmypdf_superres.plugin.record import PageRecord

log = logging.getLogger("ocrmypdf.superres")


@dataclass
class PageState:
    """One page between two hooks.

    Attributes:
        record: what happened to the page so far.
        size: (width, height) in pixels of the image that OCR is given.
        original: the page before it was enlarged, where other variants can be made of it.
        untouched: the image that OCRmyPDF made of the page, where OCR is given another.
        dpi: resolution of that image as the page's size has it, where OCR is told another; None where it is the same.
        uneven: whether evening out the paper makes another variant of the page.
        evened: whether its paper was so uneven that it was evened out before.
        hopeless: whether the page's letters are too small to be read at any size.
        turns: quarter turns, counter-clockwise, of the page's text that were undone in that image.
        surface: how the lines ran on that image, after turning, before they were made level; None where they were left.
        model_sha256: :attr:`Card.calibration_sha256` of the model that enlarged it; None for a page that was not enlarged.
    """

    record: PageRecord
    size: tuple[int, int]
    original: Image.Image | None = None
    untouched: Image.Image | None = None
    model_sha256: str | None = None
    dpi: float | None = None
    turns: int = 0
    surface: Surface | None = None
    uneven: bool = False
    evened: bool = False
    hopeless: bool = False

    @property
    def no_text(self) -> bool:
        """Whether the page was measured and no text was found on it."""
        return self.record.no_text


class _Slot(threading.local):
    state: PageState | None = None


_slot = _Slot()


def put(state: PageState) -> PageState | None:
    """Store *state* for the next hook of this page; return an earlier state that was never taken."""
    left, _slot.state = _slot.state, state
    return left


def take(page: int | None, size: tuple[int, int] | None = None) -> PageState | None:
    """Take the state of page number *page* (None where it is not known) with an image of *size*.

    None where there is none, or one of another page or image.
    """
    state, _slot.state = _slot.state, None
    if state is None or (page is not None and page != state.record.page) or (size is not None and size != state.size):
        return None
    return state


def warn_once(message: str) -> None:
    """Log a warning the first time in this process."""
    log_once(log, logging.WARNING, message)
