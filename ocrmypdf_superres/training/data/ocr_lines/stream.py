# SPDX-License-Identifier: MPL-2.0
"""The stream of lines: a seed and an index give the same image and text on every machine with the same fonts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ocrmypdf_superres.errors import OptionError, RecognizerError
from ocrmypdf_superres.page.plan import NOISY
from ocrmypdf_superres.training.data.ocr_lines.line_fonts import LineFonts
from ocrmypdf_superres.training.data.ocr_lines.line_images import (
    VARIANTS,
    Enlarger,
    Levels,
    LineVariant,
    Quality,
    crop,
    degrade,
    enlarge,
    planned_factor,
    reduce_strip,
)
from ocrmypdf_superres.training.data.ocr_lines.rendering import Strip, render
from ocrmypdf_superres.training.data.ocr_lines.scan_lines import RealLines
from ocrmypdf_superres.training.data.ocr_lines.spelling import as_printed, as_written
from ocrmypdf_superres.training.data.ocr_lines.texts import TextSource

#: Ranges of x-heights in pixels: of low-resolution lines, and of clean lines at 300 dpi.
LOW, CLEAN = (3.8, 12.0), (14.0, 26.0)
#: Lines of lower legibility than the first are dropped, as nobody could read them; below the second, half are kept.
ILLEGIBLE, HARD = 2.3, 3.0
_KEPT_OF_HARD = 0.5
_LEAST_CONTRAST = 0.08
_MAX_ATTEMPTS = 200
#: Smaller crops, in pixels, show no letters.
_SMALLEST = 8


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        image: uint8 (H, W), as Tesseract would cut it from the page that the plugin hands over.
        text: transcription.
        kind: one of :data:`~.texts.KINDS`, or ``scan``.
        variant: ``net``, ``blend``, ``lanczos`` or ``hr``; ``as-is`` if the page is not enlarged.
        x_height: in pixels before enlarging.
    """

    image: Levels
    text: str
    kind: str
    variant: str
    x_height: float


@dataclass(frozen=True)
class StreamSettings:
    """The mixture of lines.

    Attributes:
        clean: share of clean lines at 300 dpi.
        line_pairs: share of lines from line images with their text, if there are any; the other shares are of the rest.
        scans: share of lines from scans in the language, if there are any.
        foreign_scans: share of lines from scans in other languages, if there are any.
        others: share of lines in other languages, if there are texts in any.
        monospaced: probability of a typewriter font for a rendered line.
        longest: maximum number of characters in a line.
        blackletter: share of the language's own rendered lines that are in blackletter, with the spelling of its time.
        variants: of enlarged lines, in rotation; ``hr`` is the line at the enlarged size without degradation.
    """

    clean: float = 0.15
    line_pairs: float = 0.4
    scans: float = 0.25
    foreign_scans: float = 0.08
    others: float = 0.07
    monospaced: float = 0.35
    longest: int = 64
    blackletter: float = 0.0
    variants: tuple[LineVariant, ...] = VARIANTS


