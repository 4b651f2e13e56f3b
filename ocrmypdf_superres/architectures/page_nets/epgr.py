# SPDX-License-Identifier: MPL-2.0
"""Collaborative EP-CNN and GR-CNN: one predicts where the contrast is, the other the image, guided by it (Quan et al.).

Modules M0 to MT follow one another, each with its own weights.  In M0 the EP-CNN sees lr and its contrast E_X, in the
later ones lr's features and the contrast of the image before; each GR-CNN sees lr's features and the EP-CNN's output.
The image is predicted as it is, not as a residual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocrmypdf_superres.architectures.blocks.layers import PlainBlock, check_channels, contrast
from ocrmypdf_superres.architectures.receptive_field import ReceptiveField
from ocrmypdf_superres.architectures.spec import ArchitectureSpec

SIZE_MULTIPLE = 2  # the predictor halves the image, which is lr itself at scale 1


@dataclass(frozen=True)
class EPGRConfig:
    """Features, residual units of a predictor, modules (the paper's T + 1), scale, channels, and whether there are EP-CNNs.

    Scale 4 enlarges; scale 1 only deblurs, the upsampling part removed.
    """

    features: int = 64
    blocks: int = 13
    modules: int = 3
    scale: int = 4
    channels: int = 1
    edges: bool = True

    def __post_init__(self) -> None:
        check_channels(self.channels)
        if min(self.features, self.blocks) < 1 or not 1 <= self.modules <= 9:
            raise ValueError("features and blocks must be at least 1, and modules from 1 to 9")
        if self.scale not in (1, 4):
            raise ValueError("scale must be 4 (enlarging) or 1 (deblurring only)")
        if not self.edges and self.modules > 1:
            raise ValueError("modules must be 1 without edges")


class Upsampler(nn.Module):
    """To four times the size: transposed 6x6 of stride 2, 6x6, transposed 6x6 of stride 2, each with a ReLU."""

    def __init__(self, inputs: int, features: int) -> None:
        super().__init__()
        self.first = nn.ConvTranspose2d(inputs, features, 6, 2, padding=2)
        self.middle = nn.Conv2d(features, features, 6)
        self.last = nn.ConvTranspose2d(features, features, 6, 2, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, features, 4 H, 4 W) for *x*, float (B, inputs, H, W)."""
        # An even kernel keeps the size with one pixel more after than before.
        x = F.pad(F.relu(self.first(x)), (2, 3, 2, 3))
        return F.relu(self.last(F.relu(self.middle(x))))


class Predictor(nn.Module):
    """Two 3x3, one of stride 2, residual units, a transposed one of stride 2, two 3x3; float (B, C, H, W), H and W even."""

    def __init__(self, inputs: int, outputs: int, features: int, blocks: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, 2, padding=1),
            nn.ReLU(),
            *(PlainBlock(features) for _ in range(blocks)),
            nn.ConvTranspose2d(features, features, 3, 2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, outputs, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, outputs, H, W) for *x*, float (B, inputs, H, W)."""
        result: Tensor = self.layers(x)
        return result


class Branch(nn.Module):
    """An EP-CNN or a GR-CNN: lr's features, *guides* channels of hr's size beside them, and a predictor.

    Args:
        config: sizes.
        inputs: channels of what is enlarged.
        guides: 0 or 1.
        outputs: channels.
    """

    def __init__(self, config: EPGRConfig, inputs: int, guides: int, outputs: int) -> None:
        super().__init__()
        self.upsampler = Upsampler(inputs, config.features) if config.scale > 1 else nn.Identity()
        width = config.features if config.scale > 1 else inputs
        self.predictor = Predictor(width + guides, outputs, config.features, config.blocks)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """Return float (B, outputs, scale H, scale W) for *x*, float (B, inputs, H, W), and *guide* of the output's size."""
        features = self.upsampler(x)
        if guide is not None:
            features = torch.cat([features, guide], dim=1)
        result: Tensor = self.predictor(features)
        return result


class CollaborativeModule(nn.Module):
    """M_t; the *first* one has no image before it."""

    def __init__(self, config: EPGRConfig, first: bool) -> None:
        super().__init__()
        channels = config.channels
        self.ep: Branch | None = None
        if config.edges:
            self.ep = Branch(config, channels + 1, 0, 1) if first else Branch(config, channels, 1, 1)
        self.gr = Branch(config, channels, 1 if config.edges else 0, channels)
        self.first = first

    def edges(self, lr: Tensor, before: Tensor | None) -> Tensor | None:
        """Return U, the predicted contrast of hr, (B, 1, scale H, scale W); None without an EP-CNN."""
        if self.ep is None:
            return None
        if self.first or before is None:
            result: Tensor = self.ep(torch.cat([lr, contrast(lr)], dim=1))
        else:
            result = self.ep(lr, contrast(before))
        return result


class EPGR(nn.Module):
    """All modules.  Float (B, C, H, W) in [0, 1]; at scale 1 H and W even; the output is linear."""

    def __init__(self, config: EPGRConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(CollaborativeModule(config, first=number == 0) for number in range(config.modules))

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return float (B, C, scale H, scale W); there is one *scale*, the config's."""
        return self._through(x, self.config.modules)

    def _through(self, lr: Tensor, count: int) -> Tensor:
        """Return the image after the first *count* modules, at least one."""
        image = lr
        for module in self._modules_until(count):
            image = module.gr(lr, module.edges(lr, None if module.first else image))
        return image

    def _modules_until(self, count: int) -> list[CollaborativeModule]:
        return [module for module in self.stages[:count] if isinstance(module, CollaborativeModule)]

    @property
    def auxiliary_names(self) -> tuple[str, ...]:
        """What can be supervised of each module: ``edgesN`` (U), ``guidedN`` (X from hr's own contrast), ``imageN`` (X)."""
        kinds = ("edges", "guided", "image") if self.config.edges else ("image",)
        return tuple(f"{kind}{number}" for number in range(self.config.modules) for kind in kinds)

    def auxiliary_outputs(self, lr: Tensor, hr: Tensor, scale: int, names: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return (output, target) of each of *names*; the modules before those are fixed, as in the paper's training."""
        results: dict[str, tuple[Tensor, Tensor]] = {}
        for number in sorted({int(name[-1]) for name in names}):
            module = self._modules_until(number + 1)[number]
            wanted = {name[:-1] for name in names if int(name[-1]) == number}
            before: Tensor | None = None
            if number and wanted != {"guided"}:
                with torch.no_grad():
                    before = self._through(lr, number)
            edges = module.edges(lr, before) if wanted & {"edges", "image"} else None
            if "edges" in wanted and edges is not None:
                results[f"edges{number}"] = edges, contrast(hr)
            if "guided" in wanted:
                results[f"guided{number}"] = module.gr(lr, contrast(hr)), hr
            if "image" in wanted:
                results[f"image{number}"] = module.gr(lr, edges), hr
        return results


def _radius(config: EPGRConfig) -> int:
    field = ReceptiveField(config.scale, SIZE_MULTIPLE)
    branches = 2 * config.modules if config.edges else 1
    for branch in range(branches):
        # A predictor; then, except for the first, the path of the guide back through the branch before.
        field.convolution(3, times=2).transposed(3, 2, 1).convolution(3, times=2 * config.blocks)
        field.convolution(3, stride=2).convolution(3, times=2)
        if config.edges and branch % 2 == 1 and branch < branches - 1:
            field.convolution(3)  # E_X of the image before
    if config.scale > 1:
        field.transposed(6, 2, 2).convolution(6).transposed(6, 2, 2)
    if config.edges:
        field.convolution(3)  # E_X of lr
    return field.radius


SPEC = ArchitectureSpec(
    name="epgr",
    task="page",
    config=EPGRConfig,
    build=EPGR,
    scales=lambda config: (config.scale,),
    receptive_radius=_radius,
    size_multiple=SIZE_MULTIPLE,
    paper="Quan et al., Collaborative deep learning for super-resolving blurry text images",
)
