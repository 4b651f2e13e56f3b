# SPDX-License-Identifier: MPL-2.0
"""The port's greedy text compared with the installed binary's on the same line images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ocrmypdf_superres.metrics.text import align, edit_distance
from ocrmypdf_superres.page.image import FloatImage, to_luma
from ocrmypdf_superres.recognizers.base import collapse, stack_lines
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer
from ocrmypdf_superres.recognizers.tesseract.verification.beam_search import best_codes
from ocrmypdf_superres.recognizers.tesseract.verification.integer import IntegerNetwork
from ocrmypdf_superres.tesseract import read_lines

# Below this mean certainty Tesseract reads the inverted image as well and keeps the more certain reading.
INVERT_BELOW = 0.7
BATCH = 16
"""Lines that the port reads at once, at most."""


@dataclass(frozen=True)
class Comparison:
    """Texts of one line: of the port, of the binary, and the truth if known."""

    name: str
    port: str
    binary: str
    truth: str | None = None

    @property
    def edits(self) -> int:
        """Edits between port and binary."""
        return edit_distance(self.port, self.binary)

    def rows(self) -> tuple[str, str, str]:
        """Return port, marks and binary, to print above each other; a mark is where they differ."""
        pairs = align(self.port, self.binary)
        upper = "".join(left or " " for left, _ in pairs)
        marks = "".join(" " if left == right else "^" for left, right in pairs)
        lower = "".join(right or " " for _, right in pairs)
        return upper, marks.rstrip(), lower


@dataclass(frozen=True)
class Summary:
    """Counts over lines: *cer* and the error rates against the truth in percent, None without truths."""

    lines: int
    identical: int
    cer: float
    port_cer: float | None
    binary_cer: float | None

    def __str__(self) -> str:
        text = f"{self.lines} lines, {self.identical} identical, CER port to binary {self.cer:.2f} %"
        if self.port_cer is not None and self.binary_cer is not None:
            text += f", to the truth: port {self.port_cer:.2f} %, binary {self.binary_cer:.2f} %"
        return text


def summarise(comparisons: Sequence[Comparison]) -> Summary:
    """Return metrics over *comparisons*; rates are edits per character of the binary's text, or of the truth."""
    letters = max(1, sum(len(item.binary) for item in comparisons))
    wrong = sum(item.edits for item in comparisons)
    known = [item for item in comparisons if item.truth is not None]
    true_letters = max(1, sum(len(item.truth or "") for item in known))
    port = sum(edit_distance(item.port, item.truth or "") for item in known) * 100.0 / true_letters
    binary = sum(edit_distance(item.binary, item.truth or "") for item in known) * 100.0 / true_letters
    same = sum(item.port == item.binary for item in comparisons)
    return Summary(len(comparisons), same, wrong * 100.0 / letters, port if known else None, binary if known else None)


def port_texts(recognizer: TesseractRecognizer, images: Sequence[Image.Image], search: bool = False) -> list[str]:
    """Return the text of each of *images*, greedy or by Tesseract's own *search*; light on dark is tried as Tesseract does."""
    arrays = [torch.from_numpy(np.ascontiguousarray(line_grey(image))) for image in images]
    texts = [""] * len(arrays)
    for group in _groups(arrays):
        lines, widths = stack_lines([arrays[index] for index in group])
        for index, text, certainty in zip(group, *_read(recognizer, lines, widths, search), strict=True):
            texts[index] = text
            if certainty < INVERT_BELOW:
                width = arrays[index].shape[1]
                other = 1.0 - arrays[index][None, None]
                turned, sure = _read(recognizer, other, torch.tensor([width]), search)
                if sure[0] > certainty:
                    texts[index] = turned[0]
    return texts


def line_grey(image: Image.Image) -> FloatImage:
    """Return the grey of *image* as Tesseract weighs it (0.3 R + 0.5 G + 0.2 B), float32 (H, W) in [0, 1]."""
    if image.mode in ("RGB", "RGBA", "P"):
        colours = np.asarray(image.convert("RGB"), dtype=np.float32)
        grey = np.floor(colours @ np.array([0.3, 0.5, 0.2], dtype=np.float32) + 0.5)
        result: FloatImage = (grey / 255.0).astype(np.float32)
        return result
    return to_luma(image)


def _groups(arrays: Sequence[torch.Tensor]) -> Iterator[list[int]]:
    """Yield indices of lines of one height and similar width, at most :data:`BATCH` at a time."""
    order = sorted(range(len(arrays)), key=lambda index: tuple(arrays[index].shape))
    group: list[int] = []
    for index in order:
        if group and (len(group) == BATCH or arrays[index].shape[0] != arrays[group[0]].shape[0]):
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _read(
    recognizer: TesseractRecognizer, lines: torch.Tensor, widths: torch.Tensor, search: bool
) -> tuple[list[str], list[float]]:
    with torch.no_grad():
        logits, lengths = recognizer.logits(lines, widths)
    shares = logits.softmax(dim=-1)
    best, codes = shares.max(dim=-1)
    texts, certainties = [], []
    for index, length in enumerate(lengths.tolist()):
        path, sure = codes[index, :length], best[index, :length]
        if search:
            found = best_codes(shares[index, :length].double().numpy(), recognizer.charset)
        else:
            found = collapse(path.tolist(), recognizer.blank)
        texts.append(recognizer.decode(found))
        inked = sure[path != recognizer.blank]
        certainties.append(float(inked.mean()) if len(inked) else 1.0)
    return texts, certainties


def integer_texts(recognizer: TesseractRecognizer, images: Sequence[Image.Image], search: bool = False) -> list[str]:
    """Return the text of each of *images* by the exact integer forward pass, greedy or by Tesseract's own *search*.

    Set ``recognizer.rounding`` for an input that is rounded as Tesseract's is.
    """
    network = IntegerNetwork(recognizer.data)
    texts = []
    for image in images:
        grey = torch.from_numpy(np.ascontiguousarray(line_grey(image)))
        best = (-1.0, "")
        for level in (grey, 1.0 - grey):
            with torch.no_grad():
                value, widths = recognizer.prepare(level[None, None], torch.tensor([grey.shape[1]]))
            logits = network.logits(value[0, 0, :, : int(widths[0])].double().numpy())
            share = np.exp(logits - logits.max(axis=1, keepdims=True))
            share /= share.sum(axis=1, keepdims=True)
            path = logits.argmax(axis=1)
            inked = share.max(axis=1)[path != recognizer.blank]
            sure = float(inked.mean()) if len(inked) else 1.0
            greedy = collapse(path.tolist(), recognizer.blank)
            text = recognizer.decode(best_codes(share, recognizer.charset) if search else greedy)
            if sure > best[0]:
                best = (sure, text)
            if best[0] >= INVERT_BELOW:
                break
        texts.append(best[1])
    return texts


def compare(
    recognizer: TesseractRecognizer,
    images: Sequence[Image.Image],
    names: Sequence[str],
    language: str,
    truths: Sequence[str | None] | None = None,
    tessdata: Path | None = None,
) -> list[Comparison]:
    """Read *images* with both, the binary by ``--psm 13`` with *language* from *tessdata*."""
    port = port_texts(recognizer, images)
    binary = read_lines(images, language, tessdata)
    known = list(truths) if truths is not None else [None] * len(port)
    return [Comparison(*row) for row in zip(names, port, binary, known, strict=True)]
