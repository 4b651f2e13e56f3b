# SPDX-License-Identifier: MPL-2.0
"""Words read on rendered pages of every kind without text, by OCRmyPDF alone and with the plugin."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ocrmypdf_superres.evaluation.methods.readings import ocrmypdf_text
from ocrmypdf_superres.page.image import from_luma
from ocrmypdf_superres.training.data.rendered_pages.page import render
from ocrmypdf_superres.training.data.rendered_pages.scripts import SCRIPTS
from ocrmypdf_superres.training.data.rendered_pages.without_text import WITHOUT_TEXT

PLUGIN = "ocrmypdf_superres"
SIZES: tuple[tuple[int, int, float], ...] = ((620, 877, 75.0), (827, 1169, 100.0), (1240, 1754, 150.0))
"""Width, height and dpi of the pages, in turn: sheets of A4."""


@dataclass(frozen=True)
class InventedWords:
    """The words in the text layer of a page without text, and the seconds it costs, with and without the plugin.

    They are CPU seconds of Tesseract and of what comes before it, and those that further engines took.
    """

    kind: str
    alone: int
    plugin: int
    enlarged: bool
    seconds_alone: float
    seconds_plugin: float


def invented_on_rendered_pages(count: int, seed: int) -> Iterator[InventedWords]:
    """Yield what is read on *count* rendered pages of each kind.

    Raises:
        SuperresError: OCRmyPDF ends with an error.
    """
    for kind in WITHOUT_TEXT:
        for index in range(count):
            random_ = random.Random(f"invented {seed} {kind} {index}")
            width, height, dpi = SIZES[index % len(SIZES)]
            image = from_luma(render(kind, SCRIPTS[0], dpi / 14, (width, height), random_).luma)
            alone = ocrmypdf_text(image, dpi, "eng")
            ours = ocrmypdf_text(image, dpi, "eng", plugins=[PLUGIN])
            yield InventedWords(
                kind, len(alone.text.split()), len(ours.text.split()), ours.details.get("action") == "enlarged",
                alone.tesseract_seconds,
                ours.tesseract_seconds + ours.superres_seconds + sum(ours.details.get("opinion_seconds", {}).values()),
            )  # fmt: skip


def by_kind(found: Iterable[InventedWords]) -> dict[str, list[InventedWords]]:
    """Return *found* by kind of page."""
    kinds: dict[str, list[InventedWords]] = {}
    for one in found:
        kinds.setdefault(one.kind, []).append(one)
    return kinds
