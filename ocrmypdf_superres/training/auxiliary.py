# SPDX-License-Identifier: MPL-2.0
"""Networks with more to supervise than the sr image: predicted contrast, or the steps of a cascade.

Such a net is a :class:`~ocrmypdf_superres.architectures.spec.HasAuxiliaryOutputs`. A stage names the outputs in its own
table, each with its losses::

    heads = { edges0 = { l2 = 1.0, gradient = 0.5 }, image0 = { l2 = 2.5, gradient = 5.0 } }
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ocrmypdf_superres.architectures.blocks.layers import on_luma
from ocrmypdf_superres.architectures.spec import HasAuxiliaryOutputs, HasOwnLoss
from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.recipe import Stage

Outputs = tuple[Tensor | None, dict[str, tuple[Tensor, Tensor]], tuple[Tensor, ...]]


class Supervised(nn.Module):
    """A net of *channels* channels as the trainer calls it, through one forward, as several processes need it."""

    def __init__(self, net: nn.Module, channels: int) -> None:
        super().__init__()
        self.net = net
        self.channels = channels
        self.on_luma = on_luma(net, channels)

    def forward(self, lr: Tensor, hr: Tensor, scale: int, heads: Sequence[str], image: bool) -> Outputs:
        """Return sr (B, 1, H, W) where the *image* is asked for, each of *heads* with its target, and the net's readings.

        *lr* and *hr* are luma, replicated for a net of three channels, whose auxiliary outputs then have three too. The
        readings are for the losses of a net that has its own, and empty for others.
        """
        sr: Tensor | None = None
        readings: tuple[Tensor, ...] = ()
        if image and isinstance(self.net, HasOwnLoss):
            sr, readings = self.net.forward_with_readings(lr, scale)
        elif image:
            sr = self.on_luma(lr, scale)
        if not heads or not isinstance(self.net, HasAuxiliaryOutputs):
            return sr, {}, readings
        shape = (-1, self.channels, -1, -1)
        return sr, self.net.auxiliary_outputs(lr.expand(shape), hr.expand(shape), scale, heads), readings


def check_heads(net: nn.Module, stage: Stage) -> None:
    """Raise OptionError where *stage* names a head, or a loss of the net's own, that *net* has not."""
    if "prior" in stage.losses and not isinstance(net, HasOwnLoss):
        raise OptionError(f"Stage {stage.name} has the loss 'prior', but the net reads nothing itself; LEMMA does.")
    known = net.auxiliary_names if isinstance(net, HasAuxiliaryOutputs) else ()
    for head in stage.heads:
        if head not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise OptionError(f"Stage {stage.name} supervises the head {head!r}, which the net does not have; {has}.")


def copied_names(net: nn.Module, stage: Stage) -> dict[str, str]:
    """Return which tensors of *net* take the values of which at the beginning of *stage*, by its table ``copy``.

    ``copy = { "stages.1" = "stages.0" }`` gives the part ``stages.1`` the weights of ``stages.0`` wherever both have a
    tensor of the same name and shape.

    Raises:
        OptionError: an entry matches nothing.
    """
    state = net.state_dict()
    names: dict[str, str] = {}
    for part, other in stage.copy.items():
        found = {name: other + name[len(part) :] for name in state if name.startswith(f"{part}.")}
        found = {name: source for name, source in found.items() if source in state and state[source].shape == state[name].shape}
        if not found:
            raise OptionError(f"Stage {stage.name}, copy, gives {part!r} the weights of {other!r}, but nothing in them is alike.")
        names |= found
    return names


@torch.no_grad()
def copy_parts(net: nn.Module, stage: Stage) -> list[str]:
    """Do what :func:`copied_names` says; return the names of the tensors that were given values."""
    state = net.state_dict()
    pairs = copied_names(net, stage)
    for name, source in pairs.items():
        state[name].copy_(state[source])
    return list(pairs)