class LineStream:
    """Lines by index.

    Args:
        texts: *own* texts of the language, followed by texts of others that its charset can encode.
        net: enlarges strips.
        is_encodable: tells whether the recognizer's charset has all characters of a text.
        seed: of the stream.
        scans: lines of scans; those that cannot be encoded are removed from it.
        foreign: lines of scans in other languages, likewise.
        pairs: line images with their text, likewise.
        settings: the mixture.
        own: number of texts that are the language's own; a script has several, used at random.

    Without *texts* all lines are of scans or line images, whatever the mixture says.

    Raises:
        OptionError: there are no texts, and no line of a scan or line image that can be used.
    """

    def __init__(
        self,
        texts: Sequence[TextSource],
        net: Enlarger,
        is_encodable: Callable[[str], bool],
        seed: int,
        scans: RealLines | None = None,
        settings: StreamSettings | None = None,
        own: int = 1,
        foreign: RealLines | None = None,
        pairs: RealLines | None = None,
    ) -> None:
        self.texts = list(texts)
        self.own = own
        self.net = net
        self.is_encodable = is_encodable
        self.seed = seed
        self.settings = settings or StreamSettings()
        for one in (scans, foreign, pairs):
            if one is not None:
                one.keep(is_encodable)
        self.scans = scans
        self.foreign = foreign
        self.pairs = pairs or None
        self.from_scans = self.settings.scans if scans else 0.0
        self.from_foreign = self.settings.foreign_scans if foreign else 0.0
        self.from_pairs = self.settings.line_pairs if self.pairs else 0.0
        if not self.texts:
            if not (self.scans or self.foreign or self.pairs):
                raise OptionError(
                    "No line of the scans or line images has a text that is certain and that the language can write, and no "
                    "text to render was given; give texts with --text, or other scans."
                )
            self.from_scans, self.from_foreign = (1.0, 0.0) if self.scans else (0.0, 1.0)
            self.from_pairs = self.from_pairs if self.scans or self.foreign else 1.0
        self.fonts = LineFonts()

    def line(self, index: int) -> Line:
        """Return line *index*.

        Raises:
            OptionError: no usable line was found in many attempts.
        """
        rng = np.random.default_rng((self.seed, index))
        for _ in range(_MAX_ATTEMPTS):
            line = self._attempt(rng, self.settings.variants[index % len(self.settings.variants)])
            if line is not None:
                return line
        raise OptionError(
            f"None of {_MAX_ATTEMPTS} attempts at line {index} failed; check the text's language, the charset and the fonts."
        )

    def _attempt(self, rng: np.random.Generator, variant: LineVariant) -> Line | None:
        """Return a line, or None if the sampled one is not usable."""
        clean = rng.random() < self.settings.clean
        strip, kind, noisy, large = self._small_strip(rng, clean)
        if strip is None or not self.is_encodable(strip.text):
            return None
        levels = (strip.image * 255.0 + 0.5).astype(np.uint8)
        # The plugin plans by the x-height of the page, from which a line's may differ.
        factor, scale = planned_factor(strip.x_height * float(rng.uniform(0.9, 1.1)), noisy, self.net.scales)
        if factor > 1.0:
            levels = reduce_strip(large, levels, factor) if variant == "hr" else enlarge(levels, factor, scale, variant, self.net)
        image = crop(levels, strip, factor, rng)
        if min(image.shape) < _SMALLEST:
            return None
        return Line(image, strip.text, kind, variant if factor > 1.0 else "as-is", strip.x_height)

    def _small_strip(self, rng: np.random.Generator, clean: bool) -> tuple[Strip | None, str, bool, Strip | None]:
        """Return a strip before enlarging, its kind, whether it is noisy, and its hr strip; no strip if it is not usable."""
        low, high = CLEAN if clean else LOW
        x_height = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        # Lines at 300 dpi are rendered at twice their size, smaller ones at four times.
        scale, kind = 2 if clean else 4, "scan"
        source = self._real_lines(rng)
        if source is not None:
            if clean:
                return source.native(rng, CLEAN[1]), kind, False, None
            scale, large = source.strip(rng, x_height, scale)
        else:
            large, kind = self._rendered(rng, x_height * scale)
        if large is None:
            return None, kind, False, None
        strip, quality = degrade(large, scale, clean, rng)
        return strip if clean or _legible(quality, rng) else None, kind, quality.noise >= NOISY, large

    def _real_lines(self, rng: np.random.Generator) -> RealLines | None:
        """Return where the next line is to come from, None if it is to be rendered."""
        if self.pairs is not None and rng.random() < self.from_pairs:
            return self.pairs
        sample = float(rng.random())
        scans = self.scans if sample < self.from_scans else self.foreign
        return scans if sample < self.from_scans + self.from_foreign else None

    def _rendered(self, rng: np.random.Generator, x_height: float) -> tuple[Strip | None, str]:
        other = len(self.texts) > self.own and rng.random() < self.settings.others
        first, last = (self.own, len(self.texts)) if other else (0, self.own)
        source = self.texts[int(rng.integers(first, last)) if last > first + 1 else first]
        text, kind = source.line(rng, int(rng.integers(8, self.settings.longest + 1)))
        if not text or not self.is_encodable(text):
            return None, kind
        neighbours = [source.line(rng, self.settings.longest)[0] for _ in range(2)]
        black = not other and self.settings.blackletter > 0 and rng.random() < self.settings.blackletter
        if black:
            text, *neighbours = (as_printed(line, rng) for line in (text, *neighbours))
        try:
            choose = self.fonts.choose_blackletter if black else partial(self.fonts.choose, monospaced=self.settings.monospaced)
            font = choose(rng, text)
        except OptionError:
            return None, kind
        strip = render(text, font, x_height, neighbours, rng)
        return strip if strip is None else replace(strip, text=as_written(strip.text)), kind


def _legible(quality: Quality, rng: np.random.Generator) -> bool:
    """Return whether a line is kept; one that cannot be read would train the network to guess."""
    if quality.legibility < ILLEGIBLE or quality.contrast < _LEAST_CONTRAST:
        return False
    return quality.legibility >= HARD or bool(rng.random() < _KEPT_OF_HARD)


def encodable_with(encode: Callable[[str], Sequence[int]]) -> Callable[[str], bool]:
    """Return a function that tells whether *encode*, a charset's, accepts a text of at least one code."""

    def is_encodable(text: str) -> bool:
        try:
            return bool(encode(text))
        except RecognizerError:
            return False

    return is_encodable
