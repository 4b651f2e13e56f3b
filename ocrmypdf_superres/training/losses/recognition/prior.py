# SPDX-License-Identifier: MPL-2.0
"""The recognizer fine-tuning loss of LEMMA (Guo et al., IJCAI 2023): what the net's own prior reads, against the text."""

from __future__ import annotations

from torch import Tensor, nn

from ocrmypdf_superres.architectures.spec import HasOwnLoss
from ocrmypdf_superres.training.data.batches import Batch
from ocrmypdf_superres.training.protocols import Target


class PriorLoss(nn.Module):
    """Sum of the cross-entropies of the prior's two readings, mean over all text steps, ends after the text included.

    ``forward(net, batch, readings)``: *net* is a :class:`~ocrmypdf_superres.architectures.spec.HasOwnLoss` and
    *readings* is what it returned beside the sr image of the batch. *double_softmax*: as the authors' code, which
    applies the softmax twice.
    """

    target = Target.NET

    def __init__(self, double_softmax: bool = False) -> None:
        super().__init__()
        self.options = {"double_softmax": double_softmax}

    def forward(self, net: HasOwnLoss, batch: Batch, readings: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return the loss as ``prior``, a scalar; see the class."""
        return net.own_losses(readings, batch.texts, self.options)
