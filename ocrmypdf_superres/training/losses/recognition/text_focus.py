# SPDX-License-Identifier: MPL-2.0
"""Text-focus loss (Chen et al., Scene Text Telescope, CVPR 2021): where an attention recognizer looks, and its reading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.layers import grey_of
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.metrics.text import letters_and_digits
from ocrmypdf_superres.recognizers import folder
from ocrmypdf_superres.recognizers.base import stack_lines
from ocrmypdf_superres.recognizers.line_recognizer import resized
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.losses.recognition.confusion import confusion_weights
from ocrmypdf_superres.training.losses.recognition.recognizer_features import steps_mask
from ocrmypdf_superres.training.protocols import Target

NARROWEST = 16
"""Lines of fewer hr pixels hold no word."""


class AttentionRecognizer(Protocol):
    """A frozen, differentiable recognizer with attention, which is given the text (teacher forcing).

    Attributes:
        size: (height, width) of the lines that it reads.
    """

    size: tuple[int, int]

    def targets(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the codes of each of *texts*, with the end."""
        ...

    def attend(self, lines: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, K) and soft-maxed maps (B, heads, T, places) for *lines* (B, 1, H, W) and codes (B, T)."""
        ...


def position_loss(sr_maps: Tensor, hr_maps: Tensor, lengths: Tensor) -> Tensor:
    """Mean of abs(A_hr - A_sr) over heads, places and valid steps; hr is detached.

    *sr_maps*, *hr_maps*: float (B, heads, T, places); *lengths*: valid steps, int64 (B,).  The authors' code averages
    padded steps too, which makes the value depend on the longest text of a batch; here they are left out.
    """
    valid = steps_mask(sr_maps.shape[2], lengths).to(sr_maps)
    distance = (sr_maps - hr_maps.detach()).abs().mean(dim=(1, 3))
    return (distance * valid).sum() / valid.sum().clamp(min=1.0)


def content_loss(logits: Tensor, targets: Tensor, lengths: Tensor, confusion: Tensor | None = None) -> Tensor:
    """Mean over valid steps of -log(w_gg exp z_g / sum_j w_gj exp z_j), g the true code.

    *logits*: float (B, T, K); *targets*: int64 (B, T), any code where padded; *lengths*: int64 (B,); *confusion*:
    positive weights w (K, K), larger for codes that look alike; without it all 1, which is the plain cross-entropy.
    """
    if confusion is not None:
        logits = logits + confusion.to(logits).log()[targets]
    loss = functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    valid = steps_mask(loss.shape[1], lengths).to(loss)
    return (loss * valid).sum() / valid.sum().clamp(min=1.0)


class TextFocusLoss(nn.Module):
    """``position`` L_pos + ``content`` L_rec of lines, weights as published (10 and 0.0005, beside a mean squared error).

    Args:
        recognizer: the attention recognizer. confusion: see :func:`content_loss`.
    """

    def __init__(
        self, recognizer: AttentionRecognizer, confusion: Tensor | None = None, position: float = 10.0, content: float = 0.0005
    ) -> None:
        super().__init__()
        self.recognizer = recognizer
        self.confusion = confusion
        self.position = position
        self.content = content

    def forward(self, sr: Tensor, hr: Tensor, codes: Sequence[Sequence[int]]) -> Tensor:
        """Return the loss, a scalar.

        *sr*, *hr*: lines, float (B, 1, H, W) in [0, 1]; *codes*: B texts as the recognizer's codes.
        """
        lengths = torch.tensor([len(line) for line in codes], device=sr.device)
        targets = torch.zeros(len(codes), int(lengths.max()), dtype=torch.int64, device=sr.device)
        for row, line in enumerate(codes):
            targets[row, : len(line)] = torch.tensor(line, dtype=torch.int64)
        logits, maps = self.recognizer.attend(sr, targets)
        with torch.no_grad():
            _, wanted = self.recognizer.attend(hr, targets)
        focus = position_loss(maps, wanted, lengths)
        return self.position * focus + self.content * content_loss(logits, targets, lengths, self.confusion)


class BatchTextFocus(nn.Module):
    """:class:`TextFocusLoss` of the lines of a batch that have a text: ``forward(sr, batch)``, *sr* float (B, C, H, W).

    It is read in luma, of the first three channels where there is colour.
    """

    target = Target.BATCH

    def __init__(self, loss: TextFocusLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, sr: Tensor, batch: Batch) -> Tensor:
        """Return the loss, a scalar; see the class."""
        recognizer = self.loss.recognizer
        chosen = [
            (index, box) for index, (text, box) in enumerate(zip(batch.texts, batch.boxes, strict=True))
            if box is not None and box[2] - box[0] >= NARROWEST and letters_and_digits(text)
        ]  # fmt: skip
        if not chosen:
            return sr.sum() * 0.0
        images = []
        for source in (grey_of(sr), grey_of(batch.hr.to(sr.device))):
            cut = [source[index, 0, top:bottom, left:right] for index, (left, top, right, bottom) in chosen]
            lines = [resized(line[None, None], None, recognizer.size)[0, 0] for line in cut]
            images.append(stack_lines(lines)[0])
        codes = recognizer.targets([batch.texts[index] for index, _ in chosen])
        value: Tensor = self.loss(images[0], images[1], codes)
        return value


def text_focus_loss(
    recognizer: str = "", confusion: str = "rendered", position: float = 10.0, content: float = 0.0005, compat: bool = False
) -> BatchTextFocus:
    """Return the loss with *recognizer*, the name or folder of a text-focus recognizer.

    *confusion*: ``rendered``, weights from how alike characters look in the installed fonts; ``none``, the plain
    cross-entropy; or a ``.npy`` file of 62 x 62 distances, see :func:`confusion_weights`, whose *compat* it takes.

    Raises:
        OptionError: no recognizer is given, or the distances cannot be used. RecognizerError: it cannot be used.
    """
    if not recognizer:
        raise OptionError("The loss text-focus needs a recognizer with attention: give recognizer = the name or folder of one.")
    network = folder.load(recognizer, ("text-focus",))
    weights = None
    if confusion != "none":
        weights = confusion_weights(None if confusion == "rendered" else Path(confusion), compat)
    return BatchTextFocus(TextFocusLoss(network, weights, position, content))  # type: ignore[arg-type]
