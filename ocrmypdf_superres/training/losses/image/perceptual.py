# SPDX-License-Identifier: MPL-2.0
"""Perceptual loss: distance of inner features (Johnson et al., ECCV 2016), of a recognizer or of VGG19."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.modelstore.published_weights import fill, read_tensors
from ocrmypdf_superres.recognizers import load
from ocrmypdf_superres.training.losses.recognition.recognizer_features import FeatureDistance
from ocrmypdf_superres.training.protocols import Target

# Channels of the 3x3 convolutions of VGG19 (Simonyan and Zisserman, 2015), block by block; pooling between the blocks.
_BLOCKS = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)


class VGG19(nn.Module):
    """VGG19 up to *layer*, for example ``conv5_4``, before its ReLU; weights from *path*, frozen.

    The file has torchvision's names ``features.N.weight`` and ``.bias``.  ``forward(image)``: float (B, 1, H, W) in
    [0, 1], replicated to RGB and normalised by ImageNet's means; returns (B, C, H', W').
    """

    means: Tensor
    deviations: Tensor

    def __init__(self, path: Path, layer: str) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        convolutions: dict[str, nn.Conv2d] = {}
        known: list[str] = []
        channels = 3
        for block, widths in enumerate(_BLOCKS, 1):
            for number, width in enumerate(widths, 1):
                known.append(f"conv{block}_{number}")
                if known.count(layer) and known[-1] != layer:
                    continue
                convolution = nn.Conv2d(channels, width, 3, padding=1)
                convolutions[f"features.{len(self.steps)}"] = convolution
                self.steps.append(convolution)
                channels = width
                if known[-1] != layer:
                    self.steps.append(nn.ReLU())
            if layer not in known:
                self.steps.append(nn.MaxPool2d(2))
        if layer not in known:
            raise OptionError(f"The loss perceptual has layer = {layer!r}; give one of {', '.join(known)}.")
        fill(convolutions, read_tensors(path), path, "VGG19")
        self.register_buffer("means", torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviations", torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the features of *image*; see the class."""
        value = (image.expand(-1, 3, -1, -1) - self.means) / self.deviations
        for step in self.steps:
            value = step(value)
        return value


class PerceptualLoss(nn.Module):
    """Distance of the features of sr and hr; no gradient through hr.

    With *weights*: mean over channels and places of (phi(sr) - phi(hr))^2, phi the *layer* of VGG19 before its ReLU
    (DPNet's loss, which does not say which layer nor average the channels).  Without: mean L1 of the inner features of
    *recognizer*, which sees each strip whole, as if it were one line; the loss ``features`` cuts the lines and jitters them.

    ``forward(sr, hr)``: float (B, 1, H, W) each in [0, 1]; returns a scalar.

    Raises:
        OptionError, RecognizerError: the weights do not fit, or the recognizer is not installed.
    """

    target = Target.HR

    def __init__(self, weights: str = "", layer: str = "conv5_4", recognizer: str = "tesseract:eng") -> None:
        super().__init__()
        self.network = VGG19(Path(weights), layer) if weights else None
        self.recognizer = None if weights else load(recognizer)
        self.distance = FeatureDistance()

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss, a scalar; see the class."""
        if self.network is not None:
            with torch.no_grad():
                wanted = self.network(hr)
            return functional.mse_loss(self.network(sr), wanted)
        if self.recognizer is None:
            raise OptionError("The loss perceptual has neither weights nor a recognizer; give one.")
        widths = torch.full((sr.shape[0],), sr.shape[3], dtype=torch.int64, device=sr.device)
        with torch.no_grad():
            known = self.recognizer.features(hr, widths, ("conv",))
        value: Tensor = self.distance(self.recognizer.features(sr, widths, ("conv",)), known)
        return value
