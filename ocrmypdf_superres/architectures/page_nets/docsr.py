# SPDX-License-Identifier: MPL-2.0
"""DocSR: this project's own net for document pages, made for CPUs.

Space-to-depth, plain 3x3 convolutions that are trained with parallel branches and folded into one
(RepVGG, arXiv 2101.03697; ECBSR, ACM MM 2021), one PixelShuffle tail a scale, and a residual on the
Lanczos enlargement, which is itself a fixed convolution, so that tiles agree with the whole page.

With ``context`` a branch at a quarter of the resolution looks along the line, since a letter of 4 px is recognized by its word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ocrmypdf_superres.architectures.blocks.layers import enlargement_kernel, lanczos
from ocrmypdf_superres.architectures.spec import ArchitectureSpec

SHUFFLE = 2  # space-to-depth factor
SIZE_MULTIPLE = 4  # the branch of context halves the grid of space-to-depth once more
LANCZOS_CELLS = 2  # cells to each side that hold the three pixels of Lanczos-3
REACH = 2  # cells to each side that a convolution of the branch of context sees along the line


@dataclass(frozen=True)
class DocSRConfig:
    """Hyperparameters: features, number of 3x3 convolutions, scales, number of 1x5 convolutions of the branch of context."""

    features: int = 48
    convolutions: int = 7
    scales: tuple[int, ...] = (2, 3, 4)
    context: int = 0
    context_features: int = 64

    def __post_init__(self) -> None:
        if self.features < 1 or self.convolutions < 2:
            raise ValueError("features must be at least 1 and convolutions at least 2")
        if not self.scales or any(s < 2 or s > 8 for s in self.scales):
            raise ValueError("scales must be whole numbers from 2 to 8")
        if self.context < 0 or (self.context and (self.convolutions < 5 or self.context_features % 4)):
            raise ValueError("a branch of context needs at least 5 convolutions beside it and features in fours")

    @property
    def leaves(self) -> int:
        """Convolutions before the branch of context, a third of all but the tail."""
        return (self.convolutions - 1) // 3

    @property
    def joins(self) -> int:
        """Convolutions before the one that the branch of context joins, two thirds of all but the tail."""
        return 2 * (self.convolutions - 1) // 3

    @property
    def joined(self) -> int:
        """Features that the branch of context hands over, at the resolution of the other convolutions."""
        return self.context_features // 4 if self.context else 0


def lanczos_kernel(scale: int) -> Tensor:
    """Return the kernel of Lanczos-3 enlargement by *scale* on the grid of space-to-depth, float32 ((2 scale)^2, 4, 5, 5).

    The enlargement so has the layout of the tail's output, and both are shuffled to pixels at once.
    """
    phases = enlargement_kernel(scale, lanczos, 3).reshape(scale, scale, 7, 7)
    wide = SHUFFLE * (2 * LANCZOS_CELLS + 1)
    kernel = torch.zeros(SHUFFLE, scale, SHUFFLE, scale, wide, wide)
    for row in range(SHUFFLE):
        for column in range(SHUFFLE):
            top, left = (SHUFFLE * LANCZOS_CELLS - 3 + offset for offset in (row, column))
            kernel[row, :, column, :, top : top + 7, left : left + 7] = phases
    return F.pixel_unshuffle(kernel.reshape((SHUFFLE * scale) ** 2, 1, wide, wide), SHUFFLE)


class RepConv3x3(nn.Module):
    """A 3x3 convolution trained as 3x3 + 1x1 (+ identity) branches; :meth:`fold` gives the single one."""

    def __init__(self, inputs: int, outputs: int, identity: bool = True) -> None:
        super().__init__()
        self.main = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.point: nn.Conv2d | None = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.identity = identity and inputs == outputs

    def weight(self) -> Tensor:
        """Return the folded kernel, (outputs, inputs, 3, 3)."""
        kernel = self.main.weight
        if self.point is not None:
            kernel = kernel + F.pad(self.point.weight, (1, 1, 1, 1))
            if self.identity:
                eye = torch.eye(kernel.shape[0], dtype=kernel.dtype, device=kernel.device)
                kernel = kernel + F.pad(eye[:, :, None, None], (1, 1, 1, 1))
        return kernel

    def forward(self, x: Tensor) -> Tensor:
        """Return float (B, outputs, H, W) for *x*, float (B, inputs, H, W)."""
        if self.point is None:
            result: Tensor = self.main(x)
            return result
        # Folding the weights costs little compared with a second pass over the image.
        return F.conv2d(x, self.weight(), self.main.bias, padding=1)

    @torch.no_grad()
    def start_from(self, weight: Tensor, bias: Tensor) -> None:
        """Make the layer compute what the folded convolution *weight*, *bias* does, its branches kept for training."""
        self.main.weight.add_(weight - self.weight())
        self.main.bias.copy_(bias)  # type: ignore[union-attr]

    @torch.no_grad()
    def fold(self) -> None:
        """Replace the branches by the one convolution that equals them."""
        if self.point is not None:
            self.main.weight.copy_(self.weight())
            self.point = None


class Context(nn.Module):
    """A branch at half of its input's resolution that looks along the line: float (B, C, H, W) to (B, features / 4, H, W)."""

    def __init__(self, inputs: int, features: int, convolutions: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, features, 3, stride=2, padding=1)
        width = 2 * REACH + 1
        self.along = nn.ModuleList(nn.Conv2d(features, features, (1, width), padding=(0, REACH)) for _ in range(convolutions))
        self.leave = nn.Conv2d(features, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class's docstring; H and W are even."""
        y = F.relu(self.enter(x))
        for layer in self.along:
            y = F.relu(layer(y))
        return F.pixel_shuffle(F.relu(self.leave(y)), 2)


class DocSR(nn.Module):
    """See the module's docstring.  Input float (B, 1, H, W) in [0, 1], H and W even, in fours with a branch of context."""

    def __init__(self, config: DocSRConfig) -> None:
        super().__init__()
        self.config = config
        width = config.features
        inputs = SHUFFLE**2
        self.context = Context(width, config.context_features, config.context) if config.context else None
        self.body = nn.ModuleList(
            RepConv3x3(inputs if i == 0 else width + config.joined * (i == config.joins), width)
            for i in range(config.convolutions - 1)
        )
        self.tails = nn.ModuleDict()
        for scale in config.scales:
            tail = RepConv3x3(width, (SHUFFLE * scale) ** 2, identity=False)
            # The net starts as Lanczos enlargement.
            for parameter in tail.parameters():
                nn.init.zeros_(parameter)
            self.tails[str(scale)] = tail
            self.register_buffer(f"lanczos_{scale}", lanczos_kernel(scale), persistent=False)

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Return float (B, 1, scale H, scale W), not clipped.  *scale* defaults to the first one."""
        scale = self.config.scales[0] if scale is None else scale
        edge = SHUFFLE * LANCZOS_CELLS
        padded = F.pixel_unshuffle(F.pad(x, (edge, edge, edge, edge), mode="replicate"), SHUFFLE)
        base = F.conv2d(padded, getattr(self, f"lanczos_{scale}"))
        # Ink is 1 and paper 0 for the convolutions, so that their zero padding means paper.
        cells = slice(LANCZOS_CELLS, -LANCZOS_CELLS)
        y = 1.0 - padded[:, :, cells, cells]
        aside = None
        for number, layer in enumerate(self.body):
            if self.context is not None and number == self.config.leaves:
                aside = self.context(y)
            if aside is not None and number == self.config.joins:
                y = torch.cat((y, aside), dim=1)
            y = F.relu(layer(y))
        return F.pixel_shuffle(base + self.tails[str(scale)](y), SHUFFLE * scale)

    @torch.no_grad()
    def grown(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return folded weights of this net that compute what the folded weights *state* of a smaller DocSR do.

        Function-preserving growth (Net2Net, arXiv 1511.05641): new layers start as the identity, old features do not
        depend on the new ones, and the new ones start at random.

        Raises:
            ValueError: *state* has more features, layers or other scales than this net, or a branch of context.
        """
        width = state["body.0.main.weight"].shape[0]
        layers = sum(name.startswith("body.") and name.endswith("weight") for name in state)
        tails = {name.split(".")[1] for name in state if name.startswith("tails.")}
        if width > self.config.features or layers > len(self.body) or tails != set(self.tails):
            raise ValueError("only a net of the same scales with at most as many features and convolutions can be grown")
        if any(name.startswith("context.") for name in state):
            raise ValueError("a net with a branch of context cannot be grown")
        # The features of the branch come last where it joins, with weights of zero.
        result = {name: value.clone() for name, value in self.state_dict().items() if name.startswith("context.")}
        for name, layer in self.named_modules():
            if not isinstance(layer, RepConv3x3):
                continue
            weight, bias = layer.weight().clone(), layer.main.bias.clone()  # type: ignore[union-attr]
            old = state.get(f"{name}.main.weight")
            if old is None:
                old, old_bias = weight.new_zeros(width, width, 3, 3), bias.new_zeros(width)
                old[:, :, 1, 1] = torch.eye(width, device=weight.device)
            else:
                old_bias = state[f"{name}.main.bias"]
            outputs, inputs = old.shape[:2]
            weight[:outputs] = 0.0
            weight[:outputs, :inputs], bias[:outputs] = old, old_bias
            result[f"{name}.main.weight"], result[f"{name}.main.bias"] = weight, bias
        return result

    def int8_convolutions(self) -> tuple[list[str], list[str]]:
        """See :class:`~ocrmypdf_superres.architectures.spec.HasInt8Form`; the fixed Lanczos kernels stay in floats."""
        inner = [f"body.{i}.main" for i in range(len(self.body))]
        if self.context is not None:
            inner += ["context.enter", *(f"context.along.{i}" for i in range(len(self.context.along))), "context.leave"]
        return inner, [f"tails.{scale}.main" for scale in self.tails]

    def fold(self) -> None:
        """Fold all re-parameterised convolutions, for inference and export."""
        for module in self.modules():
            if isinstance(module, RepConv3x3):
                module.fold()


def _radius(config: DocSRConfig) -> int:
    # Each 3x3 convolution adds a space-to-depth cell to the radius; a cell spans SHUFFLE pixels.
    plain = max(3, SHUFFLE * config.convolutions + SHUFFLE)
    if not config.context:
        return plain
    beside = config.convolutions - config.joins + config.leaves
    return max(plain, SHUFFLE * beside + SIZE_MULTIPLE * (REACH * config.context + 2) - SHUFFLE)


SPEC = ArchitectureSpec(
    name="docsr",
    task="page",
    config=DocSRConfig,
    build=DocSR,
    scales=lambda config: tuple(config.scales),
    receptive_radius=_radius,
    size_multiple=SIZE_MULTIPLE,
    channels=1,
    paper="this project",
)
