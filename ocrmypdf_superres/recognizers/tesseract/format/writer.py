# SPDX-License-Identifier: MPL-2.0
"""Saving a network, as it was or tuned in torch, as a float ``.traineddata`` file that Tesseract loads."""

from __future__ import annotations

import copy
from pathlib import Path

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.files import atomic_write_bytes
from ocrmypdf_superres.recognizers.tesseract.format.container import LSTM
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import INTEGER, TrainedData, write_lstm, write_traineddata
from ocrmypdf_superres.recognizers.tesseract.format.tree import Matrix
from ocrmypdf_superres.recognizers.tesseract.network import LineNetwork, float_matrices

_SUFFIX = ".traineddata"


def float_copy(data: TrainedData, network: LineNetwork | None = None) -> TrainedData:
    """Return *data* with float64 weights: its own, or those of *network*, which was built from it.

    Charset, recoder, dictionaries and all other components stay. Tesseract then computes in floats: activations are
    not rounded, and the input is not limited to [-1, 1].
    """
    if network is not None:
        fresh = copy.deepcopy(data)
        tree = LineNetwork(fresh, network.dtype)
        tree.load_state_dict(network.state_dict())
        float_matrices(tree)
    else:
        fresh = copy.deepcopy(data)
        for node in fresh.network.walk():
            node.matrices = [Matrix(matrix.floats()) for matrix in node.matrices]
    fresh.training_flags &= ~INTEGER
    fresh.components = {**fresh.components, LSTM: write_lstm(fresh)}
    return fresh


def save_traineddata(data: TrainedData, path: Path) -> None:
    """Write *data* to *path*, which ends in ``.traineddata``; an existing file is replaced only when all is written.

    Raises:
        RecognizerError: the name does not end in ``.traineddata``, or the file cannot be written.
    """
    if path.suffix != _SUFFIX:
        raise RecognizerError(
            f"The file name {path.name} was given, one that ends in {_SUFFIX} was expected, as Tesseract looks for it; "
            f"add the ending."
        )
    try:
        atomic_write_bytes(path, write_traineddata(data))
    except OSError as error:
        raise RecognizerError(
            f"The file {path} cannot be written ({error.strerror}); give a folder that exists and may be written to."
        ) from error
