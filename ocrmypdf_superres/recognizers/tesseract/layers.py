# SPDX-License-Identifier: MPL-2.0
"""Layers of Tesseract's line networks on batches of lines of different width.

Every layer takes float (B, C, H, W) and the valid columns of each line, int64 (B,), and returns the same. Columns right
of the valid ones never influence a valid one, except the last one of a convolution, which sees zeros there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.architectures.blocks.recurrent import run_rnn
from ocrmypdf_superres.recognizers.tesseract.noise import BorderNoise

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "Tanh": torch.tanh,
    "Logistic": torch.sigmoid,
    "Relu": torch.relu,
    "LinLogistic": lambda x: x.clamp(0.0, 1.0),
    "LinTanh": lambda x: x.clamp(-1.0, 1.0),
    "Linear": lambda x: x,
    "Softmax": lambda x: x,
}


def columns_mask(x: Tensor, widths: Tensor) -> Tensor:
    """Return bool (B, 1, 1, W): whether a column of *x* (B, C, H, W) is a valid one."""
    columns = torch.arange(x.shape[3], device=x.device)
    return (columns[None, :] < widths.to(x.device)[:, None])[:, None, None, :]


class Layer(nn.Module):
    """Base of the layers."""

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the layer's output and its valid columns; see the module."""
        raise NotImplementedError(f"The layer {type(self).__name__} does not define a forward pass.")


class Chain(Layer):
    """Layers one after the other."""

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        for layer in self.layers:
            x, widths = layer(x, widths)
        return x, widths


class Branches(Layer):
    """The same input to each of several layers, outputs side by side on the feature axis."""

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        outputs = [layer(x, widths) for layer in self.layers]
        return torch.cat([output for output, _ in outputs], dim=1), outputs[0][1]


class Convolution(Layer):
    """Convolve and the dense layer after it as one convolution, and the max-pool after that, if any.

    All activations are monotonic, so pooling first gives the same values with fewer evaluations. Convolution and
    pooling together are one convolution with the pool's stride and a larger kernel for each position in the pool, and
    a maximum over these positions: on a CPU much faster than a strided max-pool.
    """

    def __init__(self, half: tuple[int, int], weight: Tensor, bias: Tensor, activation: str) -> None:
        """*half*: taps on either side (x, y); *weight*: (no, ni, 2 y + 1, 2 x + 1); *bias*: (no,)."""
        super().__init__()
        self.side_taps = half
        self.activation = activation
        self.pool = (1, 1)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)
        self.border = BorderNoise()

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        x = x * columns_mask(x, widths).to(x.dtype)
        half_x, half_y = self.side_taps
        pool_x, pool_y = self.pool
        padding = (half_y, half_x)
        if self.border.mode == "random":
            x = self.border.surround(x, widths, half_x, half_y)
            padding = (0, 0)
        if self.border.mode == "exact":
            y = functional.conv2d(x, self.weight, self.bias, padding=padding)
            y = y + self.border.correction(self.weight, x.shape[2], widths, y)
            y = functional.max_pool2d(y, (pool_y, pool_x)) if (pool_x, pool_y) != (1, 1) else y
        elif (pool_x, pool_y) == (1, 1):
            y = functional.conv2d(x, self.weight, self.bias, padding=padding)
        elif torch.onnx.is_in_onnx_export():
            # The exporter needs constant kernels, and runtimes of ONNX have fast pools.
            y = functional.max_pool2d(functional.conv2d(x, self.weight, self.bias, padding=padding), (pool_y, pool_x))
        else:
            y = self._pooled(x, padding)
        return _ACTIVATIONS[self.activation](y), torch.div(widths, pool_x, rounding_mode="floor")

    def _pooled(self, x: Tensor, padding: tuple[int, int]) -> Tensor:
        pool_x, pool_y = self.pool
        no = self.weight.shape[0]
        kernels = [
            functional.pad(self.weight, (dx, pool_x - 1 - dx, dy, pool_y - 1 - dy))
            for dy in range(pool_y)
            for dx in range(pool_x)
        ]
        y = functional.conv2d(x, torch.cat(kernels), None, stride=(pool_y, pool_x), padding=padding)
        y = y.reshape(y.shape[0], pool_x * pool_y, no, y.shape[2], y.shape[3])
        return y.amax(dim=1) + self.bias[None, :, None, None]


