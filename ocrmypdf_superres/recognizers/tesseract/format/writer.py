# SPDX-License-Identifier: MPL-2.0
"""Saving a network, as it was or tuned in torch, as a float ``.traineddata`` file that Tesseract loads."""

from __future__ import annotations

import copy
from pathlib import Path

from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.files import atomic_write_bytes
from ocrmypdf_superres.recognizers.tesseract.format.int8 import as_floats, in_floats
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData, write_traineddata
from ocrmypdf_superres.recognizers.tesseract.network import LineNetwork, float_matrices

_SUFFIX = ".traineddata"


def float_copy(data: TrainedData, network: LineNetwork | None = None) -> TrainedData:
    """Return *data* with float64 weights: its own, or those of *network*, which was built from it.

    Charset, recoder, dictionaries and all other components stay. Tesseract then computes in floats: activations are
    not rounded, and the input is not limited to [-1, 1].
    """
    if network is None:
        return in_floats(data)
    fresh = copy.deepcopy(data)
    tree = LineNetwork(fresh, network.dtype)
    tree.load_state_dict(network.state_dict())
    float_matrices(tree)
    return as_floats(fresh)


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
