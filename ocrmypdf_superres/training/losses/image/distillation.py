# SPDX-License-Identifier: MPL-2.0
"""Distillation: a small net learns to give what a larger one gives (Hinton et al., arXiv 1503.02531, here on pixels)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.store import find_model
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.losses.image.charbonnier import CharbonnierLoss
from ocrmypdf_superres.training.protocols import Target
from ocrmypdf_superres.upscaling.backends.torch import load_network


class DistillationLoss(nn.Module):
    """The :class:`CharbonnierLoss` between sr and what *model* makes of the same lr.

    ``forward(sr, batch)``: float (B, 1, H, W); returns a scalar. The model is frozen.

    Args:
        model: the name or folder of a page model for luma that has the scales of the recipe.

    Raises:
        OptionError: the model takes colours or whole lines.
        ModelError: it is not found or is damaged.
    """

    target = Target.BATCH

    def __init__(self, model: str = "docsr-s2") -> None:
        super().__init__()
        found = find_model(model)
        if found.card.channels != 1 or found.card.line_size:
            raise OptionError(
                f"The loss distillation has model = {model!r}, which is not a page model for luma; give one that is."
            )
        self.scales = found.card.scales
        self.name = found.card.name
        self.network = load_network(found).requires_grad_(False)
        self.distance = CharbonnierLoss()

    def forward(self, sr: Tensor, batch: Batch) -> Tensor:
        """Return the loss, a scalar; see the class."""
        if batch.scale not in self.scales:
            offered = ", ".join(map(str, self.scales))
            raise OptionError(f"The loss distillation has {self.name}, which offers the scales {offered}, not {batch.scale}.")
        with torch.no_grad():
            wanted = self.network(batch.lr, batch.scale)
        distance: Tensor = self.distance(sr, wanted.to(sr.dtype))
        return distance
