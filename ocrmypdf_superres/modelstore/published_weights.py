# SPDX-License-Identifier: MPL-2.0
"""Weight files of published networks that losses and metrics use: read without running code, never downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ocrmypdf_superres.errors import OptionError

NESTED = ("model_state_dict", "state_dict_G", "state_dict", "model", "net", "params")


def unreadable(error: Exception) -> str:
    """Return why torch cannot load a file, in short, and without its advice to let the file run code."""
    first = (str(error).splitlines() or ["empty"])[0]
    if "weights_only" in first or isinstance(error, LookupError):  # of a text, torch says the number of a word of it
        return "it holds something other than tensors"
    return first.rstrip(".")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors in the PyTorch (``weights_only``) or ``.safetensors`` file *path*.

    Raises:
        OptionError: the file is missing, damaged, or holds something other than tensors by name.
    """
    if not path.is_file():
        raise OptionError(f"There is no weight file {path}; give the path of one that you have, since none is downloaded.")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise OptionError(
            f"The weight file {path} cannot be read ({unreadable(error)}); give a .pth or .safetensors of tensors."
        ) from error
    # Checkpoints of a training keep the weights beside the optimizer's state.
    for key in NESTED:
        if isinstance(values, dict) and isinstance(values.get(key), dict):
            values = dict(values[key])
    if not isinstance(values, dict) or not all(isinstance(value, Tensor) for value in values.values()):
        raise OptionError(f"The weight file {path} does not hold tensors by name; give a state dict.")
    return values


def fill(layers: Mapping[str, nn.Conv2d], tensors: Mapping[str, Tensor], path: Path, network: str) -> None:
    """Copy into each of *layers* the tensors whose names end with its key and ``.weight`` or ``.bias``, and freeze it.

    Raises:
        OptionError: a tensor is missing, occurs twice, or has another shape: the file is of another network.
    """
    for key, layer in layers.items():
        for part, parameter in layer.named_parameters():
            wanted = f"{key}.{part}"
            found = [name for name in tensors if name.endswith(wanted)]
            if len(found) != 1:
                raise OptionError(f"{path} has {len(found)} tensors named {wanted}, one was expected; give weights of {network}.")
            shape = tuple(tensors[found[0]].shape)
            if shape != tuple(parameter.shape):
                raise OptionError(
                    f"{path} has {wanted} of shape {shape}, but {tuple(parameter.shape)} was expected; give weights of {network}."
                )
            with torch.no_grad():
                parameter.copy_(tensors[found[0]])
            parameter.requires_grad_(False)
