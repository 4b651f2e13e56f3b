# SPDX-License-Identifier: MPL-2.0
"""Samples for the line nets: rendered words like TextZoom's, and folders of line images.

The hr images are 32 x 128 pixels, for scale 2 the lr images 16 x 64.  Rendered words have no lr image; the recipe's
degradation makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ocrmypdf_superres.errors import ImageError, OptionError
from ocrmypdf_superres.files import read_text
from ocrmypdf_superres.page.image import DECODING_ERRORS, flatten
from ocrmypdf_superres.training.data.files import partner_of, transcribed
from ocrmypdf_superres.training.data.fonts import FontFile, open_font
from ocrmypdf_superres.training.data.sample import Sample
from ocrmypdf_superres.training.data.sources.rendered import RenderedSource
from ocrmypdf_superres.training.protocols import SourceKind
from ocrmypdf_superres.training.recipe import Source

HEIGHT, WIDTH = 32, 128
BOX = (0, 0, WIDTH, HEIGHT)
Array = NDArray[np.float32]


def resized_rgb(image: Image.Image, size: tuple[int, int]) -> Array:
    """Return *image* as RGB, resized to *size* (width, height) with bicubic resampling: float32 (3, height, width) in [0, 1]."""
    rgb = np.asarray(flatten(image).convert("RGB"), dtype=np.float32) / np.float32(255)
    bands = [Image.fromarray(np.ascontiguousarray(rgb[..., band])).resize(size, Image.Resampling.BICUBIC) for band in range(3)]
    return np.clip(np.stack([np.asarray(band, dtype=np.float32) for band in bands]), 0, 1)


class WordSource(RenderedSource):
    """Rendered words, either one stretched to the image's width, as in TextZoom, or several at their own aspect ratio.

    Args:
        folder: folder of text files in one folder per language, as for :class:`RenderedSource`.
        weights: relative frequencies of the languages, others get 0; None for equal ones.
        stretched: share of stretched words.

    Raises:
        OptionError: as for :class:`RenderedSource`.
    """

    def __init__(self, folder: Path, weights: Mapping[str, float] | None = None, stretched: float = 0.4) -> None:
        # The recognizers know only a-z, so languages that are not named are left out.
        super().__init__(folder, weights, blank=0.0, others=0.0 if weights else 1.0)
        self.stretched = stretched

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return a sample of :data:`HEIGHT` x :data:`WIDTH` pixels; *line_height* and *scale* are ignored.

        Raises:
            OptionError: no installed font covers the words of the language.
        """
        language = str(rng.choice(self.languages, p=self.probabilities))
        for _ in range(20):
            font_file = self._font(rng, self.words[language])
            words = self._text(rng, language).split()
            render = self._stretched if rng.random() < self.stretched else self._unstretched
            ink = render(rng, words, font_file)
            if ink is not None:
                text, layer = ink
                image = _on_paper(layer, rng)
                return Sample(image, image, text, BOX, language)
        raise OptionError(f"No installed font covers the words of the language {language}; install fonts for it.")

    def _stretched(self, rng: np.random.Generator, words: list[str], font_file: FontFile) -> tuple[str, Array] | None:
        """Return the first of *words* and its ink, stretched to the whole image; None if it is not usable."""
        word = words[0][:16]
        if not word or not font_file.covers(word):
            return None
        font = open_font(font_file.path, font_file.index, 64)
        left, top, right, bottom = font.getbbox(word, anchor="ls")
        margin = [int(rng.integers(1, 12)) for _ in range(4)]
        size = (round(right - left) + margin[0] + margin[1], round(bottom - top) + margin[2] + margin[3])
        # A dash would be stretched over the whole image; TextZoom's narrowest words are about half as wide as tall.
        if bottom - top < 20 or right - left < 12 or size[0] > 1500:
            return None
        layer = Image.new("L", size, 0)
        ImageDraw.Draw(layer).text((margin[0] - left, margin[2] - top), word, fill=255, font=font, anchor="ls")
        return word, _to_float(layer.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))

    def _unstretched(self, rng: np.random.Generator, words: list[str], font_file: FontFile) -> tuple[str, Array] | None:
        """Return as many of *words* as fit, and their ink; None if none does."""
        size = int(rng.integers(44, 66))
        # Rendered at three times the size and reduced, so that edges fall between pixels as in scans.
        font: ImageFont.FreeTypeFont = open_font(font_file.path, font_file.index, size)
        ascent, descent = font.getbbox("Hdfpqg", anchor="ls")[1], font.getbbox("Hdfpqg", anchor="ls")[3]
        if descent - ascent > 3 * HEIGHT:
            return None
        chosen: list[str] = []
        room = 3 * WIDTH - 12
        for word in words:
            if not font_file.covers(word) or font.getlength(" ".join([*chosen, word])) > room:
                break
            chosen.append(word)
        if not chosen:
            return None
        layer = Image.new("L", (3 * WIDTH, 3 * HEIGHT), 0)
        room_below = 3 * HEIGHT - (descent - ascent)
        baseline = float(rng.uniform(0.25, 0.75)) * room_below - ascent
        text = " ".join(chosen)
        ImageDraw.Draw(layer).text((float(rng.uniform(2, 10)), baseline), text, fill=255, font=font, anchor="ls")
        return text, _to_float(layer.resize((WIDTH, HEIGHT), Image.Resampling.BOX))


