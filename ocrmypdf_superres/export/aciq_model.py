# SPDX-License-Identifier: MPL-2.0
"""A model in few bits as a model folder, and a table of bits, bytes and fidelity."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.export.aciq import AciqSettings, quantize_network
from ocrmypdf_superres.metrics.image import decibels, mean_squared_error
from ocrmypdf_superres.modelstore.cards import CARD, WEIGHTS, check_name, read_card
from ocrmypdf_superres.modelstore.store import Model, sha256_of
from ocrmypdf_superres.modelstore.writer import model_folder, write_card
from ocrmypdf_superres.upscaling.backends import packed_weights as packed
from ocrmypdf_superres.upscaling.backends.torch import load_network

BITS = (2, 3, 4, 5, 6, 7, 8)


def quantize_model(model: Model, bits: int, folder: Path, name: str, settings: AciqSettings | None = None) -> Model:
    """Write *model* with weights of *bits* each as the model *name* to *folder*; return it.

    The folder has no ONNX files, whose weights would be floats again: the model runs with torch.

    Raises:
        OptionError: *bits* is not from 2 to 8.
        ModelError: *folder* exists and does not hold a model, or *model* is damaged.
    """
    if bits not in BITS:
        raise OptionError(f"Weights of {bits} bits were asked for; give a whole number from {BITS[0]} to {BITS[-1]}.")
    check_name(name)
    tensors = quantize_network(load_network(model), bits, settings)
    with model_folder(folder) as part:
        packed.write(tensors, part / WEIGHTS)
        about = f"{model.card.name} with weights of {bits} bits (ACIQ). {model.card.description}".strip()
        card = replace(
            model.card,
            name=name,
            description=about,
            files={WEIGHTS: sha256_of(part / WEIGHTS)},
            metrics={"bits a weight": bits, "bytes of weights": (part / WEIGHTS).stat().st_size},
        )
        write_card(card, part / CARD)
    return Model(read_card(folder / CARD), folder)


@dataclass(frozen=True)
class Row:
    """A row of the table: bits of a weight (32: not quantised), bytes of the file, dB of its output against the original."""

    bits: int
    size: int
    fidelity: float


def table(
    model: Model, images: torch.Tensor, bits: Sequence[int] = BITS, settings: AciqSettings | None = None
) -> list[tuple[Row, nn.Module]]:
    """Return a row, and the net, for *model* as it is and for each of *bits*.

    *images*: lr, float (B, 1, H, W) in [0, 1], of a size that the net takes; the fidelity is the PSNR of the
    quantised net's output against the net's, both clipped.
    """
    from ocrmypdf_superres.architectures.blocks.layers import on_luma

    net = load_network(model)
    scale = model.card.scales[0]
    with torch.inference_mode():
        wanted = on_luma(net, model.card.channels)(images, scale).clamp(0, 1)
    rows: list[tuple[Row, nn.Module]] = [(Row(32, model.weights_path().stat().st_size, float("inf")), net)]
    with tempfile.TemporaryDirectory() as temporary:
        for width in bits:
            path = Path(temporary) / WEIGHTS
            packed.write(quantize_network(net, width, settings), path)
            other = load_network(model)
            other.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in packed.read(path).items()})
            with torch.inference_mode():
                sr = on_luma(other, model.card.channels)(images, scale).clamp(0, 1)
            error = mean_squared_error(sr.numpy(), wanted.numpy())
            rows.append((Row(width, path.stat().st_size, decibels(error, least=1e-12)), other))
    return rows
