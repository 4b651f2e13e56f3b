# SPDX-License-Identifier: MPL-2.0
"""An ONNX graph as a PyTorch module: its weights are parameters, and its nodes are run one after the other.

It knows the operators of PP-OCR's recognizers (opset 11, https://onnx.ai/onnx/operators) and computes what onnxruntime
computes, to single precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from onnx import ModelProto, NodeProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from ocrmypdf_superres.errors import RecognizerError


@dataclass(frozen=True)
class _Node:
    """A node with one output; *named* are its attributes."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    named: Mapping[str, Any]


class OnnxGraph(nn.Module):
    """The graph of *model*, from its one input to its one output.

    Initializers of floating-point numbers with more than one element are parameters; the means and variances of batch
    normalisation are not trained.

    Args:
        model: a model with one input and one output.

    Attributes:
        names: the parameter or buffer of each initializer.
        output: the name of the output.

    Raises:
        RecognizerError: the graph has an operator that is not known here.
    """

    def __init__(self, model: ModelProto) -> None:
        super().__init__()
        graph = model.graph
        nodes = [_read(node) for node in graph.node]
        for node in nodes:
            if node.operator not in _OPERATORS:
                raise RecognizerError(
                    f"The model has the operator {node.operator}, but one of {', '.join(sorted(_OPERATORS))} was expected; "
                    "give the ONNX file of a PP-OCR recognizer."
                )
        self._nodes = _with_gelu(_without_identities(nodes))
        fixed = {name for node in self._nodes if node.operator == "BatchNormalization" for name in node.inputs[3:5]}
        self.names: dict[str, str] = {}
        self._scalars: dict[str, str] = {}
        self._constants: dict[str, Tensor] = {}
        for place, initializer in enumerate(graph.initializer):
            value = torch.from_numpy(np.array(numpy_helper.to_array(initializer)))
            if not value.is_floating_point():
                self._constants[initializer.name] = value  # shapes and axes, which are read on the CPU
                continue
            if value.numel() == 1:
                self._scalars[initializer.name] = name = f"scalar{place}"
                self.register_buffer(name, value, persistent=False)
                continue
            self.names[initializer.name] = name = f"weight{place}"
            if initializer.name in fixed:
                self.register_buffer(name, value)
            else:
                self.register_parameter(name, nn.Parameter(value))
        self._input = next(one.name for one in graph.input if one.name not in self.names)
        self.output = graph.output[0].name

    def forward(self, images: Tensor, until: str = "") -> Tensor:
        """Return the value called *until*, by default the output, for the input *images*."""
        wanted = until or self.output
        values = {self._input: images}
        for node in self._nodes:
            found = _OPERATORS[node.operator](node.named, *(self._value(values, name) for name in node.inputs))
            if node.output == wanted:
                return found
            values[node.output] = found
        raise RecognizerError(f"The graph has no value {wanted!r}; give the output of one of its nodes.")

    def made_by(self, value: str) -> tuple[str, tuple[str, ...]]:
        """Return the operator whose output is *value*, and the names of its inputs."""
        node = next(node for node in self._nodes if node.output == value)
        return node.operator, node.inputs

    def _value(self, values: Mapping[str, Tensor], name: str) -> Tensor:
        if own := self.names.get(name) or self._scalars.get(name):
            found: Tensor = getattr(self, own)
            return found
        return self._constants[name] if name in self._constants else values[name]


def _read(node: NodeProto) -> _Node:
    named = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return _Node(node.op_type, tuple(node.input), node.output[0], named)


def _without_identities(nodes: Sequence[_Node]) -> list[_Node]:
    same: dict[str, str] = {}
    kept = []
    for node in nodes:
        inputs = tuple(same.get(name, name) for name in node.inputs)
        if node.operator == "Identity":
            same[node.output] = inputs[0]
        else:
            kept.append(replace(node, inputs=inputs))
    return kept


def _with_gelu(nodes: Sequence[_Node]) -> list[_Node]:
    """Return *nodes* with each x / sqrt(2) -> erf -> + 1 -> * x -> / 2 as one node, which is faster."""
    by_output = {node.output: node for node in nodes}
    users: dict[str, list[_Node]] = {}
    for node in nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    made, left_out = {}, set()
    for node in nodes:
        if node.operator == "Erf":
            chain = [by_output[node.inputs[0]], node]
            while len(chain) < 5:
                chain.append(users[chain[-1].output][0])
            if [one.operator for one in chain] == ["Div", "Erf", "Add", "Mul", "Mul"]:
                made[chain[-1].output] = _Node("Gelu", chain[0].inputs[:1], chain[-1].output, {})
                left_out |= {one.output for one in chain[:-1]}
    return [made.get(node.output, node) for node in nodes if node.output not in left_out]


