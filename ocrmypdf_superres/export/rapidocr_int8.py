# SPDX-License-Identifier: MPL-2.0
"""The ONNX file of a PP-OCR recognizer with its large convolutions in 8-bit integers, for onnxruntime on a CPU.

Those of one pixel, which do most of the arithmetic, are computed in integers. Depthwise ones, those of squeeze-and-excitation
and the attention stay in floats: they take little time, and rounding them cost twice as much accuracy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, helper, version_converter

from ocrmypdf_superres.recognizers.ppocr.onnx_file import without_initializers_as_inputs

_OPSET = 13
"""The first one with a scale for each channel."""
_LARGE = 96 * 192
"""Convolutions with at least so many weights are computed in integers."""
_SQUEEZED = 4
"""The factor by which those of squeeze-and-excitation change the number of channels."""


def save_int8(model: ModelProto, lines: Sequence[NDArray[np.float32]], path: Path) -> None:
    """Write *model* to *path* with its large convolutions in 8-bit integers.

    Args:
        model: in floats.
        lines: the network's input for some lines, float32 (1, 3, 48, W) in [-1, 1] each, whose values give the ranges.
        path: the file to write.

    Raises:
        OSError: the file cannot be written.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    given = ModelProto()
    given.CopyFrom(model)
    without_initializers_as_inputs(given)
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        floats = Path(folder) / "floats.onnx"
        onnx.save(version_converter.convert_version(given, _OPSET), floats)
        quant_pre_process(str(floats), str(floats), skip_symbolic_shape=True)
        prepared = onnx.load(floats)
        for place, node in enumerate(prepared.graph.node):
            node.name = node.name or f"node{place}"
        onnx.save(prepared, floats)
        quantize_static(
            str(floats), str(Path(folder) / "int8.onnx"), _Lines(lines), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_quantize=_large_convolutions(prepared),
            calibrate_method=CalibrationMethod.MinMax, extra_options={"CalibMovingAverage": True},
        )  # fmt: skip
        result = onnx.load(Path(folder) / "int8.onnx")
    helper.set_model_props(result, {entry.key: entry.value for entry in model.metadata_props})
    path.write_bytes(result.SerializeToString())


def _large_convolutions(model: ModelProto) -> list[str]:
    shapes = {initializer.name: tuple(initializer.dims) for initializer in model.graph.initializer}
    found = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            out, into, *kernel = shapes[node.input[1]]
            squeezes = max(out, into) >= _SQUEEZED * min(out, into)
            if kernel == [1, 1] and out * into >= _LARGE and not squeezes:
                found.append(node.name)
    return found


class _Lines:
    """Gives onnxruntime one line after the other."""

    def __init__(self, lines: Sequence[NDArray[np.float32]]) -> None:
        self._left = iter(lines)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next input, None after the last."""
        line = next(self._left, None)
        return None if line is None else {"x": line}
