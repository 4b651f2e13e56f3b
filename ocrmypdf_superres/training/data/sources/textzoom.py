# SPDX-License-Identifier: MPL-2.0
"""TextZoom, a set of real pairs of words (Wang et al., ECCV 2020), as a source of text lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ocrmypdf_superres.training.data.lmdb_words import count_entries, open_word, read_entries
from ocrmypdf_superres.training.data.sample import Sample
from ocrmypdf_superres.training.data.sources.words import BOX, HEIGHT, WIDTH, resized_rgb
from ocrmypdf_superres.training.protocols import SourceKind
from ocrmypdf_superres.training.recipe import Source


class TextZoom:
    """TextZoom's LMDB (Wang et al., ECCV 2020), a folder with ``data.mdb``: pairs of words at two focal lengths.

    Keys: ``num-samples``, and from 1 on ``image_hr-%09d``, ``image_lr-%09d``, ``label-%09d``.

    Raises:
        MissingDependencyError: the package lmdb is not installed. OptionError: the folder is not such a database.
    """

    def __init__(self, folder: Path, language: str = "eng") -> None:
        self.folder, self.language = folder, language
        self.count = count_entries(folder)

    def line(self, index: int, scale: int = 2) -> Sample:
        """Return the pair *index*, from 0: hr float32 (3, 32, 128) and lr (3, 32 / scale, 128 / scale), RGB in [0, 1].

        Raises:
            IndexError: there is no such pair. ImageError: it is damaged.
        """
        if not 0 <= index < self.count:
            raise IndexError(index)
        keys = [f"{key}-{index + 1:09d}" for key in ("image_hr", "image_lr", "label")]
        high, low, label = read_entries(self.folder, keys)
        image = resized_rgb(open_word(self.folder, keys[0], high), (WIDTH, HEIGHT))
        lr = resized_rgb(open_word(self.folder, keys[1], low), (WIDTH // scale, HEIGHT // scale))
        return Sample(image, image, label.decode("utf-8", errors="replace"), BOX, self.language, lr)

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return a pair at its own height; *line_height* is ignored."""
        return self.line(int(rng.integers(self.count)), scale)


def _make(source: Source, data: Path, cache: Path) -> TextZoom:
    return TextZoom(data / source.folder, source.language)


KIND = SourceKind(_make, lines=True)
