# SPDX-License-Identifier: MPL-2.0
"""The forward pass of an int8 network exactly as Tesseract computes it, in NumPy, for checking the float port.

Every layer's output but the last is an int8, round(127 v) limited to +-127, and so is the h that an LSTM feeds back;
gates and cell states are floats. tanh and the logistic function are tables of 4096 steps of 1/256 with linear
interpolation. One line at a time; no gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData
from ocrmypdf_superres.recognizers.tesseract.format.tree import DENSE, PARALLEL, RECURRENT, Matrix, Node
from ocrmypdf_superres.recognizers.tesseract.noise import border_noise

_STEPS = 4096
_SCALE = 256.0
_STATE_LIMIT = 100.0

_TANH = np.tanh(np.arange(_STEPS) / _SCALE)
_LOGISTIC = 1.0 / (1.0 + np.exp(-np.arange(_STEPS) / _SCALE))

Map = NDArray[np.float64]  # (rows, columns, features), whole numbers -127..127 except after Softmax


def _lookup(table: Map, x: Map) -> Map:
    scaled = np.abs(x) * _SCALE
    index = np.minimum(scaled.astype(np.int64), _STEPS - 2)
    low = table[index]
    value = low + (table[index + 1] - low) * (scaled - index)
    result: Map = np.where(scaled >= _STEPS - 1, 1.0, value)
    return result


def _tanh(x: Map) -> Map:
    result: Map = np.copysign(_lookup(_TANH, x), x)
    return result


def _logistic(x: Map) -> Map:
    value = _lookup(_LOGISTIC, x)
    result: Map = np.where(x < 0, 1.0 - value, value)
    return result


_ACTIVATIONS: dict[str, Callable[[Map], Map]] = {
    "Tanh": _tanh,
    "Logistic": _logistic,
    "Relu": lambda x: np.maximum(x, 0.0),
    "LinLogistic": lambda x: np.clip(x, 0.0, 1.0),
    "LinTanh": lambda x: np.clip(x, -1.0, 1.0),
    "Linear": lambda x: x,
}


def quantise(x: Map) -> Map:
    """Return whole numbers -127..127 for values in [-1, 1], half away from zero."""
    whole = np.trunc(127.0 * x + np.copysign(0.5, x))
    result: Map = np.clip(whole, -127.0, 127.0)
    return result


def _product(matrix: Matrix, inputs: Map) -> Map:
    """Return Tesseract's integer dot products: (..., rows) for *inputs* (..., columns - 1) of whole numbers."""
    if matrix.scales is None:
        raise RecognizerError("A matrix of float weights was found in an int8 network; install the file again.")
    values = matrix.values.astype(np.float64)
    # Sums of whole numbers below 2^53 are exact in doubles, whatever their order.
    result: Map = (inputs @ values[:, :-1].T + 127.0 * values[:, -1]) * (matrix.scales / 127.0)
    return result


class IntegerNetwork:
    """An int8 ``.traineddata`` network as Tesseract runs it.

    Raises:
        RecognizerError: the file has float weights; the torch port is exact for these.
    """

    def __init__(self, data: TrainedData) -> None:
        if not data.integer:
            raise RecognizerError(
                f"The file {data.source} has float weights, int8 weights were expected for the integer forward pass; "
                f"use the torch network in float64 instead."
            )
        self.data = data

    def logits(self, line: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return logits (T, K) of a normalised *line*, (height, W) in steps of 1/127 within [-1, 1]."""
        start: Map = np.trunc(line * 127.0 + np.copysign(0.5, line))[:, :, None]
        result: Map = self._run(self.data.network, start)[0]
        return result

    def _run(self, node: Node, x: Map) -> Map:
        if node.kind == "Series":
            for child in node.children:
                x = self._run(child, x)
            return x
        if node.kind in PARALLEL:
            joined: Map = np.concatenate([self._run(child, x) for child in node.children], axis=2)
            return joined
        if node.kind == "XYTranspose":
            turned: Map = self._run(node.children[0], x.swapaxes(0, 1)).swapaxes(0, 1)
            return turned
        if node.kind == "RTLReversed":
            return self._run(node.children[0], x[:, ::-1])[:, ::-1]
        if node.kind == "TTBReversed":
            return self._run(node.children[0], x[::-1])[::-1]
        if node.kind == "Convolve":
            return self._convolve(node, x)
        if node.kind in ("Maxpool", "Reconfig"):
            return _blocks(node, x)
        if node.kind in RECURRENT:
            return _lstm(node, x)
        if node.kind in DENSE:
            y = _product(node.matrices[0], x)
            return y if node.kind == "Softmax" else quantise(_ACTIVATIONS[node.kind](y))
        return x  # Input

    def _convolve(self, node: Node, x: Map) -> Map:
        half_x, half_y = node.extents
        rows, columns, features = x.shape
        noise = border_noise(rows, columns, features, (half_x, half_y), self.data.sample_iteration, True)
        padded = np.pad(x, ((half_y, half_y), (half_x, half_x), (0, 0)))
        taps = [padded[dy : dy + rows, dx : dx + columns] for dx in range(2 * half_x + 1) for dy in range(2 * half_y + 1)]
        result: Map = (np.stack(taps, axis=2) + np.round(noise * 127.0)).reshape(rows, columns, -1)
        return result


def _blocks(node: Node, x: Map) -> Map:
    step_x, step_y = node.extents
    rows, columns = x.shape[0] // step_y, x.shape[1] // step_x
    x = x[: rows * step_y, : columns * step_x].reshape(rows, step_y, columns, step_x, x.shape[2])
    if node.kind == "Maxpool":
        result: Map = x.max(axis=(1, 3))
        return result
    return x.transpose(0, 2, 3, 1, 4).reshape(rows, columns, -1)


def _lstm(node: Node, x: Map) -> Map:
    """Run an LSTM along the columns of all rows at once; return the last column only, if it summarises."""
    rows, columns, _ = x.shape
    state: Map = np.zeros((rows, node.no))
    fed_back: Map = np.zeros((rows, node.no))
    outputs = []
    for column in range(columns):
        source = np.concatenate([x[:, column], fed_back], axis=1)
        inputs, gate, forget, output = (_product(matrix, source) for matrix in node.matrices)
        state = state * _logistic(forget) + _tanh(inputs) * _logistic(gate)
        state = np.clip(state, -_STATE_LIMIT, _STATE_LIMIT)
        fed_back = quantise(_tanh(state) * _logistic(output))
        outputs.append(fed_back)
    if node.kind == "SummLSTM":
        return fed_back[:, None]
    return np.stack(outputs, axis=1)
