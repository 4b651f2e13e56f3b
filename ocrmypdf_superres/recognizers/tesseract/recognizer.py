# SPDX-License-Identifier: MPL-2.0
"""The Tesseract recognizer: pre-processing, network and charset under the ``Recognizer`` protocol."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData
from ocrmypdf_superres.recognizers.tesseract.network import LineNetwork
from ocrmypdf_superres.recognizers.tesseract.preprocess import normalise, scale_lines

_NARROWEST = 32


class TesseractRecognizer(nn.Module):
    """The frozen network of a ``.traineddata`` file, differentiable with respect to the pixels.

    All parameters have ``requires_grad`` off. The module stays in training mode (it has no dropout): cuDNN gives no
    gradients through a recurrent layer in evaluation mode.

    Args:
        data: the file.
        name: the name that it was loaded by.
        dtype: of the weights and the arithmetic; lines are converted to it.
        rounding: round pixels and inputs as Tesseract does (gradients pass straight through).
        slope: gradient outside the limits of an int8 network's input, see ``preprocess.normalise``.

    Attributes:
        charset: the codec.
        equals: groups of codes that differ in style only, for ``CTCLoss``.
    """

    def __init__(
        self,
        data: TrainedData,
        name: str = "tesseract",
        dtype: torch.dtype = torch.float32,
        rounding: bool = False,
        slope: float = 0.1,
    ) -> None:
        super().__init__()
        self.data = data
        self.name = name
        self.height = data.height
        self.blank = data.charset.blank
        self.charset = data.charset
        self.equals = data.charset.equal_codes()
        self.integer = data.integer
        self.rounding = rounding
        self.slope = slope
        self.network = LineNetwork(data, dtype)
        self.requires_grad_(False)
        super().train(True)

    def train(self, mode: bool = True) -> TesseractRecognizer:
        """Stay in training mode; *mode* is ignored, see the class."""
        return super().train(True)

    def set_border(self, mode: str) -> None:
        """Set what the first layer sees around a line: ``zero``, ``random`` noise, or Tesseract's ``exact`` noise."""
        self.network.set_border(mode)

    def prepare(self, lines: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return normalised lines (B, 1, height, W'), ink about -1, paper about +1, and their widths; see :meth:`logits`.

        Raises:
            RecognizerError: the shapes do not fit.
        """
        if lines.dim() != 4 or lines.shape[1] != 1 or widths.shape != lines.shape[:1] or lines.shape[2] < 2:
            raise RecognizerError(
                f"Lines of shape {tuple(lines.shape)} and widths of shape {tuple(widths.shape)} were given, "
                f"(B, 1, H, W) and (B,) were expected; stack grey lines of one height."
            )
        widths = widths.to(device=lines.device, dtype=torch.int64).clamp(1, lines.shape[3])
        # Without rounding a float-to-level step is the identity, so the gradient is that of the pixels.
        levels = lines[:, 0].to(self.network.dtype) * 255.0
        if self.rounding:
            levels = levels + (torch.floor(levels.clamp(0.0, 255.0) + 0.5) - levels).detach()
        scaled, widths = scale_lines(levels, widths, self.height, self.rounding)
        value = normalise(scaled, widths, self.integer, self.slope, self.rounding)
        # An image narrower than the network's pools has no step; padding lets it through with a length of 0.
        value = functional.pad(value, (0, max(0, _NARROWEST - value.shape[2])))
        return value[:, None], widths

    def logits(self, lines: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, K) and valid steps (B,), T about a third of the width at the network's height.

        *lines*: float (B, 1, H, W) in [0, 1], 1 is white; *widths*: int64 (B,). See ``Recognizer.logits``.
        """
        value, scaled = self.prepare(lines, widths)
        logits, lengths = self.network(value, scaled)
        return logits, lengths

    def forward(self, lines: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return :meth:`logits`."""
        return self.logits(lines, widths)

    def features(self, lines: Tensor, widths: Tensor, layers: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the outputs of the layers named in *layers*: name -> (float (B, C, H', W'), valid columns (B,))."""
        value, scaled = self.prepare(lines, widths)
        return self.network.inner(value, scaled, list(layers))

    def encode(self, text: str) -> list[int]:
        """Return the codes of *text*; RecognizerError lists the characters that it does not know."""
        return self.charset.encode(text)

    def decode(self, codes: Sequence[int]) -> str:
        """Return the text of *codes* without blanks and repeats."""
        return self.charset.decode(codes)
