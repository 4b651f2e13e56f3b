# SPDX-License-Identifier: MPL-2.0
"""The protocol of recognizers, and functions for any of them.

A recognizer reads single lines of text. It is differentiable with respect to the pixels, its own weights
are frozen, and it has a codec between text and the codes of its softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["Recognizer"]


@runtime_checkable
class Recognizer(Protocol):
    """A frozen, differentiable recognizer of text lines; usually an ``nn.Module``.

    Attributes:
        name: how it was asked for, for example ``tesseract:eng``.
        height: line height in pixels that its network works at (lines of any height may be given).
        blank: code of the CTC blank.
    """

    name: str
    height: int
    blank: int

    def logits(self, lines: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the unnormalised log-probabilities of every code at every step.

        Args:
            lines: float (B, 1, H, W) in [0, 1], 1 is white paper; dark ink on light paper. Columns right
                of a line's width are ignored.
            widths: int64 (B,), valid pixels of each line, 1..W.

        Returns:
            Logits (B, T, K) and the number of valid steps of each line, int64 (B,).
        """
        ...

    def features(self, lines: Tensor, widths: Tensor, layers: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the outputs of inner layers: name -> (float (B, C, H', W'), valid columns int64 (B,)).

        Raises:
            RecognizerError: a layer is not known; the message lists those that are.
        """
        ...

    def encode(self, text: str) -> list[int]:
        """Return the codes of *text*, without blanks.

        Raises:
            RecognizerError: characters that it does not know, all of them listed.
        """
        ...

    def decode(self, codes: Sequence[int]) -> str:
        """Return the text of *codes* (no blanks, repeats already merged); the inverse of :meth:`encode`."""
        ...


def collapse(path: Sequence[int], blank: int) -> list[int]:
    """Merge repeats in *path* and drop blanks: the labelling of a CTC path (Graves et al. 2006, eq. 1)."""
    codes: list[int] = []
    previous = blank
    for code in path:
        if code != previous and code != blank:
            codes.append(code)
        previous = code
    return codes


def read_lines(recognizer: Recognizer, lines: Tensor, widths: Tensor) -> list[str]:
    """Return the text of each line by greedy (best path) decoding; shapes as in :meth:`Recognizer.logits`."""
    with torch.no_grad():
        logits, lengths = recognizer.logits(lines, widths)
    best = logits.argmax(dim=-1).cpu()
    return [
        recognizer.decode(collapse(best[index, : int(length)].tolist(), recognizer.blank))
        for index, length in enumerate(lengths.tolist())
    ]


def stack_lines(images: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Put line images (H, W) of one height side by side in a batch.

    Returns float (B, 1, H, W) padded with white (1) on the right, and the widths int64 (B,).
    """
    widths = torch.tensor([image.shape[-1] for image in images], dtype=torch.int64)
    height = images[0].shape[-2]
    batch = images[0].new_full((len(images), 1, height, int(widths.max())), 1.0)
    for index, image in enumerate(images):
        batch[index, 0, :, : image.shape[-1]] = image
    return batch, widths