def _to_float(layer: Image.Image) -> Array:
    """Return *layer*, mode L, as float32 (H, W) in [0, 1]."""
    return np.asarray(layer, dtype=np.float32) / np.float32(255)


def _on_paper(ink: Array, rng: np.random.Generator) -> Array:
    """Return *ink*, float32 in [0, 1], on paper of random brightness: float32 in [0, 1], 1 is white."""
    paper, black = float(rng.uniform(0.7, 1.0)), float(rng.uniform(0.0, 0.35))
    if rng.random() < 0.3:
        paper, black = 1.0, 0.0
    value = paper + (black - paper) * ink
    if rng.random() < 0.3:
        slope = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None] * np.float32(rng.uniform(-0.06, 0.06))
        value = value + slope * (1 - ink)
    return np.asarray(np.clip(value, 0, 1), dtype=np.float32)


class FolderLines:
    """Line images with their texts.

    Args:
        folder: folder of hr images with ``NAME.gt.txt`` beside them.
        low: folder of lr images with the same names, or None.
        language: Tesseract's code of the texts' language.

    Raises:
        OptionError: there is no image with a text, or one has no lr image in *low*.
    """

    def __init__(self, folder: Path, low: Path | None = None, language: str = "eng") -> None:
        self.language = language
        self.items: list[tuple[Path, Path | None, str]] = []
        for path, label in transcribed(folder.rglob("*")) if folder.is_dir() else []:
            lr = None if low is None else partner_of(path, folder, low)
            self.items.append((path, lr, read_text(label).strip()))
        if not self.items:
            raise OptionError(f"{folder} holds no line images with texts, such as 001.png and 001.gt.txt; give another folder.")

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return a random line, as :meth:`line` does; *line_height* is ignored."""
        return self.line(int(rng.integers(len(self.items))), scale)

    def line(self, index: int, scale: int) -> Sample:
        """Return line *index* of :attr:`items`, with its lr image if there are any.

        Raises:
            ImageError: an image is damaged.
        """
        path, lr_path, text = self.items[index]
        image = resized_rgb(open_line(path), (WIDTH, HEIGHT))
        lr = None if lr_path is None else resized_rgb(open_line(lr_path), (WIDTH // scale, HEIGHT // scale))
        return Sample(image, image, text, BOX, self.language, lr)


def open_line(path: Path) -> Image.Image:
    """Return the image in the file *path*.

    Raises:
        ImageError: it is damaged.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except DECODING_ERRORS as error:
        raise ImageError(f"The line image {path} cannot be read: {error}; leave it out.") from error


def _make_words(source: Source, data: Path, cache: Path) -> WordSource:
    return WordSource(data / source.folder, dict(source.languages))


def _make_lines(source: Source, data: Path, cache: Path) -> FolderLines:
    return FolderLines(data / source.folder, data / source.low if source.low else None, source.language)


WORDS = SourceKind(_make_words, lines=True)
LINES = SourceKind(_make_lines, lines=True, low="optional")
