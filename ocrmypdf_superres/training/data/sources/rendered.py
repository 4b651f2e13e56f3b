# SPDX-License-Identifier: MPL-2.0
"""Strips of rendered text with exact ground truth: print and typewriting on uneven paper, with rules and worn letters."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.fonts import FontFile, installed_fonts, open_font
from ocrmypdf_superres.training.data.sample import LINE_PAD, STRIP_HEIGHT, STRIP_WIDTH, Sample
from ocrmypdf_superres.training.protocols import SourceKind
from ocrmypdf_superres.training.recipe import Source

log = logging.getLogger(__name__)

_CODES = {
    "deu": "deu", "eng": "eng", "fra": "fra", "gre": "ell", "ita": "ita", "nld": "nld", "pol": "pol", "por": "por",
    "rus": "rus", "spa": "spa", "ukr": "ukr",
}  # fmt: skip
_STYLED = re.compile(r"bold|italic|oblique|black|heavy|-bd|-it|thin|hairline", re.I)
_PUNCTUATION = {
    ord(sign): plain for sign, plain in zip("‘’“”—–…\u00a0_", ("'", "'", '"', '"', "-", "-", "...", " ", ""), strict=True)
}


class RenderedSource:
    """A source of strips around one rendered line, with its neighbours above and below.

    Args:
        folder: folder of text files in one folder per language (``eng/*.txt``, ...).
        weights: relative frequencies of the languages, by folder name.
        blank: share of strips without text: empty paper, rules, images.
        others: the weight of languages that *weights* does not name.

    Raises:
        OptionError: the folder holds no text, or none in the languages of *weights*, or a weight cannot be used.
    """

    def __init__(
        self, folder: Path, weights: Mapping[str, float] | None = None, blank: float = 0.06, others: float = 1.0
    ) -> None:
        self.blank = blank
        self.words: dict[str, list[str]] = {}
        for language in sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []:
            text = " ".join(p.read_text(encoding="utf-8-sig", errors="replace") for p in sorted(language.glob("*.txt")))
            words = text.translate(_PUNCTUATION).split()
            if words:
                self.words[language.name] = words
        if not self.words:
            raise OptionError(f"{folder} holds no text files in folders by language (eng/*.txt); give a folder that does.")
        self.languages = sorted(self.words)
        self.probabilities = _probabilities(folder, self.languages, weights or {}, others)
        fonts = installed_fonts()
        self.mono = [f for f in fonts if f.mono]
        self.fonts = [f for f in fonts if not f.mono] or self.mono

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return a strip whose line, with Tesseract's padding, is *line_height* hr pixels high; see :class:`SampleSource`."""
        if rng.random() < self.blank:
            return _paper_only(rng)
        language = str(rng.choice(self.languages, p=self.probabilities))
        font_file = self._font(rng, self.words[language])
        # Uneven keystrokes are what typewriting looks like most of the time.
        uneven = font_file.mono and rng.random() < 0.7
        ink = np.zeros((STRIP_HEIGHT, STRIP_WIDTH), np.float32)
        top = (STRIP_HEIGHT - line_height) // 2 + LINE_PAD
        size, ascent = _fit(font_file, line_height - 2 * LINE_PAD)
        pitch = round((line_height - 2 * LINE_PAD) * rng.uniform(0.95, 1.6))
        start = int(rng.integers(LINE_PAD + 1, 40)) if rng.random() < 0.7 else int(rng.integers(40, 200))
        room = STRIP_WIDTH - start - LINE_PAD - 2
        if rng.random() < 0.25:
            room = int(room * rng.uniform(0.3, 1.0))
        text, ends = "", start
        for row in (-2, -1, 1, 2, 0):
            if row and rng.random() < 0.2:
                continue
            line = self._text(rng, language)
            fitting, right = _render_line(
                ink, line, font_file, size, start, top + ascent + row * pitch, room if row == 0 else STRIP_WIDTH, rng, uneven
            )
            if row == 0:
                text, ends = fitting, right
        _rules(ink, rng, top, line_height - 2 * LINE_PAD)
        ink = _wear(ink, rng)
        sample = _on_paper(ink, rng, lift=0.6 if uneven else 1.0)
        if text:
            upper = top - LINE_PAD
            sample.text, sample.language = text, _CODES.get(language, language)
            sample.box = (max(0, start - LINE_PAD), upper, min(STRIP_WIDTH, ends + LINE_PAD), upper + line_height)
        return sample

    def _font(self, rng: np.random.Generator, words: list[str]) -> FontFile:
        tried = [words[i] for i in rng.integers(len(words), size=30)]
        probe = "".join(tried)
        pool = self.mono if self.mono and rng.random() < 0.35 else self.fonts
        for _ in range(50):
            font = pool[int(rng.integers(len(pool)))]
            # Most text is upright and of regular weight, but most font files are not.
            if _STYLED.search(font.path) and rng.random() < 0.65:
                continue
            if font.covers(probe):
                return font
        best = max(self.fonts, key=lambda font: sum(map(font.covers, tried)))
        if not any(map(best.covers, tried)):
            raise OptionError(f"No installed font covers words such as {tried[0]!r}; install fonts for their language.")
        return best

    def _text(self, rng: np.random.Generator, language: str) -> str:
        words = self.words[language]
        at = int(rng.integers(len(words)))
        line = [words[(at + i) % len(words)] for i in range(24)]
        kind = rng.random()
        if kind < 0.12:
            for i in rng.integers(24, size=8):
                line[int(i)] = _code(rng)
        elif kind < 0.18:
            line = [w.upper() for w in line]
        elif kind < 0.22:
            line = [w.capitalize() for w in line]
        return " ".join(line)


def _probabilities(folder: Path, languages: list[str], weights: Mapping[str, float], others: float) -> NDArray[np.float64]:
    """Return how likely each of *languages* is, those in *folder*; errors as :class:`RenderedSource`."""
    missing = sorted(set(weights) - set(languages))
    if weights and len(missing) == len(weights):
        raise OptionError(
            f"{folder} holds text in {', '.join(languages)}, text in {', '.join(missing)} was expected; correct the recipe's "
            "languages, or add the text."
        )
    if missing:
        log.warning("%s holds no text in %s, which the recipe names; the other languages are taken.", folder, ", ".join(missing))
    found = np.array([weights.get(name, others) for name in languages])
    if not (found >= 0).all() or not 0 < found.sum() < np.inf:
        raise OptionError("The weights of the recipe's languages must be 0 or more, and one of them above 0.")
    return np.asarray(found / found.sum())


def _make(source: Source, data: Path, cache: Path) -> RenderedSource:
    return RenderedSource(data / source.folder, dict(source.languages))


KIND = SourceKind(_make)


def _code(rng: np.random.Generator) -> str:
    """Return a number, date, amount or reference, as in forms and letters."""
    digits = "".join(str(d) for d in rng.integers(10, size=int(rng.integers(1, 7))))
    kinds = (
        digits, f"{rng.integers(1, 32)}/{rng.integers(1, 13)}/{rng.integers(30, 99)}", f"{digits}.{rng.integers(100):02d}",
        f"No. {digits}", f"({digits})", f"{digits}%", f"{rng.integers(1, 29)}.{rng.integers(1, 13)}.{rng.integers(1850, 2020)}",
        f"{digits}-{rng.integers(1000, 9999)}", f"${digits}",
        f"{chr(65 + int(rng.integers(26)))}.{chr(65 + int(rng.integers(26)))}.",
    )  # fmt: skip
    return kinds[int(rng.integers(len(kinds)))]


def _fit(font_file: FontFile, height: int) -> tuple[int, int]:
    """Return the font size at which ascenders to descenders span *height* pixels, and the height of ascenders in pixels."""
    probe = open_font(font_file.path, font_file.index, 100)
    _, top, _, bottom = probe.getbbox("Hdfpqg", anchor="ls")
    size = max(6, round(100 * height / max(1, bottom - top)))
    return size, round(-top * size / 100)


def _render_line(
    ink: NDArray[np.float32], text: str, font_file: FontFile, size: int, left: int, baseline: int, room: int,
    rng: np.random.Generator, uneven: bool,
) -> tuple[str, int]:  # fmt: skip
    """Render the words of *text* that fit into *room* pixels into *ink*; return their text and right end.

    With *uneven*, letters differ in height and ink, as keystrokes do.
    """
    font = open_font(font_file.path, font_file.index, size)
    words: list[str] = []
    width = 0.0
    for word in text.split():
        if not font_file.covers(word):
            continue
        longer = font.getlength(" ".join([*words, word]))
        if longer > room:
            break
        words.append(word)
        width = longer
    line = " ".join(words)
    if not line:
        return "", left
    layer = Image.new("L", (STRIP_WIDTH, STRIP_HEIGHT), 0)
    pen = ImageDraw.Draw(layer)
    if not uneven:
        pen.text((left, baseline), line, fill=255, font=font, anchor="ls")
        np.maximum(ink, np.asarray(layer, dtype=np.float32) / 255.0, out=ink)
        return line, int(left + width) + 1
    drop = size * float(rng.uniform(0.0, 0.04))
    for position, character in enumerate(line):
        x = left + font.getlength(line[:position])
        shade = int(255 * rng.uniform(0.55, 1.0))
        pen.text((x, baseline + float(rng.normal(0, drop))), character, fill=shade, font=font, anchor="ls")
    np.maximum(ink, np.asarray(layer, dtype=np.float32) / 255.0, out=ink)
    return line, int(left + width) + 1


def _rules(ink: NDArray[np.float32], rng: np.random.Generator, top: int, height: int) -> None:
    """Add an underline or a table's rule to *ink*, at random."""
    if rng.random() < 0.08:
        y = top + int(height * rng.uniform(1.02, 1.2))
        ink[y : y + int(rng.integers(1, 4)), int(rng.integers(200)) : int(rng.integers(300, STRIP_WIDTH))] = 1.0
    if rng.random() < 0.05:
        x = int(rng.integers(STRIP_WIDTH - 5))
        ink[:, x : x + int(rng.integers(1, 5))] = 1.0


def _wear(ink: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return *ink* with strokes thickened or rounded and the strip rotated a little, each at random."""
    kind = rng.random()
    if kind < 0.15:
        image = Image.fromarray((ink * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(3))
        ink = 0.5 * ink + 0.5 * np.asarray(image, dtype=np.float32) / 255.0
    elif kind < 0.3:
        image = Image.fromarray((ink * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 1.2))))
        gain = float(rng.uniform(1.5, 3.0))
        ink = np.clip((np.asarray(image, dtype=np.float32) / 255.0 - 0.5) * gain + float(rng.uniform(0.4, 0.6)), 0, 1)
    angle = float(rng.normal(0, 0.35))
    if abs(angle) > 0.1 and rng.random() < 0.4:
        image = Image.fromarray((ink * 255).astype(np.uint8)).rotate(angle, Image.Resampling.BICUBIC)
        ink = np.asarray(image, dtype=np.float32) / 255.0
    return np.asarray(ink, dtype=np.float32)


def _smooth_field(rng: np.random.Generator, cells: tuple[int, int]) -> NDArray[np.float32]:
    coarse = Image.fromarray(rng.random(cells).astype(np.float32))
    return np.asarray(coarse.resize((STRIP_WIDTH, STRIP_HEIGHT), Image.Resampling.BICUBIC), dtype=np.float32)


def _on_paper(ink: NDArray[np.float32], rng: np.random.Generator, lift: float = 1.0) -> Sample:
    """Return *ink* on paper; grain, stains and show-through are in the source image only.

    The target's ink is raised to the power *lift*: below 1, faint keystrokes are darker in the target.
    """
    paper, black = float(rng.uniform(0.75, 1.0)), float(rng.uniform(0.0, 0.3))
    if rng.random() < 0.3:
        paper, black = 1.0, 0.0
    elif rng.random() < 0.15:
        black = float(rng.uniform(0.3, 0.6))
    target = paper + (black - paper) * ink**lift
    source = paper + (black - paper) * ink
    if rng.random() < 0.35:
        source += (_smooth_field(rng, (3, 8)) - 0.5) * float(rng.uniform(0.02, 0.16))
        source = np.minimum(source, 1.0)
    if rng.random() < 0.25:
        source += (_smooth_field(rng, (int(rng.integers(20, 60)), int(rng.integers(120, 360)))) - 0.5) * float(
            rng.uniform(0.02, 0.12)
        )
    if rng.random() < 0.3:
        # Typewriter ribbon and worn type give uneven ink, which the net should even out.
        source += ink * (_smooth_field(rng, (24, 144)) - 0.3) * float(rng.uniform(0.05, 0.45)) * (paper - black)
    if rng.random() < 0.12:
        reverse = np.roll(ink[:, ::-1], (int(rng.integers(-30, 30)), int(rng.integers(-90, 90))), (0, 1))
        image = Image.fromarray((reverse * 255).astype(np.uint8))
        soft = np.asarray(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1.5, 4)))), dtype=np.float32) / 255.0
        source -= soft * float(rng.uniform(0.04, 0.2)) * (1 - ink)
    return Sample(np.clip(source, 0, 1).astype(np.float32), np.clip(target, 0, 1).astype(np.float32))


def _paper_only(rng: np.random.Generator) -> Sample:
    """Return paper without text, empty or with rules or a photograph, in which a net must not predict letters."""
    ink = np.zeros((STRIP_HEIGHT, STRIP_WIDTH), np.float32)
    kind = rng.random()
    if kind < 0.3:
        _rules(ink, rng, 20, 40)
        y = int(rng.integers(10, 80))
        ink[y : y + int(rng.integers(1, 5)), : int(rng.integers(100, STRIP_WIDTH))] = 1.0
    elif kind < 0.5:
        tone = _smooth_field(rng, (4, 12))
        ink = np.clip(tone * float(rng.uniform(0.5, 1.2)), 0, 1)
    return _on_paper(ink, rng)
