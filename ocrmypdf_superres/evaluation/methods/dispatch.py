# SPDX-License-Identifier: MPL-2.0
"""The methods that are compared, by name: each reads one page and says what it cost.

as-is, lanczos, bicubic, native, peers and nets by themselves give the image to Tesseract directly (as-is through OCRmyPDF
reads the same text, which a test holds); oversample and the plugin's methods are real OCRmyPDF runs on a PDF made of the
image, whose sidecar text is scored. All seconds are CPU seconds of one thread: Tesseract's from the child processes'
accounts, super-resolution's from the clock of the worker's thread, with loading the net (once a process).
"""

from __future__ import annotations

import time
from typing import Any

from PIL import Image

from ocrmypdf_superres.evaluation.data.pages import Case
from ocrmypdf_superres.evaluation.methods.images import TARGET_DPI, lanczos_image, lr_image, peer_image, resampled
from ocrmypdf_superres.evaluation.methods.names import ENGINE_METHODS, OWN_NETWORKS_AS, PLUGIN_OPTIONS
from ocrmypdf_superres.evaluation.methods.peers import Peer
from ocrmypdf_superres.evaluation.methods.readings import Reading, engine_text, ocrmypdf_text, tesseract_text
from ocrmypdf_superres.evaluation.methods.stopwatch import children_seconds
from ocrmypdf_superres.page.image import from_luma, to_luma
from ocrmypdf_superres.tesseract import RAW_LINE


def _peer_text(original: Image.Image, dpi: float, languages: str, peer: Peer, line: bool) -> Reading:
    children, thread = children_seconds(), time.thread_time()
    image = peer_image(original, dpi, peer, line)
    seconds = children_seconds() - children + time.thread_time() - thread
    reading = tesseract_text(image, TARGET_DPI, languages, RAW_LINE if line else None, peer.tessdata)
    return Reading(reading.text, reading.tesseract_seconds, seconds)


def read(case: Case, method: str, model: str, peer: Peer | None = None) -> Reading:
    """Return what *method* reads on *case*; *peer* is the user's own method that *method* names, if it names one.

    Raises:
        SuperresError: the page or the method's program fails.
    """
    languages = case.page.languages
    mode = RAW_LINE if case.page.line else None
    if method == "native":
        with Image.open(case.page.image) as opened:
            luma = to_luma(opened)
        return tesseract_text(from_luma(luma), case.page.dpi, languages, mode)
    image, dpi = lr_image(case)
    if peer is not None and peer.networks is None:
        return _peer_text(image, dpi, languages, peer, case.page.line)
    if method in ENGINE_METHODS:
        return engine_text(method, image, dpi, languages)
    if method == "as-is":
        return tesseract_text(image, dpi, languages, mode)
    if method == "lanczos":
        return tesseract_text(lanczos_image(image, dpi), TARGET_DPI, languages, mode)
    if method == "bicubic":
        return tesseract_text(resampled(image, dpi, Image.Resampling.BICUBIC), TARGET_DPI, languages, mode)
    # A single line is too little to measure the height of text by.
    line: dict[str, Any] = {"tesseract_pagesegmode": RAW_LINE} if case.page.line else {}
    if method == "oversample":
        return ocrmypdf_text(image, dpi, languages, oversample=int(TARGET_DPI), **line)
    options = PLUGIN_OPTIONS[OWN_NETWORKS_AS if peer is not None else method]
    networks = {"superres_networks": peer.networks} if peer is not None else {}
    trigger = {"superres_trigger": "always"} if case.page.line else {}
    return ocrmypdf_text(
        image, dpi, languages, plugins=["ocrmypdf_superres"], superres_model=model, superres_device="cpu",
        superres_threads=1, **options, **networks, **line, **trigger,
    )  # fmt: skip
