# SPDX-License-Identifier: MPL-2.0
"""Adversarial loss: a discriminator learns to tell sr from hr, and the net to be taken for hr (SRGAN, CVPR 2017, eq. 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.protocols import Target


class Discriminator(nn.Sequential):
    """SRGAN's discriminator: eight 3x3 convolutions, every other one halving the size, and two linear layers; logits (B, 1).

    The features before the linear layers are pooled to 6 x 6, as SRGAN's patches of 96 x 96 have them, so that it takes strips
    of any size.
    """

    def __init__(self, features: int = 64) -> None:
        layers: list[nn.Module] = [nn.Conv2d(1, features, 3, padding=1), nn.LeakyReLU(0.2)]
        inputs = features
        for index in range(1, 8):
            outputs = features << (index // 2)
            stride = 1 + index % 2
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
            inputs = outputs
        width = 16 * features
        super().__init__(
            *layers, nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Linear(36 * inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, 1)
        )


class AdversarialLoss(nn.Module):
    """-log D(sr), mean over the batch, D the probability that an image is hr; D takes a step of its own at each call.

    ``forward(sr, hr)``: float (B, 1, H, W) each; returns a scalar. Where no gradient is asked for, as in a validation, D stays.

    Args:
        features: of D's first convolution, 64 as published. lr: of D's Adam.
    """

    target = Target.HR

    def __init__(self, features: int = 64, lr: float = 1e-4) -> None:
        super().__init__()
        self.discriminator = Discriminator(features)
        self.lr = lr
        self._optimizer: torch.optim.Adam | None = None

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class.

        Raises:
            OptionError: several processes train, whose discriminators would differ.
        """
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            raise OptionError("The loss adversarial trains a network of its own, in one process only; train without torchrun.")
        if torch.is_grad_enabled() and sr.requires_grad:
            self._learn(sr.detach(), hr)
        self.discriminator.requires_grad_(False)
        return functional.softplus(-self.discriminator(sr)).mean()

    def _learn(self, sr: Tensor, hr: Tensor) -> None:
        self.discriminator.requires_grad_(True)
        optimizer = self._make_optimizer()
        loss = functional.softplus(-self.discriminator(hr)).mean() + functional.softplus(self.discriminator(sr)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def _make_optimizer(self) -> torch.optim.Adam:
        # Made late, since the discriminator may be moved to another device first.
        if self._optimizer is None:
            self._optimizer = torch.optim.Adam(self.discriminator.parameters(), self.lr, betas=(0.9, 0.999))
        return self._optimizer

    def training_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds: the discriminator and its optimizer."""
        return {"discriminator": self.discriminator.state_dict(), "optimizer": self._make_optimizer().state_dict()}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`training_state` returned."""
        self.discriminator.load_state_dict(state["discriminator"])
        self._make_optimizer().load_state_dict(state["optimizer"])
