# SPDX-License-Identifier: MPL-2.0
"""A tuned recognizer of RapidOCR against the one that it was tuned from, on prepared lines, by the package itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.evaluation.networks.tuned_network import INSTALLED, TUNED
from ocrmypdf_superres.metrics.text import edit_distance, fold
from ocrmypdf_superres.modelstore.rapidocr_networks import RAPIDOCR_CARD, RapidocrNetwork
from ocrmypdf_superres.modelstore.writer import model_folder, write_card
from ocrmypdf_superres.ocr.engines.rapidocr import RapidOcrEngine, TunedRapidOcrEngine
from ocrmypdf_superres.training.data.ocr_lines.stream import Line
from ocrmypdf_superres.training.networks.reading import text_by_engine


def read_by_rapidocr(
    network: RapidocrNetwork, lines: Sequence[Line], track: Callable[[Sequence[Line]], Iterable[Line]] = iter
) -> dict[str, list[float]]:
    """Return the edit distance of what RapidOCR reads on each of *lines* with its own recognizer and with *network*.

    Lines that it is too unsure of to give a text count as an empty one. Texts are folded as for every CER of the project.

    Raises:
        MissingDependencyError: RapidOCR is not installed.
        RecognizerError: the network's file is damaged, or RapidOCR fails.
    """
    engines = {INSTALLED: RapidOcrEngine(), TUNED: TunedRapidOcrEngine(network)}
    found: dict[str, list[float]] = {name: [] for name in engines}
    languages = list(network.card.languages)
    for line in track(lines):
        for name, engine in engines.items():
            text = text_by_engine(engine, languages, line)
            found[name].append(float(edit_distance(fold(text), fold(line.text))))
    return found


def change_rapidocr_card(network: RapidocrNetwork, **values: Any) -> RapidocrNetwork:
    """Return *network* with *values* in its card, written to its folder as a whole; raises OSError."""
    files = [file for file in (network.file(), network.int8_file()) if file is not None]
    contents, card = {file.name: file.read_bytes() for file in files}, replace(network.card, **values)
    with model_folder(network.folder, RAPIDOCR_CARD, RecognizerError) as made:
        for name, content in contents.items():
            (made / name).write_bytes(content)
        write_card(card, made / RAPIDOCR_CARD)
    return RapidocrNetwork(card, network.folder)
