# SPDX-License-Identifier: MPL-2.0
"""The stream for a language of Tesseract, from folders of text and scans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData, read_traineddata
from ocrmypdf_superres.tesseract import find_traineddata
from ocrmypdf_superres.training.data.ocr_lines.dictionary import WORD_DAWG, Dictionary
from ocrmypdf_superres.training.data.ocr_lines.scan_lines import ScanLines
from ocrmypdf_superres.training.data.ocr_lines.stream import LineStream, StreamSettings, writer
from ocrmypdf_superres.training.data.ocr_lines.templates import languages
from ocrmypdf_superres.training.data.ocr_lines.texts import TextSource
from ocrmypdf_superres.upscaling.loading import load_upscaler

#: Added to the seed of a held-out stream, so that no line of it is one of the training's.
_HELD_SEED = 1_000_003


_SCRIPTS = {"Latin": ("deu", "eng", "fra", "ita", "nld", "pol", "por", "spa")}
_TEXTS = {**_SCRIPTS, "frk": ("deu",)}
#: Of German before 1941 most is in blackletter, of which ``frk`` reads nothing else.
_SETTINGS = {"deu": StreamSettings(blackletter=0.08), "frk": StreamSettings(blackletter=0.92, others=0.0, monospaced=0.02)}


@dataclass(frozen=True)
class Sources:
    """Where lines come from.

    Attributes:
        text: folder of text files in one folder a language (``eng/*.txt``).
        scans: folder of page scans with ground truth, or None.
        cache: folder for what Tesseract reads on the scans.
        model: model that enlarges.
    """

    text: Path
    scans: Path | None
    cache: Path
    model: str = "docsr-s2"


def dictionary_words(data: TrainedData) -> list[str]:
    """Return the words of letters alone, hyphens and apostrophes included, in the dictionary of *data*; none without one."""
    component = data.components.get(WORD_DAWG)
    if not component:
        return []
    words = Dictionary(component, data.charset.unichars).words()
    return sorted(word for word in words if len(word) > 2 and word.replace("-", "").replace("'", "").isalpha())


def texts_of(language: str) -> tuple[str, ...]:
    """Return the languages whose texts and templates lines of *language* have: several of a script, German of ``frk``.

    Raises:
        OptionError: there are none.
    """
    name = language.rpartition("/")[2]
    found = _TEXTS.get(name, (name,))
    if not set(found) <= set(languages()):
        known = sorted({*languages(), *_TEXTS})
        raise OptionError(f"There is no text for the language {language!r}; known are {', '.join(known)}.")
    return found


def settings_of(language: str) -> StreamSettings:
    """Return the usual mixture of *language*."""
    return _SETTINGS.get(language.rpartition("/")[2], StreamSettings())


def build_stream(
    language: str, sources: Sources, seed: int = 0, *, held: bool = False, settings: StreamSettings | None = None
) -> LineStream:
    """Return the stream of *language*, or with *held* the one of texts, documents and seeds that the other one never uses.

    A script, such as ``script/Latin``, has the texts of its languages in turn.

    Raises:
        OptionError: the folders hold no text of the language.
        RecognizerError: the language is not installed.
    """
    names = texts_of(language)
    data = read_traineddata(find_traineddata(language))
    can_write = writer(data.charset.encode)
    # A script's list of words is of a hundred languages, that of frk is of misread ones.
    words = dictionary_words(data) if names == (language,) else []
    own = [TextSource(sources.text / name, name, held=held, dictionary=words) for name in names]
    others = []
    for name in languages():
        folder = sources.text / name
        if name not in names and folder.is_dir():
            try:
                others.append(TextSource(folder, name, held=held))
            except OptionError:
                continue
    # Of another script no line can be written, and each would cost a try.
    usable = [source for source in others if sum(can_write(word) for word in source.words[:200]) > 150]
    scans = _scans(language, sources, held)
    net = load_upscaler(sources.model, device="cpu", threads=1)
    seed += _HELD_SEED if held else 0
    return LineStream([*own, *usable], net, can_write, seed, scans, settings or settings_of(language), own=len(own))


def _scans(language: str, sources: Sources, held: bool) -> ScanLines | None:
    if sources.scans is None:
        return None
    script = language.rpartition("/")[2] in _SCRIPTS
    # A script reads all languages, but pages in blackletter have a network of their own.
    return ScanLines(sources.scans, "" if script else language, sources.cache, held=held, without="frk" if script else "")
