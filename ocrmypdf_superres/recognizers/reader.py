# SPDX-License-Identifier: MPL-2.0
"""What the readers of the published line systems share: one size of line, an alphabet, and how they are asked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.line_layers import luma
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.metrics.text import letters_and_digits


def resized(lines: Tensor, widths: Tensor | None, size: tuple[int, int]) -> Tensor:
    """Return each line of *lines*, float (B, C, H, W), up to its width, brought to *size* (height, width), bicubic."""
    if widths is None or bool((widths == lines.shape[3]).all()):
        if tuple(lines.shape[2:]) == size:
            return lines
        return functional.interpolate(lines, size, mode="bicubic", align_corners=False)
    cut = [line[None, :, :, : int(width)] for line, width in zip(lines, widths, strict=True)]
    return torch.cat([functional.interpolate(line, size, mode="bicubic", align_corners=False) for line in cut])


class LineReader(nn.Module):
    """A reader of single words or short lines.

    Attributes:
        name: how it was asked for. size: (height, width) that lines are brought to. height: the same height.
        blank: code of the CTC blank, or of the text's end where it is an attention reader.
        classes: the characters of its codes; the blank or other signs stand as NUL characters.
    """

    name: str = "reader"
    size: tuple[int, int]
    blank: int = 0
    classes: str

    @property
    def height(self) -> int:
        """Line height in pixels that the network works at."""
        return self.size[0]

    def encode(self, text: str) -> list[int]:
        """Codes of *text* as it is compared, see :func:`~ocrmypdf_superres.metrics.text.letters_and_digits`; other characters are left out."""
        return [self.classes.index(c) for c in letters_and_digits(text)]

    def decode(self, codes: Sequence[int]) -> str:
        """Text of *codes*; signs that are no characters are left out."""
        return "".join(self.classes[code] for code in codes if self.classes[code] != "\0")

    def grey(self, lines: Tensor, widths: Tensor | None) -> Tensor:
        """Return *lines* (B, 1 or 3, H, W) as luma at the reader's size."""
        if lines.shape[1] == 3:
            lines = luma(lines)
        return resized(lines, widths, self.size)

    def loss(self, lines: Tensor, texts: Sequence[str]) -> Tensor:
        """Return the training loss, a scalar, of *lines* (B, 1, H, W) in [0, 1] that say *texts*."""
        raise NotImplementedError

    def read(self, lines: Tensor, widths: Tensor | None = None) -> list[str]:
        """Return what the reader reads in *lines* (B, 1, H, W) in [0, 1], without gradients."""
        raise NotImplementedError

    def check_layers(self, layers: Sequence[str], known: Sequence[str]) -> None:
        """Raise RecognizerError where one of *layers* is none of *known*."""
        for layer in layers:
            if layer not in known:
                raise RecognizerError(f"The reader {self.name} has no layer {layer!r}; give one of {', '.join(known)}.")
