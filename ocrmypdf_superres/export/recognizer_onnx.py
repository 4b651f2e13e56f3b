# SPDX-License-Identifier: MPL-2.0
"""A Tesseract network as an ONNX graph with free batch and width, for runtimes without torch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import MissingDependencyError, RecognizerError
from ocrmypdf_superres.export.tracing import trace_to_onnx
from ocrmypdf_superres.recognizers.tesseract.recognizer import TesseractRecognizer


class _LogProbabilities(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, lines: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        logits, lengths = self.network(lines, widths)
        return torch.log_softmax(logits, dim=2), lengths


def export_recognizer(recognizer: TesseractRecognizer, path: Path) -> None:
    """Write the network of *recognizer* to *path*.

    Inputs: ``lines`` float32 (batch, 1, height, width), what ``TesseractRecognizer.prepare`` gives (ink about -1,
    paper about +1, 0 right of a line), and ``widths`` int64 (batch,). Outputs: ``log_probs`` float32 (batch, steps,
    codes) and ``lengths`` int64 (batch,).

    Raises:
        MissingDependencyError: the package onnx is missing.
        RecognizerError: the file cannot be written.
    """
    recognizer.set_border("zero")
    lines = torch.zeros(2, 1, recognizer.height, 90)
    widths = torch.tensor([90, 60])
    try:
        trace_to_onnx(
            _LogProbabilities(recognizer.network),
            (lines, widths),
            path,
            ["log_probs", "lengths"],
            {
                "lines": {0: "batch", 3: "width"},
                "widths": {0: "batch"},
                "log_probs": {0: "batch", 1: "steps"},
                "lengths": {0: "batch"},
            },
        )
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"Exporting needs the package {error.name}, which is not installed; run: pip install 'ocrmypdf-superres[train]'"
        ) from error
    except OSError as error:
        raise RecognizerError(
            f"The file {path} cannot be written ({error.strerror}); give a folder that exists and may be written to."
        ) from error
