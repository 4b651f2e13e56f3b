# SPDX-License-Identifier: MPL-2.0
"""The stream of lines for one of Tesseract's languages, from folders of text and scans."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.store import DEFAULT_MODEL
from ocrmypdf_superres.recognizers.tesseract.format.container import WORD_DAWG
from ocrmypdf_superres.recognizers.tesseract.format.dawg import read_word_graph
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData, read_traineddata
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.ocr_lines.line_pairs import LinePairs
from ocrmypdf_superres.training.data.ocr_lines.scan_lines import ScanLines
from ocrmypdf_superres.training.data.ocr_lines.stream import LineStream, StreamSettings, encodable_with
from ocrmypdf_superres.training.data.ocr_lines.templates import languages
from ocrmypdf_superres.training.data.ocr_lines.texts import TextSource
from ocrmypdf_superres.upscaling.loading import load_upscaler

#: Added to the seed of a held-out stream, so that none of its lines is a training line.
_HELD_SEED = 1_000_003

_SCRIPTS = {"Latin": ("deu", "eng", "fra", "ita", "nld", "pol", "por", "spa")}
_TEXTS = {**_SCRIPTS, "frk": ("deu",)}
#: Most German print from before 1941 is blackletter; ``frk`` reads nothing else.
_SETTINGS = {"deu": StreamSettings(blackletter=0.08), "frk": StreamSettings(blackletter=0.92, others=0.0, monospaced=0.02)}

FEW_SCAN_LINES = 500
"""Scans in a language with fewer lines in all get a smaller share, and scans in other languages are added.

A network for Czech, a quarter of whose lines were of two pages, read held-out scans worse the longer it was trained.
"""


@dataclass(frozen=True)
class Sources:
    """Where lines come from.

    Attributes:
        text: folder with a folder of text files per language (``eng/*.txt``), or None for lines of scans and line images alone.
        scans: folder of page scans with ground truth, or None.
        cache: folder for Tesseract's readings of the scans.
        model: name or folder of the model that enlarges.
        pairs: folder of line images with their text, in the language, or None.
    """

    text: Path | None
    scans: Path | None
    cache: Path
    model: str = DEFAULT_MODEL
    pairs: Path | None = None


def dictionary_words(data: TrainedData) -> list[str]:
    """Return the words of three letters or more in the dictionary of *data*, sorted; none if it has no dictionary.

    Words with characters other than letters, hyphens and apostrophes are left out.
    """
    component = data.components.get(WORD_DAWG)
    if not component:
        return []
    words = read_word_graph(component, data.charset.unichars, data.source).words()
    return sorted(word for word in words if len(word) > 2 and word.replace("-", "").replace("'", "").isalpha())


def signs_of(data: TrainedData) -> list[str]:
    """Return the punctuation marks, symbols, fractions and superscripts that the charset of *data* has."""
    single = [char for char in data.charset.unichars if len(char) == 1]
    return [char for char in single if unicodedata.category(char)[0] in "PS" or unicodedata.category(char) == "No"]


def texts_of(language: str) -> tuple[str, ...]:
    """Return the languages whose texts and templates are used for *language*: several for a script, German for ``frk``.

    Raises:
        OptionError: there are none.
    """
    name = language.rpartition("/")[2]
    found = _TEXTS.get(name, (name,))
    if not set(found) <= set(languages()):
        known = sorted({*languages(), *_TEXTS})
        raise OptionError(f"There is no text for the language {language!r}; give one of {', '.join(known)}.")
    return found


def settings_of(language: str) -> StreamSettings:
    """Return the default mixture for *language*."""
    return _SETTINGS.get(language.rpartition("/")[2], StreamSettings())


def build_stream(
    language: str, sources: Sources, seed: int = 0, *, held: bool = False, settings: StreamSettings | None = None
) -> LineStream:
    """Return the stream for *language*, or with *held* a stream of held-out texts and documents, with other seeds.

    A script, such as ``script/Latin``, has texts in each of its languages.

    Raises:
        OptionError: the folders hold no text of the language, or no line.
        RecognizerError: the language is not installed.
    """
    data = read_traineddata(find_traineddata(language))
    is_encodable = encodable_with(data.charset.encode)
    chosen = settings or settings_of(language)
    own, usable = _texts(language, sources.text, data, held) if sources.text is not None else ([], [])
    if not own and sources.scans is None and sources.pairs is None:
        raise OptionError("There is neither text nor a scan to take lines from; give one of them.")
    scans, foreign = _scans(language, sources, held), None
    if scans is not None and not held and language.rpartition("/")[2] not in (*_SCRIPTS, "frk"):
        scans.keep(is_encodable)
        if own and len(scans) < FEW_SCAN_LINES and sources.scans is not None:
            chosen = replace(chosen, scans=chosen.scans * len(scans) / FEW_SCAN_LINES)
            foreign = ScanLines(sources.scans, "", sources.cache, without=("frk", language))
    pairs = None if sources.pairs is None else LinePairs(sources.pairs, held=held)
    net = load_upscaler(sources.model, device="cpu", threads=1)
    seed += _HELD_SEED if held else 0
    texts = [*own, *usable]
    return LineStream(texts, net, is_encodable, seed, scans, chosen, own=max(1, len(own)), foreign=foreign, pairs=pairs)


def _texts(language: str, folder: Path, data: TrainedData, held: bool) -> tuple[list[TextSource], list[TextSource]]:
    """Return the texts in *language*, and those in others that the charset of *data* can encode."""
    names = texts_of(language)
    is_encodable = encodable_with(data.charset.encode)
    # The dictionary of a script mixes a hundred languages, and that of frk has misread words.
    words = dictionary_words(data) if names == (language,) else []
    signs = signs_of(data)
    own = [TextSource(folder / name, name, held=held, dictionary=words, signs=signs) for name in names]
    others = []
    for name in languages():
        if name not in names and (folder / name).is_dir():
            try:
                others.append(TextSource(folder / name, name, held=held, signs=signs))
            except OptionError:
                continue
    # Lines in another script cannot be encoded, and each would waste an attempt.
    return own, [source for source in others if sum(is_encodable(word) for word in source.words[:200]) > 150]


def _scans(language: str, sources: Sources, held: bool) -> ScanLines | None:
    if sources.scans is None:
        return None
    script = language.rpartition("/")[2] in _SCRIPTS
    # The network of a script reads all its languages, but blackletter pages have a network of their own.
    return ScanLines(sources.scans, "" if script else language, sources.cache, held=held, without=("frk",) if script else ())
