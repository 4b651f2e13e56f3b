# SPDX-License-Identifier: MPL-2.0
"""The stream of lines: a seed and an index give the same image and text on every machine with the same fonts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.page.plan import NOISY
from ocrmypdf_superres.training.data.ocr_lines.faces import Faces
from ocrmypdf_superres.training.data.ocr_lines.preparing import (
    FORMS,
    Enlarger,
    Form,
    Levels,
    Quality,
    crop,
    degrade,
    enlarge,
    planned_factor,
    reduce_strip,
)
from ocrmypdf_superres.training.data.ocr_lines.rendering import Strip, render
from ocrmypdf_superres.training.data.ocr_lines.scan_lines import ScanLines
from ocrmypdf_superres.training.data.ocr_lines.spelling import as_printed, as_written
from ocrmypdf_superres.training.data.ocr_lines.texts import TextSource

#: X-heights of low-resolution lines and of clean ones at 300 dpi, in pixels.
LOW, CLEAN = (3.8, 12.0), (14.0, 26.0)
#: Below the first legibility nobody could read a line, below the second half of them are kept.
ILLEGIBLE, HARD = 2.3, 3.0
_KEPT_OF_HARD = 0.5
_LEAST_CONTRAST = 0.08
_MOST_TRIES = 200
#: Smaller crops have no letters left.
_SMALLEST = 8


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        image: uint8 (H, W), as Tesseract would cut it from the page that the plugin hands over.
        text: what it says.
        kind: kind of text, or ``scan``.
        form: ``net``, ``blend``, ``lanczos`` or ``hr``, or ``as-is`` where the page is not enlarged.
        x_height: in pixels before enlarging.
    """

    image: Levels
    text: str
    kind: str
    form: str
    x_height: float


@dataclass(frozen=True)
class StreamSettings:
    """The mixture.

    Attributes:
        clean: share of clean lines at 300 dpi.
        scans: share of lines from scans, where there are any.
        others: share of lines from the other texts, where there are any.
        monospaced: share of typewriter faces among rendered lines.
        longest: characters of the longest line.
        blackletter: share of the language's own rendered lines that are in blackletter, with the spelling of its time.
        forms: of enlarged lines, in turn; ``hr`` is the line of that size before it was degraded.
    """

    clean: float = 0.15
    scans: float = 0.25
    others: float = 0.07
    monospaced: float = 0.35
    longest: int = 64
    blackletter: float = 0.0
    forms: tuple[Form, ...] = FORMS


class LineStream:
    """Lines by index.

    Args:
        texts: texts of the language, of which there are *own*, and then of others whose characters it has.
        net: enlarges strips.
        can_write: whether the recognizer's charset has all characters of a text.
        seed: another seed gives another stream.
        scans: lines of scans, if there are any.
        settings: the mixture.
        own: number of texts that are the language's own; a script has several, in turn.
    """

    def __init__(
        self,
        texts: Sequence[TextSource],
        net: Enlarger,
        can_write: Callable[[str], bool],
        seed: int,
        scans: ScanLines | None = None,
        settings: StreamSettings | None = None,
        own: int = 1,
    ) -> None:
        self.texts = list(texts)
        self.own = own
        self.net = net
        self.can_write = can_write
        self.seed = seed
        if scans is not None:
            scans.keep(can_write)
        self.scans = scans if scans is not None and len(scans) else None
        self.settings = settings or StreamSettings()
        self.faces = Faces()

    def line(self, index: int) -> Line:
        """Return line *index*.

        Raises:
            OptionError: no text can be sampled and written within many tries.
        """
        rng = np.random.default_rng((self.seed, index))
        for _ in range(_MOST_TRIES):
            line = self._attempt(rng, self.settings.forms[index % len(self.settings.forms)])
            if line is not None:
                return line
        raise OptionError(
            f"None of {_MOST_TRIES} texts for line {index} can be used; check the text's language, the charset and the fonts."
        )

    def _attempt(self, rng: np.random.Generator, form: Form) -> Line | None:
        """Return a line, or None where what was sampled cannot be used."""
        clean = rng.random() < self.settings.clean
        strip, kind, noisy, large = self._small_strip(rng, clean)
        if strip is None or not self.can_write(strip.text):
            return None
        levels = (strip.image * 255.0 + 0.5).astype(np.uint8)
        # The plan goes by the page's letters, of which a line's may differ.
        factor, scale = planned_factor(strip.x_height * float(rng.uniform(0.9, 1.1)), noisy, self.net.scales)
        if factor > 1.0:
            levels = reduce_strip(large, levels, factor) if form == "hr" else enlarge(levels, factor, scale, form, self.net)
        image = crop(levels, strip, factor, rng)
        if min(image.shape) < _SMALLEST:
            return None
        return Line(image, strip.text, kind, form if factor > 1.0 else "as-is", strip.x_height)

    def _small_strip(self, rng: np.random.Generator, clean: bool) -> tuple[Strip | None, str, bool, Strip | None]:
        """Return a strip before it is enlarged, its kind, whether it is noisy, and its hr; None where it is of no use."""
        low, high = CLEAN if clean else LOW
        x_height = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        # Letters of 300 dpi are rendered at twice their size, smaller ones at four times.
        scale, kind = 2 if clean else 4, "scan"
        if self.scans is not None and rng.random() < self.settings.scans:
            if clean:
                return self.scans.native(rng), kind, False, None
            scale, large = self.scans.strip(rng, x_height, scale)
        else:
            large, kind = self._rendered(rng, x_height * scale)
        if large is None:
            return None, kind, False, None
        strip, quality = degrade(large, scale, clean, rng)
        return strip if clean or _legible(quality, rng) else None, kind, quality.noise >= NOISY, large

    def _rendered(self, rng: np.random.Generator, x_height: float) -> tuple[Strip | None, str]:
        other = len(self.texts) > self.own and rng.random() < self.settings.others
        first, last = (self.own, len(self.texts)) if other else (0, self.own)
        source = self.texts[int(rng.integers(first, last)) if last > first + 1 else first]
        text, kind = source.line(rng, int(rng.integers(8, self.settings.longest + 1)))
        if not text or not self.can_write(text):
            return None, kind
        neighbours = [source.line(rng, self.settings.longest)[0] for _ in range(2)]
        black = not other and self.settings.blackletter > 0 and rng.random() < self.settings.blackletter
        if black:
            text, *neighbours = (as_printed(line, rng) for line in (text, *neighbours))
        try:
            choose = self.faces.choose_blackletter if black else partial(self.faces.choose, monospaced=self.settings.monospaced)
            font = choose(rng, text)
        except OptionError:
            return None, kind
        strip = render(text, font, x_height, neighbours, rng)
        return strip if strip is None else replace(strip, text=as_written(strip.text)), kind


def _legible(quality: Quality, rng: np.random.Generator) -> bool:
    """Return whether a line is kept: one that nobody could read would train the network to guess."""
    if quality.legibility < ILLEGIBLE or quality.contrast < _LEAST_CONTRAST:
        return False
    return quality.legibility >= HARD or bool(rng.random() < _KEPT_OF_HARD)


def writer(encode: Callable[[str], Sequence[int]]) -> Callable[[str], bool]:
    """Return a test whether *encode*, a charset's, accepts a text."""

    def can_write(text: str) -> bool:
        try:
            return bool(encode(text))
        except RecognizerError:
            return False

    return can_write
