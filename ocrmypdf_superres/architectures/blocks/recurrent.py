# SPDX-License-Identifier: MPL-2.0
"""Running recurrent layers that are frozen, while a gradient passes through them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def run_rnn(layer: nn.LSTM | nn.GRU, steps: Tensor) -> Tensor:
    """Return the outputs of *layer* for *steps*, and let the gradient pass even where the layer is in evaluation mode.

    cuDNN computes the gradient of a recurrent layer in training mode only ("cudnn RNN backward can only be called in training
    mode"), so a frozen recognizer or detector whose input needs a gradient runs without it, as PyTorch's documentation of
    ``torch.backends.cudnn.flags`` describes.
    """
    if steps.is_cuda and not layer.training and torch.is_grad_enabled() and steps.requires_grad:
        with torch.backends.cudnn.flags(enabled=False):
            return torch.as_tensor(layer(steps)[0])
    return torch.as_tensor(layer(steps)[0])
