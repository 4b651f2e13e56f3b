# SPDX-License-Identifier: MPL-2.0
"""Tracing a module into an ONNX file: the one place that calls torch's exporter."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

OPSET = 17


def trace_to_onnx(
    module: nn.Module, example: tuple[Tensor, ...], path: Path, outputs: list[str], axes: Mapping[str, dict[int, str]]
) -> None:
    """Write *module*, traced on *example*, to *path*.

    Args:
        module: in the mode, training or evaluation, that it is to be traced in.
        example: its inputs.
        path: the file to write.
        outputs: names of its outputs.
        axes: names of its inputs, in order, and of its outputs, each with the axes whose size is free.

    Raises:
        ModuleNotFoundError: the package onnx is not installed.
        OSError: the file cannot be written.
    """
    inputs = [name for name in axes if name not in outputs]
    # The mode for evaluation folds batch norms into convolutions.
    mode = torch.onnx.TrainingMode.PRESERVE if module.training else torch.onnx.TrainingMode.EVAL
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but for plain convolutions and recurrent layers it writes the smallest
        # graphs, which the shipped files are; it also warns of shapes that are constant on purpose.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            training=mode,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=dict(axes),
        )
