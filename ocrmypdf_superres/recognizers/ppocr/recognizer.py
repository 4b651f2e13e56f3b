# SPDX-License-Identifier: MPL-2.0
"""PP-OCR's recognizer of text lines, differentiable with respect to the pixels."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import torch
from onnx import ModelProto
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.ppocr.graph import OnnxGraph
from ocrmypdf_superres.recognizers.ppocr.onnx_file import characters_of, last_layer

HEIGHT = 48
NARROWEST = 320
"""The least width of its input in pixels; RapidOCR fills up narrower lines, and longer ones of a batch, with grey."""
ENCODED = "conv"
"""The layer whose output the last one makes characters of, under the name that losses ask every recognizer for."""


def scaled_width(rows: int, columns: int) -> int:
    """Return the width of a line of *rows* by *columns* pixels at :data:`HEIGHT`, rounded as RapidOCR does."""
    width = HEIGHT * columns / rows
    return max(1, min(math.ceil(width), max(NARROWEST, int(width))))


def scaled(line: Tensor) -> Tensor:
    """Return *line*, float (1, 1, H, W), at :data:`HEIGHT`: bilinear without smoothing before it, as OpenCV does."""
    size = (HEIGHT, scaled_width(line.shape[2], line.shape[3]))
    return functional.interpolate(line, size, mode="bilinear", align_corners=False)


def stacked(lines: Sequence[Tensor]) -> Tensor:
    """Return the network's input, float (B, 3, HEIGHT, W) in [-1, 1], of *lines*, float (1, 1, HEIGHT, W') in [0, 1] each."""
    width = max(NARROWEST, *(line.shape[3] for line in lines))
    batch = torch.cat([functional.pad(2 * line - 1, (0, width - line.shape[3])) for line in lines])
    return batch.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


class PPOCRRecognizer(nn.Module):
    """A :class:`~ocrmypdf_superres.recognizers.base.Recognizer` with the network of an ONNX file of PP-OCR.

    Args:
        model: as :func:`~ocrmypdf_superres.recognizers.ppocr.onnx_file.read_model` gives it.
        name: how it was asked for.

    Attributes:
        network: float (B, 3, HEIGHT, W) in [-1, 1] to probabilities (B, W / 8, K).

    Raises:
        RecognizerError: the model has unknown operators, or does not end in a linear layer and a softmax.
    """

    blank = 0
    height = HEIGHT

    def __init__(self, model: ModelProto, name: str = "ppocr") -> None:
        super().__init__()
        self.name = name
        self.network = OnnxGraph(model)
        self.characters = characters_of(model)
        self._codes = {character: code for code, character in enumerate(self.characters) if code != self.blank}
        last_layer(self.network)  # refuses a graph that ends in something else
        self._logits = self.network.made_by(self.network.output)[1][0]
        product = self.network.made_by(self._logits)[1][0]
        self._encoded = self.network.made_by(product)[1][0]
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, T, K) of *images*, float (B, 3, HEIGHT, W) in [-1, 1]."""
        return self.network(images, self._logits)  # type: ignore[no-any-return]  # nn.Module's calls return Any

    def logits(self, lines: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and steps, see :meth:`Recognizer.logits`; steps right of a line are the network's to fill with blanks."""
        found = self.forward(self._input(lines, widths))
        return found, torch.full((len(found),), found.shape[1], dtype=torch.int64, device=found.device)

    def features(self, lines: Tensor, widths: Tensor, layers: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the output of :data:`ENCODED`, the only layer, as float (B, C, 1, T); see :meth:`Recognizer.features`."""
        if set(layers) - {ENCODED}:
            raise RecognizerError(f"The recognizer {self.name} has no layer {min(set(layers) - {ENCODED})!r}; give {ENCODED}.")
        found = self.network(self._input(lines, widths), self._encoded)
        steps = torch.full((len(found),), found.shape[1], dtype=torch.int64, device=found.device)
        return {ENCODED: (found.transpose(1, 2)[:, :, None], steps)} if layers else {}

    def encode(self, text: str) -> list[int]:
        """Return the codes of *text*, whose blanks are spaces and whose letters are composed (NFC).

        Raises:
            RecognizerError: it has characters that the recognizer does not know; all are named.
        """
        composed = unicodedata.normalize("NFC", " ".join(text.split()))
        unknown = sorted(set(composed) - self._codes.keys())
        if unknown:
            raise RecognizerError(f"The recognizer {self.name} does not know {' '.join(unknown)!r}; leave out such lines.")
        return [self._codes[character] for character in composed]

    def decode(self, codes: Sequence[int]) -> str:
        """Return the text of *codes*."""
        return "".join(self.characters[code] for code in codes)

    def _input(self, lines: Tensor, widths: Tensor) -> Tensor:
        return stacked([scaled(line[None, :, :, : int(width)]) for line, width in zip(lines, widths, strict=True)])
