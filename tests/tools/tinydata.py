# SPDX-License-Identifier: MPL-2.0
"""A small traineddata file of our own making, so that most tests need no installed language."""

from __future__ import annotations

import numpy as np

from ocrmypdf_superres.recognizers.tesseract.format.binary import ByteWriter
from ocrmypdf_superres.recognizers.tesseract.format.charset import Charset
from ocrmypdf_superres.recognizers.tesseract.format.container import LSTM, RECODER, UNICHARSET, split_container
from ocrmypdf_superres.recognizers.tesseract.format.traineddata import TrainedData, parse, write_traineddata
from ocrmypdf_superres.recognizers.tesseract.format.tree import CONTAINERS, PARALLEL, Matrix, Node

HEIGHT = 12
LETTERS = "abcdefghijklmnop .,'’“\"-"
# The last character has two codes, and the blank follows all others.
PAIR = "ĳ"


def unicharset() -> list[str]:
    return [" ", "Joined", "|Broken|0|1", *[sign for sign in LETTERS if sign != " "], PAIR]


def codes_of(texts: list[str]) -> tuple[list[tuple[int, ...]], int]:
    singles = len(texts) - 3
    blank = singles + 1
    codes: list[tuple[int, ...]] = [(0,), (blank,), (blank,)]
    codes += [(index,) for index in range(1, singles)]
    codes.append((1, singles))
    return codes, blank


def components() -> tuple[dict[int, bytes], int]:
    texts = unicharset()
    codes, blank = codes_of(texts)
    rows = [f"{'NULL' if text == ' ' else text} 0 Common 0\t# {text}" for text in texts]
    writer = ByteWriter()
    writer.pack("I", len(codes))
    for sequence in codes:
        writer.pack("bi", 1, len(sequence))
        writer.pack(f"{len(sequence)}i", *sequence)
    text = "\n".join([str(len(rows)), *rows]) + "\n"
    return {UNICHARSET: text.encode(), RECODER: writer.data()}, blank


def shipped_tree(classes: int) -> Node:
    """The shape of the published networks, with a few units."""
    return series(
        36,
        Node("Input", "Input", HEIGHT, 1, 0, extents=(1, HEIGHT, 0, 1, 0)),
        series(1, Node("Convolve", "Convolve", 1, 9, 0, extents=(1, 1)), leaf("Tanh", 9, 4)),
        Node("Maxpool", "Maxpool", 4, 4, 0, extents=(3, 3)),
        wrap("XYTranspose", leaf("SummLSTM", 4, 5)),
        leaf("LSTM", 5, 6),
        wrap("RTLReversed", leaf("LSTM", 6, 6)),
        leaf("LSTM", 6, 7),
        leaf("Softmax", 7, classes),
    )


def other_tree(classes: int) -> Node:
    """What no published network has, but the format allows."""
    return series(
        1,
        Node("Input", "Input", 1, 1, 0, extents=(1, HEIGHT, 0, 1, 0)),
        Node("Convolve", "Convolve", 1, 15, 0, extents=(2, 1)),
        Node("Reconfig", "Reconfig", 15, 90, 0, extents=(2, 3)),
        leaf("Relu", 90, 8),
        series(8, Node("Convolve", "Convolve", 8, 72, 0, extents=(1, 1)), leaf("LinTanh", 72, 5)),
        wrap("TTBReversed", wrap("XYTranspose", leaf("SummLSTM", 5, 6))),
        Node("Parallel", "Both", 6, 12, 0, children=[leaf("LSTM", 6, 6), wrap("RTLReversed", leaf("LSTM", 6, 6))]),
        leaf("Logistic", 12, 9),
        leaf("Softmax", 9, classes),
    )


def series(ni: int, *children: Node) -> Node:
    return Node("Series", "Series", ni, children[-1].no, 0, children=list(children))


def wrap(kind: str, child: Node) -> Node:
    return Node(kind, kind, child.ni, child.no, 0, children=[child])


def leaf(kind: str, ni: int, no: int) -> Node:
    return Node(kind, f"{kind}{no}", ni, no, 0)


def fill(node: Node, rng: np.random.Generator, integer: bool) -> None:
    """Random weights below *node*, and its weight counts."""
    for child in node.children:
        fill(child, rng, integer)
    count, columns = 0, node.ni + 1
    if node.kind in ("LSTM", "SummLSTM"):
        count, columns = 4, node.ni + node.no + 1
    elif node.kind not in CONTAINERS | PARALLEL | {"Input", "Convolve", "Maxpool", "Reconfig"}:
        count = 1
    for _ in range(count):
        values = rng.normal(0.0, 1.6 / np.sqrt(columns), (node.no, columns))
        if integer:
            scales = np.abs(values).max(axis=1) / 127.0
            node.matrices.append(Matrix(np.round(values / scales[:, None]).astype(np.int8), scales))
        else:
            node.matrices.append(Matrix(values))
    node.weights = sum(child.weights for child in node.children) + sum(item.values.size for item in node.matrices)


def tiny(integer: bool = True, other: bool = False, seed: int = 0) -> TrainedData:
    """A checked file with random weights."""
    parts, blank = components()
    tree = (other_tree if other else shipped_tree)(blank + 1)
    fill(tree, np.random.default_rng(seed), integer)
    charset = Charset("tiny", [], [], blank)
    flags = 65 if integer else 64
    data = TrainedData("tiny", {**parts, LSTM: b""}, tree, "[1,12,0,1 tiny]", flags, 7, 4321, charset, (0.9, 1e-3, 0.5))
    return parse_traineddata(write_traineddata(data), "tiny.traineddata")


def parse_traineddata(data: bytes, source: str) -> TrainedData:
    """Return what the bytes of a file called *source* hold."""
    return parse(split_container(data, source), source)
