# SPDX-License-Identifier: MPL-2.0
"""How well a tuned network reads held-out lines: greedily in PyTorch, and as a file by the installed program."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.text import TextScore, score
from ocrmypdf_superres.ocr.engines.base import LineEngine
from ocrmypdf_superres.ocr.hypothesis import Hypothesis
from ocrmypdf_superres.recognizers.base import collapse
from ocrmypdf_superres.recognizers.tesseract.format.int8 import int8_copy
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData
from ocrmypdf_superres.recognizers.tesseract.format.writer import save_traineddata
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.tesseract import read_lines
from ocrmypdf_superres.training.data.ocr_lines.stream import CLEAN, Line
from ocrmypdf_superres.training.networks.batches import stack
from ocrmypdf_superres.training.networks.lines import LinePool

_BATCH = 12
_SIZES = (5.0, 7.0, 9.0)
"""X-heights in pixels before enlarging that divide low-resolution lines into groups."""


@dataclass
class Reading:
    """Character error rates by group of lines, in percent.

    Groups are ``all``, ``low`` and ``clean``, and of low-resolution lines their x-height (``low 5-7``), variant (``low net``)
    and origin (``low scan``, ``low rendered``).
    """

    groups: dict[str, TextScore] = field(default_factory=dict)

    def add(self, line: Line, text: str) -> None:
        """Count *text*, which was read on *line*."""
        found = score(text, line.text)
        for name in ("all", *groups_of(line)):
            self.groups[name] = self.groups.get(name, TextScore()) + found

    @property
    def rates(self) -> dict[str, float]:
        """Each group's rate, in percent, ``all`` first."""
        return {name: round(100 * total.cer, 3) for name, total in self.groups.items()}

    @property
    def cer(self) -> float:
        """The rate of all lines, in percent."""
        return 100 * self.groups["all"].cer if self.groups else 0.0


def groups_of(line: Line) -> list[str]:
    """Return the groups of *line* except ``all``."""
    if line.variant == "as-is" and line.x_height >= CLEAN[0] * 0.95:
        return ["clean"]
    edges = (0.0, *_SIZES, np.inf)
    low, high = next((low, high) for low, high in pairwise(edges) if line.x_height < high)
    size = f"<{high:g}" if low == 0 else f">{low:g}" if high == np.inf else f"{low:g}-{high:g}"
    return ["low", f"low {size}", f"low {line.variant}", "low scan" if line.kind == "scan" else "low rendered"]


def read_greedily(recognizer: TesseractRecognizer, lines: Sequence[Line]) -> Reading:
    """Return how *recognizer*, whose network may be tuned, reads *lines* by its best path, their input limited as for int8."""
    pool = LinePool(recognizer, widest=1 << 16)
    kept = []
    for line in lines:
        before = len(pool)
        pool.add([line])
        kept += [line] if len(pool) > before else []
    order = np.argsort(pool.widths(), kind="stable").tolist()
    result = Reading()
    device = next(recognizer.network.parameters()).device
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        batch = stack(pool, chosen, torch.ones(len(chosen), dtype=torch.bool)).to(device)
        with torch.no_grad():
            logits, lengths = recognizer.network(batch.images, batch.widths)
        best = logits.argmax(dim=2).cpu()
        for row, index in enumerate(chosen):
            text = recognizer.decode(collapse(best[row, : int(lengths[row])].tolist(), recognizer.blank))
            result.add(kept[index], text)
    return result


def read_by_program(data: TrainedData, lines: Sequence[Line]) -> Reading:
    """Return how the installed program reads *lines* with the network of *data*, as int8 where it is a float network.

    Raises:
        MissingDependencyError, RecognizerError: the program is not installed, or refuses the file.
    """
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        file = Path(folder) / "tuned.traineddata"
        save_traineddata(data if data.integer else int8_copy(data), file)
        texts = read_lines([Image.fromarray(line.image) for line in lines], "tuned", file.parent)
    result = Reading()
    for line, text in zip(lines, texts, strict=True):
        result.add(line, text)
    return result


def read_by_engine(engine: LineEngine, language: str, lines: Sequence[Line]) -> Reading:
    """Return how another OCR *engine*, which is in no loss, reads *lines*.

    Raises:
        MissingDependencyError, RecognizerError: the engine is not installed, or fails.
    """
    result = Reading()
    for line in lines:
        result.add(line, text_by_engine(engine, [language], line))
    return result


def text_by_engine(engine: LineEngine, languages: Sequence[str], line: Line) -> str:
    """Return the text that *engine* reads on *line*; raises as :func:`read_by_engine`."""
    image = Image.fromarray(line.image)
    corners = np.array([(0, 0), (image.width, 0), (image.width, image.height), (0, image.height)], dtype=np.float64)
    found = Hypothesis(engine.recognize(image, [corners], languages, 300.0))
    return " ".join(word.text for word in found.words)


def writable(recognizer: TesseractRecognizer, lines: Iterable[Line]) -> list[Line]:
    """Return those of *lines* whose text the charset has."""
    kept = []
    for line in lines:
        try:
            recognizer.encode(line.text)
        except RecognizerError:
            continue
        kept.append(line)
    return kept


def table(columns: Mapping[str, Reading]) -> list[str]:
    """Return the rows of a Markdown table of the rates of *columns*."""
    names = list(next(iter(columns.values())).groups) if columns else []
    rows = [f"| lines | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name in sorted(names, key=lambda name: (name != "all", name != "low", name)):
        rates = (reading.groups.get(name) for reading in columns.values())
        rows.append(f"| {name} | {' | '.join('-' if rate is None else f'{100 * rate.cer:.2f}' for rate in rates)} |")
    return rows
