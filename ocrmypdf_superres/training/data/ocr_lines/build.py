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


def build_stream(
    language: str, sources: Sources, seed: int = 0, *, held: bool = False, settings: StreamSettings | None = None
) -> LineStream:
    """Return the stream of *language*, or with *held* the one of texts, documents and seeds that the other one never uses.

    Raises:
        OptionError: the folders hold no text of the language.
        RecognizerError: the language is not installed.
    """
    data = read_traineddata(find_traineddata(language))
    own = TextSource(sources.text / language, language, held=held, dictionary=dictionary_words(data))
    others = []
    for name in languages():
        folder = sources.text / name
        if name != language and folder.is_dir():
            try:
                others.append(TextSource(folder, name, held=held))
            except OptionError:
                continue
    can_write = writer(data.charset.encode)
    # Of another script no line can be written, and each would cost a try.
    usable = [source for source in others if sum(can_write(word) for word in source.words[:200]) > 150]
    scans = ScanLines(sources.scans, language, sources.cache, held=held) if sources.scans is not None else None
    net = load_upscaler(sources.model, device="cpu", threads=1)
    return LineStream([own, *usable], net, can_write, seed + (_HELD_SEED if held else 0), scans, settings)
