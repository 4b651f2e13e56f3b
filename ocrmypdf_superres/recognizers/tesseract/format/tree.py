# SPDX-License-Identifier: MPL-2.0
"""The network inside a ``.traineddata`` file as a tree of plain records, read and written byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ocrmypdf_superres.recognizers.tesseract.format.binary import ByteReader, ByteWriter

# In the order of their numbers in very old files.
KINDS = (
    "Invalid", "Input", "Convolve", "Maxpool", "Parallel", "Replicated", "ParBidiLSTM", "DepParUDLSTM",
    "Par2dLSTM", "Series", "Reconfig", "RTLReversed", "TTBReversed", "XYTranspose", "LSTM", "SummLSTM",
    "Logistic", "LinLogistic", "LinTanh", "Tanh", "Relu", "Linear", "Softmax", "SoftmaxNoCTC", "LSTMSoftmax",
    "LSTMBinarySoftmax", "TensorFlow",
)  # fmt: skip
PARALLEL = frozenset({"Parallel", "Replicated", "ParBidiLSTM", "DepParUDLSTM", "Par2dLSTM"})
WRAPPERS = frozenset({"RTLReversed", "TTBReversed", "XYTranspose"})
CONTAINERS = PARALLEL | WRAPPERS | {"Series"}
DENSE = frozenset({"Logistic", "LinLogistic", "LinTanh", "Tanh", "Relu", "Linear", "Softmax", "SoftmaxNoCTC"})
RECURRENT = frozenset({"LSTM", "SummLSTM"})
_EXTENTS = {"Input": 5, "Convolve": 2, "Maxpool": 2, "Reconfig": 2}
# What the numbers of the body have to lie between: sizes of line images, and kernels no one would exceed.
_MOST_EXTENT = {"Input": 1 << 16, "Convolve": 16, "Maxpool": 64, "Reconfig": 64}

_RATES = 64
_INT8 = 1
_ADAM = 4
_NEW = 128
_MOST_CHILDREN = 1000
_MOST_DEPTH = 16
_MOST_UNITS = 1 << 20


@dataclass
class Matrix:
    """Weights of one matrix: the last column is the bias.

    Attributes:
        values: int8 (rows, columns), or float64.
        scales: float64 (rows,) for int8, so that ``values * scales[:, None]`` are the weights; else None.
    """

    values: NDArray[Any]
    scales: NDArray[np.float64] | None = None

    @property
    def integer(self) -> bool:
        """Whether the values are int8."""
        return self.scales is not None

    def floats(self) -> NDArray[np.float64]:
        """Return the weights, float64 (rows, columns)."""
        values = self.values.astype(np.float64)
        return values if self.scales is None else values * self.scales[:, None]


@dataclass
class Node:
    """One layer or group of layers.

    Attributes:
        kind: one of :data:`KINDS`.
        ni: features in.
        no: features out.
        weights: number of weights below, as stored.
        extents: numbers of the body (Input: batch, height, width, depth, loss; Convolve: half x, half y; others x, y).
        matrices: one for dense layers; CI, GI, GF1, GO for an LSTM, in the order of the file.
    """

    kind: str
    name: str
    ni: int
    no: int
    weights: int
    flags: int = 0
    training: int = 0
    backprop: int = 0
    extents: tuple[int, ...] = ()
    children: list[Node] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    rates: tuple[float, ...] = ()

    def walk(self) -> Iterator[Node]:
        """Yield this node and everything below it, in the order of the file."""
        yield self
        for child in self.children:
            yield from child.walk()


def read_node(reader: ByteReader, depth: int = 0) -> Node:
    """Read a node and everything below it.

    Raises:
        RecognizerError: a field is outside its bounds, or the layer is of a kind that no published file has.
    """
    if depth > _MOST_DEPTH:
        raise reader.fail("layer nesting", f"more than {_MOST_DEPTH} levels", f"at most {_MOST_DEPTH}")
    node = _read_head(reader)
    if node.kind in _EXTENTS:
        most = _MOST_EXTENT[node.kind]
        node.extents = tuple(reader.i32(f"{node.kind} extents") for _ in range(_EXTENTS[node.kind]))
        least = 1 if node.kind in ("Maxpool", "Reconfig") else 0
        if not all(least <= extent <= most for extent in node.extents):
            raise reader.fail(f"{node.kind} extents", str(node.extents), f"numbers from {least} to {most}")
    elif node.kind in CONTAINERS:
        _read_children(reader, node, depth)
    elif node.kind in RECURRENT:
        _read_lstm(reader, node)
    elif node.kind in DENSE:
        node.matrices = [_read_matrix(reader, (node.no, node.ni + 1), node)]
    else:
        raise reader.fail("layer type", node.kind, "a layer of the published line recognizers")
    _check(reader, node)
    return node


def _read_head(reader: ByteReader) -> Node:
    tag = reader.i8("layer type")
    kind = reader.text("layer type", 64) if tag == 0 else (KINDS[tag] if 0 < tag < len(KINDS) else str(tag))
    if kind not in KINDS:
        raise reader.fail("layer type", repr(kind), "the name of a layer")
    training, backprop = reader.i8("training state"), reader.i8("backprop state")
    flags = reader.i32("layer flags")
    ni, no, weights = (reader.i32(f"{kind} {part}") for part in ("inputs", "outputs", "weight count"))
    name = reader.text("layer name", 4096)
    if not (0 <= ni <= _MOST_UNITS and 0 <= no <= _MOST_UNITS and weights >= 0):
        raise reader.fail(f"{kind} sizes", f"{ni} inputs, {no} outputs, {weights} weights", "sizes of a line recognizer")
    if training not in (0, 1, 2):
        raise reader.fail("training state", str(training), "0, 1 or 2")
    return Node(kind, name, ni, no, weights, flags, training, backprop)


def _read_children(reader: ByteReader, node: Node, depth: int) -> None:
    count = reader.u32("number of layers")
    if not 1 <= count <= _MOST_CHILDREN or (node.kind in WRAPPERS and count != 1):
        most = 1 if node.kind in WRAPPERS else _MOST_CHILDREN
        raise reader.fail(f"{node.kind} number of layers", str(count), f"a number from 1 to {most}")
    for _ in range(count):
        node.children.append(read_node(reader, depth + 1))
    if node.flags & _RATES:
        node.rates = tuple(reader.vector("float32", "learning rates").tolist())


def _read_lstm(reader: ByteReader, node: Node) -> None:
    units, columns = node.no, reader.i32(f"{node.kind} source size")
    if columns != node.ni + units:
        raise reader.fail(f"{node.kind} source size", str(columns), f"{node.ni + units} as in a one-dimensional LSTM")
    node.matrices = [_read_matrix(reader, (units, columns + 1), node) for _ in range(4)]


def _read_matrix(reader: ByteReader, shape: tuple[int, int], node: Node) -> Matrix:
    what = f"{node.kind} {node.name} weights"
    mode = reader.u8(f"{what} mode")
    if not mode & _NEW or mode & ~(_NEW | _ADAM | _INT8):
        raise reader.fail(f"{what} mode", str(mode), "132 (float64) or 133 (int8), as in files since Tesseract 4.0")
    if mode & _INT8:
        values = reader.matrix("int8", shape, what)
        scales = reader.vector("float64", f"{what} scales")
        if len(scales) < shape[0]:
            raise reader.fail(f"{what} scales", f"{len(scales)} scales", f"at least {shape[0]}")
        scales = scales[: shape[0]]
        # The weights enter float32 arithmetic, so a scale has to stay far below its limit.
        if bool((scales < 0).any()) or bool((scales > 1e6).any()):
            raise reader.fail(f"{what} scales", "a negative or huge scale", "scales from 0 to 1e6")
        return Matrix(values, scales)
    values = reader.matrix("float64", shape, what)
    if values.size and float(np.abs(values).max()) > 1e9:
        raise reader.fail(what, "a huge weight", "weights below 1e9")
    if node.training == 1:
        for _ in range(2 if mode & _ADAM else 1):
            reader.matrix("float64", shape, f"{what} optimiser state")
    return Matrix(values)


def _check(reader: ByteReader, node: Node) -> None:
    """Sizes and the checksum of one node whose children are checked already."""
    ni, children = node.ni, node.children
    if node.kind == "Convolve":
        expected = ni * (2 * node.extents[0] + 1) * (2 * node.extents[1] + 1)
    elif node.kind == "Reconfig":
        expected = ni * node.extents[0] * node.extents[1]
    elif node.kind == "Maxpool":
        expected = ni
    elif node.kind == "Input":
        expected = node.extents[3] if node.extents[1] != 1 else node.no
    elif node.kind in PARALLEL:
        expected = sum(child.no for child in children)
    elif children:
        expected = children[-1].no
    else:
        expected = node.no
    if children:
        ins = [ni] * len(children) if node.kind in PARALLEL else [ni, *(child.no for child in children[:-1])]
        for child, wanted in zip(children, ins, strict=True):
            if child.ni != wanted and child.kind != "Input":
                raise reader.fail(f"{child.kind} {child.name} inputs", str(child.ni), str(wanted))
        weights = sum(child.weights for child in children)
    else:
        weights = sum(matrix.values.size for matrix in node.matrices)
    if expected != node.no or node.no < 1:
        raise reader.fail(f"{node.kind} {node.name} outputs", str(node.no), f"{max(expected, 1)}")
    if weights != node.weights:
        raise reader.fail(f"{node.kind} {node.name} weight count", str(node.weights), str(weights))


def write_node(writer: ByteWriter, node: Node) -> None:
    """Write *node* and everything below it, as :func:`read_node` reads it, without optimiser state."""
    writer.pack("b", 0)
    writer.text(node.kind)
    writer.pack("bb", 0 if node.training == 1 else node.training, node.backprop)
    writer.pack("iiii", node.flags, node.ni, node.no, node.weights)
    writer.text(node.name)
    if node.extents:
        writer.pack(f"{len(node.extents)}i", *node.extents)
    if node.kind in CONTAINERS:
        writer.pack("I", len(node.children))
        for child in node.children:
            write_node(writer, child)
        if node.flags & _RATES:
            writer.vector("float32", np.asarray(node.rates))
    if node.kind in RECURRENT:
        writer.pack("i", node.ni + node.no)
    for matrix in node.matrices:
        if matrix.scales is None:
            writer.pack("B", _NEW | _ADAM)
            writer.matrix("float64", matrix.values)
        else:
            writer.pack("B", _NEW | _ADAM | _INT8)
            writer.matrix("int8", matrix.values)
            writer.vector("float64", matrix.scales)
