# SPDX-License-Identifier: MPL-2.0
"""Lines of an institution's own scans and of its text, made in a process beside the training."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import read_traineddata
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.ocr_lines.build import settings_of, texts_of
from ocrmypdf_superres.training.data.ocr_lines.scan_lines import ScanLines
from ocrmypdf_superres.training.data.ocr_lines.shards import make_shards, shard_paths
from ocrmypdf_superres.training.data.ocr_lines.stream import LineStream, encodable_with
from ocrmypdf_superres.training.data.ocr_lines.texts import TextSource
from ocrmypdf_superres.training.data.split import LEARNT_FOLDER, selection_side
from ocrmypdf_superres.upscaling.loading import load_upscaler

log = logging.getLogger(__name__)

HELD_SHARDS, MOST_SHARDS = 1, 40
SCANS, CLEAN = 0.6, 0.2
"""Shares of lines from the scans, where text is rendered too, and of lines as they are at the scans' own resolution."""
_SEED = 7


@dataclass(frozen=True)
class OwnLines:
    """Where lines of one language come from, and where they go to.

    Attributes:
        run: the folder with ``train``, ``held-out`` and, where there are enough, ``selection``: pages with an index; lines go
            to ``lines`` in it.
        language: Tesseract's.
        model: enlarges.
        text: folder of texts by language to render; without it the pages' own text is.
    """

    run: Path
    language: str
    model: str
    text: Path | None = None

    def folder(self, held: bool = False) -> Path:
        """Return the folder of the lines, or of those that are held out."""
        return self.run / "lines" / f"{self.language.rpartition('/')[2]}{'-held' if held else ''}"

    @property
    def stop(self) -> Path:
        """The file whose presence ends :func:`make_own_lines`."""
        return self.folder() / "stop"

    def count(self, held: bool = False) -> int:
        """Return the number of files of lines."""
        return len(shard_paths(self.folder(held)))


def make_own_lines(own: OwnLines) -> None:
    """Make held-out lines, and then lines to train on until there are enough or the file :attr:`OwnLines.stop` is there.

    Raises:
        OptionError: the pages have no line whose text is certain.
        RecognizerError: the language is not installed.
    """
    own.folder().mkdir(parents=True, exist_ok=True)
    own.stop.unlink(missing_ok=True)
    list(make_shards(_stream(own, held=True), own.folder(held=True), HELD_SHARDS))
    stream = _stream(own, held=False)
    for number in _until(own.stop):
        list(make_shards(stream, own.folder(), 1, number))


def _until(stop: Path) -> Iterator[int]:
    return (number for number in range(MOST_SHARDS) if not stop.exists())


def _stream(own: OwnLines, held: bool) -> LineStream:
    """Return lines of the pages to learn from and of text, or of the pages to choose weights by alone."""
    side = selection_side(own.run) if held else LEARNT_FOLDER
    scans = ScanLines(own.run / side, own.language, own.run / "lines", held=None)
    is_encodable = encodable_with(read_traineddata(find_traineddata(own.language)).charset.encode)
    scans.keep(is_encodable)
    if not len(scans):
        raise OptionError(
            f"No line of the pages {'to choose weights by' if held else 'to learn from'} is read by Tesseract with certainty and "
            f"can be written by {own.language}; give pages whose text files are right, better scans, or their --language."
        )
    log.info("%d lines of %d pages, %s.", len(scans), len(scans.pixels), side)
    texts = [] if held else _texts(own)
    settings = replace(settings_of(own.language), clean=CLEAN, scans=SCANS if texts else 1.0, others=0.0)
    net = load_upscaler(own.model, device="cpu", threads=1)
    return LineStream(texts, net, is_encodable, _SEED + held, scans, settings, own=max(1, len(texts)))


def _texts(own: OwnLines) -> list[TextSource]:
    """Return the texts to render, none where there is too little or there are no templates for the language."""
    try:
        names = texts_of(own.language)
        if own.text is not None:
            return [TextSource(own.text / name, name, whole=True) for name in names]
        return [TextSource(own.run / "text", names[0] if len(names) == 1 else "eng", whole=True)]
    except OptionError as error:
        log.info("Lines of the scans alone are used: %s", error)
        return []