def _padding(named: Mapping[str, Any], image: Tensor) -> list[int]:
    """Return the padding at the left, right, top and bottom of *image*."""
    rows, columns = named["kernel_shape"]
    if named.get("auto_pad") == b"SAME_UPPER":
        found = []
        for size, kernel, stride in zip(image.shape[:1:-1], (columns, rows), named["strides"][::-1], strict=True):
            missing = max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
            found += [missing // 2, missing - missing // 2]
        return found
    top, left, bottom, right = named.get("pads", (0, 0, 0, 0))
    return [left, right, top, bottom]


def _convolved(named: Mapping[str, Any], image: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    left, right, top, bottom = padding = _padding(named, image)
    even = left == right and top == bottom
    image = image if even else functional.pad(image, padding)
    around = (top, left) if even else (0, 0)
    return functional.conv2d(image, weight, bias, named["strides"], around, named["dilations"], named["group"])


def _maximum(named: Mapping[str, Any], image: Tensor) -> Tensor:
    padded = functional.pad(image, _padding(named, image), value=-math.inf)
    return functional.max_pool2d(padded, named["kernel_shape"], named["strides"])


def _average(named: Mapping[str, Any], image: Tensor) -> Tensor:
    if any(_padding(named, image)):
        raise RecognizerError(
            "The model averages over padding, which is not known here; give the ONNX file of a PP-OCR recognizer."
        )
    return functional.avg_pool2d(image, named["kernel_shape"], named["strides"])


def _sliced(
    _: Mapping[str, Any], value: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    for at, start in enumerate(starts.tolist()):
        axis, step = (given[at].item() if given is not None else usual for given, usual in ((axes, at), (steps, 1)))
        inside = range(*slice(start, int(ends[at]), int(step)).indices(value.shape[int(axis)]))
        value = value.index_select(int(axis), torch.tensor(inside, device=value.device))
    return value


def _reshaped(_: Mapping[str, Any], value: Tensor, shape: Tensor) -> Tensor:
    return value.reshape([value.shape[axis] if size == 0 else size for axis, size in enumerate(shape.tolist())])


def _mean(named: Mapping[str, Any], value: Tensor) -> Tensor:
    return value.mean(tuple(named["axes"]), keepdim=bool(named.get("keepdims", 1)))


def _squeezed(named: Mapping[str, Any], value: Tensor) -> Tensor:
    return value.squeeze(tuple(named["axes"]))


def _unsqueezed(named: Mapping[str, Any], value: Tensor) -> Tensor:
    for axis in sorted(named["axes"]):
        value = value.unsqueeze(axis)
    return value


def _normalised(named: Mapping[str, Any], value: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return functional.batch_norm(value, mean, variance, weight, bias, False, 0.0, named.get("epsilon", 1e-5))


_OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda _, a, b: a + b,
    "AveragePool": _average,
    "BatchNormalization": _normalised,
    "Concat": lambda named, *parts: torch.cat(parts, named["axis"]),
    "Conv": _convolved,
    "Div": lambda _, a, b: a / b,
    "Erf": lambda _, a: torch.erf(a),
    "Gelu": lambda _, a: functional.gelu(a),
    "HardSigmoid": lambda named, a: (a * named.get("alpha", 0.2) + named.get("beta", 0.5)).clamp(0, 1),
    "Identity": lambda _, a: a,
    "MatMul": lambda _, a, b: a @ b,
    "MaxPool": _maximum,
    "Mul": lambda _, a, b: a * b,
    "Pow": lambda _, a, b: a**b,
    "ReduceMean": _mean,
    "Relu": lambda _, a: functional.relu(a),
    "Reshape": _reshaped,
    "Shape": lambda _, a: torch.tensor(a.shape),
    "Sigmoid": lambda _, a: torch.sigmoid(a),
    "Slice": _sliced,
    "Softmax": lambda named, a: a.softmax(named["axis"]),
    "Sqrt": lambda _, a: a.sqrt(),
    "Squeeze": _squeezed,
    "Sub": lambda _, a, b: a - b,
    "Transpose": lambda named, a: a.permute(*named["perm"]),
    "Unsqueeze": _unsqueezed,
}
