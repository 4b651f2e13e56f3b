# SPDX-License-Identifier: MPL-2.0
"""Thin-plate spline rectification of a text line (TPS-STN; Jaderberg 2015, Shi et al. 2018), shared by the line nets.

A small head predicts control points along the line's upper and lower edge; the image is resampled so that they lie on
straight rows. As in the code of TextZoom, TBSRN and LEMMA it is active in training only, unless told otherwise: it
corrects shifts between lr and hr.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

POINTS = 20
SOURCE_MARGIN, TARGET_MARGIN = 0.01, 0.05
WIDTHS = (32, 64, 128, 256, 256, 256)


def edge_points(margin: float) -> Tensor:
    """Return POINTS points (x, y) in [0, 1], float32 (POINTS, 2): half along the top and half along the bottom."""
    x = torch.linspace(margin, 1 - margin, POINTS // 2)
    return torch.cat([torch.stack([x, torch.full_like(x, y)], dim=1) for y in (margin, 1 - margin)])


class STNHead(nn.Module):
    """Predict control points: ``head(x)`` takes float (B, C, H, W) and returns (B, 20, 2), x and y in [0, 1].

    3x3 convolutions with batch normalisation and ReLU, halved in size between them, then two linear layers. Untrained it
    gives the points of :data:`SOURCE_MARGIN`, which the grid brings to those of :data:`TARGET_MARGIN`: the line shrinks by 9 %,
    as in the authors' code.

    Args:
        channels: of the image.
        size: (height, width) that it works at; both are halved while they are above 1.
        widths: channels of the six convolutions.
        hidden: width of the linear layer.
    """

    def __init__(
        self, channels: int, size: tuple[int, int] = (16, 64), widths: tuple[int, ...] = WIDTHS, hidden: int = 512
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        height, width = size
        for index, outputs in enumerate(widths):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
            channels = outputs
            pool = (2 if height > 1 else 1, 2 if width > 1 else 1)
            if index < len(widths) - 1:
                layers.append(nn.MaxPool2d(pool, pool))
                height, width = height // pool[0], width // pool[1]
        self.convolutions = nn.Sequential(*layers)
        self.first = nn.Linear(channels * height * width, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.last = nn.Linear(hidden, 2 * POINTS)
        for layer in self.convolutions:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=math.sqrt(2 / (9 * layer.out_channels)))
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.first.weight, std=0.001)
        nn.init.zeros_(self.first.bias)
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():
            self.last.bias.copy_(edge_points(SOURCE_MARGIN).flatten())

    def forward(self, x: Tensor) -> Tensor:
        """Return the control points (B, 20, 2) of *x*, float (B, C, H, W)."""
        value = self.convolutions(x).flatten(1)
        value = torch.relu(self.norm(self.first(value)))
        points: Tensor = self.last(0.1 * value).reshape(-1, POINTS, 2)
        return points


class TPSGrid(nn.Module):
    """Resample images so that given points lie on two straight rows; ``grid(x, points)``, no parameters.

    *x* float (B, C, H, W), *points* (B, 20, 2) in [0, 1]; returns (B, C, height, width) of *size*, bilinear, corners
    aligned, black outside.
    """

    weights: Tensor
    inverse: Tensor

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        target = edge_points(TARGET_MARGIN).double()
        count = len(target)
        system = torch.zeros(count + 3, count + 3, dtype=torch.float64)
        system[:count, :count] = _kernel(target, target)
        system[:count, count] = system[count, :count] = 1.0
        system[:count, count + 1 :] = target
        system[count + 1 :, :count] = target.T
        rows, columns = (torch.arange(n, dtype=torch.float64) / max(1, n - 1) for n in size)
        positions = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=2).flip(2).reshape(-1, 2)
        values = torch.cat([_kernel(positions, target), torch.ones(len(positions), 1, dtype=torch.float64), positions], dim=1)
        self.register_buffer("inverse", torch.linalg.inv(system).float(), persistent=False)
        self.register_buffer("weights", values.float(), persistent=False)

    def forward(self, x: Tensor, points: Tensor) -> Tensor:
        """Return *x* resampled; see the class."""
        padded = functional.pad(points, (0, 0, 0, 3))
        grid = (self.weights @ (self.inverse @ padded)).clamp(0, 1) * 2 - 1
        return functional.grid_sample(x, grid.reshape(-1, *self.size, 2).to(x), align_corners=True)


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    square = (first[:, None] - second[None]).square().sum(dim=2)
    return torch.where(square > 0, 0.5 * square * square.clamp(min=1e-30).log(), 0.0)


class RareGrid(nn.Module):
    """The grid of RARE (Shi et al., CVPR 2016): ``grid(x, points)``, points (B, 20, 2) in [-1, 1].

    The points are mapped to the upper and lower border of the image, positions are the pixels' centres, and what lies outside
    repeats the border. It has no parameters.
    """

    weights: Tensor
    inverse: Tensor

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        target = rare_points().double()
        count = len(target)
        system = torch.zeros(count + 3, count + 3, dtype=torch.float64)
        system[:count, 0] = system[count + 2, 3:] = 1.0
        system[:count, 1:3] = target
        system[count : count + 2, 3:] = target.T
        system[:count, 3:] = _kernel(target, target)
        rows, columns = ((2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1 for n in size)
        positions = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=2).flip(2).reshape(-1, 2)
        ones = torch.ones(len(positions), 1, dtype=torch.float64)
        self.register_buffer("inverse", torch.linalg.inv(system).float(), persistent=False)
        self.register_buffer("weights", torch.cat([ones, positions, _kernel(positions, target)], dim=1).float(), persistent=False)

    def forward(self, x: Tensor, points: Tensor) -> Tensor:
        """Return *x*, float (B, C, H, W), resampled to (B, C, height, width) of the size; see the class."""
        grid = self.weights @ (self.inverse @ functional.pad(points, (0, 0, 0, 3)))
        grid = grid.reshape(-1, *self.size, 2).to(x)
        return functional.grid_sample(x, grid, padding_mode="border", align_corners=True)


def rare_points() -> Tensor:
    """Return POINTS points (x, y) on the borders, float32 (POINTS, 2) in [-1, 1]: half along the top, half along the bottom."""
    x = torch.linspace(-1, 1, POINTS // 2)
    return torch.cat([torch.stack([x, torch.full_like(x, y)], dim=1) for y in (-1.0, 1.0)])


def rare_start() -> Tensor:
    """Return the points, float32 (POINTS, 2), that RARE's head starts from (its figure 6a): both rows rise from left to right."""
    x = torch.linspace(-1, 1, POINTS // 2)
    return torch.cat([torch.stack([x, torch.linspace(y, y - 1, POINTS // 2)], dim=1) for y in (0.0, 1.0)])


class TPSSTN(nn.Module):
    """Head and grid together: ``stn(x)`` returns (B, C, H, W) rectified; in evaluation *x* itself unless *always*."""

    def __init__(
        self,
        channels: int,
        size: tuple[int, int] = (16, 64),
        widths: tuple[int, ...] = WIDTHS,
        hidden: int = 512,
        always: bool = False,
    ) -> None:
        super().__init__()
        self.head = STNHead(channels, size, widths, hidden)
        self.grid = TPSGrid(size)
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, C, H, W) for *x* of the same shape."""
        if not (self.training or self.always):
            return x
        rectified: Tensor = self.grid(x, self.head(x))
        return rectified