class Unfold(Layer):
    """A Convolve that no dense layer follows: the neighbourhood of each position as features."""

    def __init__(self, half: tuple[int, int]) -> None:
        super().__init__()
        self.side_taps = half

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        x = x * columns_mask(x, widths).to(x.dtype)
        half_x, half_y = self.side_taps
        height, width = x.shape[2], x.shape[3]
        padded = functional.pad(x, (half_x, half_x, half_y, half_y))
        taps = [padded[:, :, dy : dy + height, dx : dx + width] for dx in range(2 * half_x + 1) for dy in range(2 * half_y + 1)]
        return torch.cat(taps, dim=1), widths


class Pool(Layer):
    """Max-pool with a stride of its kernel, rounding down."""

    def __init__(self, x: int, y: int) -> None:
        super().__init__()
        self.size = (x, y)

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        y = functional.max_pool2d(x, (self.size[1], self.size[0]))
        return y, torch.div(widths, self.size[0], rounding_mode="floor")


class SpaceToDepth(Layer):
    """Reconfig: blocks of positions become features, x outermost, rounding down."""

    def __init__(self, x: int, y: int) -> None:
        super().__init__()
        self.size = (x, y)

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        step_x, step_y = self.size
        height, width = x.shape[2] // step_y * step_y, x.shape[3] // step_x * step_x
        x = x[:, :, :height, :width]
        parts = [x[:, :, dy::step_y, dx::step_x] for dx in range(step_x) for dy in range(step_y)]
        return torch.cat(parts, dim=1), torch.div(widths, step_x, rounding_mode="floor")


class Transpose(Layer):
    """A layer along y: rows and columns swapped before and after.

    All lines have the same height, so all rows are valid inside; the columns of the layer's output are those
    of the line, valid or not.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        rows = torch.full_like(widths, x.shape[2])
        y, _ = self.layer(x.permute(0, 1, 3, 2), rows)
        return y.permute(0, 1, 3, 2), widths


class Reverse(Layer):
    """A layer from right to left, or from bottom to top: each line reversed within its own width."""

    def __init__(self, layer: Layer, vertical: bool) -> None:
        super().__init__()
        self.layer = layer
        self.vertical = vertical

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        if self.vertical:
            y, widths = self.layer(x.flip(2), widths)
            return y.flip(2), widths
        y, after = self.layer(_turn(x, widths), widths)
        return _turn(y, after), after


def _turn(x: Tensor, widths: Tensor) -> Tensor:
    columns = torch.arange(x.shape[3], device=x.device)[None, :]
    ends = widths.to(x.device)[:, None]
    order = torch.where(columns < ends, ends - 1 - columns, columns)
    return x.gather(3, order[:, None, None, :].expand(x.shape[0], x.shape[1], x.shape[2], x.shape[3]))


class Recurrent(Layer):
    """An LSTM along x in each row, its state empty at the start of a row; the last valid step only, if summarising.

    Tesseract limits the cell state to +-100, which no real line reaches; this is not copied.
    """

    def __init__(self, lstm: nn.LSTM, summarise: bool) -> None:
        super().__init__()
        self.lstm = lstm
        self.summarise = summarise

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        _, channels, height, width = x.shape
        steps = x.permute(3, 0, 2, 1).reshape(width, -1, channels)
        y = run_rnn(self.lstm, steps)
        units = self.lstm.hidden_size
        if self.summarise:
            # Inside a transposition all lines have the same extent, so that the last step is the last valid one.
            return y[-1].reshape(-1, height, units, 1).permute(0, 2, 1, 3), torch.ones_like(widths)
        return y.reshape(width, -1, height, units).permute(1, 3, 2, 0), widths


class Dense(Layer):
    """A matrix and an activation at every position; Softmax returns its logits."""

    def __init__(self, weight: Tensor, bias: Tensor, activation: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)
        self.activation = activation

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Layer.forward`."""
        y = functional.linear(x.permute(0, 2, 3, 1), self.weight, self.bias)
        return _ACTIVATIONS[self.activation](y).permute(0, 3, 1, 2), widths
