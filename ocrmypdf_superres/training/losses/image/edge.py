# SPDX-License-Identifier: MPL-2.0
"""Edge loss: class-balanced cross-entropy between the edge maps of sr and hr (DPNet; Xie and Tu, ICCV 2015, eq. 2)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.published_weights import fill, read_tensors
from ocrmypdf_superres.training.protocols import Target


class SobelEdges(nn.Module):
    """Edge logits by a fixed operator: 12 (m - 0.3), m the Sobel magnitude, 1 beside a step from paper to ink.

    ``forward(image)``: float (B, 1, H, W) in [0, 1]; returns the same shape; borders are replicated.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Return the edge logits of *image*; see the class."""
        kernel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]).to(image) / 4.0
        padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
        slopes = functional.conv2d(padded, torch.stack([kernel, kernel.T])[:, None])
        # The small number keeps the root's gradient finite on plain paper.
        magnitude = (slopes.square().sum(dim=1, keepdim=True) + 1e-6).sqrt()
        return 12.0 * (magnitude - 0.3)


class HEDEdges(nn.Module):
    """Logits of HED's side output 1: two 3x3 convolutions and a 1x1, from the weight file *path*; frozen.

    The file has the names of the PyTorch port: ``...VggOne.0``, ``...VggOne.2`` and ``...ScoreOne``.  Grey is given as
    BGR of 0 to 255 less the means of the training.  Shapes as :class:`SobelEdges`.
    """

    means: Tensor

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, padding=1)
        self.second = nn.Conv2d(64, 64, 3, padding=1)
        self.score = nn.Conv2d(64, 1, 1)
        layers = {"VggOne.0": self.first, "VggOne.2": self.second, "ScoreOne": self.score}
        fill(layers, read_tensors(path), path, "HED")
        means = torch.tensor([104.00698793, 116.66876762, 122.67891434])
        self.register_buffer("means", means.reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the edge logits of *image*; see the class."""
        colour = image.expand(-1, 3, -1, -1) * 255.0 - self.means
        inner = functional.relu(self.second(functional.relu(self.first(colour))))
        logits: Tensor = self.score(inner)
        return logits


class EdgeLoss(nn.Module):
    """-[beta sum over t+ of log e(sr) + (1 - beta) sum over t- of log(1 - e(sr))] / pixels, mean over the images.

    e is the edge probability (sigmoid of the logits), t+ the pixels of hr with e > 0.5, t- the others, beta = |t-| / |t|
    for each image.  An image without an edge counts 0.  No gradient through hr.

    ``forward(sr, hr)``: float (B, 1, H, W) each in [0, 1]; returns a scalar.

    Args:
        weights: a weight file of HED, whose side output 1 then is the edge map; without it a Sobel operator.
    """

    target = Target.HR

    def __init__(self, weights: str = "") -> None:
        super().__init__()
        self.edges: nn.Module = HEDEdges(Path(weights)) if weights else SobelEdges()

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        if sr.shape[1] != 1:
            raise OptionError(
                f"The loss edge was given {sr.shape[1]} channels, luma alone was expected; leave colour out of the recipe."
            )
        logits = self.edges(sr)
        with torch.no_grad():
            edge = (self.edges(hr) > 0.0).to(logits.dtype)
            beta = 1.0 - edge.mean(dim=(1, 2, 3), keepdim=True)
        # log(1 - sigmoid(x)) is logsigmoid(-x); where there is no edge beta is 1 and both terms vanish.
        positive = beta * edge * functional.logsigmoid(logits)
        negative = (1.0 - beta) * (1.0 - edge) * functional.logsigmoid(-logits)
        loss: Tensor = -(positive + negative).mean()
        return loss
