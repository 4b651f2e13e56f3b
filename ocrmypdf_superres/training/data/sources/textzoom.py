# SPDX-License-Identifier: MPL-2.0
"""TextZoom, a set of real pairs of words (Wang et al., ECCV 2020), as a source of text lines."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from ocrmypdf_superres.errors import MissingDependencyError, OptionError
from ocrmypdf_superres.training.data.sample import Sample
from ocrmypdf_superres.training.data.sources.words import BOX, HEIGHT, WIDTH, fitted, open_line
from ocrmypdf_superres.training.protocols import SourceKind
from ocrmypdf_superres.training.recipe import Source

_databases: dict[tuple[int, str], Any] = {}


def _database(folder: Path) -> Any:
    """Return the open database in *folder*; a process may open it once only, and none travels to another process."""
    try:
        import lmdb
    except ModuleNotFoundError as error:
        raise MissingDependencyError("TextZoom needs the package lmdb; run: pip install 'ocrmypdf-superres[train]'") from error
    key = os.getpid(), str(folder.resolve())
    if key not in _databases:
        try:
            _databases[key] = lmdb.open(key[1], readonly=True, lock=False, create=False)
        except lmdb.Error as error:
            raise OptionError(f"{folder} is not an LMDB of TextZoom ({error}); give a folder with data.mdb.") from error
    return _databases[key]


class TextZoom:
    """TextZoom's LMDB (Wang et al., ECCV 2020), a folder with ``data.mdb``: pairs of words at two focal lengths.

    Keys: ``num-samples``, and from 1 on ``image_hr-%09d``, ``image_lr-%09d``, ``label-%09d``.

    Raises:
        MissingDependencyError: the package lmdb is not installed. OptionError: the folder is not such a database.
    """

    def __init__(self, folder: Path, language: str = "eng") -> None:
        self.folder, self.language = folder, language
        count = self._get("num-samples")
        if not count.isdigit() or int(count) < 1:
            raise OptionError(f"{folder} has no proper num-samples; give a folder of TextZoom, such as train1.")
        self.count = int(count)

    def _get(self, key: str) -> bytes:
        with _database(self.folder).begin() as transaction:
            value = transaction.get(key.encode())
        if value is None:
            raise OptionError(f"{self.folder} lacks the entry {key}; give a folder of TextZoom, such as train1.")
        return bytes(value)

    def line(self, index: int, scale: int = 2) -> Sample:
        """Return the pair *index*, from 0: hr float32 (32, 128) and lr (32 / scale, 128 / scale) in [0, 1].

        Raises:
            IndexError: there is no such pair. ImageError: it is damaged.
        """
        if not 0 <= index < self.count:
            raise IndexError(index)
        high, low, label = (self._get(f"{key}-{index + 1:09d}") for key in ("image_hr", "image_lr", "label"))
        image = fitted(open_line(io.BytesIO(high)), (WIDTH, HEIGHT))
        lr = fitted(open_line(io.BytesIO(low)), (WIDTH // scale, HEIGHT // scale))
        return Sample(image, image, label.decode("utf-8", errors="replace"), BOX, self.language, lr)

    def sample(self, rng: np.random.Generator, line_height: int, scale: int) -> Sample:
        """Return a pair; its height is its own, whatever *line_height* says."""
        return self.line(int(rng.integers(self.count)), scale)


def _make(source: Source, data: Path, cache: Path) -> TextZoom:
    return TextZoom(data / source.folder, source.language)


KIND = SourceKind(_make, lines=True)
