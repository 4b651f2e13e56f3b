# SPDX-License-Identifier: MPL-2.0
"""The recognizer fine-tuning loss of LEMMA (Guo et al., IJCAI 2023): what the net's own prior reads, against the text."""

from __future__ import annotations

from torch import Tensor, nn

from ocrmypdf_superres.training.data.batches import Batch


class PriorLoss(nn.Module):
    """Sum of the cross-entropies of the prior's two readings, mean over all text steps, ends behind the text included.

    ``forward(net, batch)``: *net* has just seen the batch's lr and offers ``own_losses(texts, options)``; empty for a net
    in evaluation mode.  *double_softmax*: as the authors' code, which soft-maxes twice.
    """

    target = "net"

    def __init__(self, double_softmax: bool = False) -> None:
        super().__init__()
        self.options = {"double_softmax": double_softmax}

    def forward(self, net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        values: dict[str, Tensor] = net.own_losses(batch.texts, self.options)  # type: ignore[operator]
        return values
