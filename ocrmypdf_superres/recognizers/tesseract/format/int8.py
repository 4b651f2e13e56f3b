# SPDX-License-Identifier: MPL-2.0
"""A float network as int8, the form that ``combine_tessdata -c`` makes and that the stock program reads fastest."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.container import LSTM
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import INTEGER, TrainedData, write_lstm
from ocrmypdf_superres.recognizers.tesseract.format.tree import Matrix

_LARGEST = np.float32(127.0)


def int8_copy(data: TrainedData) -> TrainedData:
    """Return a copy of *data* with int8 weights; charset, recoder, dictionaries and all other components stay.

    Each row of a matrix, its bias included, has a scale of its own: its largest absolute value over 127. The program then
    also rounds activations to int8 and limits its input to [-1, 1], which the weights should have been trained for.

    Raises:
        RecognizerError: the weights are int8 already, or a weight is not finite.
    """
    if data.integer:
        raise RecognizerError(f"The network of {data.source} is int8 already, a float network was expected; use it as it is.")
    fresh = copy.deepcopy(data)
    for node in fresh.network.walk():
        node.matrices = [_quantised(matrix.values, f"{node.kind} {node.name} of {data.source}") for matrix in node.matrices]
    fresh.training_flags |= INTEGER
    fresh.components = {**fresh.components, LSTM: write_lstm(fresh)}
    return fresh


def in_floats(data: TrainedData) -> TrainedData:
    """Return a copy of *data* with its own weights as float64; the opposite of :func:`int8_copy`, up to its rounding."""
    fresh = copy.deepcopy(data)
    for node in fresh.network.walk():
        node.matrices = [Matrix(matrix.floats()) for matrix in node.matrices]
    return as_floats(fresh)


def as_floats(data: TrainedData) -> TrainedData:
    """Return *data*, changed in place, as a network of the float matrices that its tree has."""
    data.training_flags &= ~INTEGER
    data.components = {**data.components, LSTM: write_lstm(data)}
    return data


def _quantised(values: NDArray[np.float64], name: str) -> Matrix:
    # Distributions build the program with float32, and its rounding is to be met exactly.
    weights = values.astype(np.float32)
    if not bool(np.isfinite(weights).all()):
        raise RecognizerError(
            f"A weight of {name} is not a finite number, finite ones were expected; tune it again with a smaller lr."
        )
    scales = np.abs(weights).max(axis=1) / _LARGEST
    levels = weights / np.where(scales > 0, scales, np.float32(1))[:, None]
    # Half away from zero, as C's rounding in the program.
    rounded = np.sign(levels) * np.floor(np.abs(levels) + np.float32(0.5))
    # The program keeps a scale divided by 127 once more, and multiplies it again when it writes a file.
    return Matrix(rounded.astype(np.int8), (scales / _LARGEST * _LARGEST).astype(np.float64))
