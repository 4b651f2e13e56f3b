# SPDX-License-Identifier: MPL-2.0
"""From the tree of a ``.traineddata`` file to torch modules, and back again."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import ocrmypdf_superres.recognizers.tesseract.layers as layers
from ocrmypdf_superres.errors import RecognizerError
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData
from ocrmypdf_superres.recognizers.tesseract.format.tree import DENSE, PARALLEL, RECURRENT, Matrix, Node

# The gates of nn.LSTM are i, f, g, o; the file has g, i, f, o.
_TO_TORCH = (1, 2, 0, 3)


class LineNetwork(nn.Module):
    """The network of a ``.traineddata`` file.

    Attributes:
        names: the layers whose outputs :meth:`inner` returns, in order: conv (after its activation and pool), one name
            for each recurrent layer such as ``Lfys48``, and ``Output``.
    """

    def __init__(self, data: TrainedData, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self._pairs: list[tuple[Node, layers.Layer]] = []
        self._named: dict[str, layers.Layer] = {}
        self.root = self._build(data.network)
        self.names = tuple(self._named)
        for layer in self.modules():
            if isinstance(layer, layers.Convolution):
                layer.border.sample_iteration = data.sample_iteration
                layer.border.integer = data.integer

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, T, K) and valid steps (B,) of normalised lines *x*, float (B, 1, height, W), paper about +1."""
        y, lengths = self.root(x, widths)
        return y.squeeze(2).permute(0, 2, 1), lengths

    def inner(self, x: Tensor, widths: Tensor, names: list[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the outputs of the layers *names*, each (B, C, H', W') with its valid columns (B,)."""
        unknown = [name for name in names if name not in self._named]
        if unknown:
            raise RecognizerError(
                f"The layers {', '.join(unknown)} were asked for, one or more of {', '.join(self.names)} were "
                f"expected; correct the names."
            )
        found: dict[str, tuple[Tensor, Tensor]] = {}
        handles = []
        for name in names:

            def keep(_module: nn.Module, _inputs: object, output: tuple[Tensor, Tensor], name: str = name) -> None:
                found[name] = output

            handles.append(self._named[name].register_forward_hook(keep))
        try:
            self.root(x, widths)
        finally:
            for handle in handles:
                handle.remove()
        return {name: found[name] for name in names}

    def set_border(self, mode: str) -> None:
        """Set what convolutions see outside a line: ``zero``, ``random`` or ``exact``."""
        if mode not in ("zero", "random", "exact"):
            raise RecognizerError(f"The border {mode!r} was given, zero, random or exact was expected; choose one.")
        for layer in self.modules():
            if isinstance(layer, layers.Convolution):
                layer.border.mode = mode

    def last(self) -> layers.Dense:
        """Return the last layer, which gives the logits."""
        layer = self._pairs[-1][1]
        if not isinstance(layer, layers.Dense):
            raise TypeError(f"{type(layer).__name__} gives no logits")
        return layer

    def matrices(self) -> list[tuple[Node, list[NDArray[np.float64]]]]:
        """Return every layer with weights and its matrices in the order and form of the file, bias in the last column."""
        result = []
        for node, layer in self._pairs:
            if isinstance(layer, layers.Recurrent):
                result.append((node, _lstm_matrices(layer.lstm)))
            elif isinstance(layer, (layers.Convolution, layers.Dense)):
                result.append((node, [_dense_matrix(layer)]))
        return result

    def _build(self, node: Node) -> layers.Layer:
        if node.kind == "Series":
            return layers.Chain(self._series(node.children))
        if node.kind in PARALLEL:
            return layers.Branches([self._build(child) for child in node.children])
        if node.kind == "XYTranspose":
            inner = self._build(node.children[0])
            outer: layers.Layer = layers.Transpose(inner)
            # What callers see is the output in the line's own orientation.
            self._named.update({name: outer for name, layer in self._named.items() if layer is inner})
            return outer
        if node.kind in ("RTLReversed", "TTBReversed"):
            inner = self._build(node.children[0])
            outer = layers.Reverse(inner, node.kind == "TTBReversed")
            self._named.update({name: outer for name, layer in self._named.items() if layer is inner})
            return outer
        if node.kind == "Convolve":
            return layers.Unfold((node.extents[0], node.extents[1]))
        if node.kind == "Maxpool":
            return layers.Pool(*node.extents)
        if node.kind == "Reconfig":
            return layers.SpaceToDepth(*node.extents)
        if node.kind in RECURRENT:
            return self._keep(node, layers.Recurrent(self._lstm(node), node.kind == "SummLSTM"), node.name)
        if node.kind in DENSE:
            weights = self._tensor(node.matrices[0].floats())
            return self._keep(node, layers.Dense(weights[:, :-1].clone(), weights[:, -1].clone(), node.kind), node.name)
        raise RecognizerError(
            f"The layer {node.kind} {node.name} was found in the network, one of the published line recognizers was "
            f"expected; use another file."
        )

    def _series(self, children: list[Node]) -> list[layers.Layer]:
        built: list[layers.Layer] = []
        for node in children:
            if node.kind == "Input":
                continue
            last = built[-1] if built else None
            if isinstance(last, layers.Unfold) and node.kind in DENSE:
                built[-1] = self._keep(node, self._convolution(last.side_taps, node), "conv")
                continue
            layer = self._build(node)
            if isinstance(layer, layers.Chain) and len(layer.layers) == 1:
                layer = layer.layers[0]  # type: ignore[assignment]
            if isinstance(last, layers.Convolution) and isinstance(layer, layers.Pool) and last.pool == (1, 1):
                last.pool = layer.size
                continue
            built.append(layer)
        return built

    def _keep(self, node: Node, layer: layers.Layer, name: str) -> layers.Layer:
        self._pairs.append((node, layer))
        unique, number = name or node.kind, 2
        while unique in self._named:
            unique, number = f"{name}-{number}", number + 1
        self._named[unique] = layer
        return layer

    def _tensor(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.dtype)

    def _convolution(self, half: tuple[int, int], node: Node) -> layers.Convolution:
        weights = self._tensor(node.matrices[0].floats())
        taps_x, taps_y = 2 * half[0] + 1, 2 * half[1] + 1
        kernel = weights[:, :-1].reshape(node.no, taps_x, taps_y, -1).permute(0, 3, 2, 1).contiguous()
        return layers.Convolution(half, kernel, weights[:, -1].clone(), node.kind)

    def _lstm(self, node: Node) -> nn.LSTM:
        gates = self._tensor(np.concatenate([node.matrices[index].floats() for index in _TO_TORCH]))
        lstm = nn.LSTM(node.ni, node.no, dtype=self.dtype)
        with torch.no_grad():
            lstm.get_parameter("weight_ih_l0").copy_(gates[:, : node.ni])
            lstm.get_parameter("weight_hh_l0").copy_(gates[:, node.ni : -1])
            lstm.get_parameter("bias_ih_l0").copy_(gates[:, -1])
            lstm.get_parameter("bias_hh_l0").zero_()
        return lstm


def _lstm_matrices(lstm: nn.LSTM) -> list[NDArray[np.float64]]:
    bias = (lstm.get_parameter("bias_ih_l0") + lstm.get_parameter("bias_hh_l0"))[:, None]
    gates = torch.cat([lstm.get_parameter("weight_ih_l0"), lstm.get_parameter("weight_hh_l0"), bias], dim=1)
    parts = np.split(gates.detach().cpu().double().numpy(), 4)
    return [parts[_TO_TORCH.index(index)] for index in range(4)]


def _dense_matrix(layer: layers.Convolution | layers.Dense) -> NDArray[np.float64]:
    weight = layer.weight.permute(0, 3, 2, 1) if isinstance(layer, layers.Convolution) else layer.weight
    whole = torch.cat([weight.flatten(1), layer.bias[:, None]], dim=1)
    return whole.detach().cpu().double().numpy()


def float_matrices(network: LineNetwork) -> None:
    """Replace the matrices of the tree that *network* was built from by its present weights, as float64."""
    for node, values in network.matrices():
        node.matrices = [Matrix(matrix) for matrix in values]
