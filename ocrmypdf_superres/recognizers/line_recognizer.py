# SPDX-License-Identifier: MPL-2.0
"""The base class of the recognizers of the published line systems: one size of line, an alphabet, and a common interface."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.layers import luma
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.text import letters_and_digits

IGNORED = -100
"""The class of padded steps, which no loss counts."""


def resized(lines: Tensor, widths: Tensor | None, size: tuple[int, int]) -> Tensor:
    """Return each line of *lines*, float (B, C, H, W), up to its width, resized to *size* (height, width), bicubic."""
    if widths is None or bool((widths == lines.shape[3]).all()):
        if tuple(lines.shape[2:]) == size:
            return lines
        return functional.interpolate(lines, size, mode="bicubic", align_corners=False)
    cut = [line[None, :, :, : int(width)] for line, width in zip(lines, widths, strict=True)]
    return torch.cat([functional.interpolate(line, size, mode="bicubic", align_corners=False) for line in cut])


def until(codes: Sequence[int], end: int) -> Sequence[int]:
    """Return *codes* up to the first *end*, which is left out; all of them where there is none."""
    return codes[: codes.index(end)] if end in codes else codes


def padded(codes: Sequence[Sequence[int]], padding: int, device: torch.device, length: int = 0) -> Tensor:
    """Return *codes* of a batch as int64 (B, T), filled up with *padding*; T is *length*, or the longest one's length."""
    result = torch.full((len(codes), length or max(len(line) for line in codes)), padding, dtype=torch.int64)
    for row, line in enumerate(codes):
        result[row, : len(line)] = torch.tensor(line, dtype=torch.int64)
    return result.to(device)


class LineRecognizer(nn.Module):
    """A recognizer of single words or short lines.

    Attributes:
        name: how it was asked for.
        size: (height, width) that lines are resized to.
        blank: code of the CTC blank, or of the text's end in an attention recognizer.
        classes: the characters of its codes; the blank and other signs are NUL characters.
    """

    name: str = "recognizer"
    size: tuple[int, int]
    blank: int = 0
    classes: str

    @property
    def height(self) -> int:
        """Line height in pixels that the network works at."""
        return self.size[0]

    def encode(self, text: str) -> list[int]:
        """Return the codes of *text* in lower case; characters other than a to z and 0 to 9 are left out."""
        return [self.classes.index(c) for c in letters_and_digits(text)]

    def decode(self, codes: Sequence[int]) -> str:
        """Return the text of *codes*; signs that are not characters are left out."""
        return "".join(self.classes[code] for code in codes if self.classes[code] != "\0")

    def grey(self, lines: Tensor, widths: Tensor | None) -> Tensor:
        """Return *lines*, float (B, 1 or 3, H, W), as luma at the recognizer's size."""
        if lines.shape[1] == 3:
            lines = luma(lines)
        return resized(lines, widths, self.size)

    def colour(self, lines: Tensor, widths: Tensor | None) -> Tensor:
        """Return *lines*, float (B, 1 or 3, H, W), as three channels at the recognizer's size; grey is replicated."""
        return resized(lines, widths, self.size).expand(-1, 3, -1, -1)

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Return the training loss, a scalar, of *lines*, float (B, 1, H, W) in [0, 1], that say *texts*."""
        raise NotImplementedError

    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        """Return the text of each of *lines*, float (B, 1 or 3, H, W) in [0, 1] and int64 (B,) *widths*, without gradients."""
        raise NotImplementedError

    def check_layers(self, layers: Sequence[str], known: Sequence[str]) -> None:
        """Raise RecognizerError where one of *layers* is not among *known*."""
        for layer in layers:
            if layer not in known:
                raise RecognizerError(f"The recognizer {self.name} has no layer {layer!r}; give one of {', '.join(known)}.")
